//! One training run, and the evaluation of its result.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor};

use super::checkpoint::{self, Checkpoint, CheckpointInfo, ModelConfig};
use super::data::TrainingSplit;
use super::events::EventFile;
use super::metrics::{self, Direction, Metrics, direction};
use super::network::{Network, config_for};
use super::optimizer::AdamW;
use super::predictions::{self, Prediction};
use super::schedule::learning_rate;
use super::settings::TrainSettings;
use super::{TrainError, state};
use crate::corpus::{Modality, SplitName};
use crate::model::{AlmtWithBert, Dropout, Part};
use crate::pretrained::Pretrained;
use crate::publish;
use crate::seed::stream;

/// The samples of a run.
pub struct TrainingData {
    /// Fitted on.
    pub train: TrainingSplit,
    /// Selected on.
    pub valid: TrainingSplit,
    /// Reported on, where there is one.
    pub test: Option<TrainingSplit>,
    /// The text encoder, where text comes as tokens.
    pub encoder: Option<Pretrained>,
}

/// What is told while a run goes on. Losses are read from the device only when asked for.
pub trait Progress {
    /// A step of an epoch is done; `losses` gives mean squared error and mean absolute error over
    /// the samples of the epoch so far.
    fn step(&mut self, epoch: usize, step: usize, losses: &dyn Fn() -> (f64, f64));

    /// An epoch is done.
    fn epoch(&mut self, record: &EpochRecord);
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Learning rate during the epoch.
    pub lr: f64,
    /// Mean squared error over the epoch's samples, each before its step.
    pub train_loss: f64,
    /// Mean absolute error over the same.
    pub train_mae: f64,
    /// Metrics on the validation split after the epoch.
    pub valid: Metrics,
    /// Metrics on the test split after the epoch.
    pub test: Option<Metrics>,
    /// Wall time of the epoch's steps.
    pub train_seconds: f64,
    /// Wall time of the epoch.
    pub seconds: f64,
}

/// A metric's best value and when it was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Best {
    /// The value.
    pub value: f64,
    /// The epoch, counted from 1.
    pub epoch: usize,
}

/// The epoch that the validation split chose.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Selected {
    /// How it was chosen.
    pub by: String,
    /// Counted from 1.
    pub epoch: usize,
    /// Metrics on the validation split.
    pub valid: Metrics,
    /// Metrics on the test split.
    pub test: Option<Metrics>,
}

/// `result.json`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// The honest choice: the epoch that is best on the validation split, and its test metrics.
    pub selected: Selected,
    /// The protocol of the released script: for each metric, the best epoch on the test split.
    /// Such figures are chosen on the data that they are reported on.
    pub best_on_test_per_metric: BTreeMap<String, Best>,
    /// The run's seed.
    pub seed: u64,
    /// Digest of the store.
    pub store_digest: String,
    /// BLAKE3 of `best.safetensors`.
    pub checkpoint_blake3: String,
    /// BLAKE3 of the weights after the last epoch.
    pub last_weights_blake3: String,
    /// Epochs that were trained; fewer than asked for when the run was stopped early.
    pub n_epochs: usize,
    /// Number of trainable parameters.
    pub n_parameters: usize,
    /// Samples per split.
    pub n_samples: BTreeMap<SplitName, usize>,
    /// Program and version.
    pub writer: String,
    /// Device of the run.
    pub device: String,
    /// Threads that libtorch used: with another number, sums are rounded differently.
    pub n_threads: i32,
    /// Wall time of all epochs.
    pub seconds: f64,
}

impl EpochRecord {
    /// The JSON Schema of a line of `metrics.jsonl`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(EpochRecord)
    }
}

impl RunResult {
    /// The JSON Schema of `result.json`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(RunResult)
    }
}

/// A checkpoint on one split: `eval --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Evaluation {
    /// The store's path.
    pub store: PathBuf,
    /// Its digest.
    pub store_digest: String,
    /// Digest of the store that the checkpoint was trained on.
    pub trained_on_store_digest: String,
    /// The checkpoint's path.
    pub checkpoint: PathBuf,
    /// Epoch after which the weights were taken, counted from 1.
    pub epoch: usize,
    /// The run's seed.
    pub seed: u64,
    /// Which split.
    pub split: SplitName,
    /// Samples of the split.
    pub n_samples: usize,
    /// What it came to.
    pub metrics: Metrics,
}

