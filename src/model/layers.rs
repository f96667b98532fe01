//! The small layers of ALMT: linear maps, layer norms, attention, feed-forward blocks.
//!
//! Parameter names are those of the released PyTorch modules (Haoyu-ha/ALMT
//! `models/almt_layer.py`), so that weights are exchanged by name.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor, nn};

use crate::native::modes::{Autocast, HiddenAxis};
use crate::native::{self, FrameAttention};
use crate::seed::stream;

/// A place in the parameter tree, and where its parameters come from.
pub struct Init<'a> {
    name: String,
    origin: Origin<'a>,
}

/// Where parameters come from.
enum Origin<'a> {
    /// They are drawn from a seed. Every parameter has a random stream of its own, named after it:
    /// leaving a modality out does not change how the others start.
    Seed { path: nn::Path<'a>, seed: u64 },
    /// They are there, by name.
    Given(&'a BTreeMap<String, Tensor>),
}

impl<'a> Init<'a> {
    /// The root of a model's parameters, which are to be drawn.
    pub fn new(path: nn::Path<'a>, seed: u64) -> Init<'a> {
        Init { name: String::new(), origin: Origin::Seed { path, seed } }
    }

    /// The root of a model's parameters, which are those of a model of the same configuration.
    pub fn given(parameters: &'a BTreeMap<String, Tensor>) -> Init<'a> {
        Init { name: String::new(), origin: Origin::Given(parameters) }
    }

    /// A named place below this one; dots separate levels.
    pub fn sub(&self, name: &str) -> Init<'a> {
        let origin = match &self.origin {
            Origin::Seed { path, seed } => {
                let mut path = path.clone();
                for level in name.split('.') {
                    path = path / level;
                }
                Origin::Seed { path, seed: *seed }
            }
            Origin::Given(parameters) => Origin::Given(parameters),
        };
        Init { name: format!("{}{name}.", self.name), origin }
    }

    /// A parameter, whose initial values are made where they are needed.
    fn add(
        &self,
        name: &str,
        dims: &[i64],
        values: impl FnOnce(ChaCha12Rng) -> Vec<f32>,
    ) -> Tensor {
        let full_name = format!("{}{name}", self.name);
        match &self.origin {
            // Copied from the CPU, whatever the device: both start alike.
            Origin::Seed { path, seed } => {
                let values = values(stream(*seed, &format!("weights/{full_name}")));
                path.var_copy(name, &Tensor::from_slice(&values).view(dims))
            }
            Origin::Given(parameters) => parameters[&full_name].shallow_clone(),
        }
    }

    /// A parameter with one value everywhere.
    pub fn constant(&self, name: &str, dims: &[i64], value: f32) -> Tensor {
        self.add(name, dims, |_| vec![value; n_elements(dims)])
    }

    /// A parameter drawn from the standard normal distribution.
    pub fn normal(&self, name: &str, dims: &[i64]) -> Tensor {
        self.add(name, dims, |mut rng| {
            (0..n_elements(dims)).map(|_| StandardNormal.sample(&mut rng)).collect()
        })
    }

    /// A parameter drawn uniformly from [-bound, bound].
    pub fn uniform(&self, name: &str, dims: &[i64], bound: f32) -> Tensor {
        self.add(name, dims, |mut rng| {
            (0..n_elements(dims)).map(|_| rng.random_range(-bound..=bound)).collect()
        })
    }

    /// The four parameters of a gated recurrent unit, initialised as PyTorch does.
    pub fn gru(&self, n_in: i64, n_out: i64) -> [Tensor; 4] {
        let bound = 1.0 / (n_out as f32).sqrt();
        [
            self.uniform("weight_ih_l0", &[3 * n_out, n_in], bound),
            self.uniform("weight_hh_l0", &[3 * n_out, n_out], bound),
            self.uniform("bias_ih_l0", &[3 * n_out], bound),
            self.uniform("bias_hh_l0", &[3 * n_out], bound),
        ]
    }
}

fn n_elements(dims: &[i64]) -> usize {
    dims.iter().product::<i64>() as usize
}

/// `y = x W^T + b`, initialised as PyTorch does: uniform within 1/sqrt(n_in).
#[derive(Debug)]
pub struct Linear {
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
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
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) eps: f64,
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
pub(super) fn softmax(scores: &Tensor) -> Tensor {
    scores.softmax(-1, if scores.kind() == Kind::Double { Kind::Double } else { Kind::Float })
}

/// Keys up to which [`gather`] has a form of its own.
const FEW_KEYS: i64 = 32;

/// Widths that the functions of [`native`] take are multiples of it.
const LANES: i64 = 8;

/// Whether the functions of [`native`] for float32 on the CPU can take the place of libtorch's.
pub(super) fn is_native(x: &Tensor) -> bool {
    native::has_loops()
        && x.device() == Device::Cpu
        && x.kind() == Kind::Float
        && !HiddenAxis::is_in(x)
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

    /// As [`native::token_attention`] takes it.
    fn parameters(&self) -> [&'a Tensor; 3] {
        [&self.norm.weight, &self.norm.bias, &self.linear.weight]
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
    let (inner, dim) = queries.linear.weight.size2().expect("a weight has two axes");
    let are_few = |source: &TokenSource<'_>| {
        source.rows.size()[0] == targets.size()[0] && source.rows.size()[1] <= FEW_KEYS
    };
    let fits = inner % (heads * LANES) == 0 && dim % LANES == 0;
    if is_native(targets) && fits && sources.iter().all(are_few) {
        let sources: Vec<_> = sources
            .iter()
            .map(|TokenSource { rows, keys, values }| {
                (*rows, keys.parameters(), values.parameters())
            })
            .collect();
        let targets = (targets, queries.parameters());
        return native::token_attention(targets, &sources, heads, queries.norm.eps)
            .expect("the shapes are those of one model");
    }
    gather_plainly(targets, queries, sources, heads)
}

/// [`gather`] as the released code spells it.
fn gather_plainly(
    targets: &Tensor,
    queries: Projection<'_>,
    sources: &[TokenSource<'_>],
    heads: i64,
) -> Tensor {
    let q = split_heads(&queries.forward(targets), heads);
    let parts = sources.iter().map(|TokenSource { rows, keys, values }| {
        let weights = attention_weights(&q, &split_heads(&keys.forward(rows), heads));
        weights.matmul(&split_heads(&values.forward(rows), heads))
    });
    join_heads(&parts.reduce(|sum, part| sum + part).expect("there is a source"))
}

/// Sizes that all transformer layers of one module share.
#[derive(Debug, Clone, Copy)]
pub struct LayerSizes {
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
pub(super) struct Attention {
    pub(super) norm_q: LayerNorm,
    pub(super) norm_k: LayerNorm,
    pub(super) norm_v: LayerNorm,
    pub(super) to_q: Linear,
    pub(super) to_k: Linear,
    pub(super) to_v: Linear,
    pub(super) to_out: Linear,
    pub(super) heads: i64,
}

impl Attention {
    fn new(init: &Init<'_>, sizes: LayerSizes) -> Attention {
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
    fn gather_few(&self, target: &Tensor, sources: &[Source<'_>]) -> Tensor {
        let (batch, n_targets, dim) = target.size3().expect("attention works on three axes");
        let projected = self.absorbed_queries(target);
        if let Some(values) = self.row_values(&projected.view([batch, n_targets, -1, dim]), sources)
        {
            return values;
        }
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
            _ => self.values(&projected.reshape([batch, -1, dim]), &normed),
        };
        values.reshape([n_samples, n_targets, -1])
    }

    /// What queries `[batch or 1, n_targets, heads, dim]` gather from rows of each sample, and from
    /// tokens before them that are the same for all samples, where [`native`] has a form for it:
    /// `[batch, n_targets, heads * dim_head]`.
    fn row_values(&self, queries: &Tensor, sources: &[Source<'_>]) -> Option<Tensor> {
        let no_tokens;
        let (tokens, rows) = match sources {
            [Source::Rows(tokens), Source::Rows(rows)] => (*tokens, *rows),
            [Source::Rows(rows)] => {
                no_tokens = rows.new_zeros([1, 0, rows.size()[2]], (rows.kind(), rows.device()));
                (&no_tokens, *rows)
            }
            _ => return None,
        };
        let (batch, n_targets, heads, dim) = queries.size4().expect("heads are an axis");
        let inner = self.to_v.weight.size()[0];
        let fits = [n_targets * heads, dim, inner / heads].iter().all(|width| width % LANES == 0)
            && (batch == 1 || batch == rows.size()[0])
            && tokens.size()[0] == 1;
        if !fits || !is_native(queries) {
            return None;
        }
        let values = Projection { norm: &self.norm_v, linear: &self.to_v }.parameters();
        let gathered = native::row_attention(queries, tokens, rows, values, self.norm_v.eps);
        Some(gathered.expect("the shapes are those of one model"))
    }

    /// What takes the place of the queries of `target` `[batch or 1, n_targets, dim]` where sources
    /// are not projected, `[batch or 1 * n_targets, heads, dim]`.
    fn absorbed_queries(&self, target: &Tensor) -> Tensor {
        let dim = target.size()[2];
        if is_native(target) && dim % LANES == 0 {
            let inputs = [
                target,
                &self.norm_q.weight,
                &self.norm_q.bias,
                &self.to_q.weight,
                &self.norm_k.weight,
                &self.norm_k.bias,
                &self.to_k.weight,
            ];
            return native::absorbed_queries(inputs, self.heads, self.norm_q.eps)
                .expect("the shapes are those of one model");
        }
        let queries = self.queries().forward(target);
        let dim_head = self.to_q.weight.size()[0] / self.heads;
        let queries = self.by_head(&queries.view([-1, self.heads, dim_head]));
        let to_k = self.to_k.weight.view([self.heads, dim_head, dim]);
        let projected = queries.bmm(&to_k).transpose(0, 1).contiguous();
        // A gradient of zero is a gradient: without one, the parameter would not decay.
        let nothing = self.norm_k.bias.sum(None) * 0.0;
        projected * (&self.norm_k.weight * (dim_head as f64).powf(-0.5)) + nothing
    }

    fn queries(&self) -> Projection<'_> {
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
        let gathered = gathered.expect("attention has at least one source");
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
    fn weights(&self, target: &Tensor, source: &Tensor) -> Tensor {
        let keys = Projection { norm: &self.norm_k, linear: &self.to_k };
        let q = split_heads(&self.queries().forward(target), self.heads);
        attention_weights(&q, &split_heads(&keys.forward(source), self.heads))
    }

    /// Queries from `target` `[batch, n_targets, dim]`, keys and values from `source` `[batch,
    /// n_sources, dim]`: `[batch, n_targets, heads * dim_head]`.
    fn gather(&self, target: &Tensor, source: &Tensor) -> Tensor {
        let source = TokenSource {
            rows: source,
            keys: Projection { norm: &self.norm_k, linear: &self.to_k },
            values: Projection { norm: &self.norm_v, linear: &self.to_v },
        };
        gather(target, self.queries(), &[source], self.heads)
    }
}

/// Pre-norm feed-forward block with the exact (erf) GELU.
#[derive(Debug)]
pub struct FeedForward {
    pub(super) norm: LayerNorm,
    pub(super) expand: Linear,
    pub(super) reduce: Linear,
}

impl FeedForward {
    /// A block named `norm` and `fn.net` below `init`.
    pub fn new(init: &Init<'_>, sizes: LayerSizes) -> FeedForward {
        FeedForward {
            norm: LayerNorm::new(&init.sub("norm"), sizes.dim, sizes.eps),
            expand: Linear::new(&init.sub("fn.net.0"), sizes.dim, sizes.mlp_dim, true),
            reduce: Linear::new(&init.sub("fn.net.3"), sizes.mlp_dim, sizes.dim, true),
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
    pub(super) attention: Attention,
    pub(super) feed_forward: FeedForward,
}

impl TransformerLayer {
    /// A layer named `0` (attention) and `1` (feed-forward) below `init`.
    pub fn new(init: &Init<'_>, sizes: LayerSizes) -> TransformerLayer {
        TransformerLayer {
            attention: Attention::new(&init.sub("0"), sizes),
            feed_forward: FeedForward::new(&init.sub("1"), sizes),
        }
    }

    /// The same function as [`forward`](TransformerLayer::forward), cheaper where targets are few
    /// and sources many: `target` `[batch or 1, n_targets, dim]` attends to all `sources`;
    /// `[batch, n_targets, dim]`.
    pub fn forward_few(&self, target: &Tensor, sources: &[Source<'_>]) -> Tensor {
        self.after_attention(target, &self.attention.gather_few(target, sources))
    }

    /// What becomes of `target` `[batch or 1, n_targets, dim]` and of what it gathered `[batch,
    /// n_targets, heads * dim_head]`, `[batch, n_targets, dim]`.
    fn after_attention(&self, target: &Tensor, gathered: &Tensor) -> Tensor {
        let FeedForward { norm, expand, reduce } = &self.feed_forward;
        let to_out = &self.attention.to_out;
        if is_native(gathered)
            && target.size()[2] % LANES == 0
            && let [Some(out_bias), Some(expand_bias), Some(reduce_bias)] =
                [&to_out.bias, &expand.bias, &reduce.bias]
        {
            let inputs = [
                gathered,
                target,
                &to_out.weight,
                out_bias,
                &norm.weight,
                &norm.bias,
                &expand.weight,
                expand_bias,
                &reduce.weight,
                reduce_bias,
            ];
            return native::after_attention(inputs, norm.eps)
                .expect("the shapes are those of one model");
        }
        let x = to_out.forward(gathered) + target;
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
pub fn transformer_layers(init: &Init<'_>, depth: i64, sizes: LayerSizes) -> Vec<TransformerLayer> {
    (0..depth).map(|i| TransformerLayer::new(&init.sub(&i.to_string()), sizes)).collect()
}

#[cfg(test)]
mod tests {
    use tch::nn;

    use super::*;
    use crate::model::drawn;

    type Form = fn(&Tensor, Projection<'_>, &[TokenSource<'_>], i64) -> Tensor;

    /// What a function makes of a layer and of some inputs, and the gradients of those and of the
    /// layer's parameters, which are all drawn: ones and zeros would hide a mistake.
    fn run(
        kind: Kind,
        sizes: LayerSizes,
        inputs: &[&Tensor],
        function: impl Fn(&TransformerLayer, &[Tensor]) -> Tensor,
    ) -> BTreeMap<String, Tensor> {
        let mut store = nn::VarStore::new(Device::Cpu);
        let layer = TransformerLayer::new(&Init::new(store.root(), 1), sizes);
        let rng = &mut stream(3, "test");
        let parameters: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
        tch::no_grad(|| {
            for mut parameter in parameters.values().map(Tensor::shallow_clone) {
                parameter += drawn(rng, &parameter.size()) * 0.1;
            }
        });
        store.set_kind(kind);
        let leaf = |x: &&Tensor| x.to_kind(kind).copy().set_requires_grad(true);
        let inputs: Vec<Tensor> = inputs.iter().map(leaf).collect();
        let output = function(&layer, &inputs);
        let weights = drawn(&mut stream(9, "test"), &output.size());
        (&output * weights).sum(kind).backward();
        let of_inputs = inputs.iter().enumerate().map(|(i, x)| (format!("input {i}"), x.grad()));
        let of_parameters = store
            .variables()
            .into_iter()
            .map(|(name, parameter)| (name, parameter.grad()))
            .filter(|(_, grad)| grad.defined());
        of_inputs.chain(of_parameters).chain([("output".into(), output)]).collect()
    }

    /// Asserts that a form of a function is the plain one, in whose float64 nothing is rounded that
    /// would count.
    fn assert_is_plain(
        case: &str,
        sizes: LayerSizes,
        inputs: &[&Tensor],
        form: impl Fn(&TransformerLayer, &[Tensor]) -> Tensor,
        plain: impl Fn(&TransformerLayer, &[Tensor]) -> Tensor,
    ) {
        let found = run(Kind::Float, sizes, inputs, form);
        let plain = run(Kind::Double, sizes, inputs, plain);
        assert_eq!(found.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>(), "{case}");
        for (name, expected) in &plain {
            // The gradient of a key norm's shift is zero: rounding is as large as in that of its scale.
            let of_size = &plain[&name.replace("norm_k.bias", "norm_k.weight")];
            let largest = of_size.abs().max().double_value(&[]);
            let difference = (&found[name] - expected).abs().max().double_value(&[]);
            let allowed = 2e-6 * largest.max(1.0);
            assert!(difference <= allowed, "{case}, {name}: {difference} of {largest}");
            assert!(largest > 0.1, "{case}, {name}: {largest}");
        }
    }

    #[test]
    fn few_tokens_attend_as_any_number_does() {
        let rng = &mut stream(4, "test");
        // The last two have widths that only the plain form has.
        for [batch, n_queries, n_keys, heads, dim_head, dim] in [
            [64, 8, 8, 8, 64, 128],
            [3, 5, 11, 2, 8, 16],
            [1, 2, 9, 1, 40, 24],
            [3, 5, 11, 2, 6, 16],
            [3, 5, 11, 2, 8, 12],
        ] {
            let sizes = LayerSizes { dim, heads, dim_head, mlp_dim: 24, eps: 1e-5 };
            let mut rows = |n| drawn(rng, &[batch, n, dim]);
            let (targets, one, other) = (rows(n_queries), rows(n_keys), rows(n_keys));
            let gather_by = |form: Form, layer: &TransformerLayer, x: &[Tensor]| {
                let Attention { norm_k, norm_v, to_k, to_v, heads, .. } = &layer.attention;
                let source = |rows| TokenSource {
                    rows,
                    keys: Projection { norm: norm_k, linear: to_k },
                    values: Projection { norm: norm_v, linear: to_v },
                };
                let sources: Vec<_> = match x {
                    // Queries, keys and values of the same rows.
                    [own] => vec![source(own)],
                    [_, sources @ ..] => sources.iter().map(source).collect(),
                    [] => vec![],
                };
                form(&x[0], layer.attention.queries(), &sources, *heads)
            };
            for inputs in [&[&targets, &one, &other][..], &[&targets, &one], &[&targets]] {
                assert_is_plain(
                    &format!("{} x {n_queries} x {n_keys} x {dim_head} of {dim}", inputs.len()),
                    sizes,
                    inputs,
                    |layer, x| gather_by(gather, layer, x),
                    |layer, x| gather_by(gather_plainly, layer, x),
                );
            }
        }
    }

    #[test]
    fn a_layer_is_what_its_parts_are() {
        let rng = &mut stream(5, "test");
        // The last has a width that only the plain form has.
        for [batch, n_targets, heads, dim_head, dim] in
            [[64, 8, 8, 64, 128], [5, 3, 2, 8, 16], [5, 3, 2, 6, 12]]
        {
            let sizes = LayerSizes { dim, heads, dim_head, mlp_dim: 24, eps: 1e-5 };
            let mut rows = |dims: [i64; 3]| drawn(rng, &dims);
            // Targets of their own for each sample, and the same for all.
            for target in [rows([batch, n_targets, dim]), rows([1, n_targets, dim])] {
                let gathered = rows([batch, n_targets, heads * dim_head]);
                assert_is_plain(
                    &format!("after attention of {:?}", target.size()),
                    sizes,
                    &[&target, &gathered],
                    |layer, x| layer.after_attention(&x[0], &x[1]),
                    |layer, x| {
                        let y = layer.attention.to_out.forward(&x[1]) + &x[0];
                        layer.feed_forward.forward(&y) + y
                    },
                );
                assert_is_plain(
                    &format!("queries of {:?}", target.size()),
                    sizes,
                    &[&target],
                    |layer, x| layer.attention.absorbed_queries(&x[0]),
                    |layer, x| {
                        let Attention { norm_k, to_k, .. } = &layer.attention;
                        let queries = layer.attention.queries().forward(&x[0]);
                        let queries = queries.view([-1, heads, 1, dim_head]);
                        let to_k = to_k.weight.view([heads, dim_head, dim]);
                        let projected = queries.matmul(&to_k).squeeze_dim(2) * &norm_k.weight;
                        projected / (dim_head as f64).sqrt() + norm_k.bias.sum(Kind::Double) * 0.0
                    },
                );
            }
        }
    }

    #[test]
    fn few_attend_to_many_rows_as_any_number_does() {
        let rng = &mut stream(6, "test");
        // The last three have widths that only the plain form has.
        for [batch, n_targets, n_rows, heads, dim_head, dim] in [
            [64, 8, 50, 8, 64, 128],
            [5, 4, 7, 2, 8, 24],
            [3, 1, 9, 8, 16, 16],
            [3, 3, 9, 2, 8, 16],
            [3, 4, 9, 2, 6, 16],
            [3, 4, 9, 2, 8, 12],
        ] {
            let sizes = LayerSizes { dim, heads, dim_head, mlp_dim: 24, eps: 1e-5 };
            let mut rows = |n_samples, n| drawn(rng, &[n_samples, n, dim]);
            let source = rows(batch, n_rows);
            // Targets of their own for each sample, and the same for all.
            for target in [rows(batch, n_targets), rows(1, n_targets)] {
                assert_is_plain(
                    &format!("{:?} to {:?}", target.size(), source.size()),
                    sizes,
                    &[&target, &source],
                    |layer, x| layer.attention.gather_few(&x[0], &[Source::Rows(&x[1])]),
                    |layer, x| {
                        let target = x[0].expand([batch, -1, -1], false);
                        layer.attention.gather(&target, &x[1])
                    },
                );
            }
            // Tokens that attend to themselves, too.
            let tokens = rows(1, n_targets);
            assert_is_plain(
                &format!("{:?} to themselves and {:?}", tokens.size(), source.size()),
                sizes,
                &[&tokens, &source],
                |layer, x| {
                    let sources = [Source::Rows(&x[0]), Source::Rows(&x[1])];
                    layer.attention.gather_few(&x[0], &sources)
                },
                |layer, x| {
                    let target = x[0].expand([batch, -1, -1], false);
                    let rows = Tensor::cat(&[&target, &x[1]], 1);
                    layer.attention.gather(&target, &rows)
                },
            );
        }
    }
}
