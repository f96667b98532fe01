//! Compares the absorbed attention and its native functions with the released code's attention.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor, nn};

use super::*;
use crate::model::almt::{AlmtConfig, AlmtSizes, Sequence, Variant};
use crate::model::drawn;
use crate::model::layers::{Init, LayerConfig};
use crate::seed::stream;

fn of_sizes(dim: i64, heads: i64, dim_head: i64, mlp_dim: i64) -> LayerConfig {
    LayerConfig { dim, heads, dim_head, mlp_dim, eps: 1e-5, kernels: Kernels::Libtorch }
}

/// Outputs of a function of a layer and some inputs, with the gradients of these inputs and of the
/// layer's parameters. All are random: ones and zeros would hide a mistake.
fn run(
    kind: Kind,
    sizes: LayerConfig,
    inputs: &[&Tensor],
    function: impl Fn(&TransformerLayer, &[Tensor]) -> Tensor,
) -> BTreeMap<String, Tensor> {
    let mut store = nn::VarStore::new(Device::Cpu);
    let layer = TransformerLayer::new(&Init::new(store.root(), 1), sizes);
    let rng = &mut stream(3, "test");
    let parameters: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    tch::no_grad(|| {
        for mut parameter in parameters.values().map(Tensor::shallow_clone) {
            parameter += drawn(rng, &parameter.size()) * 0.1;
        }
    });
    store.set_kind(kind);
    let leaf = |x: &&Tensor| x.to_kind(kind).copy().set_requires_grad(true);
    let inputs: Vec<Tensor> = inputs.iter().map(leaf).collect();
    let output = function(&layer, &inputs);
    let weights = drawn(&mut stream(9, "test"), &output.size());
    (&output * weights).sum(kind).backward();
    let of_inputs = inputs.iter().enumerate().map(|(i, x)| (format!("input {i}"), x.grad()));
    let of_parameters = store
        .variables()
        .into_iter()
        .map(|(name, parameter)| (name, parameter.grad()))
        .filter(|(_, grad)| grad.defined());
    of_inputs.chain(of_parameters).chain([("output".into(), output)]).collect()
}

/// Asserts that a form of a function equals the plain one, computed in float64 so that its rounding is
/// negligible.
fn assert_is_plain(
    case: &str,
    sizes: LayerConfig,
    inputs: &[&Tensor],
    form: impl Fn(&TransformerLayer, &[Tensor]) -> Tensor,
    plain: impl Fn(&TransformerLayer, &[Tensor]) -> Tensor,
) {
    let found = run(Kind::Float, sizes, inputs, form);
    let plain = run(Kind::Double, sizes, inputs, plain);
    assert_eq!(found.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>(), "{case}");
    for (name, expected) in &plain {
        // The gradient of a key norm's shift is zero: its rounding error is as large as that of its
        // scale.
        let of_size = &plain[&name.replace("norm_k.bias", "norm_k.weight")];
        let largest = of_size.abs().max().double_value(&[]);
        let difference = (&found[name] - expected).abs().max().double_value(&[]);
        let allowed = 2e-6 * largest.max(1.0);
        assert!(difference <= allowed, "{case}, {name}: {difference} of {largest}");
        assert!(largest > 0.1, "{case}, {name}: {largest}");
    }
}

#[test]
fn few_tokens_attend_as_any_number_does() {
    let rng = &mut stream(4, "test");
    // Only the plain form supports the last width.
    for [batch, n_queries, n_keys, heads, dim_head] in
        [[64, 8, 8, 8, 64], [3, 5, 11, 2, 8], [1, 2, 9, 1, 40], [3, 5, 11, 2, 6]]
    {
        let sizes = of_sizes(8, heads, dim_head, 8);
        let mut rows = |n| drawn(rng, &[batch, n, heads * dim_head]);
        let (queries, keys, values) = (rows(n_queries), rows(n_keys), rows(n_keys));
        let case = format!("{n_queries} x {n_keys} x {dim_head}");
        assert_is_plain(
            &case,
            sizes,
            &[&queries, &keys, &values],
            |_, x| Kernels::Native.attend(&x[0], &x[1], &x[2], heads),
            |_, x| Kernels::Libtorch.attend(&x[0], &x[1], &x[2], heads),
        );
        assert_is_plain(
            &format!("{case} of one tensor"),
            sizes,
            &[&queries],
            |_, x| Kernels::Native.attend(&x[0], &x[0], &x[0], heads),
            |_, x| Kernels::Libtorch.attend(&x[0], &x[0], &x[0], heads),
        );
    }
}