impl Evaluation {
    /// The JSON Schema of `eval --json`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Evaluation)
    }
}

/// Samples per forward pass outside training. One number for all callers: another one may change
/// the last bits of a prediction.
const PREDICT_BATCH: usize = 64;

/// Settings of the run.
pub const CONFIG: &str = "config.toml";
/// A line per epoch.
pub const METRICS: &str = "metrics.jsonl";
/// Weights of the selected epoch.
pub const BEST: &str = "best.safetensors";
/// Predictions of the selected epoch on the validation and the test split.
pub const PREDICTIONS: &str = "predictions.csv";
/// What the run came to. Written last: a run with it is complete.
pub const RESULT: &str = "result.json";
/// Where an unfinished run stands.
const STATE: &str = "state.safetensors";

/// How a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// In an empty folder.
    New,
    /// In a folder whose run is replaced.
    Overwrite,
    /// Where the run in the folder was stopped.
    Resume,
}

/// Trains a model and fills the folder `out`: settings, a line of metrics per epoch, the weights
/// of the selected epoch and its predictions, and the result. A run that was stopped at any moment
/// goes on with [`Start::Resume`] and ends in the same bytes.
///
/// # Errors
/// The folder is in use or cannot be written to, the loss diverges, or libtorch fails.
pub fn train(
    settings: &TrainSettings,
    data: &TrainingData,
    device: Device,
    out: &Path,
    start: Start,
    progress: &mut dyn Progress,
) -> Result<RunResult, TrainError> {
    let bert = data.encoder.as_ref().map(|encoder| encoder.config().clone());
    let config = config_for(settings, data.train.sequences(), data.train.n_tokens(), bert)?;
    for split in [Some(&data.valid), data.test.as_ref()].into_iter().flatten() {
        check_shapes(split, &config)?;
    }
    let scheme = settings.dataset.bin_scheme();
    let names = metrics::names(scheme);
    if !names.contains(&&*settings.select) {
        return Err(TrainError::Metric { name: settings.select.clone(), names });
    }
    if start != Start::Resume {
        prepare_folder(out, start == Start::Overwrite)?;
        write_config(out, settings)?;
    }
    let vars = VarStore::new(device);
    let network = Network::new(&vars, &config, settings.seed);
    if let Some(encoder) = &data.encoder {
        encoder.copy_into(&vars, &AlmtWithBert::encoder_prefix())?;
    }
    let bert_lr = settings.text_encoder.as_ref().map_or(0.0, |encoder| encoder.lr);
    if bert_lr == 0.0 {
        Part::Bert.freeze(&vars);
    }
    if let Some(initial) = &settings.init_from {
        checkpoint::load_into(&initial.path, &vars)?;
    }
    let weight_decay = settings.hyper_parameters.training.weight_decay;
    let mut optimizer = AdamW::new(&vars, weight_decay, |name| Part::of(name).group());
    let state_path = out.join(STATE);
    let n_done = match start == Start::Resume && state_path.exists() {
        true => state::load(&state_path, &vars, &optimizer)?,
        false => 0,
    };
    let mut log = Log::open(out, n_done)?;
    let mut history = History::new(settings);
    for record in &log.records {
        history.take(record);
    }
    let training = &settings.hyper_parameters.training;
    for epoch in n_done + 1..=training.epochs {
        if settings.patience.is_some_and(|patience| history.n_worse >= patience) {
            break;
        }
        let epoch_start = Instant::now();
        let lr = learning_rate(training.lr, epoch, training.epochs);
        let lrs = [lr, learning_rate(bert_lr, epoch, training.epochs)];
        let mut fit = Fit { settings, network: &network, optimizer: &mut optimizer, lrs };
        let (train_loss, train_mae) = fit.epoch(epoch, &data.train, progress)?;
        let train_seconds = epoch_start.elapsed().as_secs_f64();
        let evaluate = |split: &TrainingSplit| {
            let pred = predict(&network, split)?;
            Ok::<_, TrainError>(metrics::evaluate(scheme, &pred, split.labels()))
        };
        let valid = evaluate(&data.valid)?;
        let test = data.test.as_ref().map(evaluate).transpose()?;
        let seconds = epoch_start.elapsed().as_secs_f64();
        let record =
            EpochRecord { epoch, lr, train_loss, train_mae, valid, test, train_seconds, seconds };
        log.add(&record)?;
        if history.take(&record) {
            let info = CheckpointInfo {
                config: config.clone(),
                dataset: settings.dataset,
                store_digest: settings.store_digest.clone(),
                seed: settings.seed,
                epoch,
            };
            checkpoint::save(&out.join(BEST), &vars, &info)?;
        }
        // Last: whatever of this epoch is on the disk without it is done again, to the same bytes.
        state::save(&state_path, &vars, &optimizer, epoch)?;
        progress.epoch(&record);
    }
    // Predictions that are not finite leave no error to select by.
    let Some(selected) = history.selected else {
        return Err(TrainError::NothingSelected { epochs: training.epochs });
    };
    let last = checkpoint::digest(&vars);
    let best = checkpoint::load(&out.join(BEST), device)?;
    write_predictions(&best, data, &out.join(PREDICTIONS))?;
    let splits = [Some(&data.train), Some(&data.valid), data.test.as_ref()];
    let result = RunResult {
        selected,
        best_on_test_per_metric: history.best_on_test,
        seed: settings.seed,
        store_digest: settings.store_digest.clone(),
        checkpoint_blake3: super::weights::digest(&out.join(BEST))?,
        last_weights_blake3: last?,
        n_epochs: log.records.len(),
        n_parameters: vars.trainable_variables().iter().map(Tensor::numel).sum(),
        n_samples: splits.into_iter().flatten().map(|s| (s.name(), s.n_samples())).collect(),
        writer: settings.writer.clone(),
        device: settings.device.clone(),
        n_threads: tch::get_num_threads(),
        seconds: log.records.iter().map(|record| record.seconds).sum(),
    };
    let path = out.join(RESULT);
    serde_json::to_vec_pretty(&result)
        .map_err(std::io::Error::other)
        .and_then(|json| publish::write(&path, &json))
        .map_err(io(&path))?;
    match fs::remove_file(&state_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&state_path)(error)),
        _ => Ok(result),
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> TrainError + '_ {
    |cause| TrainError::Io { path: path.to_owned(), cause }
}

