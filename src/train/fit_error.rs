//! Why training failed.

use crate::advice::{Advice, Advise, TrainerAdvice};

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The loss is NaN or infinite.
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
        /// The first non-finite term, as `PHASE.TERM`, if there are several.
        term: Option<String>,
        /// The step's segments.
        ids: Vec<String>,
    },
    /// Unknown selection metric.
    #[error("`{name}` is not a metric of this dataset: {}", names.join(", "))]
    Metric {
        /// The requested metric.
        name: String,
        /// The available metrics.
        names: Vec<&'static str>,
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
            FitError::Diverged { epoch: 1, .. } => vec![TrainerAdvice::LowerRate.into()],
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
