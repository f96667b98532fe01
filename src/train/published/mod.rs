//! Every model of the registry beside values that were recorded from its published code: outputs, terms
//! of the loss, gradients, and whole runs of the published trainer beside runs of this one.
//!
//! A model has a [`Published`] in a file of its own here, which says how its recordings are read. What is
//! compared is the same for all.

mod mag_bert;
mod mfm;
mod misa;
mod mmim;
mod mult;
#[path = "../../../tests/recorded.rs"]
mod recorded;
mod self_mm;
mod tfn_and_lmf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use ndarray::Array3;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use self::recorded::{Worst, formula_on_cpu, json, max_abs, on_cpu};
use super::checkpoint::load_into;
use super::config::ModelConfig;
use super::data::{Cache, FeatureRows, TrainingSplit};
use super::fit::{Fit, to_host};
use super::models::Models;
use super::released::ReleasedNames;
use super::replay::Replay;
use super::run::optimizers;
use super::weights::{self, Tensors};
use crate::corpus::{Dataset, Modality, RowError, SplitName};
use crate::model::configuration::Size;
use crate::model::contract::{At, Batch, Model, Outputs, Pass};
use crate::model::layers::pool_to;
use crate::model::registry::{Inputs, ModelSpec};
use crate::model::{BertConfig, Dropout, ENCODER, Form, Sequence, Trace, given_noise, take_sites};
use crate::native;
use crate::run::preset::Preset;
use crate::run::recipe;
use crate::run::schedule::{Moment, Validation};
use crate::run::settings::{EncoderChoice, TokenChoice, TrainSettings};

/// Tolerances that the recordings suggest (`fixtures/README.md`).
const OUTPUT: f64 = 1e-5;
const GRADIENT: f64 = 5e-5;
const TRAJECTORY: f64 = 1e-4;

const TEXT_AUDIO_VISION: [Modality; 3] = [Modality::Text, Modality::Audio, Modality::Vision];

/// Where models are computed: on the CPU, or on the device that `ALMT_DATA_TEST_DEVICE` names.
fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    *DEVICE.get_or_init(|| {
        let name = std::env::var("ALMT_DATA_TEST_DEVICE").unwrap_or_else(|_| "cpu".into());
        super::device::open(name.parse().unwrap(), None).unwrap().device
    })
}

/// The tensors of a case, on the device.
fn tensors(name: &str) -> Tensors {
    on_cpu(name).into_iter().map(|(name, tensor)| (name, tensor.to_device(device()))).collect()
}

fn formula(seed: u64, index: u64, shape: &[i64], offset: f64, scale: f64) -> Tensor {
    formula_on_cpu(seed, index, shape, offset, scale).to_device(device())
}

/// A phase whose loss and gradients a `tiny` case has.
struct PhaseOfTiny {
    name: &'static str,
    /// The batch of the phase, counted from 0, for models that look at it.
    step: usize,
    total: &'static str,
    gradients: &'static str,
    inputs: &'static str,
}

/// The only phase of most models.
const MAIN: PhaseOfTiny = PhaseOfTiny {
    name: "main",
    step: 0,
    total: "loss/total",
    gradients: "grad",
    inputs: "grad_input",
};

/// A phase, a term of its loss, the tensor that it is recorded as, and what that is multiplied by.
type RecordedTerm = (&'static str, &'static str, &'static str, f64);

/// How the recordings of a model are read.
struct Published {
    /// The model in the registry, and its folder below `fixtures/golden`.
    model: &'static str,
    /// The table `[model]`, without `kind`, from the hyper-parameters of a recording, and from all of it.
    config: fn(&Value, &Value) -> Value,
    /// What turns the preset for CMU-MOSI into the recipe of a recording: assignments as for `--set`.
    recipe: fn(&Value) -> Vec<String>,
    /// What the names of the parameters of the text encoder begin with, where the model has one.
    encoder: Option<&'static str>,
    /// Parameters of the recordings that are of no use, by what their names begin with, and not here.
    absent: &'static [&'static str],
    /// Parts of the outputs, and the tensors that they are recorded as.
    parts: &'static [(&'static str, &'static str)],
    /// Terms of the loss, from the hyper-parameters of a recording.
    terms: fn(&Value) -> Vec<RecordedTerm>,
    /// Places where noise is drawn, and the tensors that it is recorded as.
    noise: &'static [(&'static str, &'static str)],
    phases: &'static [PhaseOfTiny],
    /// What a `tiny` case has in memory before its pass.
    remember: fn(&mut dyn Model, &Tensors, &Batch),
    /// The memory after an epoch of a run, counted from 1.
    memory: fn(&mut Worst, &Tensors, &Tensors, usize),
    /// Tolerance of gradients.
    gradient: f64,
    /// Tolerance of losses in a run.
    loss: f64,
}

