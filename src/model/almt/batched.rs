//! ALMT with few, large operations: for a GPU, where a small operation takes as long as a large one,
//! and for several models that differ in their seed.
//!
//! Only the published model has this form; its variants have the reference form. The three embeddings
//! are one computation over groups, except for parts that depend on a sequence's length. So are all
//! layers of hyper-modality learning, since only the sum of their shifts is sequential. Norms followed
//! by maps are folded into them: `W (gamma x^ + beta) = (W gamma) x^ + W beta`.
//!
//! In shapes, `S` is the number of models, `M` of modalities, `L` of layers of hyper-modality learning,
//! `G` of groups such as `M * S`, `T` of tokens, and `d` the token width. Parameters belong to one
//! model, or have `S` as their first axis.

use tch::Tensor;

use super::fusion::{Fusion, FusionTransformer};
use super::reference::{AhlLayer, Almt, HyperLayer, Input, ModalityEmbedding};
use super::{FusionQuery, Residual};
use crate::model::layers::{Attention, LayerNorm, Linear, TransformerLayer, softmax};
use crate::native::{self, modes::lowered};

/// The parts of a model that the batched form works on.
struct Parts<'a> {
    /// Language and the others.
    embeddings: Vec<Embedding<'a>>,
    /// Start of the hyper-modality.
    start: &'a Tensor,
    hyper: Vec<&'a AhlLayer>,
    fusion: &'a FusionTransformer,
}

/// An embedding with its tokens and its only layer.
#[derive(Clone, Copy)]
struct Embedding<'a> {
    embedding: &'a ModalityEmbedding,
    extra_token: &'a Tensor,
    layer: &'a TransformerLayer,
}

/// The matrix of a folding; each map has a norm's index and a factor.
fn folding(maps: impl Iterator<Item = (usize, f64)>, n_norms: usize, like: &Tensor) -> Tensor {
    let rows = maps.flat_map(|(norm, factor)| {
        (0..n_norms).map(move |other| if other == norm { factor } else { 0.0 })
    });
    constant(&rows.collect::<Vec<f64>>(), n_norms, like)
}

/// A matrix of the given rows, with the type and device of a tensor.
fn constant(values: &[f64], n_columns: usize, like: &Tensor) -> Tensor {
    let values = Tensor::from_slice(values).view([-1, n_columns as i64]);
    values.to_kind(like.kind()).to_device(like.device())
}

/// Factors of successive maps: those of queries are divided by `sqrt(dim_head)`.
fn with_queries_first(
    n_maps: usize,
    n_each: usize,
    dim_head: i64,
) -> impl Iterator<Item = (usize, f64)> {
    let factor = (dim_head as f64).powf(-0.5);
    (0..n_maps).map(move |map| (map, if map % n_each == 0 { factor } else { 1.0 }))
}

/// A parameter that has `rank` axes in one model, as `[S, ..]`.
fn of_models(parameter: &Tensor, rank: usize) -> Tensor {
    match parameter.dim() == rank {
        true => parameter.unsqueeze(0),
        false => parameter.shallow_clone(),
    }
}

/// Lists of parameters, with the given `rank` in one model, each list as one tensor `[n, S, ..]`. All
/// are copied at once.
fn packed<const N: usize>(lists: [(usize, Vec<&Tensor>); N]) -> [Tensor; N] {
    let mut flat = Vec::new();
    let mut sizes = [0; N];
    for (size, (_, parameters)) in sizes.iter_mut().zip(&lists) {
        for parameter in parameters {
            flat.push(parameter.flatten(0, -1));
            *size += parameter.numel() as i64;
        }
    }
    let mut parts = Tensor::cat(&flat, 0).split_with_sizes(sizes, 0).into_iter();
    lists.map(|(rank, parameters)| {
        let part = parts.next().expect("there is a part for each list");
        let of_one = of_models(parameters[0], rank).size();
        part.view([&[parameters.len() as i64], &*of_one].concat().as_slice())
    })
}

/// Scale and shift of one or several norms, `[.., d]`.
struct Norm {
    scale: Tensor,
    shift: Tensor,
}

