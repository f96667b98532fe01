//! Tests every model of the registry against its contract. `src/train/published` tests parity with
//! recorded values.

use std::collections::{BTreeMap, BTreeSet};

use almt_data::corpus::{Dataset, Modality};
use almt_data::model::contract::{At, Batch, Outputs, Pass};
use almt_data::model::form::Placement;
use almt_data::model::registry::{Inputs, ModelSpec};
use almt_data::model::{Form, Sequence, Trace};
use almt_data::run::preset::Preset;
use almt_data::run::recipe;
use almt_data::train::config::ModelConfig;
use almt_data::train::encoder;
use almt_data::train::network::Network;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, nn};

use crate::recorded::{formula_on_cpu as formula, max_abs};
use crate::support::{almt, files, program, synthetic_store};
use crate::train::{small_bert, stop_after_an_epoch, timeless};

const TEXT_AUDIO_VISION: [Modality; 3] = [Modality::Text, Modality::Audio, Modality::Vision];

/// The first step of a phase.
fn at(phase: &str) -> At<'_> {
    At { phase, epoch: 1, n_epochs: 1, step: 0, n_steps: 1 }
}

/// A model for some inputs, in front of which there is a tiny text encoder where it needs one.
struct Built {
    config: ModelConfig,
    vars: nn::VarStore,
    network: Network,
}

impl Built {
    fn new(spec: &ModelSpec, inputs: &Inputs, form: Form, seed: u64) -> Built {
        let text = inputs.sequence(Modality::Text).unwrap();
        let bert = spec.needs().pooler.then(|| {
            serde_json::from_value(json!({
                "vocab_size": VOCABULARY, "hidden_size": text.feat_dim, "num_hidden_layers": 1,
                "num_attention_heads": 2, "intermediate_size": 8,
                "max_position_embeddings": text.seq_len, "type_vocab_size": 1, "hidden_act": "gelu",
            }))
            .unwrap()
        });
        let config = ModelConfig { spec: spec.clone(), inputs: inputs.clone(), bert };
        assert_eq!(config.problem(), None, "{}", spec.name());
        let vars = nn::VarStore::new(Device::Cpu);
        let network = Network::new(&vars, &config, form, seed);
        // What begins at zero would hide a parameter that does nothing.
        for (idx, mut variable) in vars.trainable_variables().into_iter().enumerate() {
            let noise = formula(5, idx as u64, &variable.size(), 0.0, 0.2);
            tch::no_grad(|| variable.set_data(&(variable.data() + noise)));
        }
        Built { config, vars, network }
    }

    fn forward(&self, batch: &Batch, is_training: bool) -> Outputs {
        let at = is_training.then(|| at("main"));
        self.in_phase(batch, at)
    }

    fn in_phase(&self, batch: &Batch, at: Option<At<'_>>) -> Outputs {
        let pass = &mut Pass { at, dropout: None, trace: &mut Trace::default() };
        self.network.forward(batch, true, pass).unwrap()
    }
}

const VOCABULARY: i64 = 30;