impl Published {
    /// A model of features that has one phase and no memory.
    const PLAIN: Published = Published {
        model: "",
        config: |_, _| Value::Null,
        recipe: |_| Vec::new(),
        encoder: None,
        absent: &[],
        parts: &[],
        terms: |_| Vec::new(),
        noise: &[],
        phases: &[MAIN],
        remember: |_, _, _| {},
        memory: |_, _, _, _| {},
        gradient: GRADIENT,
        loss: TRAJECTORY,
    };

    fn case(&'static self, case: &str) -> Case {
        let name = format!("{}/{case}", self.model);
        let recorded = json(&name);
        let hyper_parameters = &recorded["hyper_parameters"];
        let mut config = (self.config)(hyper_parameters, &recorded);
        config["kind"] = self.model.into();
        let spec: ModelSpec = serde_json::from_value(config).unwrap();
        Case { name, of: self, recorded, spec }
    }
}

/// A recorded case.
struct Case {
    name: String,
    of: &'static Published,
    recorded: Value,
    spec: ModelSpec,
}

/// Tensors of a folder of a recording, such as `input/`, without the folder.
fn folder(values: &Tensors, name: &str) -> Tensors {
    let own = |(key, tensor): (&String, &Tensor)| {
        Some((key.strip_prefix(name)?.strip_prefix('/')?.to_owned(), tensor.shallow_clone()))
    };
    values.iter().filter_map(own).collect()
}

/// Samples as a recording has them: text as features `[n, seq_len, d_l]` or as tokens `[n, 3, seq_len]`, and
/// with `text_hidden` as both, of which the model gets the features.
fn batch_of(samples: &Tensors) -> Batch {
    let mut features = BTreeMap::new();
    let mut lengths = BTreeMap::new();
    let text = &samples["text"];
    let has_mask = text.size()[1] == 3 && (samples.contains_key("text_hidden") || is_whole(text));
    for modality in TEXT_AUDIO_VISION {
        let name = modality.name();
        if modality != Modality::Text || !has_mask {
            features.insert(modality, samples[name].shallow_clone());
        }
        if let Some(own) = samples.get(&format!("{name}_lengths")) {
            lengths.insert(modality, own.to_kind(Kind::Int64));
        }
    }
    let mut tokens = None;
    if has_mask {
        let steps = text.select(1, 1).sum_dim_intlist([1_i64].as_slice(), false, Kind::Int64);
        lengths.insert(Modality::Text, steps);
        match samples.get("text_hidden") {
            Some(hidden) => {
                features.insert(Modality::Text, hidden.shallow_clone());
            }
            None => tokens = Some(text.to_kind(Kind::Int64)),
        }
    }
    let target = samples["label"].view([-1, 1]);
    let n_samples = target.size()[0];
    Batch {
        features,
        tokens,
        pooled: None,
        lengths,
        target,
        unimodal_labels: BTreeMap::new(),
        samples: Tensor::arange(n_samples, (Kind::Int64, device())),
    }
}

/// Whether a tensor can be one of tokens.
fn is_whole(x: &Tensor) -> bool {
    x.allclose(&x.round(), 0.0, 0.0, false)
}

impl Case {
    fn hyper_parameters(&self) -> &Value {
        &self.recorded["hyper_parameters"]
    }

