//! Why a source was not converted, and what its owner can do about it.

use std::path::PathBuf;

use crate::advice::{Advice, Advise, SourceAdvice, StoreAdvice};
use crate::chain::tried;
use crate::corpus::SplitName;
use crate::ingest::IngestError;
use crate::packed::OpenError;
use crate::store::StoreError;

/// Why a source was not converted. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// No file was named.
    #[error("no file to convert was given")]
    NoSource,
    /// A folder does not hold a file for each split.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The split was told of a source of several files, each of which has its own.
    #[error("{n_files} files were given for split {split}")]
    SplitOfSeveral {
        /// What was told.
        split: SplitName,
        /// How many files there are.
        n_files: usize,
    },
    /// A file was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The output is one of the files that are read.
    #[error("{output}: the output would replace the input")]
    OutputIsInput {
        /// The output.
        output: PathBuf,
    },
    /// What the files hold is no corpus.
    #[error("{path}")]
    Ingest {
        /// The file, or the folder, or the first of several files.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: IngestError,
    },
    /// Neither content nor name tells the dataset, and nobody said it.
    #[error("{path}: cannot infer the dataset from shapes and labels")]
    UnknownDataset {
        /// As in [`ConvertError::Ingest`].
        path: PathBuf,
    },
    /// The source has values that no store is made of as the options are.
    #[error("{path}")]
    Content {
        /// As in [`ConvertError::Ingest`].
        path: PathBuf,
        /// Which values.
        #[source]
        cause: Box<StoreError>,
    },
    /// The store was not written.
    #[error(transparent)]
    Store(StoreError),
}

impl ConvertError {
    /// The failure to write the store of the source at `path`.
    pub(super) fn of_store(path: PathBuf, cause: StoreError) -> ConvertError {
        match cause {
            // Its place is in the source, which is what the user has to look at.
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
            ConvertError::UnknownDataset { .. } => vec![SourceAdvice::SayDataset.into()],
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
        /// The system's answer.
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
    /// A folder that is known for something else.
    #[error("{path}: is {what}, not a folder of pickles")]
    Other {
        /// The folder.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What it is good for.
        advice: Box<Advice>,
    },
    /// A folder of arrays.
    #[error("{path}: a folder of {n_arrays} NumPy files, and no pickle of splits")]
    Arrays {
        /// The folder.
        path: PathBuf,
        /// How many it holds.
        n_arrays: usize,
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
        /// How many pickles it holds.
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
            FolderError::Arrays { .. } => SourceAdvice::MakeOnePickle,
            FolderError::NoSplits { .. } => SourceAdvice::NamePickles,
        };
        vec![advice.into()]
    }
}
