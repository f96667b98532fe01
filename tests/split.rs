//! New splits for a store, and the description of a store.

use std::collections::BTreeSet;
use std::path::Path;

use almt_data::corpus::SplitName;
use almt_data::corpus::plan::{SplitPlan, StoreRow};
use almt_data::corpus::segment::video_of;
use almt_data::corpus::summary::Summary;
use almt_data::store::Store;
use serde_json::Value;

use crate::rules::{Editor, check_schema, reports};
use crate::support::{almt, files, hint, synthetic_store};

fn plan_of(folder: &Path, name: &str) -> SplitPlan {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    check_schema(&serde_json::to_value(SplitPlan::schema()).unwrap(), &json);
    let store = Store::open(&folder.join("mosi.h5")).unwrap();
    SplitPlan::load_for(&folder.join(name), store.manifest()).unwrap()
}

#[test]
fn folds_cover_the_store_by_video_and_repeat_from_their_seed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&synthetic_store(folder.path(), "mosi", "60")).unwrap();
    let split = |seed: &str, output: &str| {
        let args = ["split", "mosi.h5", "--k-fold", "5", "--seed", seed, "-o", output];
        almt(folder.path(), &args).ok()
    };
    let text = split("7", "cv.json").stdout();
    assert!(text.contains("fold 4  train"), "{text}");
    split("7", "again.json");
    split("8", "other.json");
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("cv.json") == read("again.json") && read("cv.json") != read("other.json"));
    let plan = plan_of(folder.path(), "cv.json");
    let mut tested = BTreeSet::new();
    for fold in 0..5 {
        let rows = plan.rows(fold, store.manifest()).unwrap();
        assert_eq!(rows.values().map(Vec::len).sum::<usize>(), 60 + 15 + 30);
        let videos = |name: SplitName| -> BTreeSet<&str> {
            let id = |row: &StoreRow| video_of(&store.ids(row.split)[row.row_idx]);
            rows[&name].iter().map(id).collect()
        };
        let [train, valid, test] = SplitName::ALL.map(videos);
        assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
        tested.extend(rows[&SplitName::Test].iter().copied());
    }
    assert_eq!(tested.len(), 60 + 15 + 30, "every segment is tested on once");
    let last = plan.rows(5, store.manifest()).unwrap_err().to_string();
    assert_eq!(last, "fold 5 does not exist: the split manifest has folds 0 to 4");
}

#[test]
fn a_split_manifest_is_refused_on_another_store_and_can_be_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "20");
    let args = ["synth", "--unaligned", "--samples", "20", "-o", "unaligned.pkl"];
    almt(folder.path(), &args).ok();
    almt(folder.path(), &["convert", "unaligned.pkl", "-o", "unaligned.h5"]).ok();
    let args = ["split", "unaligned.h5", "--ratio", "0.7,0.1,0.2", "--by", "segment"];
    almt(folder.path(), &[&args[..], &["-o", "one.json"]].concat()).ok();
    let store = Store::open(&folder.path().join("mosi.h5")).unwrap();
    let manifest = store.manifest();
    let refused = SplitPlan::load_for(&folder.path().join("one.json"), manifest).unwrap_err();
    assert!(hint(&refused).contains("--from-manifest"), "{refused}");
    assert!(refused.to_string().contains("belongs to another store"), "{refused}");
    let args = ["split", "mosi.h5", "--from-manifest", "one.json", "-o", "two.json"];
    almt(folder.path(), &args).ok();
    let rows = plan_of(folder.path(), "two.json").rows(0, store.manifest()).unwrap();
    let sizes = SplitName::ALL.map(|name| rows[&name].len());
    assert_eq!((sizes.iter().sum::<usize>(), sizes[0] > 20), (35, true), "{sizes:?}");
    synthetic_store(folder.path(), "sims", "40");
    almt(folder.path(), &["split", "sims.h5", "--from-manifest", "one.json", "-o", "x.json"])
        .fails_with(&["sims.h5", "is not in the other split manifest"]);
    assert!(!files(folder.path()).contains(&"x.json".into()));
}

