//! One training run, and the evaluation of its result.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tch::nn::VarStore;
use tch::{Device, Tensor};

use super::checkpoint::{Checkpoint, ModelConfig, load_into};
use super::data::TrainingSplit;
use super::fit::{Fit, to_host};
use super::memory::{Work, within};
use super::models::Models;
use super::network::{Network, config_for};
use super::network_error::NetworkError;
use super::ongoing::Ongoing;
use super::optimizer::Optimizer;
use super::replay::Replay;
use super::state::Changing;
use super::weights::Tensors;
use super::{DataError, FitError, TrainError, attention, device, state};
use crate::corpus::degenerate::Degenerate;
use crate::corpus::{Modality, SplitName};
use crate::model::contract::Pass;
use crate::model::form::Placement;
use crate::model::{ENCODER, Form, Trace};
use crate::pretrained::Pretrained;
use crate::run::folder::{self, CONFIG, STATE, io, write_json};
use crate::run::metrics::{self, Metrics};
use crate::run::predictions::{self, Prediction};
use crate::run::preset::Preset;
use crate::run::recipe::{self, Group, Phase};
use crate::run::record::{EpochRecord, FittedLength, RunResult};
use crate::run::schedule::Moment;
use crate::run::settings::{Precision, TrainSettings};

/// The samples of a run.
pub struct TrainingData {
    /// Fitted on.
    pub train: TrainingSplit,
    /// Selected on.
    pub valid: TrainingSplit,
    /// Reported on, where there is one.
    pub test: Option<TrainingSplit>,
    /// What was padded or cut for that, of the splits of which something was.
    pub lengths: BTreeMap<SplitName, Vec<FittedLength>>,
    /// The text encoder, where text comes as tokens.
    pub encoder: Option<Pretrained>,
    /// Whether a GPU is to do a step as a whole, recorded once, and not piece by piece. The result is
    /// the same.
    pub graphs: bool,
}

/// What is told while a run goes on. Losses are read from the device only when asked for.
pub trait Progress {
    /// A step of an epoch is done; `losses` gives mean squared error and mean absolute error over
    /// the samples of the epoch so far.
    fn step(&mut self, epoch: usize, step: usize, losses: &dyn Fn() -> (f64, f64));

    /// A run begins, or goes on, with these settings on so many samples.
    fn begin(&mut self, _settings: &TrainSettings, _n_samples: usize) {}

    /// An epoch is done.
    fn epoch(&mut self, record: &EpochRecord);

    /// Steps are done piece by piece, since the device did not record them.
    fn piecewise(&mut self, cause: &TrainError);
}

/// Samples per forward pass outside training. One number for all callers on a device: another one may
/// change the last bits of a prediction.
pub(super) fn predict_batch(device: Device) -> usize {
    match device {
        // A pass over more takes little longer there.
        Device::Cuda(_) => 256,
        _ => 64,
    }
}

/// The time between two states of a run is at least so many times that of writing one.
const STATE_SHARE: u32 = 20;

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
    let runs = [(settings.clone(), out.to_owned())];
    let results = train_together(&runs, data, device, &out.join(STATE), start, progress)?;
    let epochs = settings.hyper_parameters.training.epochs;
    Ok(results.into_iter().next().ok_or(FitError::NothingSelected { epochs })?)
}

