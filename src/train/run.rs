//! One training run, and the evaluation of its result.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tch::Device;
use tch::nn::VarStore;

use super::checkpoint::load_into;
use super::config::ModelConfig;
use super::data::{TrainingData, TrainingSplit};
use super::fit::{Fit, to_host};
use super::memory::Work;
use super::models::Models;
use super::network::config_for;
use super::network_error::NetworkError;
use super::ongoing::Ongoing;
use super::optimizer::Optimizer;
use super::predict::check_shapes;
use super::progress::TrainProgress;
use super::replay::Replay;
use super::state::Changing;
use super::weights::Tensors;
use super::within::within;
use super::{FitError, TrainError, device, encoder, state};
use crate::model::form::Placement;
use crate::model::{ENCODER, Form};
use crate::run::folder::{self, CONFIG, Lock, STATE, io};
use crate::run::metrics::{self, Metrics};
use crate::run::preset::Preset;
use crate::run::recipe::{self, Phase};
use crate::run::record::{EpochRecord, LOSS, RunResult};
use crate::run::schedule::{Moment, Schedule};
use crate::run::settings::{Precision, TrainSettings};

/// Minimum time between two saved states of a run, as a multiple of the time to write one.
const STATE_SHARE: u32 = 20;

/// How a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// In an empty folder.
    New,
    /// In a folder whose run is replaced.
    Overwrite,
    /// From the point where the folder's run was interrupted.
    Resume,
}

/// Trains a model and fills the folder `out`: settings, a line of metrics per epoch, the weights of the
/// selected epoch and its predictions, and the result. A run interrupted at any moment resumes with
/// [`Start::Resume`] and ends with the same bytes.
///
/// # Errors
/// The folder is in use or cannot be written to, the loss diverges, or libtorch fails.
pub fn train(
    settings: &TrainSettings,
    data: &TrainingData,
    device: Device,
    out: &Path,
    start: Start,
    progress: &mut dyn TrainProgress,
) -> Result<RunResult, TrainError> {
    let runs = [(settings.clone(), out.to_owned())];
    let results = train_together(&runs, data, device, &out.join(STATE), start, progress)?;
    let epochs = settings.hyper_parameters.training.epochs;
    Ok(results.into_iter().next().ok_or(FitError::NothingSelected { epochs })?)
}

