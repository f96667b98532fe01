//! Which experiments a store can have, which runs these are, and why a model is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::encoder::ModelEncoder;
use super::reproduction::Reproduction;
use crate::corpus::{Modality, SplitName};
use crate::model::registry::{Inputs, ModelSpec};
use crate::reproduce::{Experiment, ExperimentChoice, Row};
use crate::run::metrics::MAE;
use crate::run::preset::Remainder;
use crate::run::settings::{Precision, TrainSettings};
use crate::train::run::Start;
use crate::train::{FitError, device};
use crate::trainer::error::{StoreProblem, TrainerError};
use crate::trainer::note::Note;
use crate::trainer::samples::absolute;
use crate::trainer::schema;
use crate::trainer::sweep::{Kept, kept};

/// Why a store cannot have a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeftOutReason {
    /// A modality that the model is to do without is absent anyway.
    #[error("the store has no {0}")]
    NoModality(Modality),
    /// There is no such model of the modalities that the store has, or of these runs.
    #[error("{0}")]
    NoModel(String),
    /// An epoch has fewer batches than a step of the model's trainer.
    #[error("{}", FitError::NoStep { n_samples: *n_samples })]
    NoStep {
        /// Samples of the training split.
        n_samples: usize,
    },
}

/// What becomes of a model of an experiment.
pub(super) enum RowPlan {
    /// It is trained.
    Trained(Box<ModelRuns>),
    /// It is left out.
    LeftOut(LeftOutReason),
}

/// The runs of one model.
pub(super) struct ModelRuns {
    /// Their settings, but for the seed.
    pub settings: TrainSettings,
    /// Name of the folder around theirs, which tells models apart.
    pub model: String,
}

impl ModelRuns {
    /// The settings of one of them.
    pub fn of_seed(&self, seed: u64) -> TrainSettings {
        TrainSettings { seed, ..self.settings.clone() }
    }
}

/// A run that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLeft {
    /// Its folder.
    pub folder: PathBuf,
    /// Its model, by the name of the folder around it.
    pub model: String,
    /// Its seed.
    pub seed: u64,
}

