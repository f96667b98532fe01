//! Every model of the registry beside values that were recorded from its published code: outputs, terms
//! of the loss, gradients, and whole runs of the published trainer beside runs of this one.
//!
//! A model has a [`Published`] in a file of its own here, which says how its recordings are read. What is
//! compared is the same for all: single passes here, whole runs in `run`, places of dropout in `sites`.

mod lmf;
mod mag_bert;
mod mfm;
mod misa;
mod mmim;
mod mult;
#[path = "../../../tests/recorded.rs"]
mod recorded;
mod run;
mod self_mm;
mod sites;
mod tfn;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;
use tch::{Device, Kind, Tensor};

use self::recorded::{Worst, formula_on_cpu, json, max_abs, on_cpu};
use self::run::{check_mistakes, check_run};
use self::sites::check_dropout;
use super::checkpoint::load_into;
use super::config::ModelConfig;
use super::models::Models;
use super::released::ReleasedNames;
use super::weights::{self, Tensors};
use crate::corpus::{Dataset, Modality};
use crate::model::configuration::Size;
use crate::model::contract::{At, Batch, Model, Outputs, Pass};
use crate::model::layers::pool_to;
use crate::model::registry::{Inputs, ModelSpec};
use crate::model::{BertConfig, Dropout, ENCODER, Form, Sequence, Trace, given_noise};
use crate::native;
use crate::run::preset::Preset;

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

/// The rate of a dropout that no setting of MMSA is about: recordings have none.
fn dropout(recorded: &Value, published: f64) -> f64 {
    if recorded.is_null() { published } else { 0.0 }
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

/// A value that a pass records, the tensor that it is recorded as, and the layout of that.
type Traced = (&'static str, &'static str, Layout);

/// How a recorded intermediate is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Like ours.
    Same,
    /// Ours is `[batch, seq_len, ..]`, the recording `[seq_len, batch, ..]`.
    TimeFirst,
    /// Ours is `[batch, seq_len, dim]`, the recording `[batch, dim, seq_len]`.
    ChannelsFirst,
    /// Ours are `[batch, dim]` of each step, the recording `[seq_len, batch, dim]`.
    Steps,
    /// Ours is `[batch, 2 dim]` of both directions, the recording `[2, batch, dim]`.
    Directions,
    /// Ours is `[.., 1]`, the recording `[..]`.
    WithoutLast,
}

impl Layout {
    /// Our value `name` of a trace, laid out like the recording; `None` where the pass has none.
    fn arranged(self, trace: &Tensors, name: &str) -> Option<Tensor> {
        if self == Layout::Steps {
            let steps = (0..).map_while(|step| trace.get(&format!("{name}/{step}")));
            let steps: Vec<&Tensor> = steps.collect();
            return (!steps.is_empty()).then(|| Tensor::stack(&steps, 0));
        }
        let own = trace.get(name)?;
        Some(match self {
            Layout::Same | Layout::Steps => own.shallow_clone(),
            Layout::TimeFirst => own.transpose(0, 1),
            Layout::ChannelsFirst => own.transpose(1, 2),
            Layout::Directions => Tensor::stack(&own.chunk(2, 1), 0),
            Layout::WithoutLast => own.squeeze_dim(-1),
        })
    }
}

/// A phase, a term of its loss, the tensor that it is recorded as, and what that is multiplied by.
type RecordedTerm = (&'static str, &'static str, &'static str, f64);

/// How the recordings of a model are read.
struct Published {
    /// The model in the registry, and its folder below `fixtures/golden`.
    model: &'static str,
    /// The table `[model]`, without `kind`, from the hyper-parameters of a recording, and from all of it; from a
    /// published configuration and null.
    config: fn(&Value, &Value) -> Value,
    /// What turns the preset for CMU-MOSI into the recipe of a recording: assignments as for `--set`.
    recipe: fn(&Value) -> Vec<String>,
    /// What the names of the parameters of the text encoder begin with, where the model has one.
    encoder: Option<&'static str>,
    /// Parameters of the recordings that are of no use, by what their names begin with, and not here.
    absent: &'static [&'static str],
    /// Buffers `[1]` that published checkpoints have, and no model reads.
    buffers: &'static [&'static str],
    /// Parts of the outputs, and the tensors that they are recorded as.
    parts: &'static [(&'static str, &'static str)],
    /// Values within a pass, and the tensors that they are recorded as.
    traced: &'static [Traced],
    /// Recorded values within a pass that no pass of ours has, where `traced` has all others.
    unread: &'static [&'static str],
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
        buffers: &[],
        parts: &[],
        traced: &[],
        unread: &[],
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
        self.traced(models, batch, at, noise, &mut Trace::default())
    }

    /// Like [`forward`](Case::forward), and records the values within it.
    fn traced(
        &self,
        models: &Models,
        batch: &Batch,
        at: Option<At<'_>>,
        noise: Tensors,
        trace: &mut Trace,
    ) -> Outputs {
        let dropout = at.is_some().then(|| Dropout::new(0, 0));
        given_noise(noise.into_iter().map(|(place, noise)| ((0, place), noise)).collect());
        models.forward(batch, false, &mut Pass { at, dropout, trace }).unwrap()
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
    let mut left: BTreeSet<&str> = of.traced.iter().map(|(_, key, _)| *key).collect();
    left.retain(|key| values.contains_key(*key));
    for phase in of.phases {
        let at = at(phase.name, phase.step);
        let mut batch = batch_of(&folder(&values, "input"));
        for features in batch.features.values_mut() {
            *features = features.copy().set_requires_grad(true);
        }
        let all: Vec<Tensor> = parameters.values().map(Tensor::shallow_clone).collect();
        native::drop_gradients(&all);
        let mut trace = Trace::keep();
        let noise = case.noise(&values, None);
        let outputs = case.traced(&models, &batch, Some(at), noise, &mut trace);
        for key in check_traced(&mut worst, &case, &trace.into_values(), &values) {
            left.remove(key);
        }
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
    assert!(left.is_empty(), "{}: no pass has {left:?}", case.name);
    check_complete(&case, &values);
}

/// Values within a pass; returns the recorded ones that were compared.
fn check_traced(
    worst: &mut Worst,
    case: &Case,
    trace: &Tensors,
    values: &Tensors,
) -> Vec<&'static str> {
    let mut compared = Vec::new();
    for (name, key, layout) in case.of.traced {
        let Some(expected) = values.get(*key) else { continue };
        let Some(found) = layout.arranged(trace, name) else { continue };
        assert_eq!(found.size(), expected.size(), "{}: {name}", case.name);
        let difference = max_abs(&(found - expected)) / max_abs(expected);
        worst.check("intermediates (relative)", key, difference, OUTPUT);
        compared.push(*key);
    }
    compared
}

