//! ALMT with few operations, each of which does as much as can be done at a time: for a GPU, where a
//! small operation takes as long as a large one, and for several models that differ in their seed.
//!
//! It is the published model; what differs has the plain form alone. The three embeddings are one
//! computation over groups, but for what depends on a sequence's length. So are all layers of
//! hyper-modality learning, since only the sum of their shifts is made one after another. Norms that
//! maps follow are folded into them: `W (gamma x^ + beta) = (W gamma) x^ + W beta`.
//!
//! In shapes, `S` counts models, `M` modalities, `L` layers of hyper-modality learning, `G` groups such
//! as `M * S`, `T` tokens, `d` their width. Parameters are those of one model, or have `S` as their
//! first axis.

use std::cell::OnceCell;

use tch::{Kind, Tensor};

use super::{AhlLayer, Almt, HyperLayer, Input, ModalityEmbedding, Residual};
use crate::model::fusion::{Fusion, FusionTransformer};
use crate::model::layers::{Attention, LayerNorm, Linear, TransformerLayer, softmax};
use crate::model::variant::FusionQuery;
use crate::native::{self, modes::Autocast};

/// What of a model the batched form works on.
struct Parts<'a> {
    /// Language and the others.
    embeddings: Vec<Embedding<'a>>,
    /// Of the hyper-modality.
    start: &'a Tensor,
    hyper: Vec<&'a AhlLayer>,
    fusion: &'a FusionTransformer,
}

/// An embedding, with its tokens and its one layer.
#[derive(Clone, Copy)]
struct Embedding<'a> {
    embedding: &'a ModalityEmbedding,
    extra_token: &'a Tensor,
    layer: &'a TransformerLayer,
}

/// Which norm goes before which map, and with which factor, `[n_maps, n_norms]`: each is made once,
/// since a recorded step cannot bring it from the CPU.
#[derive(Debug, Default)]
pub(super) struct Foldings {
    keys: OnceCell<Tensor>,
    language: OnceCell<Tensor>,
    hyper: OnceCell<Tensor>,
    fusion: OnceCell<Tensor>,
}

/// The matrix of a folding whose maps have a norm's index and a factor each.
fn folding(maps: impl Iterator<Item = (usize, f64)>, n_norms: usize, like: &Tensor) -> Tensor {
    let rows = maps.flat_map(|(norm, factor)| {
        (0..n_norms).map(move |other| if other == norm { factor } else { 0.0 })
    });
    constant(&rows.collect::<Vec<f64>>(), n_norms, like)
}

/// Values in rows, of the type and on the device of a tensor.
fn constant(values: &[f64], n_columns: usize, like: &Tensor) -> Tensor {
    let values = Tensor::from_slice(values).view([-1, n_columns as i64]);
    values.to_kind(like.kind()).to_device(like.device())
}

/// Factors of maps in turn: those of queries are divided by `sqrt(dim_head)`.
fn with_queries_first(
    n_maps: usize,
    n_each: usize,
    dim_head: i64,
) -> impl Iterator<Item = (usize, f64)> {
    let factor = (dim_head as f64).powf(-0.5);
    (0..n_maps).map(move |map| (map, if map % n_each == 0 { factor } else { 1.0 }))
}

/// A parameter, of whose axes one model has `rank`, as `[S, ..]`.
fn of_models(parameter: &Tensor, rank: usize) -> Tensor {
    match parameter.dim() == rank {
        true => parameter.unsqueeze(0),
        false => parameter.shallow_clone(),
    }
}

/// Parameters of one shape, `[n, S, ..]`.
fn stack<'a>(parameters: impl IntoIterator<Item = &'a Tensor>, rank: usize) -> Tensor {
    let parameters: Vec<_> = parameters.into_iter().map(|one| of_models(one, rank)).collect();
    Tensor::stack(&parameters, 0)
}

/// Parameters of one shape, `[n * S, ..]`.
fn groups<'a>(parameters: impl IntoIterator<Item = &'a Tensor>, rank: usize) -> Tensor {
    stack(parameters, rank).flatten(0, 1)
}

/// To mean 0 and variance 1 over the last axis.
fn normed(x: &Tensor, eps: f64) -> Tensor {
    let dim = [x.size()[x.dim() - 1]];
    x.layer_norm(dim, None::<&Tensor>, None::<&Tensor>, eps, false)
}