/// Trains models that differ in their seed as one, which on a GPU takes little longer than a single
/// one, and fills each model's folder like [`train`]. Text encoders and patience are not supported.
/// Each model takes the same steps as when trained alone, up to rounding.
///
/// `state` is the file with the state of all models until they are complete. With [`Start::Resume`], a
/// folder without a run gets one.
///
/// # Errors
/// Same as [`train`].
pub fn train_together(
    runs: &[(TrainSettings, PathBuf)],
    data: &TrainingData,
    device: Device,
    state_path: &Path,
    start: Start,
    progress: &mut dyn TrainProgress,
) -> Result<Vec<RunResult>, TrainError> {
    let Some((settings, _)) = runs.first() else { return Ok(Vec::new()) };
    let bert = data.encoder.as_ref().map(|encoder| encoder.config().clone());
    let config = config_for(settings, data.train.sequences(), data.train.n_tokens(), bert)?;
    for split in [Some(&data.valid), data.test.as_ref()].into_iter().flatten() {
        check_shapes(split, &config)?;
    }
    let scale = settings.scale();
    let names: Vec<Cow<'static, str>> =
        metrics::names(scale).into_iter().chain([Cow::Borrowed(LOSS)]).collect();
    if !names.contains(&Cow::Borrowed(&*settings.select)) {
        return Err(FitError::Metric { name: settings.select.clone(), names }.into());
    }
    let factor = data.train.map().map_or(1.0, |map| f64::from(map.factor));
    let n_samples = data.train.n_samples();
    if !settings.hyper_parameters.has_steps(n_samples) {
        return Err(FitError::NoStep { n_samples }.into());
    }
    let begun = match start == Start::Resume {
        true => runs.iter().map(|(_, out)| out).find(|out| out.join(CONFIG).exists()),
        false => None,
    };
    // A run keeps its initial form.
    let asked = match begun {
        Some(out) => folder::read_config(out)?.form,
        None => settings.form,
    };
    let form = form_of(&config, asked, settings, device, runs.len())?;
    let with_form = |(settings, out): &(TrainSettings, PathBuf)| {
        (TrainSettings { form: Some(form), ..settings.clone() }, out.clone())
    };
    let runs: Vec<(TrainSettings, PathBuf)> = runs.iter().map(with_form).collect();
    if start == Start::New {
        runs.iter().try_for_each(|(_, out)| folder::check_free(out))?;
    }
    let mut settings = settings.clone();
    encoder::fit(&mut settings.hyper_parameters, settings.text_encoder.as_ref());
    let settings = &settings;
    let prepare = |vars: &VarStore| {
        if let Some(encoder) = &data.encoder {
            encoder.copy_into(vars, &format!("{ENCODER}."))?;
        }
        encoder::freeze(settings, vars);
        if let Some(initial) = &settings.init_from {
            load_into(&initial.path, &config.spec, vars)?;
        }
        Ok(())
    };
    let seeds: Vec<u64> = runs.iter().map(|(settings, _)| settings.seed).collect();
    let mut models = Models::new(&config, form, &seeds, device, prepare)?;
    if let Some(network) = models.only() {
        tch::no_grad(|| network.model_mut().begin(data.train.targets()));
    }
    let Preset { training, phases, .. } = &settings.hyper_parameters;
    let optimizers = optimizers(&settings.hyper_parameters, &models.parameters())?;
    // Existing results are deleted only once the whole call is known to be valid.
    let _locks = runs.iter().map(|(_, out)| Lock::of(out)).collect::<Result<Vec<_>, _>>()?;
    for (settings, out) in &runs {
        if start != Start::Resume {
            folder::prepare(out, start == Start::Overwrite)?;
        }
        if start != Start::Resume || !out.join(CONFIG).exists() {
            fs::create_dir_all(out).map_err(io(out))?;
            folder::write_config(out, settings)?;
        }
    }
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
    runs.iter().for_each(|(settings, _)| progress.begin(settings, n_samples));
    let replay = if data.graphs { Replay::on(device) } else { Replay::new(false) };
    let names = Default::default();
    let mut fit = Fit { settings, seeds: &seeds, models, optimizers, replay, names };
    let task = config.spec.task();
    let watches_loss = settings.hyper_parameters.watches_loss(&settings.select);
    let mut saved: Option<(Instant, Duration)> = None;
    for epoch in n_done + 1..=training.epochs {
        if ongoing.iter().all(Ongoing::is_over) {
            break;
        }
        let epoch_start = Instant::now();
        let validation = ongoing.first().map(Ongoing::validation).unwrap_or_default();
        // The recorded rate is that of most parameters at the start of the epoch.
        let at = Moment { epoch, n_epochs: training.epochs, n_steps: 0, steps_per_epoch: 1 };
        let rate = |phase: &Phase| {
            phase.schedule.learning_rate(settings.hyper_parameters.lr(), at, &validation)
        };
        let lr = phases.last().map_or(f64::NAN, rate);
        let n_samples = training.batch_size.min(data.train.n_samples()) * runs.len();
        let ledger = within(Work::Step { n_samples }, || {
            let ledger = fit.epoch(epoch, &validation, &data.train, progress)?;
            device::wait(device);
            Ok(ledger)
        })?;
        let train_seconds = epoch_start.elapsed().as_secs_f64();
        if let Some(refusal) = fit.replay.take_refusal() {
            progress.piecewise(&refusal);
        }
        // All inputs of the metrics are copied to the host at once.
        let mut on_device = vec![ledger.values(), fit.predict(&data.valid)?];
        if let Some(test) = &data.test {
            on_device.push(fit.predict(test)?);
        }
        let mut on_host = to_host(&on_device)?;
        let losses = {
            let has_checkpoint = |idx: usize| ongoing[idx].has_checkpoint();
            fit.losses(epoch, &ledger, &on_host[0], &data.train, &has_checkpoint)?
        };
        let valid_losses: Option<Vec<f64>> = watches_loss.then(|| {
            // In units of the model, like the loss on the training split.
            let labels = data.valid.outputs();
            on_host[1]
                .chunks(labels.len())
                .map(|pred| training.rounded(task.mean(pred, &labels)))
                .collect()
        });
        if let Some(map) = data.train.map() {
            let outputs = on_host.iter_mut().skip(1).flatten();
            outputs.for_each(|output| *output = map.from_model(*output));
        }
        let evaluate = |pred: &[f32], split: &TrainingSplit| -> Vec<Metrics> {
            let n_samples = split.n_samples();
            let of_model = |idx| &pred[idx * n_samples..][..n_samples];
            (0..runs.len())
                .map(|idx| metrics::evaluate(scale, of_model(idx), split.labels()))
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
                train_mae: losses.absolute / factor,
                train_terms: losses.terms,
                valid_loss: valid_losses.as_ref().map(|losses| losses[idx]),
                valid: valid[idx].clone(),
                test: test.as_ref().map(|test| test[idx].clone()),
                train_seconds,
                seconds,
            };
            run.add(&record, || fit.models.parameters_of(idx))?;
            progress.epoch(&record);
        }
        // Last: anything of this epoch on disk without its state is redone, with the same bytes. So the
        // state of some epochs can be skipped if writing it would take more than a share of the time.
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
        .map(|(idx, run)| {
            run.finish(data, device, &fit.models.parameters_of(idx), &fit.models.memory())
        })
        .collect::<Result<Vec<_>, _>>()?;
    match fs::remove_file(state_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io(state_path)(error).into())
        }
        _ => Ok(results),
    }
}

