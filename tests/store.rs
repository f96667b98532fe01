//! One content in every form of a store: HDF5 and Arrow, compressed or not, as float32 or float16.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use almt_data::corpus::check::Severity;
use almt_data::corpus::{Modality, SplitName};
use almt_data::store::{Format, Store};

use crate::support::{almt, files, python, synthetic_store};

fn digest(path: &Path) -> String {
    let store = Store::open(path).unwrap();
    let verification = store.verify(None, &|_| {}).unwrap();
    assert!(verification.n_bytes > 0);
    for finding in verification.findings {
        assert!(finding.severity < Severity::Error, "{}: {finding}", path.display());
    }
    store.manifest().digest.clone()
}

/// Samples enough for several batches, of a dataset with unequal lengths.
fn unaligned(folder: &Path) -> PathBuf {
    almt(folder, &["synth", "--dataset", "sims", "--samples", "40"]).ok();
    folder.join("sims.pkl")
}

#[test]
fn the_round_trip_through_arrow_gives_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    unaligned(folder.path());
    almt(folder.path(), &["convert", "sims.pkl"]).ok();
    almt(folder.path(), &["convert", "sims.pkl", "--format", "arrow"]).ok();
    almt(folder.path(), &["copy", "sims.h5", "copied.arrow"]).ok();
    almt(folder.path(), &["copy", "copied.arrow", "back.h5"]).ok();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("sims.h5") == read("back.h5"));
    for file in ["train.arrow", "valid.arrow", "test.arrow", "manifest.json"] {
        let [direct, copied] = ["sims", "copied"].map(|name| read(&format!("{name}.arrow/{file}")));
        assert!(direct == copied, "{file}");
    }
    assert_eq!(digest(&folder.path().join("sims.h5")), digest(&folder.path().join("sims.arrow")));
    let found = files(folder.path());
    assert_eq!(found, ["back.h5", "copied.arrow", "sims.arrow", "sims.h5", "sims.pkl"]);
}

#[test]
fn every_form_holds_the_same_and_python_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let pickle = unaligned(folder.path());
    let expected = python("digests.py", &[&pickle]);
    let mut digests = BTreeMap::new();
    for (name, compression) in [
        ("plain.h5", "none"),
        ("gzip.h5", "gzip"),
        ("plain.arrow", "none"),
        ("zstd.arrow", "zstd"),
        ("lz4.arrow", "lz4"),
    ] {
        let args = ["convert", "sims.pkl", "-o", name, "--compression", compression];
        almt(folder.path(), &args).ok();
        let path = folder.path().join(name);
        digests.insert(digest(&path), name);
        if let Some(expected) = &expected {
            let parse =
                |text: &str| serde_json::from_str::<BTreeMap<String, String>>(text).unwrap();
            let found = python("digests.py", &[&path]).unwrap();
            assert_eq!(parse(&found), parse(expected), "{name}");
        }
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
    let size = |name: &str| {
        let path = folder.path().join(name);
        std::fs::metadata(path).unwrap().len()
    };
    assert!(size("gzip.h5") < size("plain.h5"));
    assert!(size("zstd.arrow/train.arrow") < size("plain.arrow/train.arrow"));
    // From one compression to the other, and back.
    almt(folder.path(), &["copy", "zstd.arrow", "z.h5", "--compression", "gzip"]).ok();
    almt(folder.path(), &["copy", "z.h5", "back.arrow"]).ok();
    assert_eq!(digests.keys().next(), Some(&digest(&folder.path().join("back.arrow"))));
}