#[test]
fn absorbed_queries_score_rows_that_are_not_projected() {
    let rng = &mut stream(5, "test");
    for [batch, n_targets, heads, dim_head, dim] in [[64, 8, 8, 64, 128], [5, 3, 2, 6, 12]] {
        let sizes = of_sizes(dim, heads, dim_head, 24);
        let mut rows = |dims: [i64; 3]| drawn(rng, &dims);
        // Separate targets for each sample, and common ones.
        for target in [rows([batch, n_targets, dim]), rows([1, n_targets, dim])] {
            assert_is_plain(
                &format!("queries of {:?}", target.size()),
                sizes,
                &[&target],
                |layer, x| layer.attention.absorbed_queries(&x[0]),
                |layer, x| {
                    let Attention { norm_k, to_k, .. } = &layer.attention;
                    let queries = layer.attention.queries().forward(&x[0]);
                    let queries = queries.view([-1, heads, 1, dim_head]);
                    let to_k = to_k.weight.view([heads, dim_head, dim]);
                    let projected = queries.matmul(&to_k).squeeze_dim(2) * &norm_k.weight;
                    projected / (dim_head as f64).sqrt() + norm_k.bias.sum(Kind::Double) * 0.0
                },
            );
        }
    }
}

#[test]
fn few_attend_to_many_rows_as_any_number_does() {
    let rng = &mut stream(6, "test");
    for [batch, n_targets, n_rows, heads, dim_head, dim] in [
        [64, 8, 50, 8, 64, 128],
        [5, 4, 7, 2, 8, 24],
        [3, 1, 9, 8, 16, 16],
        [3, 3, 9, 2, 8, 16],
        [3, 4, 9, 2, 6, 16],
        [3, 4, 9, 2, 8, 12],
    ] {
        let sizes = of_sizes(dim, heads, dim_head, 24);
        let mut rows = |n_samples, n| drawn(rng, &[n_samples, n, dim]);
        let source = rows(batch, n_rows);
        // Separate targets for each sample, and common ones.
        for target in [rows(batch, n_targets), rows(1, n_targets)] {
            assert_is_plain(
                &format!("{:?} to {:?}", target.size(), source.size()),
                sizes,
                &[&target, &source],
                |layer, x| layer.attention.gather_few(&x[0], &[AttendedRows::Rows(&x[1])]),
                |layer, x| {
                    let target = x[0].expand([batch, -1, -1], false);
                    layer.attention.gather(&target, &x[1])
                },
            );
        }
        // Tokens attend to themselves, too.
        let tokens = rows(1, n_targets);
        assert_is_plain(
            &format!("{:?} to themselves and {:?}", tokens.size(), source.size()),
            sizes,
            &[&tokens, &source],
            |layer, x| {
                let sources = [AttendedRows::Rows(&x[0]), AttendedRows::Rows(&x[1])];
                layer.attention.gather_few(&x[0], &sources)
            },
            |layer, x| {
                let target = x[0].expand([batch, -1, -1], false);
                let rows = Tensor::cat(&[&target, &x[1]], 1);
                layer.attention.gather(&target, &rows)
            },
        );
    }
}

/// A text-only model, whose embedding has the given number of layers.
fn of_depth(embedding_depth: i64) -> AlmtConfig {
    let sequence = Sequence { seq_len: 11, feat_dim: 3 };
    let sizes = AlmtSizes { embedding_depth, ..AlmtSizes::small() };
    let variant = Variant::default();
    AlmtConfig { sizes, text: sequence, audio: None, vision: None, variant }
}

/// The embedding with random parameters, and the gradient of each, in one form.
fn run_embedding(
    kind: Kind,
    kernels: Kernels,
    depth: i64,
    [n_samples, seq_len, feat_dim]: [i64; 3],
    form: impl Fn(&ModalityEmbedding, &Tensor) -> Tensor,
) -> Vec<(String, Tensor)> {
    let rng = &mut stream(7, "test");
    let mut store = nn::VarStore::new(Device::Cpu);
    let config = AlmtConfig { text: Sequence { seq_len, feat_dim }, ..of_depth(depth) };
    let embedding =
        ModalityEmbedding::new(&Init::new(store.root(), 1), &config, config.text, kernels);
    let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    variables.sort_by(|one, other| one.0.cmp(&other.0));
    // Ones and zeros, the initial values of norms and tokens, would hide a mistake.
    tch::no_grad(|| {
        for (_, variable) in &mut variables {
            *variable += drawn(rng, &variable.size()) * 0.3;
        }
    });
    store.set_kind(kind);
    let frames = drawn(rng, &[n_samples, seq_len, feat_dim]).to_kind(kind);
    let output = form(&embedding, &frames);
    (&output * drawn(rng, &output.size())).sum(kind).backward();
    let gradients = variables.into_iter().map(|(name, variable)| (name, variable.grad()));
    gradients.chain([("output".into(), output)]).collect()
}

