//! Attention of a few tokens to many frames without forming keys and values: the products of frames
//! with the key and value projections move to the side with few rows.
//!
//! This accounts for most of ALMT's savings: its modality embeddings and its fusion read only a few
//! outputs of layers with long sources. Everything is exact algebra; [`reference`](super::reference)
//! defines what is computed.

#[cfg(test)]
mod tests;

use std::cell::OnceCell;

use tch::Tensor;

use super::fusion::FusionTransformer;
use super::reference::ModalityEmbedding;
use crate::model::layers::{Attention, Kernels, TransformerLayer, softmax};
use crate::native::{self, FrameAttention, modes::lowered};

/// Rows that a few targets attend to.
#[derive(Debug)]
pub enum AttendedRows<'a> {
    /// Explicit rows, `[batch or 1, n_rows, dim]`.
    Rows(&'a Tensor),
    /// Rows `W f + c` that are never formed, if `feat_dim` is below `dim`.
    Frames {
        /// `f`, `[batch, n_rows, feat_dim]`.
        frames: &'a Tensor,
        /// `W`, `[dim, feat_dim]`.
        weight: &'a Tensor,
        /// `c`, `[n_rows, dim]`.
        offset: &'a Tensor,
    },
}

/// Rows `x^` with mean 0 and variance 1.
enum Normed<'a> {
    /// `[batch or 1, n_rows, dim]`.
    Rows(Tensor),
    /// Rows that are never formed.
    Frames(NormedFrames<'a>),
}

/// Rows `x^ = (W f + c) / sigma`, with `W` and `c` centred over `dim`, and the terms of `sigma`:
/// `sigma^2 = f (gram f + cross) + rest + eps`, where `|W f + c|^2 = f (W^T W f + 2 W^T c) + |c|^2`.
struct NormedFrames<'a> {
    /// `[batch, n_rows, feat_dim]`.
    frames: &'a Tensor,
    /// `[dim, feat_dim]`.
    weight: Tensor,
    /// `[n_rows, dim]`.
    offset: Tensor,
    /// `[feat_dim, feat_dim]`.
    gram: Tensor,
    /// `[n_rows, feat_dim]`.
    cross: Tensor,
    /// `[n_rows]`.
    rest: Tensor,
    eps: f64,
    /// Cached result of [`scale`](NormedFrames::scale).
    scale: OnceCell<Tensor>,
}

impl NormedFrames<'_> {
    /// `1 / sigma`, `[batch, 1, n_rows]`.
    fn scale(&self) -> &Tensor {
        self.scale.get_or_init(|| {
            let products = self.frames * (self.frames.matmul(&self.gram) + &self.cross);
            let variance = products.sum_dim_intlist(-1, false, None) + &self.rest;
            // Rounding may make a variance of zero negative.
            (variance.clamp_min(0.0) + self.eps).rsqrt().unsqueeze(1)
        })
    }
}

impl<'a> AttendedRows<'a> {
    fn normalise(&self, eps: f64) -> Normed<'a> {
        match self {
            AttendedRows::Rows(x) => Normed::Rows(x.layer_norm(
                &x.size()[2..],
                None::<&Tensor>,
                None::<&Tensor>,
                eps,
                false,
            )),
            AttendedRows::Frames { frames, weight, offset } => {
                let dim = weight.size()[0];
                let weight = *weight - weight.mean_dim(0, true, None);
                let offset = *offset - offset.mean_dim(-1, true, None);
                let gram = weight.transpose(0, 1).matmul(&weight) / dim as f64;
                let cross = offset.matmul(&weight) * (2.0 / dim as f64);
                let rest = offset.square().mean_dim(-1, false, None);
                let scale = OnceCell::new();
                Normed::Frames(NormedFrames {
                    frames,
                    weight,
                    offset,
                    gram,
                    cross,
                    rest,
                    eps,
                    scale,
                })
            }
        }
    }
}