#[test]
fn float16_is_read_as_float32_from_either_format() {
    let folder = tempfile::tempdir().unwrap();
    let full = Store::open(&synthetic_store(folder.path(), "mosi", "8")).unwrap();
    let half = |name: &str| {
        almt(folder.path(), &["convert", "mosi.pkl", "-o", name, "--dtype", "float16"]).ok();
        Store::open(&folder.path().join(name)).unwrap()
    };
    let stores = [half("half.h5"), half("half.arrow")];
    assert_eq!(stores[0].manifest().digest, stores[1].manifest().digest);
    assert_ne!(stores[0].manifest().digest, full.manifest().digest);
    for store in &stores {
        assert!(store.manifest().notes.iter().any(|note| note.contains("float16")));
        assert_eq!(store.labels(SplitName::Train).unwrap(), full.labels(SplitName::Train).unwrap());
        for modality in Modality::ALL {
            let [found, expected] = [store, &full]
                .map(|all| all.features(SplitName::Train, modality).unwrap().unwrap());
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(*found, half::f16::from_f32(*expected).to_f32());
            }
        }
    }
    almt(folder.path(), &["copy", "half.arrow", "again.h5"]).ok();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("half.h5") == read("again.h5"));
}

#[test]
fn everything_that_reads_a_store_reads_arrow() {
    let folder = tempfile::tempdir().unwrap();
    let h5 = Store::open(&synthetic_store(folder.path(), "mosi", "8")).unwrap();
    almt(folder.path(), &["copy", "mosi.h5", "mosi.arrow"]).ok();
    let arrow = Store::open(&folder.path().join("mosi.arrow")).unwrap();
    assert_eq!((h5.format(), arrow.format()), (Format::Hdf5, Format::Arrow));
    let split = SplitName::Valid;
    assert_eq!(h5.ids(split), arrow.ids(split));
    assert_eq!(h5.strings("/valid/raw_text").unwrap(), arrow.strings("/valid/raw_text").unwrap());
    let bins = "/valid/bins/acc_7";
    assert_eq!(h5.numbers::<i8>(bins).unwrap(), arrow.numbers::<i8>(bins).unwrap());
    let lengths = |store: &Store| store.lengths(split, Modality::Audio).unwrap();
    assert_eq!(lengths(&h5), lengths(&arrow));
    let tree = almt(folder.path(), &["inspect", "mosi.arrow"]).ok().stdout();
    assert!(tree.contains("float32 [8, 50, 768]"), "{tree}");
    let valid = almt(folder.path(), &["validate", "--quick"]).ok().stdout();
    assert!(valid.contains("mosi.arrow: valid") && valid.contains("mosi.h5: valid"), "{valid}");
    for (store, output) in [("mosi.h5", "1.pkl"), ("mosi.arrow", "2.pkl")] {
        almt(folder.path(), &["export", store, "--to", "mmsa-pickle", "-o", output]).ok();
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("1.pkl") == read("2.pkl"));
}

#[test]
fn outputs_of_either_format_are_kept_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "4");
    almt(folder.path(), &["copy", "mosi.h5", "mosi.arrow"]).ok();
    for args in
        [&["convert", "mosi.pkl", "--format", "arrow"][..], &["copy", "mosi.h5", "mosi.arrow"]]
    {
        almt(folder.path(), args).fails_with(&["mosi.arrow", "exists already"]);
        almt(folder.path(), &[args, &["--overwrite"]].concat()).ok();
    }
    almt(folder.path(), &["copy", "mosi.arrow", "mosi.arrow", "--overwrite"])
        .fails_with(&["mosi.arrow", "would replace the input"]);
    // A folder of other things is never replaced.
    std::fs::write(folder.path().join("mosi.arrow/thesis.tex"), "mine").unwrap();
    almt(folder.path(), &["copy", "mosi.h5", "mosi.arrow", "--overwrite"])
        .fails_with(&["mosi.arrow", "more than a store"]);
    assert_eq!(files(folder.path()), ["mosi.arrow", "mosi.h5", "mosi.pkl"]);
    for args in [
        &["copy", "mosi.h5", "a.arrow", "--compression", "gzip"][..],
        &["copy", "mosi.h5", "a.h5", "--compression", "zstd"],
        &["convert", "mosi.pkl", "-o", "a.h5", "--format", "arrow"],
    ] {
        let call = almt(folder.path(), args);
        assert_eq!(call.code(), 2, "{}", call.explain());
    }
}
