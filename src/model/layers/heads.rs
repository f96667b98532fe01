//! Multi-head attention from queries, keys and values.

use tch::{Kind, Tensor};

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

/// Softmax over the last axis, in float32 even for lower-precision scores.
pub fn softmax(scores: &Tensor) -> Tensor {
    scores.softmax(-1, if scores.kind() == Kind::Double { Kind::Double } else { Kind::Float })
}

/// Functions that compute attention among tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// libtorch's, for tensors of any type on any device.
    Libtorch,
    /// Those of [`native`] for float32 on the CPU, if they support the shapes.
    Native,
}

/// Maximum number of keys for which [`native::token_attention`] is faster.
const FEW_KEYS: i64 = 32;

/// [`native::token_attention`] supports head widths that are multiples of this.
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
