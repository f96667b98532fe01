//! Every model of the registry: parity with recorded values, and what the contract promises.

use std::collections::{BTreeMap, BTreeSet};

use almt_data::corpus::{Dataset, Modality};
use almt_data::model::contract::{At, Batch, Model, Outputs, Pass};
use almt_data::model::form::Placement;
use almt_data::model::registry::{Inputs, ModelSpec};
use almt_data::model::{Form, Sequence, Trace};
use almt_data::run::preset::Preset;
use almt_data::run::recipe::{self, ClipOver, Group, Moments, Phase, UpdateRule};
use almt_data::run::schedule::Schedule;
use almt_data::train::optimizer::Optimizer;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, nn};

use crate::golden::{Worst, device, formula, json as recorded, max_abs, tensors};
use crate::support::{almt, files, program, synthetic_store};
use crate::train::{stop_after_an_epoch, timeless};

/// Tolerances that the recordings suggest (`fixtures/README.md`).
const OUTPUT: f64 = 1e-5;
const GRADIENT: f64 = 5e-5;
const TRAJECTORY: f64 = 1e-4;

const TEXT_AUDIO_VISION: [Modality; 3] = [Modality::Text, Modality::Audio, Modality::Vision];

/// A recorded case: its model and inputs.
struct Case {
    name: String,
    recorded: Value,
    spec: ModelSpec,
    inputs: Inputs,
}

impl Case {
    fn of(model: &str, case: &str) -> Case {
        let name = format!("{model}/{case}");
        let recorded = recorded(&name);
        let sizes = &recorded["hyper_parameters"];
        let number = |key: &str, idx: usize| sizes[key][idx].clone();
        // Lists are in the order text, audio, vision; dropouts in the order audio, vision.
        let mut config = json!({
            "kind": model,
            "text_hidden": number("hidden_dims", 0),
            "audio_hidden": number("hidden_dims", 1),
            "vision_hidden": number("hidden_dims", 2),
            "audio_dropout": number("dropouts", 0),
            "vision_dropout": number("dropouts", 1),
        });
        let own: &[(&str, Value)] = match model {
            "tfn" => &[
                ("text_out", sizes["text_out"].clone()),
                ("post_fusion_dim", sizes["post_fusion_dim"].clone()),
                ("post_fusion_dropout", number("dropouts", 3)),
            ],
            _ => &[("rank", sizes["rank"].clone())],
        };
        for (key, value) in own {
            config[*key] = value.clone();
        }
        let sequence = |(idx, modality): (usize, Modality)| {
            let size = |key: &str| sizes[key][idx].as_i64().unwrap();
            // Audio and vision come as their mean over all steps.
            let seq_len = if modality == Modality::Text { size("seq_lens") } else { 1 };
            (modality, Sequence { seq_len, feat_dim: size("feature_dims") })
        };
        let inputs = TEXT_AUDIO_VISION.into_iter().enumerate().map(sequence).collect();
        let spec = serde_json::from_value(config).unwrap();
        Case { name, recorded, spec, inputs: Inputs(inputs) }
    }

    /// The model with the values that `value` makes for each parameter and buffer.
    fn build(&self, value: impl Fn(&str, &[i64]) -> Tensor) -> (nn::VarStore, Box<dyn Model>) {
        let (vars, model) = self.spec.begin(&self.inputs, Form::Reference, device(), 0);
        for (name, mut variable) in vars.variables() {
            tch::no_grad(|| variable.copy_(&value(&name, &variable.size())));
        }
        (vars, model)
    }

    fn has_no_gradient(&self, parameter: &str) -> bool {
        let without = self.recorded["params_without_grad"].as_array();
        without.is_some_and(|names| names.iter().any(|name| name == parameter))
    }
}

/// A batch of tensors below `folder`, of the samples from `first` on.
fn batch(values: &BTreeMap<String, Tensor>, folder: &str, first: i64, n_samples: i64) -> Batch {
    let cut = |name: &str| {
        let all = &values[&format!("{folder}/{name}")];
        all.narrow(0, first, n_samples.min(all.size()[0] - first))
    };
    let features: BTreeMap<Modality, Tensor> =
        TEXT_AUDIO_VISION.into_iter().map(|modality| (modality, cut(modality.name()))).collect();
    let target = cut("label").view([-1, 1]);
    let samples = Tensor::arange_start(first, first + target.size()[0], (Kind::Int64, device()));
    Batch {
        features,
        tokens: None,
        lengths: BTreeMap::new(),
        target,
        unimodal_labels: BTreeMap::new(),
        samples,
    }
}

