//! ALMT, the Adaptive Language-guided Multimodal Transformer.
//!
//! Zhang et al., «Learning Language-guided Adaptive Hyper-modality Representation for Multimodal
//! Sentiment Analysis», EMNLP 2023. Released code: Haoyu-ha/ALMT `models/almt.py` and
//! `models/almt_layer.py`; parameter names are the same. Read from top to bottom: input, modality
//! embedding, language encoder, hyper-modality learning, fusion, the whole.

mod batched;

use std::collections::BTreeMap;

use tch::Tensor;

use super::{
    AlmtConfig, AlmtSizes, EmbeddingKind, FusionQuery, HyperModalityKind, Residual, Sequence,
};
use crate::corpus::Modality;
use crate::model::fusion::Fusion;
use crate::model::layers::{
    FeedForward, Init, LayerNorm, LayerSizes, Linear, Projection, Source, TokenSource,
    TransformerLayer, attention_weights, gather, is_native, split_heads, transformer_layers,
};

impl AlmtConfig {
    /// Sizes of the transformer layers of one module.
    pub(in crate::model) fn layer_sizes(&self, heads: i64, mlp_dim: i64) -> LayerSizes {
        LayerSizes {
            dim: self.sizes.token_dim,
            heads,
            dim_head: self.sizes.dim_head,
            mlp_dim,
            eps: self.sizes.layer_norm_eps,
        }
    }
}

/// One batch of inputs.
#[derive(Debug)]
pub struct Input {
    /// `[batch, seq_len, feat_dim]`.
    pub text: Tensor,
    /// `[batch, seq_len, feat_dim]`, for a model with audio.
    pub audio: Option<Tensor>,
    /// `[batch, seq_len, feat_dim]`, for a model with vision.
    pub vision: Option<Tensor>,
}

impl Input {
    /// What a function makes of each modality.
    ///
    /// # Errors
    /// The first that the function fails with.
    pub fn try_map<E>(&self, each: impl Fn(&Tensor) -> Result<Tensor, E>) -> Result<Input, E> {
        Ok(Input {
            text: each(&self.text)?,
            audio: self.audio.as_ref().map(&each).transpose()?,
            vision: self.vision.as_ref().map(&each).transpose()?,
        })
    }
}

/// Intermediate values by name, for those who want to look inside.
#[derive(Debug, Default)]
pub struct Trace {
    values: Option<BTreeMap<String, Tensor>>,
}

impl Trace {
    /// A trace that keeps everything; [`Trace::default`] keeps nothing and costs nothing.
    pub fn keep() -> Trace {
        Trace { values: Some(BTreeMap::new()) }
    }

    /// Whether anything is kept.
    fn is_kept(&self) -> bool {
        self.values.is_some()
    }

    /// The kept values.
    pub fn into_values(self) -> BTreeMap<String, Tensor> {
        self.values.unwrap_or_default()
    }

    pub(in crate::model) fn record(&mut self, name: &str, value: &Tensor) {
        if let Some(values) = &mut self.values {
            values.insert(name.to_owned(), value.shallow_clone());
        }
    }

    pub(in crate::model) fn record_layer(&mut self, name: &str, layer: usize, value: &Tensor) {
        if self.is_kept() {
            self.record(&format!("{name}_{layer}"), value);
        }
    }
}

/// Modality embedding (Eq. 1): `T` learned tokens gather what a modality's frames say.
#[derive(Debug)]
struct ModalityEmbedding {
    project: Linear,
    pos_embedding: Tensor,
    /// Absent where frames are their own tokens.
    extra_token: Option<Tensor>,
    layers: Vec<TransformerLayer>,
}

