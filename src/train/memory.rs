//! Work that may need more memory than there is.

use std::fmt;

use tch::TchError;

use super::TrainError;
use crate::caught::caught;

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

impl Work {
    /// What would make it smaller.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Work::Step { .. } => {
                "a smaller `--batch-size` takes less, and `--cache disk` leaves the features on \
                 the disk"
            }
            Work::Batch { .. } => "a smaller `--batch-size` takes less",
            Work::Prediction { .. } | Work::Model => {
                "it needs more free memory; a call that has `--cache` takes less with `--cache disk`"
            }
        }
    }
}

/// Does some work; where libtorch fails in it, that is an error and no panic.
///
/// # Errors
/// Those of `work`, and whatever libtorch fails with; lack of memory as
/// [`TrainError::OutOfMemory`].
pub fn within<T>(
    work: Work,
    task: impl FnOnce() -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    match caught(task) {
        Ok(Err(TrainError::Torch(error))) | Err(error) => Err(named(work, error)),
        Ok(outcome) => outcome,
    }
}

fn named(work: Work, error: TchError) -> TrainError {
    const LACKS: [&str; 3] = ["can't allocate memory", "out of memory", "bad_alloc"];
    let TchError::Torch(words) = &error else { return error.into() };
    match LACKS.iter().any(|lack| words.contains(lack)) {
        true => TrainError::OutOfMemory { work, n_bytes: asked_for(words) },
        false => error.into(),
    }
}

/// The number in `you tried to allocate 4096 bytes`.
fn asked_for(words: &str) -> Option<u64> {
    let (_, rest) = words.split_once("tried to allocate ")?;
    let (number, _) = rest.split_once(" bytes")?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    fn fail(task: impl FnOnce() -> Result<(), TrainError>) -> TrainError {
        within(Work::Step { n_samples: 64 }, task).unwrap_err()
    }

    #[test]
    fn lack_of_memory_says_for_what_and_how_much() {
        let zeros = || Tensor::f_zeros([1 << 50], (Kind::Float, Device::Cpu));
        let by_panic = fail(|| {
            let _zeros = zeros().unwrap();
            Ok(())
        });
        let by_value = fail(|| {
            let _zeros = zeros()?;
            Ok(())
        });
        for error in [by_panic, by_value] {
            let text = error.to_string();
            let cause =
                "no memory for a training step of 64 samples: libtorch asked for 4096.0 TiB";
            assert_eq!(text.lines().next(), Some(cause), "{text}");
            assert!(text.contains("--batch-size") && text.contains("--cache disk"), "{text}");
        }
    }

    #[test]
    fn other_failures_stay_what_they_are() {
        let shapes = fail(|| {
            let one = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
            let _product = one.matmul(&one);
            Ok(())
        });
        assert!(matches!(shapes, TrainError::Torch(_)), "{shapes}");
        assert!(matches!(fail(|| Err(TrainError::NoText)), TrainError::NoText));
    }
}
