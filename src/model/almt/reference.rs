//! ALMT, the Adaptive Language-guided Multimodal Transformer.
//!
//! Zhang et al., "Learning Language-guided Adaptive Hyper-modality Representation for Multimodal
//! Sentiment Analysis", EMNLP 2023. Released code: Haoyu-ha/ALMT `models/almt.py` and
//! `models/almt_layer.py`; parameter names are the same. Read from top to bottom: input, modality
//! embedding, language encoder, hyper-modality learning, [fusion](super::fusion), the whole.
//!
//! This is the [reference form](Form::Reference). The others share its parts: the
//! [absorbed](super::absorbed) and the native one compute the embeddings and the fusion differently,
//! the [batched](super::batched) one everything.

use tch::Tensor;

use super::foldings::Foldings;
use super::fusion::Fusion;
use super::{
    AlmtConfig, AlmtSizes, EmbeddingKind, FusionQuery, HyperModalityKind, Residual, Sequence,
};
use crate::corpus::Modality;
use crate::model::form::Form;
use crate::model::layers::{
    FeedForward, Init, Kernels, LayerConfig, LayerNorm, Linear, Projection, TokenSource,
    TransformerLayer, attention_weights, gather, split_heads, transformer_layers,
};
use crate::model::trace::Trace;

impl Form {
    /// The kernels that compute attention among tokens.
    pub(super) fn kernels(self) -> Kernels {
        match self {
            Form::Native => Kernels::Native,
            Form::Reference | Form::Absorbed | Form::Batched => Kernels::Libtorch,
        }
    }
}

impl AlmtConfig {
    /// The settings shared by one module's transformer layers.
    pub(super) fn layer(&self, heads: i64, mlp_dim: i64, kernels: Kernels) -> LayerConfig {
        LayerConfig {
            dim: self.sizes.token_dim,
            heads,
            dim_head: self.sizes.dim_head,
            mlp_dim,
            eps: self.sizes.layer_norm_eps,
            kernels,
        }
    }
}

/// Modality embedding (Eq. 1): `T` learned tokens gather a modality's frames.
#[derive(Debug)]
pub(super) struct ModalityEmbedding {
    pub project: Linear,
    pub pos_embedding: Tensor,
    /// Absent if frames are their own tokens.
    pub extra_token: Option<Tensor>,
    pub layers: Vec<TransformerLayer>,
}

impl ModalityEmbedding {
    pub fn new(
        init: &Init<'_>,
        config: &AlmtConfig,
        input: Sequence,
        kernels: Kernels,
    ) -> ModalityEmbedding {
        let dim = config.sizes.token_dim;
        let (n_tokens, depth) = match config.variant.embedding {
            EmbeddingKind::Transformer => (config.sizes.token_len, config.sizes.embedding_depth),
            EmbeddingKind::Projection => (0, 0),
        };
        let layer =
            config.layer(config.sizes.embedding_heads, config.sizes.embedding_mlp_dim, kernels);
        let transformer = init.sub("1");
        let tokens = || transformer.constant("extra_token", &[1, n_tokens, dim], 0.0);
        ModalityEmbedding {
            project: Linear::new(&init.sub("0"), input.feat_dim, dim, true),
            pos_embedding: transformer.normal("pos_embedding", &[1, n_tokens + input.seq_len, dim]),
            extra_token: (n_tokens > 0).then(tokens),
            layers: transformer_layers(&transformer.sub("encoder.layers"), depth, layer),
        }
    }

    /// `[batch, seq_len, feat_dim]` to `H_m^1`, `[batch, T, d]`; without tokens to gather them,
    /// `[batch, seq_len, d]`.
    pub fn forward(&self, frames: &Tensor) -> Tensor {
        let Some((tokens, rows)) = self.extra_token.as_ref().zip(self.rows(frames)) else {
            return self.project.forward(frames) + &self.pos_embedding;
        };
        let x = self.layers.iter().fold(rows, |x, layer| layer.forward(&x, &x));
        x.narrow(1, 0, tokens.size()[1])
    }

