//! Evaluates a checkpoint on a store: metrics and predictions.

use std::path::{Path, PathBuf};

use tch::Device;

use super::cache::CacheOptions;
use super::error::{FileProblem, StoreProblem, TrainerError};
use super::note::Note;
use super::samples::{Labels, Loaded, Samples, Wanted, absolute};
use super::schema;
use super::suits;
use super::tokens::{TokenReader, encoder_folder};
use crate::corpus::column::ColumnKind;
use crate::corpus::degenerate::Degenerate;
use crate::corpus::label::LabelScale;
use crate::corpus::scale::{OwnScale, ScaleDifference};
use crate::corpus::schema::{DataDifference, Weight};
use crate::corpus::{Dataset, Modality, SplitName};
use crate::model::registry::{Inputs, ModelSpec};
use crate::model::{BertConfig, Residual, Sequence};
use crate::pretrained::{Pretrained, TextSource};
use crate::run::confusion;
use crate::run::folder::{BEST, is_run, read_config, read_result};
use crate::run::predictions::Prediction;
use crate::run::preset::Preset;
use crate::run::record::{Evaluation, FittedLength};
use crate::run::settings::TokenChoice;
use crate::store::Store;
use crate::train::checkpoint::{self, Checkpoint, CheckpointInfo};
use crate::train::config::ModelConfig;
use crate::train::corrupt::Corruptions;
use crate::train::{DataError, NetworkError, inferred, predict, weights};

/// Weights to evaluate.
#[derive(Debug, Clone)]
pub enum WeightSource {
    /// A run's checkpoint, `best.safetensors`, which describes its model.
    Checkpoint(PathBuf),
    /// Weights of the released PyTorch model.
    Released {
        /// A safetensors file.
        path: PathBuf,
        /// Name of the model.
        model: String,
        /// The dataset whose preset has the model's sizes; the store's own if `None`.
        preset: Option<Dataset>,
        /// Residual input of an AHL layer, for ALMT.
        residual: Residual,
    },
}

impl WeightSource {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            WeightSource::Checkpoint(path) | WeightSource::Released { path, .. } => path,
        }
    }
}

/// Options of an evaluation.
#[derive(Debug, Clone, Default)]
pub struct EvaluationOptions {
    /// The text encoder's folder, if its tokenizer is needed and it has moved since training, or if
    /// released weights include an encoder.
    pub encoder: Option<PathBuf>,
    /// Corruptions to apply to the inputs.
    pub corruptions: Corruptions,
    /// Whether to cut samples that are longer than in training.
    pub fit_lengths: bool,
    /// Whether to evaluate anyway a store whose numbers mean something else than those of training, and
    /// texts or tokens that hardly belong to the text encoder's vocabulary.
    pub force: bool,
    /// Number of libtorch threads; unchanged if `None`.
    pub n_threads: Option<u16>,
    /// Placement of features.
    pub cache: CacheOptions,
}

/// A checkpoint and a store's samples, fitted to the inputs of its model.
struct Opened {
    checkpoint: Checkpoint,
    samples: Samples,
    modalities: Vec<Modality>,
    reader: Option<TokenReader>,
}