    /// The model for some samples.
    fn config(&self, batch: &Batch) -> ModelConfig {
        let extents = |x: &Tensor| Sequence { seq_len: x.size()[1], feat_dim: x.size()[2] };
        let of_features = batch.features.iter().map(|(modality, x)| (*modality, extents(x)));
        let mut inputs: BTreeMap<Modality, Sequence> = of_features.collect();
        let bert = batch.tokens.as_ref().map(|tokens| {
            let text = std::fs::read(recorded::golden("bert_tiny16_config.json")).unwrap();
            let bert: BertConfig = serde_json::from_slice(&text).unwrap();
            let text = Sequence { seq_len: tokens.size()[2], feat_dim: bert.hidden_size };
            inputs.insert(Modality::Text, text);
            bert
        });
        ModelConfig { spec: self.spec.clone(), inputs: Inputs(inputs), bert }
    }

    /// The name of one of our parameters in the recording.
    fn recorded_name(&self, name: &str) -> String {
        let own = name.strip_prefix(ENCODER).and_then(|rest| rest.strip_prefix('.'));
        match (own, self.of.encoder) {
            (Some(own), Some(prefix)) => format!("{prefix}.{own}"),
            _ => name.to_owned(),
        }
    }

    /// The model with the values that `value` makes for each parameter and buffer by its recorded name.
    fn build(&self, config: &ModelConfig, value: impl Fn(&str, &[i64]) -> Tensor) -> Models {
        assert_eq!(config.problem(), None, "{}", self.name);
        Models::new(config, Form::Reference, &[0], device(), |vars| {
            for (name, mut variable) in vars.variables() {
                let value = value(&self.recorded_name(&name), &variable.size());
                tch::no_grad(|| variable.copy_(&value));
            }
            Ok(())
        })
        .unwrap()
    }

    fn is_absent(&self, name: &str) -> bool {
        self.of.absent.iter().any(|prefix| name.starts_with(prefix))
    }

    /// Whether a recording names a parameter under a key.
    fn lists(&self, key: &str, parameter: &str) -> bool {
        let names = self.recorded[key].as_array();
        names.is_some_and(|names| names.iter().any(|name| name == parameter))
    }

    /// Forward pass of a phase, whose noise is that of `noise` by place.
    fn forward(
        &self,
        models: &Models,
        batch: &Batch,
        at: Option<At<'_>>,
        noise: Tensors,
    ) -> Outputs {
        let dropout = at.is_some().then(|| Dropout::new(0, 0));
        given_noise(noise.into_iter().map(|(place, noise)| ((0, place), noise)).collect());
        let pass = &mut Pass { at, dropout, trace: &mut Trace::default() };
        models.forward(batch, false, pass).unwrap()
    }

    /// Recorded noise of the step `step`, or of the only one.
    fn noise(&self, values: &Tensors, step: Option<i64>) -> Tensors {
        let own = |(place, name): &(&str, &str)| {
            // Of all steps where it is a run, as in `train/noise_zl`.
            let all = match step {
                Some(_) => &values[&format!("train/{}", name.replace('/', "_"))],
                None => &values[*name],
            };
            ((*place).to_owned(), step.map_or_else(|| all.shallow_clone(), |step| all.get(step)))
        };
        self.of.noise.iter().map(own).collect()
    }
}

/// The first step of a phase, or another one.
fn at(phase: &str, step: usize) -> At<'_> {
    At { phase, epoch: 1, n_epochs: 1, step, n_steps: step + 1 }
}

/// What of a parameter its value in a run, or its gradient, can be compared by: a key's bias shifts all logits
/// of a query alike, so that its gradient is rounding noise. `None` where nothing is left.
fn comparable(name: &str, x: &Tensor) -> Option<Tensor> {
    if name.ends_with("attention.self.key.bias") {
        return None;
    }
    if name.ends_with("in_proj_bias") {
        let parts = x.chunk(3, 0);
        return Some(Tensor::cat(&[&parts[0], &parts[2]], 0));
    }
    Some(x.shallow_clone())
}