fn forward(model: &dyn Model, batch: &Batch, is_training: bool) -> Outputs {
    let at = is_training.then(|| at("main"));
    let pass = &mut Pass { at, dropout: None, trace: &mut Trace::default() };
    model.forward(batch, pass).unwrap()
}

/// The first step of a phase.
fn at(phase: &str) -> At<'_> {
    At { phase, epoch: 1, n_epochs: 1, step: 0, n_steps: 1 }
}

/// Gradients relative to the largest entry of their tensor, but at least to 1e-4 of the largest of
/// all.
fn check_gradients(worst: &mut Worst, found: &[(String, Tensor)], expected: &[Tensor]) {
    let largest = expected.iter().map(max_abs).fold(0.0, f64::max);
    for ((name, found), expected) in found.iter().zip(expected) {
        let scale = max_abs(expected).max(1e-4 * largest);
        let difference = max_abs(&(found - expected)) / scale;
        worst.check("gradients (relative)", name, difference, GRADIENT);
    }
}

#[test]
fn tiny_models_agree_in_every_output_loss_and_gradient() {
    for model in ["tfn", "lmf"] {
        let case = Case::of(model, "tiny");
        let values = tensors(&case.name);
        let mut worst = Worst::new(&case.name);
        let (vars, network) = case.build(|name, _| {
            let place = |folder: &str| values.get(&format!("{folder}/{name}"));
            place("param").or_else(|| place("buffer")).unwrap().shallow_clone()
        });
        let n_recorded = values.keys().filter(|key| key.starts_with("param/")).count();
        let n_buffers = values
            .keys()
            .filter(|key| key.ends_with("/running_mean") || key.contains(".running_"))
            .count();
        assert_eq!(vars.len(), n_recorded + n_buffers, "{}", case.name);
        let batch = batch(&values, "input", 0, i64::MAX);
        // Before the training pass, which moves the running statistics.
        let pred = tch::no_grad(|| forward(&*network, &batch, false)).pred;
        worst.check("evaluation", "pred", max_abs(&(pred - &values["eval/pred"])), OUTPUT);
        for features in batch.features.values() {
            let _ = features.set_requires_grad(true);
        }
        let outputs = forward(&*network, &batch, true);
        for (name, key) in [
            ("audio", "Feature_a"),
            ("vision", "Feature_v"),
            ("text", "Feature_t"),
            ("fusion", "Feature_f"),
        ] {
            let difference = max_abs(&(&outputs.parts[name] - &values[&format!("output/{key}")]));
            worst.check("intermediates", name, difference, OUTPUT);
        }
        worst.check(
            "prediction",
            "pred",
            max_abs(&(&outputs.pred - &values["output/pred"])),
            OUTPUT,
        );
        let loss = network.loss(at("main"), &outputs, &batch).total();
        worst.check("loss", "loss", max_abs(&(&loss - &values["loss/total"])), OUTPUT);
        loss.backward();
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        for (name, variable) in vars.variables() {
            if let Some(gradient) = values.get(&format!("grad/{name}")) {
                found.push((name, variable.grad()));
                expected.push(gradient.shallow_clone());
            } else {
                assert!(!variable.requires_grad() || case.has_no_gradient(&name), "{name}");
            }
        }
        assert!(found.len() > 20);
        for (modality, features) in &batch.features {
            found.push((modality.name().into(), features.grad()));
            expected.push(values[&format!("grad_input/{modality}")].shallow_clone());
        }
        check_gradients(&mut worst, &found, &expected);
    }
}