impl ModalityEmbedding {
    fn new(init: &Init<'_>, config: &AlmtConfig, input: Sequence) -> ModalityEmbedding {
        let dim = config.sizes.token_dim;
        let (n_tokens, depth) = match config.variant.embedding {
            EmbeddingKind::Transformer => (config.sizes.token_len, config.sizes.embedding_depth),
            EmbeddingKind::Projection => (0, 0),
        };
        let sizes =
            config.layer_sizes(config.sizes.embedding_heads, config.sizes.embedding_mlp_dim);
        let transformer = init.sub("1");
        let tokens = || transformer.constant("extra_token", &[1, n_tokens, dim], 0.0);
        ModalityEmbedding {
            project: Linear::new(&init.sub("0"), input.feat_dim, dim, true),
            pos_embedding: transformer.normal("pos_embedding", &[1, n_tokens + input.seq_len, dim]),
            extra_token: (n_tokens > 0).then(tokens),
            layers: transformer_layers(&transformer.sub("encoder.layers"), depth, sizes),
        }
    }

    /// `[batch, seq_len, feat_dim]` to `H_m^1`, `[batch, T, d]`; without tokens to gather them,
    /// `[batch, seq_len, d]`.
    ///
    /// Only the T tokens are used afterwards, so the last layer computes no other output. With one
    /// layer, as in the paper, what it reads of the tokens is the same for every sample, so that
    /// they need not be put before the frames of each; and frames of few features, as audio and
    /// vision have, need not be projected either.
    fn forward(&self, frames: &Tensor) -> Tensor {
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
            return last.forward_few(&x.narrow(1, 0, n_tokens), &[Source::Rows(&x)]);
        }
        let tokens_as_source = Source::Rows(&tokens);
        let weight = self.project.weight();
        if feat_dim >= weight.size()[0] {
            return last.forward_few(&tokens, &[tokens_as_source, Source::Rows(&project())]);
        }
        let offset = self.project.add_bias(positions.squeeze_dim(0));
        let frames = Source::Frames { frames, weight, offset: &offset };
        last.forward_few(&tokens, &[tokens_as_source, frames])
    }

    /// What the tokens attend to in the last layer, from its queries and keys as they are, which
    /// [`forward`](ModalityEmbedding::forward) never forms: `[batch, heads, T, seq_len]`, the
    /// weights of the frames, to which those of the tokens themselves are missing to add up to 1.
    /// `None` where frames are their own tokens.
    fn attention(&self, frames: &Tensor) -> Option<Tensor> {
        let n_tokens = self.extra_token.as_ref()?.size()[1];
        let (last, before) = self.layers.split_last()?;
        let x = before.iter().fold(self.rows(frames)?, |x, layer| layer.forward(&x, &x));
        let weights = last.attention(&x.narrow(1, 0, n_tokens), &x);
        Some(weights.narrow(3, n_tokens, frames.size()[1]))
    }

    /// Tokens and frames `[batch, T + seq_len, d]` as the released code puts them before the first
    /// layer.
    fn rows(&self, frames: &Tensor) -> Option<Tensor> {
        let tokens = self.extra_token.as_ref()?.expand([frames.size()[0], -1, -1], false);
        Some(Tensor::cat(&[tokens, self.project.forward(frames)], 1) + &self.pos_embedding)
    }

    /// The plain form of [`forward`](ModalityEmbedding::forward), as the released code spells it.
    #[cfg(test)]
    fn forward_plain(&self, frames: &Tensor) -> Tensor {
        let mut x = self.rows(frames).expect("there are tokens");
        for layer in &self.layers {
            x = layer.forward(&x, &x);
        }
        x.narrow(1, 0, self.extra_token.as_ref().expect("there are tokens").size()[1])
    }
}

/// Two further scales of language features (Eq. 2).
#[derive(Debug)]
struct LanguageEncoder {
    pos_embedding: Tensor,
    layers: Vec<TransformerLayer>,
}

impl LanguageEncoder {
    fn new(init: &Init<'_>, config: &AlmtConfig) -> LanguageEncoder {
        let sizes = config.layer_sizes(config.sizes.language_heads, config.sizes.language_mlp_dim);
        LanguageEncoder {
            pos_embedding: init
                .normal("pos_embedding", &[1, config.n_language_tokens(), config.sizes.token_dim]),
            layers: transformer_layers(
                &init.sub("encoder.layers"),
                config.sizes.ahl_depth - 1,
                sizes,
            ),
        }
    }

