//! Turns libtorch failures into errors.

use tch::TchError;

use super::TrainError;
use super::memory::{MemoryError, Work};
use crate::caught::caught;

/// Does some work; a libtorch failure in it becomes an error instead of a panic.
///
/// # Errors
/// The errors of `work`, and any libtorch failure; lack of memory as [`MemoryError::Work`].
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
        true => MemoryError::Work { work, n_bytes: asked_for(words) }.into(),
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
    use crate::advice::{Advise, TrainerAdvice};
    use crate::train::DataError;

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
            let expected =
                "no memory for a training step of 64 samples: libtorch asked for 4096.0 TiB";
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.advice(), [TrainerAdvice::SmallerStep.into()]);
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
        let no_text = fail(|| Err(DataError::NoText.into()));
        assert!(matches!(no_text, TrainError::Data(DataError::NoText)), "{no_text}");
    }
}
