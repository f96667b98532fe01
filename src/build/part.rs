//! What files of clips hold.

use std::fmt;

use serde::{Serialize, Serializer};

use super::frames::FileKind;
use super::timings::TimingsKind;
use crate::corpus::Modality;

/// What the files of clips in one place hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipPart {
    /// Features of a modality.
    Features(Modality),
    /// Words with their times.
    Words,
}

impl ClipPart {
    /// What a file holds, for messages.
    pub(super) fn content(self) -> String {
        match self {
            ClipPart::Features(modality) => format!("{modality} features"),
            ClipPart::Words => "word timings".into(),
        }
    }

    /// The extensions that its files can have, for messages.
    pub(super) fn endings(self) -> String {
        match self {
            ClipPart::Features(modality) => FileKind::endings(modality),
            ClipPart::Words => TimingsKind::ENDINGS.into(),
        }
    }
}

/// The name on the command line and in reports: that of the modality, or `words`.
impl fmt::Display for ClipPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClipPart::Features(modality) => modality.fmt(f),
            ClipPart::Words => f.pad("words"),
        }
    }
}

impl Serialize for ClipPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