/// Normalises to mean 0 and variance 1 over the last axis.
fn normed(x: &Tensor, eps: f64) -> Tensor {
    let dim = [x.size()[x.dim() - 1]];
    x.layer_norm(dim, None::<&Tensor>, None::<&Tensor>, eps, false)
}

/// Applies a norm to rows `[S, n_rows, d]`.
fn norm(norm: &LayerNorm, x: &Tensor) -> Tensor {
    match norm.weight.dim() {
        1 => norm.forward(x),
        _ => norm.bias.unsqueeze(1).addcmul(&normed(x, norm.eps), &norm.weight.unsqueeze(1)),
    }
}

impl Norm {
    /// Applies one norm per group of rows `[G, n_rows, d]`.
    fn of_groups(&self, x: &Tensor, eps: f64) -> Tensor {
        let each = |parameters: &Tensor| parameters.flatten(0, 1).unsqueeze(1);
        each(&self.shift).addcmul(&normed(x, eps), &each(&self.scale))
    }
}

/// `[G, n_rows, n_in]` to `[G, n_rows, n_out]`.
fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let bias = bias.map(lowered);
    native::grouped_linear(&lowered(x), &lowered(weight), bias.as_ref())
        .expect("the shapes are those of one model")
}

/// Applies one map to rows `[S, n_rows, n_in]`.
fn map(map: &Linear, x: &Tensor) -> Tensor {
    let bias = map.bias.as_ref().map(|bias| of_models(bias, 1));
    linear(x, &of_models(&map.weight, 2), bias.as_ref())
}

/// Merges norms into the maps after them, by a [`folding`]: weights `[n_maps, S, n_out, d]` and biases
/// `[n_maps, S, n_out]`.
fn folded(norms: &Norm, folding: &Tensor, weight: &Tensor) -> (Tensor, Tensor) {
    let (n_maps, n_models, n_out, dim) = weight.size4().expect("a weight has two axes");
    let of_maps = |parameters: &Tensor| folding.matmul(&parameters.view([-1, n_models * dim]));
    let (scale, shift) = (of_maps(&norms.scale), of_maps(&norms.shift));
    let bias = weight.flatten(0, 1).bmm(&shift.view([n_maps * n_models, dim, 1]));
    (weight * scale.view([n_maps, n_models, 1, dim]), bias.view([n_maps, n_models, n_out]))
}

/// Applies maps `[n, S, n_out, n_in]` with biases `[n, S, n_out]`, one per group of rows `[G, n_rows,
/// n_in]`.
fn maps(weight: &Tensor, bias: Option<&Tensor>, x: &Tensor) -> Tensor {
    let bias = bias.map(|bias| bias.flatten(0, 1));
    linear(x, &weight.flatten(0, 1), bias.as_ref())
}

/// `[n * each, S, ..]` to `[n, S, each * .., last..]`: merges the maps of one input into one with
/// concatenated outputs.
fn joined(weight: &Tensor, bias: &Tensor, n: i64) -> (Tensor, Tensor) {
    let (_, n_models, _, dim) = weight.size4().expect("a weight has two axes");
    let weight = weight.unflatten(0, [n, -1]).transpose(1, 2).reshape([n, n_models, -1, dim]);
    (weight, bias.unflatten(0, [n, -1]).transpose(1, 2).reshape([n, n_models, -1]))
}

/// A transformer layer's output for rows `[S, n_rows, d]` and the values that they gathered, `[S,
/// n_rows, heads * dim_head]`.
fn after_attention(layer: &TransformerLayer, x: &Tensor, gathered: &Tensor) -> Tensor {
    let x = map(&layer.attention.to_out, gathered) + x;
    let feed_forward = &layer.feed_forward;
    let wide = map(&feed_forward.expand, &norm(&feed_forward.norm, &x)).gelu("none");
    map(&feed_forward.reduce, &wide) + x
}

/// The parameters of the embeddings and of their layers, `[M, S, ..]`.
struct EmbeddingWeights {
    extra_tokens: Tensor,
    norm_q: Norm,
    to_q: Tensor,
    /// Scales, followed by shifts, `[2 * M, S, d]`. The key shift adds the same to all scores of a
    /// query. It enters as zero, because without a gradient the parameter would not decay.
    norm_k: Tensor,
    to_k: Tensor,
    norm_v: Norm,
    to_v: Tensor,
    to_out: Tensor,
    out_bias: Tensor,
    /// Before the feed-forward block.
    norm: Norm,
    expand: Tensor,
    expand_bias: Tensor,
    reduce: Tensor,
    reduce_bias: Tensor,
}