    /// `H_l^1` `[batch, T, d]` to all scales, lowest first. The lowest one, too, carries the
    /// position embedding, as in the released code.
    fn forward(&self, h_l: &Tensor) -> Vec<Tensor> {
        let mut scales = vec![h_l + &self.pos_embedding];
        for layer in &self.layers {
            let x = &scales[scales.len() - 1];
            scales.push(layer.forward(x, x));
        }
        scales
    }
}

/// One of the two branches of an AHL layer: what language reads from audio or from vision.
#[derive(Debug)]
struct GuidedBranch {
    norm: LayerNorm,
    to_k: Linear,
    to_v: Linear,
}

impl GuidedBranch {
    /// `H_m^1` `[batch, T, d]` as what language attends to.
    fn source<'a>(&'a self, h_m: &'a Tensor) -> TokenSource<'a> {
        let projection = |linear| Projection { norm: &self.norm, linear };
        TokenSource { rows: h_m, keys: projection(&self.to_k), values: projection(&self.to_v) }
    }
}

/// Adaptive hyper-modality learning layer (Eq. 3 to 5).
#[derive(Debug)]
struct AhlLayer {
    norm_l: LayerNorm,
    norm_hyper: LayerNorm,
    to_q: Linear,
    audio: Option<GuidedBranch>,
    vision: Option<GuidedBranch>,
    to_out: Linear,
    heads: i64,
    residual: Residual,
}

impl AhlLayer {
    fn new(init: &Init<'_>, config: &AlmtConfig) -> AhlLayer {
        let dim = config.sizes.token_dim;
        let inner = config.sizes.ahl_heads * config.sizes.ahl_dim_head;
        let norm = |name| LayerNorm::new(&init.sub(name), dim, config.sizes.layer_norm_eps);
        let project = |name: &str| Linear::new(&init.sub(name), dim, inner, false);
        let branch = |norm_name, suffix: &str| GuidedBranch {
            norm: norm(norm_name),
            to_k: project(&format!("fn.to_k_{suffix}")),
            to_v: project(&format!("fn.to_v_{suffix}")),
        };
        AhlLayer {
            norm_l: norm("norm1"),
            norm_hyper: norm("norm4"),
            to_q: project("fn.to_q"),
            audio: config.audio.map(|_| branch("norm2", "ta")),
            vision: config.vision.map(|_| branch("norm3", "tv")),
            to_out: Linear::new(&init.sub("fn.to_out.0"), inner, dim, true),
            heads: config.sizes.ahl_heads,
            residual: config.sizes.residual,
        }
    }

    /// What makes queries of a scale of language.
    fn queries(&self) -> Projection<'_> {
        Projection { norm: &self.norm_l, linear: &self.to_q }
    }

    /// `alpha` of audio or `beta` of vision (Eq. 3 and 4), `[batch, heads, T, T]`, of queries from
    /// `h_l` and keys from `source`.
    fn weights(&self, h_l: &Tensor, source: &TokenSource<'_>) -> Tensor {
        let (q, k) = (self.queries().forward(h_l), source.keys.forward(source.rows));
        attention_weights(&split_heads(&q, self.heads), &split_heads(&k, self.heads))
    }

    /// `alpha` of audio or `beta` of vision (Eq. 3 and 4), `[batch, heads, T, T]`; `None` for what
    /// the model does not see.
    fn attention(&self, modality: Modality, h_l: &Tensor, h_m: &Tensor) -> Option<Tensor> {
        let branch = match modality {
            Modality::Text => None,
            Modality::Audio => self.audio.as_ref(),
            Modality::Vision => self.vision.as_ref(),
        }?;
        Some(self.weights(h_l, &branch.source(h_m)))
    }

    /// `H_hyper^{j-1}` to `H_hyper^j`, `[batch, T, d]`, guided by the language scale `h_l`.
    fn forward(
        &self,
        h_l: &Tensor,
        h_a: Option<&Tensor>,
        h_v: Option<&Tensor>,
        h_hyper: &Tensor,
        layer: usize,
        trace: &mut Trace,
    ) -> Tensor {
        let branches =
            [(&self.audio, h_a, "alpha", "ahl_audio"), (&self.vision, h_v, "beta", "ahl_vision")];
        let mut sources = Vec::new();
        for (branch, h_m, name, part_name) in branches {
            let (Some(branch), Some(h_m)) = (branch, h_m) else { continue };
            let source = branch.source(h_m);
            if trace.is_kept() {
                trace.record_layer(name, layer, &self.weights(h_l, &source));
                // Its share of the shift, which is a sum but for the bias.
                let part = gather(h_l, self.queries(), &[source], self.heads);
                let share = part.matmul(&self.to_out.weight().transpose(0, 1));
                trace.record_layer(part_name, layer, &share);
            }
            sources.push(source);
        }
        if sources.is_empty() {
            return h_hyper.shallow_clone();
        }
        let gathered = gather(h_l, self.queries(), &sources, self.heads);
        let shift = self.to_out.forward(&gathered);
        trace.record_layer("ahl_shift", layer, &shift);
        match self.residual {
            Residual::Paper => h_hyper + shift,
            Residual::Released => {
                let normed = self.norm_hyper.forward(h_hyper);
                trace.record_layer("ahl_normed", layer, &normed);
                normed + shift
            }
        }
    }
}

