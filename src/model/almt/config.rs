//! All sizes of ALMT, what it is fed and where it differs from the published model, without a tensor:
//! whoever reads the settings of a run needs no libtorch.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::variant::Variant;
#[cfg(feature = "train")]
use super::variant::{EmbeddingKind, FusionQuery, HyperModalityKind};
use crate::corpus::Modality;
use crate::name::named;

/// What an AHL layer adds its shift to. Paper and released code differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Residual {
    /// `H_j = LN4(H_{j-1}) + shift_j`, what the released code computes.
    Released,
    /// `H_j = H_{j-1} + shift_j`, Eq. 5 of the paper.
    Paper,
}

impl Residual {
    /// Both readings.
    pub const ALL: [Residual; 2] = [Residual::Released, Residual::Paper];

    /// The name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Residual::Released => "released",
            Residual::Paper => "paper",
        }
    }
}

named!(Residual);

/// Extents of the input of one modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Number of steps.
    pub seq_len: i64,
    /// Features per step.
    pub feat_dim: i64,
}

/// Sizes of the model that do not depend on its input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlmtSizes {
    /// Tokens per modality, `T`.
    pub token_len: i64,
    /// Width of a token, `d`.
    pub token_dim: i64,
    /// Layers of each modality embedding.
    pub embedding_depth: i64,
    /// Attention heads of the modality embeddings.
    pub embedding_heads: i64,
    /// Feed-forward width of the modality embeddings.
    pub embedding_mlp_dim: i64,
    /// Attention heads of the language encoder.
    pub language_heads: i64,
    /// Feed-forward width of the language encoder.
    pub language_mlp_dim: i64,
    /// Layers of hyper-modality learning; the language encoder has one fewer.
    pub ahl_depth: i64,
    /// Attention heads of hyper-modality learning.
    pub ahl_heads: i64,
    /// Width of one of them, `d_k`.
    pub ahl_dim_head: i64,
    /// Layers of the fusion transformer.
    pub fusion_depth: i64,
    /// Attention heads of the fusion transformer.
    pub fusion_heads: i64,
    /// Feed-forward width of the fusion transformer.
    pub fusion_mlp_dim: i64,
    /// Width of one attention head everywhere but in hyper-modality learning.
    pub dim_head: i64,
    /// Epsilon of every layer norm.
    pub layer_norm_eps: f64,
    /// What an AHL layer adds its shift to.
    pub residual: Residual,
}

#[cfg(all(test, feature = "train"))]
impl AlmtSizes {
    /// Sizes that tests need not wait for.
    pub(in crate::model) fn small() -> AlmtSizes {
        AlmtSizes {
            token_len: 4,
            token_dim: 16,
            embedding_depth: 1,
            embedding_heads: 2,
            embedding_mlp_dim: 10,
            language_heads: 2,
            language_mlp_dim: 10,
            ahl_depth: 3,
            ahl_heads: 2,
            ahl_dim_head: 8,
            fusion_depth: 1,
            fusion_heads: 2,
            fusion_mlp_dim: 10,
            dim_head: 6,
            layer_norm_eps: 1e-5,
            residual: Residual::Released,
        }
    }
}

/// The table `[model]` of a preset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Map<String, serde_json::Value>")]
pub struct AlmtSpec {
    /// Sizes that do not depend on the input.
    #[serde(flatten)]
    pub sizes: AlmtSizes,
    /// Where the model differs from the published one.
    #[serde(skip_serializing_if = "Variant::is_published")]
    pub variant: Variant,
}

// Flattened tables do not refuse what they do not know.
impl TryFrom<serde_json::Map<String, serde_json::Value>> for AlmtSpec {
    type Error = serde_json::Error;

    fn try_from(
        mut table: serde_json::Map<String, serde_json::Value>,
    ) -> Result<AlmtSpec, Self::Error> {
        let variant = match table.remove("variant") {
            Some(variant) => serde_json::from_value(variant)?,
            None => Variant::default(),
        };
        Ok(AlmtSpec { sizes: serde_json::from_value(table.into())?, variant })
    }
}

impl AlmtSpec {
    /// The whole configuration for some inputs; `None` without text, which guides everything else.
    pub fn with_inputs(&self, inputs: &BTreeMap<Modality, Sequence>) -> Option<AlmtConfig> {
        Some(AlmtConfig {
            sizes: self.sizes.clone(),
            text: *inputs.get(&Modality::Text)?,
            audio: inputs.get(&Modality::Audio).copied(),
            vision: inputs.get(&Modality::Vision).copied(),
            variant: self.variant.clone(),
        })
    }
}

/// All sizes of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlmtConfig {
    /// Sizes that do not depend on the input.
    pub sizes: AlmtSizes,
    /// Language input.
    pub text: Sequence,
    /// Audio input, if there is any.
    pub audio: Option<Sequence>,
    /// Visual input, if there is any.
    pub vision: Option<Sequence>,
    /// Where the model differs from the published one.
    #[serde(default, skip_serializing_if = "Variant::is_published")]
    pub variant: Variant,
}

impl AlmtConfig {
    /// Whether hyper-modality learning has anything to learn from.
    pub fn has_hyper_modality(&self) -> bool {
        self.audio.is_some() || self.vision.is_some()
    }
}

#[cfg(feature = "train")]
impl AlmtConfig {
    /// Tokens of a modality after its embedding.
    fn n_tokens(&self, input: Sequence) -> i64 {
        match self.variant.embedding {
            EmbeddingKind::Transformer => self.sizes.token_len,
            EmbeddingKind::Projection => input.seq_len,
        }
    }

    pub(super) fn n_language_tokens(&self) -> i64 {
        self.n_tokens(self.text)
    }

    /// Tokens of the fusion's source and of its target.
    pub(super) fn fusion_tokens(&self) -> [i64; 2] {
        let language = self.n_language_tokens();
        let hyper = match self.variant.hyper_modality {
            HyperModalityKind::Concatenated if self.has_hyper_modality() => {
                let inputs = [self.audio, self.vision].into_iter().flatten();
                inputs.map(|input| self.n_tokens(input)).sum()
            }
            _ => language,
        };
        match self.variant.fusion_query {
            FusionQuery::Language => [hyper, language],
            FusionQuery::Hyper => [language, hyper],
        }
    }
}
