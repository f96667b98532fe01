//! How experiments come to their findings: metrics of several models, and what one of them does on its
//! way.

use std::path::PathBuf;

use super::plan::RowPlan;
use super::progress::ReproduceProgress;
use super::reproduction::Reproduction;
use super::result::{Findings, NoiseFindings, RepresentationFindings};
use crate::corpus::SplitName;
use crate::reproduce::noise;
use crate::reproduce::{
    AverageAttention, Convergence, Experiment, ExperimentKind, ExperimentTable, ModelEpochs,
    ModelSize, Representations, RobustnessPoint, Row, RowOutcome, TableRow, draw_segments,
};
use crate::run::RunError;
use crate::run::folder::{BEST, read_epochs};
use crate::train::TrainError;
use crate::train::attention::average;
use crate::train::checkpoint::{self, Checkpoint};
use crate::train::config::ModelConfig;
use crate::train::corrupt::{Corruption, CorruptionKind, Corruptions};
use crate::train::data::TrainingSplit;
use crate::train::network::config_for;
use crate::train::predict;
use crate::trainer::error::{StoreProblem, TrainerError};
use crate::trainer::samples::{Labels, Wanted};

/// Seed of what is drawn for a figure: samples, noise, resamples, the start of t-SNE.
const DRAW_SEED: u64 = 1;

/// Seed of what corruptions draw.
const CORRUPT_SEED: u64 = 1;

/// Amounts of each kind of corruption; noise is in standard deviations, the others are shares.
const AMOUNTS: [(CorruptionKind, [f32; 4]); 3] = [
    (CorruptionKind::Noise, [0.25, 0.5, 1.0, 2.0]),
    (CorruptionKind::Drop, [0.25, 0.5, 0.75, 1.0]),
    (CorruptionKind::Missing, [0.25, 0.5, 0.75, 1.0]),
];

impl Reproduction {
    /// Trains the runs of an experiment that are not there yet, and looks at what they came to.
    pub(super) fn find(
        &mut self,
        experiment: &Experiment,
        progress: &mut dyn ReproduceProgress,
    ) -> Result<Findings, TrainerError> {
        let mut rows = Vec::new();
        for row in &experiment.rows {
            let outcome = self.measure(row, progress)?;
            let paper = row.paper.get(&self.dataset).cloned().unwrap_or_default();
            rows.push(TableRow { name: row.name.clone(), outcome, paper });
        }
        // Without its only model there is nothing to look into.
        if let (Some(model), [TableRow { outcome: RowOutcome::LeftOut(reason), .. }]) =
            (experiment.only_model(), &*rows)
        {
            let problem =
                StoreProblem::NoModel { model: model.name.clone(), reason: reason.clone() };
            return Err(TrainerError::unfit(self.samples.store().path(), problem));
        }
        Ok(match experiment.kind {
            ExperimentKind::Metrics => Findings::Metrics(ExperimentTable {
                experiment: experiment.name.clone(),
                title: experiment.title.clone(),
                all_metrics: experiment.all_metrics,
                axis: experiment.axis.clone(),
                about: self.about_metrics(experiment),
                rows,
            }),
            ExperimentKind::Sizes => Findings::Sizes(self.sizes(experiment)?),
            ExperimentKind::Attention => Findings::Attention(self.attention(experiment)?),
            ExperimentKind::Noise => Findings::Noise(self.noise(experiment)?),
            ExperimentKind::Representations => {
                Findings::Representations(self.representations(experiment)?)
            }
            ExperimentKind::Convergence => {
                let (mut models, mut left_out) = (Vec::new(), Vec::new());
                for (row, found) in experiment.rows.iter().zip(&rows) {
                    let runs = match &found.outcome {
                        RowOutcome::Measured(_) => self.run_folders(row)?,
                        RowOutcome::LeftOut(reason) => {
                            left_out.push((row.name.clone(), reason.clone()));
                            continue;
                        }
                    };
                    let runs = runs.iter().map(|run| read_epochs(run));
                    let runs = runs.collect::<Result<_, RunError>>()?;
                    models.push(ModelEpochs { name: row.name.clone(), runs });
                }
                Findings::Convergence(Convergence { models, left_out })
            }
            ExperimentKind::Robustness => Findings::Robustness(self.robustness(experiment)?),
        })
    }

    /// Parameters of every model that the store can have, each once.
    fn sizes(&self, experiment: &Experiment) -> Result<Vec<ModelSize>, TrainerError> {
        let mut sizes: Vec<ModelSize> = Vec::new();
        for row in Experiment::all().iter().flat_map(|experiment| &experiment.rows) {
            if row.model.is_some() {
                let base = row.base(&self.preset, self.dataset, None, false);
                let model = base.map_err(TrainerError::Setting)?.model;
                let size = model.size(&self.inputs_of(&model, &self.modalities));
                if let Some(size) = size
                    && !sizes.iter().any(|other| other.name == row.name)
                {
                    sizes.push(ModelSize::whole(&row.name, size.trainable));
                }
                continue;
            }
            let RowPlan::Trained(runs) = self.plan(row)? else { continue };
            let name = match &*runs.model {
                "almt" => "ALMT",
                model => model,
            };
            if sizes.iter().any(|size| size.name == name) {
                continue;
            }
            let inputs = self.inputs(&runs.settings.modalities);
            let config: ModelConfig = config_for(&runs.settings, &inputs.0, None, None)?;
            sizes.extend(config.almt().map(|config| ModelSize::of(name, &config)));
        }
        for size in &mut sizes {
            size.paper = experiment.paper_sizes.get(&size.name).copied();
        }
        Ok(sizes)
    }