/// Why several seeds cannot be trained as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// Models with a text encoder are trained one at a time.
    TextEncoder,
    /// With patience, runs end at different epochs.
    Patience,
    /// The requested form computes only one model.
    Form,
    /// The recipe has steps that depend on a whole model: a clipped norm, a plateau schedule.
    Recipe,
    /// The model has no form for several seeds.
    Model,
}

/// Why several seeds cannot be trained as one; `None` if they can.
///
/// # Errors
/// The model is impossible.
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
    let is_of_one = |phase: &Phase| {
        phase.clip_norm.is_some() || matches!(phase.schedule, Schedule::Plateau { .. })
    };
    if settings.hyper_parameters.phases.iter().any(is_of_one) {
        return Ok(Some(Apart::Recipe));
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

/// Estimated seconds per epoch of such a run here, from the median of a few steps.
///
/// # Errors
/// The features cannot be read, or libtorch fails.
pub fn epoch_seconds(settings: &TrainSettings, data: &TrainingData) -> Result<f64, TrainError> {
    let bert = data.encoder.as_ref().map(|encoder| encoder.config().clone());
    let config = config_for(settings, data.train.sequences(), data.train.n_tokens(), bert)?;
    let seeds = [settings.seed];
    let device = data.train.device();
    let form = form_of(&config, settings.form, settings, device, 1)?;
    let mut models = Models::new(&config, form, &seeds, device, |_| Ok(()))?;
    if let Some(network) = models.only() {
        tch::no_grad(|| network.model_mut().begin(data.train.targets()));
    }
    let mut recipe = settings.hyper_parameters.clone();
    encoder::fit(&mut recipe, settings.text_encoder.as_ref());
    let optimizers = optimizers(&recipe, &models.parameters())?;
    let n_samples = data.train.n_samples();
    let n_batch = settings.hyper_parameters.training.batch_size.min(n_samples);
    let replay = Replay::new(false);
    let names = Default::default();
    let mut fit = Fit { settings, seeds: &seeds, models, optimizers, replay, names };
    let seconds = fit.seconds_of_a_step(&data.train)?;
    // A forward pass alone, as on the other splits, takes about a third of a step.
    let others = data.valid.n_samples() + data.test.as_ref().map_or(0, TrainingSplit::n_samples);
    let per_sample = seconds / n_batch.max(1) as f64;
    Ok(per_sample * (n_samples as f64 + others as f64 / 3.0))
}