impl Normed<'_> {
    fn n_samples(&self) -> i64 {
        match self {
            Normed::Rows(x) => x.size()[0],
            Normed::Frames(NormedFrames { frames, .. }) => frames.size()[0],
        }
    }

    fn n_rows(&self) -> i64 {
        match self {
            Normed::Rows(x) => x.size()[1],
            Normed::Frames(NormedFrames { offset, .. }) => offset.size()[0],
        }
    }

    /// `[batch or 1, n_queries, dim]` times every row: `[batch or 1, n_queries, n_rows]`.
    fn scores(&self, queries: &Tensor) -> Tensor {
        match self {
            Normed::Rows(x) => queries.matmul(&x.transpose(1, 2)),
            Normed::Frames(normed) => {
                let NormedFrames { frames, weight, offset, .. } = normed;
                let n_samples = frames.size()[0];
                let each = |x: Tensor| x.expand([n_samples, -1, -1], false);
                let frame_part = each(queries.matmul(weight));
                let offset_part = each(queries.matmul(&offset.transpose(0, 1)));
                offset_part.baddbmm(&frame_part, &frames.transpose(1, 2), 1.0, 1.0) * normed.scale()
            }
        }
    }

    /// Weighted sums of rows: `[batch, n_queries, n_rows]` to `[batch, n_queries, dim]`.
    fn gather(&self, weights: &Tensor) -> Tensor {
        match self {
            Normed::Rows(x) => weights.matmul(x),
            Normed::Frames(normed) => {
                let NormedFrames { frames, weight, offset, .. } = normed;
                let weights = weights * normed.scale();
                weights.matmul(offset) + weights.bmm(frames).matmul(&weight.transpose(0, 1))
            }
        }
    }
}

