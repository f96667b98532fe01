//! What a model is fed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Sequence;
use crate::corpus::Modality;

/// Features that a model is built for, by modality; text as an encoder in front of it gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inputs(pub BTreeMap<Modality, Sequence>);

/// What published code calls a modality in the names of its parameters.
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

    /// Features per step; none of a modality that is absent.
    pub fn feat_dim(&self, modality: Modality) -> i64 {
        self.sequence(modality).map_or(0, |sequence| sequence.feat_dim)
    }
}
