//! MAG-BERT.

use serde_json::json;

use super::{Published, check_count, check_dropout, check_mistakes, check_run, check_tiny};
use crate::corpus::Dataset;

static MAG_BERT: Published = Published {
    model: "mag_bert",
    config: |sizes, _| {
        json!({
            "beta_shift": sizes["beta_shift"],
            "dropout": sizes["dropout_prob"],
            "classifier_dropout": 0.0,
        })
    },
    recipe: |sizes| {
        vec![
            format!("main.encoder.lr={}", sizes["learning_rate"]),
            format!("main.rest.lr={}", sizes["learning_rate"]),
        ]
    },
    encoder: Some("model.bert"),
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
