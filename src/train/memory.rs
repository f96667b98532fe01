//! Out-of-memory errors and the work that caused them.

use std::fmt;

use crate::advice::{Advice, Advise, TrainerAdvice};
use crate::corpus::{Modality, SplitName};
use crate::words::human_bytes;

/// Work that needs memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A training step.
    Step {
        /// Samples of the step.
        n_samples: usize,
    },
    /// A forward pass outside training.
    Prediction {
        /// Samples of the pass.
        n_samples: usize,
    },
    /// The features of a batch being read from disk.
    Batch {
        /// Samples of the batch.
        n_samples: usize,
    },
    /// Memory that does not depend on the batches.
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

/// Out of memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The features do not fit into memory.
    #[error("{split}/{modality}: no memory for {}", human_bytes(*n_bytes as u64))]
    Features {
        /// The split.
        split: SplitName,
        /// The modality.
        modality: Modality,
        /// Size of the features.
        n_bytes: usize,
    },
    /// Memory does not suffice for some work.
    #[error(
        "no memory for {work}{}",
        n_bytes.map_or(String::new(), |n| format!(": libtorch asked for {}", human_bytes(n)))
    )]
    Work {
        /// The work.
        work: Work,
        /// The failed allocation, if known.
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