    fn attention(&mut self, experiment: &Experiment) -> Result<AverageAttention, TrainerError> {
        let split = self.test_split()?;
        let checkpoints = self.checkpoints(experiment)?;
        let records = checkpoints.iter().filter_map(|of_seed| average(of_seed, &split).transpose());
        Ok(AverageAttention { records: records.collect::<Result<_, TrainError>>()? })
    }

    fn noise(&mut self, experiment: &Experiment) -> Result<NoiseFindings, TrainerError> {
        let split = self.test_split()?;
        let checkpoints = self.checkpoints(experiment)?;
        let of_seeds = checkpoints.iter().map(|of_seed| noise::curves(of_seed, &split, DRAW_SEED));
        let of_seeds = of_seeds.collect::<Result<Vec<_>, TrainError>>()?;
        let mean = noise::mean_curves(&of_seeds);
        let lines = mean.iter().flat_map(|curve| curve.lines(DRAW_SEED)).collect();
        let sample_idx = noise::draw_sample(split.n_samples(), DRAW_SEED);
        let samples = match checkpoints.first() {
            Some(first) => noise::sample(first, &split, sample_idx, DRAW_SEED)?,
            None => Vec::new(),
        };
        let (id, n_segments) = (split.ids()[sample_idx].clone(), split.n_samples());
        Ok(NoiseFindings { lines, samples, id, n_segments, n_runs: checkpoints.len() })
    }

    fn representations(
        &mut self,
        experiment: &Experiment,
    ) -> Result<RepresentationFindings, TrainerError> {
        let split = self.test_split()?;
        let order = draw_segments(split.n_samples(), DRAW_SEED);
        let checkpoints = self.checkpoints(experiment)?;
        let of_seeds =
            checkpoints.iter().map(|of_seed| Representations::of(of_seed, &split, &order));
        let of_seeds = of_seeds.collect::<Result<Vec<_>, TrainError>>()?;
        let gaps = of_seeds.iter().flat_map(Representations::gaps).collect();
        let map = match of_seeds.first() {
            Some(first) => first.map(DRAW_SEED),
            None => Err("no models".into()),
        };
        Ok(RepresentationFindings { map, gaps, n_segments: order.len() })
    }

    /// The test metrics of an experiment's model on inputs made worse, over its seeds.
    fn robustness(
        &mut self,
        experiment: &Experiment,
    ) -> Result<Vec<RobustnessPoint>, TrainerError> {
        let checkpoints = self.checkpoints(experiment)?;
        let mut lists = vec![vec![]];
        for modality in &self.modalities {
            for (kind, amounts) in AMOUNTS {
                lists.extend(
                    amounts.map(|amount| vec![Corruption { modality: *modality, kind, amount }]),
                );
            }
        }
        let mut points = Vec::new();
        for list in lists {
            let done = list.first().copied();
            self.samples.corrupt(Corruptions { list, seed: CORRUPT_SEED });
            let split = self.test_split()?;
            for (seed, checkpoint) in self.options.seeds.iter().zip(&checkpoints) {
                let (metrics, _) = predict::evaluate(checkpoint, &split)?;
                points.push(RobustnessPoint::new(done, *seed, metrics));
            }
        }
        self.samples.corrupt(Corruptions::default());
        Ok(points)
    }

    /// Run folders of a model, one per seed.
    fn run_folders(&self, row: &Row) -> Result<Vec<PathBuf>, TrainerError> {
        let model = self.model(row)?;
        Ok(self.options.seeds.iter().map(|seed| self.run_folder(&model, *seed)).collect())
    }

    /// What training an experiment's only model came to, one per seed.
    fn checkpoints(&self, experiment: &Experiment) -> Result<Vec<Checkpoint>, TrainerError> {
        let Some(model) = experiment.only_model() else { return Ok(Vec::new()) };
        let runs = self.run_folders(model)?;
        runs.iter().map(|run| Ok(checkpoint::load(&run.join(BEST), self.device)?)).collect()
    }

    fn test_split(&mut self) -> Result<TrainingSplit, TrainerError> {
        let device = self.device;
        let wanted = Wanted {
            modalities: &self.modalities,
            needs: self.preset.model.needs(),
            reader: None,
            labels: Labels::Needed,
            label_map: None,
            cache: self.samples.cache(&self.options.cache, &self.modalities, device),
            device,
        };
        Ok(self.samples.load(SplitName::Test, wanted)?.split)
    }
}