/// A layer of the hyper-modality, guided by its scale of language or not.
#[derive(Debug)]
enum HyperLayer {
    Guided(Box<AhlLayer>),
    Unguided(FeedForward),
}

/// The hyper-modality's start and its layers.
#[derive(Debug)]
struct HyperModality {
    start: Tensor,
    layers: Vec<HyperLayer>,
}

impl HyperModality {
    fn new(init: &Init<'_>, config: &AlmtConfig) -> HyperModality {
        let AlmtSizes { token_dim, ahl_depth, .. } = config.sizes;
        let unguided =
            config.layer_sizes(config.sizes.language_heads, config.sizes.language_mlp_dim);
        let layer = |idx: i64| {
            let init = init.sub(&format!("h_hyper_layer.layers.{idx}.0"));
            match config.variant.is_guided(idx + 1) {
                true => HyperLayer::Guided(Box::new(AhlLayer::new(&init, config))),
                false => HyperLayer::Unguided(FeedForward::new(&init, unguided)),
            }
        };
        HyperModality {
            start: init.constant("h_hyper", &[1, config.n_language_tokens(), token_dim], 1.0),
            layers: (0..ahl_depth).map(layer).collect(),
        }
    }

    /// Scales of language, audio and vision to `H_hyper` after the last layer, `[batch, T, d]`.
    fn forward(
        &self,
        scales: &[Tensor],
        h_a: Option<&Tensor>,
        h_v: Option<&Tensor>,
        trace: &mut Trace,
    ) -> Tensor {
        let batch = scales[0].size()[0];
        let mut h_hyper = self.start.expand([batch, -1, -1], false);
        for (i, (layer, scale)) in self.layers.iter().zip(scales).enumerate() {
            h_hyper = match layer {
                HyperLayer::Guided(layer) => layer.forward(scale, h_a, h_v, &h_hyper, i + 1, trace),
                HyperLayer::Unguided(layer) => &h_hyper + layer.forward(&h_hyper),
            };
            trace.record_layer("h_hyper", i + 1, &h_hyper);
        }
        h_hyper
    }
}

/// The whole model.
#[derive(Debug)]
pub struct Almt {
    embed_l: ModalityEmbedding,
    embed_a: Option<ModalityEmbedding>,
    embed_v: Option<ModalityEmbedding>,
    language: LanguageEncoder,
    hyper: Option<HyperModality>,
    fusion: Fusion,
    fusion_query: FusionQuery,
    regression: Linear,
    foldings: batched::Foldings,
}

