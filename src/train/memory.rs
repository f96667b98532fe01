//! Work that may need more memory than there is.

use std::fmt;

use crate::advice::{Advice, Advise, TrainerAdvice};
use crate::corpus::{Modality, SplitName};
use crate::words::human_bytes;

/// What memory is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A step of training.
    Step {
        /// Samples of the step.
        n_samples: usize,
    },
    /// A forward pass outside training.
    Prediction {
        /// Samples of the pass.
        n_samples: usize,
    },
    /// The features of a batch, on their way from the disk.
    Batch {
        /// Samples of the batch.
        n_samples: usize,
    },
    /// All that is in memory whatever the batches are.
    Model,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::Step { n_samples } => write!(f, "a training step of {n_samples} samples"),
            Work::Prediction { n_samples } => write!(f, "the predictions of {n_samples} samples"),
            Work::Batch { n_samples } => write!(f, "the features of {n_samples} samples"),
            Work::Model => write!(f, "the model and its data"),
        }
    }
}

/// Too little memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// More features than memory.
    #[error("{split}/{modality}: no memory for {}", human_bytes(*n_bytes as u64))]
    Features {
        /// Which split.
        split: SplitName,
        /// Which modality.
        modality: Modality,
        /// What the features take.
        n_bytes: usize,
    },
    /// Less memory than some work takes.
    #[error(
        "no memory for {work}{}",
        n_bytes.map_or(String::new(), |n| format!(": libtorch asked for {}", human_bytes(n)))
    )]
    Work {
        /// What it was for.
        work: Work,
        /// What could not be had, where that is known.
        n_bytes: Option<u64>,
    },
}

impl Advise for MemoryError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            MemoryError::Features { .. } => TrainerAdvice::ReadFromDisk,
            MemoryError::Work { work: Work::Step { .. }, .. } => TrainerAdvice::SmallerStep,
            MemoryError::Work { work: Work::Batch { .. }, .. } => TrainerAdvice::SmallerBatch,
            MemoryError::Work { work: Work::Prediction { .. } | Work::Model, .. } => {
                TrainerAdvice::MoreMemory
            }
        };
        vec![advice.into()]
    }
}
