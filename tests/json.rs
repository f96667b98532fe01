//! Every JSON document that the program writes, checked against its schema by an independent validator.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{almt, python, synthetic_store};

/// Pairs of schema and document, as files for the validator.
struct Documents<'a> {
    folder: &'a Path,
    pairs: Vec<PathBuf>,
}

impl Documents<'_> {
    /// Adds a document, and its schema as `almt-data schema NAME` prints it.
    fn add(&mut self, schema: &str, document: &str) {
        let printed = almt(self.folder, &["schema", schema]).ok().stdout();
        for (kind, text) in [("schema", printed.as_str()), ("document", document)] {
            let path = self.folder.join(format!("{}-{kind}.json", self.pairs.len()));
            std::fs::write(&path, text).unwrap();
            self.pairs.push(path);
        }
    }
}

#[test]
fn every_document_follows_the_schema_that_is_printed_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut documents = Documents { folder: path, pairs: Vec::new() };
    for dataset in ["mosi", "sims"] {
        synthetic_store(path, dataset, "12");
        let store = format!("{dataset}.h5");
        let stdout = |args: &[&str]| almt(path, args).ok().stdout();
        documents.add("stats", &stdout(&["stats", &store, "--json"]));
        documents.add("labels", &stdout(&["labels", &store, "--json"]));
        documents.add("validation", &stdout(&["validate", &store, "--json"]));
        let methods = [&["--k-fold", "3"][..], &["--ratio", "0.5,0.25,0.25", "--by", "segment"]];
        for (idx, method) in methods.into_iter().enumerate() {
            let name = format!("{dataset}-{idx}.json");
            stdout(&[&["split", &store, "-o", &name], method].concat());
            documents.add("manifest", &std::fs::read_to_string(path.join(&name)).unwrap());
            let other = format!("{dataset}-{idx}-again.json");
            stdout(&["split", &store, "-o", &other, "--from-manifest", &name]);
            documents.add("manifest", &std::fs::read_to_string(path.join(&other)).unwrap());
        }
        let file = hdf5::File::open(path.join(&store)).unwrap();
        let manifest: hdf5::types::VarLenUnicode =
            file.attr("manifest").unwrap().read_scalar().unwrap();
        documents.add("store", manifest.as_str());
        if dataset == "mosi" {
            // With values that are replaced, which most stores have nothing to say of.
            crate::hints::replace(path, "audio", &f64::NAN.to_le_bytes());
            let options = ["--on-nonfinite", "mean", "-o", "mean.h5"];
            stdout(&[&["convert", "mosi.pkl"], &options[..]].concat());
            let mean = almt_data::store::Store::open(&path.join("mean.h5")).unwrap();
            let manifest = serde_json::to_string(mean.manifest()).unwrap();
            assert!(manifest.contains("\"means\":[{\"modality\":\"audio\""), "{manifest}");
            documents.add("store", &manifest);
        }
        let arrow = format!("{dataset}.arrow");
        stdout(&["copy", &store, &arrow]);
        let text = std::fs::read_to_string(path.join(&arrow).join("manifest.json")).unwrap();
        let whole: Value = serde_json::from_str(&text).unwrap();
        documents.add("store", &whole["manifest"].to_string());
    }
    if cfg!(feature = "train") {
        for seed in ["1", "2"] {
            let run = ["train", "--store", "mosi.h5", "--epochs", "2", "--seed", seed];
            almt(path, &[&run[..], &["--out", seed]].concat()).ok();
        }
        let text = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
        documents.add("result", &text("1/result.json"));
        documents.add("attention", &text("1/attention.json"));
        text("1/metrics.jsonl").lines().for_each(|line| documents.add("epoch", line));
        let eval = ["eval", "--store", "mosi.h5", "--checkpoint", "1/best.safetensors", "--json"];
        documents.add("evaluation", &almt(path, &eval).ok().stdout());
        documents.add("models", &almt(path, &["models", "--json"]).ok().stdout());
        let sized = ["models", "--store", "mosi.h5", "--json"];
        documents.add("models", &almt(path, &sized).ok().stdout());
        let compare = ["compare", "1", "2", "--resamples", "100", "--json"];
        documents.add("comparison", &almt(path, &compare).ok().stdout());
    }
    // Refused, unreadable, strict: what is not well has more fields.
    std::fs::write(path.join("bad.h5"), "no store").unwrap();
    let verdict = almt(path, &["validate", "--json", "--strict"]);
    assert_eq!(verdict.code(), 1, "{}", verdict.explain());
    documents.add("validation", &verdict.stdout());
    std::fs::write(path.join("bad.pkl"), b"cos\nsystem\n(S'echo'\ntR.").unwrap();
    std::fs::write(path.join("cut.pkl"), b"\x80\x04]\x94(K\x01K").unwrap();
    let scanned = almt(path, &["scan", "--json", "mosi.pkl", "bad.pkl", "cut.pkl"]);
    assert_eq!(scanned.code(), 1, "{}", scanned.explain());
    let lines = scanned.stdout();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    lines.lines().for_each(|line| documents.add("scan", line));
    let files: Vec<&Path> = documents.pairs.iter().map(PathBuf::as_path).collect();
    if let Some(n_documents) = python("schemas.py", &files) {
        assert_eq!(n_documents.trim(), (files.len() / 2).to_string());
    }
}
