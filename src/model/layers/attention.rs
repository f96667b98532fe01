//! Attention of all targets to all rows, as the released code has it.

use tch::{Kind, Tensor};

use super::{Init, LayerConfig, LayerNorm, Linear};
use crate::native;

/// `[batch, seq_len, heads * dim_head]` to `[batch, heads, seq_len, dim_head]`.
pub fn split_heads(x: &Tensor, heads: i64) -> Tensor {
    let (batch, seq_len, inner) = x.size3().expect("attention works on three axes");
    x.view([batch, seq_len, heads, inner / heads]).transpose(1, 2)
}

/// `[batch, heads, seq_len, dim_head]` to `[batch, seq_len, heads * dim_head]`.
pub fn join_heads(x: &Tensor) -> Tensor {
    let (batch, heads, seq_len, dim_head) = x.size4().expect("heads are a fourth axis");
    x.transpose(1, 2).contiguous().view([batch, seq_len, heads * dim_head])
}

/// Scaled dot-product weights `softmax(q k^T / sqrt(dim_head))` (paper Eq. 3 and 4),
/// `[batch, heads, n_queries, n_keys]`.
pub fn attention_weights(q: &Tensor, k: &Tensor) -> Tensor {
    let dim_head = q.size().last().copied().unwrap_or(1) as f64;
    softmax(&(q.matmul(&k.transpose(-2, -1)) * dim_head.powf(-0.5)))
}

/// Over the last axis, in float32 also of scores of fewer bits.
pub fn softmax(scores: &Tensor) -> Tensor {
    scores.softmax(-1, if scores.kind() == Kind::Double { Kind::Double } else { Kind::Float })
}

/// Whose functions compute attention among tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// libtorch's, for tensors of any type on any device.
    Libtorch,
    /// Those of [`native`] for float32 on the CPU, wherever they take the shapes.
    Native,
}

/// Keys up to which [`native::token_attention`] gains anything.
const FEW_KEYS: i64 = 32;

/// Widths of a head that [`native::token_attention`] takes are multiples of it.
const LANES: i64 = 8;

impl Kernels {
    /// `softmax(q k^T / sqrt(dim_head)) v` of every head: q `[batch, n_targets, heads * dim_head]`, k and
    /// v `[batch, n_keys, heads * dim_head]` to the shape of q.
    pub fn attend(self, q: &Tensor, k: &Tensor, v: &Tensor, heads: i64) -> Tensor {
        let is_few = k.size()[1] <= FEW_KEYS && q.size()[0] == k.size()[0];
        if self == Kernels::Native && is_few && q.size()[2] % (heads * LANES) == 0 {
            let attended = native::token_attention(q, k, v, heads);
            return attended.expect("the shapes are those of one model");
        }
        let weights = attention_weights(&split_heads(q, heads), &split_heads(k, heads));
        join_heads(&weights.matmul(&split_heads(v, heads)))
    }
}

/// Makes queries, keys or values of rows: a norm and a linear map without bias.
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
    /// What makes keys of them.
    pub keys: Projection<'a>,
    /// What makes values of them.
    pub values: Projection<'a>,
}

/// What targets `[batch, n_targets, dim]` gather of the values of each source by
/// [`attention_weights`], summed over the sources, of which there is at least one: `[batch,
/// n_targets, heads * dim_head]`.
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

/// Pre-norm multi-head attention with a norm each for queries, keys and values.
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

    /// What makes queries of targets.
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