#[test]
fn few_targets_give_what_the_plain_form_gives() {
    // The largest batch exceeds a step of the fused attention and is not a multiple of it; the most
    // frames and features span several of its blocks and a remainder.
    let frames = [(1, [1, 11, 3]), (1, [5, 11, 3]), (1, [67, 11, 3]), (1, [5, 70, 13])];
    // As many features as a token has, or more; and frames transformed by a first layer.
    let rows = [(1, [5, 11, 16]), (1, [67, 11, 20]), (2, [5, 11, 3])];
    let plainly = |embedding: &ModalityEmbedding, frames: &Tensor| embedding.forward(frames);
    for (depth, sizes) in frames.into_iter().chain(rows) {
        // In float64, whose rounding is negligible.
        let plain = run_embedding(Kind::Double, Kernels::Libtorch, depth, sizes, plainly);
        // Rounding depends on the processor: with few targets, the error may be three times that of the
        // plain form.
        let rounded = run_embedding(Kind::Float, Kernels::Libtorch, depth, sizes, plainly);
        for kernels in [Kernels::Libtorch, Kernels::Native] {
            let few = run_embedding(Kind::Float, kernels, depth, sizes, |embedding, frames| {
                embedding.forward_absorbed(frames)
            });
            assert_eq!(few.len(), plain.len());
            for (((name, few), (_, plain)), (_, rounded)) in few.iter().zip(&plain).zip(&rounded) {
                let largest = plain.abs().max().double_value(&[]);
                let error = |of: &Tensor| (of - plain).abs().max().double_value(&[]);
                let difference = error(few);
                // The gradient of a key norm's shift is zero; its float32 value is rounding error.
                let is_zero = name.ends_with("norm_k.bias");
                let allowed = match is_zero {
                    true => 1e-5,
                    false => (2e-6 * largest.max(1.0)).max(3.0 * error(rounded)),
                };
                assert!(
                    difference <= allowed,
                    "{kernels:?}, {name}: {difference} of {largest}, plain {}",
                    error(rounded)
                );
                assert!(is_zero || largest > 1e-3, "{name} has no gradient");
            }
        }
    }
}

/// The plain form weights its values with the result of `attention`.
#[test]
fn attention_to_frames_is_that_of_the_plain_form() {
    for depth in [1, 2] {
        let store = nn::VarStore::new(Device::Cpu);
        let config = of_depth(depth);
        let embedding = ModalityEmbedding::new(
            &Init::new(store.root(), 1),
            &config,
            config.text,
            Kernels::Libtorch,
        );
        let frames = drawn(&mut stream(3, "test"), &[5, 11, 3]);
        let weights = embedding.attention(&frames).unwrap();
        assert_eq!(weights.size(), [5, 2, 4, 11]);
        let of_frames = weights.sum_dim_intlist(-1, false, None);
        assert!(of_frames.min().double_value(&[]) > 0.0);
        assert!(of_frames.max().double_value(&[]) < 1.0);
        // The first layer written out: norms start as the identity, and thus need no weights.
        if depth == 1 {
            let parameters = store.variables();
            let parameter = |name: &str| &parameters[&format!("1.encoder.layers.0.0.{name}")];
            let x = embedding.rows(&frames).unwrap();
            let normed = x.layer_norm([16], None::<&Tensor>, None::<&Tensor>, 1e-5, false);
            let heads = |x: &Tensor, name: &str| {
                let projected = x.matmul(&parameter(name).tr());
                projected.view([5, -1, 2, 6]).transpose(1, 2)
            };
            let q = heads(&normed.narrow(1, 0, 4), "fn.to_q.weight");
            let k = heads(&normed, "fn.to_k.weight");
            let scores = q.matmul(&k.transpose(2, 3)) / 6_f64.sqrt();
            let expected = scores.softmax(-1, Kind::Float).narrow(3, 4, 11);
            let difference = (weights - expected).abs().max().double_value(&[]);
            assert!(difference < 1e-6, "{difference}");
        }
    }
}
