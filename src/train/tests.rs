//! Checks the trainer's side of the model contract with a model that uses all of it, `model/probe.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rand::RngExt;
use tch::{Device, Kind, Tensor};

use super::TrainError;
use super::checkpoint::{self, parameters};
use super::data::{Blocks, Cache, FeatureRows, TrainingData, TrainingSplit};
use super::fit::{Fit, Pass, to_host};
use super::ledger::Losses;
use super::models::Models;
use super::network::config_for;
use super::progress::TrainProgress;
use super::replay::Replay;
use super::run::{Start, optimizers, train};
use super::weights::Tensors;
use crate::corpus::{Dataset, Modality, RowError, SplitName};
use crate::model::contract::{At, Batch, Pass as ForwardPass};
use crate::model::registry::ModelSpec;
use crate::model::{Form, Sequence, Trace};
use crate::run::folder::{self, BEST, METRICS, PREDICTIONS, STATE};
use crate::run::preset::Preset;
use crate::run::record::{EpochRecord, RunResult};
use crate::run::schedule::Validation;
use crate::run::settings::{Precision, TrainSettings};
use crate::seed::stream;

const RECIPE: &str = r#"
[model]
kind = "probe"
width = 4
dropout = 0.25
noise = 0.5

[training]
epochs = 4
batch_size = 5

[[phase]]
name = "helper"
optimizer = { kind = "adam" }
groups = [{ name = "helper", prefixes = ["helper"], lr = 1e-2 }]

[[phase]]
name = "main"
optimizer = { kind = "adamw" }
clip_norm = 0.8
clip_over = "model"
groups = [
    { name = "biases", suffixes = ["bias"], except = ["helper"], lr = 2e-2 },
    { name = "rest", except = ["helper"], lr = 1e-2, weight_decay = 1e-2 },
]
"#;

/// The split and its number of samples.
struct Rows(SplitName, usize);

const TEXT: Sequence = Sequence { seq_len: 6, feat_dim: 3 };
const AUDIO: Sequence = Sequence { seq_len: 8, feat_dim: 2 };

impl Rows {
    fn length(modality: Modality, sample_idx: usize) -> usize {
        match modality {
            Modality::Text => 1 + sample_idx % 6,
            _ => 8 - sample_idx % 7,
        }
    }

    fn label(&self, sample_idx: usize) -> f32 {
        stream(sample_idx as u64, &format!("label/{}", self.0)).random_range(-2.0..2.0)
    }
}

impl FeatureRows for Rows {
    fn sequences(&self) -> BTreeMap<Modality, Sequence> {
        [(Modality::Text, TEXT), (Modality::Audio, AUDIO)].into()
    }

    fn is_half(&self, _: Modality) -> bool {
        false
    }

    fn read_all(
        &self,
        modality: Modality,
        take: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), RowError> {
        let Sequence { seq_len, feat_dim } = self.sequences()[&modality];
        let mut values = vec![0.0; (seq_len * feat_dim) as usize];
        (0..self.1).try_for_each(|idx| {
            self.read(modality, idx, &mut values)?;
            take(idx, &values);
            Ok(())
        })
    }

    /// Before the padding, noise around a part of the label.
    fn read(&self, modality: Modality, sample_idx: usize, out: &mut [f32]) -> Result<(), RowError> {
        let Sequence { feat_dim, .. } = self.sequences()[&modality];
        let n_real = Rows::length(modality, sample_idx) * feat_dim as usize;
        let mut rng = stream(sample_idx as u64, &format!("{}/{modality}", self.0));
        let label = self.label(sample_idx);
        for (idx, value) in out.iter_mut().enumerate() {
            // Values in the padding would be noticed.
            *value = if idx < n_real { 0.3 * label + rng.random_range(-0.5..0.5) } else { 9.0 };
        }
        Ok(())
    }
}

