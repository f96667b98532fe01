//! Numerical parity with the released PyTorch implementation.
//!
//! `fixtures/golden` holds values recorded from it (see `fixtures/README.md`). The tolerances follow
//! from the recording: several times the difference between one and two threads or float32 and float64
//! there, and well below the effect of a typical mistake.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use almt_data::corpus::label::{Bins, LabelScale};
use almt_data::model::configuration::Size;
use almt_data::model::{
    Almt, AlmtConfig, AlmtSizes, Form, Init, Input, Residual, Sequence, Trace, Variant,
};
use almt_data::run::metrics::evaluate;
use almt_data::run::recipe::{ClipOver, Group, Moments, Phase, UpdateRule};
use almt_data::run::schedule::{Moment, Schedule, Validation};
use almt_data::train::device;
use almt_data::train::optimizer::Optimizer;
use serde_json::Value;
use tch::nn;
use tch::{Device, Kind, Tensor};

use crate::recorded::{Worst, formula_on_cpu, json, max_abs, on_cpu};

pub const FORWARD: f64 = 1e-5;
pub const GRADIENT: f64 = 2e-5;
const ZERO_GRADIENT: f64 = 1e-6;
pub const TRAJECTORY: f64 = 1e-4;
pub const TRAJECTORY_PARAMETERS: f64 = 5e-5;

pub fn tensors(name: &str) -> BTreeMap<String, Tensor> {
    on_cpu(name).into_iter().map(|(name, tensor)| (name, tensor.to_device(device()))).collect()
}

/// Where models are computed: on the CPU, or on the device that `ALMT_DATA_TEST_DEVICE` names.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    *DEVICE.get_or_init(|| {
        let name = std::env::var("ALMT_DATA_TEST_DEVICE").unwrap_or_else(|_| "cpu".into());
        device::open(name.parse().unwrap(), None).unwrap().device
    })
}

pub fn config(case: &Value) -> AlmtConfig {
    let recorded = &case["hyper_parameters"];
    let size = |name: &str| recorded[name].as_i64().unwrap_or_else(|| panic!("{name}"));
    let sequence = |modality: &str| Sequence {
        seq_len: size(&format!("{modality}_input_length")),
        feat_dim: size(&format!("{modality}_input_dim")),
    };
    assert_eq!(size("transformer_dim_head"), size("cross_transformer_dim_head"));
    let sizes = AlmtSizes {
        token_len: size("token_len"),
        token_dim: size("token_dim"),
        embedding_depth: size("proj_depth"),
        embedding_heads: size("proj_heads"),
        embedding_mlp_dim: size("proj_mlp_dim"),
        language_heads: size("l_enc_heads"),
        language_mlp_dim: size("l_enc_mlp_dim"),
        ahl_depth: size("AHL_depth"),
        ahl_heads: size("ahl_heads"),
        ahl_dim_head: size("ahl_dim_head"),
        fusion_depth: size("fusion_layer_depth"),
        fusion_heads: size("fusion_heads"),
        fusion_mlp_dim: size("fusion_mlp_dim"),
        dim_head: size("transformer_dim_head"),
        layer_norm_eps: recorded["layer_norm_eps"].as_f64().unwrap(),
        residual: match case["variant"].as_str() {
            Some("paper") => Residual::Paper,
            _ => Residual::Released,
        },
    };
    AlmtConfig {
        sizes,
        text: sequence("l"),
        audio: Some(sequence("a")),
        vision: Some(sequence("v")),
        variant: Variant::default(),
    }
}

/// The forms that ALMT has on the device.
pub fn forms() -> impl Iterator<Item = Form> {
    Form::ALL.into_iter().filter(|form| device() == Device::Cpu || *form != Form::Native)
}

struct Built {
    vars: nn::VarStore,
    model: Almt,
    /// The same model in the form that shows the values on its way.
    traced: Almt,
}

/// The model with every parameter replaced by `parameter(name, shape)`.
fn build(config: &AlmtConfig, form: Form, parameter: impl Fn(&str, &[i64]) -> Tensor) -> Built {
    assert_eq!(config.forms(), Form::ALL);
    let vars = nn::VarStore::new(device());
    let model = Almt::new(&Init::new(vars.root(), 0), config, form);
    for (name, mut variable) in vars.variables() {
        tch::no_grad(|| variable.copy_(&parameter(&name, &variable.size())));
    }
    let traced = Almt::given(&vars.variables().into_iter().collect(), config, form.traced());
    Built { vars, model, traced }
}