impl Almt {
    /// Adds the model's parameters below `init`, with their initial values.
    pub fn new(init: &Init<'_>, config: &AlmtConfig) -> Almt {
        let embed = |name: &str, input| ModalityEmbedding::new(&init.sub(name), config, input);
        let learns = config.has_hyper_modality()
            && config.variant.hyper_modality == HyperModalityKind::Adaptive;
        let (n_source, n_target) = config.fusion_tokens();
        Almt {
            embed_l: embed("proj_l", config.text),
            embed_a: config.audio.map(|input| embed("proj_a", input)),
            embed_v: config.vision.map(|input| embed("proj_v", input)),
            language: LanguageEncoder::new(&init.sub("l_encoder"), config),
            hyper: learns.then(|| HyperModality::new(init, config)),
            fusion: Fusion::new(&init.sub("fusion_layer"), config, n_source, n_target),
            fusion_query: config.variant.fusion_query,
            regression: Linear::new(
                &init.sub("regression_layer.0"),
                config.sizes.token_dim,
                1,
                true,
            ),
            foldings: batched::Foldings::default(),
        }
    }

    /// The last layer that is guided by language, counted from 1, whose weights the paper's Figures
    /// 4 and 5 show; `None` without hyper-modality learning.
    pub fn last_guided(&self) -> Option<usize> {
        let layers = &self.hyper.as_ref()?.layers;
        layers.iter().rposition(|layer| matches!(layer, HyperLayer::Guided(_))).map(|idx| idx + 1)
    }

    /// `alpha` of audio or `beta` of vision (Eq. 3 and 4) of the last guided layer, `[batch, heads,
    /// T, T]`, for tokens that need not be those of the model's own embeddings: language `h_l` of
    /// the layer's scale and `H_m^1` of the modality, both `[batch, T, d]`. `None` for what the
    /// model does not have.
    pub fn guided_attention(
        &self,
        modality: Modality,
        h_l: &Tensor,
        h_m: &Tensor,
    ) -> Option<Tensor> {
        match self.hyper.as_ref()?.layers.get(self.last_guided()? - 1)? {
            HyperLayer::Guided(layer) => layer.attention(modality, h_l, h_m),
            HyperLayer::Unguided(_) => None,
        }
    }

    /// How much the tokens of the embedding of audio or vision attend to each of `frames` `[batch,
    /// seq_len, feat_dim]` in its last layer, `[batch, heads, T, seq_len]`. What is missing in a row
    /// to 1 they attend to themselves. `None` for what the model does not have.
    pub fn frame_attention(&self, modality: Modality, frames: &Tensor) -> Option<Tensor> {
        match modality {
            Modality::Text => None,
            Modality::Audio => self.embed_a.as_ref()?.attention(frames),
            Modality::Vision => self.embed_v.as_ref()?.attention(frames),
        }
    }

    /// Predicted sentiment, `[batch, 1]`; with the parameters and features of several models, which
    /// have these as a further first axis, `[S, batch, 1]`, where the model [is
    /// batchable](Almt::is_batchable).
    ///
    /// Without audio and vision there is no hyper-modality, and the fusion's source is the top
    /// language scale: its target has no part in the output, so that any other source would make
    /// the prediction a constant.
    pub fn forward(&self, input: &Input, trace: &mut Trace) -> Tensor {
        let is_stacked = input.text.dim() == 4;
        let is_looked_into = trace.is_kept();
        if !is_looked_into
            && (is_stacked || !is_native(&input.text))
            && let Some(pred) = self.forward_batched(input)
        {
            return pred;
        }
        let h_l = self.embed_l.forward(&input.text);
        let embed = |embedding: &Option<ModalityEmbedding>, frames: &Option<Tensor>| {
            Some(embedding.as_ref()?.forward(frames.as_ref()?))
        };
        let h_a = embed(&self.embed_a, &input.audio);
        let h_v = embed(&self.embed_v, &input.vision);
        trace.record("h_l", &h_l);
        for (name, value) in [("h_a", &h_a), ("h_v", &h_v)] {
            value.iter().for_each(|value| trace.record(name, value));
        }
        let scales = self.language.forward(&h_l);
        for (i, scale) in scales.iter().enumerate() {
            trace.record_layer("h_l", i + 1, scale);
        }
        let top = &scales[scales.len() - 1];
        let hyper = match (&self.hyper, &h_a, &h_v) {
            (Some(hyper), _, _) => hyper.forward(&scales, h_a.as_ref(), h_v.as_ref(), trace),
            (None, Some(h_a), Some(h_v)) => Tensor::cat(&[h_a, h_v], 1),
            (None, Some(one), None) | (None, None, Some(one)) => one.shallow_clone(),
            (None, None, None) => top.shallow_clone(),
        };
        if let (Fusion::Transformer(fusion), true) = (&self.fusion, trace.is_kept()) {
            let (source, target) = match self.fusion_query {
                FusionQuery::Language => (&hyper, top),
                FusionQuery::Hyper => (top, &hyper),
            };
            trace.record("fusion", &fusion.forward(source, target));
        }
        let feat = self.fusion.forward(top, &hyper, self.fusion_query);
        trace.record("feat", &feat);
        self.regression.forward(&feat)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, nn};

