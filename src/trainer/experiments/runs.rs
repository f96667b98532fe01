//! The runs of a model: those that are there are kept, the others trained, and all summarised.

use std::collections::BTreeMap;

use super::plan::{ModelRuns, RowPlan};
use super::progress::ReproduceProgress;
use super::reproduction::Reproduction;
use crate::corpus::Modality;
use crate::model::contract::Needs;
use crate::paper;
use crate::pretrained::Pretrained;
use crate::reproduce::{Experiment, Row, RowOutcome};
use crate::run::folder::clear_complete;
use crate::run::record::RunResult;
use crate::run::seeds::spread;
use crate::run::settings::TrainSettings;
use crate::train::data::TrainingData;
use crate::train::progress::TrainProgress;
use crate::train::run::Start;
use crate::trainer::error::TrainerError;
use crate::trainer::note::Note;
use crate::trainer::session::load;
use crate::trainer::sweep::{Kept, kept, train_or_keep};

impl Reproduction {
    /// Does one run, of those that [`runs_left`](Reproduction::runs_left) names; `command` is the call that
    /// asked for it, for the record.
    ///
    /// # Errors
    /// No experiment has such a model, its folder holds a run with different settings, or the run fails.
    pub fn train(
        &mut self,
        model: &str,
        seed: u64,
        command: &[String],
        progress: &mut dyn TrainProgress,
        note: &mut dyn FnMut(Note),
    ) -> Result<RunResult, TrainerError> {
        for row in Experiment::all().iter().flat_map(|experiment| &experiment.rows) {
            let RowPlan::Trained(runs) = self.plan(row)? else { continue };
            if runs.model == model {
                let command = command.to_vec();
                let settings = TrainSettings { command, ..runs.of_seed(seed) };
                return self.train_one(&settings, model, progress, note);
            }
        }
        Err(TrainerError::Setting(format!("no model has the folder `{model}`")))
    }

    fn train_one(
        &mut self,
        settings: &TrainSettings,
        model: &str,
        progress: &mut dyn TrainProgress,
        note: &mut dyn FnMut(Note),
    ) -> Result<RunResult, TrainerError> {
        let (folder, device) = (self.run_folder(model, settings.seed), self.device);
        let data = self.data(settings, note)?;
        train_or_keep(settings, data, device, &folder, Start::New, progress)
    }

    /// Trains what is not there of a model, and summarises all of it.
    pub(super) fn measure(
        &mut self,
        row: &Row,
        progress: &mut dyn ReproduceProgress,
    ) -> Result<RowOutcome, TrainerError> {
        let runs = match self.plan(row)? {
            RowPlan::Trained(runs) => runs,
            RowPlan::LeftOut(reason) => return Ok(RowOutcome::LeftOut(reason.to_string())),
        };
        let results = self.results(&runs, progress)?;
        let settings = &runs.settings;
        let mut metrics = spread(settings.model(), self.dataset, &results);
        // The paper's figures for the row; where it has none, those of its tables of ALMT itself.
        let figures = match row.paper.get(&self.dataset) {
            Some(figures) => figures,
            None if settings.hyper_parameters == self.preset && row.without.is_empty() => {
                paper::almt(self.dataset)
            }
            None => &BTreeMap::new(),
        };
        for metric in &mut metrics {
            metric.paper = figures.get(&metric.metric).copied();
        }
        Ok(RowOutcome::Measured(metrics))
    }

    fn results(
        &mut self,
        runs: &ModelRuns,
        progress: &mut dyn ReproduceProgress,
    ) -> Result<Vec<RunResult>, TrainerError> {
        let mut results = Vec::new();
        for seed in self.options.seeds.clone() {
            let (folder, settings) = (self.run_folder(&runs.model, seed), runs.of_seed(seed));
            // Read before any data are, so that a grid that is complete needs none.
            results.push(match kept(&folder, &settings, Start::New)? {
                Some(Kept::Complete(result)) => {
                    clear_complete(&folder);
                    *result
                }
                Some(Kept::Stopped) | None => {
                    progress.run(&folder);
                    let device = self.device;
                    let data = self.data(&settings, &mut |note| progress.note(note))?;
                    train_or_keep(&settings, data, device, &folder, Start::New, progress)?
                }
            });
        }
        Ok(results)
    }

    /// The data of a run, which stay until a run needs others.
    pub(super) fn data(
        &mut self,
        settings: &TrainSettings,
        note: &mut dyn FnMut(Note),
    ) -> Result<&TrainingData, TrainerError> {
        let modalities = &settings.modalities;
        let wanted = (modalities.clone(), settings.hyper_parameters.model.needs());
        let stays = |(of, _): &((Vec<Modality>, Needs), TrainingData)| *of == wanted;
        let loaded = match self.loaded.take().filter(stays) {
            Some(loaded) => loaded,
            None => {
                let cache = self.samples.cache(&self.options.cache, modalities, self.device);
                let encoder = settings.text_encoder.as_ref();
                let encoder = encoder.map(|it| Pretrained::open(&it.path)).transpose()?;
                let data = load(&mut self.samples, settings, encoder, cache, self.device, note)?;
                (wanted, data)
            }
        };
        Ok(&self.loaded.insert(loaded).1)
    }
}
