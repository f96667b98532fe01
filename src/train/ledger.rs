//! Losses of an epoch's steps. They stay on the device during the epoch, because reading a value would
//! wait for all previous work, and are copied to the host once at the end.

use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::TrainError;
use super::data::TrainingSplit;
use super::fit_error::FitError;
use crate::model::contract::Losses as ModelLosses;
use crate::run::recipe::Phase;
use crate::run::record::TermMean;

/// Names of the terms of a loss, in order.
pub(super) type TermNames = Rc<[&'static str]>;

/// Errors of one model over an epoch.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    /// The mean of the last phase's loss.
    pub(super) loss: f64,
    pub(super) absolute: f64,
    /// Each term of each phase, if there are several.
    pub(super) terms: Vec<TermMean>,
}

/// Loss values of several models.
pub(super) struct Values {
    /// `[n_models]`.
    pub(super) total: Tensor,
    /// `[n_terms, n_models]`, if there are several terms.
    pub(super) terms: Option<Tensor>,
}

impl Values {
    /// Combines the terms of all models, which have the same names.
    pub(super) fn of(losses: &[ModelLosses]) -> (TermNames, Values) {
        let totals: Vec<Tensor> = losses.iter().map(ModelLosses::total).collect();
        let names: TermNames =
            losses.first().into_iter().flat_map(|of| &of.terms).map(|(name, _)| *name).collect();
        let terms = (names.len() > 1).then(|| {
            let value = |model: &ModelLosses, idx: usize| {
                model.terms[idx].1.detach().to_kind(Kind::Float).view([])
            };
            let all: Vec<Tensor> = (0..names.len())
                .flat_map(|idx| losses.iter().map(move |model| value(model, idx)))
                .collect();
            Tensor::stack(&all, 0).view([names.len() as i64, losses.len() as i64])
        });
        (names, Values { total: Tensor::stack(&totals, 0), terms })
    }
}

/// A step whose losses are recorded.
#[derive(Debug)]
struct Step {
    phase_idx: usize,
    /// Per model.
    n_samples: usize,
    names: TermNames,
}

/// The losses of an epoch, step by step.
#[derive(Debug)]
pub(super) struct Ledger {
    n_phases: usize,
    steps: Vec<Step>,
    /// For each step, the total, `[n_models]`, and the terms if there are several.
    rows: Vec<Tensor>,
    /// Sums over the last phase, `[n_models]` each.
    loss_sum: Tensor,
    absolute_sum: Tensor,
    n_done: usize,
}

impl Ledger {
    pub(super) fn new(n_phases: usize, n_models: usize, device: Device) -> Ledger {
        let zeros = || Tensor::zeros([n_models as i64], (Kind::Float, device));
        let (steps, rows) = (Vec::new(), Vec::new());
        Ledger { n_phases, steps, rows, loss_sum: zeros(), absolute_sum: zeros(), n_done: 0 }
    }

    /// Number of steps so far, over all phases.
    pub(super) fn n_steps(&self) -> usize {
        self.steps.len()
    }

    /// Adds a step of `n_samples` samples per model, with their sums of absolute errors, `[n_models]`.
    /// `values` is stored, `absolute` only summed.
    pub(super) fn take(
        &mut self,
        phase_idx: usize,
        n_samples: usize,
        names: TermNames,
        values: Values,
        absolute: &Tensor,
    ) {
        self.steps.push(Step { phase_idx, n_samples, names });
        self.rows.push(values.total.shallow_clone());
        self.rows.extend(values.terms.iter().flat_map(|terms| terms.unbind(0)));
        // An epoch reports its last phase.
        if phase_idx + 1 == self.n_phases {
            self.loss_sum += values.total * n_samples as f64;
            self.absolute_sum += absolute;
            self.n_done += n_samples;
        }
    }

    /// Mean loss and mean absolute error over the finished part of the last phase. Waits for the
    /// device.
    pub(super) fn means(&self) -> (f64, f64) {
        let mean =
            |sum: &Tensor| sum.mean(Kind::Float).double_value(&[]) / self.n_done.max(1) as f64;
        (mean(&self.loss_sum), mean(&self.absolute_sum))
    }