    use super::*;
    use crate::model::{Variant, drawn};
    use crate::seed::stream;

    fn config(embedding_depth: i64) -> AlmtConfig {
        let sequence = Sequence { seq_len: 11, feat_dim: 3 };
        let sizes = AlmtSizes { embedding_depth, ..AlmtSizes::small() };
        let variant = Variant::default();
        AlmtConfig { sizes, text: sequence, audio: None, vision: None, variant }
    }

    /// The embedding of random parameters, and the gradient of every one of them, in one form.
    fn run(
        kind: Kind,
        depth: i64,
        [n_samples, seq_len, feat_dim]: [i64; 3],
        form: fn(&ModalityEmbedding, &Tensor) -> Tensor,
    ) -> Vec<(String, Tensor)> {
        let rng = &mut stream(7, "test");
        let mut store = nn::VarStore::new(Device::Cpu);
        let config = AlmtConfig { text: Sequence { seq_len, feat_dim }, ..config(depth) };
        let embedding = ModalityEmbedding::new(&Init::new(store.root(), 1), &config, config.text);
        let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
        variables.sort_by(|one, other| one.0.cmp(&other.0));
        // Ones and zeros, which norms and tokens begin with, would hide a mistake.
        tch::no_grad(|| {
            for (_, variable) in &mut variables {
                *variable += drawn(rng, &variable.size()) * 0.3;
            }
        });
        store.set_kind(kind);
        let frames = drawn(rng, &[n_samples, seq_len, feat_dim]).to_kind(kind);
        let output = form(&embedding, &frames);
        (&output * drawn(rng, &output.size())).sum(kind).backward();
        let gradients = variables.into_iter().map(|(name, variable)| (name, variable.grad()));
        gradients.chain([("output".into(), output)]).collect()
    }

    #[test]
    fn few_targets_give_what_the_plain_form_gives() {
        // The most samples are more than go through the fused attention at a time, and no multiple;
        // the most frames and features are several of its pieces and a rest.
        let frames = [(1, [1, 11, 3]), (1, [5, 11, 3]), (1, [67, 11, 3]), (1, [5, 70, 13])];
        // As many features as a token has, or more; and frames of which a first layer made others.
        let rows = [(1, [5, 11, 16]), (1, [67, 11, 20]), (2, [5, 11, 3])];
        for (depth, sizes) in frames.into_iter().chain(rows) {
            let few = run(Kind::Float, depth, sizes, ModalityEmbedding::forward);
            // In whose float64 nothing is rounded that would count.
            let plain = run(Kind::Double, depth, sizes, ModalityEmbedding::forward_plain);
            // How much is rounded depends on the processor: the loops may lose three times
            // what the plain form does there.
            let rounded = run(Kind::Float, depth, sizes, ModalityEmbedding::forward_plain);
            assert_eq!(few.len(), plain.len());
            for (((name, few), (_, plain)), (_, rounded)) in few.iter().zip(&plain).zip(&rounded) {
                let largest = plain.abs().max().double_value(&[]);
                let error = |of: &Tensor| (of - plain).abs().max().double_value(&[]);
                let difference = error(few);
                // That of a key norm's shift is zero; what float32 has of it is rounding.
                let is_zero = name.ends_with("norm_k.bias");
                let allowed = match is_zero {
                    true => 1e-5,
                    false => (2e-6 * largest.max(1.0)).max(3.0 * error(rounded)),
                };
                assert!(
                    difference <= allowed,
                    "{name}: {difference} of {largest}, plain {}",
                    error(rounded)
                );
                assert!(is_zero || largest > 1e-3, "{name} has no gradient");
            }
        }
    }

