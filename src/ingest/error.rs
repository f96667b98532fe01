//! Why a pickle's contents are not a corpus.

use crate::advice::{Advice, Advise, SourceAdvice};
use crate::corpus::{Layout, Modality, SplitName};

/// Location of a problem in a source, such as `train/vision` or `train/text_bert, row 12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Split, key and further keys, joined by `/`; empty for the whole file.
    pub path: String,
    /// Sample within the split.
    pub row: Option<usize>,
}

impl Place {
    /// A place that concerns all samples.
    pub fn new(path: impl Into<String>) -> Place {
        Place { path: path.into(), row: None }
    }

    /// The place of one sample.
    pub fn at(&self, row: usize) -> Place {
        Place { path: self.path.clone(), row: Some(row) }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.row {
            Some(row) => write!(f, "`{}`, row {row}", self.path),
            None => write!(f, "`{}`", self.path),
        }
    }
}

/// Why a source is not a corpus. The variants after the first four name the place at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// No known layout fits.
    #[error("no known layout: {}", .tried.join("; "))]
    UnknownLayout {
        /// Each layout with its unmet requirements.
        tried: Vec<String>,
    },
    /// The file is of a known kind that cannot become a corpus.
    #[error("{what}, which cannot be converted: {reason}")]
    Refused {
        /// The kind of file.
        what: &'static str,
        /// Why it cannot be converted.
        reason: &'static str,
        /// Where to get a file that can be converted.
        advice: &'static str,
    },
    /// The requested layout does not fit.
    #[error("not of the layout `{layout}`: {}", .lacks.join("; "))]
    WrongLayout {
        /// The requested layout.
        layout: Layout,
        /// Its unmet requirements.
        lacks: Vec<String>,
    },
    /// A file of several pickles that split names do not distinguish.
    #[error(
        "the file holds {} consecutive pickles, and names do not distinguish their splits: {}",
        .found.len(),
        .found.join("; ")
    )]
    SeveralPickles {
        /// Description of each pickle.
        found: Vec<String>,
    },
    /// The split option was given for a file that itself names its splits.
    #[error("was given as split {told} alone, but contains {holds}")]
    SplitTold {
        /// The given split.
        told: SplitName,
        /// The splits of the file.
        holds: String,
    },
    /// A file's name mentions another split than the file contains.
    #[error("`{file_stem}` is named after the split {named} and holds `{key}`")]
    SplitNamed {
        /// File name without its extension.
        file_stem: String,
        /// The split in the name.
        named: SplitName,
        /// The key in the file.
        key: String,
    },
    /// The file is one split and does not name it.
    #[error("the file contains one split, and its name `{file_stem}` does not say which")]
    UnknownSplit {
        /// File name without its extension.
        file_stem: String,
    },
    /// The source has something other than expected.
    #[error("{place}: expected {expected}, found {found}")]
    Unexpected {
        /// Where.
        place: Place,
        /// The layout's requirement.
        expected: String,
        /// What the source has.
        found: String,
    },
    /// Values that are not texts, or bytes of unknown encoding.
    #[error("`{column}`: {problem}")]
    Text {
        /// The column, of all splits.
        column: String,
        /// How many, which ones, and what they look like.
        problem: String,
        /// Possible fixes.
        advice: SourceAdvice,
    },
    /// A sample cannot be read.
    #[error("{place}: {problem}")]
    Unreadable {
        /// The modality and sample.
        place: Place,
        /// The source's error.
        problem: String,
    },
    /// A key that the layout needs is absent.
    #[error("{place}: missing; {reason}")]
    Missing {
        /// The split and key.
        place: Place,
        /// What needs it.
        reason: &'static str,
    },
    /// No split has a modality whose samples were to be cut.
    #[error("{modality} cannot be truncated: the file has no features of it")]
    NoModality {
        /// The modality.
        modality: Modality,
    },
    /// Two keys of a file name the same split.
    #[error("the keys `{}` and `{}` are both the split `{split}`", keys[0], keys[1])]
    DuplicateKey {
        /// The split.
        split: SplitName,
        /// The keys, in the order of the file.
        keys: Box<[String; 2]>,
    },
    /// Two files have the same split.
    #[error("{place}: duplicate split")]
    DuplicateSplit {
        /// The second of the files, or its key.
        place: Place,
    },
}

impl Advise for IngestError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            IngestError::Refused { advice, .. } => return vec![(*advice).into()],
            IngestError::Text { advice, .. } => advice.clone(),
            IngestError::Unreadable { .. } => return Vec::new(),
            IngestError::UnknownLayout { .. } => SourceAdvice::ExplainLayouts,
            IngestError::WrongLayout { .. } => SourceAdvice::GuessLayout,
            IngestError::SeveralPickles { .. } => SourceAdvice::DumpOnce,
            IngestError::SplitTold { .. } => SourceAdvice::LeaveSplitOut,
            IngestError::SplitNamed { .. } => SourceAdvice::RenameSplit,
            IngestError::UnknownSplit { .. } => SourceAdvice::SaySplit,
            IngestError::Missing { .. } => SourceAdvice::ShowKeys,
            IngestError::Unexpected { found, .. } if found.starts_with("object [") => {
                SourceAdvice::NumbersOfObjects
            }
            IngestError::Unexpected { .. } => SourceAdvice::ShowAndDump,
            IngestError::NoModality { .. } => SourceAdvice::LeaveModalityOut,
            IngestError::DuplicateKey { .. } => SourceAdvice::OneOfTwoKeys,
            IngestError::DuplicateSplit { .. } => SourceAdvice::OneOfTwoSplits,
        };
        vec![advice.into()]
    }
}

/// Shorthand for the most common error.
pub(super) fn unexpected(
    place: &Place,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> IngestError {
    IngestError::Unexpected { place: place.clone(), expected: expected.into(), found: found.into() }
}
