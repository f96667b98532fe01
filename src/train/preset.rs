//! Hyper-parameters per dataset: the paper's Table 9, from `schemas/presets/*.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::corpus::{Dataset, Modality};
use crate::model::{AlmtConfig, Residual, Sequence};

/// Sizes of the model that do not come from the store; see [`AlmtConfig`] for their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each field is the one of `AlmtConfig` with the same name.
pub struct ModelSizes {
    pub token_len: i64,
    pub token_dim: i64,
    pub embedding_depth: i64,
    pub embedding_heads: i64,
    pub embedding_mlp_dim: i64,
    pub language_heads: i64,
    pub language_mlp_dim: i64,
    pub ahl_depth: i64,
    pub ahl_heads: i64,
    pub ahl_dim_head: i64,
    pub fusion_depth: i64,
    pub fusion_heads: i64,
    pub fusion_mlp_dim: i64,
    pub dim_head: i64,
    pub layer_norm_eps: f64,
    pub residual: Residual,
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training split.
    pub epochs: usize,
    /// Samples per step; the last step of an epoch may have fewer.
    pub batch_size: usize,
    /// Base learning rate of the schedule.
    pub lr: f64,
    /// Decoupled weight decay of AdamW, on all parameters.
    pub weight_decay: f64,
}

/// All hyper-parameters for one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Sizes of the model.
    pub model: ModelSizes,
    /// How it is trained.
    pub training: Training,
}

impl Preset {
    /// The published hyper-parameters for `dataset`; CH-SIMS v2 takes those of CH-SIMS.
    pub fn of(dataset: Dataset) -> &'static Preset {
        static PRESETS: LazyLock<BTreeMap<Dataset, Preset>> = LazyLock::new(|| {
            let sims = include_str!("../../schemas/presets/sims.toml");
            [
                (Dataset::Mosi, include_str!("../../schemas/presets/mosi.toml")),
                (Dataset::Mosei, include_str!("../../schemas/presets/mosei.toml")),
                (Dataset::Sims, sims),
                (Dataset::Simsv2, sims),
            ]
            .map(|(dataset, text)| {
                (dataset, toml::from_str(text).expect("the embedded presets are tested"))
            })
            .into()
        });
        &PRESETS[&dataset]
    }
}

impl ModelSizes {
    /// The whole configuration for inputs of the given extents; `None` without text, which guides
    /// everything else.
    pub fn with_inputs(&self, inputs: &BTreeMap<Modality, Sequence>) -> Option<AlmtConfig> {
        Some(AlmtConfig {
            token_len: self.token_len,
            token_dim: self.token_dim,
            embedding_depth: self.embedding_depth,
            embedding_heads: self.embedding_heads,
            embedding_mlp_dim: self.embedding_mlp_dim,
            language_heads: self.language_heads,
            language_mlp_dim: self.language_mlp_dim,
            ahl_depth: self.ahl_depth,
            ahl_heads: self.ahl_heads,
            ahl_dim_head: self.ahl_dim_head,
            fusion_depth: self.fusion_depth,
            fusion_heads: self.fusion_heads,
            fusion_mlp_dim: self.fusion_mlp_dim,
            dim_head: self.dim_head,
            layer_norm_eps: self.layer_norm_eps,
            residual: self.residual,
            text: *inputs.get(&Modality::Text)?,
            audio: inputs.get(&Modality::Audio).copied(),
            vision: inputs.get(&Modality::Vision).copied(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_hold_table_9() {
        for (dataset, fusion_depth) in [(Dataset::Mosi, 2), (Dataset::Mosei, 4), (Dataset::Sims, 4)]
        {
            let Preset { model, training } = Preset::of(dataset);
            assert_eq!((model.token_len, model.token_dim, model.embedding_depth), (8, 128, 1));
            assert_eq!((model.ahl_depth, model.fusion_depth), (3, fusion_depth));
            assert_eq!((training.batch_size, training.epochs, training.lr), (64, 200, 1e-4));
        }
    }
}
