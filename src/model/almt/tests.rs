//! Compares every form of ALMT with the reference, and tests its attention weights.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor, nn};

use super::{
    Almt, AlmtConfig, AlmtSizes, EmbeddingKind, FusionKind, FusionQuery, HyperModalityKind, Input,
    Residual, Sequence, Variant,
};
use crate::corpus::Modality;
use crate::model::{Form, Init, Trace, drawn};
use crate::native::modes::{Autocast, operations};
use crate::native::with_portable_loops;
use crate::seed::stream;

const BATCH: i64 = 3;

/// Models with text and any of audio and vision, in the paper's and the code's residual variant.
fn configs() -> Vec<AlmtConfig> {
    let audio = Sequence { seq_len: 9, feat_dim: 5 };
    let vision = Sequence { seq_len: 7, feat_dim: 20 };
    let config = |audio, vision, residual| AlmtConfig {
        sizes: AlmtSizes { residual, fusion_depth: 2, ..AlmtSizes::small() },
        text: Sequence { seq_len: 6, feat_dim: 24 },
        audio,
        vision,
        variant: Variant::default(),
    };
    vec![
        config(Some(audio), Some(vision), Residual::Released),
        config(Some(audio), None, Residual::Paper),
        config(None, Some(vision), Residual::Released),
    ]
}

/// Features of a few samples, `[BATCH, seq_len, feat_dim]`.
fn input(config: &AlmtConfig, kind: Kind, seed: u64) -> Input {
    let rng = &mut stream(seed, "test");
    let mut rows = |sequence: Sequence| {
        drawn(rng, &[BATCH, sequence.seq_len, sequence.feat_dim]).to_kind(kind)
    };
    Input {
        text: rows(config.text),
        audio: config.audio.map(&mut rows),
        vision: config.vision.map(&mut rows),
    }
}

/// A model with random parameters: ones and zeros, the initial values of norms and tokens, would hide a
/// mistake.
fn model(
    config: &AlmtConfig,
    form: Form,
    kind: Kind,
    seed: u64,
) -> (BTreeMap<String, Tensor>, Almt) {
    let mut store = nn::VarStore::new(Device::Cpu);
    let model = Almt::new(&Init::new(store.root(), seed), config, form);
    let parameters: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    let rng = &mut stream(seed, "noise");
    tch::no_grad(|| {
        for mut parameter in parameters.values().map(Tensor::shallow_clone) {
            parameter += drawn(rng, &parameter.size()) * 0.2;
        }
    });
    store.set_kind(kind);
    (store.variables().into_iter().collect(), model)
}

/// Predictions, and the gradient of every parameter; zero for unused ones.
fn run(
    parameters: &BTreeMap<String, Tensor>,
    forward: impl FnOnce() -> Tensor,
) -> BTreeMap<String, Tensor> {
    let pred = forward();
    let weights = drawn(&mut stream(9, "test"), &[BATCH, 1]);
    (&pred * weights).sum(pred.kind()).backward();
    let gradients = parameters.iter().map(|(name, parameter)| {
        let grad = parameter.grad();
        (name.clone(), if grad.defined() { grad } else { parameter.zeros_like() })
    });
    gradients.chain([("pred".into(), pred.detach())]).collect()
}

/// Asserts that two runs are equal up to float64 rounding.
fn assert_same(found: &BTreeMap<String, Tensor>, plain: &BTreeMap<String, Tensor>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>());
    for (name, expected) in plain {
        let found = &found[name];
        assert_eq!(found.size(), expected.size(), "{name}");
        let largest = expected.abs().max().double_value(&[]);
        let difference = (found - expected).abs().max().double_value(&[]);
        assert!(difference <= 1e-12 * largest.max(1.0), "{name}: {difference} of {largest}");
    }
}

/// Variants of the published model, and other configurations without a batched form.
fn variants() -> Vec<AlmtConfig> {
    let published = configs().remove(0);
    let with = |variant| AlmtConfig { variant, ..published.clone() };
    let variant = Variant::default();
    let deeper = AlmtSizes { embedding_depth: 2, ..published.sizes.clone() };
    vec![
        AlmtConfig { sizes: deeper, ..published.clone() },
        AlmtConfig { audio: None, vision: None, ..published.clone() },
        with(Variant { guides: Some(vec![1, 3]), ..variant.clone() }),
        with(Variant { fusion_query: FusionQuery::Hyper, ..variant.clone() }),
        with(Variant { fusion: FusionKind::Gru, ..variant.clone() }),
        with(Variant { embedding: EmbeddingKind::Projection, ..variant.clone() }),
        with(Variant { hyper_modality: HyperModalityKind::Concatenated, ..variant }),
    ]
}