/// The settings of the run in a folder.
///
/// # Errors
/// The folder holds none.
pub fn read_config(folder: &Path) -> Result<TrainSettings, TrainError> {
    let path = folder.join(CONFIG);
    let text = fs::read_to_string(&path)
        .map_err(|cause| TrainError::NotARun { path: path.clone(), problem: cause.to_string() })?;
    toml::from_str(&text).map_err(|error| TrainError::NotARun { path, problem: error.to_string() })
}

/// The result of the run in a folder; `None` where it is not complete.
///
/// # Errors
/// The result cannot be read.
pub fn read_result(folder: &Path) -> Result<Option<RunResult>, TrainError> {
    let path = folder.join(RESULT);
    match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TrainError::NotARun { path, problem: error.to_string() }),
        Ok(json) => serde_json::from_slice(&json)
            .map(Some)
            .map_err(|error| TrainError::NotARun { path, problem: error.to_string() }),
    }
}

/// `metrics.jsonl` and the event file for TensorBoard.
struct Log {
    path: PathBuf,
    file: File,
    events: EventFile,
    records: Vec<EpochRecord>,
}

impl Log {
    /// Opens the log of a run whose first `n_done` epochs stand; what it has of later ones goes.
    fn open(out: &Path, n_done: usize) -> Result<Log, TrainError> {
        let path = out.join(METRICS);
        let text = match n_done {
            0 => String::new(),
            _ => fs::read_to_string(&path).map_err(io(&path))?,
        };
        let lines: Vec<&str> = text.lines().take(n_done).collect();
        let records: Vec<EpochRecord> =
            lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>().map_err(
                |error| TrainError::NotARun { path: path.clone(), problem: error.to_string() },
            )?;
        if records.len() != n_done {
            let problem = format!("expected {n_done} lines, found {}", records.len());
            return Err(TrainError::NotARun { path, problem });
        }
        let kept: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
        publish::write(&path, kept.as_bytes()).map_err(io(&path))?;
        let file = File::options().append(true).open(&path).map_err(io(&path))?;
        let mut events = EventFile::create(out).map_err(io(out))?;
        for record in &records {
            events.add(record).map_err(io(out))?;
        }
        Ok(Log { path, file, events, records })
    }

    fn add(&mut self, record: &EpochRecord) -> Result<(), TrainError> {
        let line = serde_json::to_string(record).map_err(std::io::Error::other);
        line.and_then(|line| writeln!(self.file, "{line}")).map_err(io(&self.path))?;
        self.events.add(record).map_err(io(&self.path))?;
        self.records.push(record.clone());
        Ok(())
    }
}

