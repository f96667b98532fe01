//! One training run, and the evaluation of its result.

use std::fs;
use std::path::Path;
use std::time::Instant;

use rand::seq::SliceRandom;
use serde::Serialize;
use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor};

use super::checkpoint::{self, Checkpoint, CheckpointInfo, ModelConfig};
use super::data::TrainingSplit;
use super::folder::{self, ATTENTION, BEST, Log, PREDICTIONS, RESULT, STATE, io};
use super::memory::{Work, within};
use super::metrics::{self, Metrics};
use super::network::{Network, config_for};
use super::optimizer::AdamW;
use super::predictions::{self, Prediction};
use super::record::{EpochRecord, History, RunResult};
use super::schedule::learning_rate;
use super::settings::TrainSettings;
use super::{TrainError, attention, state};
use crate::corpus::Modality;
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

/// Samples per forward pass outside training. One number for all callers: another one may change
/// the last bits of a prediction.
pub(super) const PREDICT_BATCH: usize = 64;

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
        folder::prepare(out, start == Start::Overwrite)?;
        folder::write_config(out, settings)?;
    }
    let vars = VarStore::new(device);
    let network = Network::new(&vars, &config, settings.seed);
    if let Some(encoder) = &data.encoder {
        encoder.copy_into(&vars, &AlmtWithBert::encoder_prefix())?;
    }
    let tokens = settings.text_encoder.as_ref().map(|encoder| encoder.tokens.clone());
    let tokens = tokens.unwrap_or_default();
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
    let mut history = History::new(&settings.select);
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
        let n_samples = training.batch_size.min(data.train.n_samples());
        let (train_loss, train_mae) =
            within(Work::Step { n_samples }, || fit.epoch(epoch, &data.train, progress))?;
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
                tokens: tokens.clone(),
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
    write_attention(&best, data, &out.join(ATTENTION))?;
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
    write_json(&out.join(RESULT), &result)?;
    match fs::remove_file(&state_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&state_path)(error)),
        _ => Ok(result),
    }
}