impl Opened {
    fn new(
        store: Store,
        weights: &WeightSource,
        device: Device,
        options: &EvaluationOptions,
    ) -> Result<Opened, TrainerError> {
        let path = weights.path();
        let mut samples = Samples::of_run(store, path)?;
        if let Some(n_threads) = options.n_threads {
            tch::set_num_threads(n_threads.into());
        }
        let checkpoint = match weights {
            WeightSource::Checkpoint(path) => checkpoint::load(path, device)?,
            WeightSource::Released { path, model, preset, residual } => {
                let preset = preset.unwrap_or(samples.store().manifest().dataset);
                let spec = released(model, preset, *residual)?;
                let bert = released_encoder(path, &spec, options.encoder.as_deref())?;
                let mut info = described(&samples, spec, bert, preset)?;
                info.config = inferred::fitted(path, &info.config)?;
                checkpoint::load_as(path, info, device)?
            }
        };
        let (trained_on, found) = (checkpoint.info.dataset, samples.store().manifest().dataset);
        if trained_on != found {
            return Err(TrainerError::file(path, FileProblem::OtherDataset { trained_on, found }));
        }
        let note = check_labels(path, &checkpoint.info, samples.store())?;
        note.into_iter().for_each(|note| samples.note(note));
        let is_own = checkpoint.info.store_digest == samples.store().manifest().digest;
        if let WeightSource::Checkpoint(path) = weights {
            let mut notes = notes_on_run(path, &checkpoint.info, samples.store());
            if !is_own {
                let info = &checkpoint.info;
                notes.extend(schema::check(samples.store(), path, info, options.force)?);
            }
            notes.into_iter().for_each(|note| samples.note(note));
        }
        samples.fit_to(path, &checkpoint.info.config, options.fit_lengths);
        let modalities: Vec<Modality> = checkpoint.info.config.inputs.0.keys().copied().collect();
        let corruptions = &options.corruptions.list;
        if let Some(unseen) = corruptions.iter().find(|it| !modalities.contains(&it.modality)) {
            let (corruption, modality) = (unseen.to_string(), unseen.modality);
            return Err(TrainerError::file(path, FileProblem::Unseen { corruption, modality }));
        }
        samples.corrupt(options.corruptions.clone());
        let encoder = options.encoder.as_deref();
        let reader = TokenReader::of_checkpoint(path, &checkpoint.info, encoder)?;
        // The run's own store was checked when the run began.
        if let Some(reader) = reader.as_ref().filter(|_| !is_own)
            && let Some(folder) = encoder_folder(path, encoder)
        {
            let source = match &reader.tokenizer {
                Some(_) => TextSource::RawText,
                None => TextSource::TextBert,
            };
            let (folder, config) = (&*folder, &reader.bert);
            let reader = suits::Reader { folder, config, source, is_trained: true };
            let notes = suits::check(samples.store(), reader, options.force)?;
            notes.into_iter().for_each(|note| samples.note(note));
        }
        Ok(Opened { checkpoint, samples, modalities, reader })
    }

    fn load(
        &mut self,
        split: SplitName,
        labels: Labels,
        device: Device,
        options: &EvaluationOptions,
    ) -> Result<Loaded, TrainerError> {
        let Opened { checkpoint, samples, modalities, reader } = self;
        let wanted = Wanted {
            modalities,
            needs: checkpoint.info.config.spec.needs(),
            reader: reader.as_ref(),
            labels,
            label_map: checkpoint.info.label_map,
            cache: samples.cache(&options.cache, modalities, device),
            device,
        };
        samples.load(split, wanted).map_err(about_model)
    }
}

/// Checks that a model's labels are those of a store, if both are datasets of one's own. A store without
/// labels has none that could differ; a note tells what its description contradicts.
fn check_labels(
    path: &Path,
    info: &CheckpointInfo,
    store: &Store,
) -> Result<Option<Note>, TrainerError> {
    let manifest = store.manifest();
    let described = info.label_scale.as_ref().zip(manifest.label_scale.as_ref());
    let Some((trained_on, found)) = described else { return Ok(None) };
    let differences = trained_on.differences(found);
    let has_labels = |split: SplitName| {
        let kinds = [ColumnKind::RegressionLabels, ColumnKind::ClassificationLabels];
        kinds.into_iter().any(|kind| manifest.column(&kind.of(split)).is_some())
    };
    if differences.is_empty() {
        return Ok(None);
    }
    if !SplitName::ALL.into_iter().any(has_labels) {
        let contradicted: Vec<String> = differences
            .iter()
            .filter(|difference| difference.other.is_some())
            .map(ScaleDifference::to_string)
            .collect();
        let words = format!(
            "predictions are in the labels of the model, not those that the store describes: {}",
            contradicted.join("; ")
        );
        let difference = DataDifference { words, weight: Weight::Making };
        let note = Note::OtherData { store: store.path().into(), difference };
        return Ok((!contradicted.is_empty()).then_some(note));
    }
    let differences: Vec<String> = differences.iter().map(ScaleDifference::to_string).collect();
    let (trained_on, found) = (trained_on.title().into(), found.title().into());
    let differences = differences.join("; ");
    Err(TrainerError::file(path, FileProblem::OtherLabels { trained_on, found, differences }))
}

