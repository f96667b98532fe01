//! A model's inputs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Sequence;
use crate::corpus::Modality;

/// Features that a model is built for, by modality; for text, the encoder's output if there is an
/// encoder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inputs(pub BTreeMap<Modality, Sequence>);

/// A modality's letter in the parameter names of published code.
#[cfg(feature = "train")]
pub fn letter(modality: Modality) -> &'static str {
    match modality {
        Modality::Text => "l",
        Modality::Audio => "a",
        Modality::Vision => "v",
    }
}

impl Inputs {
    /// Extents of a modality.
    pub fn sequence(&self, modality: Modality) -> Option<Sequence> {
        self.0.get(&modality).copied()
    }

    /// Features per step; 0 for an absent modality.
    pub fn feat_dim(&self, modality: Modality) -> i64 {
        self.sequence(modality).map_or(0, |sequence| sequence.feat_dim)
    }
}