/// A form's outputs for a few samples in a given type, and the gradients.
fn run_form(config: &AlmtConfig, form: Form, kind: Kind) -> BTreeMap<String, Tensor> {
    let (parameters, own) = model(config, form, kind, 1);
    let input = input(config, kind, 5);
    run(&parameters, || own.forward(&input, &mut Trace::default()))
}

#[test]
fn every_form_is_the_reference() {
    for config in configs().into_iter().chain(variants()) {
        let exact = run_form(&config, Form::Reference, Kind::Double);
        let rounded = run_form(&config, Form::Reference, Kind::Float);
        for (name, gradient) in &exact {
            // A key norm's shift has a zero gradient, the paper lacks a norm of the hyper-modality, and
            // variants may have unused modules.
            let is_idle = !config.forms().contains(&Form::Batched)
                || name.ends_with("norm_k.bias")
                || (name.contains(".norm4.") && config.sizes.residual == Residual::Paper);
            let largest = gradient.abs().max().double_value(&[]);
            assert!(largest > 1e-3 || is_idle, "{name}: {largest}");
        }
        for form in config.forms() {
            match form {
                Form::Reference => {}
                Form::Absorbed | Form::Batched => {
                    assert_same(&run_form(&config, *form, Kind::Double), &exact);
                }
                // Only float32: its error may be three times the reference's.
                Form::Native => {
                    let found = run_form(&config, *form, Kind::Float);
                    assert!(found.keys().eq(exact.keys()));
                    for (name, expected) in &exact {
                        let error = |of: &Tensor| (of - expected).abs().max().double_value(&[]);
                        let largest = expected.abs().max().double_value(&[]).max(1.0);
                        let allowed = (4e-6 * largest).max(3.0 * error(&rounded[name]));
                        let error = error(&found[name]);
                        assert!(error <= allowed, "{name}: {error} of {largest}");
                    }
                }
            }
        }
    }
}

/// With this processor's vector instructions, sums have another order.
#[test]
fn loops_for_any_processor_compute_the_same() {
    let own = |config: &AlmtConfig| run_form(config, Form::Native, Kind::Float);
    for config in configs() {
        let (found, expected) = (with_portable_loops(|| own(&config)), own(&config));
        assert!(found.keys().eq(expected.keys()));
        for (name, expected) in &expected {
            let largest = expected.abs().max().double_value(&[]).max(1.0);
            let difference = (&found[name] - expected).abs().max().double_value(&[]);
            assert!(difference <= 1e-5 * largest, "{name}: {difference} of {largest}");
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            assert_ne!(found, expected, "these are the same loops");
        }
    }
}

#[test]
fn only_the_published_model_has_the_batched_form() {
    assert!(configs().iter().all(|config| config.forms() == Form::ALL));
    for variant in variants() {
        assert!(!variant.forms().contains(&Form::Batched), "{variant:?}");
    }
}

/// A trace records the computation without changing it.
#[test]
fn a_trace_changes_no_prediction() {
    for config in configs() {
        let input = input(&config, Kind::Float, 5);
        for form in [Form::Reference, Form::Absorbed, Form::Native] {
            let (_, own) = model(&config, form, Kind::Float, 1);
            let mut trace = Trace::keep();
            let seen = own.forward(&input, &mut trace);
            assert_eq!(seen, own.forward(&input, &mut Trace::default()), "{form}");
            assert!(trace.into_values().contains_key("feat"), "{form}");
        }
    }
}

#[test]
fn stacked_models_are_those_models() {
    for config in configs() {
        let of_seed = |seed| {
            (
                model(&config, Form::Reference, Kind::Double, seed),
                input(&config, Kind::Double, seed),
            )
        };
        let all = [1, 2].map(of_seed);
        let names = all[0].0.0.keys();
        let stacked: BTreeMap<String, Tensor> = names
            .map(|name| {
                let both: Vec<Tensor> =
                    all.iter().map(|((parameters, _), _)| parameters[name].detach()).collect();
                (name.clone(), Tensor::stack(&both, 0).set_requires_grad(true))
            })
            .collect();
        let inputs = |of: fn(&Input) -> Option<&Tensor>| {
            let both = all.iter().map(|(_, input)| of(input)).collect::<Option<Vec<_>>>();
            both.map(|both| Tensor::stack(&both, 0))
        };
        let input = Input {
            text: inputs(|input| Some(&input.text)).unwrap(),
            audio: inputs(|input| input.audio.as_ref()),
            vision: inputs(|input| input.vision.as_ref()),
        };
        let both = Almt::new(&Init::given(&stacked), &config, Form::Batched);
        let together = run(&stacked, || both.forward(&input, &mut Trace::default()));
        for (idx, ((parameters, own), input)) in all.iter().enumerate() {
            let alone = run(parameters, || own.forward(input, &mut Trace::default()));
            let together = together.iter().map(|(name, x)| (name.clone(), x.get(idx as i64)));
            assert_same(&together.collect(), &alone);
        }
    }
}

