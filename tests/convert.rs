//! Converts pickles to stores, and reads these with other programs.

use std::collections::BTreeMap;
use std::path::Path;

use almt_data::corpus::{Modality, SplitName};
use almt_data::store::Store;
use sha2::{Digest, Sha256};

use crate::support::{almt, files, python, real_data, synthetic_store};

type Digests = BTreeMap<String, String>;

fn python_digests(file: &Path) -> Option<Digests> {
    python("digests.py", &[file]).map(|text| serde_json::from_str(&text).unwrap())
}

/// The features and labels that the library itself reads, digested like `digests.py` does.
fn library_digests(store: &Store) -> Digests {
    let hash = |values: &mut dyn Iterator<Item = f32>| {
        let mut hasher = Sha256::new();
        values.for_each(|value| hasher.update(value.to_le_bytes()));
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let mut digests = Digests::new();
    for split in SplitName::ALL.into_iter().filter(|split| !store.ids(*split).is_empty()) {
        for modality in Modality::ALL {
            if let Some(array) = store.features(split, modality).unwrap() {
                let digest = hash(&mut array.iter().copied());
                digests.insert(format!("/{split}/{modality}"), digest);
            }
        }
        let labels = store.labels(split).unwrap().unwrap();
        digests.insert(format!("/{split}/regression_labels"), hash(&mut labels.into_iter()));
    }
    digests
}

/// Every array of the pickle is in the store, bit for bit, as Python's `pickle.load` gives it.
fn check_equal(pickle: &Path, store_path: &Path, n_expected: usize) {
    let Some(expected) = python_digests(pickle) else { return };
    assert_eq!(expected.len(), n_expected, "{:?}", expected.keys());
    let from_h5py = python_digests(store_path).unwrap();
    assert_eq!(from_h5py, expected, "{}", pickle.display());
    let from_library = library_digests(&Store::open(store_path).unwrap());
    assert!(!from_library.is_empty());
    for (path, digest) in from_library {
        assert_eq!(Some(&digest), expected.get(&path), "{path}");
    }
}

#[test]
fn real_mosi_text_features_arrive_bit_for_bit() {
    let Some(pickle) = real_data("mosi_text_minilm.pkl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = pickle.to_str().unwrap();
    let converted = almt(folder.path(), &["convert", path, "-o", "text.h5"]).ok().stdout();
    assert!(converted.contains("CMU-MOSI"), "{converted}");
    assert!(converted.contains("text: float16 -> float32"), "{converted}");
    check_equal(&pickle, &folder.path().join("text.h5"), 21);
    let valid = almt(folder.path(), &["validate"]).ok().stdout();
    assert!(valid.contains("text.h5: valid") && valid.contains("0 errors"), "{valid}");
    let tree = almt(folder.path(), &["inspect", path]).ok().stdout();
    assert!(tree.contains("float16 [1281, 39, 384]"), "{tree}");
    let tree = almt(folder.path(), &["inspect", "text.h5"]).ok().stdout();
    assert!(tree.contains("float32 [1281, 39, 384]") && tree.contains("03bSnISJMiM$_$1"), "{tree}");
}

#[test]
fn the_real_misa_validation_split_arrives_bit_for_bit() {
    let Some(pickle) = real_data("mosi_valid_misa.pkl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = pickle.to_str().unwrap();
    let converted = almt(folder.path(), &["convert", path, "-o", "misa.h5"]).ok().stdout();
    assert!(converted.contains("229 segments"), "{converted}");
    check_equal(&pickle, &folder.path().join("misa.h5"), 8);
    almt(folder.path(), &["validate", "misa.h5"]).ok();
    let tree = almt(folder.path(), &["inspect", path]).ok().stdout();
    assert!(tree.contains("[18, 47]"), "{tree}");
}

#[test]
fn a_synthetic_pickle_arrives_bit_for_bit_and_repeats() {
    for (dataset, n_columns) in [("mosi", 27), ("sims", 42)] {
        let folder = tempfile::tempdir().unwrap();
        let store = synthetic_store(folder.path(), dataset, "8");
        let pickle = folder.path().join(format!("{dataset}.pkl"));
        check_equal(&pickle, &store, n_columns);
        let first = std::fs::read(&store).unwrap();
        // Long enough for the clock of a time stamp, which would differ, to go on.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        almt(folder.path(), &["convert", pickle.to_str().unwrap(), "--overwrite"]).ok();
        assert!(first == std::fs::read(&store).unwrap(), "{dataset}: two conversions differ");
        assert_eq!(files(folder.path()).len(), 2);
    }
}

#[test]
fn validate_reports_as_text_and_as_json() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "8");
    let text = almt(folder.path(), &["validate", "mosi.h5"]).ok().stdout();
    assert!(text.contains("warning AD003"), "{text}");
    let json = almt(folder.path(), &["validate", "--json"]).ok().stdout();
    let reports = crate::rules::reports(&json);
    assert_eq!(reports[0]["valid"], true);
    assert_eq!(reports[0]["dataset"], "CMU-MOSI");
    assert_eq!(reports[0]["findings"][0]["rule"], "AD003");
}

#[test]
fn an_existing_output_is_kept_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    std::fs::write(&store, "mine").unwrap();
    almt(folder.path(), &["convert", "mosi.pkl"]).fails_with(&["mosi.h5", "already exists"]);
    assert_eq!(std::fs::read_to_string(&store).unwrap(), "mine");
    almt(folder.path(), &["convert", "mosi.pkl", "--overwrite"]).ok();
    almt(folder.path(), &["validate", "mosi.h5"]).ok();
    // A name that says nothing of what is in it.
    std::fs::rename(folder.path().join("mosi.pkl"), folder.path().join("mosi")).unwrap();
    almt(folder.path(), &["convert", "mosi", "-o", "./mosi", "--overwrite"])
        .fails_with(&["mosi", "would replace the input"]);
}

