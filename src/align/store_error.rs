//! Why sequences did not become a store.

use std::io;
use std::path::PathBuf;

use super::error::AlignError;
use super::vectors::VectorsError;
use crate::advice::{Advice, Advise, SourceAdvice};
use crate::chain::tried;
use crate::corpus::Modality;
use crate::store::StoreError;

/// Why sequences did not become a store. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum AlignedStoreError {
    /// They cannot be aligned.
    #[error(transparent)]
    Align(#[from] AlignError),
    /// The word vectors cannot be read.
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    /// The store was not written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Aligned features cannot be written to the folder for temporary files.
    #[error("the folder for temporary files: {}", tried("write", cause))]
    Spool {
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// Videos that differ in the number of columns.
    #[error("{modality}: {id} has {found} columns, segments before it have {expected}")]
    Width {
        /// The modality.
        modality: Modality,
        /// The segment.
        id: String,
        /// Columns of the segments before it.
        expected: usize,
        /// Its columns.
        found: usize,
    },
    /// A dataset of one's own whose labels are not described.
    #[error("{path}: a dataset of one's own needs a description of its labels")]
    NoScale {
        /// The table, source or sequence with the labels.
        path: PathBuf,
    },
    /// Neither videos nor labels identify the dataset, and no option names it.
    #[error("{path}: cannot infer the dataset from videos and labels")]
    UnknownDataset {
        /// The sequence of labels.
        path: PathBuf,
    },
    /// Labels described as classes without values, which a sequence cannot have.
    #[error("{path}: has numbers, and the label scale has classes without values")]
    NamedClasses {
        /// The sequence of labels.
        path: PathBuf,
    },
    /// The file of folds cannot be read.
    #[error("{path}: {}", tried("read", cause))]
    FoldsIo {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// The file of folds is not one.
    #[error("{path}: {problem}")]
    Folds {
        /// The file.
        path: PathBuf,
        /// Expected and found.
        problem: String,
    },
    /// A recipe that needs a sequence of this modality.
    #[error("the recipe `tutorial` needs a sequence of {modality}")]
    RecipeNeeds {
        /// The modality.
        modality: Modality,
    },
    /// No segment is left.
    #[error(
        "{}",
        match n_segments {
            0 => "no segment has a row in every sequence".to_owned(),
            n => format!("none of the {n} segments is of a video in the folds"),
        }
    )]
    NoSegment {
        /// Number of segments before splitting.
        n_segments: usize,
    },
}

impl Advise for AlignedStoreError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            AlignedStoreError::Align(error) => error.advice(),
            AlignedStoreError::Vectors(error) => error.advice(),
            AlignedStoreError::Store(error) => error.advice(),
            AlignedStoreError::UnknownDataset { .. } => vec![SourceAdvice::SayDataset.into()],
            AlignedStoreError::NoScale { .. } => vec![SourceAdvice::DescribeLabels.into()],
            AlignedStoreError::NoSegment { n_segments: 1.. } => {
                vec![SourceAdvice::OtherFolds.into()]
            }
            AlignedStoreError::Spool { .. }
            | AlignedStoreError::Width { .. }
            | AlignedStoreError::NamedClasses { .. }
            | AlignedStoreError::FoldsIo { .. }
            | AlignedStoreError::Folds { .. }
            | AlignedStoreError::RecipeNeeds { .. }
            | AlignedStoreError::NoSegment { .. } => Vec::new(),
        }
    }
}
