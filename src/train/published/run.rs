//! Whole runs of this trainer beside those of the published one, with the same samples in the same order.

use std::collections::BTreeMap;

use ndarray::Array3;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::recorded::{Worst, json, max_abs};
use super::{Case, Published, TRAJECTORY, batch_of, comparable, device, folder, tensors};
use crate::corpus::{Dataset, Modality, RowError, SplitName};
use crate::model::contract::Batch;
use crate::model::{Sequence, given_noise};
use crate::run::preset::Preset;
use crate::run::recipe;
use crate::run::schedule::{Moment, Validation};
use crate::run::settings::{EncoderChoice, TokenChoice, TrainSettings};
use crate::train::data::{Blocks, Cache, FeatureRows, TrainingSplit};
use crate::train::encoder;
use crate::train::fit::{Fit, to_host};
use crate::train::replay::Replay;
use crate::train::run::optimizers;
use crate::train::tests::settings;
use crate::train::weights::Tensors;

/// Recorded features, in memory: extents of a sample, and the values of all.
struct Recorded(BTreeMap<Modality, (Sequence, Vec<f32>)>);

impl Recorded {
    fn of(features: &BTreeMap<Modality, Tensor>) -> Recorded {
        let own = |(modality, x): (&Modality, &Tensor)| {
            let extents = Sequence { seq_len: x.size()[1], feat_dim: x.size()[2] };
            let values = x.to_device(Device::Cpu).contiguous().view([-1]);
            let values = Vec::<f32>::try_from(values).unwrap();
            (*modality, (extents, values))
        };
        Recorded(features.iter().map(own).collect())
    }

    fn samples(&self, modality: Modality) -> std::slice::Chunks<'_, f32> {
        let (Sequence { seq_len, feat_dim }, values) = &self.0[&modality];
        values.chunks((seq_len * feat_dim) as usize)
    }
}

impl FeatureRows for Recorded {
    fn sequences(&self) -> BTreeMap<Modality, Sequence> {
        self.0.iter().map(|(modality, (extents, _))| (*modality, *extents)).collect()
    }

    fn is_half(&self, _: Modality) -> bool {
        false
    }

    fn read_all(
        &self,
        modality: Modality,
        take: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), RowError> {
        self.samples(modality).enumerate().for_each(|(idx, values)| take(idx, values));
        Ok(())
    }

    fn read(&self, modality: Modality, idx: usize, out: &mut [f32]) -> Result<(), RowError> {
        out.copy_from_slice(self.samples(modality).nth(idx).unwrap());
        Ok(())
    }
}

/// The samples of a run, with all that a model may ask for.
fn split_of(name: SplitName, batch: Batch) -> TrainingSplit {
    let labels = Vec::<f32>::try_from(batch.target.to_device(Device::Cpu).view([-1])).unwrap();
    let ids = (0..labels.len()).map(|idx| format!("{name}-{idx}")).collect();
    let tokens = batch.tokens.map(|tokens| {
        let size: Vec<usize> = tokens.size().iter().map(|extent| *extent as usize).collect();
        let values =
            Vec::<i64>::try_from(tokens.to_device(Device::Cpu).contiguous().view([-1])).unwrap();
        let values = values.into_iter().map(|token| token as i32).collect();
        Array3::from_shape_vec((size[0], size[1], size[2]), values).unwrap()
    });
    let blocks = Blocks::of_steps(Box::new(Recorded::of(&batch.features)));
    let (cache, device) = (Cache::Device, device());
    let mut split =
        TrainingSplit::new(name, ids, Some(labels), blocks, tokens, cache, device).unwrap();
    for (modality, lengths) in &batch.lengths {
        let lengths = Vec::<i64>::try_from(lengths.to_device(Device::Cpu)).unwrap();
        let lengths: Vec<i32> = lengths.into_iter().map(|length| length as i32).collect();
        split.set_lengths(*modality, &lengths).unwrap();
    }
    split
}

/// A run of this trainer beside one of the published trainer, with the same samples in the same order.
pub(super) fn check_run(of: &'static Published, name: &str, changes: &[&str]) {
    follow(of, name, changes, true);
}

const MORE_STEPS: &str = "has more steps than the published run";

/// Each of some mistakes in the recipe of a run leads it away from the published one.
pub(super) fn check_mistakes(of: &'static Published, mistakes: &[&[&str]]) {
    for mistake in mistakes {
        let followed = std::panic::catch_unwind(|| follow(of, "train", mistake, false));
        let Err(found) = followed else { panic!("{}: {mistake:?} changes nothing", of.model) };
        // A recipe that cannot be made, or trained with, is no mistake found.
        let found = found.downcast_ref::<String>().map_or("", String::as_str);
        let is_difference = found.contains(" differs by ") || found.ends_with(MORE_STEPS);
        assert!(is_difference, "{}: {mistake:?}: {found}", of.model);
    }
}

