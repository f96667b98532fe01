//! One training run, and the evaluation of its result.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::seq::SliceRandom;
use serde::Serialize;
use tch::nn::{Optimizer, VarStore};
use tch::{Device, Kind, Reduction, Tensor};

use super::TrainError;
use super::checkpoint::{self, Checkpoint, CheckpointInfo};
use super::data::TrainingSplit;
use super::metrics::{self, Direction, Metrics, direction};
use super::optimizer::adamw;
use super::preset::Preset;
use super::schedule::learning_rate;
use crate::corpus::{Dataset, Modality, SplitName};
use crate::model::{Almt, Init, Trace};
use crate::publish;
use crate::seed::stream;

/// Everything that determines a run besides the data.
#[derive(Debug, Clone, Serialize)]
pub struct TrainSettings {
    /// The dataset, which decides metrics and bins.
    pub dataset: Dataset,
    /// The store's path, for the record.
    pub store: PathBuf,
    /// The store's digest, for the record.
    pub store_digest: String,
    /// The modalities that the model sees.
    pub modalities: Vec<Modality>,
    /// Seed of every random stream.
    pub seed: u64,
    /// Hyper-parameters.
    #[serde(flatten)]
    pub hyper_parameters: Preset,
}

/// The samples of a run.
#[derive(Debug)]
pub struct TrainingData {
    /// Fitted on.
    pub train: TrainingSplit,
    /// Selected on.
    pub valid: TrainingSplit,
    /// Reported on, where there is one.
    pub test: Option<TrainingSplit>,
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
#[derive(Debug, Clone, Serialize)]
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
    /// Wall time of the epoch.
    pub seconds: f64,
}

/// A metric's best value and when it was reached.
#[derive(Debug, Clone, Serialize)]
pub struct Best {
    /// The value.
    pub value: f64,
    /// The epoch, counted from 1.
    pub epoch: usize,
}

/// The epoch that the validation split chose.
#[derive(Debug, Clone, Serialize)]
pub struct Selected {
    /// How it was chosen.
    pub by: &'static str,
    /// Counted from 1.
    pub epoch: usize,
    /// Metrics on the validation split.
    pub valid: Metrics,
    /// Metrics on the test split.
    pub test: Option<Metrics>,
}

/// `result.json`.
#[derive(Debug, Clone, Serialize)]
pub struct RunResult {
    /// The honest choice: the epoch with the best validation error, and its test metrics.
    pub selected: Selected,
    /// The protocol of the released script: for each metric, the best epoch on the test split.
    /// Such figures are chosen on the data that they are reported on.
    pub best_on_test_per_metric: BTreeMap<&'static str, Best>,
    /// The run's seed.
    pub seed: u64,
    /// Digest of the store.
    pub store_digest: String,
    /// Number of trainable parameters.
    pub n_parameters: usize,
    /// Samples per split.
    pub n_samples: BTreeMap<SplitName, usize>,
    /// Program and version.
    pub writer: &'static str,
    /// Device of the run.
    pub device: String,
    /// Threads that libtorch used: with another number, sums are rounded differently.
    pub n_threads: i32,
    /// Wall time of the whole run.
    pub seconds: f64,
}

/// Samples per forward pass outside training. One number for all callers: another one may change
/// the last bits of a prediction.
const PREDICT_BATCH: usize = 64;

/// Files of a run folder.
const FILES: [&str; 4] = ["config.toml", "metrics.jsonl", "best.safetensors", "result.json"];

