//! Parity of the text encoder with the released PyTorch implementation, as `golden` tests the rest.
//!
//! The weights of the six-layer encoder are not part of the project. If `ALMT_DATA_MINILM` names their
//! folder, or `.bert/minilm` contains them (`cargo xtask minilm`), they are compared too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use almt_data::corpus::Modality;
use almt_data::model::contract::{At, Batch, Pass};
use almt_data::model::registry::{Inputs, ModelSpec};
use almt_data::model::{
    AlmtConfig, Bert, BertConfig, ENCODER, Form, Init, Sequence, Tokens, Trace,
};
use almt_data::pretrained::Pretrained;
use almt_data::run::recipe::is_below;
use almt_data::train::config::ModelConfig;
use almt_data::train::network::Network;
use serde_json::Value;
use tch::nn;
use tch::{Kind, Tensor};

use crate::golden::{
    FORWARD, GRADIENT, TRAJECTORY, TRAJECTORY_PARAMETERS, adamw, config, device, forms, loss,
    tensors,
};
use crate::recorded::{Worst, golden, json, max_abs};

const HIDDEN_STATES: f64 = 1e-5;
/// Attention can be computed in more than one order, which six layers make visible.
const HIDDEN_STATES_OF_SIX_LAYERS: f64 = 1e-4;
const ZERO_GRADIENT: f64 = 2e-5;

/// A folder as Hugging Face has them, with the weights and configuration of the tiny encoder.
pub fn tiny_folder(folder: &Path) -> PathBuf {
    let tiny = folder.join("tiny-bert");
    std::fs::create_dir(&tiny).unwrap();
    for (from, to) in [
        ("bert_tiny_config.json", "config.json"),
        ("bert_tiny_weights.safetensors", "model.safetensors"),
    ] {
        std::fs::copy(golden(from), tiny.join(to)).unwrap();
    }
    tiny
}

/// The six-layer encoder; `None`, and a word about it, where it is not there.
fn minilm() -> Option<PathBuf> {
    let folder = match std::env::var_os("ALMT_DATA_MINILM") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join(".bert/minilm"),
    };
    if folder.join("model.safetensors").exists() {
        return Some(folder);
    }
    println!("skipped: no MiniLM weights");
    None
}

fn load(folder: &Path) -> (Pretrained, nn::VarStore, Bert) {
    let pretrained = Pretrained::open(folder).unwrap();
    let vars = nn::VarStore::new(device());
    let bert = Bert::new(&Init::new(vars.root(), 0), pretrained.config());
    pretrained.copy_into(&vars, "").unwrap();
    (pretrained, vars, bert)
}

fn check_gradient(worst: &mut Worst, name: &str, found: &Tensor, expected: &Tensor) {
    // A key's bias, or the shift of its norm, changes all logits of a query alike: what is recorded
    // is rounding noise.
    if name.ends_with("self.key.bias") || name.ends_with("norm_k.bias") {
        return worst.check("zero gradients", name, max_abs(found), ZERO_GRADIENT);
    }
    let (difference, largest) = (max_abs(&(found - expected)), max_abs(expected));
    match largest == 0.0 {
        true => assert_eq!(difference, 0.0, "{name}: the gradient must be exactly zero"),
        false => worst.check("gradients (relative)", name, difference / largest, GRADIENT),
    }
}

#[test]
fn a_tiny_encoder_agrees_in_every_value_and_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let (pretrained, vars, bert) = load(&tiny_folder(folder.path()));
    assert_eq!(pretrained.ignored(), ["pooler.dense.bias", "pooler.dense.weight"]);
    let values = tensors("bert_tiny");
    let mut worst = Worst::new("bert_tiny");
    let names: BTreeMap<String, Vec<i64>> =
        vars.variables().into_iter().map(|(name, variable)| (name, variable.size())).collect();
    assert_eq!(names, pretrained.config().parameters().collect());
    let n_values: usize = vars.variables().values().map(Tensor::numel).sum();
    assert_eq!(pretrained.config().n_parameters(), i64::try_from(n_values).ok());
    for (name, variable) in vars.variables() {
        assert_eq!(max_abs(&(variable - &values[&format!("param/{name}")])), 0.0, "{name}");
    }
    let tokens = Tokens::of_text_bert(&values["input/text"]);
    let mut trace = Trace::keep();
    let hidden = bert.forward(&tokens, None, &mut trace);
    let found = trace.into_values();
    for (name, expected) in values.iter().filter_map(|(k, v)| Some((k.strip_prefix("mid/")?, v))) {
        worst.check("intermediates", name, max_abs(&(&found[name] - expected)), HIDDEN_STATES);
    }
    let difference = max_abs(&(&hidden - &values["output/last_hidden_state"]));
    worst.check("hidden states", "last", difference, HIDDEN_STATES);
    (hidden * &values["input/loss_weight"]).sum(Kind::Float).backward();
    for (name, variable) in vars.variables() {
        check_gradient(&mut worst, &name, &variable.grad(), &values[&format!("grad/{name}")]);
    }
    let embedded = bert.embed(&tokens, None).detach().set_requires_grad(true);
    let hidden = bert.encode(&embedded, &tokens.mask, None, &mut Trace::default());
    (hidden * &values["input/loss_weight"]).sum(Kind::Float).backward();
    let expected = &values["grad_input/embeddings_output"];
    check_gradient(&mut worst, "embeddings_output", &embedded.grad(), expected);
}