/// A batch of inputs of some extents, drawn from a seed; with tokens in the place of text features where the model
/// has an encoder.
fn drawn_batch(config: &ModelConfig, seed: u64, n_samples: i64) -> Batch {
    let inputs = &config.inputs;
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
    let mut features: BTreeMap<Modality, Tensor> = features.collect();
    let tokens = config.bert.as_ref().and_then(|_| {
        let size = features.remove(&Modality::Text)?.size();
        let ids = draw(8, &size[..2]).abs() * (VOCABULARY - 1);
        let ids = ids.to_kind(Kind::Int64);
        Some(Tensor::stack(&[&ids, &ids.ones_like(), &ids.zeros_like()], 1))
    });
    Batch {
        features,
        tokens,
        pooled: None,
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
    for mut preset in presets() {
        if !preset.model.needs().pooler {
            encoder::remove_groups(&mut preset);
        }
        let (spec, name) = (&preset.model, preset.model.name());
        assert_eq!(spec.problem(&inputs), None, "{name}");
        let form = Form::fastest(spec.forms(&inputs), Placement::of_one(true)).unwrap();
        let mut built = Built::new(spec, &inputs, form, 1);
        let vars = &built.vars;
        let count = |tensors: Vec<Tensor>| tensors.iter().map(|t| t.numel() as i64).sum::<i64>();
        let size = built.config.size().unwrap();
        assert_eq!(size.trainable, count(vars.trainable_variables()), "{name}");
        assert_eq!(size.all, count(vars.variables().into_values().collect()), "{name}");
        let trainable = vars.variables().into_iter().filter(|(_, tensor)| tensor.requires_grad());
        let names: Vec<String> = trainable.map(|(name, _)| name).collect();
        let dealt = recipe::assign(&preset.phases, &preset.training.untrained, &names).unwrap();
        assert_eq!(dealt.len(), preset.phases.len(), "{name}");
        // An odd number: the signs of as many errors of either side would add up to no gradient.
        let batch = drawn_batch(&built.config, 3, 7);
        tch::no_grad(|| built.network.model_mut().begin(&batch.target));
        // What is remembered begins as what it is compared with.
        for (idx, memory) in built.network.model().memory().into_values().enumerate() {
            let noise = formula(6, idx as u64, &memory.size(), 0.0, 0.5);
            let _ = tch::no_grad(|| memory.shallow_clone().g_add_(&noise));
        }
        let vars = &built.vars;
        let mut with_gradient = BTreeSet::new();
        for phase in &preset.phases {
            let outputs = built.in_phase(&batch, Some(at(&phase.name)));
            assert_eq!(outputs.pred.size(), [7, 1], "{name}");
            let losses = built.network.loss(at(&phase.name), &outputs, &batch);
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
            let of_almt = parameter.contains(".norm4.") || parameter.ends_with("norm_k.bias");
            let of_encoder = parameter.ends_with("attention.self.key.bias");
            let untrained = &preset.training.untrained;
            (name == "almt" && of_almt)
                || of_encoder
                || untrained.iter().any(|prefix| recipe::is_below(parameter, prefix))
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
            let built = Built::new(&preset.model, &inputs, *form, 2);
            let batch = drawn_batch(&built.config, 4, 5);
            let pred = tch::no_grad(|| built.forward(&batch, false)).pred;
            let order = Tensor::from_slice(&[3_i64, 0, 4, 1, 2]);
            let pick = |tensor: &Tensor| tensor.index_select(0, &order);
            let pick_all = |of: &BTreeMap<Modality, Tensor>| -> BTreeMap<Modality, Tensor> {
                of.iter().map(|(modality, x)| (*modality, pick(x))).collect()
            };
            let mixed = Batch {
                features: pick_all(&batch.features),
                tokens: batch.tokens.as_ref().map(pick),
                pooled: None,
                lengths: pick_all(&batch.lengths),
                target: pick(&batch.target),
                unimodal_labels: pick_all(&batch.unimodal_labels),
                samples: pick(&batch.samples),
            };
            let mixed = tch::no_grad(|| built.forward(&mixed, false)).pred;
            let difference = max_abs(&(mixed - pick(&pred)));
            assert!(difference < 1e-5, "{}, {form}: {difference}", preset.model.name());
        }
    }
}

/// Asserts that all gradients of a step of each phase are finite, the third of its epoch.
fn check_finite(preset: &Preset, what: &str, change: impl Fn(&mut Batch), n_samples: i64) {
    let (spec, inputs) = (&preset.model, small_inputs());
    let form = Form::fastest(spec.forms(&inputs), Placement::of_one(true)).unwrap();
    let mut built = Built::new(spec, &inputs, form, 1);
    let mut batch = drawn_batch(&built.config, 3, n_samples);
    change(&mut batch);
    tch::no_grad(|| built.network.model_mut().begin(&batch.target));
    for phase in &preset.phases {
        let at = At { step: 2, n_steps: 3, ..at(&phase.name) };
        let outputs = built.in_phase(&batch, Some(at));
        let losses = built.network.loss(at, &outputs, &batch);
        let place = format!("{}, {}, {what}", spec.name(), phase.name);
        for (term, value) in &losses.terms {
            assert!(value.double_value(&[]).is_finite(), "{place}: {term}");
        }
        losses.total().backward();
        for (parameter, variable) in built.vars.variables() {
            let gradient = variable.grad();
            let is_finite = !gradient.defined() || max_abs(&gradient).is_finite();
            assert!(is_finite, "{place}: {parameter}");
        }
    }
}

#[test]
fn a_batch_of_one_sample_has_finite_gradients() {
    for preset in presets() {
        check_finite(&preset, "one sample", |_| {}, 1);
    }
}

#[test]
fn samples_without_a_modality_and_constant_features_have_finite_gradients() {
    let zero = |batch: &mut Batch, modality: Modality| {
        if let Some(x) = batch.features.get(&modality) {
            let _ = x.get(0).zero_();
        }
    };
    let constant = |batch: &mut Batch, modality: Modality| {
        for tensors in [&mut batch.features, &mut batch.lengths] {
            if let Some(x) = tensors.get_mut(&modality) {
                *x = x.narrow(0, 0, 1).expand_as(x).copy();
            }
        }
    };
    for preset in presets() {
        for modality in Modality::ALL {
            // MMIM needs more samples of either sign than its projections are wide.
            let change = |batch: &mut Batch| zero(batch, modality);
            check_finite(&preset, &format!("zero {modality}"), change, 24);
            let change = |batch: &mut Batch| constant(batch, modality);
            check_finite(&preset, &format!("constant {modality}"), change, 24);
        }
    }
}

/// What a call of `train` needs besides for a model that works inside a text encoder, which [`small_bert`] makes.
fn with_encoder(model: &str) -> &'static [&'static str] {
    let preset = Preset::published(model, Dataset::Mosi).unwrap();
    match preset.model.needs().pooler {
        true => &["--text", "bert", "--bert", "bert"],
        false => &[],
    }
}

