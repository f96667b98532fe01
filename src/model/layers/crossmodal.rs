//! The crossmodal transformer of MulT (Tsai et al., "Multimodal Transformer for Unaligned Multimodal
//! Language Sequences", ACL 2019), as in thuiar/MMSA
//! `models/subNets/transformers_encoder/transformer.py`; parameter names are the same.

use std::cell::Cell;

use tch::{Kind, Tensor};

use super::{Init, LayerNorm, Linear, MultiheadAttention};
use crate::model::contract::Pass;

/// Sizes and dropout rates of an encoder.
#[derive(Debug, Clone, Copy)]
pub struct CrossmodalSizes {
    /// Features per step.
    pub dim: i64,
    /// Attention heads.
    pub heads: i64,
    /// Number of layers.
    pub layers: i64,
    /// Dropout rate of attention weights.
    pub attention_dropout: f64,
    /// Dropout rate of each feed-forward block's hidden features.
    pub relu_dropout: f64,
    /// Dropout rate of each block's output, before it is added.
    pub residual_dropout: f64,
    /// Dropout rate of the first layer's input.
    pub embed_dropout: f64,
    /// Whether steps cannot attend to later ones.
    pub is_masked: bool,
    /// Whether steps have position embeddings, as in the paper but not in MMSA.
    pub has_positions: bool,
}

#[derive(Debug)]
struct CrossmodalLayer {
    attention: MultiheadAttention,
    expand: Linear,
    reduce: Linear,
    norms: [LayerNorm; 2],
}

/// Pre-norm attention layers from one sequence to another, or to itself, followed by a norm.
#[derive(Debug)]
pub struct CrossmodalEncoder {
    place: String,
    sizes: CrossmodalSizes,
    layers: Vec<CrossmodalLayer>,
    norm: LayerNorm,
}

/// PyTorch's default.
const EPS: f64 = 1e-5;

impl CrossmodalEncoder {
    /// An encoder below `place`.
    pub fn new(init: &Init<'_>, place: &str, sizes: CrossmodalSizes) -> CrossmodalEncoder {
        let init = init.sub(place);
        let layer = |idx| {
            let init = init.sub(&format!("layers.{idx}"));
            let (dim, xavier) = (sizes.dim, Linear::xavier);
            let norm = |idx| LayerNorm::new(&init.sub(&format!("layer_norms.{idx}")), dim, EPS);
            let own = init.sub("self_attn");
            CrossmodalLayer {
                attention: MultiheadAttention::new(
                    &own,
                    dim,
                    sizes.heads,
                    xavier(&own.sub("out_proj"), dim, dim),
                ),
                expand: xavier(&init.sub("fc1"), dim, 4 * dim),
                reduce: xavier(&init.sub("fc2"), 4 * dim, dim),
                norms: [norm(0), norm(1)],
            }
        };
        CrossmodalEncoder {
            place: place.into(),
            layers: (0..sizes.layers).map(layer).collect(),
            norm: LayerNorm::new(&init.sub("layer_norm"), sizes.dim, EPS),
            sizes,
        }
    }