fn split(name: SplitName, n_samples: usize, cache: Cache) -> TrainingSplit {
    let rows = Rows(name, n_samples);
    let labels: Vec<f32> = (0..n_samples).map(|idx| rows.label(idx)).collect();
    let ids = (0..n_samples).map(|idx| format!("{name}-{idx}")).collect();
    let of_audio: Vec<f32> = labels.iter().map(|label| 0.5 * label + 0.1).collect();
    let blocks = Blocks::of_steps(Box::new(rows));
    let mut split =
        TrainingSplit::new(name, ids, Some(labels), blocks, None, cache, Device::Cpu).unwrap();
    for modality in [Modality::Text, Modality::Audio] {
        let lengths = (0..n_samples).map(|idx| Rows::length(modality, idx) as i32);
        split.set_lengths(modality, &lengths.collect::<Vec<i32>>()).unwrap();
    }
    split.set_unimodal_labels(Modality::Audio, &of_audio).unwrap();
    split
}

/// 17 training samples: batches of five leave two.
fn data() -> TrainingData {
    let split = |name, n_samples| split(name, n_samples, Cache::Device);
    TrainingData {
        train: split(SplitName::Train, 17),
        valid: split(SplitName::Valid, 9),
        test: Some(split(SplitName::Test, 8)),
        lengths: BTreeMap::new(),
        splits: None,
        encoder: None,
        graphs: false,
    }
}

#[test]
fn means_over_steps_are_kept_in_their_place() {
    let ids = || (0..7).map(|idx| format!("{idx}")).collect::<Vec<String>>();
    let batches = |blocks: Blocks, cache| {
        let (name, device) = (SplitName::Train, Device::Cpu);
        let split = TrainingSplit::new(name, ids(), None, blocks, None, cache, device).unwrap();
        // The model is built for what the store has.
        assert_eq!(split.sequences()[&Modality::Audio], AUDIO);
        let mut batches = Vec::new();
        let step = |batch: Batch| {
            batches.push(batch.features);
            Ok(())
        };
        split.each_batch(&[6, 0, 3, 1, 5], 2, step).unwrap();
        batches
    };
    let rows = || Box::new(Rows(SplitName::Train, 7));
    let whole = batches(Blocks::of_steps(rows()), Cache::Device);
    for cache in [Cache::Device, Cache::Disk { n_threads: 2 }] {
        let means = batches(Blocks::of_means(rows()), cache);
        assert_eq!(means.len(), 3);
        for (means, whole) in means.iter().zip(&whole) {
            assert!(means[&Modality::Text] == whole[&Modality::Text]);
            let (mean, steps) = (&means[&Modality::Audio], &whole[&Modality::Audio]);
            assert_eq!(mean.size(), [steps.size()[0], 1, 2]);
            let expected = steps.mean_dim(1, true, Kind::Float);
            assert!((mean - expected).abs().max().double_value(&[]) < 1e-6);
        }
    }
}

fn recipe(changes: &[&str]) -> Preset {
    let mut recipe: Preset = toml::from_str(RECIPE).unwrap();
    changes.iter().for_each(|change| recipe.set(change).unwrap());
    recipe
}

pub(super) fn settings(recipe: Preset) -> TrainSettings {
    TrainSettings {
        dataset: Dataset::Mosi,
        store: "mosi.h5".into(),
        store_digest: String::new(),
        modalities: vec![Modality::Text, Modality::Audio],
        seed: 5,
        select: recipe.training.select.clone(),
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
        hyper_parameters: recipe,
    }
}

/// Copies a run's state at the start of its second epoch.
struct Copying {
    from: PathBuf,
    to: Option<PathBuf>,
    n_epochs: usize,
}

impl TrainProgress for Copying {
    fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> (f64, f64)) {
        if self.n_epochs == 1
            && let Some(to) = self.to.take()
        {
            fs::create_dir(&to).unwrap();
            for entry in fs::read_dir(&self.from).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }

    fn epoch(&mut self, _: &EpochRecord) {
        self.n_epochs += 1;
    }

    fn piecewise(&mut self, cause: &TrainError) {
        panic!("{cause}");
    }
}

/// Trains in `out`; `copy` gets the run's state after the first epoch of this call.
fn run(
    settings: &TrainSettings,
    out: &Path,
    start: Start,
    copy: Option<PathBuf>,
) -> Result<RunResult, TrainError> {
    let mut progress = Copying { from: out.into(), to: copy, n_epochs: 0 };
    train(settings, &data(), Device::Cpu, out, start, &mut progress)
}

