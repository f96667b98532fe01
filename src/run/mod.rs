//! A run and its folder: settings, epochs, result, predictions, attention, metrics. All code reads and
//! writes runs through this module.
//!
//! It needs no libtorch, and knows neither how a model computes nor how runs are presented.

#[cfg(feature = "train")]
mod assign;
pub mod attention;
pub mod compare;
pub mod confusion;
pub mod describe;
pub mod events;
pub mod folder;
pub mod interval;
mod keys;
pub mod label_map;
pub mod metrics;
pub mod predictions;
pub mod preset;
mod read;
pub mod recipe;
pub mod record;
pub mod schedule;
pub mod seeds;
pub mod settings;

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

pub use read::Run;

use crate::advice::{Advice, Advise, StoreAdvice, TrainerAdvice};

/// What is wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder does not exist.
    #[error("{path}: no such folder")]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The folder does not contain a run.
    #[error("{path}: is not a run folder: `{lacks}` is missing")]
    NoRun {
        /// The folder.
        path: PathBuf,
        /// A file that every run has.
        lacks: &'static str,
    },
    /// A damaged run.
    #[error("{path}: is not an almt-data run: {problem}")]
    NotARun {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A file that every run has is absent or cannot be read.
    #[error("{path}: {}", if is_refused(cause) { "cannot read" } else { "is not an almt-data run" })]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error, or what the file lacks.
        #[source]
        cause: std::io::Error,
    },
    /// The run folder contains a run.
    #[error("{path}: already holds a run")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The run folder contains other files.
    #[error("{path}: is not empty, and is not a run folder")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The run folder contains an interrupted run.
    #[error("{path}: holds an incomplete run")]
    Incomplete {
        /// The folder.
        path: PathBuf,
    },
    /// Another process is training in the folder.
    #[error("{path}: another process is training in this folder")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{path}: cannot write")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
}

/// Whether the file exists and the system denies access.
fn is_refused(cause: &std::io::Error) -> bool {
    cause.get_ref().is_none() && cause.kind() != std::io::ErrorKind::NotFound
}

impl Advise for RunError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            RunError::Exists { .. } => vec![StoreAdvice::OverwriteRun.into()],
            RunError::NotEmpty { .. } => vec![TrainerAdvice::EmptyFolder.into()],
            RunError::Incomplete { path } => vec![
                TrainerAdvice::CompleteRun { run: path.clone() }.into(),
                StoreAdvice::OverwriteRun.into(),
            ],
            RunError::InUse { .. }
            | RunError::NoFolder { .. }
            | RunError::NoRun { .. }
            | RunError::NotARun { .. }
            | RunError::Unreadable { .. }
            | RunError::Io { .. } => Vec::new(),
        }
    }
}

/// Like [`number`], for a value that may be absent.
fn some_number<'de, D: Deserializer<'de>>(value: D) -> Result<Option<f64>, D::Error> {
    number(value).map(Some)
}

/// A number, or NaN for `null`, its representation in JSON.
fn number<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(f64::NAN))
}