/// Gradients relative to the largest entry of their tensor, but at least to 1e-4 of the largest of
/// all.
fn check_gradients(
    worst: &mut Worst,
    found: &[(String, Tensor)],
    expected: &[Tensor],
    tolerance: f64,
) {
    let largest = expected.iter().map(max_abs).fold(0.0, f64::max);
    for ((name, found), expected) in found.iter().zip(expected) {
        let scale = max_abs(expected).max(1e-4 * largest);
        let (Some(found), Some(expected)) = (comparable(name, found), comparable(name, expected))
        else {
            continue;
        };
        let difference = max_abs(&(found - expected)) / scale;
        worst.check("gradients (relative)", name, difference, tolerance);
    }
}

/// Outputs, terms of the loss and gradients of a case that has all of them.
fn check_tiny(of: &'static Published, name: &str) {
    let case = of.case(name);
    let values = tensors(&case.name);
    let mut worst = Worst::new(&case.name);
    let batch = batch_of(&folder(&values, "input"));
    let config = case.config(&batch);
    let mut models = case.build(&config, |name, _| {
        let place = |folder: &str| values.get(&format!("{folder}/{name}"));
        let value = place("param").or_else(|| place("buffer"));
        value.unwrap_or_else(|| panic!("{}: {name} is not recorded", case.name)).shallow_clone()
    });
    let parameters = models.parameters();
    let ours: Vec<String> = parameters.keys().map(|name| case.recorded_name(name)).collect();
    for key in values.keys() {
        let name = key.strip_prefix("param/").or_else(|| key.strip_prefix("buffer/"));
        let Some(name) = name.filter(|name| !name.ends_with("num_batches_tracked")) else {
            continue;
        };
        let is_there = ours.iter().any(|own| own == name);
        assert_eq!(is_there, !case.is_absent(name), "{}: {name}", case.name);
    }
    check_names(&case, &config, &parameters);
    // Before the training pass, which moves the running statistics.
    let pred = tch::no_grad(|| case.forward(&models, &batch, None, Tensors::new())).pred;
    worst.check("evaluation", "pred", max_abs(&(pred - &values["eval/pred"])), OUTPUT);
    let network = models.only().unwrap();
    tch::no_grad(|| (of.remember)(network.model_mut(), &values, &batch));
    for phase in of.phases {
        let at = at(phase.name, phase.step);
        let mut batch = batch_of(&folder(&values, "input"));
        for features in batch.features.values_mut() {
            *features = features.copy().set_requires_grad(true);
        }
        let all: Vec<Tensor> = parameters.values().map(Tensor::shallow_clone).collect();
        native::drop_gradients(&all);
        let outputs = case.forward(&models, &batch, Some(at), case.noise(&values, None));
        for (part, key) in of.parts {
            let Some(expected) = values.get(*key) else { panic!("{}: no {key}", case.name) };
            let found = &outputs.parts[part];
            assert_eq!(found.size(), expected.size(), "{}: {part}", case.name);
            let difference = max_abs(&(found - expected)) / max_abs(expected).max(1.0);
            worst.check("intermediates", part, difference, OUTPUT);
        }
        let difference = max_abs(&(&outputs.pred - &values["output/pred"]));
        worst.check("prediction", "pred", difference, OUTPUT);
        let (losses, _) = models.losses(at, &outputs, &batch);
        check_terms(&mut worst, &case, phase.name, &losses[0].terms, &values);
        let total = losses[0].total();
        worst.check("loss", phase.total, max_abs(&(&total - &values[phase.total])), OUTPUT);
        total.backward();
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        for (name, variable) in &parameters {
            let name = case.recorded_name(name);
            if let Some(gradient) = values.get(&format!("{}/{name}", phase.gradients)) {
                let own = variable.grad();
                assert!(own.defined(), "{}: {name} has no gradient", case.name);
                found.push((name, own));
                expected.push(gradient.shallow_clone());
            } else {
                let none = !variable.requires_grad() || !variable.grad().defined();
                assert!(none, "{}: {name} has a gradient", case.name);
            }
        }
        assert!(found.len() > 10, "{}: {}", case.name, found.len());
        for (modality, features) in &batch.features {
            if let Some(recorded) = values.get(&format!("{}/{modality}", phase.inputs)) {
                found.push((modality.name().into(), features.grad()));
                expected.push(recorded.shallow_clone());
            }
        }
        check_gradients(&mut worst, &found, &expected, of.gradient);
    }
}

