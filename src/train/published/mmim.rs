//! MMIM.

use std::collections::BTreeMap;

use serde_json::json;

use super::Layout::{Directions, Same};
use super::{
    Outputs, PhaseOfTiny, Published, at, check_count, check_dropout, check_mistakes, check_presets,
    check_run, check_tiny,
};
use crate::corpus::Dataset;
use crate::model::contract::At;

static MMIM: Published = Published {
    model: "mmim",
    config: |sizes, _| {
        json!({
            "audio_hidden": sizes["d_ah"],
            "vision_hidden": sizes["d_vh"],
            "audio_out": sizes["d_aout"],
            "vision_out": sizes["d_vout"],
            "fusion_hidden": sizes["d_prjh"],
            "alpha": sizes["alpha"],
            "beta": sizes["beta"],
            "fusion_dropout": sizes["dropout_prj"],
        })
    },
    recipe: |sizes| {
        let mut changes = vec![format!("main.schedule.patience={}", sizes["when"])];
        for (group, key) in [("mi.mi", "mmilb"), ("main.encoder", "bert"), ("main.rest", "main")] {
            changes.push(format!("{group}.lr={}", sizes[format!("lr_{key}")]));
            let decay = &sizes[format!("weight_decay_{key}")];
            changes.push(format!("{group}.weight_decay={decay}"));
        }
        for phase in ["mi", "main"] {
            changes.push(format!("{phase}.clip_norm={}", sizes["grad_clip"]));
        }
        changes
    },
    encoder: Some("bertmodel.model"),
    absent: &["bertmodel.model.pooler"],
    traced: &[
        ("layer_1", "mid/bertmodel", Same),
        ("audio/last", "mid/acoustic_enc.rnn.1.0", Directions),
        ("audio/encoded", "mid/acoustic_enc", Same),
        ("vision/last", "mid/visual_enc.rnn.1.0", Directions),
        ("vision/encoded", "mid/visual_enc", Same),
        ("hidden", "mid/fusion_prj.linear_1", Same),
        ("fused", "mid/fusion_prj.linear_2.call0", Same),
        ("fused", "mid/fusion_prj.linear_2.call1", Same),
        ("vision/mean", "mid/mi_tv.mlp_mu", Same),
        ("vision/log_variance", "mid/mi_tv.mlp_logvar", Same),
        ("vision/projected", "mid/mi_tv.entropy_prj", Same),
        ("audio/mean", "mid/mi_ta.mlp_mu", Same),
        ("audio/log_variance", "mid/mi_ta.mlp_logvar", Same),
        ("audio/projected", "mid/mi_ta.entropy_prj", Same),
        ("text/predicted", "mid/cpc_zt.net", Same),
        ("text/contrast", "mid/cpc_zt", Same),
        ("vision/predicted", "mid/cpc_zv.net", Same),
        ("vision/contrast", "mid/cpc_zv", Same),
        ("audio/predicted", "mid/cpc_za.net", Same),
        ("audio/contrast", "mid/cpc_za", Same),
    ],
    // States of cells that nothing reads, and the prediction itself.
    unread: &["mid/acoustic_enc.rnn.1.1", "mid/visual_enc.rnn.1.1", "mid/fusion_prj.linear_3"],
    terms: |sizes| {
        let weight = |key: &str| sizes[key].as_f64().unwrap();
        vec![
            ("mi", "lld", "loss/lld", -1.0),
            ("main", "l1", "loss/task", 1.0),
            ("main", "nce", "loss/nce", weight("alpha")),
            ("main", "lld", "loss/lld", -weight("beta")),
            ("main", "entropy", "loss/H", -weight("beta")),
        ]
    },
    phases: &[
        PhaseOfTiny {
            name: "mi",
            step: 0,
            total: "loss/stage1_total",
            gradients: "grad_stage1",
            inputs: "grad_input_stage1",
        },
        PhaseOfTiny {
            name: "main",
            step: 2,
            total: "loss/stage2_total",
            gradients: "grad_stage2",
            inputs: "grad_input_stage2",
        },
    ],
    // What the batch before left.
    remember: |model, values, batch| {
        let parts: BTreeMap<&'static str, tch::Tensor> = ["tv_pos", "tv_neg", "ta_pos", "ta_neg"]
            .map(|name| (name, values[&format!("memory/{name}")].shallow_clone()))
            .into();
        let outputs = Outputs { pred: batch.target.shallow_clone(), parts };
        model.after_step(&outputs, batch, At { n_steps: 3, ..at("main", 1) });
    },
    gradient: 1e-4,
    ..Published::PLAIN
};

#[test]
fn every_output_loss_and_gradient_agrees() {
    check_tiny(&MMIM, "tiny");
}

#[test]
fn a_run_follows_that_of_the_published_trainer() {
    check_run(&MMIM, "train", &[]);
}

/// PyTorch before 2.0, for which MMSA was written, left zeros where a step has no gradient.
#[test]
fn a_run_that_keeps_gradients_of_zero_follows_that_of_the_published_trainer() {
    check_run(&MMIM, "train_zero_grad_kept", &["untrained=[]", "zero_gradients=true"]);
}

#[test]
fn presets_are_the_published_configurations() {
    check_presets(&MMIM);
}

#[test]
fn parameters_are_as_many_as_published() {
    check_count(&MMIM, Dataset::Mosi, 281_673);
    check_count(&MMIM, Dataset::Mosei, 292_425);
    check_count(&MMIM, Dataset::Sims, 373_449);
}

#[test]
fn dropout_is_where_the_published_code_has_it() {
    check_dropout(&MMIM);
}

#[test]
fn mistakes_in_a_recipe_are_found() {
    check_mistakes(
        &MMIM,
        &[
            &["mi.clip_over=phase", "main.clip_over=phase"],
            &["mi.clip_norm=1e9", "main.clip_norm=1e9"],
            &["mi.optimizer=adamw", "main.optimizer=adamw"],
            &["main.schedule=constant"],
            &["mi.share=0.5"],
            // The first phase steps all parameters.
            &["mi.mi.prefixes=[]"],
        ],
    );
}