#[test]
fn wrong_calls_end_with_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["convert"][..],
        &["convert", "a.pkl", "--dataset", "imdb"],
        &["train", "--fold", "1"],
        &["eval"],
        &["predict", "-o", "x.csv"],
        &["nonsense"],
        &["synth", "--samples", "0"],
    ] {
        // A build without libtorch takes any arguments of these, to say that it has no trainer.
        if cfg!(feature = "train") || !["train", "eval", "predict"].contains(&args[0]) {
            let call = almt(folder.path(), args);
            assert_eq!(call.code(), 2, "{}", call.explain());
        }
    }
}

fn manifest(store: &Path) -> serde_json::Value {
    serde_json::to_value(Store::open(store).unwrap().manifest()).unwrap()
}

#[test]
fn names_of_features_are_recorded_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "sims", "4");
    let path = |name: &str| folder.join(name);
    // Without names, nothing is recorded, and a width is only likely that of a set.
    assert!(manifest(&path("sims.h5")).get("features").is_none());
    for shown in ["sims.h5", "sims.pkl"] {
        let tree = almt(folder, &["inspect", shown]).ok().stdout();
        for likely in [
            "audio likely librosa as in CH-SIMS (`librosa-33`), by their number alone: 33",
            "vision likely OpenFace 2 (`openface2-709`), by their number alone: 709",
        ] {
            assert!(tree.contains(likely), "{tree}");
        }
    }
    let validated = almt(folder, &["validate", "sims.h5"]).ok().stdout();
    assert!(!validated.contains("AD046"), "{validated}");

    let named = ["--features", "audio=librosa-33", "--features", "vision=openface2-709:averaged"];
    let call = [&["convert", "sims.pkl", "-o", "named.h5"], &named[..]].concat();
    let converted = almt(folder, &call).ok().stdout();
    let audio =
        "audio    librosa as in CH-SIMS (`librosa-33`): zero_crossing_rate, mfcc_0, mfcc_1, …,";
    assert!(converted.contains(audio), "{converted}");
    let features = &manifest(&path("named.h5"))["features"];
    assert_eq!(features["audio"]["set"], "librosa-33");
    assert_eq!(features["audio"]["names"].as_array().unwrap().len(), 33);
    assert_eq!(features["vision"]["names"][682], "AU12_r");
    assert!(features["audio"].get("values").is_none());
    assert_eq!(features["vision"]["values"], "averaged");
    // Names are no content: both stores have one digest, and a copy has the names.
    assert_eq!(manifest(&path("named.h5"))["digest"], manifest(&path("sims.h5"))["digest"]);
    almt(folder, &["copy", "named.h5", "copy.arrow"]).ok();
    assert_eq!(&manifest(&path("copy.arrow"))["features"], features);

    let tree = almt(folder, &["inspect", "named.h5"]).ok().stdout();
    let line = "vision OpenFace 2 (`openface2-709`), means over frames: gaze_0_x, gaze_0_y, gaze_0_z, …, \
                AU26_c, AU28_c, AU45_c";
    assert!(tree.contains(line), "{tree}");
    assert!(tree.contains("there is no F0 in CH-SIMS"), "{tree}");
    let stats = almt(folder, &["stats", "named.h5"]).ok().stdout();
    assert!(stats.contains(line.trim_start_matches("vision ")), "{stats}");
    // Synthetic values are nothing that an extractor writes.
    let validated = almt(folder, &["validate", "named.h5"]).ok().stdout();
    let found = "warning AD046: train/audio: 1 feature has values that its name rules out: zero_crossing_rate";
    assert!(validated.contains(found), "{validated}");
    assert!(validated.contains("train/vision: 18 features have values that"), "{validated}");
    assert!(validated.contains("outside [0, 1] and 10 more features (such as "), "{validated}");
}

#[test]
fn names_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["synth", "--samples", "4"]).ok();
    let convert = |named: &[&str]| {
        let options = named.iter().flat_map(|named| ["--features", named]);
        almt(folder, &[&["convert", "mosi.pkl"], &options.collect::<Vec<_>>()[..]].concat())
    };
    convert(&["audio=covarep-74"])
        .fails_with(&["mosi.pkl: audio is not `covarep-74`: expected 74 features, found 5"])
        .hints_at("`--features audio=mosi-covarep-5` has as many features");
    for wrong in [
        &["audio=covarep"][..],
        &["vision=covarep-74"],
        &["covarep-74"],
        &["audio=pom-covarep-43"],
        &["audio=covarep-74:often"],
        &["audio=mosi-covarep-5", "audio=covarep-74"],
    ] {
        let call = convert(wrong);
        assert_eq!(call.code(), 2, "{}", call.explain());
    }
    assert_eq!(files(folder), ["mosi.pkl"]);
    convert(&["audio=mosi-covarep-5", "vision=mosi-facet-20"]).ok();
}
