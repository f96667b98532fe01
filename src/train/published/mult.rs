//! MulT.

use serde_json::json;

use super::Layout::{ChannelsFirst, Same, TimeFirst};
use super::{
    Published, check_count, check_dropout, check_formula, check_mistakes, check_presets, check_run,
    check_tiny,
};
use crate::corpus::Dataset;

const FEATURES_ALONE: Published = Published {
    model: "mult",
    config: |sizes, _| {
        json!({
            "dim": sizes["dst_feature_dim_nheads"][0],
            "heads": sizes["dst_feature_dim_nheads"][1],
            "layers": sizes["nlevels"],
            "text_kernel": sizes["conv1d_kernel_size_l"],
            "audio_kernel": sizes["conv1d_kernel_size_a"],
            "vision_kernel": sizes["conv1d_kernel_size_v"],
            "attention_mask": sizes["attn_mask"],
            "position_embedding": false,
            "text_dropout": sizes["text_dropout"],
            "attention_dropout": sizes["attn_dropout"],
            "audio_attention_dropout": sizes["attn_dropout_a"],
            "vision_attention_dropout": sizes["attn_dropout_v"],
            "relu_dropout": sizes["relu_dropout"],
            "residual_dropout": sizes["res_dropout"],
            "embed_dropout": sizes["embed_dropout"],
            "output_dropout": sizes["output_dropout"],
        })
    },
    recipe: |sizes| {
        vec![
            format!("main.rest.lr={}", sizes["learning_rate"]),
            format!("main.clip_value={}", sizes["grad_clip"]),
            format!("main.schedule.patience={}", sizes["patience"]),
            format!("accumulate={}", sizes["update_epochs"]),
        ]
    },
    buffers: &[
        "trans_l_with_a.version",
        "trans_l_with_v.version",
        "trans_a_with_l.version",
        "trans_a_with_v.version",
        "trans_v_with_l.version",
        "trans_v_with_a.version",
        "trans_l_mem.version",
        "trans_a_mem.version",
        "trans_v_mem.version",
    ],
    parts: &[
        ("text", "output/Feature_t"),
        ("audio", "output/Feature_a"),
        ("vision", "output/Feature_v"),
        ("fusion", "output/Feature_f"),
    ],
    traced: &[
        ("text/projected", "mid/proj_l", ChannelsFirst),
        ("audio/projected", "mid/proj_a", ChannelsFirst),
        ("vision/projected", "mid/proj_v", ChannelsFirst),
        ("trans_l_with_a", "mid/trans_l_with_a", TimeFirst),
        ("trans_l_with_v", "mid/trans_l_with_v", TimeFirst),
        ("trans_l_mem", "mid/trans_l_mem", TimeFirst),
        ("trans_a_with_l", "mid/trans_a_with_l", TimeFirst),
        ("trans_a_with_v", "mid/trans_a_with_v", TimeFirst),
        ("trans_a_mem", "mid/trans_a_mem", TimeFirst),
        ("trans_v_with_l", "mid/trans_v_with_l", TimeFirst),
        ("trans_v_with_a", "mid/trans_v_with_a", TimeFirst),
        ("trans_v_mem", "mid/trans_v_mem", TimeFirst),
        ("trans_l_with_a/0/output", "mid/trans_l_with_a.layers.0", TimeFirst),
        ("trans_l_with_a/0/attended", "mid/trans_l_with_a.layers.0.self_attn.0", TimeFirst),
        ("trans_l_with_a/0/weights", "mid/trans_l_with_a.layers.0.self_attn.1", Same),
        ("trans_l_with_a/0/expanded", "mid/trans_l_with_a.layers.0.fc1", TimeFirst),
        ("trans_l_with_a/0/reduced", "mid/trans_l_with_a.layers.0.fc2", TimeFirst),
        ("trans_l_with_a/1/output", "mid/trans_l_with_a.layers.1", TimeFirst),
        ("trans_l_with_a/1/attended", "mid/trans_l_with_a.layers.1.self_attn.0", TimeFirst),
        ("trans_l_with_a/1/weights", "mid/trans_l_with_a.layers.1.self_attn.1", Same),
        ("trans_l_mem/0/output", "mid/trans_l_mem.layers.0", TimeFirst),
        ("trans_l_mem/0/attended", "mid/trans_l_mem.layers.0.self_attn.0", TimeFirst),
        ("trans_l_mem/0/weights", "mid/trans_l_mem.layers.0.self_attn.1", Same),
        ("trans_l_mem/0/expanded", "mid/trans_l_mem.layers.0.fc1", TimeFirst),
        ("trans_l_mem/0/reduced", "mid/trans_l_mem.layers.0.fc2", TimeFirst),
        ("trans_l_mem/1/output", "mid/trans_l_mem.layers.1", TimeFirst),
        ("trans_l_mem/1/attended", "mid/trans_l_mem.layers.1.self_attn.0", TimeFirst),
        ("trans_l_mem/1/weights", "mid/trans_l_mem.layers.1.self_attn.1", Same),
        ("trans_l_mem/2/output", "mid/trans_l_mem.layers.2", TimeFirst),
        ("trans_l_mem/2/attended", "mid/trans_l_mem.layers.2.self_attn.0", TimeFirst),
        ("trans_l_mem/2/weights", "mid/trans_l_mem.layers.2.self_attn.1", Same),
        ("hidden", "mid/proj1", Same),
        ("added", "mid/proj2", Same),
    ],
    ..Published::PLAIN
};

static MULT: Published = FEATURES_ALONE;

/// As the paper and its authors have it.
static WITH_POSITIONS: Published = Published {
    config: |sizes, recorded| {
        let mut config = (FEATURES_ALONE.config)(sizes, recorded);
        config["position_embedding"] = true.into();
        config
    },
    ..FEATURES_ALONE
};

#[test]
fn every_output_loss_and_gradient_agrees() {
    check_tiny(&MULT, "tiny");
    check_tiny(&MULT, "tiny_skip");
}

#[test]
fn embeddings_of_positions_are_those_of_the_authors() {
    check_tiny(&WITH_POSITIONS, "tiny_positional");
}

#[test]
fn published_configurations_agree() {
    check_formula(&MULT, "mosi");
    check_formula(&MULT, "sims");
}

#[test]
fn a_run_follows_that_of_the_published_trainer() {
    check_run(&MULT, "train", &[]);
}

#[test]
fn presets_are_the_published_configurations() {
    check_presets(&MULT);
}

#[test]
fn parameters_are_as_many_as_published() {
    check_count(&MULT, Dataset::Mosi, 2_571_551);
    check_count(&MULT, Dataset::Mosei, 982_951);
    check_count(&MULT, Dataset::Sims, 1_870_701);
}

#[test]
fn dropout_is_where_the_published_code_has_it() {
    check_dropout(&MULT);
}

#[test]
fn mistakes_in_a_recipe_are_found() {
    check_mistakes(
        &MULT,
        &[
            &["accumulate=1"],
            &["remainder=step"],
            &["main.clip_value=1e9"],
            &["main.clip_value=1e9", "main.clip_norm=0.2"],
            &["main.schedule=constant"],
            &["main.rest.weight_decay=0.005"],
        ],
    );
}