    /// Each step's total, from the result of [`values`](Ledger::values) for a single model.
    #[cfg(test)]
    pub(super) fn totals(&self, values: &[f32]) -> Vec<f32> {
        let mut rows = values.iter();
        let mut total = |step: &Step| {
            let total = *rows.next().unwrap();
            if step.names.len() > 1 {
                let _ = rows.nth(step.names.len() - 1);
            }
            total
        };
        self.steps.iter().map(&mut total).collect()
    }

    /// Input of [`losses`](Ledger::losses), `[n_rows, n_models]`.
    pub(super) fn values(&self) -> Tensor {
        let sums = [&self.loss_sum, &self.absolute_sum];
        let rows: Vec<&Tensor> = self.rows.iter().chain(sums).collect();
        Tensor::stack(&rows, 0)
    }

    /// Each model's errors over the epoch, from the result of [`values`](Ledger::values). `samples_of`
    /// returns the samples of a step, given phase, step in the phase and model, and those of the batch
    /// before; `has_checkpoint` whether a model has a checkpoint.
    ///
    /// # Errors
    /// A step's loss was not finite.
    pub(super) fn losses(
        &self,
        at: (usize, &[Phase]),
        values: &[f32],
        split: &TrainingSplit,
        samples_of: impl Fn(usize, usize, usize) -> [Vec<usize>; 2],
        has_checkpoint: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<Losses>, TrainError> {
        let (epoch, phases) = at;
        let n_models = self.loss_sum.size()[0] as usize;
        let (steps, sums) = values.split_at(values.len().saturating_sub(2 * n_models));
        let mut rows = steps.chunks(n_models);
        let (loss, absolute) = sums.split_at(n_models);
        let mean = |sum: &f32| f64::from(*sum) / self.n_done.max(1) as f64;
        let of_model = |(loss, absolute)| Losses {
            loss: mean(loss),
            absolute: mean(absolute),
            terms: Vec::new(),
        };
        let mut losses: Vec<Losses> = loss.iter().zip(absolute).map(of_model).collect();
        let own = |phase_idx: usize| self.steps.iter().filter(move |it| it.phase_idx == phase_idx);
        for (step, Step { phase_idx, n_samples: n_batch, names }) in self.steps.iter().enumerate() {
            let n_samples = own(*phase_idx).map(|it| it.n_samples).sum::<usize>() as f64;
            let total = rows.next().unwrap_or_default();
            let terms: Vec<&[f32]> = match names.len() {
                0 | 1 => vec![total],
                n_terms => rows.by_ref().take(n_terms).collect(),
            };
            let phase = phases.get(*phase_idx).map(|phase| phase.name.as_str()).unwrap_or_default();
            if let Some(idx) = total.iter().position(|loss| !loss.is_finite()) {
                let is_it = |(_, term): &(&&str, &&[f32])| !term[idx].is_finite();
                let term = names
                    .iter()
                    .zip(&terms)
                    .find(is_it)
                    .filter(|_| names.len() > 1 || phases.len() > 1);
                let n_before =
                    self.steps[..step].iter().filter(|it| it.phase_idx < *phase_idx).count();
                let [ids, before] = samples_of(*phase_idx, step - n_before, idx).map(|samples| {
                    samples.into_iter().map(|idx| split.ids()[idx].clone()).collect()
                });
                return Err(FitError::Diverged {
                    epoch,
                    step: step + 1,
                    loss: total[idx],
                    term: term.map(|(name, _)| format!("{phase}.{name}")),
                    ids,
                    before,
                    has_checkpoint: has_checkpoint(idx),
                }
                .into());
            }
            for (name, values) in names.iter().zip(&terms) {
                for (losses, value) in losses.iter_mut().zip(*values) {
                    let part = f64::from(*value) * *n_batch as f64 / n_samples;
                    let terms = &mut losses.terms;
                    match terms.iter_mut().find(|it| it.phase == phase && it.term == **name) {
                        Some(it) => it.mean += part,
                        None => {
                            let (phase, term) = (phase.to_owned(), (*name).to_owned());
                            terms.push(TermMean { phase, term, mean: part });
                        }
                    }
                }
            }
        }
        // A single term equals the loss.
        losses.iter_mut().filter(|it| it.terms.len() == 1).for_each(|it| it.terms.clear());
        Ok(losses)
    }
}