#[test]
fn wrong_splits_and_damaged_split_manifests_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "4");
    for args in [
        &["split", "mosi.h5", "-o", "x.json"][..],
        &["split", "mosi.h5", "--k-fold", "2", "-o", "x.json"],
        &["split", "mosi.h5", "--ratio", "0.7,0.3", "-o", "x.json"],
        &["split", "mosi.h5", "--ratio", "0.7,0.7,NaN", "-o", "x.json"],
        &["split", "mosi.h5", "--ratio", "0.8,0.1,0.1", "--k-fold", "3", "-o", "x.json"],
    ] {
        let call = almt(folder.path(), args);
        assert_eq!(call.code(), 2, "{}", call.explain());
    }
    almt(folder.path(), &["split", "mosi.h5", "--k-fold", "9", "-o", "x.json"])
        .fails_with(&["mosi.h5", "3 videos cannot fill 9 parts"]);
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, "{\"version\": 1}").unwrap();
    almt(folder.path(), &["split", "mosi.h5", "--from-manifest", "bad.json", "-o", "x.json"])
        .fails_with(&["bad.json", "is not a split manifest"]);
    for (json, found) in
        [("[1]", "a list"), (" []", "a list"), ("\"cv\"", "a text"), ("7", "a number")]
    {
        std::fs::write(&bad, json).unwrap();
        let call = almt(
            folder.path(),
            &["split", "mosi.h5", "--from-manifest", "bad.json", "-o", "x.json"],
        );
        let found = format!(
            "expected a JSON object with `version`, `dataset`, `store_digest`, `seed`, \
                             `method` and `folds`, found {found}"
        );
        let call = call.fails_with(&["bad.json: is not a split manifest", &found]);
        assert!(!call.stderr().contains("struct"), "{}", call.explain());
    }
    assert_eq!(files(folder.path()), ["bad.json", "mosi.h5", "mosi.pkl"]);
}

#[test]
fn splits_that_were_drawn_across_videos_are_an_error_and_those_of_whole_videos_are_none() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rule) in [("mosi", "AD007"), ("sims", "AD047")] {
        synthetic_store(folder.path(), name, "40");
        let store = format!("{name}.h5");
        let drawn = |by: &str, output: &str| {
            let args = ["split", &store, "--ratio", "0.6,0.2,0.2", "--by", by, "-o", output];
            almt(folder.path(), &[&args[..], &["--overwrite"]].concat()).ok().stdout()
        };
        let found = format!("error {rule}: fold 0: ");
        let segments = drawn("segment", "segments.json");
        assert!(segments.contains(&found), "{segments}");
        assert!(segments.contains("    hint: ") && segments.contains("--by video"), "{segments}");
        let videos = drawn("video", "videos.json");
        assert!(!videos.contains("error"), "{videos}");

        let validate =
            |manifest: &str| almt(folder.path(), &["validate", &store, "--manifest", manifest]);
        let leaky = validate("segments.json");
        assert_eq!(leaky.code(), 1, "{}", leaky.explain());
        assert!(leaky.stdout().contains(&found), "{}", leaky.explain());
        let whole = validate("videos.json").ok().stdout();
        assert!(!whole.contains(rule), "{whole}");
    }
    // They are those of the last store.
    almt(folder.path(), &["validate", "mosi.h5", "--manifest", "videos.json"])
        .fails_with(&["videos.json", "belongs to another store"])
        .hints_at("--from-manifest");
}

#[test]
fn the_splits_of_a_manifest_stand_in_place_of_those_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "40");
    let mut store = Editor::open(&folder.path().join("mosi.h5"));
    store.id(SplitName::Test, 0, "synth_train_0000$_$9");
    store.seal();
    let rules = |args: &[&str]| -> Vec<String> {
        let call = almt(folder.path(), &[&["validate", "mosi.h5", "--json"], args].concat());
        let reports = reports(&call.stdout());
        let findings = reports[0]["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
    };
    assert!(rules(&[]).contains(&"AD007".into()));
    almt(folder.path(), &["split", "mosi.h5", "--k-fold", "3", "-o", "cv.json"]).ok();
    let found = rules(&["--manifest", "cv.json"]);
    assert!(!found.contains(&"AD007".into()) && found.contains(&"AD003".into()), "{found:?}");
    let wrong = almt(folder.path(), &["validate", "mosi.h5", "--quick", "--manifest", "cv.json"]);
    assert_eq!(wrong.code(), 2, "{}", wrong.explain());
}

#[test]
fn no_command_writes_over_the_store_or_the_plan_that_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "8");
    let plan = ["split", "mosi.h5", "--ratio", "0.6,0.2,0.2", "--by", "segment", "-o", "cv.json"];
    almt(folder.path(), &plan).ok();
    // A name without an ending, which says nothing of what is in it.
    std::fs::rename(folder.path().join("mosi.h5"), folder.path().join("mosi")).unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let (store, plan) = (read("mosi"), read("cv.json"));
    for args in [
        &["split", "mosi", "--k-fold", "3", "-o", "./mosi", "--overwrite"][..],
        &["split", "mosi", "--from-manifest", "cv.json", "-o", "cv.json", "--overwrite"],
        &["stats", "mosi", "--svg", "mosi", "--overwrite"],
    ] {
        almt(folder.path(), args).fails_with(&["would replace the input"]).hints_at("`-o`");
    }
    assert!(read("mosi") == store && read("cv.json") == plan);
}

