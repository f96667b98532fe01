//! The passes over the splits within an epoch.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

use tch::{Device, Kind, Tensor};

use super::TrainError;
use super::data::{Chunk, TrainingSplit};
use super::ledger::{Ledger, Losses, TermNames, Values};
use super::memory::Work;
use super::models::Models;
use super::optimizer::Optimizer;
use super::predict::predict_batch;
use super::progress::TrainProgress;
use super::replay::Replay;
use super::within::within;
use crate::corpus::SplitName;
use crate::model::contract::{At, Batch, Outputs, Pass as ForwardPass};
use crate::model::{Dropout, Trace};
use crate::native;
use crate::native::modes::{Autocast, Tf32};
use crate::run::preset::{Preset, Remainder, Training};
use crate::run::recipe::{Group, Phase};
use crate::run::schedule::{Moment, Validation};
use crate::run::settings::{Precision, TrainSettings};
use crate::seed::shuffled;

/// State that an epoch works with.
pub(super) struct Fit<'a> {
    pub(super) settings: &'a TrainSettings,
    /// One per model.
    pub(super) seeds: &'a [u64],
    pub(super) models: Models,
    /// One per phase.
    pub(super) optimizers: Vec<Optimizer>,
    pub(super) replay: Replay<Pass>,
    /// Names of the loss terms that each phase computed last: a replayed step has those of the recorded
    /// step.
    pub(super) names: RefCell<BTreeMap<usize, TermNames>>,
}

/// A pass over a split.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pass {
    Training,
    Prediction(SplitName),
}

/// Result of a pass over a batch.
struct Passed {
    outputs: Outputs,
    batch: Batch,
    values: Values,
    /// Sum of absolute errors per model, `[n_models]`.
    absolute: Tensor,
}

