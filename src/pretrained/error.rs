//! Why a pretrained encoder's folder cannot be used.

use std::io;
use std::path::PathBuf;

use crate::advice::{Advice, Advise, TrainerAdvice};
use crate::chain::tried;

/// Why a pretrained encoder's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PretrainedError {
    /// The file system refused.
    #[error("{path}: {}", tried("open", cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// The configuration is not a BERT that this program supports.
    #[error("{path}: {problem}")]
    Config {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// Only a pickle contains the weights.
    #[error("{path}: is a pickle, which is not opened: it could run code")]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Its folder.
        folder: String,
    },
    /// The weights are split over several files.
    #[error("{path}: the weights are spread over several files, which is not supported")]
    Sharded {
        /// The index of the files.
        path: PathBuf,
    },
    /// Not a safetensors file.
    #[error("{path}: is not a safetensors file: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A parameter of the configuration is absent from the file.
    #[error("{path}: tensor `{name}` is absent, which the configuration asks for")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The parameter.
        name: String,
    },
    /// A tensor does not match the configuration.
    #[error("{path}: tensor `{name}`: expected {expected}, found {found}")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Valid shape or types.
        expected: String,
        /// Actual shape or type.
        found: String,
    },
    /// There is no vocabulary.
    #[error("{folder}: holds neither `tokenizer.json` nor `vocab.txt`, which raw text needs")]
    NoVocabulary {
        /// The folder.
        folder: PathBuf,
    },
    /// The vocabulary cannot be used.
    #[error("{path}: {problem}")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// An invalid length of tokenized texts.
    #[error("{max_len} tokens for a text: the encoder in {folder} reads {least} to {most}")]
    Length {
        /// The folder.
        folder: PathBuf,
        /// The requested length.
        max_len: usize,
        /// The number of special tokens plus one.
        least: usize,
        /// Number of positions of the encoder.
        most: i64,
    },
    /// libtorch failed.
    #[error("{path}: libtorch cannot use its tensors")]
    Torch {
        /// The file.
        path: PathBuf,
        /// libtorch's error.
        #[source]
        cause: tch::TchError,
    },
}

impl Advise for PretrainedError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            PretrainedError::Io { .. } => TrainerAdvice::FolderOfEncoder,
            PretrainedError::Pickle { folder, .. } => {
                TrainerAdvice::SaveSafetensors { folder: folder.clone() }
            }
            PretrainedError::Sharded { .. } => TrainerAdvice::SaveOneFile,
            PretrainedError::Config { .. }
            | PretrainedError::Malformed { .. }
            | PretrainedError::Missing { .. }
            | PretrainedError::Tensor { .. }
            | PretrainedError::NoVocabulary { .. }
            | PretrainedError::Tokenizer { .. }
            | PretrainedError::Length { .. }
            | PretrainedError::Torch { .. } => return Vec::new(),
        };
        vec![advice.into()]
    }
}