/// A training step without its optimizer. The number of operations does not depend on sequence lengths.
#[test]
fn a_step_is_few_operations() {
    let config = configs().remove(0);
    assert_eq!((config.sizes.ahl_depth, config.sizes.fusion_depth), (3, 2), "as for CMU-MOSI");
    let input = input(&config, Kind::Double, 5);
    let step = |form| {
        let (_, model) = model(&config, form, Kind::Double, 1);
        let step = || model.forward(&input, &mut Trace::default()).mean(None).backward();
        // Some operations run only once.
        step();
        operations(step)
    };
    let (few, plain) = (step(Form::Batched), step(Form::Absorbed));
    assert!(few > 200 && few <= 400, "{few}");
    assert!(3 * plain > 5 * few, "{few} and {plain}");
}

#[test]
fn bfloat16_stays_near() {
    let config = configs().remove(0);
    let input = input(&config, Kind::Float, 5);
    let whole = run_form(&config, Form::Reference, Kind::Float);
    let (parameters, own) = model(&config, Form::Batched, Kind::Float, 1);
    let lowered = run(&parameters, || {
        let _autocast = Autocast::begin(Device::Cpu).unwrap();
        own.forward(&input, &mut Trace::default()).to_kind(Kind::Float)
    });
    assert!(whole.keys().eq(lowered.keys()));
    for (name, expected) in &whole {
        let largest = expected.abs().max().double_value(&[]);
        let difference = (&lowered[name] - expected).abs().max().double_value(&[]);
        let is_zero = name.ends_with("norm_k.bias");
        assert!(is_zero || difference <= 0.1 * largest, "{name}: {difference} of {largest}");
        assert!(is_zero || difference > 0.0, "{name} is not rounded");
    }
}

#[test]
fn guided_attention_is_what_the_trace_records_of_the_last_guided_layer() {
    let sequence = Sequence { seq_len: 9, feat_dim: 3 };
    for (guides, last) in [(None, 3), (Some(vec![1, 2]), 2)] {
        let variant = Variant { guides, ..Variant::default() };
        let config = AlmtConfig {
            sizes: AlmtSizes::small(),
            text: Sequence { seq_len: 11, feat_dim: 3 },
            audio: None,
            vision: Some(sequence),
            variant,
        };
        let store = nn::VarStore::new(Device::Cpu);
        let model = Almt::new(&Init::new(store.root(), 1), &config, Form::Reference);
        let rng = &mut stream(5, "test");
        let mut input = |sequence: Sequence| drawn(rng, &[5, sequence.seq_len, sequence.feat_dim]);
        let (text, vision) = (input(config.text), Some(input(sequence)));
        let input = Input { text, audio: None, vision };
        let mut trace = Trace::keep();
        let _ = model.forward(&input, &mut trace);
        let values = trace.into_values();
        assert_eq!(model.last_guided(), Some(last));
        let (h_l, h_v) = (&values[&format!("h_l_{last}")], &values["h_v"]);
        let weights = model.guided_attention(Modality::Vision, h_l, h_v).unwrap();
        assert_eq!(weights, values[&format!("beta_{last}")]);
        let rows = weights.sum_dim_intlist(-1, false, Kind::Double);
        assert!((rows - 1.0).abs().max().double_value(&[]) < 1e-6);
        assert!(model.guided_attention(Modality::Audio, h_l, h_v).is_none());
        // One modality's contribution is the whole shift except for the bias.
        let shift = &values[&format!("ahl_shift_{last}")];
        let name = format!("h_hyper_layer.layers.{}.0.fn.to_out.0.bias", last - 1);
        let part = &values[&format!("ahl_vision_{last}")] + &store.variables()[&name];
        assert!((part - shift).abs().max().double_value(&[]) < 1e-5);
    }
}
