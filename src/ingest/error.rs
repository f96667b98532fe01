//! Why the contents of a pickle are no corpus.

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

/// Why a corpus could not be made. Each variant but the first two names the place at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// No known layout fits.
    #[error("no known layout: {}", .tried.join("; "))]
    UnknownLayout {
        /// Each layout with what it lacked.
        tried: Vec<String>,
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
    /// A key that the layout needs is absent.
    #[error("{place}: missing; {reason}")]
    Missing {
        /// Which key of which split.
        place: Place,
        /// What it is needed for.
        reason: &'static str,
    },
    /// One split stands under two names.
    #[error("{place}: the split is there twice")]
    DuplicateSplit {
        /// The second of the keys.
        place: Place,
    },
}

impl IngestError {
    /// What the owner of the file can do, if that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            IngestError::UnknownLayout { .. } => {
                Some("`almt-data inspect` shows what the file holds")
            }
            IngestError::UnknownSplit { .. } => Some("say which with `--split train|valid|test`"),
            IngestError::Missing { .. } | IngestError::Unexpected { .. } => {
                Some("the file is incomplete or was changed; `almt-data inspect` shows its keys")
            }
            IngestError::DuplicateSplit { .. } => Some("remove one of `valid` and `dev`"),
        }
    }
}