/// Trains a model and fills the folder `out` with `config.toml`, `metrics.jsonl`,
/// `best.safetensors` and `result.json`.
///
/// # Errors
/// The folder is in use or cannot be written to, the loss diverges, or libtorch fails.
pub fn train(
    settings: &TrainSettings,
    data: &TrainingData,
    device: Device,
    out: &Path,
    overwrite: bool,
    progress: &mut dyn Progress,
) -> Result<RunResult, TrainError> {
    let start = Instant::now();
    let sequences = data.train.sequences();
    let config = settings.hyper_parameters.config(&sequences).ok_or(TrainError::NoText)?;
    if config.n_parameters().is_none() {
        return Err(TrainError::Sizes { text: config.text });
    }
    for split in [Some(&data.valid), data.test.as_ref()].into_iter().flatten() {
        check_shapes(split, &config)?;
    }
    prepare_folder(out, overwrite)?;
    write_config(out, settings)?;

    let vars = VarStore::new(device);
    let model = Almt::new(&Init::new(vars.root(), settings.seed), &config);
    let mut fit = Fit {
        optimizer: adamw(&vars, settings.hyper_parameters.training.weight_decay)?,
        order: (0..data.train.n_samples() as i64).collect(),
        shuffle: stream(settings.seed, "shuffle"),
        batch_size: settings.hyper_parameters.training.batch_size.max(1),
    };
    let metrics_path = out.join("metrics.jsonl");
    let io = |path: &Path| {
        let path = path.to_owned();
        move |cause| TrainError::Io { path, cause }
    };
    let mut log = File::create(&metrics_path).map_err(io(&metrics_path))?;
    let scheme = settings.dataset.bin_scheme();
    let training = &settings.hyper_parameters.training;
    let mut selected: Option<Selected> = None;
    let mut best_on_test = BTreeMap::new();
    for epoch in 1..=training.epochs {
        let epoch_start = Instant::now();
        let lr = learning_rate(training.lr, epoch, training.epochs);
        fit.optimizer.set_lr(lr);
        let (train_loss, train_mae) = fit.epoch(epoch, &model, &data.train, progress)?;
        let evaluate = |split: &TrainingSplit| {
            let pred = predict(&model, split)?;
            Ok::<_, TrainError>(metrics::evaluate(scheme, &pred, split.labels()))
        };
        let valid = evaluate(&data.valid)?;
        let test = data.test.as_ref().map(evaluate).transpose()?;
        let record = EpochRecord {
            epoch,
            lr,
            train_loss,
            train_mae,
            valid,
            test,
            seconds: epoch_start.elapsed().as_secs_f64(),
        };
        let line = serde_json::to_string(&record).map_err(std::io::Error::other);
        line.and_then(|line| writeln!(log, "{line}")).map_err(io(&metrics_path))?;
        keep_best_on_test(&mut best_on_test, &record);
        let best_so_far = selected.as_ref().map_or(f64::INFINITY, |best| best.valid.get("MAE"));
        if record.valid.get("MAE") < best_so_far {
            let info = CheckpointInfo {
                model: config.clone(),
                dataset: settings.dataset,
                store_digest: settings.store_digest.clone(),
                seed: settings.seed,
                epoch,
            };
            checkpoint::save(&out.join("best.safetensors"), &vars, &info)?;
            selected = Some(Selected {
                by: "lowest MAE on the validation split",
                epoch,
                valid: record.valid.clone(),
                test: record.test.clone(),
            });
        }
        progress.epoch(&record);
    }
    // Predictions that are not finite leave no error to select by.
    let Some(selected) = selected else {
        return Err(TrainError::NothingSelected { epochs: training.epochs });
    };
    let splits = [Some(&data.train), Some(&data.valid), data.test.as_ref()];
    let result = RunResult {
        selected,
        best_on_test_per_metric: best_on_test,
        seed: settings.seed,
        store_digest: settings.store_digest.clone(),
        n_parameters: vars.trainable_variables().iter().map(Tensor::numel).sum(),
        n_samples: splits.into_iter().flatten().map(|s| (s.name(), s.n_samples())).collect(),
        writer: concat!("almt-data ", env!("CARGO_PKG_VERSION")),
        device: device_name(device),
        n_threads: tch::get_num_threads(),
        seconds: start.elapsed().as_secs_f64(),
    };
    let path = out.join("result.json");
    serde_json::to_vec_pretty(&result)
        .map_err(std::io::Error::other)
        .and_then(|json| publish::write(&path, &json))
        .map_err(io(&path))?;
    Ok(result)
}

/// The device as the command line spells it.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".into(),
    }
}

/// The part of a run that changes from step to step.
struct Fit {
    optimizer: Optimizer,
    order: Vec<i64>,
    shuffle: rand_chacha::ChaCha12Rng,
    batch_size: usize,
}

