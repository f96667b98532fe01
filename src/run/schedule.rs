//! Learning rate schedules.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::UnknownName;

/// How a learning rate moves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The base rate all the time.
    Constant {},
    /// Linear warm-up, then a cosine, a rate per epoch: paper Table 9 («Warm Up», «Cosine Annealing»), in
    /// the exact sequence of Haoyu-ha/ALMT `core/scheduler.py`, a `CosineAnnealingLR` inside a
    /// `GradualWarmupScheduler`.
    WarmupCosine {},
    /// Linear warm-up over a share of all steps, then linear decay to 0, a rate per step
    /// (`get_linear_schedule_with_warmup` of Hugging Face's transformers).
    LinearWarmup {
        /// Share of all steps, in [0, 1].
        #[serde(default = "tenth")]
        share: f64,
    },
    /// The rate is multiplied by `factor` whenever more than `patience` epochs in a row had no validation
    /// error that is better by a share of 1e-4 (PyTorch's `ReduceLROnPlateau`).
    Plateau {
        /// The error.
        #[serde(default, skip_serializing_if = "Watched::is_default")]
        metric: Watched,
        /// What the rate is multiplied by.
        #[serde(default = "tenth")]
        factor: f64,
        /// Epochs without a better one that pass without a change.
        #[serde(default = "ten")]
        patience: usize,
    },
}

/// An error on the validation split that a schedule goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Watched {
    /// The mean absolute error, of clipped values where the dataset's metrics clip.
    #[default]
    Mae,
    /// What the model's task minimises.
    Loss,
}

impl Watched {
    fn is_default(&self) -> bool {
        *self == Watched::default()
    }
}

/// Validation errors of all previous epochs.
#[derive(Debug, Clone, Default)]
pub struct Validation {
    /// Mean absolute errors.
    pub mae: Vec<f64>,
    /// Task losses; NaN if the recipe does not use them.
    pub loss: Vec<f64>,
}

impl Validation {
    fn of(&self, watched: Watched) -> &[f64] {
        match watched {
            Watched::Mae => &self.mae,
            Watched::Loss => &self.loss,
        }
    }
}

// Without fields: serde accepts any further key in a unit variant with a tag.
impl Default for Schedule {
    fn default() -> Schedule {
        Schedule::Constant {}
    }
}

fn tenth() -> f64 {
    0.1
}

fn ten() -> usize {
    10
}

/// Position of a step within its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Counted from 1.
    pub epoch: usize,
    /// Epochs of the run.
    pub n_epochs: usize,
    /// Optimizer steps taken so far.
    pub n_steps: usize,
    /// Optimizer steps per epoch.
    pub steps_per_epoch: usize,
}

impl Schedule {
    /// Names on the command line, with their schedules.
    pub const NAMED: [(&str, Schedule); 4] = [
        ("warmup-cosine", Schedule::WarmupCosine {}),
        ("constant", Schedule::Constant {}),
        ("linear-warmup", Schedule::LinearWarmup { share: 0.1 }),
        ("plateau", Schedule::Plateau { metric: Watched::Mae, factor: 0.1, patience: 10 }),
    ];

    /// Whether the rate changes within an epoch.
    pub fn is_per_step(&self) -> bool {
        matches!(self, Schedule::LinearWarmup { .. })
    }

    /// Whether it depends on the validation loss.
    pub fn watches_loss(&self) -> bool {
        matches!(self, Schedule::Plateau { metric: Watched::Loss, .. })
    }

    /// The learning rate at a moment.
    pub fn learning_rate(self, base: f64, at: Moment, valid: &Validation) -> f64 {
        match self {
            Schedule::WarmupCosine {} => warm_up_and_cosine(base, at.epoch, at.n_epochs),
            Schedule::Constant {} => base,
            Schedule::LinearWarmup { share } => {
                let all = (at.n_epochs * at.steps_per_epoch) as f64;
                let (warm_up, step) = ((share * all).floor(), at.n_steps as f64);
                match step < warm_up {
                    true => base * step / warm_up,
                    false => base * ((all - step) / (all - warm_up).max(1.0)).max(0.0),
                }
            }
            Schedule::Plateau { metric, factor, patience } => {
                plateau(base, factor, patience, valid.of(metric))
            }
        }
    }
}

impl std::str::FromStr for Schedule {
    type Err = UnknownName;

    fn from_str(found: &str) -> Result<Schedule, UnknownName> {
        let known = Schedule::NAMED.iter().find(|(name, _)| *name == found);
        known.map(|(_, schedule)| *schedule).ok_or_else(|| UnknownName {
            found: found.into(),
            expected: Schedule::NAMED.iter().map(|(name, _)| *name).collect(),
        })
    }
}

/// Smaller changes are skipped.
const SMALLEST_CHANGE: f64 = 1e-8;

/// The rate after epochs with the validation errors `valid`.
fn plateau(base: f64, factor: f64, patience: usize, valid: &[f64]) -> f64 {
    let (mut lr, mut best, mut n_worse) = (base, f64::INFINITY, 0);
    for error in valid {
        if *error < best * (1.0 - 1e-4) {
            best = *error;
            n_worse = 0;
        } else {
            n_worse += 1;
        }
        if n_worse > patience {
            n_worse = 0;
            if lr - lr * factor > SMALLEST_CHANGE {
                lr *= factor;
            }
        }
    }
    lr
}