impl Fit<'_> {
    fn training(&self) -> &Training {
        &self.settings.hyper_parameters.training
    }

    fn batch_size(&self) -> usize {
        self.training().batch_size.max(1)
    }

    fn trains_encoder(&self) -> bool {
        self.settings.text_encoder.as_ref().is_some_and(|encoder| encoder.lr > 0.0)
    }

    /// Runs an epoch's passes over the training split, in each model's own order. The losses stay on
    /// the device.
    pub(super) fn epoch(
        &mut self,
        epoch: usize,
        valid: &Validation,
        split: &TrainingSplit,
        progress: &mut dyn TrainProgress,
    ) -> Result<Ledger, TrainError> {
        let (batch_size, trains_encoder) = (self.batch_size(), self.trains_encoder());
        let (n_models, n_samples) = (self.seeds.len(), split.n_samples());
        let n_most = n_samples.div_ceil(batch_size);
        let Preset { training, phases, .. } = &self.settings.hyper_parameters;
        let accumulate = training.accumulate.max(1);
        let mut ledger = Ledger::new(phases.len(), n_models, split.device());
        let trainable: Vec<Tensor> =
            self.models.parameters().into_values().filter(Tensor::requires_grad).collect();
        let Fit { settings, seeds, models, optimizers, replay, names } = self;
        let is_recorded = phases.len() == 1
            && accumulate == 1
            && !training.zero_gradients
            && models.can_be_recorded()
            && optimizers.iter().all(Optimizer::can_be_recorded)
            && !phases.iter().any(|phase| phase.schedule.is_per_step());
        for (phase_idx, (phase, optimizer)) in phases.iter().zip(optimizers).enumerate() {
            let at = (epoch, phase_idx);
            let orders: Vec<Vec<usize>> =
                seeds.iter().map(|seed| order(*seed, at, (training, phase), n_samples)).collect();
            let n_own = phase.n_samples(n_samples, batch_size);
            let (n_batches, steps_per_epoch) =
                (n_own.div_ceil(batch_size), training.steps_per_epoch(n_own));
            let n_before = ledger.n_steps();
            let rates = |n_steps: usize| -> Vec<f64> {
                let n_epochs = training.epochs;
                let n_steps = (epoch - 1) * steps_per_epoch + n_steps;
                let at = Moment { epoch, n_epochs, n_steps, steps_per_epoch };
                let rate = |group: &Group| phase.schedule.learning_rate(group.lr, at, valid);
                phase.groups.iter().map(rate).collect()
            };
            optimizer.set_lrs(&rates(0));
            let pass = |models: &Models, chunk: Chunk, at: At<'_>, dropout: Dropout| {
                let _tf32 = match settings.precision {
                    Precision::Tf32 => Some(Tf32::begin()?),
                    _ => None,
                };
                let batch = split.batch(chunk);
                let mut trace = Trace::default();
                let mut pass =
                    ForwardPass { at: Some(at), dropout: Some(dropout), trace: &mut trace };
                let mut outputs = {
                    let _autocast = match settings.precision {
                        Precision::Bfloat16 => Some(Autocast::begin(split.device())?),
                        _ => None,
                    };
                    models.forward(&batch, trains_encoder, &mut pass)?
                };
                // Losses and memories are in float32, and so is everything they get.
                for part in outputs.parts.values_mut().chain([&mut outputs.pred]) {
                    if part.kind() == Kind::BFloat16 {
                        *part = part.to_kind(Kind::Float);
                    }
                }
                let (of_models, absolute) = models.losses(at, &outputs, &batch);
                let (terms, Values { total, terms: of_terms }) = Values::of(&of_models);
                let idle = trainable.iter().filter(|_| training.zero_gradients && at.epoch > 1);
                let none = |sum: Tensor, idle: &Tensor| sum + idle.sum(Kind::Float) * 0.0;
                // Each model's loss depends only on that model.
                idle.fold(total.sum(Kind::Float), none).backward();
                names.borrow_mut().insert(phase_idx, terms);
                let values = Values { total: total.detach(), terms: of_terms };
                Ok::<_, TrainError>(Passed { outputs, batch, values, absolute })
            };
            let (mut n_waiting, mut n_steps) = (0, 0);
            let order = interleaved(&orders, batch_size);
            split.each_chunk(&order, batch_size * n_models, |chunk| {
                let n_batch = chunk.indices.size()[0] as usize / n_models;
                let place = step_of_run(epoch, phases.len() * n_most, ledger.n_steps());
                let at = At {
                    phase: &phase.name,
                    epoch,
                    n_epochs: training.epochs,
                    step: ledger.n_steps() - n_before,
                    n_steps: n_batches,
                };
                let dropout = Dropout::new(seeds[0], place);
                let prepare = || Ok(dropout.begin(split.device())?);
                let (values, absolute) = if is_recorded && chunk.read.is_none() {
                    let (models, optimizer) = (&*models, &*optimizer);
                    let results =
                        replay.run(Pass::Training, &chunk.indices, prepare, |indices| {
                            // A failed recording may have left some.
                            native::drop_gradients(&trainable);
                            let chunk = Chunk { indices: indices.shallow_clone(), read: None };
                            let Passed { values, absolute, .. } = pass(models, chunk, at, dropout)?;
                            optimizer.clip_values();
                            optimizer.step()?;
                            Ok([absolute, values.total].into_iter().chain(values.terms).collect())
                        })?;
                    let [absolute, total, terms @ ..] = &*results else { return Ok(()) };
                    // The next step overwrites them.
                    let terms = terms.first().map(Tensor::copy);
                    (Values { total: total.copy(), terms }, absolute.shallow_clone())
                } else {
                    prepare()?;
                    if n_waiting == 0 {
                        native::drop_gradients(&trainable);
                    }
                    let Passed { outputs, batch, values, absolute } =
                        pass(models, chunk, at, dropout)?;
                    optimizer.clip_values();
                    n_waiting += 1;
                    let is_last = at.step + 1 == n_batches;
                    let is_due = n_waiting == accumulate
                        || (is_last && training.remainder == Remainder::Step);
                    if is_due {
                        if phase.schedule.is_per_step() {
                            optimizer.set_lrs(&rates(n_steps));
                        }
                        optimizer.step()?;
                        (n_waiting, n_steps) = (0, n_steps + 1);
                    }
                    if let Some(network) = models.only() {
                        tch::no_grad(|| network.model_mut().after_step(&outputs, &batch, at));
                    }
                    (values, absolute)
                };
                let names = names.borrow().get(&phase_idx).cloned().unwrap_or_default();
                ledger.take(phase_idx, n_batch, names, values, &absolute);
                progress.step(epoch, ledger.n_steps(), &|| ledger.means());
                Ok(())
            })?;
        }
        Ok(ledger)
    }

    /// Seconds of a step on a split's first batch: the median of several, without the first one.
    pub(super) fn seconds_of_a_step(&mut self, split: &TrainingSplit) -> Result<f64, TrainError> {
        /// Enough steps for one that was interrupted not to matter.
        const N_STEPS: usize = 5;
        let batch: Vec<usize> = (0..self.batch_size().min(split.n_samples())).collect();
        let mut seconds = Vec::new();
        for _ in 0..=N_STEPS {
            let start = Instant::now();
            split.each_batch(&batch, batch.len(), |batch| {
                let (dropout, mut trace) = (Some(Dropout::new(self.seeds[0], 0)), Trace::default());
                let phases = &self.settings.hyper_parameters.phases;
                if let (Some(phase), Some(optimizer)) = (phases.last(), self.optimizers.last()) {
                    let at = At { phase: &phase.name, epoch: 1, n_epochs: 1, step: 0, n_steps: 1 };
                    let mut pass = ForwardPass { at: Some(at), dropout, trace: &mut trace };
                    let outputs = self.models.forward(&batch, false, &mut pass)?;
                    let (losses, _) = self.models.losses(at, &outputs, &batch);
                    losses.iter().for_each(|loss| loss.total().backward());
                    optimizer.step()?;
                }
                Ok(())
            })?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        let measured = &mut seconds[1..];
        measured.sort_by(f64::total_cmp);
        Ok(measured[N_STEPS / 2])
    }

    /// Each model's errors over an epoch, from the values of its ledger; `has_checkpoint` is whether one
    /// of an earlier epoch was written for a model.
    ///
    /// # Errors
    /// A step's loss was not finite.
    pub(super) fn losses(
        &self,
        epoch: usize,
        ledger: &Ledger,
        values: &[f32],
        split: &TrainingSplit,
        has_checkpoint: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<Losses>, TrainError> {
        let Preset { training, phases, .. } = &self.settings.hyper_parameters;
        let batches = |at: (usize, usize), model: usize| -> Vec<Vec<usize>> {
            let order = phases
                .get(at.1)
                .map(|phase| order(self.seeds[model], at, (training, phase), split.n_samples()));
            order.unwrap_or_default().chunks(self.batch_size()).map(<[usize]>::to_vec).collect()
        };
        let samples_of = |phase_idx: usize, step: usize, model: usize| {
            let mut own = batches((epoch, phase_idx), model);
            let before = match (step, phase_idx, epoch) {
                (0, 0, 1) => None,
                (0, 0, _) => batches((epoch - 1, phases.len() - 1), model).pop(),
                (0, ..) => batches((epoch, phase_idx - 1), model).pop(),
                (step, ..) => own.get(step - 1).cloned(),
            };
            own.truncate(step + 1);
            [own.pop(), before].map(Option::unwrap_or_default)
        };
        ledger.losses((epoch, phases), values, split, samples_of, has_checkpoint)
    }

    /// Each model's predictions for all samples of a split, in order, `[n_models, n_samples]`, on the
    /// device.
    pub(super) fn predict(&mut self, split: &TrainingSplit) -> Result<Tensor, TrainError> {
        let n_models = self.seeds.len();
        let orders: Vec<Vec<usize>> = vec![(0..split.n_samples()).collect(); n_models];
        let n_batch = predict_batch(split.device());
        let n_samples = n_batch.min(split.n_samples());
        within(Work::Prediction { n_samples }, || {
            let _guard = tch::no_grad_guard();
            let can_be_recorded = self.models.can_be_recorded();
            let models = &self.models;
            let forward = |chunk: Chunk| {
                let mut trace = Trace::default();
                let mut pass = ForwardPass::evaluation(&mut trace);
                Ok(vec![models.forward(&split.batch(chunk), false, &mut pass)?.pred])
            };
            let mut parts = Vec::new();
            let order = interleaved(&orders, n_batch);
            split.each_chunk(&order, n_batch * n_models, |chunk| {
                let results = if chunk.read.is_some() || !can_be_recorded {
                    forward(chunk)?
                } else {
                    self.replay.run(
                        Pass::Prediction(split.name()),
                        &chunk.indices,
                        || Ok(()),
                        |indices| forward(Chunk { indices: indices.shallow_clone(), read: None }),
                    )?
                };
                parts.extend(results.iter().map(|pred| pred.view([n_models as i64, -1]).copy()));
                Ok(())
            })?;
            Ok(Tensor::cat(&parts, 1))
        })
    }
}

/// The training samples of a model's phase in one epoch, in order. Each phase has its own random
/// stream, independent of earlier ones, so that a run can resume anywhere.
pub(super) fn order(
    seed: u64,
    (epoch, phase_idx): (usize, usize),
    (training, phase): (&Training, &Phase),
    n_samples: usize,
) -> Vec<usize> {
    let mut order = match training.shuffle {
        true => shuffled(seed, epoch, phase_idx, n_samples),
        false => (0..n_samples).collect(),
    };
    order.truncate(phase.n_samples(n_samples, training.batch_size));
    order
}

/// The values of tensors, copied to the host at once.
///
/// # Errors
/// libtorch fails.
pub(super) fn to_host(tensors: &[Tensor]) -> Result<Vec<Vec<f32>>, TrainError> {
    within(Work::Model, || {
        let flat: Vec<Tensor> = tensors.iter().map(|tensor| tensor.flatten(0, -1)).collect();
        let all = Vec::<f32>::try_from(Tensor::cat(&flat, 0).to_device(Device::Cpu))?;
        let mut rest = &*all;
        let own = |tensor: &Tensor| {
            let (own, others) = rest.split_at(tensor.numel());
            rest = others;
            own.to_vec()
        };
        Ok(flat.iter().map(own).collect())
    })
}

/// Merges sample orders, one per model, into one whose batches hold equally many samples per model, one
/// model after another.
fn interleaved(orders: &[Vec<usize>], batch_size: usize) -> Vec<usize> {
    let n_samples = orders.first().map_or(0, Vec::len);
    let starts = (0..n_samples).step_by(batch_size);
    starts
        .flat_map(|start| {
            let end = n_samples.min(start + batch_size);
            orders.iter().flat_map(move |order| order[start..end].iter().copied())
        })
        .collect()
}

/// Number of a step within the whole run, for per-step random draws. It depends only on the step's
/// position, so a resumed run makes the same draws.
fn step_of_run(epoch: usize, steps_per_epoch: usize, step_of_epoch: usize) -> u64 {
    ((epoch - 1) * steps_per_epoch + step_of_epoch) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use ndarray::Array3;
    use rand::RngExt;

    use super::*;
    use crate::corpus::{Dataset, Modality, RowError};
    use crate::model::{BertConfig, Form, Sequence};
    use crate::run::record::EpochRecord;
    use crate::run::schedule::Schedule;
    use crate::run::settings::{EncoderChoice, TokenChoice};
    use crate::seed::stream;
    use crate::train::config::ModelConfig;
    use crate::train::data::{Blocks, Cache, FeatureRows};
    use crate::train::network::config_for;
    use crate::train::run::optimizers;

    #[test]
    fn steps_are_counted_over_the_whole_run() {
        let numbers = (1..=3).flat_map(|epoch| (0..4).map(move |step| step_of_run(epoch, 4, step)));
        assert_eq!(numbers.collect::<Vec<u64>>(), (0..12).collect::<Vec<u64>>());
    }

    #[test]
    fn batches_of_several_models_hold_a_part_for_each() {
        let orders = [vec![0, 1, 2, 3, 4], vec![4, 3, 2, 1, 0]];
        assert_eq!(interleaved(&orders, 2), [0, 1, 4, 3, 2, 3, 2, 1, 4, 0]);
        assert_eq!(interleaved(&orders[1..], 2), orders[1]);
    }

    /// Features of a few samples, generated from a seed and the labels `[n_samples]`.
    struct Features {
        sequences: BTreeMap<Modality, Sequence>,
        labels: Vec<f32>,
        is_half: bool,
    }

    impl Features {
        fn none() -> Features {
            Features { sequences: BTreeMap::new(), labels: vec![], is_half: false }
        }
    }

    impl FeatureRows for Features {
        fn sequences(&self) -> BTreeMap<Modality, Sequence> {
            self.sequences.clone()
        }

        fn is_half(&self, _: Modality) -> bool {
            self.is_half
        }

        fn read_all(
            &self,
            modality: Modality,
            take: &mut dyn FnMut(usize, &[f32]),
        ) -> Result<(), RowError> {
            let Sequence { seq_len, feat_dim } = self.sequences[&modality];
            let mut values = vec![0.0; (seq_len * feat_dim) as usize];
            for idx in 0..self.labels.len() {
                self.read(modality, idx, &mut values)?;
                take(idx, &values);
            }
            Ok(())
        }

        fn read(
            &self,
            modality: Modality,
            sample_idx: usize,
            out: &mut [f32],
        ) -> Result<(), RowError> {
            let mut rng = stream(sample_idx as u64, modality.name());
            for value in out {
                let exact = 0.3 * self.labels[sample_idx] + rng.random_range(-1.0..1.0);
                *value = half::f16::from_f32(exact).to_f32();
            }
            Ok(())
        }
    }

    struct Silent;

    impl TrainProgress for Silent {
        fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> (f64, f64)) {}

        fn epoch(&mut self, _: &EpochRecord) {}

        fn piecewise(&mut self, cause: &TrainError) {
            panic!("{cause}");
        }
    }

    /// ALMT's recipe with a constant rate.
    fn recipe(lr: f64) -> Preset {
        let mut recipe = Preset::of(Dataset::Mosi);
        recipe.phases[0].schedule = Schedule::Constant {};
        recipe.phases[0].groups[0].weight_decay = 0.01;
        recipe.set_lr(lr);
        recipe
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
            precision: Precision::Float32,
            form: None,
            together_with: vec![],
            n_threads: 1,
            writer: String::new(),
            libtorch: String::new(),
            command: vec![],
            split_manifest: None,
            valid_from_train: None,
            text_encoder: None,
            init_from: None,
            data_schema: None,
            label_scale: None,
            label_map: None,
            hyper_parameters: recipe(1e-3),
        }
    }

    /// Initialised models, ready for epochs.
    fn fit<'a>(settings: &'a TrainSettings, seeds: &'a [u64], models: Models) -> Fit<'a> {
        let optimizers = optimizers(&settings.hyper_parameters, &models.parameters()).unwrap();
        let (replay, names) = (Replay::new(false), Default::default());
        Fit { settings, seeds, models, optimizers, replay, names }
    }

    /// Each model's errors in an epoch.
    fn epoch(fit: &mut Fit<'_>, epoch: usize, split: &TrainingSplit) -> Vec<Losses> {
        let ledger = fit.epoch(epoch, &Validation::default(), split, &mut Silent).unwrap();
        let values = to_host(&[ledger.values()]).unwrap();
        fit.losses(epoch, &ledger, &values[0], split, &|_| false).unwrap()
    }

    /// Each model's predictions.
    fn predict(fit: &mut Fit<'_>, split: &TrainingSplit) -> Vec<Vec<f32>> {
        let pred = fit.predict(split).unwrap();
        to_host(&pred.unbind(0)).unwrap()
    }

    /// 21 samples of three modalities, and the configuration of a model for them.
    fn three_modalities(
        is_half: bool,
        cache: Cache,
    ) -> (TrainingSplit, TrainSettings, ModelConfig) {
        let mut settings = settings();
        settings.hyper_parameters.training.batch_size = 8;
        let sequence = |seq_len, feat_dim| Sequence { seq_len, feat_dim };
        let sequences = BTreeMap::from([
            (Modality::Text, sequence(6, 24)),
            (Modality::Audio, sequence(9, 5)),
            (Modality::Vision, sequence(7, 4)),
        ]);
        let labels: Vec<f32> = (0..21).map(|idx| idx as f32 / 4.0 - 2.5).collect();
        let ids = (0..21).map(|idx| format!("{idx}")).collect();
        let rows = Features { sequences, labels: labels.clone(), is_half };
        let blocks = Blocks::of_steps(Box::new(rows));
        let (name, device) = (SplitName::Train, Device::Cpu);
        let split =
            TrainingSplit::new(name, ids, Some(labels), blocks, None, cache, device).unwrap();
        let config = config_for(&settings, split.sequences(), None, None).unwrap();
        (split, settings, config)
    }

    #[test]
    fn models_that_are_trained_as_one_are_those_that_are_trained_alone() {
        let (split, settings, config) = three_modalities(false, Cache::Device);
        let seeds = [3, 8, 5];
        let none = |_: &tch::nn::VarStore| Ok(());
        let train = |seeds: &[u64]| {
            let form = if seeds.len() == 1 { Form::Native } else { Form::Batched };
            let models = Models::new(&config, form, seeds, Device::Cpu, none).unwrap();
            assert_eq!(matches!(&models, Models::Stacked { .. }), seeds.len() > 1);
            let mut fit = fit(&settings, seeds, models);
            let losses: Vec<Vec<Losses>> =
                (1..=4).map(|number| epoch(&mut fit, number, &split)).collect();
            let pred = predict(&mut fit, &split);
            let parameters: Vec<_> =
                (0..seeds.len()).map(|i| fit.models.parameters_of(i)).collect();
            (losses, pred, parameters)
        };
        let (losses, pred, parameters) = train(&seeds);
        for (idx, seed) in seeds.into_iter().enumerate() {
            let (alone_losses, alone_pred, alone_parameters) = train(&[seed]);
            for (epoch, alone) in losses.iter().zip(&alone_losses) {
                assert!((epoch[idx].loss - alone[0].loss).abs() < 1e-4, "{epoch:?} {alone:?}");
                assert!((epoch[idx].absolute - alone[0].absolute).abs() < 1e-4);
            }
            // The error decreased: each model did learn separately.
            assert!(alone_losses[3][0].loss < 0.9 * alone_losses[0][0].loss);
            for (one, alone) in pred[idx].iter().zip(&alone_pred[0]) {
                assert!((one - alone).abs() < 1e-3, "seed {seed}: {one} {alone}");
            }
            assert_eq!(parameters[idx].len(), alone_parameters[0].len());
            for (name, alone) in &alone_parameters[0] {
                let difference = (&parameters[idx][name] - alone).abs().max().double_value(&[]);
                // Adam moves a parameter by up to the learning rate, however small its gradient, and
                // rounding decides the sign of a gradient that is nearly zero.
                assert!(difference < 4e-3, "seed {seed}, {name}: {difference}");
            }
        }
    }

    #[test]
    fn features_of_16_bits_take_half_the_memory_and_give_the_same_bits() {
        let losses = |is_half, cache| {
            let (split, settings, config) = three_modalities(is_half, cache);
            let models = Models::new(&config, Form::Native, &[3], Device::Cpu, |_| Ok(())).unwrap();
            let mut fit = fit(&settings, &[3], models);
            epoch(&mut fit, 1, &split)[0].loss.to_bits()
        };
        let whole = losses(false, Cache::Device);
        assert_eq!(losses(true, Cache::Device), whole);
        assert_eq!(losses(true, Cache::Disk { n_threads: 2 }), whole);
    }

    #[test]
    fn work_that_cannot_be_recorded_is_done_piece_by_piece_to_the_same_bits() {
        let (split, settings, config) = three_modalities(false, Cache::Device);
        let run = |records| {
            let models = Models::new(&config, Form::Native, &[3], Device::Cpu, |_| Ok(())).unwrap();
            let mut fit = Fit { replay: Replay::new(records), ..fit(&settings, &[3], models) };
            let losses: Vec<u64> = (1..=4)
                .map(|number| epoch(&mut fit, number, &split))
                .map(|losses| losses[0].loss.to_bits())
                .collect();
            (losses, predict(&mut fit, &split))
        };
        // A CPU cannot record, which shows after the steps before the recording.
        assert_eq!(run(true), run(false));
    }

    #[test]
    fn bfloat16_is_near_float32_and_leaves_the_weights_whole() {
        let (split, mut settings, config) = three_modalities(false, Cache::Device);
        let mut run = |precision| {
            settings.precision = precision;
            let models =
                Models::new(&config, Form::Absorbed, &[3], Device::Cpu, |_| Ok(())).unwrap();
            let mut fit = fit(&settings, &[3], models);
            let losses = epoch(&mut fit, 1, &split);
            assert!(fit.models.parameters().values().all(|tensor| tensor.kind() == Kind::Float));
            assert!(!Autocast::is_on());
            losses[0].loss
        };
        let (whole, rounded) = (run(Precision::Float32), run(Precision::Bfloat16));
        assert!(whole != rounded && (whole - rounded).abs() < 0.02 * whole, "{whole} {rounded}");
    }

    #[test]
    fn epochs_draw_their_own_masks_and_a_run_that_goes_on_draws_the_same() {
        let settings = TrainSettings {
            // Weights do not change.
            hyper_parameters: recipe(0.0),
            text_encoder: Some(EncoderChoice {
                path: "bert".into(),
                sha256: String::new(),
                lr: 1e-3,
                tokens: TokenChoice::TextBert,
            }),
            ..settings()
        };
        let bert: BertConfig = serde_json::from_value(serde_json::json!({
            "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 8, "max_position_embeddings": 6, "type_vocab_size": 2,
            "hidden_act": "gelu",
        }))
        .unwrap();
        // A single sample, so the order of epochs cannot differ.
        let tokens = Array3::from_shape_fn((1, 3, 6), |(_, part, step)| match part {
            0 => step as i32 + 2,
            1 => 1,
            _ => 0,
        });
        let blocks = Blocks::of_steps(Box::new(Features::none()));
        let (ids, labels) = (vec!["a".into()], vec![1.0]);
        let (cache, device) = (Cache::Device, Device::Cpu);
        let split = TrainingSplit::new(
            SplitName::Train,
            ids,
            Some(labels),
            blocks,
            Some(tokens),
            cache,
            device,
        );
        let split = split.unwrap();
        // Losses of some epochs with constant weights.
        let losses = |epochs: std::ops::RangeInclusive<usize>| -> Vec<u64> {
            let config =
                config_for(&settings, split.sequences(), split.n_tokens(), Some(bert.clone()));
            let mut rng = stream(settings.seed, "test");
            let models =
                Models::new(&config.unwrap(), Form::Absorbed, &[settings.seed], device, |vars| {
                    let variables: BTreeMap<String, Tensor> =
                        vars.variables().into_iter().collect();
                    for mut variable in variables.into_values().map(|variable| variable.detach()) {
                        let values = (0..variable.numel()).map(|_| rng.random_range(-0.3_f32..0.3));
                        let values = Tensor::from_slice(&values.collect::<Vec<f32>>());
                        variable.copy_(&values.view(&*variable.size()));
                    }
                    Ok(())
                })
                .unwrap();
            let seeds = [settings.seed];
            let mut fit = fit(&settings, &seeds, models);
            let loss = |number| epoch(&mut fit, number, &split)[0].loss;
            epochs.map(loss).map(f64::to_bits).collect()
        };
        let whole = losses(1..=4);
        assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), 4, "{whole:?}");
        assert_eq!(losses(3..=4), whole[2..]);
    }
}
