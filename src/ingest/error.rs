//! Why the contents of a pickle are no corpus.

use crate::advice::{Advice, Advise, SourceAdvice};
use crate::corpus::{Layout, Modality, SplitName};

/// Where in a source a problem lies, such as `train/vision` or `train/text_bert, row 12`.
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

/// Why a corpus could not be made. The variants after the first four name the place at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// No known layout fits.
    #[error("no known layout: {}", .tried.join("; "))]
    UnknownLayout {
        /// Each layout with what it lacked.
        tried: Vec<String>,
    },
    /// The file is of a known kind that no corpus can be made of.
    #[error("{what}, which cannot be converted: {reason}")]
    Refused {
        /// The kind of file.
        what: &'static str,
        /// What it lacks.
        reason: &'static str,
        /// Where to get a file that can be converted.
        advice: &'static str,
    },
    /// The layout that was asked for does not fit.
    #[error("not of the layout `{layout}`: {}", .lacks.join("; "))]
    WrongLayout {
        /// The layout that was asked for.
        layout: Layout,
        /// What it lacked.
        lacks: Vec<String>,
    },
    /// A file of several pickles that are not told apart by the names of splits.
    #[error(
        "the file holds {} consecutive pickles, and nothing names their splits: {}",
        .found.len(),
        .found.join("; ")
    )]
    SeveralPickles {
        /// What each of them is.
        found: Vec<String>,
    },
    /// The split was told of a file that says itself which splits it holds.
    #[error("was given as split {told} alone, but contains {holds}")]
    SplitTold {
        /// The split that was told.
        told: SplitName,
        /// The splits of the file.
        holds: String,
    },
    /// A file is named after another split than the one that it holds.
    #[error("`{file_stem}` is named after the split {named} and holds `{key}`")]
    SplitNamed {
        /// Name of the file without its extension.
        file_stem: String,
        /// The split that the name says.
        named: SplitName,
        /// The key in the file.
        key: String,
    },
    /// The file is one split and does not say which.
    #[error("the file contains one split, and its name `{file_stem}` does not tell which")]
    UnknownSplit {
        /// Name of the file without its extension.
        file_stem: String,
    },
    /// The source has something else than was expected.
    #[error("{place}: expected {expected}, found {found}")]
    Unexpected {
        /// Where.
        place: Place,
        /// What the layout asks for.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Texts that are none, or bytes whose encoding is not known.
    #[error("`{column}`: {problem}")]
    Text {
        /// The column, of all splits.
        column: String,
        /// How many there are, which, and what they look like.
        problem: String,
        /// What to do.
        advice: SourceAdvice,
    },
    /// A sample cannot be read.
    #[error("{place}: {problem}")]
    Unreadable {
        /// Which sample of which modality.
        place: Place,
        /// What its source said.
        problem: String,
    },
    /// A key that the layout needs is absent.
    #[error("{place}: missing; {reason}")]
    Missing {
        /// Which key of which split.
        place: Place,
        /// What it is needed for.
        reason: &'static str,
    },
    /// A modality that samples were to be cut of is in no split.
    #[error("{modality} cannot be truncated: the file has no features of it")]
    NoModality {
        /// The modality.
        modality: Modality,
    },
    /// One split stands under two names.
    #[error("{place}: duplicate split")]
    DuplicateSplit {
        /// The second of the keys or files.
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
