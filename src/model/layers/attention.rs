//! Attention: among tokens, and of few targets to many rows.

use std::cell::OnceCell;

use tch::{Device, Kind, Tensor};

use super::{Init, LayerNorm, LayerSizes, Linear};
use crate::native::modes::Autocast;
use crate::native::{self, FrameAttention};

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

/// Keys up to which [`attend`] has a form of its own.
const FEW_KEYS: i64 = 32;

/// Widths of a head that [`native::token_attention`] takes are multiples of it.
const LANES: i64 = 8;

/// Whether the functions of [`native`] for float32 on the CPU can take the place of libtorch's.
pub fn is_native(x: &Tensor) -> bool {
    native::has_loops()
        && x.device() == Device::Cpu
        && x.kind() == Kind::Float
        && !Autocast::is_on()
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
) -> Tensor {
    let q = queries.forward(targets);
    let parts = sources.iter().map(|TokenSource { rows, keys, values }| {
        attend(&q, &keys.forward(rows), &values.forward(rows), heads)
    });
    parts.reduce(|sum, part| sum + part).expect("there is a source")
}

/// `softmax(q k^T / sqrt(dim_head)) v` of every head: q `[batch, n_targets, heads * dim_head]`, k and v
/// `[batch, n_keys, heads * dim_head]` to the shape of q.
pub(super) fn attend(q: &Tensor, k: &Tensor, v: &Tensor, heads: i64) -> Tensor {
    let is_few = k.size()[1] <= FEW_KEYS && q.size()[0] == k.size()[0];
    if is_few && is_native(q) && q.size()[2] % (heads * LANES) == 0 {
        return native::token_attention(q, k, v, heads).expect("the shapes are those of one model");
    }
    attend_plainly(q, k, v, heads)
}

/// [`attend`] as the released code spells it.
pub(super) fn attend_plainly(q: &Tensor, k: &Tensor, v: &Tensor, heads: i64) -> Tensor {
    let weights = attention_weights(&split_heads(q, heads), &split_heads(k, heads));
    join_heads(&weights.matmul(&split_heads(v, heads)))
}

/// What a few targets attend to.
#[derive(Debug)]
pub enum Source<'a> {
    /// Rows as they are, `[batch or 1, n_rows, dim]`.
    Rows(&'a Tensor),
    /// Rows `W f + c` that are never formed, for `feat_dim` below `dim`.
    Frames {
        /// `f`, `[batch, n_rows, feat_dim]`.
        frames: &'a Tensor,
        /// `W`, `[dim, feat_dim]`.
        weight: &'a Tensor,
        /// `c`, `[n_rows, dim]`.
        offset: &'a Tensor,
    },
}

/// Rows `x^` of mean 0 and variance 1.
enum Normed<'a> {
    /// `[batch or 1, n_rows, dim]`.
    Rows(Tensor),
    /// Rows that are never formed.
    Frames(NormedFrames<'a>),
}

/// Rows `x^ = (W f + c) / sigma`, with `W` and `c` centred over `dim`, and what `sigma` is made of:
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
    /// What [`scale`](NormedFrames::scale) gives, once it was asked.
    scale: OnceCell<Tensor>,
}

impl NormedFrames<'_> {
    /// `1 / sigma`, `[batch, 1, n_rows]`.
    fn scale(&self) -> &Tensor {
        self.scale.get_or_init(|| {
            let products = self.frames * (self.frames.matmul(&self.gram) + &self.cross);
            let variance = products.sum_dim_intlist(-1, false, None) + &self.rest;
            // Rounding may leave a variance of zero below it.
            (variance.clamp_min(0.0) + self.eps).rsqrt().unsqueeze(1)
        })
    }
}