impl Reproduction {
    /// The experiments that are chosen, without those that the store cannot have: where one was asked for
    /// by its name that is an error, else a note.
    ///
    /// # Errors
    /// The experiment is about another dataset, or the store lacks a test split for it.
    pub fn choose(
        &self,
        choice: ExperimentChoice,
        note: &mut dyn FnMut(Note),
    ) -> Result<Vec<&'static Experiment>, TrainerError> {
        let store = self.samples.store();
        let has_test = self.samples.has(SplitName::Test);
        let mut chosen = choice.experiments(self.dataset);
        let is_missed = |experiment: &Experiment| experiment.kind.needs_test() && !has_test;
        if let ExperimentChoice::One(experiment) = choice {
            let (title, dataset) = (experiment.title.clone(), self.dataset);
            let problem = match experiment.is_about(dataset) {
                false => StoreProblem::OtherExperiment { title, dataset },
                true if is_missed(experiment) => StoreProblem::NoTest { title },
                true => return Ok(chosen),
            };
            return Err(TrainerError::unfit(store.path(), problem));
        }
        chosen.retain(|experiment| {
            let is_missed = is_missed(experiment);
            if is_missed {
                note(Note::NoTest { title: experiment.title.clone() });
            }
            !is_missed
        });
        Ok(chosen)
    }

    /// The runs of some experiments that are not complete, each once.
    ///
    /// # Errors
    /// A folder holds a run with different settings, or cannot be read.
    pub fn runs_left(&self, experiments: &[&Experiment]) -> Result<Vec<RunLeft>, TrainerError> {
        let mut left = BTreeMap::new();
        for row in experiments.iter().flat_map(|experiment| &experiment.rows) {
            let RowPlan::Trained(runs) = self.plan(row)? else { continue };
            for seed in self.options.seeds.iter().copied() {
                if !self.is_complete(&runs, seed)? {
                    let folder = self.run_folder(&runs.model, seed);
                    left.insert(
                        folder.clone(),
                        RunLeft { folder, model: runs.model.clone(), seed },
                    );
                }
            }
        }
        Ok(left.into_values().collect())
    }

    /// The models of some experiments that are left out for want of steps in an epoch, by the paper's names.
    ///
    /// # Errors
    /// A model's recipe cannot be made.
    pub fn without_steps(
        &self,
        experiments: &[&Experiment],
    ) -> Result<BTreeSet<String>, TrainerError> {
        let mut names = BTreeSet::new();
        for row in experiments.iter().flat_map(|experiment| &experiment.rows) {
            if let RowPlan::LeftOut(LeftOutReason::NoStep { .. }) = self.plan(row)? {
                names.insert(row.name.clone());
            }
        }
        Ok(names)
    }

    /// Whether a run is there and has come to its end.
    pub(super) fn is_complete(&self, runs: &ModelRuns, seed: u64) -> Result<bool, TrainerError> {
        let folder = self.run_folder(&runs.model, seed);
        let found = kept(&folder, &runs.of_seed(seed), Start::New)?;
        Ok(matches!(found, Some(Kept::Complete(_))))
    }

    /// What becomes of a model.
    pub(super) fn plan(&self, row: &Row) -> Result<RowPlan, TrainerError> {
        if let Some(reason) = &row.missing {
            return Ok(RowPlan::LeftOut(LeftOutReason::NoModel(reason.clone())));
        }
        let absent = row.without.iter().find(|modality| !self.modalities.contains(modality));
        if let Some(absent) = absent {
            return Ok(RowPlan::LeftOut(LeftOutReason::NoModality(*absent)));
        }
        let has_encoder = self.encoder.is_some();
        let base = row.base(&self.preset, self.dataset, self.options.epochs, has_encoder);
        let mut hyper_parameters =
            base.and_then(|base| row.hyper_parameters(&base)).map_err(TrainerError::Setting)?;
        if self.options.steps_remainder {
            hyper_parameters.training.remainder = Remainder::Step;
        }
        let model = &hyper_parameters.model;
        let encoder = self.encoder_of(model);
        if model.needs().pooler && encoder.is_none() {
            let reason = "it works inside a text encoder, and none is given";
            return Ok(RowPlan::LeftOut(LeftOutReason::NoModel(reason.into())));
        }
        let n_samples = self.samples.n_samples(SplitName::Train);
        if !hyper_parameters.has_steps(n_samples) {
            return Ok(RowPlan::LeftOut(LeftOutReason::NoStep { n_samples }));
        }
        let is_seen = |modality: &Modality| !row.without.contains(modality);
        let mut modalities: Vec<Modality> =
            self.modalities.iter().copied().filter(is_seen).collect();
        if encoder.is_some() && !modalities.contains(&Modality::Text) {
            modalities.insert(0, Modality::Text);
        }
        if let Some(reason) = model.problem(&self.inputs_of(model, &modalities)) {
            return Ok(RowPlan::LeftOut(LeftOutReason::NoModel(reason)));
        }
        let store = self.samples.store();
        let choice = encoder.map(|encoder| encoder.choice(&hyper_parameters));
        let read = encoder.map(|encoder| &encoder.pretrained).zip(choice.as_ref());
        let data_schema = Some(schema::of_run(&self.samples, &modalities, read));
        let settings = TrainSettings {
            dataset: self.dataset,
            store: absolute(store.path()),
            store_digest: store.manifest().digest.clone(),
            modalities,
            seed: 0,
            select: match row.model {
                Some(_) => hyper_parameters.training.select.clone(),
                None => MAE.id.into(),
            },
            patience: hyper_parameters.training.patience.filter(|_| row.model.is_some()),
            device: device::name(self.device),
            precision: Precision::default(),
            form: None,
            together_with: vec![],
            n_threads: tch::get_num_threads(),
            writer: concat!("almt-data ", env!("CARGO_PKG_VERSION")).into(),
            libtorch: crate::train::libtorch_version(),
            command: self.options.command.clone(),
            split_manifest: None,
            valid_from_train: self.draw,
            text_encoder: choice,
            init_from: None,
            data_schema,
            label_scale: None,
            label_map: None,
            hyper_parameters,
        };
        Ok(RowPlan::Trained(Box::new(ModelRuns { settings, model: self.model(row)? })))
    }

    /// The name of a model's folder.
    pub(super) fn model(&self, row: &Row) -> Result<String, TrainerError> {
        row.folder(&self.preset).map_err(TrainerError::Setting)
    }

    /// Extents of some of the store's modalities.
    pub(super) fn inputs(&self, modalities: &[Modality]) -> Inputs {
        let mut inputs = self.samples.sequences();
        inputs.retain(|modality, _| modalities.contains(modality));
        Inputs(inputs)
    }

    /// The encoder of a model, if it works inside one and one is given.
    pub(super) fn encoder_of(&self, model: &ModelSpec) -> Option<&ModelEncoder> {
        self.encoder.as_ref().filter(|_| model.needs().pooler)
    }

    /// Extents of the inputs of a model: of the store's features, or of the output of its encoder.
    pub(super) fn inputs_of(&self, model: &ModelSpec, modalities: &[Modality]) -> Inputs {
        let mut inputs = self.inputs(modalities);
        if let Some(encoder) = self.encoder_of(model) {
            inputs.0.insert(Modality::Text, encoder.text(&self.samples));
        }
        inputs
    }
}
