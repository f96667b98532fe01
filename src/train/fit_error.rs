//! Why training failed.

use crate::advice::{Advice, Advise, TrainerAdvice};
use std::borrow::Cow;

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The loss is NaN or infinite.
    #[error(
        "the training loss became {loss}{} in epoch {epoch}, step {step}, with segments {}{}",
        term.as_ref().map_or(String::new(), |term| format!(" by its term `{term}`")),
        few(ids),
        match &**before {
            [] => String::new(),
            before => format!("; the batch before was of segments {}", few(before)),
        }
    )]
    Diverged {
        /// Counted from 1.
        epoch: usize,
        /// Counted from 1 in each epoch.
        step: usize,
        /// NaN or infinite.
        loss: f32,
        /// The first non-finite term, as `PHASE.TERM`, if there are several.
        term: Option<String>,
        /// The step's segments.
        ids: Vec<String>,
        /// Those of the batch before, whose gradient may have left weights that are not finite; none
        /// before the first step of a run.
        before: Vec<String>,
        /// Whether an earlier epoch's checkpoint was written.
        has_checkpoint: bool,
    },
    /// Unknown selection metric.
    #[error("`{name}` is not a metric of this dataset: {}", names.join(", "))]
    Metric {
        /// The requested metric.
        name: String,
        /// The available metrics.
        names: Vec<Cow<'static, str>>,
    },
    /// An epoch has fewer batches than one step accumulates.
    #[error(
        "no step in an epoch of {n_samples} samples: too few batches for `accumulate`, and \
         `remainder` is `drop`"
    )]
    NoStep {
        /// Samples of the training split.
        n_samples: usize,
    },
    /// No epoch had a finite validation error.
    #[error("no validation error in {epochs} epochs was a number")]
    NothingSelected {
        /// Number of epochs.
        epochs: usize,
    },
}

impl Advise for FitError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            // No rate had an influence yet.
            FitError::Diverged { epoch: 1, step: 1, .. } => Vec::new(),
            FitError::Diverged { has_checkpoint: false, .. } => {
                vec![TrainerAdvice::LowerRate.into()]
            }
            FitError::Diverged { .. } => vec![TrainerAdvice::LowerRateAfterBest.into()],
            FitError::NoStep { .. } => vec![TrainerAdvice::StepAtEnd.into()],
            FitError::Metric { .. } | FitError::NothingSelected { .. } => Vec::new(),
        }
    }
}

/// The first of some ids.
fn few(ids: &[String]) -> String {
    const N_SHOWN: usize = 4;
    let shown = ids.iter().take(N_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(N_SHOWN) {
        0 => shown,
        n_more => format!("{shown} and {n_more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_is_spoken_of() {
        let diverged = |epoch, step, has_checkpoint| FitError::Diverged {
            epoch,
            step,
            loss: f32::NAN,
            term: None,
            ids: vec!["a".into(), "b".into()],
            before: if (epoch, step) == (1, 1) { vec![] } else { vec!["c".into()] },
            has_checkpoint,
        };
        let first = diverged(1, 1, false);
        assert_eq!(
            first.to_string(),
            "the training loss became NaN in epoch 1, step 1, with segments a, b"
        );
        // Before any step, no rate is to blame.
        assert!(first.advice().is_empty());
        let second = diverged(2, 1, false);
        assert!(second.to_string().ends_with("a, b; the batch before was of segments c"));
        assert_eq!(second.advice(), [TrainerAdvice::LowerRate.into()]);
        assert_eq!(diverged(2, 1, true).advice(), [TrainerAdvice::LowerRateAfterBest.into()]);
    }
}
