//! Model variants for the paper's ablations (Tables 3 to 7). The paper gives few details; each choice
//! here is the plainest reading of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::named;

/// How a modality's frames become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddingKind {
    /// `T` learned tokens gather them by a transformer, Eq. 1.
    #[default]
    Transformer,
    /// Frames are projected to `d` features, placed, and all kept: Table 4, «w/o Modality
    /// Embedding». Language then has as many tokens as it has steps.
    Projection,
}

impl EmbeddingKind {
    /// All kinds.
    pub const ALL: [EmbeddingKind; 2] = [EmbeddingKind::Transformer, EmbeddingKind::Projection];

    /// The name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            EmbeddingKind::Transformer => "transformer",
            EmbeddingKind::Projection => "projection",
        }
    }
}

/// How the hyper-modality comes from audio and vision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HyperModalityKind {
    /// Under the guidance of language, Eq. 3 to 5.
    #[default]
    Adaptive,
    /// Audio and visual tokens side by side: Table 4, «w/o AHL». Of a single one of the two, its
    /// tokens: Table 3, «w/o Audio & AHL» and «w/o Video & AHL».
    Concatenated,
}

impl HyperModalityKind {
    /// All kinds.
    pub const ALL: [HyperModalityKind; 2] =
        [HyperModalityKind::Adaptive, HyperModalityKind::Concatenated];

    /// The name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            HyperModalityKind::Adaptive => "adaptive",
            HyperModalityKind::Concatenated => "concatenated",
        }
    }
}

/// How language and hyper-modality become one vector: Table 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FusionKind {
    /// The cross-modality fusion transformer, Eq. 6 to 8.
    #[default]
    Transformer,
    /// The means of their tokens side by side, through a linear map. Table 4 has the same figures for
    /// «w/o Fusion Transformer».
    Concatenation,
    /// The sum of the means of their tokens.
    Addition,
    /// A gated recurrent unit reads the tokens of language and then those of the hyper-modality; its
    /// last state.
    Gru,
    /// The outer product of the means of their tokens, each with a one before it, through a linear
    /// map (Zadeh et al., «Tensor Fusion Network for Multimodal Sentiment Analysis», EMNLP 2017).
    Tensor,
    /// The same with a linear map of low rank (Liu et al., «Efficient Low-rank Multimodal Fusion with
    /// Modality-Specific Factors», ACL 2018), rank [`LOW_RANK`].
    LowRank,
}

/// Rank of [`FusionKind::LowRank`]: that of most configurations of its paper's published code.
pub const LOW_RANK: i64 = 4;

impl FusionKind {
    /// All kinds.
    pub const ALL: [FusionKind; 6] = [
        FusionKind::Transformer,
        FusionKind::Concatenation,
        FusionKind::Addition,
        FusionKind::Gru,
        FusionKind::Tensor,
        FusionKind::LowRank,
    ];

    /// The name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            FusionKind::Transformer => "transformer",
            FusionKind::Concatenation => "concatenation",
            FusionKind::Addition => "addition",
            FusionKind::Gru => "gru",
            FusionKind::Tensor => "tensor",
            FusionKind::LowRank => "lowrank",
        }
    }
}

/// Whose tokens ask in the fusion transformer: Table 5. The other's are keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FusionQuery {
    /// Language asks the hyper-modality.
    #[default]
    Language,
    /// The hyper-modality asks language. The summary is of language then, and no parameter before
    /// the hyper-modality gets a gradient.
    Hyper,
}

impl FusionQuery {
    /// Both.
    pub const ALL: [FusionQuery; 2] = [FusionQuery::Language, FusionQuery::Hyper];

    /// The name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            FusionQuery::Language => "language",
            FusionQuery::Hyper => "hyper",
        }
    }
}

named!(EmbeddingKind, HyperModalityKind, FusionKind, FusionQuery);

/// Where a model differs from the published one; the default is the published one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Variant {
    /// How frames become tokens.
    pub embedding: EmbeddingKind,
    /// How the hyper-modality comes from audio and vision.
    pub hyper_modality: HyperModalityKind,
    /// The scales of language that guide, counted from 1; `None` are all of them. The layer of any
    /// other is a feed-forward block on the hyper-modality: Table 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guides: Option<Vec<i64>>,
    /// How language and hyper-modality become one vector.
    pub fusion: FusionKind,
    /// Whose tokens ask in the fusion transformer.
    pub fusion_query: FusionQuery,
}

impl Variant {
    /// Whether it is the published model.
    pub fn is_published(&self) -> bool {
        *self == Variant::default()
    }

