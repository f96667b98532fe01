//! Counts of label classes, as text and for programs.

use std::path::Path;

use almt_data::corpus::balance::Balance;
use serde_json::Value;

use crate::rules::check_schema;
use crate::support::{almt, files, python, real_data, synthetic_store};

#[test]
fn a_byte_order_mark_is_no_part_of_a_column_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bom.csv"), "\u{feff}id,label\nx_1,1\n").unwrap();
    almt(folder.path(), &["convert", "bom.csv"])
        .fails_with(&["bom.csv: not a pickle"])
        .hints_at("its columns: id, label; ");
}

/// Counts the labels of a store in every form, and compares them with what NumPy counts.
fn check_counts(folder: &Path, store: &str) -> Value {
    let printed = almt(folder, &["labels", store, "--json"]).ok().stdout();
    let names = ["counts.csv", "counts.json", "counts.parquet"];
    for name in
        names.into_iter().filter(|name| cfg!(feature = "parquet") || !name.ends_with("parquet"))
    {
        almt(folder, &["labels", store, "-o", name, "--overwrite"]).ok();
        almt(folder, &["labels", store, "-o", name]).fails_with(&[name, "already exists"]);
        let args = [Path::new("labels"), &folder.join(store), &folder.join(name)];
        if let Some(n_rows) = python("exports.py", &args) {
            assert_ne!(n_rows.trim(), "[0]");
        }
    }
    let written = std::fs::read_to_string(folder.join("counts.json")).unwrap();
    assert_eq!(written, printed);
    let balance: Value = serde_json::from_str(&printed).unwrap();
    check_schema(&serde_json::to_value(Balance::schema()).unwrap(), &balance);
    balance
}

#[test]
fn counts_are_those_of_numpy() {
    for (dataset, n_rows) in [("mosi", 3 * (2 + 3 + 3 + 5 + 7)), ("sims", 3 * (2 + 3 + 5))] {
        let folder = tempfile::tempdir().unwrap();
        synthetic_store(folder.path(), dataset, "60");
        let balance = check_counts(folder.path(), &format!("{dataset}.h5"));
        assert_eq!(balance["classes"].as_array().unwrap().len(), n_rows, "{dataset}");
        let text = almt(folder.path(), &["labels", &format!("{dataset}.h5")]).ok().stdout();
        assert!(text.contains("train 60") && text.contains("acc_5"), "{text}");
        // What is no terminal gets lines of 80 columns.
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}

#[test]
fn the_real_file_has_the_counts_of_its_labels() {
    let Some(source) = real_data("mosi_text_minilm.pkl") else { return };
    let folder = tempfile::tempdir().unwrap();
    almt(folder.path(), &["convert", source.to_str().unwrap(), "-o", "text.h5"]).ok();
    let balance = check_counts(folder.path(), "text.h5");
    let n_train: u64 = balance["classes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|class| class["split"] == "train" && class["bins"] == "acc_2_non0")
        .filter_map(|class| class["count"].as_u64())
        .sum();
    assert_eq!(n_train, 1281);
}

#[test]
fn wrong_endings_and_changed_bins_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    let call = almt(folder.path(), &["labels", "mosi.h5", "-o", "counts.xlsx"]);
    assert_eq!(call.code(), 2, "{}", call.explain());
    let file = hdf5::File::open(&store).unwrap();
    let offset = file.dataset("valid/bins/acc_3").unwrap().offset().unwrap() as usize;
    drop(file);
    let mut bytes = std::fs::read(&store).unwrap();
    bytes[offset] = 9;
    std::fs::write(&store, bytes).unwrap();
    almt(folder.path(), &["labels", "mosi.h5", "-o", "counts.csv"])
        .fails_with(&["/valid/bins/acc_3", "BLAKE3"]);
    assert_eq!(files(folder.path()), ["mosi.h5", "mosi.pkl"]);
}
