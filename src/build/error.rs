//! Why no store was built, and possible fixes.

use std::io;
use std::path::PathBuf;

use super::frames::FileKind;
use crate::advice::{Advice, Advise, SourceAdvice, StoreAdvice};
use crate::chain::tried;
use crate::corpus::labels::LabelTableError;
use crate::corpus::{Modality, SplitName};
use crate::store::StoreError;

/// Why no store was built. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] LabelTableError),
    /// The output is the table, a folder of features or a file in one.
    #[error("{output}: the output would replace the input")]
    OutputIsInput {
        /// The output.
        output: PathBuf,
    },
    /// A folder cannot be listed.
    #[error("{path}: {}", tried("list", cause))]
    List {
        /// The folder.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// A file in the place of a folder.
    #[error("{path}: expected a folder with a file of {modality} features per clip, found a file")]
    NotAFolder {
        /// The file.
        path: PathBuf,
        /// The modality.
        modality: Modality,
    },
    /// A folder without feature files.
    #[error("{path}: no file of {modality} features in it ({})", FileKind::endings(*.modality))]
    NoFiles {
        /// The folder.
        path: PathBuf,
        /// The modality.
        modality: Modality,
    },
    /// No file of a folder belongs to a clip of the table.
    #[error(
        "{path}: none of its {n_files} feature files belongs to a clip of the table: there is \
         `{}`, and the first clip is `{id}`",
        .file.display()
    )]
    NoMatch {
        /// The folder.
        path: PathBuf,
        /// Number of feature files in it.
        n_files: usize,
        /// The first of them, within the folder.
        file: PathBuf,
        /// The id of the first clip.
        id: String,
    },
    /// Two files of one clip.
    #[error("{path}: belongs to the same clip as {}", .first.display())]
    Twice {
        /// The second of them.
        path: PathBuf,
        /// The first of them.
        first: PathBuf,
    },
    /// A row without a split in a table that has splits.
    #[error("{path}: line {line}: clip `{id}` has no split, and others have one")]
    NoSplit {
        /// The table.
        path: PathBuf,
        /// Line of the table, from 1.
        line: usize,
        /// The clip.
        id: String,
    },
    /// A split was given for all clips of a table that has splits.
    #[error("{path}: has splits of its own, and {told} was given for all clips")]
    SplitTold {
        /// The table.
        path: PathBuf,
        /// The given split.
        told: SplitName,
    },
    /// Clips without a usable file of each modality.
    #[error("{path}: {n_incomplete} of {n_clips} clips are incomplete: {lacks}")]
    Incomplete {
        /// The table.
        path: PathBuf,
        /// Number of these clips.
        n_incomplete: usize,
        /// Clips of the table.
        n_clips: usize,
        /// How many lack what, and the first ones.
        lacks: String,
    },
    /// No clip is complete.
    #[error("{path}: none of {n_clips} clips is complete: {lacks}")]
    NothingLeft {
        /// The table.
        path: PathBuf,
        /// Clips of the table.
        n_clips: usize,
        /// How many lack what, and the first ones.
        lacks: String,
    },
    /// A length that makes samples too large.
    #[error("{modality}: [{seq_len}, {feat_dim}] are more than the {limit} values of a sample")]
    TooLong {
        /// The modality.
        modality: Modality,
        /// The length.
        seq_len: usize,
        /// Features per frame.
        feat_dim: usize,
        /// The limit.
        limit: usize,
    },
    /// A dataset of one's own whose labels are not described.
    #[error("{path}: a dataset of one's own needs a description of its labels")]
    NoScale {
        /// The table, source or sequence with the labels.
        path: PathBuf,
    },
    /// Neither content nor name identifies the dataset, and no option names it.
    #[error("{path}: cannot infer the dataset, which sets range and classes of the labels")]
    UnknownDataset {
        /// The table.
        path: PathBuf,
    },
    /// The clips have values that the options do not allow in a store.
    #[error("{path}")]
    Content {
        /// The table.
        path: PathBuf,
        /// The values.
        #[source]
        cause: Box<StoreError>,
    },
    /// The store was not written.
    #[error(transparent)]
    Store(StoreError),
}

impl BuildError {
    /// The error for failing to write the store of the table at `path`.
    pub(super) fn of_store(path: PathBuf, cause: StoreError) -> BuildError {
        match cause {
            StoreError::Refused(_)
            | StoreError::RefusedLabels(_)
            | StoreError::NothingLeft { .. }
            | StoreError::Unreadable { .. } => BuildError::Content { path, cause: Box::new(cause) },
            other => BuildError::Store(other),
        }
    }
}

impl Advise for BuildError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            BuildError::Table(error) => return error.advice(),
            BuildError::Content { cause, .. } => return cause.advice(),
            BuildError::Store(error) => return error.advice(),
            BuildError::OutputIsInput { .. } => return vec![StoreAdvice::OtherOutput.into()],
            BuildError::NoMatch { .. } => SourceAdvice::NameAfterClips,
            BuildError::Twice { .. } => SourceAdvice::OneFilePerClip,
            BuildError::NoSplit { .. } => SourceAdvice::FillSplits,
            BuildError::SplitTold { .. } => SourceAdvice::TableHasSplits,
            BuildError::Incomplete { .. } => SourceAdvice::DropIncomplete,
            BuildError::UnknownDataset { .. } => SourceAdvice::SayDataset,
            BuildError::NoScale { .. } => SourceAdvice::DescribeLabels,
            BuildError::List { .. }
            | BuildError::NotAFolder { .. }
            | BuildError::NoFiles { .. }
            | BuildError::NothingLeft { .. }
            | BuildError::TooLong { .. } => return Vec::new(),
        };
        vec![advice.into()]
    }
}