#[test]
#[cfg(target_os = "linux")]
fn every_model_that_was_killed_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    small_bert(folder, 8);
    for model in ModelSpec::NAMES {
        let call = |out: &str| -> Vec<String> {
            let args = ["train", "--store", "mosi.h5", "--model", model, "--epochs", "3"];
            let recipe = ["--batch-size", "5", "--lr", "1e-3", "--threads", "1", "--out", out];
            let often = ["--set", "accumulate=2"];
            let encoder = with_encoder(model).iter().copied();
            args.into_iter().chain(recipe).chain(often).chain(encoder).map(String::from).collect()
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
    let no_encoder = train(&["--model", "mag_bert"])
        .fails_with(&["mosi.h5: mag_bert works inside a text encoder, which this run lacks"]);
    assert!(no_encoder.stderr().contains("`--text bert --bert FOLDER` adds one"));
    let unknown = train(&["--model", "mlp"]);
    assert_eq!(unknown.code(), 2, "{}", unknown.explain());
    let names = ModelSpec::NAMES.join(", ");
    assert!(
        unknown.stderr().contains(&format!("expected one of {names}")),
        "{}",
        unknown.explain()
    );
    for (written, name) in [("SelfMM", "self_mm"), ("MAG-BERT", "mag_bert"), ("MulT", "mult")] {
        assert_eq!(ModelSpec::known_as(written), Some(name));
    }
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
    small_bert(folder, 8);
    for model in ModelSpec::NAMES {
        let args = [
            "train",
            "--store",
            "mosi.h5",
            "--epochs",
            "1",
            "--seeds",
            "2",
            "--set",
            "accumulate=1",
        ];
        let own = ["--model", model, "--out", model];
        almt(folder, &[&args[..], &own, with_encoder(model)].concat()).ok();
        let summary = std::fs::read_to_string(folder.join(model).join("summary.csv")).unwrap();
        let mae = summary.lines().find(|line| line.starts_with("MAE,")).unwrap();
        assert_eq!(mae.ends_with(",0.683"), *model == "almt", "{model}: {mae}");
    }
    // On one page, each model has its own means.
    almt(folder, &["report", "almt", "tfn", "-o", "both.html"]).ok();
    let page = std::fs::read_to_string(folder.join("both.html")).unwrap();
    for model in ["almt", "tfn"] {
        assert!(page.contains(&format!("Mean <small>of {model}, over 2 runs</small>")), "{model}");
    }
    assert!(!page.contains("<dl class=\"tiles\">"));
    // Nor does a run of one stand where that of another does.
    for model in ModelSpec::NAMES {
        let args = [
            "train",
            "--store",
            "mosi.h5",
            "--epochs",
            "1",
            "--set",
            "accumulate=1",
            "--model",
            model,
        ];
        almt(folder, &[&args[..], with_encoder(model)].concat()).ok();
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
fn models_train_in_bfloat16_and_their_weights_go_out_and_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "12");
    small_bert(folder, 8);
    // ALMT has tests of its own for both.
    for model in &ModelSpec::NAMES[1..] {
        // With an encoder where the model was published with one.
        let is_published_with = ["misa", "mag_bert", "self_mm", "mmim"].contains(model);
        let (text, bert): (&[&str], &[&str]) = match is_published_with {
            true => (&["--text", "bert"], &["--bert", "bert"]),
            false => (&[], &[]),
        };
        // In the second epoch, Self-MM moves its labels.
        let args = ["train", "--store", "mosi.h5", "--epochs", "2", "--set", "accumulate=1"];
        let own = ["--model", model, "--out", model, "--precision", "bf16"];
        almt(folder, &[&args[..], &own, text, bert].concat()).ok();
        almt(folder, &["export-weights", model, "--to", "released"]).ok();
        let predicted = |of: &[&str]| {
            let args = ["predict", "--store", "mosi.h5", "--threads", "1"];
            almt(folder, &[&args[..], of].concat()).ok().stdout()
        };
        let weights = format!("{model}/released.safetensors");
        let released = ["--weights", &weights, "--preset", "mosi", "--model", model];
        let expected = predicted(&["--checkpoint", model]);
        assert_eq!(predicted(&[&released[..], bert].concat()), expected, "{model}");
        if is_published_with {
            let call = almt(folder, &[&["predict", "--store", "mosi.h5"], &released[..]].concat());
            let call = call.fails_with(&["holds a text encoder, whose folder is not given"]);
            assert!(call.stderr().contains("`--bert FOLDER` names"), "{}", call.explain());
        }
    }
}

#[test]
fn models_do_without_what_is_optional() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "12");
    small_bert(folder, 8);
    for model in ["almt", "self_mm", "mag_bert"] {
        let args = ["train", "--store", "mosi.h5", "--epochs", "2", "--set", "accumulate=1"];
        let own = ["--model", model, "--modalities", "text", "--out", model];
        almt(folder, &[&args[..], &own, with_encoder(model)].concat()).ok();
        almt(folder, &["repeat", model]).ok();
    }
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
        ("mfm", "memory=99999999"),
        ("mult", "heads=7"),
        ("mult", "text_kernel=8"),
        ("misa", "heads=3"),
        ("self_mm", "largest_label=-1"),
        ("mmim", "audio_out=3"),
        ("mag_bert", "dropout=1.0"),
        ("almt", "fusion_depth=5000"),
        ("almt", "token_dim=99999999"),
    ] {
        let mut preset = Preset::published(model, Dataset::Mosi).unwrap();
        preset.set(assignment).unwrap();
        assert!(preset.model.problem(&inputs).is_some(), "{model}: {assignment}");
        assert_eq!(preset.model.size(&inputs), None, "{model}: {assignment}");
    }
}