#[test]
fn an_output_does_not_have_the_ending_of_something_else() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "8");
    for (args, expected) in [
        (&["convert", "mosi.pkl", "-o", "out.zip"][..], "the name of a store ends in `.h5` or"),
        (&["copy", "mosi.h5", "out.npz"], "the name of a store ends in `.h5` or"),
        (&["split", "mosi.h5", "--k-fold", "3", "-o", "out.csv"], "ends in `.json`"),
        (&["stats", "mosi.h5", "--svg", "out.PNG"], "ends in `.svg`"),
        (&["report", "run", "-o", "out.pdf"], "ends in `.html`"),
    ] {
        let call = almt(folder.path(), args);
        assert_eq!(call.code(), 2, "{}", call.explain());
        assert!(call.stderr().contains(expected), "{}", call.explain());
    }
    assert_eq!(files(folder.path()), ["mosi.h5", "mosi.pkl"]);
}

#[test]
fn a_store_is_described_as_text_json_and_picture() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "sims", "8");
    let text = almt(folder.path(), &["stats", "sims.h5", "--svg", "sims.svg"]).ok().stdout();
    assert!(text.contains("[8, 400, 33]") && text.contains("from the token mask"), "{text}");
    let svg = std::fs::read_to_string(folder.path().join("sims.svg")).unwrap();
    assert_eq!((svg.matches("as recorded").count(), svg.ends_with("</svg>\n")), (6, true));
    let again = ["stats", "sims.h5", "--svg"];
    almt(folder.path(), &[&again[..], &["sims.svg"]].concat())
        .fails_with(&["sims.svg", "already exists"]);
    almt(folder.path(), &[&again[..], &["sims.svg", "--overwrite"]].concat()).ok();
    let json = almt(folder.path(), &["stats", "sims.h5", "--json"]).ok().stdout();
    let summary: Value = serde_json::from_str(&json).unwrap();
    check_schema(&serde_json::to_value(Summary::schema()).unwrap(), &summary);
    let audio = &summary["blocks"][1];
    assert_eq!((&audio["modality"], &audio["n_zero_samples"]), (&"audio".into(), &0.into()));
    let n_samples: u64 =
        audio["lengths"]["histogram"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(n_samples, 8);
}

#[test]
fn schemas_are_listed_and_printed() {
    let folder = Path::new(".");
    let list = almt(folder, &["schema"]).ok().stdout();
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let text = almt(folder, &["schema", name]).ok().stdout();
        assert!(!text.is_empty(), "{name}");
    }
    let schema = almt(folder, &["schema", "manifest"]).ok().stdout();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["title"], "SplitPlan");
    almt(folder, &["schema", "nothing"]).fails_with(&["`nothing` is not a known schema"]);
}

#[test]
fn a_manifest_saved_by_a_windows_program_is_read_and_one_of_another_dataset_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "20");
    almt(folder, &["split", "mosi.h5", "--k-fold", "3", "--by", "segment", "-o", "cv.json"]).ok();
    let expected = plan_of(folder, "cv.json");
    let text = std::fs::read_to_string(folder.join("cv.json")).unwrap();
    let wide = |order: fn(u16) -> [u8; 2]| {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(order).collect::<Vec<u8>>()
    };
    let marked = [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat();
    let store = Store::open(&folder.join("mosi.h5")).unwrap();
    for bytes in [marked, wide(u16::to_le_bytes), wide(u16::to_be_bytes)] {
        std::fs::write(folder.join("saved.json"), bytes).unwrap();
        let found = SplitPlan::load_for(&folder.join("saved.json"), store.manifest()).unwrap();
        assert_eq!(found, expected);
    }
    let other = text.replace("\"mosi\"", "\"sims\"");
    assert_ne!(other, text);
    std::fs::write(folder.join("sims.json"), other).unwrap();
    let refused = SplitPlan::load_for(&folder.join("sims.json"), store.manifest()).unwrap_err();
    assert!(refused.to_string().ends_with("is of CH-SIMS, the store holds CMU-MOSI"), "{refused}");
}
