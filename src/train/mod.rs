//! Training and evaluation: batches on the device, model, metrics, checkpoint, run folder.
//!
//! This module knows no pickle and no store; what it trains on comes as arrays.

pub mod attention;
pub mod checkpoint;
pub mod corrupt;
pub mod data;
mod data_error;
pub mod device;
mod fit;
mod fit_error;
pub mod memory;
mod models;
pub mod network;
mod network_error;
mod ongoing;
pub mod optimizer;
mod replay;
pub mod run;
pub mod state;
pub mod weights;

pub use data_error::DataError;
pub use fit_error::FitError;
pub use memory::MemoryError;
pub use network_error::NetworkError;

use crate::advice::{Advice, Advise};
use crate::model::contract::ModelError;
use crate::pretrained::PretrainedError;
use crate::run::RunError;
use crate::run::recipe::RecipeError;

/// Sets up libtorch for this process: deterministic algorithms only, and freed memory kept.
///
/// # Errors
/// libtorch refuses.
pub fn prepare_process() -> Result<(), TrainError> {
    crate::native::keep_freed_memory();
    Ok(crate::native::use_deterministic_algorithms()?)
}

/// The version of libtorch, such as `2.11.0`.
pub fn libtorch_version() -> String {
    crate::native::libtorch_version()
}

/// Why a run could not be done.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The samples cannot be trained on.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is no network to train.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Training came to nothing.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// There is too little memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The run folder is none, is in use or cannot be written to.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] weights::WeightsError),
    /// libtorch failed.
    #[error("libtorch failed")]
    Torch(#[from] tch::TchError),
}

impl Advise for TrainError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            TrainError::Data(error) => error.advice(),
            TrainError::Network(error) => error.advice(),
            TrainError::Fit(error) => error.advice(),
            TrainError::Memory(error) => error.advice(),
            TrainError::Run(error) => error.advice(),
            TrainError::Checkpoint(error) => error.advice(),
            TrainError::Torch(_) => Vec::new(),
        }
    }
}

impl From<RecipeError> for TrainError {
    fn from(error: RecipeError) -> TrainError {
        NetworkError::from(error).into()
    }
}

impl From<ModelError> for TrainError {
    fn from(error: ModelError) -> TrainError {
        NetworkError::from(error).into()
    }
}

impl From<PretrainedError> for TrainError {
    fn from(error: PretrainedError) -> TrainError {
        NetworkError::from(error).into()
    }
}
