//! The small layers of ALMT: linear maps, layer norms, attention, feed-forward blocks.
//!
//! Parameter names are those of the released PyTorch modules (Haoyu-ha/ALMT
//! `models/almt_layer.py`), so that weights are exchanged by name.

mod attention;
mod batch_norm;
mod init;
mod lstm;
mod subnet;

use tch::Tensor;

pub use attention::{
    Attention, Kernels, Projection, TokenSource, attention_weights, gather, join_heads, softmax,
    split_heads,
};
pub use batch_norm::BatchNorm;
pub use init::Init;
pub use lstm::Lstm;
pub use subnet::{SubnetSizes, Subnets, with_one_before};

/// `y = x W^T + b`, initialised as PyTorch does: uniform within 1/sqrt(n_in).
#[derive(Debug)]
pub struct Linear {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
}

impl Linear {
    /// A linear map from `n_in` to `n_out` features.
    pub fn new(init: &Init<'_>, n_in: i64, n_out: i64, with_bias: bool) -> Linear {
        let bound = 1.0 / (n_in as f32).sqrt();
        Linear {
            weight: init.uniform("weight", &[n_out, n_in], bound),
            bias: with_bias.then(|| init.uniform("bias", &[n_out], bound)),
        }
    }

    /// `[n_out, n_in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Adds the bias, if there is one, to `x` `[.., n_out]`.
    pub fn add_bias(&self, x: Tensor) -> Tensor {
        match &self.bias {
            Some(bias) => x + bias,
            None => x,
        }
    }

    /// A linear map of zeros, whose values are to be read from a file.
    pub fn zeros(init: &Init<'_>, n_in: i64, n_out: i64) -> Linear {
        Linear {
            weight: init.constant("weight", &[n_out, n_in], 0.0),
            bias: Some(init.constant("bias", &[n_out], 0.0)),
        }
    }

    /// `[.., n_in]` to `[.., n_out]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref())
    }
}

/// Layer normalisation over the last axis.
#[derive(Debug)]
pub struct LayerNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub eps: f64,
}

impl LayerNorm {
    /// Normalises `dim` features.
    pub fn new(init: &Init<'_>, dim: i64, eps: f64) -> LayerNorm {
        LayerNorm {
            weight: init.constant("weight", &[dim], 1.0),
            bias: init.constant("bias", &[dim], 0.0),
            eps,
        }
    }

    /// `[.., dim]` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let shape = self.weight.size();
        x.layer_norm(&shape, Some(&self.weight), Some(&self.bias), self.eps, false)
    }
}

/// What all transformer layers of one module share.
#[derive(Debug, Clone, Copy)]
pub struct LayerConfig {
    /// Width of tokens, `d`.
    pub dim: i64,
    /// Attention heads.
    pub heads: i64,
    /// Width of one head.
    pub dim_head: i64,
    /// Width of the feed-forward block.
    pub mlp_dim: i64,
    /// Epsilon of the layer norms.
    pub eps: f64,
    /// Whose functions compute attention.
    pub kernels: Kernels,
}

/// Pre-norm feed-forward block with the exact (erf) GELU.
#[derive(Debug)]
pub struct FeedForward {
    pub norm: LayerNorm,
    pub expand: Linear,
    pub reduce: Linear,
}

impl FeedForward {
    /// A block named `norm` and `fn.net` below `init`.
    pub fn new(init: &Init<'_>, config: LayerConfig) -> FeedForward {
        FeedForward {
            norm: LayerNorm::new(&init.sub("norm"), config.dim, config.eps),
            expand: Linear::new(&init.sub("fn.net.0"), config.dim, config.mlp_dim, true),
            reduce: Linear::new(&init.sub("fn.net.3"), config.mlp_dim, config.dim, true),
        }
    }

    /// `[.., dim]` to the same shape, without the residual.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.reduce.forward(&self.expand.forward(&self.norm.forward(x)).gelu("none"))
    }
}

/// One transformer layer: attention and feed-forward, each with a residual on the un-normed
/// tensor.
#[derive(Debug)]
pub struct TransformerLayer {
    pub attention: Attention,
    pub feed_forward: FeedForward,
}

impl TransformerLayer {
    /// A layer named `0` (attention) and `1` (feed-forward) below `init`.
    pub fn new(init: &Init<'_>, config: LayerConfig) -> TransformerLayer {
        TransformerLayer {
            attention: Attention::new(&init.sub("0"), config),
            feed_forward: FeedForward::new(&init.sub("1"), config),
        }
    }

    /// What becomes of `target` `[batch or 1, n_targets, dim]` and of what it gathered `[batch,
    /// n_targets, heads * dim_head]`, `[batch, n_targets, dim]`.
    pub fn after_attention(&self, target: &Tensor, gathered: &Tensor) -> Tensor {
        let x = self.attention.to_out.forward(gathered) + target;
        self.feed_forward.forward(&x) + x
    }

    /// How much `target` `[batch, n_targets, dim]` attends to each row of `source` `[batch,
    /// n_sources, dim]` in [`forward`](TransformerLayer::forward): `[batch, heads, n_targets,
    /// n_sources]`, each row adding up to 1.
    pub fn attention(&self, target: &Tensor, source: &Tensor) -> Tensor {
        self.attention.weights(target, source)
    }

    /// `target` `[batch, n_targets, dim]` attends to `source` `[batch, n_sources, dim]`; the shape
    /// of `target`.
    pub fn forward(&self, target: &Tensor, source: &Tensor) -> Tensor {
        self.after_attention(target, &self.attention.gather(target, source))
    }
}

/// Layers named by their index below `init`.
pub fn transformer_layers(
    init: &Init<'_>,
    depth: i64,
    config: LayerConfig,
) -> Vec<TransformerLayer> {
    (0..depth).map(|i| TransformerLayer::new(&init.sub(&i.to_string()), config)).collect()
}
