//! Hyper-parameters per dataset: the paper's Table 9, from `schemas/presets/*.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use crate::corpus::{Dataset, Modality};
use crate::model::{AlmtConfig, AlmtSizes, Sequence, Variant};
use crate::name::nearest;

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training split.
    pub epochs: usize,
    /// Samples per step; the last step of an epoch may have fewer.
    pub batch_size: usize,
    /// Base learning rate of the schedule.
    pub lr: f64,
    /// How the learning rate moves.
    #[serde(default, skip_serializing_if = "Schedule::is_published")]
    pub schedule: Schedule,
    /// Decoupled weight decay of AdamW, on all parameters.
    pub weight_decay: f64,
}

/// All hyper-parameters for one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Sizes of the model.
    pub model: AlmtSizes,
    /// How it is trained.
    pub training: Training,
    /// Where the model differs from the published one.
    #[serde(default, skip_serializing_if = "Variant::is_published")]
    pub variant: Variant,
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

impl Preset {
    /// The whole configuration for inputs of the given extents; `None` without text, which guides
    /// everything else.
    pub fn config(&self, inputs: &BTreeMap<Modality, Sequence>) -> Option<AlmtConfig> {
        Some(AlmtConfig {
            sizes: self.model.clone(),
            text: *inputs.get(&Modality::Text)?,
            audio: inputs.get(&Modality::Audio).copied(),
            vision: inputs.get(&Modality::Vision).copied(),
            variant: self.variant.clone(),
        })
    }
}

/// The names that [`Preset::set`] knows.
pub const SETTABLE: [&str; 9] = [
    "token_len",
    "embedding_depth",
    "ahl_depth",
    "fusion_depth",
    "embedding",
    "hyper_modality",
    "guides",
    "fusion",
    "fusion_query",
];

impl Preset {
    /// Changes the model by an assignment such as `fusion=gru`, `ahl_depth=2` or `guides=1+3`.
    ///
    /// # Errors
    /// There is no such name or no such value, in a sentence.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(format!("expected NAME=VALUE, found `{assignment}`"));
        };
        let number = || match value.parse::<i64>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("`{name}`: expected a whole number above 0, found `{value}`")),
        };
        fn named<T: std::str::FromStr<Err: std::fmt::Display>>(
            name: &str,
            value: &str,
        ) -> Result<T, String> {
            value.parse().map_err(|error| format!("`{name}`: {error}"))
        }
        let Preset { model, variant, .. } = self;
        match name {
            "token_len" => model.token_len = number()?,
            "embedding_depth" => model.embedding_depth = number()?,
            "ahl_depth" => model.ahl_depth = number()?,
            "fusion_depth" => model.fusion_depth = number()?,
            "embedding" => variant.embedding = named(name, value)?,
            "hyper_modality" => variant.hyper_modality = named(name, value)?,
            "fusion" => variant.fusion = named(name, value)?,
            "fusion_query" => variant.fusion_query = named(name, value)?,
            "guides" => {
                let scales: Result<Vec<i64>, _> = value.split('+').map(str::parse).collect();
                variant.guides = Some(scales.map_err(|_| {
                    format!("`{name}`: expected scales of language such as 1+3, found `{value}`")
                })?);
            }
            _ => {
                let meant = nearest(name, SETTABLE).map(|known| format!("; is `{known}` meant?"));
                let meant = meant.unwrap_or_default();
                return Err(format!("`{name}` is none of: {}{meant}", SETTABLE.join(", ")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_hold_table_9() {
        for (dataset, fusion_depth) in [(Dataset::Mosi, 2), (Dataset::Mosei, 4), (Dataset::Sims, 4)]
        {
            let Preset { model, training, .. } = Preset::of(dataset);
            assert_eq!((model.token_len, model.token_dim, model.embedding_depth), (8, 128, 1));
            assert_eq!((model.ahl_depth, model.fusion_depth), (3, fusion_depth));
            assert_eq!((training.batch_size, training.epochs, training.lr), (64, 200, 1e-4));
        }
    }
}
