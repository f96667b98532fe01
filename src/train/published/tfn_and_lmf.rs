//! TFN and LMF.

use serde_json::{Value, json};

use super::{
    Published, check_count, check_dropout, check_formula, check_mistakes, check_run, check_tiny,
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

const PARTS: &[(&str, &str)] = &[
    ("audio", "output/Feature_a"),
    ("vision", "output/Feature_v"),
    ("text", "output/Feature_t"),
    ("fusion", "output/Feature_f"),
];

/// Lists are in the order text, audio, vision; dropouts in the order audio, vision.
fn subnets(sizes: &Value) -> Value {
    json!({
        "text_hidden": sizes["hidden_dims"][0],
        "audio_hidden": sizes["hidden_dims"][1],
        "vision_hidden": sizes["hidden_dims"][2],
        "audio_dropout": sizes["dropouts"][0],
        "vision_dropout": sizes["dropouts"][1],
    })
}

#[test]
fn tiny_models_agree_in_every_output_loss_and_gradient() {
    check_tiny(&TFN, "tiny");
    check_tiny(&LMF, "tiny");
}

#[test]
fn published_configurations_agree() {
    for of in [&TFN, &LMF] {
        check_formula(of, "mosi");
        check_formula(of, "sims");
    }
}

#[test]
fn runs_follow_those_of_the_published_trainer() {
    check_run(&TFN, "train", &[]);
    check_run(&LMF, "train", &[]);
    // The authors' own trainer trains all parameters, in these groups.
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
fn parameters_are_as_many_as_published() {
    // MMSA counts TFN's two constants as well.
    check_count(&TFN, Dataset::Mosi, 9_497_045 - 2);
    check_count(&TFN, Dataset::Mosei, 5_042_541 - 2);
    check_count(&TFN, Dataset::Sims, 35_632_079 - 2);
    check_count(&LMF, Dataset::Mosi, 505_071);
    check_count(&LMF, Dataset::Mosei, 508_475);
    check_count(&LMF, Dataset::Sims, 272_381);
}

#[test]
fn dropout_is_where_the_published_code_has_it() {
    check_dropout(&TFN);
    check_dropout(&LMF);
}

#[test]
fn mistakes_in_a_recipe_are_found() {
    check_mistakes(&TFN, &[&["main.optimizer.eps=1e-7"]]);
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