/// As [`check_run`], of a recipe that the published trainer has, or has not.
fn follow(of: &'static Published, name: &str, changes: &[&str], is_published: bool) {
    let case = of.case(name);
    let expected = tensors(&case.name);
    // Some runs begin as another one does.
    let start = match expected.contains_key("data/label") {
        true => tensors(&case.name),
        false => tensors(&format!("{}/train", of.model)),
    };
    let mut worst = Worst::new(&case.name);
    let training = &case.recorded["training"];
    let size = |key: &str| {
        // A run that begins as another one has what it has in common there alone.
        let own = training[key].as_u64();
        own.or_else(|| json(&format!("{}/train", of.model))["training"][key].as_u64()).unwrap()
    };
    let mut recipe = Preset::published(of.model, Dataset::Mosi).unwrap();
    recipe.model = case.spec.clone();
    let own = [
        format!("epochs={}", size("epochs")),
        format!("batch_size={}", size("batch_size")),
        "shuffle=false".to_owned(),
    ];
    let changes = changes.iter().map(|change| (*change).to_owned());
    for change in own.into_iter().chain((of.recipe)(case.hyper_parameters())).chain(changes) {
        recipe.set(&change).unwrap_or_else(|error| panic!("{}: {change}: {error}", case.name));
    }
    let batch = batch_of(&folder(&start, "data"));
    let config = case.config(&batch);
    let zeros = |name: &str, shape: &[i64]| match name.ends_with("running_var") {
        true => Tensor::ones(shape, (Kind::Float, device())),
        false => Tensor::zeros(shape, (Kind::Float, device())),
    };
    let mut models = case.build(&config, |name, shape| {
        let place = |folder: &str| start.get(&format!("{folder}/{name}"));
        let value = place("param").or_else(|| place("buffer"));
        value.map_or_else(|| zeros(name, shape), Tensor::shallow_clone)
    });
    if config.bert.is_none() {
        encoder::remove_groups(&mut recipe);
    }
    let same = is_published.then(|| check_groups(&case, &recipe, &models.parameters()));
    let train = split_of(SplitName::Train, batch);
    let valid = split_of(SplitName::Valid, batch_of(&folder(&start, "valid")));
    tch::no_grad(|| models.only().unwrap().model_mut().begin(train.targets()));
    let text_encoder = config.bert.as_ref().map(|_| EncoderChoice {
        path: "bert".into(),
        sha256: String::new(),
        lr: 1.0,
        tokens: TokenChoice::TextBert,
    });
    let settings = TrainSettings { text_encoder, ..settings(recipe.clone()) };
    let (replay, names) = (Replay::new(false), Default::default());
    let optimizers = optimizers(&recipe, &models.parameters()).unwrap();
    let mut fit = Fit { settings: &settings, seeds: &[0], models, optimizers, replay, names };
    let mut so_far = Validation::default();
    let (n_epochs, mut n_steps) = (size("epochs") as usize, 0);
    for epoch in 1..=n_epochs {
        let n_per_epoch = expected["train/loss"].size()[0] / n_epochs as i64;
        let noise = (0..n_per_epoch).flat_map(|step| {
            let of_run = (epoch as i64 - 1) * n_per_epoch + step;
            let noise = case.noise(&expected, Some(of_run)).into_iter();
            noise.map(move |(place, noise)| ((of_run as u64, place), noise))
        });
        given_noise(noise.collect());
        if let Some(same) = &same {
            check_rates(&case, &recipe, same, (epoch, n_epochs), &so_far);
        }
        let ledger = fit.epoch(epoch, &so_far, &train, &mut ()).unwrap();
        let values = to_host(&[ledger.values()]).unwrap();
        for total in ledger.totals(&values[0]) {
            assert!(n_steps < expected["train/loss"].size()[0], "{}: {MORE_STEPS}", case.name);
            let recorded = expected["train/loss"].double_value(&[n_steps]);
            let difference = (f64::from(total) - recorded).abs();
            worst.check("losses", &format!("step {n_steps}"), difference, of.loss);
            n_steps += 1;
        }
        let pred = fit.predict(&train).unwrap().view([-1]);
        let recorded = expected["train/pred_epoch"].get(epoch as i64 - 1);
        let difference = max_abs(&(pred - recorded));
        worst.check("predictions", &format!("epoch {epoch}"), difference, TRAJECTORY);
        let pred = &to_host(&[fit.predict(&valid).unwrap()]).unwrap()[0];
        let batches = pred.chunks(size("batch_size") as usize);
        let labels = valid.labels().chunks(size("batch_size") as usize);
        // The published trainers take the mean of the means of their batches.
        let means: Vec<f64> =
            batches.zip(labels).map(|(pred, own)| config.spec.task().mean(pred, own)).collect();
        let loss = means.iter().sum::<f64>() / means.len() as f64;
        let recorded = expected["train/valid_loss"].double_value(&[epoch as i64 - 1]);
        worst.check("validation losses", &format!("epoch {epoch}"), (loss - recorded).abs(), 2e-4);
        so_far.loss.push(recorded);
        so_far.mae.push(recorded);
        let memory = fit.models.memory();
        (of.memory)(&mut worst, &memory, &expected, epoch);
    }
    assert_eq!(n_steps, expected["train/loss"].size()[0], "{}", case.name);
    let mut n_compared = 0;
    for (name, variable) in fit.models.parameters() {
        let name = case.recorded_name(&name);
        let place = |folder: &str| expected.get(&format!("{folder}/{name}"));
        let Some(recorded) = place("final").or_else(|| place("final_buffer")) else { continue };
        let pair = (comparable(&name, &variable), comparable(&name, recorded));
        let (Some(found), Some(recorded)) = pair else { continue };
        worst.check("parameters", &name, max_abs(&(found - recorded)), TRAJECTORY);
        n_compared += 1;
    }
    assert!(n_compared > 20, "{}: {n_compared}", case.name);
}

