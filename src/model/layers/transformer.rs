//! Pre-norm transformer layers.

use tch::Tensor;

use super::attention::{Attention, LayerConfig};
use super::init::Init;
use super::layer_norm::LayerNorm;
use super::linear::Linear;

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

    /// The layer's output for `target` `[batch or 1, n_targets, dim]` and the values it gathered
    /// `[batch, n_targets, heads * dim_head]`, `[batch, n_targets, dim]`.
    pub fn after_attention(&self, target: &Tensor, gathered: &Tensor) -> Tensor {
        let x = self.attention.to_out.forward(gathered) + target;
        self.feed_forward.forward(&x) + x
    }

    /// Attention of `target` `[batch, n_targets, dim]` to each row of `source` `[batch, n_sources,
    /// dim]` in [`forward`](TransformerLayer::forward): `[batch, heads, n_targets, n_sources]`; each
    /// row adds up to 1.
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