/// Learning rate during `epoch` (counted from 1) of `n_epochs`.
///
/// The warm-up lasts the first tenth: the first epoch runs with a rate of exactly 0, in which only the
/// optimizer's moments advance. At the transition the released code reads the cosine scheduler without
/// stepping it, so the base rate is used twice and the cosine lags by one epoch; it never reaches 0.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n_steps: usize) -> Moment {
        Moment { epoch: 1, n_epochs: 2, n_steps, steps_per_epoch: 10 }
    }

    #[test]
    fn a_linear_warm_up_rises_to_the_base_and_falls_to_zero() {
        let rate = |n| {
            Schedule::LinearWarmup { share: 0.1 }.learning_rate(1.0, at(n), &Validation::default())
        };
        assert_eq!([rate(0), rate(1), rate(2)], [0.0, 0.5, 1.0]);
        assert!((rate(11) - 0.5).abs() < 1e-12);
        assert!(rate(19) > 0.0 && rate(20) == 0.0);
    }

    #[test]
    fn a_plateau_counts_epochs_that_are_hardly_better() {
        let rate = |valid: &[f64]| {
            let valid = Validation { mae: valid.into(), loss: vec![] };
            let metric = Watched::Mae;
            let schedule = Schedule::Plateau { metric, factor: 0.1, patience: 1 };
            schedule.learning_rate(1.0, at(0), &valid)
        };
        assert_eq!(rate(&[1.0, 0.5]), 1.0);
        // An improvement by less than a share of 1e-4 does not count.
        assert_eq!(rate(&[1.0, 0.99999]), 1.0);
        assert_eq!(rate(&[1.0, 0.99999, 0.99998]), 0.1);
        assert!((rate(&[1.0, 1.0, 1.0, 1.0, 1.0]) - 0.01).abs() < 1e-12);
        assert_eq!(rate(&[1.0, f64::NAN, 0.9]), 1.0);
    }

    /// Rates after each epoch of PyTorch 2.11's `torch.optim.lr_scheduler.ReduceLROnPlateau` (`mode`
    /// and `threshold_mode` at their defaults) for these errors.
    #[test]
    fn plateaus_are_those_of_pytorch() {
        const NAN: f64 = f64::NAN;
        // Factor, patience, base rate, errors, rates.
        type Case<'a> = (f64, usize, f64, &'a [f64], &'a [f64]);
        let cases: [Case<'_>; 6] = [
            (
                0.1,
                2,
                1e-3,
                &[1.0, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8],
                &[1e-3, 1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 1e-5, 1e-5],
            ),
            // Just above and just below the threshold.
            (
                0.5,
                1,
                0.02,
                &[1.0, 0.99995, 0.9999, 0.99985, 0.9998, 0.9997, 0.9996, 0.9996, 0.9995],
                &[0.02, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01],
            ),
            (
                0.5,
                0,
                1.0,
                &[1.0, NAN, 0.9, 0.9, NAN, 0.5, 0.6],
                &[1.0, 0.5, 0.5, 0.25, 0.125, 0.125, 0.0625],
            ),
            // The last change would be smaller than 1e-8.
            (0.1, 0, 1e-6, &[1.0, 1.0, 1.0, 1.0, 1.0], &[1e-6, 1e-7, 1e-8, 1e-8, 1e-8]),
            // Below zero, an unchanged error counts as better.
            (0.5, 1, 1.0, &[-1.0, -1.00005, -1.0002, -1.1, -1.1, -1.1], &[1.0; 6]),
            (
                0.3,
                3,
                5e-3,
                &[1.0, 2.0, 3.0, 2.0, 1.5, 1.4, 1.3, 1.2, 1.1, 1.05, 0.99],
                &[5e-3, 5e-3, 5e-3, 5e-3, 1.5e-3, 1.5e-3, 1.5e-3, 1.5e-3, 4.5e-4, 4.5e-4, 4.5e-4],
            ),
        ];
        for (factor, patience, base, errors, expected) in cases {
            // Independent of the other error.
            let other: Vec<f64> = errors.iter().map(|error| 100.0 - error).collect();
            for metric in [Watched::Mae, Watched::Loss] {
                let schedule = Schedule::Plateau { metric, factor, patience };
                for (n_done, expected) in (1..).zip(expected) {
                    let (own, other) = (errors[..n_done].to_vec(), other[..n_done].to_vec());
                    let valid = match metric {
                        Watched::Mae => Validation { mae: own, loss: other },
                        Watched::Loss => Validation { mae: other, loss: own },
                    };
                    let found = schedule.learning_rate(base, at(0), &valid);
                    assert!((found - expected).abs() < 1e-12 * base, "{errors:?}: {found}");
                }
            }
        }
    }

    #[test]
    fn schedules_are_written_with_their_kind() {
        let schedule: Schedule = toml::from_str("kind = \"plateau\"\npatience = 3").unwrap();
        let metric = Watched::Mae;
        assert_eq!(schedule, Schedule::Plateau { metric, factor: 0.1, patience: 3 });
        // As written by versions that knew no other.
        assert!(!toml::to_string(&schedule).unwrap().contains("metric"));
        let loss = "kind = \"plateau\"\nmetric = \"loss\"";
        assert!(toml::from_str::<Schedule>(loss).unwrap().watches_loss());
        let other = "kind = \"plateau\"\nmetric = \"Corr\"";
        assert!(toml::from_str::<Schedule>(other).is_err());
        assert!(toml::from_str::<Schedule>("kind = \"constant\"\nshare = 1").is_err());
    }
}
