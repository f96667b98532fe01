//! A run in progress: writes each epoch and the result to its folder.

use std::collections::BTreeMap;
use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, Tensor};

use super::checkpoint::{self, Checkpoint, CheckpointInfo};
use super::config::ModelConfig;
use super::data::TrainingData;
use super::predict::evaluate;
use super::weights::Tensors;
use super::{FitError, TrainError, attention, device, encoder};
use crate::corpus::SplitName;
use crate::corpus::degenerate::Degenerate;
use crate::run::folder::{ATTENTION, BEST, Log, PREDICTIONS, RESULT, io, write_json};
use crate::run::metrics::MAE;
use crate::run::predictions;
use crate::run::record::{EpochRecord, History, LOSS, RunResult};
use crate::run::schedule::Validation;
use crate::run::settings::TrainSettings;

/// A run and its folder.
pub(super) struct Ongoing<'a> {
    settings: &'a TrainSettings,
    config: &'a ModelConfig,
    out: &'a Path,
    log: Log,
    history: History<'a>,
}

impl<'a> Ongoing<'a> {
    /// A run with `n_done` completed epochs.
    pub(super) fn open(
        settings: &'a TrainSettings,
        config: &'a ModelConfig,
        out: &'a Path,
        n_done: usize,
    ) -> Result<Ongoing<'a>, TrainError> {
        let log = Log::open(out, n_done)?;
        let mut history = History::new(&settings.select);
        for record in &log.records {
            history.take(record);
        }
        Ok(Ongoing { settings, config, out, log, history })
    }

    /// Validation results of the epochs so far.
    pub(super) fn validation(&self) -> Validation {
        let all = |metric| self.log.records.iter().map(|record| record.valid(metric)).collect();
        Validation { mae: all(&MAE.id), loss: all(LOSS) }
    }

    /// Whether it stops early, because it did not improve for too long.
    pub(super) fn is_over(&self) -> bool {
        self.settings.patience.is_some_and(|patience| self.history.n_worse >= patience)
    }

    /// Whether an epoch so far had a validation error to select it by.
    pub(super) fn has_checkpoint(&self) -> bool {
        self.history.selected.is_some()
    }

    /// Records an epoch; `parameters` returns the parameters after it.
    pub(super) fn add(
        &mut self,
        record: &EpochRecord,
        parameters: impl FnOnce() -> Tensors,
    ) -> Result<(), TrainError> {
        self.log.add(record)?;
        if self.history.take(record) {
            let encoder = self.settings.text_encoder.as_ref();
            let info = CheckpointInfo {
                config: self.config.clone(),
                form: self.settings.form,
                tokens: encoder.map(|encoder| encoder.tokens.clone()).unwrap_or_default(),
                dataset: self.settings.dataset,
                label_scale: self.settings.label_scale.clone(),
                label_map: self.settings.label_map,
                store_digest: self.settings.store_digest.clone(),
                seed: self.settings.seed,
                epoch: record.epoch,
                data_schema: self.settings.data_schema.clone(),
            };
            checkpoint::save(&self.out.join(BEST), &parameters(), &info)?;
        }
        Ok(())
    }

    /// Writes the result, with the parameters and the memory after the last epoch.
    pub(super) fn finish(
        self,
        data: &TrainingData,
        device: Device,
        parameters: &Tensors,
        memory: &Tensors,
    ) -> Result<RunResult, TrainError> {
        let Ongoing { settings, out, log, history, .. } = self;
        // Predictions that are not finite give no error to select by.
        let epochs = settings.hyper_parameters.training.epochs;
        let selected = history.selected.ok_or(FitError::NothingSelected { epochs })?;
        let best = checkpoint::load(&out.join(BEST), device)?;
        encoder::freeze(settings, &best.vars);
        let degenerate = write_predictions(&best, data, &out.join(PREDICTIONS))?;
        write_attention(&best, data, &out.join(ATTENTION))?;
        let splits = [Some(&data.train), Some(&data.valid), data.test.as_ref()];
        let result = RunResult {
            selected,
            best_on_test_per_metric: history.best_on_test,
            seed: settings.seed,
            store_digest: settings.store_digest.clone(),
            checkpoint_blake3: super::weights::digest(&out.join(BEST))?,
            last_weights_blake3: checkpoint::digest(parameters.iter().chain(memory))?,
            n_epochs: log.records.len(),
            n_parameters: n_trained(&best.vars),
            n_samples: splits.into_iter().flatten().map(|s| (s.name(), s.n_samples())).collect(),
            writer: settings.writer.clone(),
            device: device::title(device),
            n_threads: tch::get_num_threads(),
            seconds: log.records.iter().map(|record| record.seconds).sum(),
            lengths: data.lengths.clone(),
            splits: data.splits,
            degenerate,
        };
        write_json(&out.join(RESULT), &result)?;
        Ok(result)
    }
}

/// Number of parameters that training changes.
fn n_trained(vars: &VarStore) -> usize {
    let parameters = vars.trainable_variables();
    // The list also has those that were frozen after they were made.
    parameters.iter().filter(|it| it.requires_grad()).map(Tensor::numel).sum()
}

/// Writes the predictions, and returns the splits on which they are nearly constant.
fn write_predictions(
    best: &Checkpoint,
    data: &TrainingData,
    path: &Path,
) -> Result<BTreeMap<SplitName, Degenerate>, TrainError> {
    let scale = best.info.scale();
    let (mut rows, mut degenerate) = (Vec::new(), BTreeMap::new());
    for split in [Some(&data.valid), data.test.as_ref()].into_iter().flatten() {
        let predicted = evaluate(best, split)?.1;
        let values: Vec<f32> = predicted.iter().map(|row| row.prediction).collect();
        let found = Degenerate::find(scale, &values, split.labels());
        degenerate.extend(found.map(|found| (split.name(), found)));
        rows.extend(predicted);
    }
    predictions::write(path, scale, &rows).map_err(io(path))?;
    Ok(degenerate)
}

/// Writes the attention of language on the reported split; nothing for a model without language
/// guidance.
fn write_attention(best: &Checkpoint, data: &TrainingData, path: &Path) -> Result<(), TrainError> {
    let split = data.test.as_ref().unwrap_or(&data.valid);
    attention::average(best, split)?.map_or(Ok(()), |record| Ok(write_json(path, &record)?))
}
