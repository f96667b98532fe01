//! Why sequences could not be aligned.

use crate::advice::{Advice, Advise};
use crate::csd::{CsdError, Mixed};

/// Why sequences could not be aligned.
#[derive(Debug, thiserror::Error)]
pub enum AlignError {
    /// A sequence cannot be read.
    #[error(transparent)]
    Sequence(#[from] CsdError),
    /// No sequence has this name.
    #[error("unknown sequence `{name}`: expected one of {}", known.join(", "))]
    UnknownSequence {
        /// The name.
        name: String,
        /// Names of all sequences.
        known: Vec<String>,
    },
    /// A key that a sequence lacks.
    #[error("{sequence}: has no entry `{key}`")]
    Absent {
        /// The sequence.
        sequence: String,
        /// The key.
        key: String,
    },
    /// The reference was aligned before.
    #[error("{sequence}: cannot be a reference: its entry `{key}` is a segment, not a video")]
    Bracketed {
        /// The reference.
        sequence: String,
        /// Its first such key.
        key: String,
    },
    /// Entries that cannot be joined.
    #[error("{sequence}: {video}")]
    Mixed {
        /// The sequence.
        sequence: String,
        /// The video.
        video: String,
        /// The problem.
        #[source]
        cause: Mixed,
    },
    /// A time that is NaN or infinite.
    #[error("{sequence}: {video}: the interval {start} to {end} s of row {row} is not finite")]
    Time {
        /// The sequence.
        sequence: String,
        /// The video.
        video: String,
        /// The row, as stored.
        row: usize,
        /// Its start.
        start: f64,
        /// Its end.
        end: f64,
    },
    /// An interval that ends before it starts.
    #[error("{sequence}: {video}: row {row} ends before it starts ({start} to {end} s)")]
    Reversed {
        /// The sequence.
        sequence: String,
        /// The video.
        video: String,
        /// The row, in order of start; of labels, as stored.
        row: usize,
        /// Its start.
        start: f64,
        /// Its end.
        end: f64,
    },
    /// Several rows for one interval, because nothing collapses them.
    #[error("{sequence}: {key}: {n_rows} rows of text cannot be collapsed into one")]
    Dimension {
        /// The sequence.
        sequence: String,
        /// The segment.
        key: String,
        /// Number of rows.
        n_rows: usize,
    },
    /// A sequence without any entry, of which nothing says how wide it is.
    #[error("{sequence}: has no entry left, so that the width of missing ones is not known")]
    NothingToImpute {
        /// The sequence.
        sequence: String,
    },
    /// Segments of one sequence that cannot be stacked.
    #[error(
        "{sequence}: {key} has {found} rows and others have {expected}, so that they cannot be stacked"
    )]
    Lengths {
        /// The sequence.
        sequence: String,
        /// The segment.
        key: String,
        /// Its number of rows.
        found: usize,
        /// Number of rows of the first segment.
        expected: usize,
    },
    /// Text where numbers are needed, or the other way round.
    #[error("{sequence}: {key}: expected {expected}")]
    Type {
        /// The sequence.
        sequence: String,
        /// The segment.
        key: String,
        /// What was expected.
        expected: &'static str,
    },
    /// No video is in all sequences.
    #[error("no video is in all of {}", names.join(", "))]
    NothingInCommon {
        /// Names of the sequences.
        names: Vec<String>,
    },
}

impl Advise for AlignError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            AlignError::Sequence(error) => error.advice(),
            _ => Vec::new(),
        }
    }
}