#[test]
fn published_configurations_agree() {
    for (model, dataset) in [("tfn", "mosi"), ("tfn", "sims"), ("lmf", "mosi"), ("lmf", "sims")] {
        let case = Case::of(model, dataset);
        let values = tensors(&case.name);
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
        let (vars, network) = case.build(|name, shape| {
            match case.recorded["formula_parameters"].get(name) {
                Some(entry) => of_formula(entry, shape),
                // Running statistics begin at 0 and 1.
                None if name.ends_with("running_var") => {
                    Tensor::ones(shape, (Kind::Float, device()))
                }
                None => Tensor::zeros(shape, (Kind::Float, device())),
            }
        });
        let mut inputs = BTreeMap::new();
        for (name, entry) in case.recorded["formula_inputs"].as_object().unwrap() {
            let shape: Vec<i64> =
                entry["shape"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
            let name = name.trim_start_matches("input/");
            inputs.insert(format!("input/{name}"), of_formula(entry, &shape));
        }
        let batch = batch(&inputs, "input", 0, i64::MAX);
        let outputs = forward(&*network, &batch, true);
        worst.check(
            "prediction",
            "pred",
            max_abs(&(&outputs.pred - &values["output/pred"])),
            OUTPUT,
        );
        let loss = network.loss(at("main"), &outputs, &batch).total();
        worst.check("loss", "loss", max_abs(&(&loss - &values["loss/total"])), OUTPUT);
        loss.backward();
        let mut n_compared = 0;
        for (name, variable) in vars.variables() {
            let Some(norm) = values.get(&format!("grad_norm/{name}")) else { continue };
            let gradient = variable.grad().to_kind(Kind::Double);
            let index =
                case.recorded["formula_parameters"][&name]["tensor_index"].as_u64().unwrap();
            let probe = formula(999, index, &variable.size(), 0.0, 1.0).to_kind(Kind::Double);
            let dot = (&gradient * probe).sum(Kind::Double).double_value(&[]);
            let expected = norm.double_value(&[]);
            let difference =
                (gradient.norm().double_value(&[]) - expected).abs() / expected.max(1e-6);
            worst.check("gradient norms (relative)", &name, difference, GRADIENT);
            let recorded = values[&format!("grad_dot/{name}")].double_value(&[]);
            worst.check(
                "gradient dots (relative)",
                &name,
                (dot - recorded).abs() / expected.max(1e-6),
                2.0 * GRADIENT,
            );
            n_compared += 1;
        }
        assert!(n_compared > 20, "{}: {n_compared}", case.name);
    }
}

/// The phase of a recording's optimizer.
fn phase(recorded: &Value) -> (Phase, Vec<Vec<String>>) {
    let (mut groups, mut dealt) = (Vec::new(), Vec::new());
    for (idx, group) in recorded["optimizers"][0].as_array().unwrap().iter().enumerate() {
        assert_eq!(group["kind"], "Adam");
        let names = group["params"].as_array().unwrap();
        dealt.push(names.iter().map(|name| name.as_str().unwrap().to_owned()).collect());
        groups.push(Group {
            name: idx.to_string(),
            prefixes: vec![],
            suffixes: vec![],
            except: vec![],
            lr: group["lr_at_end"].as_f64().unwrap(),
            weight_decay: group["weight_decay"].as_f64().unwrap(),
        });
    }
    let optimizer = UpdateRule::Adam(Moments::default());
    (
        Phase {
            name: "main".into(),
            optimizer,
            clip_norm: None,
            clip_over: ClipOver::Phase,
            clip_value: None,
            schedule: Schedule::Constant {},
            groups,
        },
        dealt,
    )
}

#[test]
fn training_steps_follow_the_recorded_trajectories() {
    for (model, name) in [("tfn", "train"), ("lmf", "train"), ("lmf", "train_authors")] {
        let case = Case::of(model, name);
        let expected = tensors(&case.name);
        // The run with the authors' groups starts from the same parameters and data.
        let start = tensors(&format!("{model}/train"));
        let mut worst = Worst::new(&case.name);
        let (vars, network) = case.build(|name, shape| {
            let place = |folder: &str| start.get(&format!("{folder}/{name}"));
            match place("param").or_else(|| place("buffer")) {
                Some(value) => value.shallow_clone(),
                None if name.ends_with("running_var") => {
                    Tensor::ones(shape, (Kind::Float, device()))
                }
                None => Tensor::zeros(shape, (Kind::Float, device())),
            }
        });
        let (phase, dealt) = phase(&case.recorded);
        let parameters = vars.variables().into_iter().collect();
        let mut optimizer = Optimizer::new(&phase, &dealt, &parameters);
        optimizer.set_lrs(&phase.groups.iter().map(|group| group.lr).collect::<Vec<f64>>());
        let size = |key: &str| case.recorded["training"][key].as_i64().unwrap();
        let (n_epochs, batch_size) = (size("epochs"), size("batch_size"));
        let n_samples = start["data/label"].size()[0];
        let mut n_steps = 0;
        for epoch in 0..n_epochs {
            for first in (0..n_samples).step_by(batch_size as usize) {
                let batch = batch(&start, "data", first, batch_size);
                let outputs = forward(&*network, &batch, true);
                let loss = network.loss(at("main"), &outputs, &batch).total();
                let recorded = expected["train/loss"].double_value(&[n_steps]);
                let difference = (loss.double_value(&[]) - recorded).abs();
                worst.check("losses", &format!("step {n_steps}"), difference, TRAJECTORY);
                loss.backward();
                optimizer.step().unwrap();
                n_steps += 1;
            }
            let all = batch(&start, "data", 0, i64::MAX);
            let pred = tch::no_grad(|| forward(&*network, &all, false)).pred;
            let recorded = expected["train/pred_epoch"].get(epoch);
            let difference = max_abs(&(pred.view([-1]) - recorded));
            worst.check("predictions", &format!("epoch {epoch}"), difference, TRAJECTORY);
        }
        let n_recorded = case.recorded["optimizer_steps"].as_array().unwrap().len() as i64;
        assert_eq!(n_steps, n_recorded);
        let mut n_compared = 0;
        for (name, variable) in vars.variables() {
            let place = |folder: &str| expected.get(&format!("{folder}/{name}"));
            let Some(recorded) = place("final").or_else(|| place("final_buffer")) else { continue };
            worst.check("parameters", &name, max_abs(&(&variable - recorded)), TRAJECTORY);
            n_compared += 1;
        }
        assert!(n_compared > 20, "{}: {n_compared}", case.name);
    }
}

#[test]
fn parameters_are_counted_as_published_without_any_being_made() {
    for (model, dataset, all) in [
        ("tfn", "mosi", 9_497_045),
        ("tfn", "sims", 35_632_079),
        ("lmf", "mosi", 505_071),
        ("lmf", "sims", 272_381),
    ] {
        let case = Case::of(model, dataset);
        let size = case.spec.size(&case.inputs).unwrap();
        let (vars, _network) = case.spec.begin(&case.inputs, Form::Reference, Device::Cpu, 1);
        let count = |tensors: Vec<Tensor>| tensors.iter().map(|t| t.numel() as i64).sum::<i64>();
        assert_eq!(size.trainable, count(vars.trainable_variables()), "{}", case.name);
        assert_eq!(size.all, count(vars.variables().into_values().collect()), "{}", case.name);
        // MMSA counts TFN's two constants, and no running statistics.
        let constants = if model == "tfn" { 2 } else { 0 };
        assert_eq!(size.trainable + constants, all, "{}", case.name);
    }
}

#[test]
fn recipes_name_what_they_train() {
    let case = Case::of("lmf", "train");
    let (vars, _network) = case.build(|_, shape| Tensor::zeros(shape, (Kind::Float, device())));
    let (mut phase, dealt) = phase(&case.recorded);
    phase.groups[0].prefixes =
        ["audio_factor", "video_factor", "text_factor"].map(String::from).into();
    let trainable = vars.variables().into_iter().filter(|(_, tensor)| tensor.requires_grad());
    let mut names: Vec<String> = trainable.map(|(name, _)| name).collect();
    names.sort();
    let untrained = ["fusion_weights", "fusion_bias"].map(String::from);
    let found = recipe::assign(&[phase], &untrained, &names).unwrap();
    for (found, recorded) in found[0].iter().zip(dealt) {
        let mut recorded = recorded.clone();
        recorded.sort();
        assert_eq!(*found, recorded);
    }
}

/// A batch of inputs of some extents, drawn from a seed.
fn drawn_batch(inputs: &Inputs, seed: u64, n_samples: i64) -> Batch {
    let draw = |place: u64, shape: &[i64]| formula(seed, place, shape, 0.0, 1.0);
    let features = inputs.0.iter().enumerate().map(|(idx, (modality, it))| {
        (*modality, draw(idx as u64, &[n_samples, it.seq_len, it.feat_dim]))
    });
    // All that a model may need.
    let lengths = inputs.0.iter().enumerate().map(|(idx, (modality, it))| {
        let shares = draw(10 + idx as u64, &[n_samples]).abs();
        (*modality, (shares * it.seq_len).clamp(1, it.seq_len).to_kind(Kind::Int64))
    });
    let labels = inputs
        .0
        .iter()
        .enumerate()
        .map(|(idx, (modality, _))| (*modality, draw(20 + idx as u64, &[n_samples, 1]) * 3.0));
    Batch {
        features: features.collect(),
        tokens: None,
        lengths: lengths.collect(),
        target: draw(9, &[n_samples, 1]) * 3.0,
        unimodal_labels: labels.collect(),
        samples: Tensor::arange(n_samples, (Kind::Int64, Device::Cpu)),
    }
}

fn small_inputs() -> Inputs {
    let sequences =
        [(7, 12), (9, 5), (8, 6)].map(|(seq_len, feat_dim)| Sequence { seq_len, feat_dim });
    Inputs(TEXT_AUDIO_VISION.into_iter().zip(sequences).collect())
}

/// The presets of all models.
fn presets() -> Vec<Preset> {
    let preset = |name: &&str| Preset::published(name, Dataset::Mosi).unwrap();
    ModelSpec::NAMES.iter().map(preset).collect()
}

#[test]
fn every_model_has_its_shapes_its_count_and_a_gradient_for_each_parameter() {
    let inputs = small_inputs();
    for preset in presets() {
        let (spec, name) = (&preset.model, preset.model.name());
        assert_eq!(spec.problem(&inputs), None, "{name}");
        let form = Form::fastest(spec.forms(&inputs), Placement::of_one(true)).unwrap();
        let (vars, network) = spec.begin(&inputs, form, Device::Cpu, 1);
        let count = |tensors: Vec<Tensor>| tensors.iter().map(|t| t.numel() as i64).sum::<i64>();
        let size = spec.size(&inputs).unwrap();
        assert_eq!(size.trainable, count(vars.trainable_variables()), "{name}");
        assert_eq!(size.all, count(vars.variables().into_values().collect()), "{name}");
        // What begins at zero would hide a parameter that does nothing.
        for (idx, mut variable) in vars.trainable_variables().into_iter().enumerate() {
            let noise = formula(5, idx as u64, &variable.size(), 0.0, 0.2);
            tch::no_grad(|| variable.set_data(&(variable.data() + noise)));
        }
        let trainable = vars.variables().into_iter().filter(|(_, tensor)| tensor.requires_grad());
        let names: Vec<String> = trainable.map(|(name, _)| name).collect();
        let dealt = recipe::assign(&preset.phases, &preset.training.untrained, &names).unwrap();
        assert_eq!(dealt.len(), preset.phases.len(), "{name}");
        // An odd number: the signs of as many errors of either side would add up to no gradient.
        let batch = drawn_batch(&inputs, 3, 7);
        let mut with_gradient = BTreeSet::new();
        for phase in &preset.phases {
            let outputs = forward(&*network, &batch, true);
            assert_eq!(outputs.pred.size(), [7, 1], "{name}");
            let losses = network.loss(at(&phase.name), &outputs, &batch);
            losses.total().backward();
            // The task's own term comes first, and is what the validation loss is of.
            if phase == preset.phases.last().unwrap() {
                let (term, value) = &losses.terms[0];
                assert_eq!(*term, spec.task().name(), "{name}");
                let [pred, labels] = [&outputs.pred, &batch.target]
                    .map(|tensor| Vec::<f32>::try_from(tensor.detach().view([-1])).unwrap());
                let expected = spec.task().mean(&pred, &labels);
                assert!((value.double_value(&[]) - expected).abs() < 1e-5, "{name}");
            }
            for (parameter, variable) in vars.variables() {
                let gradient = variable.grad();
                if gradient.defined() && max_abs(&gradient) > 0.0 {
                    assert!(max_abs(&gradient).is_finite(), "{name}: {parameter}");
                    with_gradient.insert(parameter);
                }
            }
        }
        // What a hyper-modality layer normalises is read by another one alone, and a key's bias shifts
        // all logits of a query alike.
        let is_idle = |parameter: &String| !with_gradient.contains(parameter);
        let idle: Vec<String> = names.into_iter().filter(is_idle).collect();
        let published_idle = |parameter: &str| {
            name == "almt" && (parameter.contains(".norm4.") || parameter.ends_with("norm_k.bias"))
        };
        assert!(idle.iter().all(|parameter| published_idle(parameter)), "{name}: {idle:?}");
    }
}

#[test]
fn evaluation_does_not_depend_on_the_order_of_a_batch() {
    let inputs = small_inputs();
    for preset in presets() {
        let forms = preset.model.forms(&inputs);
        for form in forms {
            let (_vars, network) = preset.model.begin(&inputs, *form, Device::Cpu, 2);
            let batch = drawn_batch(&inputs, 4, 5);
            let pred = tch::no_grad(|| forward(&*network, &batch, false)).pred;
            let order = Tensor::from_slice(&[3_i64, 0, 4, 1, 2]);
            let pick = |tensor: &Tensor| tensor.index_select(0, &order);
            let pick_all = |of: &BTreeMap<Modality, Tensor>| -> BTreeMap<Modality, Tensor> {
                of.iter().map(|(modality, x)| (*modality, pick(x))).collect()
            };
            let mixed = Batch {
                features: pick_all(&batch.features),
                tokens: None,
                lengths: pick_all(&batch.lengths),
                target: pick(&batch.target),
                unimodal_labels: pick_all(&batch.unimodal_labels),
                samples: pick(&batch.samples),
            };
            let mixed = tch::no_grad(|| forward(&*network, &mixed, false)).pred;
            let difference = max_abs(&(mixed - pick(&pred)));
            assert!(difference < 1e-5, "{}, {form}: {difference}", preset.model.name());
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn every_model_that_was_killed_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    for model in ModelSpec::NAMES {
        let call = |out: &str| -> Vec<String> {
            let args = ["train", "--store", "mosi.h5", "--model", model, "--epochs", "3"];
            let recipe = ["--batch-size", "5", "--lr", "1e-3", "--threads", "1", "--out", out];
            args.into_iter().chain(recipe).map(String::from).collect()
        };
        let [whole, stopped] = ["whole", "stopped"].map(|end| format!("{model}-{end}"));
        fn borrowed(args: &[String]) -> Vec<&str> {
            args.iter().map(String::as_str).collect()
        }
        almt(folder, &borrowed(&call(&whole))).ok();
        let state = folder.join(&stopped).join("state.safetensors");
        stop_after_an_epoch(program(folder, &borrowed(&call(&stopped))), 1, &state);
        // A bit that flipped meanwhile, the last of a tensor, is no state to go on from.
        let whole_state = std::fs::read(&state).unwrap();
        let mut damaged = whole_state.clone();
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(&state, &damaged).unwrap();
        almt(folder, &["resume", &stopped]).fails_with(&["state.safetensors", "is damaged"]);
        std::fs::write(&state, &whole_state).unwrap();
        almt(folder, &["resume", &stopped]).ok();
        assert_eq!(timeless(folder, &stopped), timeless(folder, &whole), "{model}");
        almt(folder, &["repeat", &whole]).ok();
        let figures = |args: &[&str]| almt(folder, args).ok().stdout();
        let eval = figures(&[
            "eval",
            "--store",
            "mosi.h5",
            "--checkpoint",
            &whole,
            "--json",
            "--threads=1",
        ]);
        let eval: Value = serde_json::from_str(&eval).unwrap();
        let result = std::fs::read(folder.join(&whole).join("result.json")).unwrap();
        let result: Value = serde_json::from_slice(&result).unwrap();
        assert_eq!(eval["metrics"], result["selected"]["test"], "{model}");
        almt(folder, &["report", &whole, "--output", &format!("{model}.html")]).ok();
    }
}

#[test]
fn what_a_model_needs_is_asked_for_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let train = |args: &[&str]| {
        almt(folder, &[&["train", "--store", "mosi.h5", "--epochs", "1"], args].concat())
    };
    let lacking = train(&["--model", "tfn", "--modalities", "text,audio"])
        .fails_with(&["mosi.h5: tfn needs vision"]);
    assert!(lacking.stderr().contains("include it in `--modalities`"), "{}", lacking.explain());
    let of_almt = train(&["--model", "lmf", "--residual", "paper"]);
    assert_eq!(of_almt.code(), 2, "{}", of_almt.explain());
    assert!(of_almt.stderr().contains("`--residual` is of almt"));
    let misspelt = train(&["--model", "lmf", "--set", "rnak=2"]);
    assert_eq!(misspelt.code(), 2, "{}", misspelt.explain());
    assert!(misspelt.stderr().contains("is `rank` meant?"), "{}", misspelt.explain());
    let unknown = train(&["--model", "mlp"]);
    assert_eq!(unknown.code(), 2, "{}", unknown.explain());
    let names = ModelSpec::NAMES.join(", ");
    assert!(
        unknown.stderr().contains(&format!("expected one of {names}")),
        "{}",
        unknown.explain()
    );
    let listed = almt(folder, &["models", "--store", "mosi.h5"]).ok().stdout();
    for name in ModelSpec::NAMES {
        assert!(listed.contains(&format!("\n{name} ")) || listed.starts_with(name), "{listed}");
    }
    let n_sized = listed.matches("trainable parameters on this store").count();
    assert_eq!(n_sized, ModelSpec::NAMES.len(), "{listed}");
    // What is there for tests alone is not there for users.
    assert!(!listed.contains("probe"), "{listed}");
    // A name that no parameter has, and a parameter that no group has.
    train(&["--model", "lmf", "--set", "untrained=[\"fusion_weight\"]"])
        .fails_with(&["untrained: no parameter begins with `fusion_weight`"]);
}

#[test]
fn a_model_is_not_compared_with_the_figures_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "12");
    for model in ModelSpec::NAMES {
        let args = ["train", "--store", "mosi.h5", "--epochs", "1", "--seeds", "2"];
        almt(folder, &[&args[..], &["--model", model, "--out", model]].concat()).ok();
        let summary = std::fs::read_to_string(folder.join(model).join("summary.csv")).unwrap();
        let mae = summary.lines().find(|line| line.starts_with("MAE,")).unwrap();
        assert_eq!(mae.ends_with(",0.683"), *model == "almt", "{model}: {mae}");
    }
    // Nor does a run of one stand where that of another does.
    for model in ModelSpec::NAMES {
        almt(folder, &["train", "--store", "mosi.h5", "--epochs", "1", "--model", model]).ok();
    }
    let run = |model: &&str| match *model {
        "almt" => "mosi-seed1".to_owned(),
        model => format!("mosi-{model}-seed1"),
    };
    let mut expected: Vec<String> = ModelSpec::NAMES.iter().map(run).collect();
    expected.sort();
    assert_eq!(files(&folder.join("runs")), expected);
}