/// A norm of rows `[S, n_rows, d]`.
fn norm(norm: &LayerNorm, x: &Tensor) -> Tensor {
    match norm.weight.dim() {
        1 => norm.forward(x),
        _ => norm.bias.unsqueeze(1).addcmul(&normed(x, norm.eps), &norm.weight.unsqueeze(1)),
    }
}

/// One norm for each group of rows `[G, n_rows, d]`.
fn norms<'a>(norms: impl Iterator<Item = &'a LayerNorm> + Clone, x: &Tensor, eps: f64) -> Tensor {
    let weight = groups(norms.clone().map(|norm| &norm.weight), 1).unsqueeze(1);
    let bias = groups(norms.map(|norm| &norm.bias), 1).unsqueeze(1);
    bias.addcmul(&normed(x, eps), &weight)
}

/// As autocast would have the operands of a product.
fn lowered(x: &Tensor) -> Tensor {
    match Autocast::is_on() {
        true => x.to_kind(Kind::BFloat16),
        false => x.shallow_clone(),
    }
}

/// `[G, n_rows, n_in]` to `[G, n_rows, n_out]`.
fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let bias = bias.map(lowered);
    native::grouped_linear(&lowered(x), &lowered(weight), bias.as_ref())
        .expect("the shapes are those of one model")
}

/// One map of rows `[S, n_rows, n_in]`.
fn map(map: &Linear, x: &Tensor) -> Tensor {
    let bias = map.bias.as_ref().map(|bias| of_models(bias, 1));
    linear(x, &of_models(&map.weight, 2), bias.as_ref())
}

/// One map for each group of rows `[G, n_rows, n_in]`.
fn maps<'a>(maps: impl Iterator<Item = &'a Linear> + Clone, x: &Tensor) -> Tensor {
    let weight = groups(maps.clone().map(|map| &map.weight), 2);
    let biases: Vec<&Tensor> = maps.filter_map(|map| map.bias.as_ref()).collect();
    let bias = (!biases.is_empty()).then(|| groups(biases, 1));
    linear(x, &weight, bias.as_ref())
}

/// Maps with the norms before them folded into them: weights `[n_maps, S, n_out, d]` and biases
/// `[n_maps, S, n_out]`.
fn folded<'a>(
    norms: impl Iterator<Item = &'a LayerNorm> + Clone,
    folding: &Tensor,
    weights: impl Iterator<Item = &'a Linear>,
) -> (Tensor, Tensor) {
    let weight = stack(weights.map(|map| &map.weight), 2);
    let (n_maps, n_models, n_out, dim) = weight.size4().expect("a weight has two axes");
    let of_maps = |parameters: Tensor| folding.matmul(&parameters.view([-1, n_models * dim]));
    let scale = of_maps(stack(norms.clone().map(|norm| &norm.weight), 1));
    let shift = of_maps(stack(norms.map(|norm| &norm.bias), 1));
    let bias = weight.flatten(0, 1).bmm(&shift.view([n_maps * n_models, dim, 1]));
    (weight * scale.view([n_maps, n_models, 1, dim]), bias.view([n_maps, n_models, n_out]))
}

/// `[n * each, S, ..]` to `[n, S, each * .., last..]`: the maps of one input as one, whose outputs come
/// one after another.
fn joined(weight: &Tensor, bias: &Tensor, n: i64) -> (Tensor, Tensor) {
    let (_, n_models, _, dim) = weight.size4().expect("a weight has two axes");
    let weight = weight.unflatten(0, [n, -1]).transpose(1, 2).reshape([n, n_models, -1, dim]);
    (weight, bias.unflatten(0, [n, -1]).transpose(1, 2).reshape([n, n_models, -1]))
}

/// What a transformer layer makes of rows `[S, n_rows, d]` and of what they gathered, `[S, n_rows,
/// heads * dim_head]`.
fn after_attention(layer: &TransformerLayer, x: &Tensor, gathered: &Tensor) -> Tensor {
    let x = map(&layer.attention.to_out, gathered) + x;
    let feed_forward = &layer.feed_forward;
    let wide = map(&feed_forward.expand, &norm(&feed_forward.norm, &x)).gelu("none");
    map(&feed_forward.reduce, &wide) + x
}

