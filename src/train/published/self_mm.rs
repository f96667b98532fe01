//! Self-MM.

use serde_json::json;

use super::{
    Published, check_count, check_dropout, check_formula, check_mistakes, check_presets, check_run,
    check_tiny, max_abs,
};
use crate::corpus::Dataset;

static SELF_MM: Published = Published {
    model: "self_mm",
    config: |sizes, _| {
        json!({
            "audio_hidden": sizes["a_lstm_hidden_size"],
            "vision_hidden": sizes["v_lstm_hidden_size"],
            "audio_out": sizes["audio_out"],
            "vision_out": sizes["video_out"],
            "post_fusion": sizes["post_fusion_dim"],
            "post_text": sizes["post_text_dim"],
            "post_audio": sizes["post_audio_dim"],
            "post_vision": sizes["post_video_dim"],
            "largest_label": sizes["H"],
            "audio_dropout": sizes["a_lstm_dropout"],
            "vision_dropout": sizes["v_lstm_dropout"],
            "post_fusion_dropout": sizes["post_fusion_dropout"],
            "post_text_dropout": sizes["post_text_dropout"],
            "post_audio_dropout": sizes["post_audio_dropout"],
            "post_vision_dropout": sizes["post_video_dropout"],
        })
    },
    recipe: |sizes| {
        let mut changes = vec![format!("accumulate={}", sizes["update_epochs"])];
        changes.push(format!("main.encoder_plain.lr={}", sizes["learning_rate_bert"]));
        for (group, key) in
            [("encoder", "bert"), ("audio", "audio"), ("vision", "video"), ("rest", "other")]
        {
            changes.push(format!("main.{group}.lr={}", sizes[format!("learning_rate_{key}")]));
            let decay = &sizes[format!("weight_decay_{key}")];
            changes.push(format!("main.{group}.weight_decay={decay}"));
        }
        changes
    },
    encoder: Some("text_model.model"),
    absent: &["text_model.model.pooler"],
    parts: &[
        ("text", "output/T"),
        ("audio", "output/A"),
        ("vision", "output/V"),
        ("features_fusion", "output/Feature_f"),
        ("features_text", "output/Feature_t"),
        ("features_audio", "output/Feature_a"),
        ("features_vision", "output/Feature_v"),
    ],
    terms: |_| {
        vec![
            ("main", "l1", "loss/fusion", 1.0),
            ("main", "text", "loss/text", 1.0),
            ("main", "audio", "loss/audio", 1.0),
            ("main", "vision", "loss/vision", 1.0),
        ]
    },
    remember: |model, values, batch| {
        model.begin(&batch.target);
        let memory = model.memory();
        for task in ["text", "audio", "vision"] {
            let recorded = values[&format!("input/label_{task}")].view([-1, 1]);
            memory[&format!("labels_{task}")].shallow_clone().copy_(&recorded);
        }
    },
    memory: |worst, memory, expected, epoch| {
        for task in ["fusion", "text", "audio", "vision"] {
            let recorded = expected[&format!("train/state_label_{task}")].get(epoch as i64 - 1);
            let found = memory[&format!("labels_{task}")].view([-1]);
            worst.check("labels of a modality", task, max_abs(&(found - recorded)), 1e-3);
            if epoch as i64 == expected["train/pred_epoch"].size()[0] {
                let place = |key: String| &expected[&key];
                let found = &memory[&format!("features_{task}")];
                let recorded = place(format!("state/feature_{task}"));
                worst.check("remembered features", task, max_abs(&(found - recorded)), 1e-4);
                for (idx, side) in ["pos", "neg"].into_iter().enumerate() {
                    let found = memory[&format!("centres_{task}")].get(idx as i64);
                    let recorded = place(format!("state/center_{task}_{side}"));
                    worst.check("centres", task, max_abs(&(found - recorded)), 1e-4);
                }
            }
        }
    },
    loss: 1e-3,
    ..Published::PLAIN
};

#[test]
fn every_output_loss_and_gradient_agrees() {
    check_tiny(&SELF_MM, "tiny");
}

#[test]
fn published_configurations_agree() {
    check_formula(&SELF_MM, "mosi");
    check_formula(&SELF_MM, "sims");
}

#[test]
fn a_run_follows_that_of_the_published_trainer() {
    check_run(&SELF_MM, "train", &[]);
}

#[test]
fn presets_are_the_published_configurations() {
    check_presets(&SELF_MM);
}

#[test]
fn parameters_are_as_many_as_published() {
    check_count(&SELF_MM, Dataset::Mosi, 159_332);
    check_count(&SELF_MM, Dataset::Mosei, 165_668);
    check_count(&SELF_MM, Dataset::Sims, 381_380);
}

#[test]
fn dropout_is_where_the_published_code_has_it() {
    check_dropout(&SELF_MM);
}

#[test]
fn mistakes_in_a_recipe_are_found() {
    check_mistakes(
        &SELF_MM,
        &[
            &["accumulate=1"],
            &["remainder=step"],
            &["main.encoder_plain.weight_decay=0.01"],
            &["main.optimizer=adamw"],
            &[
                "main.encoder_plain.lr=0.001",
                "main.encoder.lr=0.001",
                "main.audio.lr=0.001",
                "main.vision.lr=0.001",
            ],
        ],
    );
}