/// The groups of a recipe are those of the published trainer's optimizers, which are numbered over all of them:
/// the number of each of ours.
fn check_groups(case: &Case, recipe: &Preset, parameters: &Tensors) -> Vec<usize> {
    let trainable = parameters.iter().filter(|(_, tensor)| tensor.requires_grad());
    let names: Vec<String> = trainable.map(|(name, _)| name.clone()).collect();
    let dealt = recipe::assign(&recipe.phases, &recipe.training.untrained, &names).unwrap();
    let optimizers = case.recorded["optimizers"].as_array().unwrap();
    assert_eq!(dealt.len(), optimizers.len(), "{}", case.name);
    let (mut same, mut n_before) = (Vec::new(), 0);
    for ((groups, phase), optimizer) in dealt.iter().zip(&recipe.phases).zip(optimizers) {
        let recorded = optimizer.as_array().unwrap();
        for names in groups {
            let first = case.recorded_name(&names[0]);
            let holds = |group: &Value| {
                group["params"].as_array().unwrap().iter().any(|name| *name == first.as_str())
            };
            same.push(n_before + recorded.iter().position(holds).unwrap());
        }
        n_before += recorded.len();
        let mut found = BTreeMap::new();
        for (names, group) in groups.iter().zip(&phase.groups) {
            for name in names {
                found.insert(case.recorded_name(name), group.weight_decay);
            }
        }
        for group in optimizer.as_array().unwrap() {
            let decay = group["weight_decay"].as_f64().unwrap();
            for name in group["params"].as_array().unwrap() {
                let name = name.as_str().unwrap();
                if case.is_absent(name) || case.lists("never_updated", name) {
                    continue;
                }
                assert_eq!(found.get(name), Some(&decay), "{}: {name}", case.name);
            }
        }
        for name in found.keys() {
            let groups = optimizer.as_array().unwrap();
            let mut all = groups.iter().flat_map(|group| group["params"].as_array().unwrap());
            assert!(all.any(|own| own == name.as_str()), "{}: {name} is trained", case.name);
        }
    }
    same
}

/// The rates of an epoch are those of the published trainer; `same` has the group of its optimizers for each of
/// ours.
fn check_rates(
    case: &Case,
    recipe: &Preset,
    same: &[usize],
    (epoch, n_epochs): (usize, usize),
    valid: &Validation,
) {
    // What is called the rate after an epoch is that of its steps.
    let Some(recorded) = case.recorded["lr_after_epoch"].as_array() else { return };
    let at = Moment { epoch, n_epochs, n_steps: 0, steps_per_epoch: 1 };
    let groups = recipe.phases.iter().flat_map(|phase| {
        phase.groups.iter().map(|group| phase.schedule.learning_rate(group.lr, at, valid))
    });
    for (found, idx) in groups.zip(same) {
        let recorded = recorded[epoch - 1][*idx].as_f64().unwrap();
        assert!((found - recorded).abs() < 1e-12, "{}: {found} {recorded}", case.name);
    }
}