/// Every recorded value within a pass is compared, or named as one that ours lacks.
fn check_complete(case: &Case, values: &Tensors) {
    let of = case.of;
    if of.traced.is_empty() {
        return;
    }
    let traced = of.traced.iter().map(|(_, key, _)| *key);
    let parts = of.parts.iter().map(|(_, key)| *key);
    let known: BTreeSet<&str> = traced.chain(parts).chain(of.unread.iter().copied()).collect();
    let mut within = values.keys().filter(|key| key.starts_with("mid/"));
    assert_eq!(within.find(|key| !known.contains(&***key)), None, "{}", case.name);
}

/// Published checkpoints have the names that exported weights have, which can be read again.
fn check_names(case: &Case, config: &ModelConfig, parameters: &Tensors) {
    let names = ReleasedNames::of(&case.spec);
    let exported = names.rename(parameters);
    let published = case.recorded["state_dict_order"].as_array().unwrap();
    let published = published.iter().map(|name| name.as_str().unwrap());
    let published: BTreeSet<String> = published.map(|name| format!("Model.{name}")).collect();
    // The list is of parameters alone.
    let is_buffer = |name: &&String| {
        let of_norms = [".running_mean", ".running_var", "_tracked"];
        case.of.buffers.iter().chain(&of_norms).any(|end| name.ends_with(end))
    };
    let ours = exported.keys().filter(|name| !is_buffer(name)).cloned();
    assert_eq!(ours.collect::<BTreeSet<String>>(), published, "{}", case.name);
    for buffer in case.of.buffers {
        assert_eq!(exported[&format!("Model.{buffer}")].size(), [1], "{}", case.name);
    }
    let folder = tempfile::tempdir().unwrap();
    // With what stands before all names, and without, and with the positions of older encoders.
    for prefix in ["Model.", ""] {
        let path = folder.path().join("released.safetensors");
        let strip = |(name, tensor): (&String, &Tensor)| {
            (format!("{prefix}{}", name.trim_start_matches("Model.")), tensor.shallow_clone())
        };
        let mut saved: Tensors = exported.iter().map(strip).collect();
        if let Some(encoder) = case.of.encoder {
            let positions = Tensor::arange(8, (Kind::Float, device())).unsqueeze(0);
            saved.insert(format!("{prefix}{encoder}.embeddings.position_ids"), positions);
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

/// The presets are the published configurations, read as the hyper-parameters of a recording are.
fn check_presets(of: &'static Published) {
    let published = json("presets");
    for dataset in [Dataset::Mosi, Dataset::Mosei, Dataset::Sims] {
        let own = &published[of.model][dataset.name()];
        let preset = Preset::published(of.model, dataset).unwrap();
        let mut config = (of.config)(own, &Value::Null);
        config["kind"] = of.model.into();
        let spec: ModelSpec = serde_json::from_value(config).unwrap();
        assert_eq!(preset.model, spec, "{} on {dataset}", of.model);
        let of_training = [("batch_size", "batch_size"), ("patience", "early_stop")];
        let of_training = of_training.map(|(name, key)| format!("{name}={}", own[key]));
        let mut changed = preset.clone();
        for assignment in (of.recipe)(own).into_iter().chain(of_training) {
            changed.set(&assignment).unwrap_or_else(|error| panic!("{}: {error}", of.model));
        }
        assert_eq!(preset, changed, "{} on {dataset}", of.model);
    }
}

/// The number of trainable parameters for a dataset as `fixtures/README.md` has it: with the sizes of the
/// published data, without a text encoder.
fn check_count(of: &'static Published, dataset: Dataset, expected: i64) {
    let preset = Preset::published(of.model, dataset).unwrap();
    let sizes = match dataset {
        Dataset::Mosi | Dataset::Own => [(50, 768), (375, 5), (500, 20)],
        Dataset::Mosei => [(50, 768), (500, 74), (500, 35)],
        Dataset::Sims | Dataset::Simsv2 => [(39, 768), (400, 33), (55, 709)],
    };
    let sequences = sizes.map(|(seq_len, feat_dim)| Sequence { seq_len, feat_dim });
    let inputs = Inputs(TEXT_AUDIO_VISION.into_iter().zip(sequences).collect());
    assert_eq!(preset.model.problem(&inputs), None);
    let size = Size::of(|init| drop(preset.model.build(init, &inputs, Form::Reference))).unwrap();
    assert_eq!(size.trainable, expected, "{} on {dataset}", of.model);
}