/// Published checkpoints have the names that exported weights have, which can be read again.
fn check_names(case: &Case, config: &ModelConfig, parameters: &Tensors) {
    let names = ReleasedNames::of(&case.spec);
    let exported = names.rename(parameters);
    let published = case.recorded["state_dict_order"].as_array().unwrap();
    let published = published.iter().map(|name| name.as_str().unwrap());
    let published = published.filter(|name| !case.is_absent(name));
    let published: BTreeSet<String> = published.map(|name| format!("Model.{name}")).collect();
    // The list is of parameters alone.
    let is_buffer = |name: &&String| name.contains(".running_") || name.ends_with("_tracked");
    let ours = exported.keys().filter(|name| !is_buffer(name)).cloned();
    assert_eq!(ours.collect::<BTreeSet<String>>(), published, "{}", case.name);
    let folder = tempfile::tempdir().unwrap();
    // With what stands before all names, and without, and with a pooler that has no use.
    for prefix in ["Model.", ""] {
        let path = folder.path().join("released.safetensors");
        let strip = |(name, tensor): (&String, &Tensor)| {
            (format!("{prefix}{}", name.trim_start_matches("Model.")), tensor.shallow_clone())
        };
        let mut saved: Tensors = exported.iter().map(strip).collect();
        for name in case.of.absent {
            let zero = Tensor::zeros([1], (Kind::Float, device()));
            saved.insert(format!("{prefix}{name}.dense.bias"), zero);
        }
        weights::write(&path, &saved, None).unwrap();
        let other = Models::new(config, Form::Reference, &[9], device(), |vars| {
            Ok(load_into(&path, &case.spec, vars)?)
        });
        for (name, loaded) in other.unwrap().parameters() {
            assert_eq!(loaded, parameters[&name], "{}: {name}", case.name);
        }
    }
}

