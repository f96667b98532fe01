//! Where the published code drops values, beside where this one does.

use tch::{Kind, Tensor};

use super::recorded::json;
use super::{Published, at, batch_of, device, folder, tensors};
use crate::model::take_sites;

/// Places, rates and shapes of dropout in a training pass are those of the published code.
pub(super) fn check_dropout(of: &'static Published) {
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