/// About how long an epoch of such a run takes here, in seconds, from the second of two steps.
///
/// # Errors
/// The features cannot be read, or libtorch fails.
pub fn epoch_seconds(settings: &TrainSettings, data: &TrainingData) -> Result<f64, TrainError> {
    let config = config_for(settings, data.train.sequences(), data.train.n_tokens(), None)?;
    let vars = VarStore::new(data.train.device());
    let network = Network::new(&vars, &config, settings.seed);
    let training = &settings.hyper_parameters.training;
    let mut optimizer = AdamW::new(&vars, training.weight_decay, |_| 0);
    let n_samples = data.train.n_samples();
    let batch: Vec<usize> = (0..training.batch_size.min(n_samples)).collect();
    let mut seconds = 0.0;
    for _ in 0..2 {
        let start = Instant::now();
        data.train.each_batch(&batch, batch.len(), |batch| {
            let pred = network.forward(&batch, None)?;
            pred.mse_loss(&batch.target, Reduction::Mean).backward();
            optimizer.step(&[0.0])?;
            Ok(())
        })?;
        seconds = start.elapsed().as_secs_f64();
    }
    // A forward pass alone, as on the other splits, is about a third of a step.
    let others = data.valid.n_samples() + data.test.as_ref().map_or(0, TrainingSplit::n_samples);
    let per_sample = seconds / batch.len().max(1) as f64;
    Ok(per_sample * (n_samples as f64 + others as f64 / 3.0))
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
            // An encoder that is kept as it is has none.
            let dropout = encoder_is_trained
                .then(|| Dropout::new(seed, step_of_run(epoch, n_steps, losses.len())));
            let pred = self.network.forward(&batch, dropout)?;
            let loss = pred.mse_loss(&batch.target, Reduction::Mean);
            loss.backward();
            self.optimizer.step(&self.lrs)?;
            losses.push(loss.detach());
            squared += loss.detach() * n_batch as f64;
            absolute += (pred.detach() - &batch.target).abs().sum(Kind::Float);
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

/// The number of a step, counted over the whole run, for what is drawn anew in each. It depends on
/// nothing but the place of the step, so that a run that goes on draws what it would have drawn.
fn step_of_run(epoch: usize, steps_per_epoch: usize, step_of_epoch: usize) -> u64 {
    ((epoch - 1) * steps_per_epoch + step_of_epoch) as u64
}

/// Predictions for all samples of a split, in order, `[n_samples]`.
///
/// # Errors
/// The features cannot be read, or libtorch fails.
pub fn predict(network: &Network, split: &TrainingSplit) -> Result<Vec<f32>, TrainError> {
    let order: Vec<usize> = (0..split.n_samples()).collect();
    let n_samples = PREDICT_BATCH.min(split.n_samples());
    let pred = within(Work::Prediction { n_samples }, || {
        let _guard = tch::no_grad_guard();
        let mut parts = Vec::new();
        split.each_batch(&order, PREDICT_BATCH, |batch| {
            parts.push(network.forward(&batch, None)?);
            Ok(())
        })?;
        let pred = Tensor::cat(&parts, 0).flatten(0, -1).to_device(Device::Cpu);
        Ok(Vec::<f32>::try_from(pred)?)
    })?;
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

/// Writes what language attends to on the split that is reported on; nothing of a model in which it
/// guides nothing.
fn write_attention(best: &Checkpoint, data: &TrainingData, path: &Path) -> Result<(), TrainError> {
    let split = data.test.as_ref().unwrap_or(&data.valid);
    attention::average(best, split)?.map_or(Ok(()), |record| write_json(path, &record))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), TrainError> {
    serde_json::to_vec_pretty(value)
        .map_err(std::io::Error::other)
        .and_then(|json| publish::write(path, &json))
        .map_err(io(path))
}

pub(super) fn check_shapes(split: &TrainingSplit, config: &ModelConfig) -> Result<(), TrainError> {
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use ndarray::Array3;
    use rand::RngExt;

    use super::*;
    use crate::corpus::{Dataset, SplitName};
    use crate::model::{BertConfig, Sequence};
    use crate::train::data::{Cache, FeatureRows, ReadError};
    use crate::train::preset::Preset;
    use crate::train::settings::{EncoderChoice, TokenChoice};

    #[test]
    fn steps_are_counted_over_the_whole_run() {
        let numbers = (1..=3).flat_map(|epoch| (0..4).map(move |step| step_of_run(epoch, 4, step)));
        assert_eq!(numbers.collect::<Vec<u64>>(), (0..12).collect::<Vec<u64>>());
    }

    /// Text comes as tokens, and there is nothing else.
    struct NoFeatures;

    impl FeatureRows for NoFeatures {
        fn sequences(&self) -> BTreeMap<Modality, Sequence> {
            BTreeMap::new()
        }

        fn read_all(&self, _: Modality, _: &mut dyn FnMut(usize, &[f32])) -> Result<(), ReadError> {
            Ok(())
        }

        fn read(&self, _: Modality, _: usize, _: &mut [f32]) -> Result<(), ReadError> {
            Ok(())
        }
    }

    struct Silent;

    impl Progress for Silent {
        fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> (f64, f64)) {}

        fn epoch(&mut self, _: &EpochRecord) {}
    }

    fn settings() -> TrainSettings {
        TrainSettings {
            dataset: Dataset::Mosi,
            store: "mosi.h5".into(),
            store_digest: String::new(),
            modalities: vec![Modality::Text],
            seed: 3,
            select: "MAE".into(),
            patience: None,
            device: "cpu".into(),
            n_threads: 1,
            writer: String::new(),
            libtorch: String::new(),
            command: vec![],
            split_manifest: None,
            text_encoder: Some(EncoderChoice {
                path: "bert".into(),
                sha256: String::new(),
                lr: 1e-3,
                tokens: TokenChoice::TextBert,
            }),
            init_from: None,
            hyper_parameters: Preset::of(Dataset::Mosi).clone(),
        }
    }

    #[test]
    fn epochs_draw_their_own_masks_and_a_run_that_goes_on_draws_the_same() {
        let settings = settings();
        let bert: BertConfig = serde_json::from_value(serde_json::json!({
            "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 8, "max_position_embeddings": 6, "type_vocab_size": 2,
            "hidden_act": "gelu",
        }))
        .unwrap();
        // A single sample, so that epochs have no order in which to differ.
        let tokens = Array3::from_shape_fn((1, 3, 6), |(_, part, step)| match part {
            0 => step as i32 + 2,
            1 => 1,
            _ => 0,
        });
        let rows = Box::new(NoFeatures);
        let (ids, labels) = (vec!["a".into()], vec![1.0]);
        let (cache, device) = (Cache::Device, Device::Cpu);
        let split =
            TrainingSplit::new(SplitName::Train, ids, labels, rows, Some(tokens), cache, device);
        let split = split.unwrap();
        // The losses of some epochs, with weights that stay as they are.
        let losses = |epochs: std::ops::RangeInclusive<usize>| -> Vec<u64> {
            let config =
                config_for(&settings, split.sequences(), split.n_tokens(), Some(bert.clone()));
            let vars = VarStore::new(device);
            let network = Network::new(&vars, &config.unwrap(), settings.seed);
            let mut rng = stream(settings.seed, "test");
            let variables: BTreeMap<String, Tensor> = vars.variables().into_iter().collect();
            for mut variable in variables.into_values().map(|variable| variable.detach()) {
                let values = (0..variable.numel()).map(|_| rng.random_range(-0.3_f32..0.3));
                let values = Tensor::from_slice(&values.collect::<Vec<f32>>());
                variable.copy_(&values.view(&*variable.size()));
            }
            let mut optimizer = AdamW::new(&vars, 0.0, |name| Part::of(name).group());
            let mut fit = Fit {
                settings: &settings,
                network: &network,
                optimizer: &mut optimizer,
                lrs: [0.0, 0.0],
            };
            epochs.map(|epoch| fit.epoch(epoch, &split, &mut Silent).unwrap().0.to_bits()).collect()
        };
        let whole = losses(1..=4);
        assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), 4, "{whole:?}");
        assert_eq!(losses(3..=4), whole[2..]);
    }
}