/// The terms of the loss of a phase.
fn check_terms(
    worst: &mut Worst,
    case: &Case,
    phase: &str,
    terms: &[(&'static str, Tensor)],
    values: &Tensors,
) {
    for (of_phase, term, key, factor) in (case.of.terms)(case.hyper_parameters()) {
        if of_phase == phase {
            let found = terms.iter().find(|(name, _)| *name == term);
            let (_, found) = found.unwrap_or_else(|| panic!("{}: no {term}", case.name));
            let expected = &values[key] * factor;
            worst.check("terms of the loss", term, max_abs(&(found - expected)), OUTPUT);
        }
    }
}

/// Output, loss and gradients of a published configuration, whose values come from a formula.
fn check_formula(of: &'static Published, dataset: &str) {
    let case = of.case(dataset);
    let mut values = tensors(&case.name);
    let mut worst = Worst::new(&case.name);
    let seed = case.recorded["formula_seed"].as_u64().unwrap();
    let of_formula = |entry: &Value, shape: &[i64]| {
        let number = |key: &str| entry[key].as_f64().unwrap();
        let index = entry["tensor_index"].as_u64().unwrap();
        let tensor = formula(seed, index, shape, number("offset"), number("scale"));
        for (idx, expected) in entry["first3"].as_array().unwrap().iter().enumerate() {
            let found = tensor.flatten(0, -1).double_value(&[idx as i64]);
            assert_eq!(found, expected.as_f64().unwrap());
        }
        tensor
    };
    for (name, entry) in case.recorded["formula_inputs"].as_object().unwrap() {
        let shape: Vec<i64> =
            entry["shape"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
        let name = match name.contains('/') {
            true => name.clone(),
            false => format!("input/{name}"),
        };
        values.insert(name, of_formula(entry, &shape));
    }
    let batch = batch_of(&folder(&values, "input"));
    let config = case.config(&batch);
    let mut models = case.build(&config, |name, shape| {
        match case.recorded["formula_parameters"].get(name) {
            Some(entry) => of_formula(entry, shape),
            // Running statistics begin at 0 and 1.
            None if name.ends_with("running_var") => Tensor::ones(shape, (Kind::Float, device())),
            None => Tensor::zeros(shape, (Kind::Float, device())),
        }
    });
    let network = models.only().unwrap();
    tch::no_grad(|| (of.remember)(network.model_mut(), &values, &batch));
    let at = at("main", 0);
    let outputs = case.forward(&models, &batch, Some(at), case.noise(&values, None));
    let difference = max_abs(&(&outputs.pred - &values["output/pred"]));
    worst.check("prediction", "pred", difference, OUTPUT);
    let (losses, _) = models.losses(at, &outputs, &batch);
    check_terms(&mut worst, &case, "main", &losses[0].terms, &values);
    let total = losses[0].total();
    worst.check("loss", "loss", max_abs(&(&total - &values["loss/total"])), OUTPUT);
    total.backward();
    let mut n_compared = 0;
    for (name, variable) in models.parameters() {
        let name = case.recorded_name(&name);
        let Some(norm) = values.get(&format!("grad_norm/{name}")) else { continue };
        if name.ends_with("in_proj_bias") || comparable(&name, norm).is_none() {
            continue;
        }
        let gradient = variable.grad().to_kind(Kind::Double);
        let index = case.recorded["formula_parameters"][&name]["tensor_index"].as_u64().unwrap();
        let probe = formula(999, index, &variable.size(), 0.0, 1.0).to_kind(Kind::Double);
        let dot = (&gradient * probe).sum(Kind::Double).double_value(&[]);
        let expected = norm.double_value(&[]);
        let scale = expected.max(1e-6);
        let difference = (gradient.norm().double_value(&[]) - expected).abs() / scale;
        worst.check("gradient norms (relative)", &name, difference, of.gradient);
        let recorded = values[&format!("grad_dot/{name}")].double_value(&[]);
        let difference = (dot - recorded).abs() / scale;
        worst.check("gradient dots (relative)", &name, difference, 2.0 * of.gradient);
        n_compared += 1;
    }
    assert!(n_compared > 20, "{}: {n_compared}", case.name);
}

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
    let rows = Box::new(Recorded::of(&batch.features));
    let mut split =
        TrainingSplit::new(name, ids, Some(labels), rows, tokens, Cache::Device, device()).unwrap();
    for (modality, lengths) in &batch.lengths {
        let lengths = Vec::<i64>::try_from(lengths.to_device(Device::Cpu)).unwrap();
        let lengths: Vec<i32> = lengths.into_iter().map(|length| length as i32).collect();
        split.set_lengths(*modality, &lengths).unwrap();
    }
    split
}

/// A run of this trainer beside one of the published trainer, with the same samples in the same order.
fn check_run(of: &'static Published, name: &str, changes: &[&str]) {
    follow(of, name, changes, true);
}

/// Each of some mistakes in the recipe of a run leads it away from the published one.
fn check_mistakes(of: &'static Published, mistakes: &[&[&str]]) {
    for mistake in mistakes {
        let followed = std::panic::catch_unwind(|| follow(of, "train", mistake, false));
        assert!(followed.is_err(), "{}: {mistake:?} changes nothing", of.model);
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
        super::encoder::remove_groups(&mut recipe);
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
    let settings = TrainSettings { text_encoder, ..super::tests::settings(recipe.clone()) };
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

/// Places, rates and shapes of dropout in a training pass are those of the published code.
fn check_dropout(of: &'static Published) {
    let sites = json("dropout_sites");
    let calls = sites["models"][of.model]["calls_in_order"].as_array().unwrap();
    let mut case = of.case("tiny");
    let mut sizes = case.hyper_parameters().clone();
    let mut expected: Vec<(u64, usize)> = Vec::new();
    let in_ppm = |rate: f64| (rate * 1e6).round() as u64;
    for call in calls {
        let (key, rate) = (call["key"].as_str().unwrap(), &call["probability"]);
        // `dropouts[0] (audio)`, `NN1Config.drop`, or a key by itself.
        if let Some(idx) = key.strip_prefix("dropouts[") {
            let idx: usize = idx[..1].parse().unwrap();
            sizes["dropouts"][idx] = rate.clone();
        } else if let Some((table, key)) = key.split_once('.') {
            if sizes[table].is_object() {
                sizes[table][key] = rate.clone();
            }
        } else {
            sizes[key] = rate.clone();
        }
        // What is dropped there is never used.
        if key == "outConfig.drop" {
            continue;
        }
        let shape = call["shape"].as_array().unwrap();
        let n_values: Option<usize> = shape.iter().map(|n| Some(n.as_u64()? as usize)).product();
        let n_times = call["times"].as_u64().unwrap_or(1) as usize;
        let n_values = n_values.unwrap_or(N_ANY);
        expected.extend(vec![(in_ppm(rate.as_f64().unwrap()), n_values); n_times]);
    }
    let mut config = (of.config)(&sizes, &case.recorded);
    config["kind"] = of.model.into();
    if of.model == "misa" {
        config["transformer_dropout"] = 0.1.into();
    }
    case.spec = serde_json::from_value(config).unwrap();
    let values = tensors(&case.name);
    let batch = batch_of(&folder(&values, "input"));
    let models =
        case.build(&case.config(&batch), |_, shape| Tensor::ones(shape, (Kind::Float, device())));
    take_sites();
    case.forward(&models, &batch, Some(at("main", 0)), case.noise(&values, None));
    let mut found: Vec<(u64, usize)> =
        take_sites().into_iter().map(|(rate, n_values)| (in_ppm(rate), n_values)).collect();
    // A site whose shape is not recorded is one that no other stands for.
    let mut rest = found.clone();
    for site in expected.iter().filter(|(_, n_values)| *n_values != N_ANY) {
        if let Some(idx) = rest.iter().position(|other| other == site) {
            rest.swap_remove(idx);
        }
    }
    for (rate, n_values) in expected.iter_mut().filter(|(_, n_values)| *n_values == N_ANY) {
        let own = rest.iter().position(|(other, _)| other == rate);
        *n_values = rest.swap_remove(own.expect("a site of this rate")).1;
    }
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "{}", of.model);
}

/// Of a shape that is not recorded.
const N_ANY: usize = usize::MAX;

#[test]
fn steps_are_averaged_as_published() {
    let values = tensors("align_avg_pool");
    let mut n_compared = 0;
    for (name, input) in &values {
        let Some((case, modality)) = name.split_once("/input/") else { continue };
        let seq_len = values[&format!("{case}/input/text")].size()[1];
        let expected = &values[&format!("{case}/output/{modality}")];
        let difference = max_abs(&(pool_to(input, seq_len) - expected));
        assert!(difference < 1e-6, "{name}: {difference}");
        n_compared += 1;
    }
    assert!(n_compared > 10, "{n_compared}");
}

/// The number of trainable parameters for a dataset as `fixtures/README.md` has it: with the sizes of the
/// published data, without a text encoder.
fn check_count(of: &'static Published, dataset: Dataset, expected: i64) {
    let preset = Preset::published(of.model, dataset).unwrap();
    let sizes = match dataset {
        Dataset::Mosi => [(50, 768), (375, 5), (500, 20)],
        Dataset::Mosei => [(50, 768), (500, 74), (500, 35)],
        Dataset::Sims | Dataset::Simsv2 => [(39, 768), (400, 33), (55, 709)],
    };
    let sequences = sizes.map(|(seq_len, feat_dim)| Sequence { seq_len, feat_dim });
    let inputs = Inputs(TEXT_AUDIO_VISION.into_iter().zip(sequences).collect());
    assert_eq!(preset.model.problem(&inputs), None);
    let size = Size::of(|init| drop(preset.model.build(init, &inputs, Form::Reference))).unwrap();
    assert_eq!(size.trainable, expected, "{} on {dataset}", of.model);
}