impl Fit {
    /// One pass over the training split in a new order: mean squared and mean absolute error.
    fn epoch(
        &mut self,
        epoch: usize,
        model: &Almt,
        split: &TrainingSplit,
        progress: &mut dyn Progress,
    ) -> Result<(f64, f64), TrainError> {
        self.order.shuffle(&mut self.shuffle);
        let device = split.device();
        let order = Tensor::from_slice(&self.order).to_device(device);
        // Sums stay on the device: reading one would wait for everything before it.
        let mut squared = Tensor::zeros([], (Kind::Float, device));
        let mut absolute = Tensor::zeros([], (Kind::Float, device));
        let n_samples = split.n_samples();
        let mut losses = Vec::new();
        let mut n_done = 0;
        for (step, first) in (0..n_samples).step_by(self.batch_size).enumerate() {
            let n_batch = self.batch_size.min(n_samples - first);
            let (input, target) = split.batch(&order.narrow(0, first as i64, n_batch as i64));
            let pred = model.forward(&input, &mut Trace::default());
            let loss = pred.mse_loss(&target, Reduction::Mean);
            self.optimizer.backward_step(&loss);
            tch::no_grad(|| {
                losses.push(loss.detach());
                squared += loss.detach() * n_batch as f64;
                absolute += (pred.detach() - target).abs().sum(Kind::Float);
            });
            n_done += n_batch;
            let mean = |sum: &Tensor| sum.double_value(&[]) / n_done as f64;
            progress.step(epoch, step + 1, &|| (mean(&squared), mean(&absolute)));
        }
        let losses = Vec::<f32>::try_from(Tensor::stack(&losses, 0).to_device(Device::Cpu))?;
        if let Some(step) = losses.iter().position(|loss| !loss.is_finite()) {
            return Err(TrainError::Diverged { epoch, step: step + 1, loss: losses[step] });
        }
        let mean = |sum: &Tensor| sum.double_value(&[]) / n_samples as f64;
        Ok((mean(&squared), mean(&absolute)))
    }
}

/// Predictions for all samples of a split, in order, `[n_samples]`.
///
/// # Errors
/// libtorch fails.
pub fn predict(model: &Almt, split: &TrainingSplit) -> Result<Vec<f32>, TrainError> {
    let n_samples = split.n_samples();
    let mut parts = Vec::new();
    for first in (0..n_samples).step_by(PREDICT_BATCH) {
        let end = n_samples.min(first + PREDICT_BATCH);
        let indices = Tensor::arange_start(first as i64, end as i64, (Kind::Int64, split.device()));
        let (input, _) = split.batch(&indices);
        parts.push(tch::no_grad(|| model.forward(&input, &mut Trace::default())));
    }
    let pred = Vec::<f32>::try_from(Tensor::cat(&parts, 0).flatten(0, -1).to_device(Device::Cpu))?;
    if pred.len() != n_samples {
        let column = "prediction";
        let (split, found) = (split.name(), pred.len());
        return Err(TrainError::Count { split, column, expected: n_samples, found });
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
) -> Result<(Metrics, Vec<f32>), TrainError> {
    check_shapes(split, &checkpoint.info.model)?;
    let pred = predict(&checkpoint.model, split)?;
    let scheme = checkpoint.info.dataset.bin_scheme();
    Ok((metrics::evaluate(scheme, &pred, split.labels()), pred))
}

fn check_shapes(
    split: &TrainingSplit,
    config: &crate::model::AlmtConfig,
) -> Result<(), TrainError> {
    let sequences = split.sequences();
    let expected = [
        (Modality::Text, Some(config.text)),
        (Modality::Audio, config.audio),
        (Modality::Vision, config.vision),
    ];
    for (modality, expected) in expected {
        let found = sequences.get(&modality).copied();
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

fn keep_best_on_test(best: &mut BTreeMap<&'static str, Best>, record: &EpochRecord) {
    for (name, value) in record.test.iter().flat_map(Metrics::iter) {
        let better = best.get(name).is_none_or(|best| match direction(name) {
            Direction::Higher => value > best.value,
            Direction::Lower => value < best.value,
        });
        if better && !value.is_nan() {
            best.insert(name, Best { value, epoch: record.epoch });
        }
    }
}

fn prepare_folder(out: &Path, overwrite: bool) -> Result<(), TrainError> {
    let io = |cause| TrainError::Io { path: out.into(), cause };
    let in_use = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if in_use && !overwrite {
        return Err(TrainError::Exists { path: out.into() });
    }
    fs::create_dir_all(out).map_err(io)?;
    // Results of the run before must not stand beside a configuration that did not produce them.
    for name in FILES {
        match fs::remove_file(out.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
    }
    Ok(())
}

fn write_config(out: &Path, settings: &TrainSettings) -> Result<(), TrainError> {
    let path = out.join("config.toml");
    toml::to_string(settings)
        .map_err(std::io::Error::other)
        .and_then(|text| publish::write(&path, text.as_bytes()))
        .map_err(|cause| TrainError::Io { path, cause })
}
