//! What experiments would take.

use std::collections::BTreeMap;

use super::plan::{LeftOutReason, RowPlan};
use super::reproduction::Reproduction;
use crate::reproduce::Experiment;
use crate::train::run;
use crate::trainer::error::TrainerError;
use crate::trainer::note::Note;

/// What experiments would take on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Each of them.
    pub experiments: Vec<ExperimentEstimate>,
}

/// What an experiment would take.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentEstimate {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// Its models; none where it trains nothing.
    pub rows: Vec<RowEstimate>,
}

/// What a model would take.
#[derive(Debug, Clone, PartialEq)]
pub struct RowEstimate {
    /// As the paper calls it.
    pub name: String,
    /// What is to do.
    pub work: RowWork,
}

/// What there is to do for a model.
#[derive(Debug, Clone, PartialEq)]
pub enum RowWork {
    /// Runs, one after another.
    Runs {
        /// Runs that are not complete.
        n_left: usize,
        /// All of them.
        n_runs: usize,
        /// What those that are left would take, from measured steps.
        seconds: f64,
    },
    /// Those of a model before it, which is the same.
    SameAs {
        /// Name of its experiment.
        experiment: String,
        /// Its name there.
        row: String,
    },
    /// None, since the store cannot have the model.
    LeftOut(LeftOutReason),
}

impl Estimate {
    fn work(&self) -> impl Iterator<Item = &RowWork> {
        self.experiments.iter().flat_map(|it| &it.rows).map(|row| &row.work)
    }

    /// Runs that are not complete.
    pub fn n_left(&self) -> usize {
        let n_left = |work: &RowWork| match work {
            RowWork::Runs { n_left, .. } => *n_left,
            RowWork::SameAs { .. } | RowWork::LeftOut(_) => 0,
        };
        self.work().map(n_left).sum()
    }

    /// What they would take one after another.
    pub fn seconds(&self) -> f64 {
        let seconds = |work: &RowWork| match work {
            RowWork::Runs { seconds, .. } => *seconds,
            RowWork::SameAs { .. } | RowWork::LeftOut(_) => 0.0,
        };
        // A sum of nothing would be -0.
        self.work().map(seconds).fold(0.0, |sum, of_row| sum + of_row)
    }
}

impl Reproduction {
    /// What experiments would take, from a few steps of each model, which are measured. Nothing is written.
    ///
    /// # Errors
    /// A folder holds a run with different settings, or a step fails.
    pub fn estimate(
        &mut self,
        experiments: &[&Experiment],
        note: &mut dyn FnMut(Note),
    ) -> Result<Estimate, TrainerError> {
        let mut seen = BTreeMap::new();
        let mut estimates = Vec::new();
        for experiment in experiments {
            let (name, title) = (experiment.name.clone(), experiment.title.clone());
            let mut rows = Vec::new();
            for row in &experiment.rows {
                let work = match self.plan(row)? {
                    RowPlan::LeftOut(reason) => RowWork::LeftOut(reason),
                    RowPlan::Trained(runs) => match seen.get(&runs.model) {
                        Some((experiment, row)) => RowWork::SameAs {
                            experiment: String::clone(experiment),
                            row: String::clone(row),
                        },
                        None => {
                            seen.insert(runs.model.clone(), (name.clone(), row.name.clone()));
                            let seeds = self.options.seeds.iter();
                            let done = seeds.map(|seed| self.is_complete(&runs, *seed));
                            let done = done.collect::<Result<Vec<bool>, _>>()?;
                            let n_left = done.iter().filter(|is_done| !**is_done).count();
                            let epochs = runs.settings.hyper_parameters.training.epochs;
                            let of_epoch = match n_left {
                                0 => 0.0,
                                _ => {
                                    let data = self.data(&runs.settings, note)?;
                                    run::epoch_seconds(&runs.settings, data)?
                                }
                            };
                            let seconds = n_left as f64 * epochs as f64 * of_epoch;
                            RowWork::Runs { n_left, n_runs: done.len(), seconds }
                        }
                    },
                };
                rows.push(RowEstimate { name: row.name.clone(), work });
            }
            estimates.push(ExperimentEstimate { name, title, rows });
        }
        Ok(Estimate { experiments: estimates })
    }
}
