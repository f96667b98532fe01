//! The cheaper forms of attention, beside the plain ones.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor, nn};

use super::attention::{attend, attend_plainly};
use super::*;
use crate::model::drawn;
use crate::seed::stream;

/// What a function makes of a layer and of some inputs, and the gradients of those and of the
/// layer's parameters, which are all drawn: ones and zeros would hide a mistake.
fn run(
    kind: Kind,
    sizes: LayerSizes,
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

/// Asserts that a form of a function is the plain one, in whose float64 nothing is rounded that
/// would count.
fn assert_is_plain(
    case: &str,
    sizes: LayerSizes,
    inputs: &[&Tensor],
    form: impl Fn(&TransformerLayer, &[Tensor]) -> Tensor,
    plain: impl Fn(&TransformerLayer, &[Tensor]) -> Tensor,
) {
    let found = run(Kind::Float, sizes, inputs, form);
    let plain = run(Kind::Double, sizes, inputs, plain);
    assert_eq!(found.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>(), "{case}");
    for (name, expected) in &plain {
        // The gradient of a key norm's shift is zero: rounding is as large as in that of its scale.
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
    // The last has a width that only the plain form has.
    for [batch, n_queries, n_keys, heads, dim_head] in
        [[64, 8, 8, 8, 64], [3, 5, 11, 2, 8], [1, 2, 9, 1, 40], [3, 5, 11, 2, 6]]
    {
        let sizes = LayerSizes { dim: 8, heads, dim_head, mlp_dim: 8, eps: 1e-5 };
        let mut rows = |n| drawn(rng, &[batch, n, heads * dim_head]);
        let (queries, keys, values) = (rows(n_queries), rows(n_keys), rows(n_keys));
        let case = format!("{n_queries} x {n_keys} x {dim_head}");
        assert_is_plain(
            &case,
            sizes,
            &[&queries, &keys, &values],
            |_, x| attend(&x[0], &x[1], &x[2], heads),
            |_, x| attend_plainly(&x[0], &x[1], &x[2], heads),
        );
        assert_is_plain(
            &format!("{case} of one tensor"),
            sizes,
            &[&queries],
            |_, x| attend(&x[0], &x[0], &x[0], heads),
            |_, x| attend_plainly(&x[0], &x[0], &x[0], heads),
        );
    }
}

#[test]
fn absorbed_queries_score_rows_that_are_not_projected() {
    let rng = &mut stream(5, "test");
    for [batch, n_targets, heads, dim_head, dim] in [[64, 8, 8, 64, 128], [5, 3, 2, 6, 12]] {
        let sizes = LayerSizes { dim, heads, dim_head, mlp_dim: 24, eps: 1e-5 };
        let mut rows = |dims: [i64; 3]| drawn(rng, &dims);
        // Targets of their own for each sample, and the same for all.
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
        let sizes = LayerSizes { dim, heads, dim_head, mlp_dim: 24, eps: 1e-5 };
        let mut rows = |n_samples, n| drawn(rng, &[n_samples, n, dim]);
        let source = rows(batch, n_rows);
        // Targets of their own for each sample, and the same for all.
        for target in [rows(batch, n_targets), rows(1, n_targets)] {
            assert_is_plain(
                &format!("{:?} to {:?}", target.size(), source.size()),
                sizes,
                &[&target, &source],
                |layer, x| layer.attention.gather_few(&x[0], &[Source::Rows(&x[1])]),
                |layer, x| {
                    let target = x[0].expand([batch, -1, -1], false);
                    layer.attention.gather(&target, &x[1])
                },
            );
        }
        // Tokens that attend to themselves, too.
        let tokens = rows(1, n_targets);
        assert_is_plain(
            &format!("{:?} to themselves and {:?}", tokens.size(), source.size()),
            sizes,
            &[&tokens, &source],
            |layer, x| {
                let sources = [Source::Rows(&x[0]), Source::Rows(&x[1])];
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
