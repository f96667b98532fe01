//! The list of models, as data.

use schemars::JsonSchema;
use serde::Serialize;

use super::contract::{Need, Needs};
use super::registry::{Inputs, ModelSpec};
use crate::corpus::{Dataset, Modality};
use crate::run::preset::Preset;

/// One model.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelLine {
    /// Name, as `train --model` takes it.
    pub name: &'static str,
    /// Who published it, and whose code it follows.
    pub source: &'static str,
    /// What it needs of the data, in words.
    pub needs: String,
    /// Whether its values are held to ones that were recorded from the published code.
    pub verified: bool,
    /// Trainable parameters for the features of the store; absent without a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_parameters: Option<i64>,
    /// Why there can be no such model for the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl ModelLine {
    /// The JSON Schema of `models --json`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Vec<ModelLine>)
    }
}

/// All models with their presets for a dataset, with their sizes if inputs are given.
pub fn models(dataset: Dataset, inputs: Option<&Inputs>) -> Vec<ModelLine> {
    let line = |name: &&'static str| {
        let spec = Preset::published(name, dataset)?.model;
        Some(ModelLine {
            name,
            source: spec.source(),
            needs: in_words(&spec.needs()),
            verified: spec.is_verified(),
            n_parameters: inputs.and_then(|inputs| Some(spec.size(inputs)?.trainable)),
            problem: inputs.and_then(|inputs| spec.problem(inputs)),
        })
    };
    ModelSpec::NAMES.iter().filter_map(line).collect()
}

/// Describes a model's needs, such as "text; audio and vision where there are any".
fn in_words(needs: &Needs) -> String {
    let of = |need: Need| -> Vec<&'static str> {
        let is_it = |modality: &Modality| needs.of(*modality) == need;
        Modality::ALL.into_iter().filter(is_it).map(Modality::name).collect()
    };
    let mut words = of(Need::Required).join(", ");
    let used = of(Need::Used);
    if !used.is_empty() {
        words += &format!("; {} where there are any", used.join(" and "));
    }
    for (is_needed, what) in [
        (needs.aligned, "aligned"),
        (needs.lengths, "lengths"),
        (needs.unimodal_labels, "labels of each modality"),
        (needs.pooler, "a text encoder"),
    ] {
        if is_needed {
            words += &format!("; {what}");
        }
    }
    words
}
