//! MISA.

use serde_json::json;

use super::{
    Published, check_count, check_dropout, check_formula, check_mistakes, check_presets, check_run,
    check_tiny, dropout,
};
use crate::corpus::Dataset;

static MISA: Published = Published {
    model: "misa",
    config: |sizes, recorded| {
        json!({
            "hidden": sizes["hidden_size"],
            "heads": 2,
            "feed_forward": match recorded["training"].is_object() {
                // What MMSA has as a constant is smaller in the recorded run.
                true => 32,
                false => 2048,
            },
            "sim_weight": sizes["sim_weight"],
            "diff_weight": sizes["diff_weight"],
            "recon_weight": sizes["recon_weight"],
            "cut_to_text": true,
            "dropout": sizes["dropout"],
            "transformer_dropout": dropout(recorded, 0.1),
        })
    },
    recipe: |sizes| {
        vec![
            format!("main.encoder.lr={}", sizes["learning_rate"]),
            format!("main.rest.lr={}", sizes["learning_rate"]),
            format!("main.clip_value={}", sizes["grad_clip"]),
            format!("accumulate={}", sizes["update_epochs"]),
        ]
    },
    encoder: Some("bertmodel.model"),
    absent: &["bertmodel.model.pooler"],
    parts: &[
        ("t_orig", "mid/utt_t_orig"),
        ("v_orig", "mid/utt_v_orig"),
        ("a_orig", "mid/utt_a_orig"),
        ("private_t", "mid/utt_private_t"),
        ("private_v", "mid/utt_private_v"),
        ("private_a", "mid/utt_private_a"),
        ("shared_t", "mid/utt_shared_t"),
        ("shared_v", "mid/utt_shared_v"),
        ("shared_a", "mid/utt_shared_a"),
        ("t_recon", "mid/utt_t_recon"),
        ("v_recon", "mid/utt_v_recon"),
        ("a_recon", "mid/utt_a_recon"),
    ],
    terms: |sizes| {
        let weight = |key: &str| sizes[key].as_f64().unwrap();
        vec![
            ("main", "mse", "loss/cls", 1.0),
            ("main", "diff", "loss/diff", weight("diff_weight")),
            ("main", "cmd", "loss/cmd", weight("sim_weight")),
            ("main", "recon", "loss/recon", weight("recon_weight")),
        ]
    },
    ..Published::PLAIN
};

#[test]
fn every_output_loss_and_gradient_agrees() {
    check_tiny(&MISA, "tiny");
}

#[test]
fn published_configurations_agree() {
    check_formula(&MISA, "mosi");
}

#[test]
fn a_run_follows_that_of_the_published_trainer() {
    check_run(&MISA, "train", &[]);
}

#[test]
fn presets_are_the_published_configurations() {
    check_presets(&MISA);
}

#[test]
fn parameters_are_as_many_as_published() {
    check_count(&MISA, Dataset::Mosi, 1_138_033);
    check_count(&MISA, Dataset::Mosei, 1_435_105);
    check_count(&MISA, Dataset::Sims, 21_664_749);
}

#[test]
fn dropout_is_where_the_published_code_has_it() {
    check_dropout(&MISA);
}

#[test]
fn mistakes_in_a_recipe_are_found() {
    check_mistakes(
        &MISA,
        &[
            &["accumulate=1"],
            &["remainder=step"],
            &["main.clip_value=1e9"],
            &["main.clip_value=1e9", "main.clip_norm=0.05"],
            &["main.encoder.lr=0"],
        ],
    );
}
