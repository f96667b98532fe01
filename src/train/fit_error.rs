//! Why training came to nothing.

use crate::advice::{Advice, Advise, TrainerAdvice};

/// Why training came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The loss is no number any more.
    #[error(
        "the training loss became {loss}{} in epoch {epoch}, step {step}, with segments {}",
        term.as_ref().map_or(String::new(), |term| format!(" by its term `{term}`")),
        few(ids)
    )]
    Diverged {
        /// Counted from 1.
        epoch: usize,
        /// Counted from 1 in each epoch.
        step: usize,
        /// NaN or infinite.
        loss: f32,
        /// The first term that is no finite number, as `PHASE.TERM`, where there are several.
        term: Option<String>,
        /// The step's segments.
        ids: Vec<String>,
    },
    /// Not a metric to select by.
    #[error("`{name}` is not a metric of this dataset: {}", names.join(", "))]
    Metric {
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<&'static str>,
    },
    /// An epoch has fewer batches than are added up for a step.
    #[error(
        "no step in an epoch of {n_samples} samples: too few batches for `accumulate`, and \
         `remainder` is `drop`"
    )]
    NoStep {
        /// Samples of the training split.
        n_samples: usize,
    },
    /// No epoch had a validation error that is a number.
    #[error("no validation error in {epochs} epochs was a number")]
    NothingSelected {
        /// Number of epochs.
        epochs: usize,
    },
}

impl Advise for FitError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            FitError::Diverged { epoch: 1, .. } => vec![TrainerAdvice::LowerRate.into()],
            FitError::Diverged { .. } => vec![TrainerAdvice::LowerRateAfterBest.into()],
            FitError::Metric { .. }
            | FitError::NoStep { .. }
            | FitError::NothingSelected { .. } => Vec::new(),
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
