//! The learning rate of every epoch.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::named;

/// How the learning rate moves over the epochs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Linear warm-up, then a cosine: paper Table 9 («Warm Up», «Cosine Annealing»), in the exact
    /// sequence of Haoyu-ha/ALMT `core/scheduler.py`, a `CosineAnnealingLR` inside a
    /// `GradualWarmupScheduler`.
    #[default]
    WarmupCosine,
    /// The base rate in every epoch.
    Constant,
}

impl Schedule {
    /// All of them.
    pub const ALL: [Schedule; 2] = [Schedule::WarmupCosine, Schedule::Constant];

    /// The name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Schedule::WarmupCosine => "warmup-cosine",
            Schedule::Constant => "constant",
        }
    }

    /// Whether this is the published schedule.
    pub fn is_published(&self) -> bool {
        *self == Schedule::default()
    }

    /// Learning rate during `epoch` (counted from 1) of `n_epochs`.
    pub fn learning_rate(self, base: f64, epoch: usize, n_epochs: usize) -> f64 {
        match self {
            Schedule::WarmupCosine => warm_up_and_cosine(base, epoch, n_epochs),
            Schedule::Constant => base,
        }
    }
}

named!(Schedule);

/// Learning rate during `epoch` (counted from 1) of `n_epochs`.
///
/// The warm-up lasts the first tenth: the first epoch runs with a rate of exactly 0, in which
/// only the optimizer's moments advance. At the hand-over the released code reads the cosine
/// scheduler without stepping it, so that the base rate is used twice and the cosine lags by one
/// epoch; it never reaches 0.
fn warm_up_and_cosine(base: f64, epoch: usize, n_epochs: usize) -> f64 {
    let warm_up = 0.1 * n_epochs as f64;
    let cosine = 0.9 * n_epochs as f64;
    let t = epoch as f64 - 1.0;
    if t <= warm_up {
        return base * t / warm_up;
    }
    // The first epoch after the warm-up has t = floor(warm_up) + 1.
    let step = t - warm_up.floor() - 1.0;
    base * (1.0 + (PI * step / cosine).cos()) / 2.0
}