/// What the epochs so far came to.
struct History<'a> {
    select: &'a str,
    selected: Option<Selected>,
    best_on_test: BTreeMap<String, Best>,
    /// Epochs since the selected one.
    n_worse: usize,
}

impl History<'_> {
    fn new(settings: &TrainSettings) -> History<'_> {
        let (selected, best_on_test) = (None, BTreeMap::new());
        History { select: &settings.select, selected, best_on_test, n_worse: 0 }
    }

    /// Takes the next epoch, and returns whether it is the one to select so far.
    fn take(&mut self, record: &EpochRecord) -> bool {
        for (name, value) in record.test.iter().flat_map(Metrics::iter) {
            let best = self.best_on_test.get(name).map(|best| best.value);
            if is_better(name, value, best) {
                let best = Best { value, epoch: record.epoch };
                self.best_on_test.insert(name.into(), best);
            }
        }
        let best = self.selected.as_ref().map(|best| best.valid.get(self.select));
        let better = is_better(self.select, record.valid.get(self.select), best);
        self.n_worse = if better { 0 } else { self.n_worse + 1 };
        if better {
            self.selected = Some(Selected {
                by: format!("best {} on the validation split", self.select),
                epoch: record.epoch,
                valid: record.valid.clone(),
                test: record.test.clone(),
            });
        }
        better
    }
}

/// Whether a value of a metric is better than the best so far; NaN never is.
fn is_better(name: &str, value: f64, best: Option<f64>) -> bool {
    let Some(best) = best else { return !value.is_nan() };
    match direction(name) {
        Some(Direction::Lower) => value < best,
        _ => value > best,
    }
}

/// The device as the command line spells it.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".into(),
    }
}

/// What the steps of an epoch work on.
struct Fit<'a> {
    settings: &'a TrainSettings,
    network: &'a Network,
    optimizer: &'a mut AdamW,
    /// Of ALMT and of the text encoder.
    lrs: [f64; 2],
}

impl Fit<'_> {
    /// One pass over the training split in the epoch's order: mean squared and mean absolute error.
    fn epoch(
        &mut self,
        epoch: usize,
        split: &TrainingSplit,
        progress: &mut dyn Progress,
    ) -> Result<(f64, f64), TrainError> {
        let mut order: Vec<usize> = (0..split.n_samples()).collect();
        // A stream per epoch: an order depends on no other one, so that a run can go on anywhere.
        order.shuffle(&mut stream(self.settings.seed, &format!("shuffle/{epoch}")));
        let batch_size = self.settings.hyper_parameters.training.batch_size.max(1);
        let n_steps = order.len().div_ceil(batch_size);
        let seed = self.settings.seed;
        let encoder_is_trained =
            self.settings.text_encoder.as_ref().is_some_and(|encoder| encoder.lr > 0.0);
        // Sums stay on the device: reading one would wait for everything before it.
        let mut squared = Tensor::zeros([], (Kind::Float, split.device()));
        let mut absolute = squared.zeros_like();
        let mut losses = Vec::new();
        let mut n_done = 0;
        split.each_batch(&order, batch_size, |batch| {
            let n_batch = batch.target.size()[0];
            // Counted over the whole run, so that a run that goes on draws the same masks. An
            // encoder that is kept as it is has none.
            let step = (epoch - 1) * n_steps + losses.len();
            let dropout = encoder_is_trained.then(|| Dropout::new(seed, step as u64));
            let pred = self.network.forward(&batch, dropout)?;
            let loss = pred.mse_loss(&batch.target, Reduction::Mean);
            loss.backward();
            self.optimizer.step(&self.lrs)?;
            tch::no_grad(|| {
                losses.push(loss.detach());
                squared += loss.detach() * n_batch as f64;
                absolute += (pred.detach() - &batch.target).abs().sum(Kind::Float);
            });
            n_done += n_batch;
            let mean = |sum: &Tensor| sum.double_value(&[]) / n_done as f64;
            progress.step(epoch, losses.len(), &|| (mean(&squared), mean(&absolute)));
            Ok(())
        })?;
        let losses = Vec::<f32>::try_from(Tensor::stack(&losses, 0).to_device(Device::Cpu))?;
        if let Some(step) = losses.iter().position(|loss| !loss.is_finite()) {
            let batch = order.chunks(batch_size).nth(step).unwrap_or_default();
            let ids = batch.iter().map(|idx| split.ids()[*idx].clone()).collect();
            return Err(TrainError::Diverged { epoch, step: step + 1, loss: losses[step], ids });
        }
        let mean = |sum: &Tensor| sum.double_value(&[]) / n_done as f64;
        Ok((mean(&squared), mean(&absolute)))
    }
}