    /// Attention of the tokens in the last layer, `[batch, heads, T, seq_len]`: the weights of the
    /// frames; those of the tokens themselves complete the sum of 1. `None` if frames are their own
    /// tokens.
    pub fn attention(&self, frames: &Tensor) -> Option<Tensor> {
        let n_tokens = self.extra_token.as_ref()?.size()[1];
        let (last, before) = self.layers.split_last()?;
        let x = before.iter().fold(self.rows(frames)?, |x, layer| layer.forward(&x, &x));
        let weights = last.attention(&x.narrow(1, 0, n_tokens), &x);
        Some(weights.narrow(3, n_tokens, frames.size()[1]))
    }

    /// Tokens and frames `[batch, T + seq_len, d]` as the released code concatenates them before the
    /// first layer.
    pub fn rows(&self, frames: &Tensor) -> Option<Tensor> {
        let tokens = self.extra_token.as_ref()?.expand([frames.size()[0], -1, -1], false);
        Some(Tensor::cat(&[tokens, self.project.forward(frames)], 1) + &self.pos_embedding)
    }
}

/// Two further scales of language features (Eq. 2).
#[derive(Debug)]
pub(super) struct LanguageEncoder {
    pub pos_embedding: Tensor,
    pub layers: Vec<TransformerLayer>,
}

impl LanguageEncoder {
    fn new(init: &Init<'_>, config: &AlmtConfig, kernels: Kernels) -> LanguageEncoder {
        let AlmtSizes { language_heads, language_mlp_dim, .. } = config.sizes;
        let layer = config.layer(language_heads, language_mlp_dim, kernels);
        LanguageEncoder {
            pos_embedding: init
                .normal("pos_embedding", &[1, config.n_language_tokens(), config.sizes.token_dim]),
            layers: transformer_layers(
                &init.sub("encoder.layers"),
                config.sizes.ahl_depth - 1,
                layer,
            ),
        }
    }

    /// `H_l^1` `[batch, T, d]` to all scales, lowest first. The lowest one also has the position
    /// embedding, as in the released code.
    fn forward(&self, h_l: &Tensor) -> Vec<Tensor> {
        let mut scales = vec![h_l + &self.pos_embedding];
        for layer in &self.layers {
            let x = &scales[scales.len() - 1];
            scales.push(layer.forward(x, x));
        }
        scales
    }
}

/// One of an AHL layer's two branches: attention of language to audio or vision.
#[derive(Debug)]
pub(super) struct GuidedBranch {
    pub norm: LayerNorm,
    pub to_k: Linear,
    pub to_v: Linear,
}

impl GuidedBranch {
    /// `H_m^1` `[batch, T, d]` as a source of attention.
    fn source<'a>(&'a self, h_m: &'a Tensor) -> TokenSource<'a> {
        let projection = |linear| Projection { norm: &self.norm, linear };
        TokenSource { rows: h_m, keys: projection(&self.to_k), values: projection(&self.to_v) }
    }
}

/// Adaptive hyper-modality learning layer (Eq. 3 to 5).
#[derive(Debug)]
pub(super) struct AhlLayer {
    pub norm_l: LayerNorm,
    pub norm_hyper: LayerNorm,
    pub to_q: Linear,
    pub audio: Option<GuidedBranch>,
    pub vision: Option<GuidedBranch>,
    pub to_out: Linear,
    pub heads: i64,
    pub residual: Residual,
    kernels: Kernels,
}

impl AhlLayer {
    fn new(init: &Init<'_>, config: &AlmtConfig, kernels: Kernels) -> AhlLayer {
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
            kernels,
        }
    }

    /// Projects a language scale to queries.
    fn queries(&self) -> Projection<'_> {
        Projection { norm: &self.norm_l, linear: &self.to_q }
    }

    /// `alpha` of audio or `beta` of vision (Eq. 3 and 4), `[batch, heads, T, T]`, of queries from
    /// `h_l` and keys from `source`.
    fn weights(&self, h_l: &Tensor, source: &TokenSource<'_>) -> Tensor {
        let (q, k) = (self.queries().forward(h_l), source.keys.forward(source.rows));
        attention_weights(&split_heads(&q, self.heads), &split_heads(&k, self.heads))
    }

    /// `alpha` of audio or `beta` of vision (Eq. 3 and 4), `[batch, heads, T, T]`; `None` for a
    /// modality that the model does not see.
    pub fn attention(&self, modality: Modality, h_l: &Tensor, h_m: &Tensor) -> Option<Tensor> {
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
                // Its contribution to the shift, which is a sum except for the bias.
                let part = gather(h_l, self.queries(), &[source], self.heads, self.kernels);
                let share = part.matmul(&self.to_out.weight().transpose(0, 1));
                trace.record_layer(part_name, layer, &share);
            }
            sources.push(source);
        }
        if sources.is_empty() {
            return h_hyper.shallow_clone();
        }
        let gathered = gather(h_l, self.queries(), &sources, self.heads, self.kernels);
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