/// The error about tokens that a model cannot read, for a model that is trained already.
fn about_model(error: TrainerError) -> TrainerError {
    match error {
        TrainerError::Unfit { store, cause } => match *cause {
            StoreProblem::Data(DataError::Tokens { split, cause }) => {
                let id = ColumnKind::TextBert.of(split);
                TrainerError::unfit(
                    &store,
                    StoreProblem::TokensOfModel { id, cause, encoder: None },
                )
            }
            cause => TrainerError::unfit(&store, cause),
        },
        error => error,
    }
}

/// Whether a store and a checkpoint are those of the checkpoint's run.
fn notes_on_run(path: &Path, info: &CheckpointInfo, store: &Store) -> Vec<Note> {
    let folder = path.parent().filter(|folder| path.ends_with(BEST) && is_run(folder));
    let mut notes = Vec::new();
    let found = &store.manifest().digest;
    if info.store_digest != *found {
        let config = folder.and_then(|folder| read_config(folder).ok());
        let own = absolute(store.path());
        notes.push(Note::OtherStore {
            store: store.path().into(),
            checkpoint: path.into(),
            expected: info.store_digest.clone(),
            found: found.clone(),
            is_elsewhere: config.is_some_and(|config| absolute(&config.store) != own),
        });
    }
    let result = folder.and_then(|folder| read_result(folder).ok().flatten());
    if let (Some(result), Ok(found)) = (result, weights::digest(path))
        && result.checkpoint_blake3 != found
    {
        let (checkpoint, expected) = (path.into(), result.checkpoint_blake3);
        notes.push(Note::OtherWeights { checkpoint, expected, found });
    }
    notes
}

/// The released model of a preset.
fn released(model: &str, preset: Dataset, residual: Residual) -> Result<ModelSpec, TrainerError> {
    let preset = Preset::published(model, preset);
    let unknown = || TrainerError::Setting(format!("no model has the name `{model}`"));
    let mut spec = preset.ok_or_else(unknown)?.model;
    if let ModelSpec::Almt(config) = &mut spec {
        config.sizes.residual = residual;
    }
    Ok(spec)
}

/// The configuration of the text encoder in a file of released weights, if there is one: that of its folder.
fn released_encoder(
    path: &Path,
    spec: &ModelSpec,
    folder: Option<&Path>,
) -> Result<Option<BertConfig>, TrainerError> {
    match (checkpoint::has_encoder(path, spec)?, folder) {
        (false, _) => Ok(None),
        (true, None) => Err(TrainerError::file(path, FileProblem::NoEncoderFolder)),
        (true, Some(folder)) => Ok(Some(Pretrained::open(folder)?.config().clone())),
    }
}

/// What a checkpoint would say of a released model, for the inputs of a store.
fn described(
    samples: &Samples,
    spec: ModelSpec,
    bert: Option<BertConfig>,
    dataset: Dataset,
) -> Result<CheckpointInfo, TrainerError> {
    let mut inputs = samples.sequences();
    if let Some(bert) = &bert {
        let n_tokens = samples.n_tokens().and_then(|n| i64::try_from(n).ok());
        let absent = || TrainerError::unfit(samples.store().path(), DataError::NoTokens);
        let seq_len = n_tokens.ok_or_else(absent)?;
        inputs.insert(Modality::Text, Sequence { seq_len, feat_dim: bert.hidden_size });
    }
    let config = ModelConfig { spec, inputs: Inputs(inputs), bert };
    if let Some(problem) = config.problem() {
        return Err(NetworkError::NoModel { problem }.into());
    }
    let store_digest = samples.store().manifest().digest.clone();
    Ok(CheckpointInfo {
        config,
        form: None,
        tokens: TokenChoice::TextBert,
        dataset,
        label_scale: None,
        label_map: None,
        store_digest,
        seed: 0,
        epoch: 0,
        data_schema: None,
    })
}

