//! `attention.json`: what language attends to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number;
use crate::corpus::{Modality, SplitName};

/// `attention.json`: attention weights of the last AHL layer at the selected epoch, each the mean
/// over heads and samples (Figure 4 of the paper).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttentionRecord {
    /// The split that they are of.
    pub split: SplitName,
    /// Its samples.
    pub n_samples: usize,
    /// The layer, counted from 1.
    pub layer: usize,
    /// One for each modality that language guides.
    pub maps: Vec<AttentionMap>,
}

/// What language attends to in one modality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttentionMap {
    /// The modality: of audio the weights are the paper's α, of vision its β.
    pub modality: Modality,
    /// `[n_queries, n_keys]`, tokens of language by tokens of the modality; a row adds up to 1.
    pub weights: Vec<Vec<f64>>,
    /// Mean length of what the layer adds to a token of the hyper-modality from this modality: the
    /// weights alone do not tell how much that is.
    #[serde(deserialize_with = "number")]
    pub shift: f64,
}

impl AttentionRecord {
    /// The JSON Schema of `attention.json`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(AttentionRecord)
    }
}