/// Results of a run, without its duration.
fn left(out: &Path) -> (Vec<EpochRecord>, String, Vec<u8>, Vec<u8>) {
    let epochs = folder::read_epochs(out).unwrap();
    let timeless = |epoch: &EpochRecord| {
        let epoch = EpochRecord { train_seconds: 0.0, seconds: 0.0, ..epoch.clone() };
        serde_json::to_string(&epoch).unwrap()
    };
    let lines = epochs.iter().map(timeless).collect::<Vec<_>>().join("\n");
    let bytes = |name: &str| fs::read(out.join(name)).unwrap();
    (epochs, lines, bytes(BEST), bytes(PREDICTIONS))
}

#[test]
fn a_run_that_stopped_after_any_epoch_goes_on_to_the_same_bytes_with_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: String| folder.path().join(name);
    let settings = settings(recipe(&[]));
    let whole = at("whole".into());
    let result = run(&settings, &whole, Start::New, Some(at("after-1".into()))).unwrap();
    let expected = left(&whole);
    assert!(!whole.join(STATE).exists());
    for n_done in 1..4 {
        let stopped = at(format!("after-{n_done}"));
        assert!(stopped.join(STATE).exists(), "nothing was stopped after epoch {n_done}");
        assert_eq!(folder::read_epochs(&stopped).unwrap().len(), n_done);
        let next = at(format!("after-{}", n_done + 1));
        let resumed = run(&settings, &stopped, Start::Resume, Some(next)).unwrap();
        let found = left(&stopped);
        assert_eq!(found.1, expected.1, "after epoch {n_done}");
        assert!((found.2, found.3) == (expected.2.clone(), expected.3.clone()));
        assert_eq!(resumed.last_weights_blake3, result.last_weights_blake3);
    }
}

#[test]
fn every_term_of_every_phase_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing moves and nothing is drawn, so the means can be computed directly.
    let still = ["main.biases.lr=0", "main.rest.lr=0", "helper.helper.lr=0"];
    let settings = settings(recipe(&[&still[..], &["dropout=0", "noise=0", "epochs=1"]].concat()));
    let result = run(&settings, folder.path(), Start::Overwrite, None).unwrap();
    // The digest after the last epoch is of the memory too.
    let best = checkpoint::load(&folder.path().join(BEST), Device::Cpu).unwrap();
    let of_weights = checkpoint::digest(&parameters(&best.vars)).unwrap();
    assert_ne!(result.last_weights_blake3, of_weights);
    let record = &left(folder.path()).0[0];
    let names: Vec<(&str, &str)> =
        record.train_terms.iter().map(|it| (&*it.phase, &*it.term)).collect();
    let expected = [("helper", "of_audio"), ("main", "l1"), ("main", "change"), ("main", "size")];
    assert_eq!(names, expected);

    let train = split(SplitName::Train, 17, Cache::Device);
    let config = config_for(&settings, train.sequences(), None, None).unwrap();
    let (_vars, mut model) = config.spec.begin(&config.inputs, Form::Reference, Device::Cpu, 5);
    model.begin(train.targets());
    let mut expected = Vec::new();
    let all: Vec<usize> = (0..17).collect();
    train
        .each_batch(&all, 17, |batch| {
            for phase in ["helper", "main"] {
                let at = At { phase, epoch: 1, n_epochs: 1, step: 0, n_steps: 1 };
                let mut trace = Trace::default();
                let mut pass = ForwardPass { at: Some(at), dropout: None, trace: &mut trace };
                let outputs = model.forward(&batch, &mut pass)?;
                let losses = model.loss(at, &outputs, &batch);
                expected.extend(losses.terms.iter().map(|(_, value)| value.double_value(&[])));
            }
            Ok(())
        })
        .unwrap();
    for (found, expected) in record.train_terms.iter().zip(&expected) {
        assert!((found.mean - expected).abs() < 1e-5, "{found:?} for {expected}");
        assert!(found.mean > 0.0);
    }
    let total: f64 = record.train_terms[1..].iter().map(|it| it.mean).sum();
    assert!((total - record.train_loss).abs() < 1e-5);
    // For a model with one term in one phase, the log has the format from before terms existed.
    let line = fs::read_to_string(folder.path().join(METRICS)).unwrap();
    assert!(
        line.contains(r#""train_terms":[{"phase":"helper","term":"of_audio","mean":"#),
        "{line}"
    );
    assert!(!line.contains("valid_loss"));
}