impl Almt {
    fn parts<'a>(&'a self) -> Option<Parts<'a>> {
        let embeddings = [Some(&self.embed_l), self.embed_a.as_ref(), self.embed_v.as_ref()];
        let with_layer = |embedding: &'a ModalityEmbedding| match &*embedding.layers {
            [layer] => {
                Some(Embedding { embedding, extra_token: embedding.extra_token.as_ref()?, layer })
            }
            _ => None,
        };
        let guided = |layer| match layer {
            &HyperLayer::Guided(ref layer) => Some(&**layer),
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

    /// Whether the model is the published one, and so has the form of this module.
    pub fn is_batchable(&self) -> bool {
        self.parts().is_some()
    }

    /// As [`forward`](Almt::forward): with parameters of one model, features `[batch, seq_len,
    /// feat_dim]` to predictions `[batch, 1]`; with those of several, `[S, batch, seq_len, feat_dim]`
    /// to `[S, batch, 1]`. `None` where the model has no such form.
    pub(super) fn forward_batched(&self, input: &Input) -> Option<Tensor> {
        let parts = self.parts()?;
        let is_one = input.text.dim() == 3;
        let frames = [Some(&input.text), input.audio.as_ref(), input.vision.as_ref()];
        let frames: Vec<Tensor> =
            frames.into_iter().flatten().map(|frames| of_models(frames, 3)).collect();
        let tokens = self.embed(&parts.embeddings, &frames);
        let language = tokens.split_with_sizes([1, tokens.size()[0] - 1], 0);
        let [language, others] = &*language else { return None };
        let scales = self.scales(&language.squeeze_dim(0));
        let hyper = self.hyper_modality(parts.start, &parts.hyper, &scales, others);
        let summary = self.summary(parts.fusion, &hyper);
        let pred = map(&self.regression, &summary);
        Some(if is_one { pred.squeeze_dim(0) } else { pred })
    }

    /// Frames `[S, batch, seq_len, feat_dim]` of each modality to tokens `[M, S, batch * T, d]`.
    fn embed(&self, embeddings: &[Embedding<'_>], frames: &[Tensor]) -> Tensor {
        let attention = || embeddings.iter().map(|one| &one.layer.attention);
        let feed_forward = || embeddings.iter().map(|one| &one.layer.feed_forward);
        let Attention { heads, norm_q, .. } = &embeddings[0].layer.attention;
        let (heads, eps) = (*heads, norm_q.eps);
        let without_batch = |parameter| of_models(parameter, 3).squeeze_dim(1);
        let extra: Vec<Tensor> =
            embeddings.iter().map(|one| without_batch(one.extra_token)).collect();
        let (n_models, n_tokens, dim) = extra[0].size3().expect("tokens have three axes");
        let n_groups = embeddings.len() as i64 * n_models;
        let positions: Vec<Vec<Tensor>> = embeddings
            .iter()
            .zip(frames)
            .map(|(one, frames)| {
                let all = without_batch(&one.embedding.pos_embedding);
                all.split_with_sizes([n_tokens, frames.size()[2]], 1)
            })
            .collect();
        let of_tokens: Vec<&Tensor> = positions.iter().map(|parts| &parts[0]).collect();
        let tokens = Tensor::stack(&extra, 0) + Tensor::stack(&of_tokens, 0);
        let own_tokens = tokens.unbind(0);
        let zeros = frames[0].new_zeros([1, 1, 1, 1], (frames[0].kind(), frames[0].device()));
        let tokens = tokens.view([n_groups, n_tokens, dim]);
        let queries = self.queries(embeddings, &tokens);
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
            // Tokens are frames of zeros: one product and one sum make all rows.
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
        let x = self.values(attention(), &gathered, heads).view([n_groups, -1, n_tokens, dim]);
        let biases = groups(attention().filter_map(|one| one.to_out.bias.as_ref()), 1);
        let x = (x + (tokens + biases.unsqueeze(1)).unsqueeze(1)).view([n_groups, -1, dim]);
        let normed = norms(feed_forward().map(|one| &one.norm), &x, eps);
        let wide = maps(feed_forward().map(|one| &one.expand), &normed).gelu("none");
        let x = maps(feed_forward().map(|one| &one.reduce), &wide) + x;
        x.view([-1, n_models, x.size()[1], dim])
    }

    /// What takes the place of the queries of tokens `[M * S, T, d]` where rows are not projected:
    /// `gamma_k W_k^T q / sqrt(dim_head)`, `[M * S, T, heads, d]`.
    fn queries(&self, embeddings: &[Embedding<'_>], tokens: &Tensor) -> Tensor {
        let attention = || embeddings.iter().map(|one| &one.layer.attention);
        let Attention { heads, norm_q, .. } = &embeddings[0].layer.attention;
        let heads = *heads;
        let (n_groups, n_tokens, dim) = tokens.size3().expect("tokens have three axes");
        let normed = norms(attention().map(|one| &one.norm_q), tokens, norm_q.eps);
        let queries = maps(attention().map(|one| &one.to_q), &normed);
        let dim_head = queries.size()[2] / heads;
        let queries = queries.view([n_groups, n_tokens, heads, dim_head]).transpose(1, 2);
        let to_k = groups(attention().map(|one| &one.to_k.weight), 2);
        let products = queries.reshape([n_groups * heads, n_tokens, dim_head]).bmm(&to_k.view([
            n_groups * heads,
            dim_head,
            dim,
        ]));
        let products = products.view([n_groups, heads, n_tokens, dim]).transpose(1, 2);
        // The shift of the keys adds the same to all scores of a query. It takes part as zero, since
        // without a gradient the parameter would not decay.
        let factors = self
            .foldings
            .keys
            .get_or_init(|| constant(&[(dim_head as f64).powf(-0.5), 0.0], 2, tokens));
        let scale = stack(attention().map(|one| &one.norm_k.weight), 1);
        let shift = stack(attention().map(|one| &one.norm_k.bias), 1);
        let both = Tensor::stack(&[scale, shift], 0).view([2, -1]);
        let factor = factors.matmul(&both);
        products.contiguous() * factor.view([n_groups, 1, 1, dim])
    }

    /// What attention makes of rows that were weighted and summed, `[M, S, batch, T * heads, d]`,
    /// without its last bias: `[M * S, batch * T, d]`.
    ///
    /// The maps of a head, to values and from them, are multiplied into one.
    fn values<'a>(
        &self,
        attention: impl Iterator<Item = &'a Attention> + Clone,
        gathered: &Tensor,
        heads: i64,
    ) -> Tensor {
        let dim = gathered.size()[4];
        let each = |parameters: Tensor| parameters.unsqueeze(2).unsqueeze(3);
        let scale = each(stack(attention.clone().map(|one| &one.norm_v.weight), 1));
        let shift = each(stack(attention.clone().map(|one| &one.norm_v.bias), 1));
        let gathered = shift.addcmul(gathered, &scale);
        let to_v = groups(attention.clone().map(|one| &one.to_v.weight), 2);
        let to_out = groups(attention.map(|one| &one.to_out.weight), 2);
        let (n_groups, inner, _) = to_v.size3().expect("a weight has two axes");
        let by_head = [n_groups * heads, inner / heads, dim];
        let to_out = to_out.view([n_groups, dim, heads, inner / heads]).permute([0, 2, 3, 1]);
        let both = to_v.view(by_head).transpose(1, 2).bmm(&to_out.reshape(by_head));
        gathered.view([n_groups, -1, heads * dim]).bmm(&both.view([n_groups, heads * dim, dim]))
    }

    /// Tokens of language `[S, batch * T, d]` to all scales, lowest first.
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
        let norms = attention().flat_map(|one| [&one.norm_q, &one.norm_k, &one.norm_v]);
        let weights = attention().flat_map(|one| [&one.to_q, &one.to_k, &one.to_v]);
        let (weight, bias) = folded(norms, folding, weights);
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

    /// Scales of language `[S, batch * T, d]` and tokens of the other modalities `[M - 1, S, batch * T,
    /// d]` to the hyper-modality after the last layer, `[S, batch, T, d]`.
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
        // The first layer starts from the same for all samples.
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
            // Keys and values of a branch have one norm.
            let of_branches = (0..2 * n_branches).map(|map| (layers.len() + map / 2, 1.0));
            folding(of_queries.chain(of_branches), layers.len() + n_branches, others)
        });
        let norms = layers.iter().map(|layer| &layer.norm_l);
        let norms = norms.chain(branches().map(|branch| &branch.norm));
        let weights = layers.iter().map(|layer| &layer.to_q);
        let weights = weights.chain(branches().flat_map(|branch| [&branch.to_k, &branch.to_v]));
        let (weight, bias) = folded(norms, folding, weights);
        let sizes = [n_layers, 2 * n_branches as i64];
        let (weight, bias) = (weight.split_with_sizes(sizes, 0), bias.split_with_sizes(sizes, 0));
        // Of all layers at once: what language asks, and what audio and vision answer.
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
        // The weights of each modality add up to one; its shares are summed.
        let p = softmax(&scores.view([-1, n_tokens, n_others, n_tokens]));
        let shares = p.view([-1, n_tokens, n_others * n_tokens]).bmm(&kv[1]);
        let shares = shares.view([-1, heads, n_tokens, dim_head]).transpose(1, 2);
        let shares = shares.reshape([n_layers * n_models, n_rows, heads * dim_head]);
        let shifts = maps(layers.iter().map(|layer| &layer.to_out), &shares);
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

    /// Position 0 of the fusion, which asks the hyper-modality `[S, batch, T, d]`: `[S, batch, d]`.
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
        // Queries are asked of each layer's own target: their norms and maps stay as they are.
        let folding = self
            .foldings
            .fusion
            .get_or_init(|| folding(with_queries_first(n_maps, 2, dim_head), n_maps, hyper));
        let norms = attention().flat_map(|one| [&one.norm_k, &one.norm_v]);
        let weights = attention().flat_map(|one| [&one.to_k, &one.to_v]);
        let (weight, bias) = folded(norms, folding, weights);
        let (weight, bias) = joined(&weight, &bias, 1);
        let rows = normed(&source, eps).view([n_models, -1, dim]);
        // Keys and values of all layers at once, since all ask the same.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tch::{Device, nn};

    use super::*;
    use crate::model::{AlmtConfig, AlmtSizes, Init, Sequence, Trace, Variant, drawn};
    use crate::seed::stream;

    const BATCH: i64 = 3;

    /// Models with language and some of audio and vision, as the paper has them and as the code does.
    fn configs() -> Vec<AlmtConfig> {
        let audio = Sequence { seq_len: 9, feat_dim: 5 };
        let vision = Sequence { seq_len: 7, feat_dim: 20 };
        let config = |audio, vision, residual| AlmtConfig {
            sizes: AlmtSizes { residual, fusion_depth: 2, ..AlmtSizes::small() },
            text: Sequence { seq_len: 6, feat_dim: 24 },
            audio,
            vision,
            variant: Variant::default(),
        };
        vec![
            config(Some(audio), Some(vision), Residual::Released),
            config(Some(audio), None, Residual::Paper),
            config(None, Some(vision), Residual::Released),
        ]
    }

    /// Features of a few samples, `[BATCH, seq_len, feat_dim]`.
    fn input(config: &AlmtConfig, kind: Kind, seed: u64) -> Input {
        let rng = &mut stream(seed, "test");
        let mut rows = |sequence: Sequence| {
            drawn(rng, &[BATCH, sequence.seq_len, sequence.feat_dim]).to_kind(kind)
        };
        Input {
            text: rows(config.text),
            audio: config.audio.map(&mut rows),
            vision: config.vision.map(&mut rows),
        }
    }

    /// A model whose parameters are all drawn: ones and zeros, which norms and tokens begin with, would
    /// hide a mistake.
    fn model(config: &AlmtConfig, kind: Kind, seed: u64) -> (BTreeMap<String, Tensor>, Almt) {
        let mut store = nn::VarStore::new(Device::Cpu);
        let model = Almt::new(&Init::new(store.root(), seed), config);
        let parameters: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
        let rng = &mut stream(seed, "noise");
        tch::no_grad(|| {
            for mut parameter in parameters.values().map(Tensor::shallow_clone) {
                parameter += drawn(rng, &parameter.size()) * 0.2;
            }
        });
        store.set_kind(kind);
        (store.variables().into_iter().collect(), model)
    }

    /// Predictions, and the gradient of every parameter that has one.
    fn run(
        parameters: &BTreeMap<String, Tensor>,
        forward: impl FnOnce() -> Tensor,
    ) -> BTreeMap<String, Tensor> {
        let pred = forward();
        let weights = drawn(&mut stream(9, "test"), &[BATCH, 1]);
        (&pred * weights).sum(pred.kind()).backward();
        let gradients = parameters.iter().filter(|(_, parameter)| parameter.grad().defined());
        let gradients = gradients.map(|(name, parameter)| (name.clone(), parameter.grad()));
        gradients.chain([("pred".into(), pred.detach())]).collect()
    }

    /// Asserts that two runs are the same but for rounding in float64.
    fn assert_same(found: &BTreeMap<String, Tensor>, plain: &BTreeMap<String, Tensor>) {
        assert_eq!(found.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>());
        for (name, expected) in plain {
            let found = &found[name];
            assert_eq!(found.size(), expected.size(), "{name}");
            let largest = expected.abs().max().double_value(&[]);
            let difference = (found - expected).abs().max().double_value(&[]);
            assert!(difference <= 1e-12 * largest.max(1.0), "{name}: {difference} of {largest}");
            // The gradient of a key norm's shift is zero.
            assert!(largest > 1e-3 || name.ends_with("norm_k.bias"), "{name}: {largest}");
        }
    }

    #[test]
    fn it_is_the_plain_form() {
        for config in configs() {
            let input = input(&config, Kind::Double, 5);
            let (parameters, own) = model(&config, Kind::Double, 1);
            let found = run(&parameters, || own.forward_batched(&input).unwrap());
            // Of whoever looks inside.
            let (parameters, own) = model(&config, Kind::Double, 1);
            let plain = run(&parameters, || own.forward(&input, &mut Trace::keep()));
            assert_same(&found, &plain);
        }
    }

    #[test]
    fn stacked_models_are_those_models() {
        for config in configs() {
            let of_seed =
                |seed| (model(&config, Kind::Double, seed), input(&config, Kind::Double, seed));
            let all = [1, 2].map(of_seed);
            let names = all[0].0.0.keys();
            let stacked: BTreeMap<String, Tensor> = names
                .map(|name| {
                    let both: Vec<Tensor> =
                        all.iter().map(|((parameters, _), _)| parameters[name].detach()).collect();
                    (name.clone(), Tensor::stack(&both, 0).set_requires_grad(true))
                })
                .collect();
            let inputs = |of: fn(&Input) -> Option<&Tensor>| {
                let both = all.iter().map(|(_, input)| of(input)).collect::<Option<Vec<_>>>();
                both.map(|both| Tensor::stack(&both, 0))
            };
            let input = Input {
                text: inputs(|input| Some(&input.text)).unwrap(),
                audio: inputs(|input| input.audio.as_ref()),
                vision: inputs(|input| input.vision.as_ref()),
            };
            let both = Almt::new(&Init::given(&stacked), &config);
            let together = run(&stacked, || both.forward(&input, &mut Trace::default()));
            for (idx, ((parameters, own), input)) in all.iter().enumerate() {
                let alone = run(parameters, || own.forward(input, &mut Trace::keep()));
                let together = together.iter().map(|(name, x)| (name.clone(), x.get(idx as i64)));
                assert_same(&together.collect(), &alone);
            }
        }
    }

    #[test]
    fn variants_have_no_such_form() {
        let published = configs().remove(0);
        let is_batchable = |config: &AlmtConfig| model(config, Kind::Float, 1).1.is_batchable();
        assert!(is_batchable(&published));
        let deeper = AlmtSizes { embedding_depth: 2, ..published.sizes.clone() };
        let guides = Variant { guides: Some(vec![1]), ..Variant::default() };
        let of_hyper = Variant { fusion_query: FusionQuery::Hyper, ..Variant::default() };
        for other in [
            AlmtConfig { sizes: deeper, ..published.clone() },
            AlmtConfig { variant: guides, ..published.clone() },
            AlmtConfig { variant: of_hyper, ..published.clone() },
            AlmtConfig { audio: None, vision: None, ..published.clone() },
        ] {
            assert!(!is_batchable(&other), "{other:?}");
        }
    }

    #[test]
    fn bfloat16_stays_near() {
        let config = configs().remove(0);
        let input = input(&config, Kind::Float, 5);
        let (parameters, own) = model(&config, Kind::Float, 1);
        let whole = run(&parameters, || own.forward(&input, &mut Trace::keep()));
        let (parameters, own) = model(&config, Kind::Float, 1);
        let lowered = run(&parameters, || {
            let _autocast = Autocast::begin(Device::Cpu).unwrap();
            own.forward(&input, &mut Trace::default()).to_kind(Kind::Float)
        });
        assert!(whole.keys().eq(lowered.keys()));
        for (name, expected) in &whole {
            let largest = expected.abs().max().double_value(&[]);
            let difference = (&lowered[name] - expected).abs().max().double_value(&[]);
            let is_zero = name.ends_with("norm_k.bias");
            assert!(is_zero || difference <= 0.1 * largest, "{name}: {difference} of {largest}");
            assert!(is_zero || difference > 0.0, "{name} is not rounded");
        }
    }
}