/// Evaluates a checkpoint on one split of a store.
///
/// # Errors
/// The files cannot be read, or the store does not suit the model.
pub fn evaluate(
    store: Store,
    path: &Path,
    split: SplitName,
    device: Device,
    options: &EvaluationOptions,
    note: &mut dyn FnMut(Note),
) -> Result<Evaluation, TrainerError> {
    let store_path = store.path().to_owned();
    let weights = WeightSource::Checkpoint(path.into());
    let mut opened = Opened::new(store, &weights, device, options)?;
    let loaded = opened.load(split, Labels::Needed, device, options)?;
    opened.samples.take_notes().into_iter().for_each(note);
    let (metrics, rows) = predict::evaluate(&opened.checkpoint, &loaded.split)?;
    let info = &opened.checkpoint.info;
    let predicted: Vec<f32> = rows.iter().map(|row| row.prediction).collect();
    let pairs: Vec<(f32, f32)> =
        rows.iter().map(|row| (row.label_or_nan(), row.prediction)).collect();
    let scale = info.scale();
    let corruptions = &options.corruptions;
    Ok(Evaluation {
        store: store_path,
        store_digest: opened.samples.store().manifest().digest.clone(),
        trained_on_store_digest: info.store_digest.clone(),
        dataset: info.dataset,
        label_scale: info.label_scale.clone(),
        checkpoint: path.into(),
        epoch: info.epoch,
        seed: info.seed,
        split,
        n_samples: loaded.split.n_samples(),
        corrupt_seed: (!corruptions.list.is_empty()).then_some(corruptions.seed),
        corruptions: corruptions.list.iter().map(ToString::to_string).collect(),
        lengths: loaded.lengths,
        metrics,
        confusion: confusion::all(scale, &pairs),
        degenerate: Degenerate::find(scale, &predicted, loaded.split.labels()),
    })
}

/// Predictions on some splits of a store.
#[derive(Debug)]
pub struct Predictions {
    /// The dataset, which determines bins.
    pub dataset: Dataset,
    /// What its labels are, of a dataset of one's own.
    pub label_scale: Option<OwnScale>,
    /// One row per segment, split by split.
    pub rows: Vec<Prediction>,
    /// Information about each split.
    pub splits: Vec<PredictedSplit>,
}

impl Predictions {
    /// What the labels are.
    pub fn scale(&self) -> LabelScale<'_> {
        LabelScale::of(self.dataset, self.label_scale.as_ref())
    }
}

/// Information about the predictions on a split.
#[derive(Debug)]
pub struct PredictedSplit {
    /// The split.
    pub split: SplitName,
    /// What was padded or cut.
    pub lengths: Vec<FittedLength>,
    /// Set if almost all predictions are equal.
    pub degenerate: Option<Degenerate>,
}

/// Predicts some splits of a store, which need no labels.
///
/// # Errors
/// The files cannot be read, or the store does not suit the model.
pub fn predict(
    store: Store,
    weights: &WeightSource,
    splits: &[SplitName],
    device: Device,
    options: &EvaluationOptions,
    note: &mut dyn FnMut(Note),
) -> Result<Predictions, TrainerError> {
    let mut opened = Opened::new(store, weights, device, options)?;
    let CheckpointInfo { dataset, label_scale, .. } = opened.checkpoint.info.clone();
    let mut predictions =
        Predictions { dataset, label_scale, rows: Vec::new(), splits: Vec::new() };
    for split in splits {
        let loaded = opened.load(*split, Labels::IfAny, device, options)?;
        opened.samples.take_notes().into_iter().for_each(&mut *note);
        let mut rows = predict::predictions_of(&opened.checkpoint, &loaded.split, &loaded.labels)?;
        loaded.cut.iter().for_each(|idx| rows[*idx].is_cut = true);
        let values: Vec<f32> = rows.iter().map(|row| row.prediction).collect();
        let degenerate = Degenerate::find(predictions.scale(), &values, loaded.split.labels());
        let lengths = loaded.lengths;
        predictions.splits.push(PredictedSplit { split: *split, lengths, degenerate });
        predictions.rows.extend(rows);
    }
    Ok(predictions)
}
