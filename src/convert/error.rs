//! Why a source was not converted, and possible fixes.

use std::path::PathBuf;

use crate::advice::{Advice, Advise, SourceAdvice, StoreAdvice};
use crate::chain::tried;
use crate::corpus::features::FeatureSet;
use crate::corpus::{Modality, SplitName};
use crate::ingest::IngestError;
use crate::packed::OpenError;
use crate::store::StoreError;
use crate::words::quoted_path;

/// Why a source was not converted. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// No file was named.
    #[error("no file to convert was given")]
    NoSource,
    /// A folder does not contain a file for each split.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The split option was given for a source of several files, each of which has its own split.
    #[error("{n_files} files were given for split {split}")]
    SplitOfSeveral {
        /// The given split.
        split: SplitName,
        /// Number of files.
        n_files: usize,
    },
    /// A file was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The output is one of the source files.
    #[error("{output}: the output would replace the input")]
    OutputIsInput {
        /// The output.
        output: PathBuf,
    },
    /// The files do not contain a corpus.
    #[error("{path}")]
    Ingest {
        /// The file, or the folder, or the first of several files.
        path: PathBuf,
        /// The reason.
        #[source]
        cause: IngestError,
    },
    /// A modality does not have the features that an option names.
    #[error("{path}: {modality} is not `{set}`: expected {expected} features, found {found}")]
    OtherFeatures {
        /// Same as [`ConvertError::Ingest`].
        path: PathBuf,
        /// The modality.
        modality: Modality,
        /// The named set.
        set: &'static str,
        /// Number of features in the set.
        expected: usize,
        /// Number of features in the file; 0 if it has none of the modality.
        found: usize,
    },
    /// A dataset of one's own whose labels are not described.
    #[error("{path}: a dataset of one's own needs a description of its labels")]
    NoScale {
        /// The table, source or sequence with the labels.
        path: PathBuf,
    },
    /// Neither content nor name identifies the dataset, and no option names it.
    #[error("{path}: cannot infer the dataset from shapes and labels")]
    UnknownDataset {
        /// Same as [`ConvertError::Ingest`].
        path: PathBuf,
    },
    /// The source has values that the options do not allow in a store.
    #[error("{path}")]
    Content {
        /// Same as [`ConvertError::Ingest`].
        path: PathBuf,
        /// The values.
        #[source]
        cause: Box<StoreError>,
    },
    /// The store was not written.
    #[error(transparent)]
    Store(StoreError),
}

impl ConvertError {
    /// The error for failing to write the store of the source at `path`.
    pub(super) fn of_store(path: PathBuf, cause: StoreError) -> ConvertError {
        match cause {
            // Refused values lie in the source, which is where the user has to look.
            StoreError::Refused(_)
            | StoreError::RefusedLabels(_)
            | StoreError::NothingLeft { .. }
            | StoreError::Unreadable { .. } => {
                ConvertError::Content { path, cause: Box::new(cause) }
            }
            other => ConvertError::Store(other),
        }
    }
}

impl Advise for ConvertError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            ConvertError::NoSource | ConvertError::SplitOfSeveral { .. } => Vec::new(),
            ConvertError::Folder(error) => error.advice(),
            ConvertError::Open(error) => error.advice(),
            ConvertError::OutputIsInput { .. } => vec![StoreAdvice::OtherOutput.into()],
            ConvertError::Ingest { cause, .. } => cause.advice(),
            ConvertError::OtherFeatures { modality, found, .. } => {
                let likely = FeatureSet::likely(*modality, *found, None).map(|set| set.name);
                vec![
                    SourceAdvice::OtherSet { modality: modality.name(), likely: likely.collect() }
                        .into(),
                ]
            }
            ConvertError::UnknownDataset { .. } => vec![SourceAdvice::SayDataset.into()],
            ConvertError::NoScale { .. } => vec![SourceAdvice::DescribeLabels.into()],
            ConvertError::Content { cause, .. } => cause.advice(),
            ConvertError::Store(error) => error.advice(),
        }
    }
}

/// Why the files of a folder are not the splits of one source.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder is a store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The folder cannot be listed.
    #[error("{path}: {}", tried("list", cause))]
    Io {
        /// The folder.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
    /// Two files are named after one split.
    #[error("{path}: is the same split as {}", .first.display())]
    Twice {
        /// The second of them.
        path: PathBuf,
        /// The first of them.
        first: PathBuf,
    },
    /// A folder of a known other kind.
    #[error("{path}: is {what}, not a folder of pickles")]
    Other {
        /// The folder.
        path: PathBuf,
        /// Description of the folder.
        what: &'static str,
        /// Its proper use.
        advice: Box<Advice>,
    },
    /// A folder of arrays.
    #[error("{path}: a folder of {n_arrays} NumPy files, and no pickle of splits")]
    Arrays {
        /// The folder.
        path: PathBuf,
        /// Number of arrays in it.
        n_arrays: usize,
        /// The label table in it, if it has one.
        table: Option<PathBuf>,
    },
    /// No pickle is named after a split.
    #[error(
        "{path}: a folder {}, such as train.pkl, dev.pkl and test.pkl",
        match n_pickles {
            0 => "without a pickle".to_owned(),
            1 => "whose one pickle is not named after a split".to_owned(),
            n => format!("of {n} pickles, none of them named after a split"),
        }
    )]
    NoSplits {
        /// The folder.
        path: PathBuf,
        /// Number of pickles in it.
        n_pickles: usize,
    },
}

impl Advise for FolderError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            FolderError::Store(error) => return error.advice(),
            FolderError::Io { .. } => return Vec::new(),
            FolderError::Other { advice, .. } => return vec![(**advice).clone()],
            FolderError::Twice { .. } => SourceAdvice::NameOneByOne,
            FolderError::Arrays { path, table, .. } => SourceAdvice::BuildFromTable {
                folder: quoted_path(path),
                table: table.as_deref().map(|path| quoted_path(path).into()),
            },
            FolderError::NoSplits { .. } => SourceAdvice::NamePickles,
        };
        vec![advice.into()]
    }
}
