//! Why a run failed.

use super::data_error::DataError;
use super::fit_error::FitError;
use super::memory::MemoryError;
use super::network_error::NetworkError;
use super::weights;
use crate::advice::{Advice, Advise};
use crate::model::contract::ModelError;
use crate::pretrained::PretrainedError;
use crate::run::RunError;
use crate::run::recipe::RecipeError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The samples cannot be trained on.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Training failed.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Out of memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The run folder is invalid, in use or not writable.
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