fn ints(value: &Value) -> Vec<i32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn the_six_layer_encoder_agrees_in_tokens_and_hidden_states() {
    let Some(folder) = minilm() else { return };
    let case = json("bert_minilm");
    let values = tensors("bert_minilm");
    let mut worst = Worst::new("bert_minilm");
    let without_tokenizer = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"] {
        std::os::unix::fs::symlink(
            std::fs::canonicalize(folder.join(name)).unwrap(),
            without_tokenizer.path().join(name),
        )
        .unwrap();
    }
    // By `tokenizer.json`, and by `vocab.txt`.
    for folder in [folder.as_path(), without_tokenizer.path()] {
        let pretrained = Pretrained::open(folder).unwrap();
        let tokenizer = pretrained.tokenizer(50).unwrap();
        for sentence in case["sentences"].as_array().unwrap() {
            let text = sentence["text"].as_str().unwrap();
            let found = tokenizer.encode(&[text.to_owned()]).unwrap().text_bert;
            let parts = ["input_ids", "attention_mask", "token_type_ids"];
            let expected: Vec<i32> = parts.iter().flat_map(|part| ints(&sentence[part])).collect();
            assert_eq!(found.into_raw_vec_and_offset().0, expected, "{text}");
        }
        for case in case["tokenizer_cases"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let found = tokenizer.encode(&[text.to_owned()]).unwrap().text_bert;
            let mut expected = ints(&case["input_ids"]);
            let n_tokens = expected.len();
            expected.resize(50, 0);
            expected.extend((0..50).map(|step| i32::from(step < n_tokens)));
            expected.extend([0; 50]);
            assert_eq!(found.into_raw_vec_and_offset().0, expected, "{text}");
        }
    }
    let (_, _vars, bert) = load(&folder);
    let tokens = Tokens::of_text_bert(&values["input/text"]);
    let mut trace = Trace::keep();
    let hidden = tch::no_grad(|| bert.forward(&tokens, None, &mut trace));
    let difference = max_abs(&(&trace.into_values()["embeddings"] - &values["mid/embeddings"]));
    worst.check("embeddings", "embeddings", difference, HIDDEN_STATES);
    let difference = max_abs(&(hidden - &values["output/last_hidden_state"]));
    worst.check("hidden states", "last", difference, HIDDEN_STATES_OF_SIX_LAYERS);
}

/// ALMT behind an encoder.
fn with_encoder(bert: BertConfig, almt: &AlmtConfig) -> ModelConfig {
    let AlmtConfig { sizes, text, audio, vision, variant } = almt.clone();
    let all = [(Modality::Text, Some(text)), (Modality::Audio, audio), (Modality::Vision, vision)];
    let inputs = all.into_iter().filter_map(|(modality, it)| Some((modality, it?))).collect();
    let spec = ModelSpec::Almt(almt_data::model::almt::AlmtSpec { sizes, variant });
    ModelConfig { spec, inputs: Inputs(inputs), bert: Some(bert) }
}

fn batch_of(values: &BTreeMap<String, Tensor>) -> Batch {
    let input = |name: &str| values[&format!("input/{name}")].shallow_clone();
    let target = input("label").view([-1, 1]);
    Batch {
        features: [(Modality::Audio, input("audio")), (Modality::Vision, input("visual"))].into(),
        tokens: Some(input("text")),
        pooled: None,
        lengths: BTreeMap::new(),
        samples: Tensor::arange(target.size()[0], (Kind::Int64, device())),
        target,
        unimodal_labels: BTreeMap::new(),
    }
}

fn forward(model: &Network, batch: &Batch, trace: &mut Trace) -> Tensor {
    let at = At { phase: "main", epoch: 1, n_epochs: 1, step: 0, n_steps: 1 };
    let mut pass = Pass { at: Some(at), dropout: None, trace };
    model.forward(batch, false, &mut pass).unwrap().pred
}

#[test]
fn the_model_with_its_encoder_agrees_in_every_value_gradient_and_step() {
    forms().for_each(the_model_with_its_encoder_agrees);
}