/// Trains models that differ in their seed as one, which a GPU does in little more time than one of
/// them, and fills the folder of each as [`train`] does. They have no text encoder and no patience.
/// A model takes the steps that it would take alone, rounded in another order.
///
/// `state` is the file that says where all of them stand while they are not complete. With
/// [`Start::Resume`], a folder without a run gets one.
///
/// # Errors
/// As of [`train`].
pub fn train_together(
    runs: &[(TrainSettings, PathBuf)],
    data: &TrainingData,
    device: Device,
    state_path: &Path,
    start: Start,
    progress: &mut dyn Progress,
) -> Result<Vec<RunResult>, TrainError> {
    let Some((settings, _)) = runs.first() else { return Ok(Vec::new()) };
    let bert = data.encoder.as_ref().map(|encoder| encoder.config().clone());
    let config = config_for(settings, data.train.sequences(), data.train.n_tokens(), bert)?;
    for split in [Some(&data.valid), data.test.as_ref()].into_iter().flatten() {
        check_shapes(split, &config)?;
    }
    let scheme = settings.dataset.bin_scheme();
    let names = metrics::names(scheme);
    if !names.contains(&&*settings.select) {
        return Err(FitError::Metric { name: settings.select.clone(), names }.into());
    }
    let begun = match start == Start::Resume {
        true => runs.iter().map(|(_, out)| out).find(|out| out.join(CONFIG).exists()),
        false => None,
    };
    // A run keeps the form that it began with.
    let asked = match begun {
        Some(out) => folder::read_config(out)?.form,
        None => settings.form,
    };
    let form = form_of(&config, asked, settings, device, runs.len())?;
    let with_form = |(settings, out): &(TrainSettings, PathBuf)| {
        (TrainSettings { form: Some(form), ..settings.clone() }, out.clone())
    };
    let runs: Vec<(TrainSettings, PathBuf)> = runs.iter().map(with_form).collect();
    for (settings, out) in &runs {
        if start != Start::Resume {
            folder::prepare(out, start == Start::Overwrite)?;
        }
        if start != Start::Resume || !out.join(CONFIG).exists() {
            fs::create_dir_all(out).map_err(io(out))?;
            folder::write_config(out, settings)?;
        }
    }
    let mut settings = settings.clone();
    settings.hyper_parameters = recipe_of(&settings);
    let settings = &settings;
    let prepare = |vars: &VarStore| {
        if let Some(encoder) = &data.encoder {
            encoder.copy_into(vars, &format!("{ENCODER}."))?;
        }
        if settings.text_encoder.as_ref().is_none_or(|encoder| encoder.lr == 0.0) {
            freeze_encoder(vars);
        }
        if let Some(initial) = &settings.init_from {
            load_into(&initial.path, vars)?;
        }
        Ok(())
    };
    let seeds: Vec<u64> = runs.iter().map(|(settings, _)| settings.seed).collect();
    let models = Models::new(&config, form, &seeds, device, prepare)?;
    let Preset { training, phases, .. } = &settings.hyper_parameters;
    let optimizers = optimizers(&settings.hyper_parameters, &models.parameters())?;
    let changing = || Changing {
        parameters: models.parameters(),
        memory: models.memory(),
        optimizers: &optimizers,
    };
    let n_done = match start == Start::Resume && state_path.exists() {
        true => state::load(state_path, changing())?,
        false => 0,
    };
    let mut ongoing = runs
        .iter()
        .map(|(settings, out)| Ongoing::open(settings, &config, out, n_done))
        .collect::<Result<Vec<_>, _>>()?;
    let n_samples = data.train.n_samples();
    runs.iter().for_each(|(settings, _)| progress.begin(settings, n_samples));
    let replay = if data.graphs { Replay::on(device) } else { Replay::new(false) };
    let mut fit = Fit { settings, seeds: &seeds, models, optimizers, replay };
    let mut saved: Option<(Instant, Duration)> = None;
    for epoch in n_done + 1..=training.epochs {
        if ongoing.iter().all(Ongoing::is_over) {
            break;
        }
        let epoch_start = Instant::now();
        let valid_mae = ongoing.first().map(Ongoing::valid_mae).unwrap_or_default();
        // The rate that a record has is that of most parameters, as the epoch begins.
        let at = Moment { epoch, n_epochs: training.epochs, n_steps: 0, steps_per_epoch: 1 };
        let rate = |phase: &Phase| {
            phase.schedule.learning_rate(settings.hyper_parameters.lr(), at, &valid_mae)
        };
        let lr = phases.last().map_or(f64::NAN, rate);
        let n_samples = training.batch_size.min(data.train.n_samples()) * runs.len();
        let errors = within(Work::Step { n_samples }, || {
            let errors = fit.epoch(epoch, &valid_mae, &data.train, progress)?;
            device::wait(device);
            Ok(errors)
        })?;
        let train_seconds = epoch_start.elapsed().as_secs_f64();
        if let Some(refusal) = fit.replay.take_refusal() {
            progress.piecewise(&refusal);
        }
        // What the metrics are computed from comes back in one copy.
        let mut on_device = vec![errors, fit.predict(&data.valid)?];
        if let Some(test) = &data.test {
            on_device.push(fit.predict(test)?);
        }
        let on_host = to_host(&on_device)?;
        let losses = fit.losses(epoch, &on_host[0], &data.train)?;
        let evaluate = |pred: &[f32], split: &TrainingSplit| -> Vec<Metrics> {
            let n_samples = split.n_samples();
            let of_model = |idx| &pred[idx * n_samples..][..n_samples];
            (0..runs.len())
                .map(|idx| metrics::evaluate(scheme, of_model(idx), split.labels()))
                .collect()
        };
        let valid = evaluate(&on_host[1], &data.valid);
        let test =
            data.test.as_ref().zip(on_host.get(2)).map(|(split, pred)| evaluate(pred, split));
        let seconds = epoch_start.elapsed().as_secs_f64();
        for (idx, (run, losses)) in ongoing.iter_mut().zip(losses).enumerate() {
            let record = EpochRecord {
                epoch,
                lr,
                train_loss: losses.loss,
                train_mae: losses.absolute,
                valid: valid[idx].clone(),
                test: test.as_ref().map(|test| test[idx].clone()),
                train_seconds,
                seconds,
            };
            run.add(&record, || fit.models.parameters_of(idx))?;
            progress.epoch(&record);
        }
        // Last: whatever of this epoch is on the disk without it is done again, to the same bytes. So
        // the state of some epochs can be left out where writing it would take more than a share of
        // the time.
        if saved.is_none_or(|(when, took)| when.elapsed() >= took * STATE_SHARE) {
            let begin = Instant::now();
            let changing = Changing {
                parameters: fit.models.parameters(),
                memory: fit.models.memory(),
                optimizers: &fit.optimizers,
            };
            state::save(state_path, changing, epoch)?;
            saved = Some((Instant::now(), begin.elapsed()));
        }
    }
    let results = ongoing
        .into_iter()
        .enumerate()
        .map(|(idx, run)| run.finish(data, device, &fit.models.parameters_of(idx)))
        .collect::<Result<Vec<_>, _>>()?;
    match fs::remove_file(state_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io(state_path)(error).into())
        }
        _ => Ok(results),
    }
}

