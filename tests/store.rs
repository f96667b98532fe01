//! One content in every form of a store: HDF5 and Arrow, compressed or not, as float32 or float16.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use almt_data::corpus::check::Severity;
use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::label::Bins;
use almt_data::corpus::{Modality, SplitName};
use almt_data::store::{Format, Store};

use hdf5::types::VarLenUnicode;

use crate::rules::Editor;
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
    let texts = ColumnKind::RawText.of(split);
    assert_eq!(h5.strings(&texts).unwrap(), arrow.strings(&texts).unwrap());
    let bins = ColumnKind::Bins(Bins::Acc7).of(split);
    assert_eq!(h5.numbers::<i8>(&bins).unwrap(), arrow.numbers::<i8>(&bins).unwrap());
    let lengths = |store: &Store| store.lengths(split, Modality::Audio).unwrap();
    assert_eq!(lengths(&h5), lengths(&arrow));
    let tree = almt(folder.path(), &["inspect", "mosi.arrow"]).ok().stdout();
    assert!(tree.contains("float32 [8, 50, 768]"), "{tree}");
    let valid = almt(folder.path(), &["validate", "--quick"]).ok().stdout();
    for name in ["mosi.arrow", "mosi.h5"] {
        assert!(
            valid.contains(&format!("{name}: the structure is valid, no value was read")),
            "{valid}"
        );
    }
    let valid = almt(folder.path(), &["validate"]).ok().stdout();
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
        almt(folder.path(), args).fails_with(&["mosi.arrow", "already exists"]);
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

/// A version of the program that comes after this one may have columns of its own.
#[test]
fn a_column_that_is_not_known_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Editor::open(&synthetic_store(folder.path(), "mosi", "4"));
    store.create("/train/gaze", "int32", &[4, 2], &[1, 2, 3, 4, 5, 6, 7, 8]);
    store.create("/train/regression_labels_U", "float32", &[4], &[0.5_f32; 4]);
    store.seal();
    almt(folder.path(), &["validate", "mosi.h5"]).ok();
    almt(folder.path(), &["copy", "mosi.h5", "mosi.arrow"]).ok();
    almt(folder.path(), &["copy", "mosi.arrow", "back.h5"]).ok();
    for name in ["mosi.h5", "mosi.arrow", "back.h5"] {
        let store = Store::open(&folder.path().join(name)).unwrap();
        let gaze = store.numbers::<i32>(&"/train/gaze".parse().unwrap()).unwrap().unwrap();
        assert_eq!((gaze.shape(), gaze.sum()), (&[4, 2][..], 36), "{name}");
        assert_eq!(
            store.manifest().columns_of(SplitName::Train).last().unwrap().dtype.name(),
            "float32"
        );
    }
    almt(folder.path(), &["export", "mosi.arrow", "--to", "csv", "-o", "out.csv"]).ok();
    let csv = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    assert!(csv.lines().next().unwrap().contains("regression_labels_U"), "{csv}");
}

#[test]
fn a_column_of_a_wrong_type_is_refused_by_what_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Editor::open(&synthetic_store(folder.path(), "mosi", "4"));
    store.create("/train/audio", "int32", &[4, 50, 5], &[7; 4 * 50 * 5]);
    store.create("/train/regression_labels", "int32", &[4], &[1; 4]);
    store.seal();
    let store = Store::open(&folder.path().join("mosi.h5")).unwrap();
    let error = store.features(SplitName::Train, Modality::Audio).unwrap_err().to_string();
    assert!(error.contains("/train/audio: expected features, found int32"), "{error}");
    let mut out = [0.0; 250];
    assert!(store.sample(SplitName::Train, Modality::Audio, 0, &mut out).is_err());
    let error = store.labels(SplitName::Train).unwrap_err().to_string();
    assert!(error.contains("/train/regression_labels: expected float32, found int32"), "{error}");
    // Arrow has the bytes of both at hand, and would lend them as whatever is asked for.
    almt(folder.path(), &["copy", "mosi.h5", "mosi.arrow"])
        .fails_with(&["/train/audio: expected features, found int32"]);
    assert_eq!(files(folder.path()), ["mosi.h5", "mosi.pkl"]);
}

#[test]
fn a_type_or_a_path_that_no_column_has_is_refused() {
    for (known, unknown, said) in [
        ("\"dtype\":\"float32\"", "\"dtype\":\"float64\"", "`float64`"),
        ("\"path\":\"/train/audio\"", "\"path\":\"/dev/audio\"", "`/dev/audio`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = synthetic_store(folder.path(), "mosi", "4");
        let file = hdf5::File::open_rw(&store).unwrap();
        let json: VarLenUnicode = file.attr("manifest").unwrap().read_scalar().unwrap();
        let json = json.replacen(known, unknown, 1);
        let digest = blake3::hash(json.as_bytes()).to_hex().to_string();
        for (name, text) in [("manifest", json), ("manifest_blake3", digest)] {
            let value: VarLenUnicode = text.parse().unwrap();
            file.attr(name).unwrap().write_scalar(&value).unwrap();
        }
        file.close().unwrap();
        almt(folder.path(), &["validate", "mosi.h5"]).fails_with(&[
            "mosi.h5",
            "attribute `manifest`",
            said,
            "another version of the program wrote it",
        ]);
    }
}

#[test]
fn what_reads_a_store_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "8");
    almt(folder.path(), &["copy", "mosi.h5", "mosi.arrow"]).ok();
    for name in ["mosi.h5", "mosi.arrow"] {
        let store = Store::open(&folder.path().join(name)).unwrap();
        let mut reader = store.feature_reader(SplitName::Test, Modality::Audio).unwrap();
        let expected = store.features(SplitName::Test, Modality::Audio).unwrap().unwrap();
        drop(store);
        let found = std::thread::spawn(move || reader.next(8).unwrap());
        assert_eq!(found.join().unwrap(), expected.as_slice().unwrap(), "{name}");
    }
}

#[test]
fn a_store_that_others_have_locked_opens_and_is_not_locked() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "8");
    let path = folder.path().join("mosi.h5");
    let other = std::fs::File::open(&path).unwrap();
    other.lock().unwrap();
    let store = Store::open(&path).unwrap();
    assert!(store.features(SplitName::Test, Modality::Audio).unwrap().is_some());
    other.unlock().unwrap();
    other.try_lock().unwrap();
}
