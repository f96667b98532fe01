//! A run and its folder: settings, epochs, result, predictions, attention, metrics. Everyone reads and
//! writes runs through this module.
//!
//! It needs no libtorch, and knows neither how a model computes nor how a run is shown.

#[cfg(feature = "train")]
mod assign;
pub mod attention;
pub mod compare;
pub mod events;
pub mod folder;
mod keys;
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

/// What can be wrong with the folder of a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not a run folder, or a damaged one.
    #[error("{path}: is no run of almt-data: {problem}")]
    NotARun {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The run folder holds something already.
    #[error(
        "{path}: exists already and is not empty\n  hint: `--overwrite` replaces the run in it"
    )]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{path}: cannot write: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: std::io::Error,
    },
}

/// A number, or NaN for `null`, which stands for it in JSON.
fn number<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(f64::NAN))
}