/// Why the models of several seeds cannot be trained as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// With a text encoder, models are trained one at a time.
    TextEncoder,
    /// With patience, runs end at different epochs.
    Patience,
    /// The form that is asked for computes one model.
    Form,
    /// The model has no form for several seeds.
    Model,
}

/// Why the models of several seeds cannot be trained as one; `None` where they can.
///
/// # Errors
/// There is no such model.
pub fn problem_together(
    settings: &TrainSettings,
    data: &TrainingData,
) -> Result<Option<Apart>, TrainError> {
    if settings.text_encoder.is_some() {
        return Ok(Some(Apart::TextEncoder));
    }
    if settings.patience.is_some() {
        return Ok(Some(Apart::Patience));
    }
    if settings.form.is_some_and(|form| form != Form::Batched) {
        return Ok(Some(Apart::Form));
    }
    let config = config_for(settings, data.train.sequences(), data.train.n_tokens(), None)?;
    let has_form = config.spec.forms(&config.inputs).contains(&Form::Batched);
    match has_form && settings.hyper_parameters.phases.len() == 1 {
        true => Ok(None),
        false => Ok(Some(Apart::Model)),
    }
}

/// The form of the models of some runs.
fn form_of(
    config: &ModelConfig,
    asked: Option<Form>,
    settings: &TrainSettings,
    device: Device,
    n_models: usize,
) -> Result<Form, TrainError> {
    let is_float32 = settings.precision != Precision::Bfloat16;
    let place = Placement { is_cpu: !device.is_cuda(), is_float32, n_models };
    config.form(asked, place).map_err(|forms| NetworkError::NoForm { asked, forms }.into())
}