    /// Attention from `target` `[batch, n_targets, dim]` to `source` `[batch, n_sources, dim]`, or to
    /// itself without a source: the shape of `target`.
    pub fn forward(&self, target: &Tensor, source: Option<&Tensor>, pass: &mut Pass<'_>) -> Tensor {
        let sizes = self.sizes;
        let place = |name: &str| format!("{}/{name}", self.place);
        let embed = |x: &Tensor, name: &str| {
            let scaled = x * (sizes.dim as f64).sqrt();
            let placed = match sizes.has_positions {
                true => scaled + positions(x),
                false => scaled,
            };
            pass.dropout(&place(name), &placed, sizes.embed_dropout)
        };
        let mut x = embed(target, "embed");
        let source = source.map(|source| {
            let keys = embed(source, "embed_keys");
            // Without dropout, they are equal.
            let is_same = !pass.is_training() || sizes.embed_dropout == 0.0;
            let values = if is_same { keys.shallow_clone() } else { embed(source, "embed_values") };
            (keys, values, is_same)
        });
        let n_sources = source.as_ref().map_or(target.size()[1], |(keys, ..)| keys.size()[1]);
        let mask = sizes.is_masked.then(|| later(&x, n_sources));
        for (idx, layer) in self.layers.iter().enumerate() {
            let drop = |name: &str, x: &Tensor, rate| {
                pass.dropout(&place(&format!("{idx}/{name}")), x, rate)
            };
            let (own_weights, is_traced) = (Cell::new(None), pass.trace.is_kept());
            let on_weights = |weights: Tensor| {
                own_weights.set(is_traced.then(|| weights.shallow_clone()));
                drop("weights", &weights, sizes.attention_dropout)
            };
            let norm = &layer.norms[0];
            let normed = norm.forward(&x);
            let attend = |keys: &Tensor, values: &Tensor| {
                layer.attention.forward(&normed, keys, values, mask.as_ref(), &on_weights)
            };
            let attended = match &source {
                Some((keys, _, true)) => {
                    let keys = norm.forward(keys);
                    attend(&keys, &keys)
                }
                Some((keys, values, false)) => attend(&norm.forward(keys), &norm.forward(values)),
                None => attend(&normed, &normed),
            };
            x = drop("attention", &attended, sizes.residual_dropout) + x;
            let expanded = layer.expand.forward(&layer.norms[1].forward(&x));
            let hidden = drop("relu", &expanded.relu(), sizes.relu_dropout);
            let reduced = layer.reduce.forward(&hidden);
            x = drop("feed_forward", &reduced, sizes.residual_dropout) + x;
            if is_traced {
                let place = place(&idx.to_string());
                let weights = own_weights.take().map(|it| it.mean_dim(1, false, it.kind()));
                let parts =
                    [("attended", &attended), ("expanded", &expanded), ("reduced", &reduced)];
                let parts = parts.into_iter().chain([("output", &x)]);
                for (name, value) in parts.chain(weights.as_ref().map(|it| ("weights", it))) {
                    pass.trace.record_in(&place, name, value);
                }
            }
        }
        let output = self.norm.forward(&x);
        pass.trace.record(&self.place, &output);
        output
    }
}

/// Mask of later steps, `[n_targets, n_sources]`: hides source step j from target step i if j - i
/// exceeds the difference of the lengths.
fn later(x: &Tensor, n_sources: i64) -> Tensor {
    let n_targets = x.size()[1];
    let all = Tensor::full([n_targets, n_sources], f64::NEG_INFINITY, (x.kind(), x.device()));
    all.triu(1 + (n_sources - n_targets).abs())
}

/// Sinusoidal embedding of each step's position, counted from 1, `[batch, seq_len, dim]` of `x`; zeros
/// if the first feature of a step is exactly 0, which is treated as padding.
fn positions(x: &Tensor) -> Tensor {
    let (_, seq_len, dim) = x.size3().expect("sequences have three axes");
    let half = dim / 2;
    let options = (Kind::Float, x.device());
    let rate = (10000.0_f64).ln() / ((half - 1).max(1)) as f64;
    let frequencies = (Tensor::arange(half, options) * -rate).exp();
    let places = Tensor::arange_start(1, seq_len + 1, options).unsqueeze(1);
    let angles = places * frequencies.unsqueeze(0);
    let mut all = Tensor::cat(&[angles.sin(), angles.cos()], 1);
    if dim % 2 == 1 {
        all = all.constant_pad_nd([0, 1]);
    }
    let is_real = x.detach().select(2, 0).not_equal(0.0).unsqueeze(2);
    all.unsqueeze(0) * is_real.to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use tch::{Device, IndexOp, Kind, Tensor};

    use super::positions;

    #[test]
    fn padding_has_no_position_and_leaves_those_of_other_steps() {
        let x = Tensor::ones([2, 5, 6], (Kind::Float, Device::Cpu));
        let _ = x.i((0, 3.., ..)).zero_();
        // In front, and of one feature only, as the authors' code recognizes it.
        let _ = x.i((1, 0, 0)).zero_();
        let placed = positions(&x);
        let last = placed.i((1, 4));
        for (sample, step) in [(0, 3), (0, 4), (1, 0)] {
            assert_eq!(placed.i((sample, step)).abs().max().double_value(&[]), 0.0);
        }
        // Position 5: sine, then cosine, of 5 times each frequency.
        let angles = [5.0, 0.05, 0.0005_f64];
        let expected = angles.iter().map(|a| a.sin()).chain(angles.iter().map(|a| a.cos()));
        for (idx, expected) in expected.enumerate() {
            let value = last.double_value(&[idx as i64]);
            assert!((value - expected).abs() < 1e-6, "{idx}: {value} instead of {expected}");
        }
    }
}
