//! MAG-BERT.

use serde_json::json;

use super::Layout::{Same, WithoutLast};
use super::{
    Published, check_count, check_dropout, check_mistakes, check_presets, check_run, check_tiny,
    dropout,
};
use crate::corpus::Dataset;

static MAG_BERT: Published = Published {
    model: "mag_bert",
    config: |sizes, recorded| {
        json!({
            "beta_shift": sizes["beta_shift"],
            "dropout": sizes["dropout_prob"],
            "classifier_dropout": dropout(recorded, 0.1),
        })
    },
    recipe: |sizes| {
        vec![
            format!("main.encoder.lr={}", sizes["learning_rate"]),
            format!("main.rest.lr={}", sizes["learning_rate"]),
        ]
    },
    encoder: Some("model.bert"),
    traced: &[
        ("embeddings", "mid/model.bert.embeddings", Same),
        ("vision/gate", "mid/model.bert.MAG.W_hv", Same),
        ("vision/map", "mid/model.bert.MAG.W_v", Same),
        ("audio/gate", "mid/model.bert.MAG.W_ha", Same),
        ("audio/map", "mid/model.bert.MAG.W_a", Same),
        ("shift", "mid/mag_h_m", Same),
        ("share", "mid/mag_threshold", WithoutLast),
        ("alpha", "mid/mag_alpha", WithoutLast),
        ("shifted", "mid/model.bert.MAG", Same),
        ("layer_0", "mid/model.bert.encoder.layer.0.0", Same),
        ("layer_1", "mid/model.bert.encoder.layer.1.0", Same),
        ("pooled", "mid/model.bert.pooler", Same),
    ],
    // The prediction itself.
    unread: &["mid/model.classifier"],
    ..Published::PLAIN
};

#[test]
fn every_output_loss_and_gradient_agrees() {
    check_tiny(&MAG_BERT, "tiny");
}

#[test]
fn a_run_follows_that_of_the_published_trainer() {
    check_run(&MAG_BERT, "train", &[]);
}

#[test]
fn presets_are_the_published_configurations() {
    check_presets(&MAG_BERT);
}

#[test]
fn parameters_are_as_many_as_published() {
    check_count(&MAG_BERT, Dataset::Mosi, 1_223_425);
    check_count(&MAG_BERT, Dataset::Mosei, 1_352_449);
    check_count(&MAG_BERT, Dataset::Sims, 2_324_737);
}

#[test]
fn dropout_is_where_the_published_code_has_it() {
    check_dropout(&MAG_BERT);
}

#[test]
fn mistakes_in_a_recipe_are_found() {
    check_mistakes(
        &MAG_BERT,
        &[
            &[
                "main.optimizer=adamw",
                "main.encoder.weight_decay=0.01",
                "main.rest.weight_decay=0.01",
            ],
            &["main.optimizer.eps=1e-6"],
        ],
    );
}