fn the_model_with_its_encoder_agrees(form: Form) {
    let name = "model_tiny_bert_official";
    let (case, values) = (json(name), tensors(name));
    let mut worst = Worst::new(&format!("{name}, {form}"));
    let bert: BertConfig = serde_json::from_value(case["bert_config"].clone()).unwrap();
    let mut almt = config(&case);
    almt.text = Sequence { feat_dim: bert.hidden_size, ..almt.text };
    let config = with_encoder(bert, &almt);
    let vars = nn::VarStore::new(device());
    let model = Network::new(&vars, &config, form, 0);
    let without = "bertmodel.model.pooler.";
    let recorded: Vec<&str> = values.keys().filter_map(|key| key.strip_prefix("param/")).collect();
    let mut expected: Vec<&str> =
        recorded.iter().copied().filter(|name| !name.starts_with(without)).collect();
    expected.sort_unstable();
    let mut variables: Vec<(String, Tensor)> = vars.variables().into_iter().collect();
    variables.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(variables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected);
    let n_values: usize = variables.iter().map(|(_, variable)| variable.numel()).sum();
    assert_eq!(config.size().unwrap().all, n_values as i64);
    for (name, variable) in &mut variables {
        tch::no_grad(|| variable.copy_(&values[&format!("param/{name}")]));
    }
    let batch = batch_of(&values);
    let forward = |trace: &mut Trace| forward(&model, &batch, trace);
    let mut trace = Trace::keep();
    let traced = Network::given(&vars.variables().into_iter().collect(), &config, form.traced());
    let _ = tch::no_grad(|| self::forward(&traced, &batch, &mut trace));
    let found = trace.into_values();
    let pred = forward(&mut Trace::default());
    for (name, expected) in values.iter().filter_map(|(k, v)| Some((k.strip_prefix("mid/")?, v))) {
        worst.check("intermediates", name, max_abs(&(&found[name] - expected)), FORWARD);
    }
    worst.check("prediction", "pred", max_abs(&(&pred - &values["output/pred"])), FORWARD);
    let first = loss(&pred, &values["input/label"]);
    worst.check("loss", "loss", max_abs(&(&first - &values["output/loss"])), FORWARD);
    first.backward();
    for (name, variable) in &mut variables {
        check_gradient(&mut worst, name, &variable.grad(), &values[&format!("grad/{name}")]);
        variable.zero_grad();
    }
    let parameters = vars.variables().into_iter().collect();
    let mut optimizer = adamw(&parameters, 1e-4, 2, |name| is_below(name, ENCODER).into());
    optimizer.set_lrs(&[1e-3, 1e-3]);
    for step in 0..6 {
        let loss = loss(&forward(&mut Trace::default()), &values["input/label"]);
        let recorded = values["train/loss"].double_value(&[step]);
        let difference = (loss.double_value(&[]) - recorded).abs();
        worst.check("losses", &format!("step {step}"), difference, TRAJECTORY);
        loss.backward();
        optimizer.step().unwrap();
    }
    let pred = tch::no_grad(|| forward(&mut Trace::default()));
    let difference = max_abs(&(pred.view([-1]) - &values["train/pred_final"]));
    worst.check("predictions", "after 6 steps", difference, TRAJECTORY);
    let mut n_compared = 0;
    for (name, variable) in &variables {
        let recorded = values.get(&format!("final/{name}"));
        if let Some(recorded) =
            recorded.filter(|_| !name.ends_with("key.bias") && !name.ends_with("norm_k.bias"))
        {
            n_compared += 1;
            let difference = max_abs(&(variable - recorded));
            worst.check("parameters", name, difference, TRAJECTORY_PARAMETERS);
        }
    }
    assert!(n_compared > 100, "{n_compared}");
}

#[test]
fn a_frozen_encoder_stays_as_it_is_and_the_rest_learns() {
    let name = "model_tiny_bert_official";
    let (case, values) = (json(name), tensors(name));
    let bert: BertConfig = serde_json::from_value(case["bert_config"].clone()).unwrap();
    let mut almt = config(&case);
    almt.text = Sequence { feat_dim: bert.hidden_size, ..almt.text };
    let vars = nn::VarStore::new(device());
    let model = Network::new(&vars, &with_encoder(bert, &almt), Form::Absorbed, 3);
    let folder = tempfile::tempdir().unwrap();
    let pretrained = Pretrained::open(&tiny_folder(folder.path())).unwrap();
    pretrained.copy_into(&vars, &format!("{ENCODER}.")).unwrap();
    for (name, variable) in vars.variables() {
        if is_below(&name, ENCODER) {
            let _ = variable.set_requires_grad(false);
        }
    }
    let parameters = vars.variables().into_iter().collect();
    let mut optimizer = adamw(&parameters, 1e-4, 2, |name| is_below(name, ENCODER).into());
    optimizer.set_lrs(&[1e-3]);
    let copy = |of_encoder: bool| -> Vec<Tensor> {
        let sorted: BTreeMap<String, Tensor> = vars.variables().into_iter().collect();
        let own = sorted.into_iter().filter(|(name, _)| is_below(name, ENCODER) == of_encoder);
        own.map(|(_, variable)| variable.copy()).collect()
    };
    let (bert_before, almt_before) = (copy(true), copy(false));
    assert_eq!((bert_before.len(), bert_before.len() + almt_before.len()), (37, vars.len()));
    let pred = forward(&model, &batch_of(&values), &mut Trace::default());
    loss(&pred, &values["input/label"]).backward();
    optimizer.step().unwrap();
    assert!(bert_before.iter().zip(copy(true)).all(|(one, other)| *one == other));
    assert!(almt_before.iter().zip(copy(false)).any(|(one, other)| *one != other));
}