/// A layer of the hyper-modality, with or without guidance by its language scale.
#[derive(Debug)]
pub(super) enum HyperLayer {
    Guided(Box<AhlLayer>),
    Unguided(FeedForward),
}

/// Start and layers of the hyper-modality.
#[derive(Debug)]
pub(super) struct HyperModality {
    pub start: Tensor,
    pub layers: Vec<HyperLayer>,
}

impl HyperModality {
    fn new(init: &Init<'_>, config: &AlmtConfig, kernels: Kernels) -> HyperModality {
        let AlmtSizes { token_dim, ahl_depth, language_heads, language_mlp_dim, .. } = config.sizes;
        let unguided = config.layer(language_heads, language_mlp_dim, kernels);
        let layer = |idx: i64| {
            let init = init.sub(&format!("h_hyper_layer.layers.{idx}.0"));
            match config.variant.is_guided(idx + 1) {
                true => HyperLayer::Guided(Box::new(AhlLayer::new(&init, config, kernels))),
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

/// The whole model.
#[derive(Debug)]
pub struct Almt {
    pub(super) embed_l: ModalityEmbedding,
    pub(super) embed_a: Option<ModalityEmbedding>,
    pub(super) embed_v: Option<ModalityEmbedding>,
    pub(super) language: LanguageEncoder,
    pub(super) hyper: Option<HyperModality>,
    pub(super) fusion: Fusion,
    pub(super) fusion_query: FusionQuery,
    pub(super) regression: Linear,
    pub(super) form: Form,
    pub(super) foldings: Foldings,
}

impl Almt {
    /// Adds the model's parameters below `init`, with their initial values. The form must be [available
    /// for the configuration](AlmtConfig::forms).
    pub fn new(init: &Init<'_>, config: &AlmtConfig, form: Form) -> Almt {
        let kernels = form.kernels();
        let embed =
            |name: &str, input| ModalityEmbedding::new(&init.sub(name), config, input, kernels);
        let learns = config.has_hyper_modality()
            && config.variant.hyper_modality == HyperModalityKind::Adaptive;
        Almt {
            embed_l: embed("proj_l", config.text),
            embed_a: config.audio.map(|input| embed("proj_a", input)),
            embed_v: config.vision.map(|input| embed("proj_v", input)),
            language: LanguageEncoder::new(&init.sub("l_encoder"), config, kernels),
            hyper: learns.then(|| HyperModality::new(init, config, kernels)),
            fusion: Fusion::new(&init.sub("fusion_layer"), config, config.fusion_tokens(), form),
            fusion_query: config.variant.fusion_query,
            regression: Linear::new(
                &init.sub("regression_layer.0"),
                config.sizes.token_dim,
                1,
                true,
            ),
            form,
            foldings: Foldings::default(),
        }
    }

    /// `H_m^1` of one modality, in the model's form.
    fn tokens(&self, embedding: &ModalityEmbedding, frames: &Tensor) -> Tensor {
        match self.form {
            Form::Reference => embedding.forward(frames),
            Form::Absorbed | Form::Batched | Form::Native => embedding.forward_absorbed(frames),
        }
    }

    /// Predicted sentiment, `[batch, 1]`, module by module.
    ///
    /// Without audio and vision there is no hyper-modality, and the fusion's source is the top language
    /// scale: its target does not affect the output, so any other source would make the prediction a
    /// constant.
    pub(super) fn forward_by_module(&self, input: &Input, trace: &mut Trace) -> Tensor {
        let h_l = self.tokens(&self.embed_l, &input.text);
        let embed = |embedding: &Option<ModalityEmbedding>, frames: &Option<Tensor>| {
            Some(self.tokens(embedding.as_ref()?, frames.as_ref()?))
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
