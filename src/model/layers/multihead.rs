//! Multi-head attention with one joint matrix for queries, keys and values, like
//! `nn.MultiheadAttention`.

use tch::{Kind, Tensor};

use super::{Init, Linear, join_heads, split_heads};

/// Transforms the attention weights before the weighted sum of the values.
pub type OnWeights<'a> = &'a dyn Fn(Tensor) -> Tensor;

/// Parameters `in_proj_weight`, `in_proj_bias` and `out_proj`, initialised as in PyTorch.
#[derive(Debug)]
pub struct MultiheadAttention {
    /// For queries, keys and values, `[3 dim, dim]`.
    weight: Tensor,
    /// `[3 dim]`.
    bias: Tensor,
    out: Linear,
    heads: i64,
}

impl MultiheadAttention {
    /// Attention with `heads` heads on `dim` features; `out` creates the output map.
    pub fn new(init: &Init<'_>, dim: i64, heads: i64, out: Linear) -> MultiheadAttention {
        // Xavier's rule for the joint matrix.
        let bound = (6.0 / (4 * dim) as f32).sqrt();
        MultiheadAttention {
            weight: init.uniform("in_proj_weight", &[3 * dim, dim], bound),
            bias: init.constant("in_proj_bias", &[3 * dim], 0.0),
            out,
            heads,
        }
    }

    /// Queries from `target` `[batch, n_targets, dim]`, keys and values from `keys` and `values` `[batch,
    /// n_sources, dim]`, to the shape of `target`. `mask` is added to the logits, `[n_targets, n_sources]`.
    pub fn forward(
        &self,
        target: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        mask: Option<&Tensor>,
        on_weights: OnWeights<'_>,
    ) -> Tensor {
        let (weights, biases) = (self.weight.chunk(3, 0), self.bias.chunk(3, 0));
        let map = |x: &Tensor, idx: usize| {
            split_heads(&x.linear(&weights[idx], Some(&biases[idx])), self.heads)
        };
        let (q, k, v) = (map(target, 0), map(keys, 1), map(values, 2));
        let dim_head = q.size()[3] as f64;
        let logits = (q * dim_head.powf(-0.5)).matmul(&k.transpose(-2, -1));
        let logits = match mask {
            Some(mask) => logits + mask,
            None => logits,
        };
        let weights = on_weights(logits.softmax(-1, Kind::Float));
        self.out.forward(&join_heads(&weights.matmul(&v)))
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, nn};

    use super::*;
    use crate::model::drawn;
    use crate::seed::stream;

    #[test]
    fn it_is_what_libtorch_computes_of_the_same_parameters() {
        let vars = nn::VarStore::new(Device::Cpu);
        let root = Init::new(vars.root(), 1);
        let out = Linear::new(&root.sub("out_proj"), 6, 6, true);
        let attention = MultiheadAttention::new(&root, 6, 2, out);
        let mut rng = stream(2, "multihead");
        let (target, source) = (drawn(&mut rng, &[3, 4, 6]), drawn(&mut rng, &[3, 5, 6]));
        let mask = drawn(&mut rng, &[4, 5]);
        let found = attention.forward(&target, &source, &source, Some(&mask), &|weights| weights);
        let (weights, biases) = (attention.weight.chunk(3, 0), attention.bias.chunk(3, 0));
        let map =
            |x: &Tensor, idx: usize| split_heads(&x.linear(&weights[idx], Some(&biases[idx])), 2);
        let attended = Tensor::scaled_dot_product_attention(
            &map(&target, 0),
            &map(&source, 1),
            &map(&source, 2),
            Some(&mask),
            0.0,
            false,
            None,
            false,
        );
        let expected = attention.out.forward(&join_heads(&attended));
        assert!(found.allclose(&expected, 1e-5, 1e-6, false));
    }
}
