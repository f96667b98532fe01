//! The paper's experiments as a user runs them.

use std::path::Path;
use std::time::SystemTime;

use crate::support::{almt, files, real_data, synthetic_store};

fn text(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

const ARGS: [&str; 9] =
    ["--store", "mosi.h5", "--out", "out", "--epochs", "2", "--seeds", "1,2", "--threads=1"];

fn reproduce(folder: &Path, what: &str, more: &[&str]) -> String {
    let args = [&["reproduce", what], &ARGS[..], more].concat();
    almt(folder, &args).ok().stdout()
}

fn rows(csv: &str) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(csv.as_bytes()).records().map(Result::unwrap).collect()
}

#[test]
fn a_table_has_every_model_beside_the_papers_figures_and_is_completed_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let shown = reproduce(folder, "table3", &[]);
    let page = text(folder, "out/table3.md");
    assert!(shown.contains(&page), "{shown}");
    assert!(page.contains("| w/o Audio & AHL | "), "{page}");
    // Table 3 of the paper: 48.69 and 0.705 without audio.
    let row = page.lines().find(|line| line.starts_with("| w/o Audio |")).unwrap();
    assert!(
        row.contains(" ± ") && row.contains("| 0.4869 |") && row.ends_with("| 0.7050 |"),
        "{row}"
    );
    let csv = text(folder, "out/table3.csv");
    // Six models, nine metrics.
    assert_eq!(rows(&csv).len(), 6 * 9);
    assert!(rows(&csv).iter().all(|row| &row[3] == "2"), "{csv}");
    let models = [
        "almt",
        "without-audio",
        "without-audio-hyper_modality-concatenated",
        "without-audio-without-vision",
        "without-vision",
        "without-vision-hyper_modality-concatenated",
    ];
    assert_eq!(files(&folder.join("out/runs")), models);

    // Complete runs are kept, an absent one is made again to the same bytes, and the published model
    // is shared with other tables.
    let changed = |run: &str| -> SystemTime {
        let path = folder.join("out/runs").join(run).join("result.json");
        path.metadata().unwrap().modified().unwrap()
    };
    let (kept, lost) = ("almt/seed-1", "without-audio/seed-2");
    let before = changed(kept);
    let weights =
        |run: &str| std::fs::read(folder.join(format!("out/runs/{run}/best.safetensors")));
    let lost_weights = weights(lost).unwrap();
    std::fs::remove_dir_all(folder.join("out/runs").join(lost)).unwrap();
    reproduce(folder, "table3", &[]);
    assert_eq!(changed(kept), before);
    assert!(weights(lost).unwrap() == lost_weights);
    assert_eq!(text(folder, "out/table3.csv"), csv);
    assert_eq!(text(folder, "out/table3.md"), page);
    reproduce(folder, "table1", &[]);
    assert_eq!(changed(kept), before);
    assert!(text(folder, "out/table1.md").contains("| Corr | "));

    // Other settings do not mix with what is there.
    let args = [&["reproduce", "table3"], &ARGS[..], &["--cache", "disk"]].concat();
    almt(folder, &args).ok();
    let other = ["reproduce", "table3", "--store", "mosi.h5", "--out", "out", "--epochs", "3"];
    almt(folder, &other).fails_with(&["almt/seed-1", "other settings"]);
}

#[test]
fn every_model_of_every_experiment_trains() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "sims", "6");
    let args = ["reproduce", "all", "--store", "sims.h5", "--epochs", "1", "--seeds", "1"];
    almt(folder, &args).ok();
    let out = folder.join("reproduced/sims");
    let tables = [2, 3, 4, 5, 6, 7].map(|n| format!("table{n}"));
    let trained = tables.into_iter().chain([8, 9, 10].map(|n| format!("fig{n}")));
    let mut expected: Vec<String> = trained
        .flat_map(|name| ["csv", "md", "parquet"].map(|ending| format!("{name}.{ending}")))
        .chain(
            ["table8", "robustness"]
                .into_iter()
                .flat_map(|name| ["csv", "md"].map(|ending| format!("{name}.{ending}"))),
        )
        .collect();
    expected.push("runs".into());
    expected.sort();
    assert_eq!(files(&out), expected);
    // Every model once: the published one, 5 with fewer modalities, 3 of Table 4, 1 of Table 5, 6 of
    // Table 6, 4 of Table 7, and 5, 4 and 5 of other sizes.
    let trained = files(&out.join("runs"));
    assert_eq!(trained.len(), 34, "{trained:?}");
    let sizes = rows(&text(&out, "table8.csv"));
    let models: std::collections::BTreeSet<&str> = sizes.iter().map(|row| &row[0]).collect();
    assert_eq!(models.len(), 34);
    let wrong = ["reproduce", "table1", "--store", "sims.h5"];
    almt(folder, &wrong).fails_with(&["sims.h5", "Table 1", "is not about CH-SIMS"]);
}

