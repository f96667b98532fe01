//! Attention of all targets to all rows, as in the released code.

use tch::Tensor;

use super::heads::{Kernels, attention_weights, split_heads};
use super::init::Init;
use super::layer_norm::LayerNorm;
use super::linear::Linear;

/// Settings shared by all transformer layers of one module.
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
    /// The kernels that compute attention.
    pub kernels: Kernels,
}

/// Projects rows to queries, keys or values: a norm and a linear map without bias.
#[derive(Debug, Clone, Copy)]
pub struct Projection<'a> {
    /// Over `dim`.
    pub norm: &'a LayerNorm,
    /// `dim` to `heads * dim_head`.
    pub linear: &'a Linear,
}

impl<'a> Projection<'a> {
    /// `[.., dim]` to `[.., heads * dim_head]`.
    pub fn forward(&self, rows: &Tensor) -> Tensor {
        self.linear.forward(&self.norm.forward(rows))
    }
}

/// Tokens that others attend to.
#[derive(Debug, Clone, Copy)]
pub struct TokenSource<'a> {
    /// `[batch, n_keys, dim]`.
    pub rows: &'a Tensor,
    /// Projects them to keys.
    pub keys: Projection<'a>,
    /// Projects them to values.
    pub values: Projection<'a>,
}

/// Values that targets `[batch, n_targets, dim]` gather from each source by [`attention_weights`],
/// summed over at least one source: `[batch, n_targets, heads * dim_head]`.
pub fn gather(
    targets: &Tensor,
    queries: Projection<'_>,
    sources: &[TokenSource<'_>],
    heads: i64,
    kernels: Kernels,
) -> Tensor {
    let q = queries.forward(targets);
    let parts = sources.iter().map(|TokenSource { rows, keys, values }| {
        kernels.attend(&q, &keys.forward(rows), &values.forward(rows), heads)
    });
    parts.reduce(|sum, part| sum + part).expect("there is a source")
}

/// Pre-norm multi-head attention with separate norms for queries, keys and values.
#[derive(Debug)]
pub struct Attention {
    pub norm_q: LayerNorm,
    pub norm_k: LayerNorm,
    pub norm_v: LayerNorm,
    pub to_q: Linear,
    pub to_k: Linear,
    pub to_v: Linear,
    pub to_out: Linear,
    pub heads: i64,
    pub kernels: Kernels,
}

impl Attention {
    pub(super) fn new(init: &Init<'_>, config: LayerConfig) -> Attention {
        let LayerConfig { dim, heads, dim_head, eps, kernels, .. } = config;
        let inner = heads * dim_head;
        let norm = |name| LayerNorm::new(&init.sub(name), dim, eps);
        let project = |name| Linear::new(&init.sub(name), dim, inner, false);
        Attention {
            norm_q: norm("norm_q"),
            norm_k: norm("norm_k"),
            norm_v: norm("norm_v"),
            to_q: project("fn.to_q"),
            to_k: project("fn.to_k"),
            to_v: project("fn.to_v"),
            to_out: Linear::new(&init.sub("fn.to_out.0"), inner, dim, true),
            heads,
            kernels,
        }
    }

    /// Projects targets to queries.
    pub fn queries(&self) -> Projection<'_> {
        Projection { norm: &self.norm_q, linear: &self.to_q }
    }

    /// Queries from `target`, keys from `source`: `[batch, heads, n_targets, n_sources]`.
    pub fn weights(&self, target: &Tensor, source: &Tensor) -> Tensor {
        let keys = Projection { norm: &self.norm_k, linear: &self.to_k };
        let q = split_heads(&self.queries().forward(target), self.heads);
        attention_weights(&q, &split_heads(&keys.forward(source), self.heads))
    }

    /// Queries from `target` `[batch, n_targets, dim]`, keys and values from `source` `[batch,
    /// n_sources, dim]`: `[batch, n_targets, heads * dim_head]`.
    pub fn gather(&self, target: &Tensor, source: &Tensor) -> Tensor {
        let source = TokenSource {
            rows: source,
            keys: Projection { norm: &self.norm_k, linear: &self.to_k },
            values: Projection { norm: &self.norm_v, linear: &self.to_v },
        };
        gather(target, self.queries(), &[source], self.heads, self.kernels)
    }
}
