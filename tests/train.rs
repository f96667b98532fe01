//! The trainer as a user calls it.

use std::path::Path;

use crate::support::{almt, files, synthetic_store};

fn train(folder: &Path, out: &str, more: &[&str]) -> String {
    let mut args =
        vec!["train", "--store", "mosi.h5", "--epochs", "3", "--lr", "1e-3", "--out", out];
    args.extend(more);
    almt(folder, &args).ok().stdout()
}

fn bytes(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join(file)).unwrap()
}

#[test]
fn a_run_fills_its_folder_repeats_to_the_byte_and_evaluates_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    train(folder, "one", &["--seed", "3"]);
    train(folder, "two", &["--seed", "3"]);
    train(folder, "other", &["--seed", "4"]);
    let expected = ["best.safetensors", "config.toml", "metrics.jsonl", "result.json"];
    assert_eq!(files(&folder.join("one")), expected);
    let weights = |run: &str| bytes(folder, &format!("{run}/best.safetensors"));
    assert!(weights("one") == weights("two"), "the same seed gave other weights");
    assert!(weights("one") != weights("other"), "another seed gave the same weights");

    let result: serde_json::Value =
        serde_json::from_slice(&bytes(folder, "one/result.json")).unwrap();
    assert_eq!(result["n_samples"]["test"], 12);
    let lines = String::from_utf8(bytes(folder, "one/metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3);
    let config: toml::Table =
        String::from_utf8(bytes(folder, "one/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["seed"].as_integer(), Some(3));
    assert_eq!(config["training"]["epochs"].as_integer(), Some(3));

    let eval = almt(
        folder,
        &["eval", "--store", "mosi.h5", "--checkpoint", "one/best.safetensors", "--json"],
    );
    let eval: serde_json::Value = serde_json::from_str(&eval.ok().stdout()).unwrap();
    assert_eq!(eval["metrics"], result["selected"]["test"], "eval and training disagree");
    assert_eq!(eval["n_samples"], 12);

    let args = ["train", "--store", "mosi.h5", "--epochs", "1", "--out", "one"];
    almt(folder, &args).fails_with(&["one", "exists already"]);
    assert_eq!(weights("one"), weights("two"));
}

#[test]
fn every_set_of_modalities_with_text_trains_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    for (i, modalities) in
        ["text", "text,audio", "text,vision", "text,audio,vision"].iter().enumerate()
    {
        let out = format!("run{i}");
        train(folder, &out, &["--modalities", modalities]);
        let config = String::from_utf8(bytes(folder, &format!("{out}/config.toml"))).unwrap();
        let n_modalities = modalities.split(',').count();
        let config: toml::Table = config.parse().unwrap();
        assert_eq!(config["modalities"].as_array().unwrap().len(), n_modalities);
    }
    let args = ["train", "--store", "mosi.h5", "--modalities", "audio,vision", "--out", "no"];
    almt(folder, &args).fails_with(&["mosi.h5", "text modality is absent"]);
    assert!(!folder.join("no").exists());
}

#[test]
fn both_residuals_train_to_different_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    train(folder, "released", &["--residual", "released"]);
    train(folder, "paper", &["--residual", "paper"]);
    let weights = |run: &str| bytes(folder, &format!("{run}/best.safetensors"));
    assert!(weights("released") != weights("paper"));
}

#[test]
fn the_synthetic_signal_is_learned() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "96");
    let args = ["train", "--store", "mosi.h5", "--epochs", "12", "--lr", "1e-3", "--out", "run"];
    almt(folder, &args).ok();
    let result: serde_json::Value =
        serde_json::from_slice(&bytes(folder, "run/result.json")).unwrap();
    let corr = result["selected"]["test"]["Corr"].as_f64().unwrap();
    assert!(corr > 0.5, "test correlation {corr}");
}