#[test]
fn a_dry_run_says_what_there_is_to_do_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let shown = reproduce(folder, "table4", &["--dry-run"]);
    assert!(shown.contains("w/o Fusion Transformer"), "{shown}");
    assert!(shown.contains("2 of 2 runs to do, about "), "{shown}");
    assert!(shown.lines().last().unwrap().starts_with("8 runs, about "), "{shown}");
    let shown = reproduce(folder, "robustness", &["--dry-run"]);
    assert!(shown.lines().last().unwrap().starts_with("2 runs, about "), "{shown}");
    let shown = reproduce(folder, "table8", &["--dry-run"]);
    assert!(shown.contains("trains nothing") && shown.contains("0 runs, about 0 s"), "{shown}");
    assert!(!folder.join("out").exists());
}

#[test]
fn models_that_a_store_cannot_have_are_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(pickle) = real_data("mosi_text_minilm.pkl") else { return };
    let pickle = pickle.canonicalize().unwrap();
    almt(folder, &["convert", &pickle.to_string_lossy(), "-o", "text.h5"]).ok();
    let args = ["reproduce", "all", "--store", "text.h5", "--epochs", "1", "--dry-run"];
    let shown = almt(folder, &args).ok().stdout();
    let line = |name: &str| {
        let found = shown.lines().find(|line| line.trim_start().starts_with(name));
        found.unwrap_or_else(|| panic!("no {name}\n{shown}")).to_owned()
    };
    assert!(line("w/o Audio ").ends_with("left out: the store has no audio"), "{shown}");
    assert!(
        line("GRU")
            .ends_with("left out: without audio and vision there is nothing to fuse language with"),
        "{shown}"
    );
    assert!(line("ALMT").contains("3 of 3 runs to do"), "{shown}");
}

#[test]
fn worse_inputs_are_evaluated_alike_by_both_commands() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    let page = reproduce(folder, "robustness", &[]);
    // The inputs as they are, and three modalities with three kinds of four amounts.
    assert_eq!(page.lines().filter(|line| line.starts_with("| ")).count(), 2 + 36, "{page}");
    assert!(page.contains("| as they are | ") && page.contains("| +0.0000 |"), "{page}");
    let lines = rows(&text(folder, "out/robustness.csv"));
    let recorded = |modality: &str, kind: &str, amount: &str| -> f64 {
        let found = lines.iter().find(|row| {
            [&row[0], &row[1], &row[2], &row[3], &row[4]] == [modality, kind, amount, "2", "MAE"]
        });
        found.unwrap()[5].parse().unwrap()
    };
    let eval = |cache: &str, corrupt: &[&str]| -> serde_json::Value {
        let args =
            ["eval", "--store", "mosi.h5", "--checkpoint", "out/runs/almt/seed-2/best.safetensors"];
        let args = [&args[..], &["--json", "--cache", cache], corrupt].concat();
        serde_json::from_str(&almt(folder, &args).ok().stdout()).unwrap()
    };
    let clean = eval("memory", &[])["metrics"]["MAE"].as_f64().unwrap();
    assert!((recorded("", "", "0.0") - clean).abs() < 1e-6);
    for cache in ["memory", "disk"] {
        let worse = eval(cache, &["--corrupt", "vision:drop=0.5"]);
        let mae = worse["metrics"]["MAE"].as_f64().unwrap();
        assert!((recorded("vision", "drop", "0.5") - mae).abs() < 1e-6);
        assert!(mae != clean);
        assert_eq!(worse["corruptions"][0], "vision:drop=0.5");
        assert_eq!(worse["corrupt_seed"], 1);
    }
    let other = eval("memory", &["--corrupt", "vision:drop=0.5", "--corrupt-seed", "2"]);
    assert!(
        other["metrics"]["MAE"]
            != eval("memory", &["--corrupt", "vision:drop=0.5"])["metrics"]["MAE"]
    );
    let wrong = ["eval", "--store", "mosi.h5", "--checkpoint", "x", "--corrupt", "audio:fog=1"];
    let call = almt(folder, &wrong);
    assert_eq!(call.code(), 2, "{}", call.explain());
}