impl Attention {
    /// Like [`gather`](Attention::gather) with the concatenated `sources`, for few targets and many
    /// sources, which are never projected.
    ///
    /// With `x^` a normalised source row before scale and shift, a score is `q W_k (gamma_k x^ +
    /// beta_k)`. So `q W_k gamma_k` replaces the query, and the contribution of `beta_k` is the same
    /// for all keys. The values come after the weighted sum, since that is linear and its weights add
    /// up to one: `W_v (gamma_v (P x^) + beta_v)`.
    ///
    /// `target` is `[batch or 1, n_targets, dim]`; the result is `[batch or 1, n_targets, heads *
    /// dim_head]`.
    pub(super) fn gather_few(&self, target: &Tensor, sources: &[AttendedRows<'_>]) -> Tensor {
        let (batch, n_targets, dim) = target.size3().expect("attention works on three axes");
        let projected = self.absorbed_queries(target);
        let normed: Vec<Normed<'_>> =
            sources.iter().map(|source| source.normalise(self.norm_k.eps)).collect();
        let n_samples = normed.iter().map(Normed::n_samples).fold(batch, i64::max);
        let values = match &*normed {
            [Normed::Rows(tokens), Normed::Frames(frames)]
                if batch == 1
                    && tokens.size()[0] == 1
                    && self.kernels == Kernels::Native
                    && !frames.frames.requires_grad() =>
            {
                self.fused_values(&projected, tokens, frames)
            }
            [Normed::Rows(tokens), Normed::Rows(rows)] if batch == 1 && tokens.size()[0] == 1 => {
                self.shared_values(&projected.view([-1, dim]), tokens, rows)
            }
            _ => self.values(&projected.reshape([batch, -1, dim]), &normed),
        };
        values.reshape([n_samples, n_targets, -1])
    }

    /// Values that sample-independent queries `[n_targets * heads, dim]` gather from normed tokens `[1,
    /// n_tokens, dim]` and normed rows `[batch, n_rows, dim]`: `[batch * n_targets, heads, dim_head]`.
    fn shared_values(&self, queries: &Tensor, tokens: &Tensor, rows: &Tensor) -> Tensor {
        let tokens = tokens.expand([rows.size()[0], -1, -1], false);
        let all = Tensor::cat(&[&tokens, rows], 1).unsqueeze(0);
        let gathered = native::gather_rows(&lowered(&all), &lowered(&queries.unsqueeze(0)));
        self.values_of(&gathered.expect("the shapes are those of one model").squeeze_dim(0))
    }

    /// Replacement for the queries of `target` `[batch or 1, n_targets, dim]` if sources are not
    /// projected, `[batch or 1 * n_targets, heads, dim]`.
    pub(super) fn absorbed_queries(&self, target: &Tensor) -> Tensor {
        let dim = target.size()[2];
        let queries = self.queries().forward(target);
        let dim_head = self.to_q.weight.size()[0] / self.heads;
        let queries = self.by_head(&queries.view([-1, self.heads, dim_head]));
        let to_k = self.to_k.weight.view([self.heads, dim_head, dim]);
        let projected = queries.bmm(&to_k).transpose(0, 1).contiguous();
        // A zero gradient counts: without any gradient, the parameter would not decay.
        let nothing = self.norm_k.bias.sum(None) * 0.0;
        projected * (&self.norm_k.weight * (dim_head as f64).powf(-0.5)) + nothing
    }

    /// `[.., heads, width]` to `[heads, all others, width]`.
    fn by_head(&self, x: &Tensor) -> Tensor {
        x.view([-1, self.heads, x.size()[x.dim() - 1]]).transpose(0, 1)
    }

    /// Each head's value projection, `[heads, dim, dim_head]`.
    fn to_v_by_head(&self) -> Tensor {
        let (inner, dim) = self.to_v.weight.size2().expect("a weight has two axes");
        self.to_v.weight.view([self.heads, inner / self.heads, dim]).transpose(1, 2)
    }

    /// Values that queries `[batch or 1, n_targets * heads, dim]` gather from the sources, `[batch *
    /// n_targets, heads, dim_head]`.
    fn values(&self, queries: &Tensor, normed: &[Normed<'_>]) -> Tensor {
        let batch = queries.size()[0];
        let n_samples = normed.iter().map(Normed::n_samples).fold(batch, i64::max);
        let scores: Vec<Tensor> =
            normed.iter().map(|x| x.scores(queries).expand([n_samples, -1, -1], false)).collect();
        // Over the sources, [n_samples, n_targets * heads, all sources].
        let weights = softmax(&Tensor::cat(&scores, 2));
        let mut start = 0;
        let mut gathered: Option<Tensor> = None;
        for x in normed {
            let part = x.gather(&weights.narrow(2, start, x.n_rows()));
            start += x.n_rows();
            gathered = Some(match gathered {
                Some(sum) => sum + part,
                None => part,
            });
        }
        self.values_of(&gathered.expect("attention has at least one source"))
    }

    /// Values of weighted sums of normed rows, `[batch, n_targets * heads, dim]`, as `[batch *
    /// n_targets, heads, dim_head]`.
    fn values_of(&self, gathered: &Tensor) -> Tensor {
        let gathered = gathered * &self.norm_v.weight + &self.norm_v.bias;
        self.by_head(&gathered).bmm(&self.to_v_by_head()).transpose(0, 1)
    }

    /// [`values`](Attention::values) for sample-independent queries, `[n_targets, heads, dim]`, as
    /// `[batch, n_targets, heads, dim_head]`. Training steps on audio and vision spend most of their
    /// time here: every product is formed per head and before the weighted sum if that is smaller, and
    /// the weights stay in the processor's cache.
    fn fused_values(&self, queries: &Tensor, tokens: &Tensor, frames: &NormedFrames<'_>) -> Tensor {
        let NormedFrames { frames, weight, offset, gram, cross, rest, eps, .. } = frames;
        let to_v = self.to_v_by_head();
        let value_of = |rows: &Tensor| (rows * &self.norm_v.weight).matmul(&to_v);
        // Tokens before frames, [n_tokens + n_frames, dim].
        let rows = Tensor::cat(&[&tokens.squeeze_dim(0), offset], 0);
        let (values, features) = native::frame_attention(&FrameAttention {
            scores: &queries.matmul(&rows.transpose(0, 1)),
            feature_queries: &queries.matmul(weight),
            gram,
            cross,
            rest,
            eps: *eps,
            frames,
            values: &value_of(&rows),
        })
        .expect("the shapes are those of one model");
        // The weights of all sources add up to one, so the norm's shift passes through unchanged.
        let shift = self.norm_v.bias.unsqueeze(0).matmul(&to_v);
        let of_features = value_of(&weight.transpose(0, 1));
        let features_by_head = features.transpose(0, 1).flatten(1, 2);
        let from_features = shift.baddbmm(&features_by_head, &of_features, 1.0, 1.0);
        let (batch, heads, n_targets, dim_head) = values.size4().expect("heads are an axis");
        let from_features = from_features.view([heads, batch, n_targets, dim_head]);
        (values + from_features.transpose(0, 1)).transpose(1, 2)
    }
}

impl TransformerLayer {
    /// The same function as [`forward`](TransformerLayer::forward), cheaper for few targets and many
    /// sources: `target` `[batch or 1, n_targets, dim]` attends to all `sources`; `[batch, n_targets,
    /// dim]`.
    pub fn forward_few(&self, target: &Tensor, sources: &[AttendedRows<'_>]) -> Tensor {
        self.after_attention(target, &self.attention.gather_few(target, sources))
    }
}

impl ModalityEmbedding {
    /// Equals [`forward`](ModalityEmbedding::forward).
    ///
    /// Only the T tokens are used afterwards, so the last layer computes no other output. With one
    /// layer, as in the paper, the tokens that it reads are the same for every sample, so they need not
    /// be prepended to each sample's frames; and frames of few features, as in audio and vision, need
    /// not be projected either.
    pub(super) fn forward_absorbed(&self, frames: &Tensor) -> Tensor {
        let Some(extra_token) = &self.extra_token else {
            return self.project.forward(frames) + &self.pos_embedding;
        };
        let n_tokens = extra_token.size()[1];
        let (batch, n_frames, feat_dim) = frames.size3().expect("features have three axes");
        let tokens = extra_token + self.pos_embedding.narrow(1, 0, n_tokens);
        let positions = self.pos_embedding.narrow(1, n_tokens, n_frames);
        let project = || self.project.forward(frames) + &positions;
        let Some((last, before)) = self.layers.split_last() else {
            return tokens.expand([batch, -1, -1], false);
        };
        if !before.is_empty() {
            let mut x = Tensor::cat(&[tokens.expand([batch, -1, -1], false), project()], 1);
            for layer in before {
                x = layer.forward(&x, &x);
            }
            return last.forward_few(&x.narrow(1, 0, n_tokens), &[AttendedRows::Rows(&x)]);
        }
        let tokens_as_source = AttendedRows::Rows(&tokens);
        let weight = self.project.weight();
        if feat_dim >= weight.size()[0] {
            return last.forward_few(&tokens, &[tokens_as_source, AttendedRows::Rows(&project())]);
        }
        let offset = self.project.add_bias(positions.squeeze_dim(0));
        let frames = AttendedRows::Frames { frames, weight, offset: &offset };
        last.forward_few(&tokens, &[tokens_as_source, frames])
    }
}

impl FusionTransformer {
    /// Position 0 of [`forward`](FusionTransformer::forward) from its source alone, `[batch, d]`.
    /// Targets attend to the source and not to each other, so the other positions, and with them the
    /// target, do not matter.
    pub(super) fn summary_absorbed(&self, source: &Tensor) -> Tensor {
        let source = self.with_token(source, &self.pos_embedding_s);
        let target = &self.extra_token + self.pos_embedding_t.narrow(1, 0, 1);
        let rows = [AttendedRows::Rows(&source)];
        let summary =
            self.layers.iter().fold(target, |target, layer| layer.forward_few(&target, &rows));
        summary.expand([source.size()[0], -1, -1], false).select(1, 0)
    }
}