/// An initialised model, ready for epochs.
fn fit<'a>(settings: &'a TrainSettings, seeds: &'a [u64], train: &TrainingSplit) -> Fit<'a> {
    let config = config_for(settings, train.sequences(), None, None).unwrap();
    let mut models = Models::new(&config, Form::Reference, seeds, Device::Cpu, |_| Ok(())).unwrap();
    models.only().unwrap().model_mut().begin(train.targets());
    let optimizers = optimizers(&settings.hyper_parameters, &models.parameters()).unwrap();
    let (replay, names) = (Replay::<Pass>::new(false), Default::default());
    Fit { settings, seeds, models, optimizers, replay, names }
}

fn epoch(fit: &mut Fit<'_>, train: &TrainingSplit) -> Result<Losses, TrainError> {
    let mut progress = Copying { from: PathBuf::new(), to: None, n_epochs: 0 };
    let ledger = fit.epoch(1, &Validation::default(), train, &mut progress)?;
    let values = to_host(&[ledger.values()])?;
    Ok(fit.losses(1, &ledger, &values[0], train, &|_| true)?.remove(0))
}

fn copied(tensors: Tensors) -> Tensors {
    tensors.into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

/// Names of the parameters that an epoch of a recipe changes, and the memory after it.
fn changed(changes: &[&str]) -> (BTreeSet<String>, Tensors) {
    let settings = settings(recipe(changes));
    let train = split(SplitName::Train, 17, Cache::Device);
    let mut fit = fit(&settings, &[5], &train);
    let before = copied(fit.models.parameters());
    epoch(&mut fit, &train).unwrap();
    let after = fit.models.parameters();
    let differs = |name: &&String| before[*name] != after[*name].detach();
    (before.keys().filter(differs).cloned().collect(), copied(fit.models.memory()))
}

#[test]
fn each_phase_moves_its_own_parameters_and_no_others() {
    let names = |prefixes: &[&str]| -> BTreeSet<String> {
        prefixes.iter().flat_map(|it| ["weight", "bias"].map(|end| format!("{it}.{end}"))).collect()
    };
    let no_main = ["main.biases.lr=0", "main.rest.lr=0"];
    assert_eq!(changed(&no_main).0, names(&["helper"]));
    assert_eq!(changed(&["helper.helper.lr=0"]).0, names(&["text", "audio", "head"]));
    assert_eq!(changed(&[]).0, names(&["text", "audio", "head", "helper"]));
    // Each group has its own rate.
    let only_biases = changed(&["helper.helper.lr=0", "main.rest.lr=0"]).0;
    assert_eq!(only_biases, ["text.bias", "audio.bias", "head.bias"].map(String::from).into());
}

#[test]
fn a_model_is_told_of_every_step_and_remembers_each_sample() {
    let memory = changed(&[]).1;
    let n_steps = Vec::<f32>::try_from(&memory["n_steps"]).unwrap();
    assert_eq!(n_steps, [4.0, 4.0], "four batches in each of two phases");
    let train = split(SplitName::Train, 17, Cache::Device);
    let moved = memory["remembered"].not_equal_tensor(train.targets()).sum(Kind::Int64);
    assert_eq!(moved.int64_value(&[]), 17);
}

#[test]
fn every_parameter_has_a_finite_gradient_in_some_phase() {
    let settings = settings(recipe(&["dropout=0"]));
    let train = split(SplitName::Train, 17, Cache::Device);
    let config = config_for(&settings, train.sequences(), None, None).unwrap();
    let (vars, mut model) = config.spec.begin(&config.inputs, Form::Reference, Device::Cpu, 5);
    model.begin(&(train.targets() + 1.0));
    let mut with_gradient = BTreeSet::new();
    train
        .each_batch(&[4, 9, 1], 3, |batch| {
            for phase in ["helper", "main"] {
                let at = At { phase, epoch: 1, n_epochs: 1, step: 0, n_steps: 1 };
                let mut trace = Trace::default();
                let mut pass = ForwardPass { at: Some(at), dropout: None, trace: &mut trace };
                let outputs = model.forward(&batch, &mut pass)?;
                model.loss(at, &outputs, &batch).total().backward();
                for (name, gradient) in vars.variables().into_iter().map(|(n, v)| (n, v.grad())) {
                    if gradient.defined() {
                        let largest = gradient.abs().max().double_value(&[]);
                        assert!(largest > 0.0 && largest.is_finite(), "{phase}: {name}");
                        with_gradient.insert(name);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(with_gradient, parameters(&vars).into_keys().collect());
    let size = ModelSpec::size(&config.spec, &config.inputs).unwrap();
    let n_values: i64 = vars.trainable_variables().iter().map(|it| it.numel() as i64).sum();
    assert_eq!(size.trainable, n_values);
}

#[test]
fn a_term_that_is_no_number_is_named_with_its_step() {
    let settings = settings(recipe(&["epochs=1"]));
    let train = split(SplitName::Train, 17, Cache::Device);
    let mut fit = fit(&settings, &[5], &train);
    let targets = train.targets().copy();
    let _ = targets.get(13).fill_(f64::NAN);
    fit.models.only().unwrap().model_mut().begin(&targets);
    let error = epoch(&mut fit, &train).unwrap_err().to_string();
    assert!(error.contains("became NaN by its term `main.change` in epoch 1"), "{error}");
    assert!(error.contains("train-13"), "{error}");
    let (_, before) = error.split_once("; the batch before was of segments ").unwrap();
    assert!(before.starts_with("train-") && !before.contains("train-13"), "{error}");
}

#[test]
fn recipes_that_do_not_fit_the_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let with = |from: &str, to: &str| {
        assert!(RECIPE.contains(from));
        let recipe = toml::from_str(&RECIPE.replace(from, to)).unwrap();
        run(&settings(recipe), folder.path(), Start::Overwrite, None).unwrap_err().to_string()
    };
    let error = with(r#"prefixes = ["helper"]"#, r#"prefixes = ["helper.weight"]"#);
    assert!(error.contains("no phase has a group for parameter `helper.bias`"), "{error}");
    let error = with(r#"prefixes = ["helper"]"#, r#"prefixes = ["helpers"]"#);
    assert_eq!(error, "helper.helper: no parameter begins with `helpers`");
    let error = with(r#"suffixes = ["bias"]"#, r#"suffixes = ["biases"]"#);
    assert_eq!(error, "main.biases: no parameter ends with `biases`");
}

#[test]
fn the_validation_loss_moves_rates_and_selects_where_the_recipe_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // The rate is so high that the error does not decrease for long.
    let plateau = r#"main.schedule={ kind = "plateau", metric = "loss", patience = 0 }"#;
    let changes = [plateau, "main.rest.lr=0.9", "main.biases.lr=0.9", "epochs=8", "select=loss"];
    let settings = settings(recipe(&changes));
    let result = run(&settings, folder.path(), Start::Overwrite, None).unwrap();
    let epochs = left(folder.path()).0;
    let losses: Vec<f64> = epochs.iter().map(|epoch| epoch.valid_loss.unwrap()).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(result.selected.by, "best loss on the validation split");
    assert_eq!(losses[result.selected.epoch - 1], best);
    for epoch in &epochs {
        // CMU-MOSI clips nothing, so both are equal up to rounding.
        assert!((epoch.valid.get("MAE") - epoch.valid_loss.unwrap()).abs() < 1e-6);
    }
    let (mut lr, mut best) = (0.9, f64::INFINITY);
    for (epoch, loss) in epochs.iter().zip(losses) {
        assert!((epoch.lr - lr).abs() < 1e-12, "epoch {}: {}", epoch.epoch, epoch.lr);
        if loss < best * (1.0 - 1e-4) {
            best = loss;
        } else {
            lr *= 0.1;
        }
    }
    assert!(lr < 0.5, "the rate never fell");
}

/// Gradients are accumulated, and clipped after each batch: the step's gradient is bounded, whatever a
/// single batch contributed (`clip_grad_value_` after each `backward` in MMSA's trainers).
#[test]
fn gradients_are_bounded_after_they_are_added_up() {
    const MOST: f64 = 0.02;
    let text = RECIPE
        .replace(r#"{ kind = "adamw" }"#, r#"{ kind = "sgd" }"#)
        .replace("clip_norm = 0.8\nclip_over = \"model\"", &format!("clip_value = {MOST}"))
        .replace(", weight_decay = 1e-2", "")
        .replace("batch_size = 5", "batch_size = 5\naccumulate = 2\nremainder = \"drop\"");
    let mut recipe: Preset = toml::from_str(&text).unwrap();
    for change in ["dropout=0", "noise=0", "helper.helper.lr=0", "main.biases.lr=0.1"] {
        recipe.set(change).unwrap();
    }
    recipe.set("main.rest.lr=0.1").unwrap();
    let settings = settings(recipe);
    let train = split(SplitName::Train, 17, Cache::Device);
    let mut found = fit(&settings, &[5], &train);
    epoch(&mut found, &train).unwrap();

    // The same by hand.
    let mut by_hand = fit(&settings, &[5], &train);
    let Preset { training, phases, .. } = &settings.hyper_parameters;
    let order = super::fit::order(5, (1, 1), (training, &phases[1]), 17);
    let parameters = by_hand.models.parameters();
    let (mut step, mut n_bounded) = (0, 0);
    train
        .each_batch(&order, 5, |batch| {
            let at = At { phase: "main", epoch: 1, n_epochs: 4, step, n_steps: 4 };
            let mut trace = Trace::default();
            let mut pass = ForwardPass { at: Some(at), dropout: None, trace: &mut trace };
            let outputs = by_hand.models.forward(&batch, false, &mut pass)?;
            by_hand.models.losses(at, &outputs, &batch).0[0].total().backward();
            for parameter in parameters.values().filter(|it| it.grad().defined()) {
                let mut gradient = parameter.grad();
                let over = gradient.abs().gt(MOST).sum(Kind::Int64).int64_value(&[]);
                n_bounded += over;
                let _ = gradient.clamp_(-MOST, MOST);
                if step % 2 == 1 {
                    let _ = tch::no_grad(|| parameter.shallow_clone().g_sub_(&(&gradient * 0.1)));
                    let _ = gradient.zero_();
                }
            }
            tch::no_grad(|| {
                by_hand.models.only().unwrap().model_mut().after_step(&outputs, &batch, at);
            });
            step += 1;
            Ok(())
        })
        .unwrap();
    assert!(n_bounded > 4, "nothing was bounded");
    for (name, found) in found.models.parameters() {
        let difference = (&found - &parameters[&name]).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{name}: {difference}");
    }
}

#[test]
fn what_a_batch_has_of_a_sample_is_of_that_sample() {
    for cache in [Cache::Device, Cache::Disk { n_threads: 2 }] {
        let train = split(SplitName::Train, 17, cache);
        let order = [11, 3, 16, 0, 8, 5];
        let mut first = 0;
        train
            .each_batch(&order, 4, |batch| {
                let own = &order[first..order.len().min(first + 4)];
                first += 4;
                let int64 = |tensor: &Tensor| Vec::<i64>::try_from(tensor).unwrap();
                let float = |tensor: &Tensor| Vec::<f32>::try_from(tensor.view([-1])).unwrap();
                let expected: Vec<i64> = own.iter().map(|idx| *idx as i64).collect();
                assert_eq!(int64(&batch.samples), expected);
                let labels: Vec<f32> = own.iter().map(|idx| train.labels()[*idx]).collect();
                assert_eq!(float(&batch.target), labels);
                let of_audio: Vec<f32> = labels.iter().map(|label| 0.5 * label + 0.1).collect();
                assert_eq!(float(&batch.unimodal_labels[&Modality::Audio]), of_audio);
                for (modality, features) in &batch.features {
                    let lengths = own.iter().map(|idx| Rows::length(*modality, *idx) as i64);
                    let lengths: Vec<i64> = lengths.collect();
                    assert_eq!(int64(&batch.lengths[modality]), lengths, "{modality}");
                    // Each sample's padding begins at its length.
                    let is_padding = features.eq(9.0).all_dim(2, false);
                    let n_padding =
                        is_padding.sum_dim_intlist([1_i64].as_slice(), false, Kind::Int64);
                    let n_steps = features.size()[1];
                    let n_padding: Vec<i64> =
                        int64(&n_padding).into_iter().map(|n| n_steps - n).collect();
                    assert_eq!(n_padding, lengths, "{modality}");
                }
                Ok(())
            })
            .unwrap();
    }
}