    /// What the values of the plain form are weighted with is what `attention` says.
    #[test]
    fn attention_to_frames_is_that_of_the_plain_form() {
        for depth in [1, 2] {
            let store = nn::VarStore::new(Device::Cpu);
            let config = config(depth);
            let embedding =
                ModalityEmbedding::new(&Init::new(store.root(), 1), &config, config.text);
            let frames = drawn(&mut stream(3, "test"), &[5, 11, 3]);
            let weights = embedding.attention(&frames).unwrap();
            assert_eq!(weights.size(), [5, 2, 4, 11]);
            let of_frames = weights.sum_dim_intlist(-1, false, None);
            assert!(of_frames.min().double_value(&[]) > 0.0);
            assert!(of_frames.max().double_value(&[]) < 1.0);
            // Of the first layer, written out: norms start as the identity, and so without weights.
            if depth == 1 {
                let parameters = store.variables();
                let parameter = |name: &str| &parameters[&format!("1.encoder.layers.0.0.{name}")];
                let x = embedding.rows(&frames).unwrap();
                let normed = x.layer_norm([16], None::<&Tensor>, None::<&Tensor>, 1e-5, false);
                let heads = |x: &Tensor, name: &str| {
                    let projected = x.matmul(&parameter(name).tr());
                    projected.view([5, -1, 2, 6]).transpose(1, 2)
                };
                let q = heads(&normed.narrow(1, 0, 4), "fn.to_q.weight");
                let k = heads(&normed, "fn.to_k.weight");
                let scores = q.matmul(&k.transpose(2, 3)) / 6_f64.sqrt();
                let expected = scores.softmax(-1, Kind::Float).narrow(3, 4, 11);
                let difference = (weights - expected).abs().max().double_value(&[]);
                assert!(difference < 1e-6, "{difference}");
            }
        }
    }

    #[test]
    fn guided_attention_is_what_the_trace_records_of_the_last_guided_layer() {
        let sequence = Sequence { seq_len: 9, feat_dim: 3 };
        for (guides, last) in [(None, 3), (Some(vec![1, 2]), 2)] {
            let variant = Variant { guides, ..Variant::default() };
            let config = AlmtConfig { vision: Some(sequence), variant, ..config(1) };
            let store = nn::VarStore::new(Device::Cpu);
            let model = Almt::new(&Init::new(store.root(), 1), &config);
            let rng = &mut stream(5, "test");
            let mut input =
                |sequence: Sequence| drawn(rng, &[5, sequence.seq_len, sequence.feat_dim]);
            let (text, vision) = (input(config.text), Some(input(sequence)));
            let input = Input { text, audio: None, vision };
            let mut trace = Trace::keep();
            let _ = model.forward(&input, &mut trace);
            let values = trace.into_values();
            assert_eq!(model.last_guided(), Some(last));
            let (h_l, h_v) = (&values[&format!("h_l_{last}")], &values["h_v"]);
            let weights = model.guided_attention(Modality::Vision, h_l, h_v).unwrap();
            assert_eq!(weights, values[&format!("beta_{last}")]);
            let rows = weights.sum_dim_intlist(-1, false, Kind::Double);
            assert!((rows - 1.0).abs().max().double_value(&[]) < 1e-6);
            assert!(model.guided_attention(Modality::Audio, h_l, h_v).is_none());
            // What one modality brings is the whole shift but for the bias.
            let shift = &values[&format!("ahl_shift_{last}")];
            let name = format!("h_hyper_layer.layers.{}.0.fn.to_out.0.bias", last - 1);
            let part = &values[&format!("ahl_vision_{last}")] + &store.variables()[&name];
            assert!((part - shift).abs().max().double_value(&[]) < 1e-5);
        }
    }
}