fn input(values: &BTreeMap<String, Tensor>, folder: &str) -> Input {
    let value = |name: &str| values[&format!("{folder}/{name}")].shallow_clone();
    Input { text: value("text"), audio: Some(value("audio")), vision: Some(value("visual")) }
}

pub fn loss(pred: &Tensor, label: &Tensor) -> Tensor {
    pred.mse_loss(&label.view_as(pred), tch::Reduction::Mean)
}

fn check_forward(
    worst: &mut Worst,
    built: &Built,
    values: &BTreeMap<String, Tensor>,
    input: &Input,
) -> Tensor {
    let mut trace = Trace::keep();
    let traced = tch::no_grad(|| built.traced.forward(input, &mut trace));
    let found = trace.into_values();
    let pred = built.model.forward(input, &mut Trace::default());
    let expected: Vec<_> =
        values.iter().filter_map(|(name, v)| Some((name.strip_prefix("mid/")?, v))).collect();
    assert!(!expected.is_empty());
    for (name, expected) in expected {
        let found = found.get(name).unwrap_or_else(|| panic!("no intermediate `{name}`"));
        assert_eq!(found.size(), expected.size(), "{name}");
        worst.check("intermediates", name, max_abs(&(found - expected)), FORWARD);
    }
    for pred in [&traced, &pred] {
        worst.check("prediction", "pred", max_abs(&(pred - &values["output/pred"])), FORWARD);
    }
    pred
}

#[test]
fn tiny_models_agree_in_every_value_and_gradient() {
    let names = ["tiny_official", "tiny_paper", "tiny_init_official", "tiny_init_paper"];
    for (name, form) in names.into_iter().flat_map(|name| forms().map(move |form| (name, form))) {
        let name = format!("model_{name}");
        let (case, values) = (json(&name), tensors(&name));
        let mut worst = Worst::new(&format!("{name}, {form}"));
        let built = build(&config(&case), form, |parameter, _| {
            values[&format!("param/{parameter}")].shallow_clone()
        });
        let n_parameters = values.keys().filter(|key| key.starts_with("param/")).count();
        assert_eq!(built.vars.len(), n_parameters, "{name}");
        let input = input(&values, "input");
        for tensor in [Some(&input.text), input.audio.as_ref(), input.vision.as_ref()] {
            let _ = tensor.unwrap().set_requires_grad(true);
        }
        let pred = check_forward(&mut worst, &built, &values, &input);
        let loss = loss(&pred, &values["input/label"]);
        worst.check("loss", "loss", max_abs(&(&loss - &values["output/loss"])), FORWARD);
        loss.backward();
        for (parameter, variable) in built.vars.variables() {
            let without = case["params_without_grad"].as_array().unwrap();
            if without.iter().any(|name| name == parameter.as_str()) {
                assert!(!variable.grad().defined(), "{parameter}");
                continue;
            }
            let expected = &values[&format!("grad/{parameter}")];
            check_gradient(&mut worst, &parameter, &variable.grad(), expected);
        }
        let inputs = [
            ("text", &input.text),
            ("audio", input.audio.as_ref().unwrap()),
            ("visual", input.vision.as_ref().unwrap()),
        ];
        for (modality, tensor) in inputs {
            let expected = &values[&format!("grad_input/{modality}")];
            check_gradient(&mut worst, modality, &tensor.grad(), expected);
        }
    }
}

/// A key's bias shifts all logits of a query equally: its gradient is zero, and what is recorded
/// is rounding noise.
fn has_zero_gradient(parameter: &str) -> bool {
    parameter.ends_with("norm_k.bias")
}

fn check_gradient(worst: &mut Worst, name: &str, found: &Tensor, expected: &Tensor) {
    if has_zero_gradient(name) {
        worst.check("zero gradients", name, max_abs(found), ZERO_GRADIENT);
        return;
    }
    let difference = max_abs(&(found - expected));
    let largest = max_abs(expected);
    if largest == 0.0 {
        assert_eq!(difference, 0.0, "{name}: the gradient must be exactly zero");
        return;
    }
    worst.check("gradients (relative)", name, difference / largest, GRADIENT);
}

/// The recording's formula for parameters, inputs and probe vectors.
pub fn formula(seed: u64, index: u64, shape: &[i64], offset: f64, scale: f64) -> Tensor {
    formula_on_cpu(seed, index, shape, offset, scale).to_device(device())
}