/// Predictions for all samples of a split, in order, `[n_samples]`.
///
/// # Errors
/// The features cannot be read, or libtorch fails.
pub fn predict(network: &Network, split: &TrainingSplit) -> Result<Vec<f32>, TrainError> {
    let order: Vec<usize> = (0..split.n_samples()).collect();
    let mut parts = Vec::new();
    split.each_batch(&order, PREDICT_BATCH, |batch| {
        parts.push(tch::no_grad(|| network.forward(&batch, None))?);
        Ok(())
    })?;
    let pred = Vec::<f32>::try_from(Tensor::cat(&parts, 0).flatten(0, -1).to_device(Device::Cpu))?;
    if pred.len() != split.n_samples() {
        let (expected, found) = (split.n_samples(), pred.len());
        let column = "prediction";
        return Err(TrainError::Count { split: split.name(), column, expected, found });
    }
    Ok(pred)
}

/// Metrics and predictions of a checkpoint on one split.
///
/// # Errors
/// The split's shapes are not the model's, or libtorch fails.
pub fn evaluate(
    checkpoint: &Checkpoint,
    split: &TrainingSplit,
) -> Result<(Metrics, Vec<Prediction>), TrainError> {
    check_shapes(split, &checkpoint.info.config)?;
    let pred = predict(&checkpoint.network, split)?;
    let scheme = checkpoint.info.dataset.bin_scheme();
    let metrics = metrics::evaluate(scheme, &pred, split.labels());
    let rows = split.ids().iter().zip(split.labels()).zip(pred);
    let rows = rows.map(|((id, label), prediction)| Prediction {
        id: id.clone(),
        split: split.name(),
        label: *label,
        prediction,
    });
    Ok((metrics, rows.collect()))
}

fn write_predictions(
    best: &Checkpoint,
    data: &TrainingData,
    path: &Path,
) -> Result<(), TrainError> {
    let mut rows = Vec::new();
    for split in [Some(&data.valid), data.test.as_ref()].into_iter().flatten() {
        rows.extend(evaluate(best, split)?.1);
    }
    predictions::write(path, best.info.dataset.bin_scheme(), &rows).map_err(io(path))
}

fn check_shapes(split: &TrainingSplit, config: &ModelConfig) -> Result<(), TrainError> {
    let ModelConfig { model, bert } = config;
    let expected = [
        (Modality::Text, Some(model.text)),
        (Modality::Audio, model.audio),
        (Modality::Vision, model.vision),
    ];
    for (modality, expected) in expected {
        let found = match (modality, bert) {
            (Modality::Text, Some(bert)) => split
                .n_tokens()
                .map(|seq_len| crate::model::Sequence { seq_len, feat_dim: bert.hidden_size }),
            _ => split.sequences().get(&modality).copied(),
        };
        // A modality that the model does not use may be there.
        if expected.is_some() && found != expected {
            let show = |sequence: Option<crate::model::Sequence>| match sequence {
                Some(sequence) => format!("[{}, {}]", sequence.seq_len, sequence.feat_dim),
                None => "none".into(),
            };
            let (expected, found) = (show(expected), show(found));
            return Err(TrainError::Shape { split: split.name(), modality, expected, found });
        }
    }
    Ok(())
}

fn prepare_folder(out: &Path, overwrite: bool) -> Result<(), TrainError> {
    let in_use = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if in_use && !overwrite {
        return Err(TrainError::Exists { path: out.into() });
    }
    fs::create_dir_all(out).map_err(io(out))?;
    // Results of the run before must not stand beside a configuration that did not produce them;
    // the result goes first, since a run with it counts as complete.
    for name in [RESULT, STATE, BEST, METRICS, PREDICTIONS, CONFIG] {
        match fs::remove_file(out.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io(out)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_config(out: &Path, settings: &TrainSettings) -> Result<(), TrainError> {
    let path = out.join(CONFIG);
    toml::to_string(settings)
        .map_err(std::io::Error::other)
        .and_then(|text| publish::write(&path, text.as_bytes()))
        .map_err(io(&path))
}