impl<'a> Source<'a> {
    fn normalise(&self, eps: f64) -> Normed<'a> {
        match self {
            Source::Rows(x) => Normed::Rows(x.layer_norm(
                &x.size()[2..],
                None::<&Tensor>,
                None::<&Tensor>,
                eps,
                false,
            )),
            Source::Frames { frames, weight, offset } => {
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

    /// `[batch or 1, n_queries, dim]` times every row, `[batch or 1, n_queries, n_rows]`.
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

    /// Rows weighted and summed: `[batch, n_queries, n_rows]` to `[batch, n_queries, dim]`.
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
}

impl Attention {
    pub(super) fn new(init: &Init<'_>, sizes: LayerSizes) -> Attention {
        let LayerSizes { dim, heads, dim_head, eps, .. } = sizes;
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
        }
    }

    /// As [`gather`](Attention::gather) with all `sources` one after another as the source, for few
    /// targets and many sources, which are never projected.
    ///
    /// With `x^` a source row normalised but not yet scaled and shifted, a score is
    /// `q W_k (gamma_k x^ + beta_k)`. So `q W_k gamma_k` takes the place of the query, and what
    /// `beta_k` adds is the same for all keys. The values come after the weighted sum, since that
    /// is linear and its weights add up to one: `W_v (gamma_v (P x^) + beta_v)`.
    ///
    /// `target` is `[batch or 1, n_targets, dim]`; the result is `[batch or 1, n_targets, heads *
    /// dim_head]`.
    pub(super) fn gather_few(&self, target: &Tensor, sources: &[Source<'_>]) -> Tensor {
        let (batch, n_targets, dim) = target.size3().expect("attention works on three axes");
        let projected = self.absorbed_queries(target);
        let normed: Vec<Normed<'_>> =
            sources.iter().map(|source| source.normalise(self.norm_k.eps)).collect();
        let n_samples = normed.iter().map(Normed::n_samples).fold(batch, i64::max);
        let values = match &*normed {
            [Normed::Rows(tokens), Normed::Frames(frames)]
                if batch == 1
                    && tokens.size()[0] == 1
                    && is_native(&projected)
                    && !frames.frames.requires_grad() =>
            {
                self.fused_values(&projected, tokens, frames)
            }
            [Normed::Rows(tokens), Normed::Rows(rows)]
                if batch == 1 && tokens.size()[0] == 1 && !Autocast::is_on() =>
            {
                self.shared_values(&projected.view([-1, dim]), tokens, rows)
            }
            _ => self.values(&projected.reshape([batch, -1, dim]), &normed),
        };
        values.reshape([n_samples, n_targets, -1])
    }

    /// What queries that are the same for all samples, `[n_targets * heads, dim]`, gather from normed
    /// tokens `[1, n_tokens, dim]` and normed rows `[batch, n_rows, dim]`: `[batch * n_targets, heads,
    /// dim_head]`.
    fn shared_values(&self, queries: &Tensor, tokens: &Tensor, rows: &Tensor) -> Tensor {
        let tokens = tokens.expand([rows.size()[0], -1, -1], false);
        let all = Tensor::cat(&[&tokens, rows], 1).unsqueeze(0);
        let gathered = native::gather_rows(&all, &queries.unsqueeze(0));
        self.values_of(&gathered.expect("the shapes are those of one model").squeeze_dim(0))
    }

    /// What takes the place of the queries of `target` `[batch or 1, n_targets, dim]` where sources
    /// are not projected, `[batch or 1 * n_targets, heads, dim]`.
    pub(super) fn absorbed_queries(&self, target: &Tensor) -> Tensor {
        let dim = target.size()[2];
        let queries = self.queries().forward(target);
        let dim_head = self.to_q.weight.size()[0] / self.heads;
        let queries = self.by_head(&queries.view([-1, self.heads, dim_head]));
        let to_k = self.to_k.weight.view([self.heads, dim_head, dim]);
        let projected = queries.bmm(&to_k).transpose(0, 1).contiguous();
        // A gradient of zero is a gradient: without one, the parameter would not decay.
        let nothing = self.norm_k.bias.sum(None) * 0.0;
        projected * (&self.norm_k.weight * (dim_head as f64).powf(-0.5)) + nothing
    }

    pub(super) fn queries(&self) -> Projection<'_> {
        Projection { norm: &self.norm_q, linear: &self.to_q }
    }

    /// `[.., heads, width]` to `[heads, all others, width]`.
    fn by_head(&self, x: &Tensor) -> Tensor {
        x.view([-1, self.heads, x.size()[x.dim() - 1]]).transpose(0, 1)
    }

    /// The values' projection of each head, `[heads, dim, dim_head]`.
    fn to_v_by_head(&self) -> Tensor {
        let (inner, dim) = self.to_v.weight.size2().expect("a weight has two axes");
        self.to_v.weight.view([self.heads, inner / self.heads, dim]).transpose(1, 2)
    }

    /// What queries `[batch or 1, n_targets * heads, dim]` gather from the sources,
    /// `[batch * n_targets, heads, dim_head]`.
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

    /// Values of normed rows that were weighted and summed, `[batch, n_targets * heads, dim]`, as
    /// `[batch * n_targets, heads, dim_head]`.
    fn values_of(&self, gathered: &Tensor) -> Tensor {
        let gathered = gathered * &self.norm_v.weight + &self.norm_v.bias;
        self.by_head(&gathered).bmm(&self.to_v_by_head()).transpose(0, 1)
    }

    /// [`values`](Attention::values) of queries that are the same for all samples, `[n_targets,
    /// heads, dim]`, as `[batch, n_targets, heads, dim_head]`. This is what most of a training step
    /// on audio and vision is: every product is made per head and before the weighted sum where that
    /// is smaller, and the weights do not leave the processor's cache.
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
        // The weights of all sources add up to one, so that the norm's shift comes through whole.
        let shift = self.norm_v.bias.unsqueeze(0).matmul(&to_v);
        let of_features = value_of(&weight.transpose(0, 1));
        let features_by_head = features.transpose(0, 1).flatten(1, 2);
        let from_features = shift.baddbmm(&features_by_head, &of_features, 1.0, 1.0);
        let (batch, heads, n_targets, dim_head) = values.size4().expect("heads are an axis");
        let from_features = from_features.view([heads, batch, n_targets, dim_head]);
        (values + from_features.transpose(0, 1)).transpose(1, 2)
    }

    /// Queries from `target`, keys from `source`: `[batch, heads, n_targets, n_sources]`.
    pub(super) fn weights(&self, target: &Tensor, source: &Tensor) -> Tensor {
        let keys = Projection { norm: &self.norm_k, linear: &self.to_k };
        let q = split_heads(&self.queries().forward(target), self.heads);
        attention_weights(&q, &split_heads(&keys.forward(source), self.heads))
    }

    /// Queries from `target` `[batch, n_targets, dim]`, keys and values from `source` `[batch,
    /// n_sources, dim]`: `[batch, n_targets, heads * dim_head]`.
    pub(super) fn gather(&self, target: &Tensor, source: &Tensor) -> Tensor {
        let source = TokenSource {
            rows: source,
            keys: Projection { norm: &self.norm_k, linear: &self.to_k },
            values: Projection { norm: &self.norm_v, linear: &self.to_v },
        };
        gather(target, self.queries(), &[source], self.heads)
    }
}