/// The hyper-parameters of a run with a group for its text encoder, where that is trained: it has its own
/// rate, and the decay of what takes all the rest.
fn recipe_of(settings: &TrainSettings) -> Preset {
    let mut recipe = settings.hyper_parameters.clone();
    if let Some(encoder) = settings.text_encoder.as_ref().filter(|encoder| encoder.lr > 0.0) {
        for phase in &mut recipe.phases {
            let weight_decay = phase.groups.last().map_or(0.0, |group| group.weight_decay);
            let (name, prefixes) = ("encoder".into(), vec![ENCODER.into()]);
            phase.groups.insert(0, Group { name, prefixes, lr: encoder.lr, weight_decay });
        }
    }
    recipe
}

/// One optimizer per phase.
pub(super) fn optimizers(
    recipe: &Preset,
    parameters: &Tensors,
) -> Result<Vec<Optimizer>, TrainError> {
    let trainable = parameters.iter().filter(|(_, tensor)| tensor.requires_grad());
    let names: Vec<String> = trainable.map(|(name, _)| name.clone()).collect();
    let dealt = recipe::assign(&recipe.phases, &recipe.training.untrained, &names)?;
    let phases = recipe.phases.iter().zip(&dealt);
    Ok(phases.map(|(phase, dealt)| Optimizer::new(phase, dealt, parameters)).collect())
}

/// Keeps a text encoder as it is: its parameters get no gradient, and so no step.
fn freeze_encoder(vars: &VarStore) {
    for (name, parameter) in vars.variables() {
        if recipe::is_below(&name, ENCODER) {
            let _ = parameter.set_requires_grad(false);
        }
    }
}

/// About how long an epoch of such a run takes here, in seconds, from the second of two steps.
///
/// # Errors
/// The features cannot be read, or libtorch fails.
pub fn epoch_seconds(settings: &TrainSettings, data: &TrainingData) -> Result<f64, TrainError> {
    let config = config_for(settings, data.train.sequences(), data.train.n_tokens(), None)?;
    let seeds = [settings.seed];
    let device = data.train.device();
    let form = form_of(&config, settings.form, settings, device, 1)?;
    let models = Models::new(&config, form, &seeds, device, |_| Ok(()))?;
    let optimizers = optimizers(&settings.hyper_parameters, &models.parameters())?;
    let n_samples = data.train.n_samples();
    let n_batch = settings.hyper_parameters.training.batch_size.min(n_samples);
    let replay = Replay::new(false);
    let mut fit = Fit { settings, seeds: &seeds, models, optimizers, replay };
    let seconds = fit.second_of_two_steps(&data.train)?;
    // A forward pass alone, as on the other splits, is about a third of a step.
    let others = data.valid.n_samples() + data.test.as_ref().map_or(0, TrainingSplit::n_samples);
    let per_sample = seconds / n_batch.max(1) as f64;
    Ok(per_sample * (n_samples as f64 + others as f64 / 3.0))
}

