//! Why the contents of a pickle are no corpus.

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
        "the file holds {} pickles one after another, and no names of splits tell what each is: {}",
        .found.len(),
        .found.join("; ")
    )]
    SeveralPickles {
        /// What each of them is.
        found: Vec<String>,
    },
    /// The split was told of a file that says itself which splits it holds.
    #[error("`--split {told}` is for a file of one split, and this one says that it holds {holds}")]
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
    #[error("the file holds one split, and its name `{file_stem}` does not say which")]
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
        hint: String,
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
    #[error("`--max-len` names {modality}, which the file has no features of")]
    NoModality {
        /// The modality.
        modality: Modality,
    },
    /// One split stands under two names.
    #[error("{place}: the split is there twice")]
    DuplicateSplit {
        /// The second of the keys or files.
        place: Place,
    },
}

impl IngestError {
    /// What the owner of the file can do, if that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            IngestError::UnknownLayout { .. } => Some(
                "`almt-data convert --explain` shows what each layout asks for, `almt-data \
                 inspect` what the file holds",
            ),
            IngestError::Refused { advice, .. } => Some(advice),
            IngestError::Text { hint, .. } => Some(hint),
            IngestError::WrongLayout { .. } => {
                Some("without `--layout` the layout is told from the file")
            }
            IngestError::SeveralPickles { .. } => Some(
                "dump them again from Python as one dict, `{'train': …, 'valid': …, 'test': …}`, or \
                 as a file for each split",
            ),
            IngestError::SplitTold { .. } => Some("leave `--split` out: all of them are converted"),
            IngestError::SplitNamed { .. } => {
                Some("one of the two is wrong: rename the file or the key, whichever it is")
            }
            IngestError::UnknownSplit { .. } => Some("say which with `--split train|valid|test`"),
            IngestError::Unreadable { .. } => None,
            IngestError::Missing { .. } => Some(
                "`almt-data inspect` shows the keys that are there: one of another name can be \
                 renamed in Python",
            ),
            IngestError::Unexpected { found, .. } if found.starts_with("object [") => Some(
                "NumPy keeps Python objects there; `numpy.stack` or `.astype(numpy.float32)` in \
                 Python makes numbers of them",
            ),
            IngestError::Unexpected { .. } => Some(
                "`almt-data inspect` shows what the file holds there; dump it again from Python \
                 in the form that is expected",
            ),
            IngestError::NoModality { .. } => Some(
                "leave the modality out of `--max-len`; `almt-data inspect` shows what there is",
            ),
            IngestError::DuplicateSplit { .. } => {
                Some("leave one of the two out: `valid` and `dev` are the same split")
            }
        }
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