    /// Whether the layer of a scale, counted from 1, is guided by it.
    pub fn is_guided(&self, scale: i64) -> bool {
        self.guides.as_ref().is_none_or(|guides| guides.contains(&scale))
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use tch::{Device, Kind, Tensor, nn};

    use super::*;
    use crate::model::AlmtConfig;
    use crate::model::configuration::Size;
    use crate::model::{Almt, AlmtSizes, Form, Init, Input, Sequence, Trace, drawn};
    use crate::seed::stream;

    const BATCH: i64 = 3;

    fn config(variant: Variant) -> AlmtConfig {
        let sizes = AlmtSizes { fusion_depth: 2, ..AlmtSizes::small() };
        AlmtConfig {
            sizes,
            text: Sequence { seq_len: 7, feat_dim: 20 },
            audio: Some(Sequence { seq_len: 9, feat_dim: 5 }),
            vision: Some(Sequence { seq_len: 11, feat_dim: 3 }),
            variant,
        }
    }

    fn features_of(config: &AlmtConfig) -> Input {
        let rng = &mut stream(4, "test");
        let mut features =
            |sequence: Sequence| drawn(rng, &[BATCH, sequence.seq_len, sequence.feat_dim]);
        Input {
            text: features(config.text),
            audio: config.audio.map(&mut features),
            vision: config.vision.map(&mut features),
        }
    }

    /// Computes every parameter's gradient without training; returns the parameters that have none.
    fn without_gradient(config: &AlmtConfig) -> Vec<String> {
        assert_eq!(config.variant.conflict(config), None);
        let store = nn::VarStore::new(Device::Cpu);
        let model = Almt::new(&Init::new(store.root(), 1), config, Form::Reference);
        let n_parameters: usize = store.variables().values().map(Tensor::numel).sum();
        let counted = Size::of(|init| {
            let _model = Almt::new(init, config, Form::Reference);
        });
        assert_eq!(counted.unwrap().trainable, n_parameters as i64, "{config:?}");
        // Zeros, the initial values of tokens, and ones would hide a parameter without effect.
        tch::no_grad(|| {
            for (name, mut variable) in store.variables() {
                variable += drawn(&mut stream(3, &name), &variable.size()) * 0.3;
            }
        });
        let input = features_of(config);
        let mut trace = Trace::keep();
        let pred = model.forward(&input, &mut trace);
        assert_eq!(pred.size(), [BATCH, 1]);
        assert_eq!(trace.into_values()["feat"].size(), [BATCH, config.sizes.token_dim]);
        assert_eq!(
            Vec::<f32>::try_from(pred.isfinite().to_kind(Kind::Float).view(-1)).unwrap(),
            [1.0; 3]
        );
        // Two different samples have two different predictions: nothing was lost on the way.
        assert_ne!(pred.double_value(&[0, 0]), pred.double_value(&[1, 0]));
        pred.square().sum(Kind::Float).backward();
        let mut without: Vec<String> = store
            .variables()
            .into_iter()
            .filter(|(name, variable)| {
                // A shift of all keys has a zero gradient in every model.
                let none = !variable.grad().defined()
                    || variable.grad().count_nonzero(None::<i64>).int64_value(&[]) == 0;
                none && !name.ends_with("norm_k.bias")
            })
            .map(|(name, _)| name)
            .collect();
        without.sort();
        without
    }

    #[test]
    fn every_parameter_of_a_variant_has_a_gradient() {
        let published = Variant::default();
        let fusion = |fusion| Variant { fusion, ..Variant::default() };
        let guides = |guides: &[i64]| Variant { guides: Some(guides.into()), ..Variant::default() };
        let projection = Variant { embedding: EmbeddingKind::Projection, ..Variant::default() };
        let variants = [
            published,
            projection,
            fusion(FusionKind::Concatenation),
            fusion(FusionKind::Addition),
            fusion(FusionKind::Gru),
            fusion(FusionKind::Tensor),
            fusion(FusionKind::LowRank),
            guides(&[3]),
            guides(&[1, 3]),
            guides(&[2, 3]),
        ];
        for variant in variants {
            assert_eq!(without_gradient(&config(variant.clone())), [""; 0], "{variant:?}");
        }
    }

    /// The modules of parameter names.
    fn modules(names: &[String]) -> Vec<&str> {
        let mut modules: Vec<&str> =
            names.iter().map(|name| name.split('.').next().unwrap()).collect();
        modules.dedup();
        modules
    }

    /// Without guidance by the top scale, the language layer that computes it is unused.
    #[test]
    fn an_unused_scale_leaves_its_layer_without_gradients() {
        let without =
            without_gradient(&config(Variant { guides: Some(vec![1, 2]), ..Variant::default() }));
        assert_eq!(modules(&without), ["l_encoder"]);
        assert!(without.iter().all(|name| name.starts_with("l_encoder.encoder.layers.1")));
    }

    /// The fusion transformer's target does not affect its summary, and without hyper-modality
    /// learning, language is used only as the target.
    #[test]
    fn side_by_side_language_has_no_part() {
        let hyper_modality = HyperModalityKind::Concatenated;
        let variant = Variant { hyper_modality, ..Variant::default() };
        assert_eq!(modules(&without_gradient(&config(variant.clone()))), ["l_encoder", "proj_l"]);
        let variant = Variant { fusion: FusionKind::Concatenation, ..variant };
        assert_eq!(without_gradient(&config(variant)), [""; 0]);
    }

    #[test]
    fn language_that_is_asked_leaves_the_hyper_modality_without_a_part() {
        let variant = Variant { fusion_query: FusionQuery::Hyper, ..Variant::default() };
        let without = without_gradient(&config(variant));
        assert_eq!(modules(&without), ["h_hyper", "h_hyper_layer", "proj_a", "proj_v"]);
    }

    #[test]
    fn a_single_modality_is_the_source_without_hyper_modality_learning() {
        let hyper_modality = HyperModalityKind::Concatenated;
        let mut config = config(Variant { hyper_modality, ..Variant::default() });
        config.audio = None;
        assert_eq!(modules(&without_gradient(&config)), ["l_encoder", "proj_l"]);
    }

    /// Traced values of a model with random parameters and features, and the parameters.
    fn traced(config: &AlmtConfig) -> (Input, BTreeMap<String, Tensor>, HashMap<String, Tensor>) {
        let store = nn::VarStore::new(Device::Cpu);
        let model = Almt::new(&Init::new(store.root(), 1), config, Form::Reference);
        let input = features_of(config);
        let mut trace = Trace::keep();
        let _ = model.forward(&input, &mut trace);
        (input, trace.into_values(), store.variables())
    }

    fn assert_close(found: &Tensor, expected: &Tensor) {
        assert_eq!(found.size(), expected.size());
        let difference = (found - expected).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn an_unguided_layer_adds_a_feed_forward_block_of_what_was_there() {
        let guides = Some(vec![1, 3]);
        let (_, values, parameters) = traced(&config(Variant { guides, ..Variant::default() }));
        let parameter = |name: &str| &parameters[&format!("h_hyper_layer.layers.1.0.{name}")];
        let before = &values["h_hyper_1"];
        let (weight, bias) = (parameter("norm.weight"), parameter("norm.bias"));
        let normed = before.layer_norm([16], Some(weight), Some(bias), 1e-5, false);
        let wide = normed.linear(parameter("fn.net.0.weight"), Some(parameter("fn.net.0.bias")));
        let block = wide
            .gelu("none")
            .linear(parameter("fn.net.3.weight"), Some(parameter("fn.net.3.bias")));
        assert_close(&values["h_hyper_2"], &(before + block));
    }

    #[test]
    fn without_an_embedding_frames_are_projected_and_placed() {
        let embedding = EmbeddingKind::Projection;
        let (input, values, parameters) =
            traced(&config(Variant { embedding, ..Variant::default() }));
        let frames =
            [("l", Some(&input.text)), ("a", input.audio.as_ref()), ("v", input.vision.as_ref())];
        for (modality, frames) in frames {
            let parameter = |name: &str| &parameters[&format!("proj_{modality}.{name}")];
            let projected =
                frames.unwrap().matmul(&parameter("0.weight").tr()) + parameter("0.bias");
            assert_close(
                &values[&format!("h_{modality}")],
                &(projected + parameter("1.pos_embedding")),
            );
        }
    }

    /// Audio tokens come before vision tokens; without one of them, the other's remain.
    #[test]
    fn side_by_side_the_tokens_are_the_source() {
        let hyper_modality = HyperModalityKind::Concatenated;
        let variant =
            Variant { hyper_modality, fusion: FusionKind::Addition, ..Variant::default() };
        let (_, values, _) = traced(&config(variant));
        let both = Tensor::cat(&[&values["h_a"], &values["h_v"]], 1);
        let mean = |x: &Tensor| x.mean_dim(1, false, None);
        assert_close(&values["feat"], &(mean(&values["h_l_3"]) + mean(&both)));
    }

    #[test]
    fn impossible_variants_are_said() {
        let conflict = |variant: Variant| {
            let config = config(variant);
            config.variant.conflict(&config).unwrap()
        };
        let guides = |guides: &[i64]| Variant { guides: Some(guides.into()), ..Variant::default() };
        assert!(conflict(guides(&[])).contains("some of the scales"));
        assert!(conflict(guides(&[2, 1])).contains("in order"));
        assert!(conflict(guides(&[4])).contains("scale 4 does not exist"));
        let concatenated =
            Variant { hyper_modality: HyperModalityKind::Concatenated, ..guides(&[1]) };
        assert!(conflict(concatenated).contains("nothing can guide"));
        let query = FusionQuery::Hyper;
        let gru = Variant { fusion: FusionKind::Gru, fusion_query: query, ..Variant::default() };
        assert!(conflict(gru).contains("only in the fusion transformer"));
        let mut alone = config(Variant { fusion: FusionKind::Gru, ..Variant::default() });
        (alone.audio, alone.vision) = (None, None);
        assert!(alone.variant.conflict(&alone).unwrap().contains("nothing to fuse"));
    }

    #[test]
    fn the_published_variant_leaves_no_trace_in_files() {
        let text = toml::to_string(&config(Variant::default())).unwrap();
        assert!(!text.contains("variant"), "{text}");
        let guided = config(Variant { guides: Some(vec![1, 3]), ..Variant::default() });
        let text = toml::to_string(&guided).unwrap();
        assert_eq!(toml::from_str::<AlmtConfig>(&text).unwrap(), guided);
    }
}
