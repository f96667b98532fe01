//! Why a folder of a pretrained encoder cannot be used.

use std::io;
use std::path::PathBuf;

use crate::advice::{Advice, Advise, TrainerAdvice};
use crate::chain::tried;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PretrainedError {
    /// The file system refused.
    #[error("{path}: {}", tried("open", cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        cause: io::Error,
    },
    /// The configuration is not one of a BERT that this program can build.
    #[error("{path}: {problem}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Only a pickle holds the weights.
    #[error("{path}: is a pickle, which is not opened: it could run code")]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Its folder.
        folder: String,
    },
    /// The weights are spread over several files.
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
        /// What is wrong.
        problem: String,
    },
    /// A parameter of the configuration is not in the file.
    #[error("{path}: tensor `{name}` is absent, which the configuration asks for")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The parameter.
        name: String,
    },
    /// A tensor is not what the configuration asks for.
    #[error("{path}: tensor `{name}`: expected {expected}, found {found}")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Shape or types that would do.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// No vocabulary.
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
        /// What is wrong.
        problem: String,
    },
    /// A number of tokens that no text can be brought to.
    #[error("{max_len} tokens for a text: the encoder in {folder} reads {least} to {most}")]
    Length {
        /// The folder.
        folder: PathBuf,
        /// What was asked for.
        max_len: usize,
        /// The special tokens and one more.
        least: usize,
        /// The encoder's positions.
        most: i64,
    },
    /// libtorch failed.
    #[error("{path}: libtorch cannot use its tensors")]
    Torch {
        /// The file.
        path: PathBuf,
        /// What it said.
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