#[test]
fn recipes_can_be_changed_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "12");
    let train = |out: &str, sets: &[&str]| {
        let mut args = vec!["train", "--store", "mosi.h5", "--model", "lmf", "--out", out];
        args.extend(["--epochs", "2", "--batch-size", "5", "--threads", "1"]);
        sets.iter().for_each(|set| args.extend(["--set", *set]));
        almt(folder, &args).ok();
        let result = std::fs::read(folder.join(out).join("result.json")).unwrap();
        let result: Value = serde_json::from_slice(&result).unwrap();
        result["last_weights_blake3"].as_str().unwrap().to_owned()
    };
    let plain = train("plain", &[]);
    assert_eq!(train("same", &["accumulate=1"]), plain);
    let changes = [
        "accumulate=2",
        "main.factors.lr=0.01",
        "main.rest.weight_decay=0.1",
        "main.clip_norm=0.001",
        "main.clip_value=0.0001",
        "main.schedule=linear-warmup",
        "untrained=[]",
        "audio_dropout=0",
    ];
    for (idx, change) in changes.iter().enumerate() {
        assert_ne!(train(&format!("changed-{idx}"), &[change]), plain, "{change}");
    }
    // Three batches, two at a time: what is left over makes a step, or is dropped.
    let step = train("step", &["accumulate=2"]);
    assert_ne!(train("drop", &["accumulate=2", "remainder=drop"]), step);
}

#[test]
fn sizes_that_no_model_can_have_are_refused_before_anything_is_made() {
    let inputs = small_inputs();
    for (model, assignment) in [
        ("tfn", "text_out=9000000000000000000"),
        // Each of them could be, the fusion tensor of all could not.
        ("tfn", "vision_hidden=1000000"),
        ("tfn", "audio_dropout=1.0"),
        ("lmf", "text_hidden=1"),
        ("lmf", "rank=99999999"),
        ("lmf", "vision_dropout=-0.5"),
        ("almt", "fusion_depth=5000"),
        ("almt", "token_dim=99999999"),
    ] {
        let mut preset = Preset::published(model, Dataset::Mosi).unwrap();
        preset.set(assignment).unwrap();
        assert!(preset.model.problem(&inputs).is_some(), "{model}: {assignment}");
        assert_eq!(preset.model.size(&inputs), None, "{model}: {assignment}");
    }
}
