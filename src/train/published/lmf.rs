//! LMF.

use super::tfn::{PARTS, subnets};
use super::{
    Published, check_count, check_dropout, check_formula, check_mistakes, check_presets, check_run,
    check_tiny,
};
use crate::corpus::Dataset;

static LMF: Published = Published {
    model: "lmf",
    config: |sizes, _| {
        let mut config = subnets(sizes);
        config["rank"] = sizes["rank"].clone();
        config
    },
    recipe: |sizes| {
        let decay = &sizes["weight_decay"];
        vec![
            format!("main.factors.lr={}", sizes["factor_lr"]),
            format!("main.factors.weight_decay={decay}"),
            format!("main.rest.lr={}", sizes["learning_rate"]),
            format!("main.rest.weight_decay={decay}"),
        ]
    },
    parts: PARTS,
    ..Published::PLAIN
};

#[test]
fn every_output_loss_and_gradient_agrees() {
    check_tiny(&LMF, "tiny");
}

#[test]
fn published_configurations_agree() {
    check_formula(&LMF, "mosi");
    check_formula(&LMF, "sims");
}

#[test]
fn a_run_follows_that_of_the_published_trainer() {
    check_run(&LMF, "train", &[]);
}

/// The authors' own trainer trains all parameters, in these groups.
#[test]
fn a_run_follows_that_of_the_authors_trainer() {
    check_run(
        &LMF,
        "train_authors",
        &[
            "untrained=[]",
            "main.factors.prefixes=[\"audio_factor\", \"video_factor\", \"text_factor\"]",
        ],
    );
}

#[test]
fn presets_are_the_published_configurations() {
    check_presets(&LMF);
}

#[test]
fn parameters_are_as_many_as_published() {
    check_count(&LMF, Dataset::Mosi, 505_071);
    check_count(&LMF, Dataset::Mosei, 508_475);
    check_count(&LMF, Dataset::Sims, 272_381);
}

#[test]
fn dropout_is_where_the_published_code_has_it() {
    check_dropout(&LMF);
}

#[test]
fn mistakes_in_a_recipe_are_found() {
    check_mistakes(
        &LMF,
        &[
            &["untrained=[]"],
            &["main.factors.lr=0.01"],
            &["main.factors.weight_decay=0", "main.rest.weight_decay=0"],
            &["main.optimizer=adamw"],
            &["main.optimizer.eps=1e-7"],
        ],
    );
}
