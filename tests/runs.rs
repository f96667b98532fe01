//! Contents of run folders: the page about them, and runs written by an earlier version.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use almt_data::corpus::label::LabelScale;
use almt_data::run::attention::AttentionRecord;
use almt_data::run::metrics::{self, Better};
use almt_data::run::record::{EpochRecord, RunResult};
use almt_data::run::settings::TrainSettings;
use almt_data::run::{Run, folder, predictions};
use serde_json::Value;

use crate::support::almt;

const PAGE: &str = include_str!("../docs/run-folder.md");

/// The lines of the page from a heading to the next one.
fn section(heading: &str) -> impl Iterator<Item = &'static str> {
    let after = PAGE.lines().skip_while(move |line| *line != format!("## {heading}")).skip(1);
    after.take_while(|line| !line.starts_with("## "))
}

/// The cells of the tables in a section.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let rows = section(heading).filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What the first column of a section names.
fn named(heading: &str) -> BTreeSet<String> {
    let names = rows(heading).into_iter().map(|row| row[0].trim_matches('`').to_owned());
    let names: Vec<String> = names.collect();
    let found: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(found.len(), names.len(), "{heading}: a field is there twice");
    found
}

/// The fields that a schema names: `[]` stands for each item of a list, `*` for each key of a map.
fn fields(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        return fields(root, root.pointer(&target[1..]).unwrap(), path, found);
    }
    for alternatives in ["anyOf", "oneOf"].iter().filter_map(|key| schema[*key].as_array()) {
        alternatives.iter().for_each(|schema| fields(root, schema, path, found));
    }
    if schema["items"].is_object() {
        fields(root, &schema["items"], &format!("{path}[]"), found);
    }
    let within = |key: &str| if path.is_empty() { key.into() } else { format!("{path}.{key}") };
    if schema["additionalProperties"].is_object() {
        fields(root, &schema["additionalProperties"], &within("*"), found);
    }
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(within(key));
        fields(root, schema, &within(key), found);
    }
}

#[test]
fn the_page_of_the_run_folder_names_every_field_and_no_other() {
    for (file, schema) in [
        (folder::CONFIG, TrainSettings::schema()),
        (folder::METRICS, EpochRecord::schema()),
        (folder::RESULT, RunResult::schema()),
        (folder::ATTENTION, AttentionRecord::schema()),
    ] {
        let schema = schema.to_value();
        let mut expected = BTreeSet::new();
        fields(&schema, &schema, "", &mut expected);
        assert_eq!(named(&format!("`{file}`")), expected, "{file}");
    }
    let columns =
        [LabelScale::Cmu, LabelScale::Sims].map(|scale| predictions::columns(scale, true));
    let columns: BTreeSet<String> = columns.into_iter().flatten().collect();
    assert_eq!(named(&format!("`{}`", folder::PREDICTIONS)), columns);
}

#[test]
fn the_page_of_the_run_folder_names_every_file_in_the_order_of_writing() {
    let files: Vec<&str> = rows("Files").iter().map(|row| row[0].trim_matches('`')).collect();
    let events = almt_data::run::events::EVENTS;
    let expected = [
        folder::CONFIG,
        folder::METRICS,
        events,
        folder::BEST,
        folder::STATE,
        folder::PREDICTIONS,
        folder::ATTENTION,
        folder::RESULT,
    ];
    assert_eq!(files, expected);
}

#[test]
fn the_page_of_the_run_folder_names_every_metric() {
    let found: Vec<[&str; 5]> = rows("Metrics")
        .into_iter()
        .map(|row| <[&str; 5]>::try_from(row).expect("five columns"))
        .collect();
    let [of_cmu, of_sims] = [LabelScale::Cmu, LabelScale::Sims].map(metrics::of);
    let known = of_cmu.iter().chain(&of_sims);
    assert_eq!(found.iter().map(|row| row[0]).collect::<BTreeSet<_>>().len(), found.len());
    for metric in known.clone() {
        let id = format!("`{}`", metric.id);
        let row = found.iter().find(|row| row[0] == id);
        let [_, title, better, cmu, sims] = row.unwrap_or_else(|| panic!("{id} is not there"));
        assert_eq!(*title, format!("{} {}", metric.title, metric.variant).trim(), "{id}");
        assert_eq!(
            *better,
            if metric.better == Better::Lower { "lower" } else { "higher" },
            "{id}"
        );
        assert_eq!(!cmu.is_empty(), of_cmu.contains(metric), "{id}");
        assert_eq!(!sims.is_empty(), of_sims.contains(metric), "{id}");
    }
    let n_known = known.map(|metric| &*metric.id).collect::<BTreeSet<_>>().len();
    assert_eq!(found.len(), n_known);
}

/// Runs of `fixtures/runs`, which an earlier version wrote.
fn earlier(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/runs").join(name)
}

fn text(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn runs_of_an_earlier_version_keep_their_bytes() {
    for name in ["small", "guided", "stopped"] {
        let run = earlier(name);
        let settings = folder::read_config(&run).unwrap();
        // Settings of an older form are written in the form of this version, and say the same.
        let again = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<TrainSettings>(&again).unwrap(), settings, "{name}");
        let epochs = folder::read_epochs(&run).unwrap();
        let lines: Vec<String> =
            epochs.iter().map(|epoch| serde_json::to_string(epoch).unwrap() + "\n").collect();
        assert_eq!(lines.concat(), text(&run, folder::METRICS), "{name}");
        let read = Run::read(&run).unwrap();
        assert_eq!(read.notes, [""; 0], "{name}");
        assert_eq!(read.config, settings, "{name}");
        let Some(result) = folder::read_result(&run).unwrap() else {
            assert_eq!((name, read.epochs.len()), ("stopped", 1));
            continue;
        };
        let again = serde_json::to_string_pretty(&result).unwrap();
        assert_eq!(again, text(&run, folder::RESULT), "{name}");
        let copy = tempfile::NamedTempFile::new().unwrap();
        predictions::write(copy.path(), settings.scale(), &read.predictions).unwrap();
        let again = std::fs::read_to_string(copy.path()).unwrap();
        assert_eq!(again, text(&run, folder::PREDICTIONS), "{name}");
        if let Some(attention) = &read.attention {
            let again = serde_json::to_string_pretty(attention).unwrap();
            assert_eq!(again, text(&run, folder::ATTENTION), "{name}");
        }
        assert_eq!(read.attention.is_some(), name == "guided");
    }
}

