//! MFM.

use serde_json::json;

use super::Layout::{Same, Steps};
use super::{
    Published, check_count, check_dropout, check_formula, check_mistakes, check_presets, check_run,
    check_tiny,
};
use crate::corpus::Dataset;

static MFM: Published = Published {
    model: "mfm",
    config: |sizes, _| {
        let each = |text: &str, audio: &str, vision: &str| json!({ "text": sizes[text], "audio": sizes[audio], "vision": sizes[vision] });
        let pair = |one: &str, other: &str, key: &str| json!([sizes[one][key], sizes[other][key]]);
        let hidden = &sizes["hidden_dims"];
        json!({
            "hidden": { "text": hidden[0], "audio": hidden[1], "vision": hidden[2] },
            "memory": sizes["memsize"],
            "attention_hidden": pair("NN1Config", "NN2Config", "shapes"),
            "gate_hidden": pair("gamma1Config", "gamma2Config", "shapes"),
            "unused_hidden": sizes["outConfig"]["shapes"],
            "zy": sizes["zy_size"],
            "fy": sizes["fy_size"],
            "z": each("zl_size", "za_size", "zv_size"),
            "f": each("fl_size", "fa_size", "fv_size"),
            "mmd_weight": sizes["lda_mmd"],
            "reconstruction_weights": each("lda_xl", "lda_xa", "lda_xv"),
            "z_dropout": each("zl_to_fl_dropout", "za_to_fa_dropout", "zv_to_fv_dropout"),
            "zy_dropout": sizes["zy_to_fy_dropout"],
            "fy_dropout": sizes["fy_to_y_dropout"],
            "attention_dropout": pair("NN1Config", "NN2Config", "drop"),
            "gate_dropout": pair("gamma1Config", "gamma2Config", "drop"),
        })
    },
    recipe: |sizes| vec![format!("main.rest.weight_decay={}", sizes["weight_decay"])],
    parts: &[("zy", "mid/last_to_zy_fc1")],
    traced: &[
        ("text/hidden", "mid/mfn_encoder.lstm_l.0", Steps),
        ("text/cell", "mid/mfn_encoder.lstm_l.1", Steps),
        ("audio/hidden", "mid/mfn_encoder.lstm_a.0", Steps),
        ("audio/cell", "mid/mfn_encoder.lstm_a.1", Steps),
        ("vision/hidden", "mid/mfn_encoder.lstm_v.0", Steps),
        ("vision/cell", "mid/mfn_encoder.lstm_v.1", Steps),
        ("att1/fc1", "mid/mfn_encoder.att1_fc1", Steps),
        ("att1/fc2", "mid/mfn_encoder.att1_fc2", Steps),
        ("att2/fc1", "mid/mfn_encoder.att2_fc1", Steps),
        ("att2/fc2", "mid/mfn_encoder.att2_fc2", Steps),
        ("gamma1/fc1", "mid/mfn_encoder.gamma1_fc1", Steps),
        ("gamma1/fc2", "mid/mfn_encoder.gamma1_fc2", Steps),
        ("gamma2/fc1", "mid/mfn_encoder.gamma2_fc1", Steps),
        ("gamma2/fc2", "mid/mfn_encoder.gamma2_fc2", Steps),
        ("zy_to_fy/fc1", "mid/zy_to_fy_fc1", Same),
        ("zy_to_fy/fc2", "mid/zy_to_fy_fc2", Same),
        ("head", "mid/fy_to_y_fc1", Same),
        ("zl/fc1", "mid/zl_to_fl_fc1", Same),
        ("zl/fc2", "mid/zl_to_fl_fc2", Same),
        ("za/fc1", "mid/za_to_fa_fc1", Same),
        ("za/fc2", "mid/za_to_fa_fc2", Same),
        ("zv/fc1", "mid/zv_to_fv_fc1", Same),
        ("zv/fc2", "mid/zv_to_fv_fc2", Same),
    ],
    // The prediction itself.
    unread: &["mid/fy_to_y_fc2"],
    terms: |sizes| {
        vec![
            ("main", "l1", "loss/disc", 1.0),
            ("main", "reconstruction", "loss/gen", 1.0),
            ("main", "mmd", "loss/mmd_unweighted", sizes["lda_mmd"].as_f64().unwrap()),
        ]
    },
    noise: &[("zl", "noise/zl"), ("za", "noise/za"), ("zv", "noise/zv"), ("zy", "noise/zy")],
    ..Published::PLAIN
};

#[test]
fn every_output_loss_and_gradient_agrees() {
    check_tiny(&MFM, "tiny");
}

#[test]
fn published_configurations_agree() {
    check_formula(&MFM, "mosi");
    check_formula(&MFM, "sims");
}

#[test]
fn a_run_follows_that_of_the_published_trainer() {
    check_run(&MFM, "train", &[]);
}

#[test]
fn presets_are_the_published_configurations() {
    check_presets(&MFM);
}

#[test]
fn parameters_are_as_many_as_published() {
    check_count(&MFM, Dataset::Mosi, 1_416_123);
    check_count(&MFM, Dataset::Mosei, 5_996_541);
    check_count(&MFM, Dataset::Sims, 3_478_888);
}

#[test]
fn dropout_is_where_the_published_code_has_it() {
    check_dropout(&MFM);
}

#[test]
fn mistakes_in_a_recipe_are_found() {
    check_mistakes(
        &MFM,
        &[&["main.rest.lr=0.02"], &["main.rest.weight_decay=0"], &["main.optimizer=adamw"]],
    );
}
