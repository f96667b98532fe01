//! TFN.

use serde_json::{Value, json};

use super::{
    Published, check_count, check_dropout, check_formula, check_mistakes, check_presets, check_run,
    check_tiny,
};
use crate::corpus::Dataset;

static TFN: Published = Published {
    model: "tfn",
    config: |sizes, _| {
        let mut config = subnets(sizes);
        config["text_out"] = sizes["text_out"].clone();
        config["post_fusion_dim"] = sizes["post_fusion_dim"].clone();
        config["post_fusion_dropout"] = sizes["dropouts"][3].clone();
        config
    },
    recipe: |sizes| vec![format!("main.rest.lr={}", sizes["learning_rate"])],
    parts: PARTS,
    ..Published::PLAIN
};

/// Parts of TFN and LMF.
pub(super) const PARTS: &[(&str, &str)] = &[
    ("audio", "output/Feature_a"),
    ("vision", "output/Feature_v"),
    ("text", "output/Feature_t"),
    ("fusion", "output/Feature_f"),
];

/// What TFN and LMF have in common. Lists are in the order text, audio, vision; dropouts in the order audio,
/// vision.
pub(super) fn subnets(sizes: &Value) -> Value {
    json!({
        "text_hidden": sizes["hidden_dims"][0],
        "audio_hidden": sizes["hidden_dims"][1],
        "vision_hidden": sizes["hidden_dims"][2],
        "audio_dropout": sizes["dropouts"][0],
        "vision_dropout": sizes["dropouts"][1],
    })
}

#[test]
fn every_output_loss_and_gradient_agrees() {
    check_tiny(&TFN, "tiny");
}

#[test]
fn published_configurations_agree() {
    check_formula(&TFN, "mosi");
    check_formula(&TFN, "sims");
}

#[test]
fn a_run_follows_that_of_the_published_trainer() {
    check_run(&TFN, "train", &[]);
}

#[test]
fn presets_are_the_published_configurations() {
    check_presets(&TFN);
}

#[test]
fn parameters_are_as_many_as_published() {
    // MMSA counts TFN's two constants as well.
    check_count(&TFN, Dataset::Mosi, 9_497_045 - 2);
    check_count(&TFN, Dataset::Mosei, 5_042_541 - 2);
    check_count(&TFN, Dataset::Sims, 35_632_079 - 2);
}

#[test]
fn dropout_is_where_the_published_code_has_it() {
    check_dropout(&TFN);
}

#[test]
fn mistakes_in_a_recipe_are_found() {
    check_mistakes(&TFN, &[&["main.optimizer.eps=1e-7"]]);
}