fn formula_of(entry: &Value, seed: u64, shape: &[i64]) -> Tensor {
    let number = |name: &str| entry[name].as_f64().unwrap();
    let index = entry["index"].as_u64().unwrap();
    let tensor = formula(seed, index, shape, number("offset"), number("scale"));
    let first: Vec<f64> = Vec::try_from(
        tensor.flatten(0, -1).narrow(0, 0, 3.min(shape.iter().product())).to_kind(Kind::Double),
    )
    .unwrap();
    for (found, expected) in first.iter().zip(entry["first3"].as_array().unwrap()) {
        assert_eq!(*found, expected.as_f64().unwrap(), "{}", entry["name"]);
    }
    tensor
}

#[test]
fn published_configurations_agree_in_every_value_and_gradient() {
    let names = ["mosi_official", "mosi_paper", "sims_official", "sims_paper"];
    for (name, form) in names.into_iter().flat_map(|name| forms().map(move |form| (name, form))) {
        let name = format!("model_{name}");
        let (case, mut values) = (json(&name), tensors(&name));
        let seed = case["seed"].as_u64().unwrap();
        let mut worst = Worst::new(&format!("{name}, {form}"));
        let entries: BTreeMap<String, Value> = case["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry["name"].as_str().unwrap().to_owned(), entry.clone()))
            .collect();
        let built = build(&config(&case), form, |parameter, shape| {
            formula_of(&entries[parameter], seed, shape)
        });
        assert_eq!(built.vars.len(), entries.len());
        for entry in case["inputs"].as_array().unwrap() {
            let shape: Vec<i64> =
                entry["shape"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
            let key = format!("input/{}", entry["name"].as_str().unwrap());
            values.insert(key, formula_of(entry, seed, &shape));
        }
        let pred = check_forward(&mut worst, &built, &values, &input(&values, "input"));
        let loss = loss(&pred, &values["input/label"]);
        worst.check("loss", "loss", max_abs(&(&loss - &values["output/loss"])), FORWARD);
        loss.backward();
        let mut n_checked = 0;
        for (parameter, variable) in built.vars.variables() {
            let expected = &case["grad"][&parameter];
            if expected.is_null() {
                assert!(parameter.contains(".norm4."), "{parameter} has no recorded gradient");
                continue;
            }
            n_checked += 1;
            let grad = variable.grad();
            if has_zero_gradient(&parameter) {
                worst.check("zero gradients", &parameter, max_abs(&grad), ZERO_GRADIENT);
                continue;
            }
            let double = grad.to_kind(Kind::Double);
            let index = entries[&parameter]["index"].as_u64().unwrap();
            let probe = formula(seed, 32768 + index, &variable.size(), 0.0, 1.0);
            let norm = double.norm().double_value(&[]);
            let dot = (&double * probe.to_kind(Kind::Double)).sum(Kind::Double).double_value(&[]);
            let expected_norm = expected["norm"].as_f64().unwrap();
            let difference = (norm - expected_norm).abs() / expected_norm;
            worst.check("gradient norms (relative)", &parameter, difference, GRADIENT);
            let difference = (dot - expected["dot"].as_f64().unwrap()).abs() / expected_norm;
            worst.check("gradient dots (relative)", &parameter, difference, GRADIENT);
            if let Some(whole) = values.get(&format!("grad/{parameter}")) {
                check_gradient(&mut worst, &parameter, &grad, whole);
            }
        }
        assert!(n_checked > 170, "{name}: only {n_checked} gradients compared");
    }
}

#[test]
fn sixty_training_steps_follow_the_recorded_trajectory() {
    let names = ["train_tiny_official", "train_tiny_paper", "train_tiny_wd_official"];
    for (name, form) in names.into_iter().flat_map(|name| forms().map(move |form| (name, form))) {
        let case = json(name);
        let expected = tensors(name);
        let mut worst = Worst::new(&format!("{name}, {form}"));
        // The run with the other weight decay starts from the same parameters and data.
        let start = match case["parameters_and_data_from"].as_str() {
            Some(file) => tensors(file.trim_end_matches(".safetensors")),
            None => tensors(name),
        };
        let built = build(&config(&case), form, |parameter, _| {
            start[&format!("param/{parameter}")].shallow_clone()
        });
        let training = &case["training"];
        let size = |key: &str| training[key].as_u64().unwrap() as usize;
        let (n_epochs, batch_size, n_samples) =
            (size("epochs"), size("batch_size"), size("samples"));
        let base = training["lr"].as_f64().unwrap();
        let decay = training["weight_decay"].as_f64().unwrap();
        let parameters = built.vars.variables().into_iter().collect();
        let mut optimizer = adamw(&parameters, decay, 1, |_| 0);
        let all = input(&start, "data");
        let mut step = 0;
        for epoch in 1..=n_epochs {
            optimizer.set_lrs(&[learning_rate(base, epoch, n_epochs)]);
            for first in (0..n_samples).step_by(batch_size) {
                let cut = |x: &Tensor| x.narrow(0, first as i64, batch_size as i64);
                let batch = Input {
                    text: cut(&all.text),
                    audio: all.audio.as_ref().map(cut),
                    vision: all.vision.as_ref().map(cut),
                };
                let pred = built.model.forward(&batch, &mut Trace::default());
                let loss = loss(&pred, &cut(&start["data/label"]));
                let recorded = expected["train/loss"].double_value(&[step]);
                let difference = (loss.double_value(&[]) - recorded).abs();
                worst.check("losses", &format!("step {step}"), difference, TRAJECTORY);
                loss.backward();
                optimizer.step().unwrap();
                step += 1;
            }
            let pred = tch::no_grad(|| built.model.forward(&all, &mut Trace::default()));
            let recorded = expected["train/pred_epoch"].get(epoch as i64 - 1);
            let difference = max_abs(&(pred.view([-1]) - recorded));
            worst.check("predictions", &format!("epoch {epoch}"), difference, TRAJECTORY);
        }
        assert_eq!(step, 60);
        let mut n_parameters = 0;
        for (parameter, variable) in built.vars.variables() {
            let Some(recorded) = expected.get(&format!("final/{parameter}")) else { continue };
            if !has_zero_gradient(&parameter) {
                n_parameters += 1;
                let difference = max_abs(&(&variable - recorded));
                worst.check("parameters", &parameter, difference, TRAJECTORY_PARAMETERS);
            }
        }
        assert!(n_parameters > 100 || name == "train_tiny_wd_official", "{name}: {n_parameters}");
    }
}

/// AdamW with one decay, and a rate for each group, of which `group` gives the number.
pub fn adamw(
    parameters: &BTreeMap<String, Tensor>,
    weight_decay: f64,
    n_groups: usize,
    group: impl Fn(&str) -> usize,
) -> Optimizer {
    let groups = (0..n_groups).map(|idx| Group {
        name: idx.to_string(),
        prefixes: vec![],
        suffixes: vec![],
        except: vec![],
        optional: false,
        lr: 0.0,
        weight_decay,
    });
    let phase = Phase {
        name: "main".into(),
        optimizer: UpdateRule::AdamW(Moments::default()),
        clip_norm: None,
        clip_over: ClipOver::Phase,
        clip_value: None,
        share: 1.0,
        schedule: Schedule::Constant {},
        groups: groups.collect(),
    };
    let mut dealt = vec![Vec::new(); n_groups];
    parameters.keys().for_each(|name| dealt[group(name)].push(name.clone()));
    Optimizer::new(&phase, &dealt, parameters)
}

fn learning_rate(base: f64, epoch: usize, n_epochs: usize) -> f64 {
    let at = Moment { epoch, n_epochs, n_steps: 0, steps_per_epoch: 1 };
    Schedule::WarmupCosine {}.learning_rate(base, at, &Validation::default())
}

/// Counted without making any.
fn n_parameters(config: &AlmtConfig) -> Option<i64> {
    let count = |init: &Init<'_>| {
        let _model = Almt::new(init, config, Form::Reference);
    };
    Size::of(count).map(|size| size.trainable)
}

#[test]
fn learning_rates_are_the_recorded_sequences() {
    let cases = json("scheduler");
    for case in cases["cases"].as_array().unwrap() {
        let n_epochs = case["n_epochs"].as_u64().unwrap() as usize;
        let base = case["base_lr"].as_f64().unwrap();
        let recorded = case["lr_per_epoch"].as_array().unwrap();
        assert_eq!(recorded.len(), n_epochs);
        for (i, recorded) in recorded.iter().enumerate() {
            let (found, recorded) =
                (learning_rate(base, i + 1, n_epochs), recorded.as_f64().unwrap());
            assert!(
                (found - recorded).abs() <= 1e-12 * recorded,
                "{n_epochs} epochs, epoch {}: {found} for {recorded}",
                i + 1
            );
        }
    }
}

fn floats(values: &Value) -> Vec<f32> {
    let number = |v: &Value| v.as_f64().map_or(f32::NAN, |v| v as f32);
    values.as_array().unwrap().iter().map(number).collect()
}

#[test]
fn every_metric_and_bin_is_the_recorded_one() {
    let mut n_values = 0;
    for (name, scale) in [
        ("metrics_mosi", LabelScale::Cmu),
        ("metrics_mosei", LabelScale::Cmu),
        ("metrics_sims", LabelScale::Sims),
    ] {
        for case in json(name)["cases"].as_array().unwrap() {
            let place = format!("{name}, {}", case["name"]);
            let (pred, label) = (floats(&case["y_pred"]), floats(&case["y_true"]));
            let found = evaluate(scale, &pred, &label);
            for (side, values) in [("bins_pred", &pred), ("bins_true", &label)] {
                n_values += check_bins(&place, scale, &case[side], values);
            }
            let recorded = &case["metrics_full_precision"];
            if recorded.get("error").is_some() {
                assert!(found.get("Non0_acc_2").is_nan(), "{place}");
                continue;
            }
            for (metric, recorded) in recorded.as_object().unwrap() {
                let found = found.get(metric);
                let tolerance = match metric.as_str() {
                    "MAE" => 2e-6,
                    "Corr" => 1e-9,
                    _ => 1e-12,
                };
                match recorded.as_f64() {
                    None => assert!(found.is_nan(), "{place}: {metric}: {found} for NaN"),
                    Some(recorded) => assert!(
                        (found - recorded).abs() <= tolerance,
                        "{place}: {metric}: {found} for {recorded}"
                    ),
                }
                n_values += 1;
            }
        }
    }
    assert!(n_values > 1000, "only {n_values} values compared");
}

fn check_bins(place: &str, scale: LabelScale<'_>, recorded: &Value, values: &[f32]) -> usize {
    let mut n_values = 0;
    for (division, recorded) in recorded.as_object().unwrap() {
        let (bins, shift) = match (scale, division.as_str()) {
            (LabelScale::Cmu, "acc2_has0") => (Bins::Acc2Has0, 0),
            (LabelScale::Cmu, "acc2_non0_positive") => (Bins::Acc2Non0, 0),
            // Recorded as rounded values; classes count from 0.
            (LabelScale::Cmu, "acc3") => (Bins::Acc3, 1),
            (LabelScale::Cmu, "acc5") => (Bins::Acc5, 2),
            (LabelScale::Cmu, "acc7") => (Bins::Acc7, 3),
            (LabelScale::Sims, "acc2") => (Bins::Acc2, 0),
            (LabelScale::Sims, "acc3") => (Bins::Acc3, 0),
            (LabelScale::Sims, "acc5") => (Bins::Acc5, 0),
            other => panic!("{place}: unknown division {other:?}"),
        };
        for (value, recorded) in values.iter().zip(recorded.as_array().unwrap()) {
            // CH-SIMS clips first, which its outermost intervals do by themselves.
            let found = scale.class(bins, *value);
            // The recording puts zeros among the negatives there; a zero label takes no part.
            let zero = bins == Bins::Acc2Non0 && *value == 0.0;
            let recorded = recorded.as_i64().unwrap() + shift;
            let expected = if zero { -1 } else { recorded };
            assert_eq!(i64::from(found), expected, "{place}: {division} of {value}");
            n_values += 1;
        }
    }
    n_values
}

#[test]
fn parameter_counts_are_the_recorded_ones() {
    let recorded = json("param_counts");
    let count = |config: &AlmtConfig| {
        let vars = nn::VarStore::new(Device::Cpu);
        let _model = Almt::new(&Init::new(vars.root(), 0), config, Form::Reference);
        vars
    };
    let total = |vars: &nn::VarStore| -> usize {
        vars.trainable_variables().iter().map(Tensor::numel).sum()
    };
    for dataset in ["mosi", "mosei", "sims"] {
        let case = &recorded[dataset];
        let vars = count(&config(case));
        assert_eq!(total(&vars) as u64, case["total"].as_u64().unwrap(), "{dataset}");
        let shapes: BTreeMap<String, Vec<i64>> =
            vars.variables().into_iter().map(|(name, v)| (name, v.size())).collect();
        let expected: BTreeMap<String, Vec<i64>> =
            serde_json::from_value(case["names_and_shapes"].clone()).unwrap();
        assert_eq!(shapes, expected, "{dataset}");
        let computed = n_parameters(&config(case));
        assert_eq!(computed, case["total"].as_i64(), "{dataset}");
    }
    // The paper's own setting, 50 steps for every modality: its 2.50 M.
    let mut config = config(&recorded["mosi"]);
    for sequence in
        [&mut config.text].into_iter().chain(&mut config.audio).chain(&mut config.vision)
    {
        sequence.seq_len = 50;
    }
    assert_eq!(total(&count(&config)), 2_504_449);
    for (audio, vision) in [(false, false), (true, false), (false, true)] {
        let part = AlmtConfig {
            audio: config.audio.filter(|_| audio),
            vision: config.vision.filter(|_| vision),
            ..config.clone()
        };
        assert_eq!(n_parameters(&part), i64::try_from(total(&count(&part))).ok());
    }
}
