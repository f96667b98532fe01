//! Files that the program reads back: unknown content is reported, with how much was used.

use std::path::Path;

use serde_json::Value;

#[cfg(feature = "train")]
use crate::support::files;
use crate::support::{almt, synthetic_store};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn write(path: &Path, value: &Value) {
    std::fs::write(path, serde_json::to_string(value).unwrap()).unwrap();
}

#[test]
fn split_manifests_are_used_whole_or_what_is_left_over_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "12");
    almt(folder, &["split", "mosi.h5", "--ratio", "0.6,0.2,0.2", "-o", "cv.json"]).ok();
    let whole = json(&folder.join("cv.json"));
    let split = |name: &str| {
        let args = ["split", "mosi.h5", "--from-manifest", name, "-o", "new.json", "--overwrite"];
        almt(folder, &args)
    };
    let next = "next: `almt-data train --store mosi.h5 --manifest new.json`\n";
    assert_eq!(split("cv.json").ok().stderr(), next);
    let mut changed = whole.clone();
    changed["folds"][0]["train"].as_array_mut().unwrap().push("elsewhere$_$1".into());
    write(&folder.join("more.json"), &changed);
    let said = split("more.json").ok().stderr();
    let note = "note: more.json: segments that are not in the store: 1\n";
    assert_eq!(said, [note, next].concat());
    let mut changed = whole.clone();
    let id = changed["folds"][0]["train"][0].clone();
    changed["folds"][0]["test"].as_array_mut().unwrap().push(id);
    write(&folder.join("twice.json"), &changed);
    split("twice.json").fails_with(&["appears more than once in fold 0"]);
    for (key, value, said) in [
        ("fold", Value::from(1), "unknown field `fold`, expected one of"),
        ("version", Value::from(9), "version 9 is not supported"),
        ("folds", Value::from(Vec::<Value>::new()), "the split manifest has no folds"),
    ] {
        let mut changed = whole.clone();
        changed[key] = value;
        write(&folder.join("changed.json"), &changed);
        split("changed.json").fails_with(&["changed.json", said]);
    }
    split("mosi.h5").fails_with(&["mosi.h5: is not a split manifest (a JSON file)"]);
    std::fs::write(folder.join("t.csv"), "id,split\na_1,train\n").unwrap();
    split("t.csv").fails_with(&["t.csv: is not a split manifest"]);
}

/// A store whose manifest has a key of another version, sealed as that would.
#[test]
fn a_store_of_another_version_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "4");
    almt(folder, &["copy", "mosi.h5", "mosi.arrow"]).ok();
    let path = folder.join("mosi.arrow/manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let (content, _) = text.split_at(text.rfind(",\n\"blake3\": ").unwrap());
    let content = content.replace("\"alignment\":", "\"colour\":\"red\",\"alignment\":");
    let seal = blake3::hash(content.as_bytes()).to_hex();
    std::fs::write(&path, format!("{content},\n\"blake3\": \"{seal}\"}}\n")).unwrap();
    almt(folder, &["stats", "mosi.arrow"]).fails_with(&[
        "mosi.arrow",
        "unknown field `colour`",
        "another version of the program",
    ]);
}

#[cfg(feature = "train")]
#[test]
fn runs_are_read_whole_or_what_is_not_known_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    almt(folder, &["train", "--store", "mosi.h5", "--epochs", "1", "--out", "run"]).ok();
    let report = || almt(folder, &["report", "run", "--overwrite"]);
    std::fs::create_dir(folder.join("same")).unwrap();
    for name in files(&folder.join("run")) {
        std::fs::copy(folder.join("run").join(&name), folder.join("same").join(&name)).unwrap();
    }
    let compare = || almt(folder, &["compare", "run", "same", "--resamples", "100"]);
    assert_eq!(report().ok().stderr(), "");
    assert_eq!(compare().ok().stderr(), "");
    let path = folder.join("run/result.json");
    let whole = std::fs::read(&path).unwrap();
    let mut changed = json(&path);
    changed["selected"]["epocs"] = 1.into();
    write(&path, &changed);
    let said = report().ok().stderr();
    let expected = "result.json: key `epocs` is not known and not used: is `epoch` meant?";
    assert!(said.starts_with("warning: ") && said.contains(expected), "{said}");
    std::fs::write(&path, whole).unwrap();
    let path = folder.join("run/predictions.csv");
    let rows = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = rows.lines().collect();
    std::fs::write(&path, lines[..lines.len() - 1].join("\n")).unwrap();
    report().fails_with(&["predictions.csv", "expected 4 predictions on test", "found 3"]);
    let last = lines.last().unwrap();
    std::fs::write(&path, [&lines[..], &[last]].concat().join("\n")).unwrap();
    compare().fails_with(&["predictions.csv", "appears twice"]);
    let wider: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(idx, line)| format!("{line},{}", if idx == 0 { "weight" } else { "1" }))
        .collect();
    std::fs::write(&path, wider.join("\n")).unwrap();
    let said = compare().ok().stderr();
    assert!(said.contains("column `weight` is unknown and ignored"), "{said}");
    let config = folder.join("run/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("epoch = 3\n{text}")).unwrap();
    compare().fails_with(&["config.toml", "unknown field `epoch`"]);
    let args = ["train", "--store", "mosi.h5", "--set", "fusion=gru", "--set", "fusion=tensor"];
    let call = almt(folder, &args);
    assert_eq!(call.code(), 2, "{}", call.explain());
    assert!(call.stderr().contains("`--set fusion` is given twice"), "{}", call.explain());
    let call = almt(folder, &["train", "--store", "mosi.h5", "--set", "fussion=gru"]);
    assert_eq!(call.code(), 2, "{}", call.explain());
    assert!(call.stderr().contains("is `fusion` meant?"), "{}", call.explain());
}

#[cfg(feature = "train")]
#[test]
fn a_fold_that_leaves_segments_out_says_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "12");
    almt(folder, &["split", "mosi.h5", "--ratio", "0.6,0.2,0.2", "-o", "cv.json"]).ok();
    let mut changed = json(&folder.join("cv.json"));
    changed["folds"][0]["train"].as_array_mut().unwrap().truncate(3);
    write(&folder.join("cv.json"), &changed);
    let args = ["train", "--store", "mosi.h5", "--manifest", "cv.json", "--epochs", "1"];
    let said = almt(folder, &args).ok().stderr();
    assert!(
        said.contains("note: cv.json: segments of the store in no split of fold 0: "),
        "{said}"
    );
}