#[test]
fn runs_of_an_earlier_version_are_reported() {
    let scratch = tempfile::tempdir().unwrap();
    let scratch = scratch.path();
    let [small, guided, stopped, store] =
        ["small", "guided", "stopped", "store.h5"].map(|name| earlier(name).display().to_string());
    let call = almt(scratch, &["report", &small, &guided, &stopped, "--store", &store]).ok();
    assert_eq!(call.stderr(), "");
    let page = text(scratch, "report.html");
    let result = folder::read_result(&earlier("small")).unwrap().unwrap();
    let mae = result.selected.test.unwrap().get(&metrics::MAE.id);
    for part in [
        &format!("{mae:.4}</td>"),
        &result.checkpoint_blake3,
        "Not complete: <b>stopped</b> (1 of 2 epochs)",
        "<section id=\"attention\">",
        "<td class=\"text\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[cfg(feature = "train")]
mod trained {
    use super::*;
    use almt_data::run::metrics::Metrics;

    /// Figures that another processor computes have other last bits.
    const TOLERANCE: f64 = 1e-5;

    fn assert_close(found: &Metrics, expected: &Metrics) {
        assert!(found.iter().map(|(name, _)| name).eq(expected.iter().map(|(name, _)| name)));
        for ((name, found), (_, expected)) in found.iter().zip(expected.iter()) {
            assert!((found - expected).abs() < TOLERANCE, "{name}: {found}, {expected}");
        }
    }

    /// A copy of an earlier run in a folder that may change.
    fn copied(name: &str, scratch: &Path) {
        std::fs::create_dir(scratch.join(name)).unwrap();
        for file in crate::support::files(&earlier(name)) {
            std::fs::copy(earlier(name).join(&file), scratch.join(name).join(&file)).unwrap();
        }
    }

    #[test]
    fn a_run_of_an_earlier_version_has_the_same_figures() {
        let scratch = tempfile::tempdir().unwrap();
        let scratch = scratch.path();
        let store = earlier("store.h5").display().to_string();
        let small = earlier("small").display().to_string();
        let told = almt(scratch, &["validate", &store]).ok().stdout();
        assert!(told.contains("store.h5: valid"), "{told}");
        let selected = folder::read_result(&earlier("small")).unwrap().unwrap().selected;
        for (split, expected) in [("valid", Some(selected.valid)), ("test", selected.test)] {
            let args = ["eval", "--store", &store, "--checkpoint", &small, "--split", split];
            let json = almt(scratch, &[&args[..], &["--json"]].concat()).ok().stdout();
            let found: Value = serde_json::from_str(&json).unwrap();
            let found = serde_json::from_value(found["metrics"].clone()).unwrap();
            assert_close(&found, &expected.unwrap());
        }
        let args = ["predict", "--store", &store, "--checkpoint", &small, "--split", "test"];
        almt(scratch, &[&args[..], &["-o", "test.csv"]].concat()).ok();
        let found = predictions::read(&scratch.join("test.csv")).unwrap();
        let expected = predictions::read(&earlier("small/predictions.csv")).unwrap();
        let expected = expected.iter().filter(|row| row.split == found[0].split);
        assert_eq!(found.len(), expected.clone().count());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!((&found.id, found.label), (&expected.id, expected.label));
            assert!(f64::from(found.prediction - expected.prediction).abs() < TOLERANCE);
        }
        let guided = earlier("guided").display().to_string();
        let told = almt(scratch, &["compare", &small, &guided, "--resamples", "100"]).ok().stdout();
        assert!(told.contains("Mult_acc_7"), "{told}");
    }

    #[test]
    fn a_run_that_an_earlier_version_left_goes_on_to_the_same_result() {
        let scratch = tempfile::tempdir().unwrap();
        let scratch = scratch.path();
        let store = earlier("store.h5").display().to_string();
        copied("stopped", scratch);
        let run = scratch.join("stopped");
        let before = text(&run, folder::METRICS);
        almt(scratch, &["resume", "stopped", "--store", &store]).ok();
        assert!(text(&run, folder::METRICS).starts_with(&before));
        assert!(!run.join(folder::STATE).exists());
        let [found, expected] =
            [&run, &earlier("small")].map(|run| folder::read_result(run).unwrap().unwrap());
        assert_eq!((found.n_epochs, found.selected.epoch), (2, expected.selected.epoch));
        assert_eq!(found.n_parameters, expected.n_parameters);
        assert_close(&found.selected.valid, &expected.selected.valid);
        assert_close(&found.selected.test.unwrap(), &expected.selected.test.unwrap());
        // The state is not of this processor: of its digests no more is asked than that they are.
        let call = almt(scratch, &["repeat", "stopped", "--store", &store]);
        assert!([0, 1].contains(&call.code()), "{}", call.explain());
        assert_eq!(call.stdout().matches("blake3 ").count(), 2, "{}", call.explain());
    }
}