/// Predictions for all samples of a split, in order, `[n_samples]`.
///
/// # Errors
/// The features cannot be read, or libtorch fails.
pub fn predict(network: &Network, split: &TrainingSplit) -> Result<Vec<f32>, TrainError> {
    let order: Vec<usize> = (0..split.n_samples()).collect();
    let n_batch = predict_batch(split.device());
    let n_samples = n_batch.min(split.n_samples());
    let pred = within(Work::Prediction { n_samples }, || {
        let _guard = tch::no_grad_guard();
        let mut parts = Vec::new();
        split.each_batch(&order, n_batch, |batch| {
            let mut trace = Trace::default();
            let mut pass = Pass { dropout: None, is_training: false, trace: &mut trace };
            parts.push(network.forward(&batch, false, &mut pass)?.pred);
            Ok(())
        })?;
        let pred = Tensor::cat(&parts, 0).flatten(0, -1).to_device(Device::Cpu);
        Ok(Vec::<f32>::try_from(pred)?)
    })?;
    if pred.len() != split.n_samples() {
        let (expected, found) = (split.n_samples(), pred.len());
        let column = "prediction";
        return Err(DataError::Count { split: split.name(), column, expected, found }.into());
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
    let labels: Vec<Option<f32>> = split.labels().iter().copied().map(Some).collect();
    let rows = predictions_of(checkpoint, split, &labels)?;
    let pred: Vec<f32> = rows.iter().map(|row| row.prediction).collect();
    let scheme = checkpoint.info.dataset.bin_scheme();
    Ok((metrics::evaluate(scheme, &pred, split.labels()), rows))
}

/// Predictions of a checkpoint on one split, beside the labels of the samples that have one.
///
/// # Errors
/// As of [`evaluate`].
pub fn predictions_of(
    checkpoint: &Checkpoint,
    split: &TrainingSplit,
    labels: &[Option<f32>],
) -> Result<Vec<Prediction>, TrainError> {
    check_shapes(split, &checkpoint.info.config)?;
    let pred = predict(&checkpoint.network, split)?;
    let rows = split.ids().iter().zip(labels).zip(pred);
    let rows = rows.map(|((id, label), prediction)| Prediction {
        id: id.clone(),
        split: split.name(),
        label: *label,
        prediction,
        is_cut: false,
    });
    Ok(rows.collect())
}

/// Writes the predictions, and returns the splits on which they are the same of almost every segment.
pub(super) fn write_predictions(
    best: &Checkpoint,
    data: &TrainingData,
    path: &Path,
) -> Result<BTreeMap<SplitName, Degenerate>, TrainError> {
    let scheme = best.info.dataset.bin_scheme();
    let (mut rows, mut degenerate) = (Vec::new(), BTreeMap::new());
    for split in [Some(&data.valid), data.test.as_ref()].into_iter().flatten() {
        let predicted = evaluate(best, split)?.1;
        let values: Vec<f32> = predicted.iter().map(|row| row.prediction).collect();
        let found = Degenerate::find(scheme, &values, split.labels());
        degenerate.extend(found.map(|found| (split.name(), found)));
        rows.extend(predicted);
    }
    predictions::write(path, scheme, &rows).map_err(io(path))?;
    Ok(degenerate)
}

/// Writes what language attends to on the split that is reported on; nothing of a model in which it
/// guides nothing.
pub(super) fn write_attention(
    best: &Checkpoint,
    data: &TrainingData,
    path: &Path,
) -> Result<(), TrainError> {
    let split = data.test.as_ref().unwrap_or(&data.valid);
    attention::average(best, split)?.map_or(Ok(()), |record| Ok(write_json(path, &record)?))
}

pub(super) fn check_shapes(split: &TrainingSplit, config: &ModelConfig) -> Result<(), TrainError> {
    for (modality, expected) in &config.inputs.0 {
        let found = match (*modality, &config.bert) {
            (Modality::Text, Some(bert)) => split
                .n_tokens()
                .map(|seq_len| crate::model::Sequence { seq_len, feat_dim: bert.hidden_size }),
            _ => split.sequences().get(modality).copied(),
        };
        // A modality that the model does not use may be there.
        if found != Some(*expected) {
            let show = |sequence: Option<crate::model::Sequence>| match sequence {
                Some(sequence) => format!("[{}, {}]", sequence.seq_len, sequence.feat_dim),
                None => "none".into(),
            };
            let (expected, found) = (show(Some(*expected)), show(found));
            let (split, modality) = (split.name(), *modality);
            return Err(DataError::Shape { split, modality, expected, found }.into());
        }
    }
    Ok(())
}