impl EmbeddingWeights {
    fn of(embeddings: &[Embedding<'_>]) -> EmbeddingWeights {
        let attention = || embeddings.iter().map(|one| &one.layer.attention);
        let feed_forward = || embeddings.iter().map(|one| &one.layer.feed_forward);
        let keys = attention().map(|one| &one.norm_k.weight);
        let [
            extra_tokens,
            scale_q,
            shift_q,
            to_q,
            norm_k,
            to_k,
            scale_v,
            shift_v,
            to_v,
            to_out,
            out_bias,
            scale,
            shift,
            expand,
            expand_bias,
            reduce,
            reduce_bias,
        ] = packed([
            (3, embeddings.iter().map(|one| one.extra_token).collect()),
            (1, attention().map(|one| &one.norm_q.weight).collect()),
            (1, attention().map(|one| &one.norm_q.bias).collect()),
            (2, attention().map(|one| &one.to_q.weight).collect()),
            (1, keys.chain(attention().map(|one| &one.norm_k.bias)).collect()),
            (2, attention().map(|one| &one.to_k.weight).collect()),
            (1, attention().map(|one| &one.norm_v.weight).collect()),
            (1, attention().map(|one| &one.norm_v.bias).collect()),
            (2, attention().map(|one| &one.to_v.weight).collect()),
            (2, attention().map(|one| &one.to_out.weight).collect()),
            (1, attention().flat_map(|one| &one.to_out.bias).collect()),
            (1, feed_forward().map(|one| &one.norm.weight).collect()),
            (1, feed_forward().map(|one| &one.norm.bias).collect()),
            (2, feed_forward().map(|one| &one.expand.weight).collect()),
            (1, feed_forward().flat_map(|one| &one.expand.bias).collect()),
            (2, feed_forward().map(|one| &one.reduce.weight).collect()),
            (1, feed_forward().flat_map(|one| &one.reduce.bias).collect()),
        ]);
        EmbeddingWeights {
            extra_tokens: extra_tokens.squeeze_dim(2),
            norm_q: Norm { scale: scale_q, shift: shift_q },
            to_q,
            norm_k,
            to_k,
            norm_v: Norm { scale: scale_v, shift: shift_v },
            to_v,
            to_out,
            out_bias,
            norm: Norm { scale, shift },
            expand,
            expand_bias,
            reduce,
            reduce_bias,
        }
    }

    /// Attention's output for weighted sums of rows, `[M, S, batch, T * heads, d]`, without its last
    /// bias: `[M * S, batch * T, d]`.
    ///
    /// Each head's value and output maps are multiplied into one.
    fn values(&self, gathered: &Tensor, heads: i64) -> Tensor {
        let dim = gathered.size()[4];
        let each = |parameters: &Tensor| parameters.unsqueeze(2).unsqueeze(3);
        let gathered = each(&self.norm_v.shift).addcmul(gathered, &each(&self.norm_v.scale));
        let (n_embeddings, n_models, inner, _) = self.to_v.size4().expect("a weight has two axes");
        let n_groups = n_embeddings * n_models;
        let by_head = [n_groups * heads, inner / heads, dim];
        let to_out = self.to_out.view([n_groups, dim, heads, inner / heads]);
        let to_out = to_out.permute([0, 2, 3, 1]).reshape(by_head);
        let both = self.to_v.view(by_head).transpose(1, 2).bmm(&to_out);
        gathered.view([n_groups, -1, heads * dim]).bmm(&both.view([n_groups, heads * dim, dim]))
    }
}

impl Almt {
    /// `None` for a variant of the published model.
    fn parts<'a>(&'a self) -> Option<Parts<'a>> {
        let embeddings = [Some(&self.embed_l), self.embed_a.as_ref(), self.embed_v.as_ref()];
        let with_layer = |embedding: &'a ModalityEmbedding| match &*embedding.layers {
            [layer] => {
                Some(Embedding { embedding, extra_token: embedding.extra_token.as_ref()?, layer })
            }
            _ => None,
        };
        let guided = |layer: &'a HyperLayer| match layer {
            HyperLayer::Guided(layer) => Some(&**layer),
            HyperLayer::Unguided(_) => None,
        };
        match (&self.hyper, &self.fusion, self.fusion_query) {
            (Some(hyper), Fusion::Transformer(fusion), FusionQuery::Language) => Some(Parts {
                embeddings: embeddings
                    .into_iter()
                    .flatten()
                    .map(with_layer)
                    .collect::<Option<_>>()?,
                start: &hyper.start,
                hyper: hyper.layers.iter().map(guided).collect::<Option<_>>()?,
                fusion,
            }),
            _ => None,
        }
    }

    /// Like [`forward`](Almt::forward): with one model's parameters, features `[batch, seq_len,
    /// feat_dim]` to predictions `[batch, 1]`; with several models' parameters, `[S, batch, seq_len,
    /// feat_dim]` to `[S, batch, 1]`.
    ///
    /// # Panics
    /// If the configuration does not have this form.
    pub(super) fn forward_batched(&self, input: &Input) -> Tensor {
        let parts = self.parts().expect("the batched form is of the published model");
        let is_one = input.text.dim() == 3;
        let frames = [Some(&input.text), input.audio.as_ref(), input.vision.as_ref()];
        let frames: Vec<Tensor> =
            frames.into_iter().flatten().map(|frames| of_models(frames, 3)).collect();
        let tokens = self.embed(&parts.embeddings, &frames);
        let by_modality = tokens.split_with_sizes([1, tokens.size()[0] - 1], 0);
        let (language, others) = (by_modality[0].squeeze_dim(0), &by_modality[1]);
        let scales = self.scales(&language);
        let hyper = self.hyper_modality(parts.start, &parts.hyper, &scales, others);
        let summary = self.summary(parts.fusion, &hyper);
        let pred = map(&self.regression, &summary);
        if is_one { pred.squeeze_dim(0) } else { pred }
    }

    /// Frames `[S, batch, seq_len, feat_dim]` of each modality to tokens `[M, S, batch * T, d]`.
    fn embed(&self, embeddings: &[Embedding<'_>], frames: &[Tensor]) -> Tensor {
        let weights = EmbeddingWeights::of(embeddings);
        let Attention { heads, norm_q, .. } = &embeddings[0].layer.attention;
        let (heads, eps) = (*heads, norm_q.eps);
        let (n_embeddings, n_models, n_tokens, dim) =
            weights.extra_tokens.size4().expect("tokens have four axes");
        let n_groups = n_embeddings * n_models;
        let positions: Vec<Vec<Tensor>> = embeddings
            .iter()
            .zip(frames)
            .map(|(one, frames)| {
                let all = of_models(&one.embedding.pos_embedding, 3).squeeze_dim(1);
                all.split_with_sizes([n_tokens, frames.size()[2]], 1)
            })
            .collect();
        let of_tokens: Vec<&Tensor> = positions.iter().map(|parts| &parts[0]).collect();
        let tokens = &weights.extra_tokens + Tensor::stack(&of_tokens, 0);
        let own_tokens = tokens.unbind(0);
        let zeros = frames[0].new_zeros([1, 1, 1, 1], (frames[0].kind(), frames[0].device()));
        let tokens = tokens.view([n_groups, n_tokens, dim]);
        let queries = self.queries(&weights, &tokens, heads, eps);
        let queries = queries.view([-1, n_models, n_tokens * heads, dim]).unbind(0);
        let mut gathered = Vec::new();
        for (idx, one) in embeddings.iter().enumerate() {
            let (_, batch, n_frames, feat_dim) =
                frames[idx].size4().expect("frames have four axes");
            let Linear { weight, bias } = &one.embedding.project;
            let of_frames = match bias {
                Some(bias) => &positions[idx][1] + of_models(bias, 1).unsqueeze(1),
                None => positions[idx][1].shallow_clone(),
            };
            let offset = Tensor::cat(&[&own_tokens[idx], &of_frames], 1);
            // Tokens are frames of zeros, so one product and one sum form all rows.
            let zeros = zeros.expand([n_models, batch, n_tokens, feat_dim], false);
            let padded = Tensor::cat(&[&zeros, &frames[idx]], 2).view([n_models, -1, feat_dim]);
            let rows = linear(&padded, &of_models(weight, 2), None);
            let rows = rows.view([n_models, batch, n_tokens + n_frames, dim]);
            let rows = normed(&(rows + offset.unsqueeze(1)), eps);
            let own = native::gather_rows(&lowered(&rows), &lowered(&queries[idx]));
            gathered.push(own.expect("the shapes are those of one model"));
        }
        // [M, S, batch, T * heads, d].
        let gathered = Tensor::stack(&gathered, 0);
        let x = weights.values(&gathered, heads).view([n_groups, -1, n_tokens, dim]);
        let biases = weights.out_bias.flatten(0, 1).unsqueeze(1);
        let x = (x + (tokens + biases).unsqueeze(1)).view([n_groups, -1, dim]);
        let normed = weights.norm.of_groups(&x, eps);
        let wide = maps(&weights.expand, Some(&weights.expand_bias), &normed).gelu("none");
        let x = maps(&weights.reduce, Some(&weights.reduce_bias), &wide) + x;
        x.view([n_embeddings, n_models, -1, dim])
    }

    /// Replacement for the queries of tokens `[M * S, T, d]` if rows are not projected: `gamma_k W_k^T
    /// q / sqrt(dim_head)`, `[M * S, T, heads, d]`.
    fn queries(&self, weights: &EmbeddingWeights, tokens: &Tensor, heads: i64, eps: f64) -> Tensor {
        let (n_groups, n_tokens, dim) = tokens.size3().expect("tokens have three axes");
        let queries = maps(&weights.to_q, None, &weights.norm_q.of_groups(tokens, eps));
        let dim_head = queries.size()[2] / heads;
        let queries = queries.view([n_groups, n_tokens, heads, dim_head]).transpose(1, 2);
        let queries = queries.reshape([n_groups * heads, n_tokens, dim_head]);
        let products = queries.bmm(&weights.to_k.view([n_groups * heads, dim_head, dim]));
        let products = products.view([n_groups, heads, n_tokens, dim]).transpose(1, 2);
        let factors = self
            .foldings
            .keys
            .get_or_init(|| constant(&[(dim_head as f64).powf(-0.5), 0.0], 2, tokens));
        let factor = factors.matmul(&weights.norm_k.view([2, -1]));
        products.contiguous() * factor.view([n_groups, 1, 1, dim])
    }

    /// Text tokens `[S, batch * T, d]` to all scales, lowest first.
    fn scales(&self, h_l: &Tensor) -> Vec<Tensor> {
        let (n_models, n_rows, dim) = h_l.size3().expect("tokens have three axes");
        let positions = of_models(&self.language.pos_embedding, 3);
        let n_tokens = positions.size()[2];
        let first = h_l.view([n_models, -1, n_tokens, dim]) + positions;
        let mut scales = vec![first.view([n_models, n_rows, dim])];
        let attention = || self.language.layers.iter().map(|layer| &layer.attention);
        let Some(Attention { heads, norm_q, to_q, .. }) = attention().next() else {
            return scales;
        };
        let (heads, eps) = (*heads, norm_q.eps);
        let dim_head = to_q.weight.size()[to_q.weight.dim() - 2] / heads;
        let n_layers = self.language.layers.len();
        let folding = self.foldings.language.get_or_init(|| {
            folding(with_queries_first(3 * n_layers, 3, dim_head), 3 * n_layers, h_l)
        });
        let norms = || attention().flat_map(|one| [&one.norm_q, &one.norm_k, &one.norm_v]);
        let weights = attention().flat_map(|one| [&one.to_q, &one.to_k, &one.to_v]);
        let [scale, shift, weight] = packed([
            (1, norms().map(|norm| &norm.weight).collect()),
            (1, norms().map(|norm| &norm.bias).collect()),
            (2, weights.map(|map| &map.weight).collect()),
        ]);
        let (weight, bias) = folded(&Norm { scale, shift }, folding, &weight);
        let (weight, bias) = joined(&weight, &bias, n_layers as i64);
        let folded = weight.unbind(0).into_iter().zip(bias.unbind(0));
        for (layer, (weight, bias)) in self.language.layers.iter().zip(folded) {
            let x = &scales[scales.len() - 1];
            let qkv = linear(&normed(x, eps), &weight, Some(&bias));
            let qkv = qkv.view([-1, n_tokens, 3, heads, dim_head]).permute([2, 0, 3, 1, 4]);
            let qkv = qkv.reshape([3, -1, n_tokens, dim_head]).unbind(0);
            let p = softmax(&qkv[0].bmm(&qkv[1].transpose(1, 2)));
            let gathered = p.bmm(&qkv[2]).view([-1, heads, n_tokens, dim_head]).transpose(1, 2);
            let gathered = gathered.reshape([n_models, n_rows, heads * dim_head]);
            scales.push(after_attention(layer, x, &gathered));
        }
        scales
    }

    /// Text scales `[S, batch * T, d]` and tokens of the other modalities `[M - 1, S, batch * T, d]` to
    /// the hyper-modality after the last layer, `[S, batch, T, d]`.
    fn hyper_modality(
        &self,
        start: &Tensor,
        layers: &[&AhlLayer],
        scales: &[Tensor],
        others: &Tensor,
    ) -> Tensor {
        let AhlLayer { heads, norm_l, to_q, .. } = layers[0];
        let (heads, eps) = (*heads, norm_l.eps);
        let dim_head = to_q.weight.size()[to_q.weight.dim() - 2] / heads;
        let (n_others, n_models, n_rows, dim) = others.size4().expect("tokens have four axes");
        // The first layer has the same start for all samples.
        let mut hyper = of_models(start, 3);
        let n_tokens = hyper.size()[2];
        let n_layers = layers.len() as i64;
        let branches = || {
            let audio = layers.iter().filter_map(|layer| layer.audio.as_ref());
            audio.chain(layers.iter().filter_map(|layer| layer.vision.as_ref()))
        };
        let n_branches = branches().count();
        let folding = self.foldings.hyper.get_or_init(|| {
            let of_queries = with_queries_first(layers.len(), 1, dim_head);
            // Keys and values of a branch share one norm.
            let of_branches = (0..2 * n_branches).map(|map| (layers.len() + map / 2, 1.0));
            folding(of_queries.chain(of_branches), layers.len() + n_branches, others)
        });
        let norms = || {
            let of_queries = layers.iter().map(|layer| &layer.norm_l);
            of_queries.chain(branches().map(|branch| &branch.norm))
        };
        let weights = layers.iter().map(|layer| &layer.to_q);
        let weights = weights.chain(branches().flat_map(|branch| [&branch.to_k, &branch.to_v]));
        let [scale, shift, weight, to_out, out_bias] = packed([
            (1, norms().map(|norm| &norm.weight).collect()),
            (1, norms().map(|norm| &norm.bias).collect()),
            (2, weights.map(|map| &map.weight).collect()),
            (2, layers.iter().map(|layer| &layer.to_out.weight).collect()),
            (1, layers.iter().flat_map(|layer| &layer.to_out.bias).collect()),
        ]);
        let (weight, bias) = folded(&Norm { scale, shift }, folding, &weight);
        let sizes = [n_layers, 2 * n_branches as i64];
        let (weight, bias) = (weight.split_with_sizes(sizes, 0), bias.split_with_sizes(sizes, 0));
        // Queries of language and keys and values of audio and vision, for all layers at once.
        let asked = Tensor::stack(scales, 0).view([n_layers * n_models, n_rows, dim]);
        let (to_q, shift_q) = (weight[0].flatten(0, 1), bias[0].flatten(0, 1));
        let q = linear(&normed(&asked, eps), &to_q, Some(&shift_q));
        let q = q.view([-1, n_tokens, heads, dim_head]).transpose(1, 2);
        let (to_kv, shift_kv) = joined(&weight[1], &bias[1], n_others);
        let kv = linear(
            &normed(others, eps).flatten(0, 1),
            &to_kv.flatten(0, 1),
            Some(&shift_kv.flatten(0, 1)),
        );
        let kv = kv.view([n_others, -1, n_tokens, n_layers, 2, heads, dim_head].as_slice());
        // [2, L, S * batch, heads, M - 1, T, dim_head].
        let kv = kv.permute([4, 3, 1, 5, 0, 2, 6]);
        let kv = kv.reshape([2, -1, n_others * n_tokens, dim_head]).unbind(0);
        let scores = q.reshape([-1, n_tokens, dim_head]).bmm(&kv[0].transpose(1, 2));
        // Each modality's weights add up to one; its contributions are summed.
        let p = softmax(&scores.view([-1, n_tokens, n_others, n_tokens]));
        let shares = p.view([-1, n_tokens, n_others * n_tokens]).bmm(&kv[1]);
        let shares = shares.view([-1, heads, n_tokens, dim_head]).transpose(1, 2);
        let shares = shares.reshape([n_layers * n_models, n_rows, heads * dim_head]);
        let shifts = maps(&to_out, Some(&out_bias), &shares);
        let shifts = shifts.view([n_layers, n_models, -1, n_tokens, dim]).unbind(0);
        for (layer, shift) in layers.iter().zip(shifts) {
            let base = match layer.residual {
                Residual::Released => {
                    let rows = hyper.view([n_models, -1, dim]);
                    norm(&layer.norm_hyper, &rows).view(&*hyper.size())
                }
                Residual::Paper => hyper,
            };
            hyper = base + shift;
        }
        hyper
    }

    /// Position 0 of the fusion, with the hyper-modality `[S, batch, T, d]` as source: `[S, batch, d]`.
    fn summary(&self, fusion: &FusionTransformer, hyper: &Tensor) -> Tensor {
        let (n_models, batch, n_tokens, dim) = hyper.size4().expect("tokens have four axes");
        let extra = of_models(&fusion.extra_token, 3);
        let source = Tensor::cat(&[&extra.expand([-1, batch, -1, -1], false), hyper], 2);
        let source = source + of_models(&fusion.pos_embedding_s, 3);
        let positions = of_models(&fusion.pos_embedding_t, 3);
        let positions = positions.split_with_sizes([1, positions.size()[2] - 1], 2);
        let mut target = (extra + &positions[0]).view([n_models, 1, dim]);
        let attention = || fusion.layers.iter().map(|layer| &layer.attention);
        let Some(Attention { heads, norm_q, to_q, .. }) = attention().next() else {
            return target.expand([-1, batch, -1], false);
        };
        let (heads, eps) = (*heads, norm_q.eps);
        let dim_head = to_q.weight.size()[to_q.weight.dim() - 2] / heads;
        let n_layers = fusion.layers.len() as i64;
        let n_maps = 2 * fusion.layers.len();
        // Queries come from each layer's own target, so their norms and maps are not folded.
        let folding = self
            .foldings
            .fusion
            .get_or_init(|| folding(with_queries_first(n_maps, 2, dim_head), n_maps, hyper));
        let norms = || attention().flat_map(|one| [&one.norm_k, &one.norm_v]);
        let weights = attention().flat_map(|one| [&one.to_k, &one.to_v]);
        let [scale, shift, weight] = packed([
            (1, norms().map(|norm| &norm.weight).collect()),
            (1, norms().map(|norm| &norm.bias).collect()),
            (2, weights.map(|map| &map.weight).collect()),
        ]);
        let (weight, bias) = folded(&Norm { scale, shift }, folding, &weight);
        let (weight, bias) = joined(&weight, &bias, 1);
        let rows = normed(&source, eps).view([n_models, -1, dim]);
        // Keys and values of all layers at once, since all have the same source.
        let kv = linear(&rows, &weight.squeeze_dim(0), Some(&bias.squeeze_dim(0)));
        let kv = kv.view([-1, n_tokens + 1, 2 * n_layers, heads, dim_head]);
        let kv = kv.permute([2, 0, 3, 1, 4]).reshape([2 * n_layers, -1, n_tokens + 1, dim_head]);
        for (layer, kv) in fusion.layers.iter().zip(kv.unbind(0).chunks(2)) {
            let Attention { norm_q, to_q, .. } = &layer.attention;
            let q = map(to_q, &norm(norm_q, &target)).expand([-1, batch, -1], false);
            let q = q.reshape([-1, 1, dim_head]);
            let p = softmax(&q.bmm(&kv[0].transpose(1, 2)));
            let gathered = p.bmm(&kv[1]).view([n_models, batch, heads * dim_head]);
            target = after_attention(layer, &target, &gathered);
        }
        target
    }
}
