//! Exports of stores, read by the programs they are for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::{
    Corpus, CorpusSplit, Dataset, FeatureBlock, Layout, Modality, RegressionLabels, RowError, Rows,
    SplitName,
};
use almt_data::csd::SequenceFile;
use almt_data::overflow::Overflows;
use almt_data::store::{
    Compression, FeatureDtype, Format, NonFinite, OnOverflow, OutputOptions, SourceInfo, Store,
    WriteOptions, write,
};
use ndarray::Array2;
use serde_json::Value;

use crate::csd::check_equal_to_h5py;
use crate::support::{almt, files, python, python_numpy1, real_data, synthetic_store};
use crate::timings::{Entry, sequence};

/// Exports a store, and compares what Python reads of the pickle with what h5py reads of the store.
fn check_mmsa_pickle(folder: &Path, store: &Path) {
    let pickle = folder.join("exported.pkl");
    let output = pickle.to_str().unwrap();
    let source = store.to_str().unwrap();
    almt(folder, &["export", source, "--to", "mmsa-pickle", "-o", output]).ok();
    if let Some(expected) = python("digests.py", &[store]) {
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let expected = parse(&expected);
        assert!(expected.as_object().unwrap().len() > 7);
        assert_eq!(parse(&python("digests.py", &[&pickle]).unwrap()), expected, "numpy 2");
        assert_eq!(parse(&python_numpy1("digests.py", &[&pickle]).unwrap()), expected, "numpy 1");
    }
    // Read back, it is the same content, which is what the store digest stands for.
    almt(folder, &["convert", output, "-o", "again.h5"]).ok();
    let digest = |path: &Path| Store::open(path).unwrap().manifest().digest.clone();
    assert_eq!(digest(&folder.join("again.h5")), digest(store));
}

#[test]
fn an_exported_pickle_loads_in_both_numpys_and_converts_to_the_same_store() {
    for dataset in ["mosi", "sims"] {
        let folder = tempfile::tempdir().unwrap();
        let store = synthetic_store(folder.path(), dataset, "8");
        check_mmsa_pickle(folder.path(), &store);
    }
}

#[test]
fn the_real_file_survives_the_way_there_and_back() {
    let Some(source) = real_data("mosi_text_minilm.pkl") else { return };
    let folder = tempfile::tempdir().unwrap();
    almt(folder.path(), &["convert", source.to_str().unwrap(), "-o", "text.h5"]).ok();
    check_mmsa_pickle(folder.path(), &folder.path().join("text.h5"));
}

#[test]
fn a_changed_store_is_not_exported() {
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    let offset = hdf5::File::open(&store).unwrap().dataset("train/audio").unwrap().offset();
    let mut bytes = std::fs::read(&store).unwrap();
    bytes[offset.unwrap() as usize + 5] ^= 1;
    std::fs::write(&store, bytes).unwrap();
    almt(folder.path(), &["export", "mosi.h5", "--to", "mmsa-pickle", "-o", "out.pkl"])
        .fails_with(&["/train/audio", "BLAKE3"]);
    assert_eq!(files(folder.path()), ["mosi.h5", "mosi.pkl"]);
    std::fs::write(folder.path().join("mosi.mmsa.pkl"), "").unwrap();
    almt(folder.path(), &["export", "mosi.h5", "--to", "mmsa-pickle"])
        .fails_with(&["mosi.mmsa.pkl", "already exists"]);
}

#[test]
fn what_a_store_was_made_from_is_not_replaced_by_its_export() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "4");
    let source = std::fs::read(folder.path().join("mosi.pkl")).unwrap();
    let args = ["export", "mosi.h5", "--to", "mmsa-pickle", "--overwrite"];
    almt(folder.path(), &[&args[..], &["-o", "mosi.pkl"]].concat())
        .fails_with(&["mosi.pkl", "a file that the store was made from"])
        .hints_at("`-o`");
    assert!(std::fs::read(folder.path().join("mosi.pkl")).unwrap() == source);
    almt(folder.path(), &args).ok();
    assert_eq!(files(folder.path()), ["mosi.h5", "mosi.mmsa.pkl", "mosi.pkl"]);
}

/// Features of which every pattern of bits is a value.
struct AllBits([usize; 2]);

impl Rows for AllBits {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        assert_eq!(out.len(), self.0[0] * self.0[1]);
        for (idx, value) in out.iter_mut().enumerate() {
            *value = match (idx + sample_idx) % 7 {
                0 => f32::NAN,
                1 => f32::NEG_INFINITY,
                2 => -0.0,
                3 => f32::from_bits(1),
                _ => (idx as f32 + 0.1) / (sample_idx as f32 - 3.3),
            };
        }
        Ok(Overflows::default())
    }
}

/// Texts that a careless writer breaks.
const TEXTS: [&str; 8] = [
    "",
    "a, \"quoted\" word",
    "two\nlines\r\nor three\r",
    "我不喜欢",
    "🙂\u{2028}e\u{301}",
    "12",
    "NULL",
    " ends in a space ",
];

/// A store of CMU-MOSI whose splits differ in their columns, one of them without a segment.
fn odd_store(folder: &Path, name: &str, dtype: FeatureDtype) {
    let split = |split: SplitName, n_samples: usize| {
        let block = |shape: [usize; 2]| FeatureBlock {
            shape: [n_samples, shape[0], shape[1]],
            rows: Arc::new(AllBits(shape)),
        };
        let idx = 0..n_samples;
        let mut features = BTreeMap::from([(Modality::Text, block([5, 3]))]);
        if split != SplitName::Test {
            features.insert(Modality::Vision, block([1, 1]));
        }
        let values = [0.1, -0.0, 2.9999998, f32::NAN, 1e-30, -3.0];
        CorpusSplit {
            name: split,
            ids: idx.clone().map(|idx| format!("{split}$_${idx}")).collect(),
            raw_text: (split != SplitName::Valid)
                .then(|| idx.clone().map(|idx| TEXTS[idx % TEXTS.len()].into()).collect()),
            annotations: None,
            features,
            text_bert: Some(ndarray::Array3::from_shape_fn((n_samples, 3, 5), |(a, b, c)| {
                (a * 100 + b * 10 + c) as i32 - 7
            })),
            words: None,
            lengths: [(Modality::Text, idx.clone().map(|idx| 1 + (idx % 5) as i32).collect())]
                .into(),
            regression_labels: RegressionLabels {
                overall: Some(idx.map(|idx| values[idx % values.len()]).collect()),
                by_modality: BTreeMap::new(),
            },
            classification_labels: None,
            emotion_labels: None,
            intervals: None,
            narrowed_labels: Vec::new(),
        }
    };
    let corpus = Corpus {
        layout: Layout::Mmsa.name(),
        splits: vec![
            split(SplitName::Train, 19),
            split(SplitName::Valid, 0),
            split(SplitName::Test, 9),
        ],
        notes: vec![],
        feature_names: BTreeMap::new(),
        build: None,
    };
    let options = WriteOptions {
        dataset: Dataset::Mosi,
        label_scale: None,
        on_nonfinite: NonFinite::Keep,
        on_overflow: OnOverflow::Error,
        dtype,
        output: OutputOptions {
            format: Format::Arrow,
            compression: Compression::None,
            overwrite: false,
            sync: false,
        },
    };
    let source = SourceInfo { file_name: "odd.pkl".into(), bytes: b"odd", entry: None };
    write(&corpus, &[source], &folder.join(name), &options, &|_| {}).unwrap();
}

/// The forms of tables that this build writes.
const TABLES: &[&str] =
    if cfg!(feature = "parquet") { &["parquet", "csv", "npz"] } else { &["csv", "npz"] };

/// Exports a store in each form, and compares what others read of it with what h5py reads of the
/// store in HDF5, which is `h5`.
fn check_tables(folder: &Path, store: &str, h5: &Path) {
    for format in TABLES {
        let name = &*format!("out.{format}");
        almt(folder, &["export", store, "--to", format, "-o", name]).ok();
        if let Some(found) = python("exports.py", &[format.as_ref(), h5, &folder.join(name)]) {
            let counts: Vec<usize> = serde_json::from_str(&found).unwrap();
            let split_columns = Store::open(h5).unwrap().manifest().columns.clone();
            let n_expected =
                split_columns.iter().filter(|c| *format != "csv" || c.shape.len() == 1).count();
            assert!(counts.iter().all(|count| *count == n_expected), "{format}: {counts:?}");
        }
        let again = almt(folder, &["export", store, "--to", format, "-o", name]);
        again.fails_with(&[name, "already exists"]);
        almt(folder, &["export", store, "--to", format, "-o", name, "--overwrite"]).ok();
    }
    for name in ["out.csv", "out.npz"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    if cfg!(feature = "parquet") {
        std::fs::remove_dir_all(folder.join("out.parquet")).unwrap();
    }
}

#[test]
fn tables_of_synthetic_stores_hold_every_bit() {
    for dataset in ["mosi", "sims"] {
        let folder = tempfile::tempdir().unwrap();
        let store = synthetic_store(folder.path(), dataset, "8");
        check_tables(folder.path(), &format!("{dataset}.h5"), &store);
    }
}

#[test]
fn tables_hold_odd_texts_values_and_splits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for dtype in [FeatureDtype::Float32, FeatureDtype::Float16] {
        let [arrow, h5] = ["arrow", "h5"].map(|ending| format!("{dtype}.{ending}"));
        odd_store(path, &arrow, dtype);
        almt(path, &["copy", &arrow, &h5]).ok();
        for store in [&arrow, &h5] {
            check_tables(path, store, &path.join(&h5));
        }
    }
}

#[test]
fn tables_of_the_real_file_hold_every_bit() {
    let Some(source) = real_data("mosi_text_minilm.pkl") else { return };
    let folder = tempfile::tempdir().unwrap();
    almt(folder.path(), &["convert", source.to_str().unwrap(), "-o", "text.h5"]).ok();
    check_tables(folder.path(), "text.h5", &folder.path().join("text.h5"));
    if cfg!(feature = "parquet") {
        almt(folder.path(), &["export", "text.h5", "--to", "parquet"]).ok();
        let found = files(&folder.path().join("text.parquet"));
        assert_eq!(found, ["split=test", "split=train", "split=valid"]);
    }
}

#[test]
fn the_same_store_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "4");
    let export = |format: &str, name: &str| {
        almt(folder.path(), &["export", "mosi.h5", "--to", format, "-o", name]).ok();
        match format {
            "parquet" => std::fs::read(folder.path().join(name).join("split=test/part-0.parquet")),
            _ => std::fs::read(folder.path().join(name)),
        }
        .unwrap()
    };
    for format in TABLES.iter().copied().chain(["croissant"]) {
        assert!(export(format, "one") == export(format, "two"), "{format}");
        for name in ["one", "two"] {
            let path = folder.path().join(name);
            let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
    }
}

#[test]
fn a_changed_store_is_exported_in_no_form() {
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    let mut bytes = std::fs::read(&store).unwrap();
    for column in ["audio", "bins/acc_5"] {
        let file = hdf5::File::open(&store).unwrap();
        let offset = file.dataset(&format!("test/{column}")).unwrap().offset().unwrap() as usize;
        drop(file);
        bytes[offset] ^= 1;
        std::fs::write(&store, &bytes).unwrap();
        for format in TABLES.iter().copied().chain(["croissant"]) {
            // What is not exported is not read.
            if format == "csv" && column == "audio" {
                continue;
            }
            almt(folder.path(), &["export", "mosi.h5", "--to", format])
                .fails_with(&[&format!("/test/{column}"), "BLAKE3"]);
        }
        bytes[offset] ^= 1;
    }
    std::fs::write(&store, &bytes).unwrap();
    assert_eq!(files(folder.path()), ["mosi.h5", "mosi.pkl"]);
}

#[cfg(feature = "parquet")]
#[test]
fn neither_the_store_nor_a_folder_of_other_things_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "4");
    for format in ["mmsa-pickle", "parquet", "csv", "npz", "croissant"] {
        let args = ["export", "mosi.h5", "--to", format, "-o", "mosi.h5", "--overwrite"];
        almt(folder.path(), &args).fails_with(&["mosi.h5", "would replace the input"]);
    }
    almt(folder.path(), &["export", "mosi.h5", "--to", "parquet"]).ok();
    let mine = folder.path().join("mosi.parquet/split=train/thesis.tex");
    std::fs::write(&mine, "mine").unwrap();
    almt(folder.path(), &["export", "mosi.h5", "--to", "parquet", "--overwrite"])
        .fails_with(&["mosi.parquet", "more than an export"]);
    assert!(mine.exists());
    let args = ["export", "mosi.h5", "--to", "csv", "-o", "mosi.parquet", "--overwrite"];
    almt(folder.path(), &args).fails_with(&["mosi.parquet", "cannot write"]);
    let call = almt(folder.path(), &["export", "mosi.h5", "--to", "csv", "--license", "MIT"]);
    assert_eq!(call.code(), 2, "{}", call.explain());
    assert_eq!(files(folder.path()), ["mosi.h5", "mosi.parquet", "mosi.pkl"]);
}

#[test]
fn croissant_metadata_name_every_file_and_column() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "sims", "4");
    almt(folder.path(), &["copy", "sims.h5", "sims.arrow"]).ok();
    for name in ["sims.h5", "sims.arrow"] {
        let args = ["export", name, "--to", "croissant", "--license", "CC-BY-4.0", "--overwrite"];
        almt(folder.path(), &args).ok();
        let path = folder.path().join("sims.croissant.json");
        let json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let store = Store::open(&folder.path().join(name)).unwrap();
        assert_eq!(json["license"], "CC-BY-4.0");
        assert_eq!(json["identifier"], format!("blake3:{}", store.manifest().digest));
        let sets = json["recordSet"].as_array().unwrap();
        let fields: usize = sets.iter().map(|set| set["field"].as_array().unwrap().len()).sum();
        assert_eq!((sets.len(), fields), (3, store.manifest().columns.len()));
        if let Some(found) = python("croissant.py", &[&path]) {
            let n_files = if name == "sims.h5" { 1 } else { 4 };
            assert_eq!(found.trim(), format!("{n_files} {fields}"));
        }
    }
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_parquet_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "4");
    almt(folder.path(), &["export", "mosi.h5", "--to", "parquet"])
        .fails_with(&["this build writes no Parquet"]);
    assert_eq!(files(folder.path()), ["mosi.h5", "mosi.pkl"]);
}

/// A store exported to sequences and aligned again has the same segments, features, texts and labels.
fn check_sequences(folder: &Path, name: &str, args: &[&str]) -> Value {
    almt(folder, &["export", name, "--to", "csd", "-o", "s"]).ok();
    let sequences = folder.join("s");
    let mut metadata = Value::Null;
    for file in files(&sequences).iter().filter(|file| file.ends_with(".csd")) {
        let path = sequences.join(file);
        check_equal_to_h5py(&path);
        let report = almt(folder, &["validate", "--json", path.to_str().unwrap()]).ok().stdout();
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report[0]["valid"], true, "{report:#}");
        let file = SequenceFile::open(&path).unwrap();
        metadata = file.metadata().get("intervals").unwrap().json.clone().unwrap();
    }
    let again = ["align", "--labels", "s/labels.csd", "-o", "again.h5", "--dataset", "mosi"];
    almt(folder, &[&again[..], args].concat()).ok();
    let [before, after] = [name, "again.h5"].map(|name| Store::open(&folder.join(name)).unwrap());
    let splits: Vec<SplitName> = before.manifest().splits.iter().map(|split| split.name).collect();
    for split in splits {
        assert_eq!(before.ids(split), after.ids(split), "{split}");
        assert_eq!(before.labels(split).unwrap(), after.labels(split).unwrap(), "{split}");
        let texts = |store: &Store| store.strings(&ColumnKind::RawText.of(split)).unwrap();
        assert_eq!(texts(&before), texts(&after), "{split}");
        for modality in [Modality::Audio, Modality::Vision] {
            let bits = |store: &Store| {
                let all = store.features(split, modality).unwrap().unwrap();
                (all.dim(), all.iter().map(|value| value.to_bits()).collect::<Vec<u32>>())
            };
            assert_eq!(bits(&before), bits(&after), "{split} {modality}");
        }
    }
    metadata
}

#[test]
fn sequences_of_a_store_align_to_the_same_segments() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden_csd/A");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["words.csd", "audio.csd", "vision.csd", "labels.csd"] {
        std::fs::copy(golden.join(name), folder.join(name)).unwrap();
    }
    let call = ["align", "--reference", "words.csd", "--labels", "labels.csd", "-o", "a.h5"];
    let more = ["--sequence", "audio=audio.csd", "--sequence", "vision=vision.csd"];
    let policies = ["--on-nonfinite", "keep", "--folds", "none", "--dataset", "mosi"];
    almt(folder, &[&call[..], &more, &policies].concat()).ok();
    let back = ["--reference", "s/words.csd", "--sequence", "audio=s/audio.csd", "--sequence"];
    let args = [&back[..], &["vision=s/vision.csd", "--on-nonfinite", "keep", "--folds", "none"]];
    let times = check_sequences(folder, "a.h5", &args.concat());
    // Segments of the recorded labels overlap.
    assert!(times.as_str().unwrap().starts_with("synthetic: a second per row"), "{times}");
    almt(folder, &["export", "a.h5", "--to", "csd", "-o", "s"]).fails_with(&["s: already exists"]);
    almt(folder, &["export", "a.h5", "--to", "csd", "-o", "s", "--overwrite"]).ok();
    std::fs::write(folder.join("s/notes.txt"), "mine").unwrap();
    almt(folder, &["export", "a.h5", "--to", "csd", "-o", "s", "--overwrite"])
        .fails_with(&["s: is a folder that holds more than an export"]);

    // Segments that do not overlap keep their times, and the reference can be numbers.
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let steps: Vec<[f64; 2]> =
        (0..12).map(|row| [row as f64 * 0.3, row as f64 * 0.3 + 0.3]).collect();
    let values = |start: f64| {
        Array2::from_shape_fn((12, 2), |(row, column)| start + row as f64 * 0.7 + column as f64)
    };
    let labels: [[f64; 2]; 3] = [[0.0, 1.2], [1.2, 1.2], [1.5, 3.6]];
    let scores = Array2::from_shape_fn((3, 2), |(row, _)| row as f64 - 1.0);
    for (name, times, values) in [
        ("text", &steps[..], &values(0.0)),
        ("audio", &steps, &values(5.0)),
        ("vision", &steps, &values(-3.0)),
        ("labels", &labels, &scores),
    ] {
        let entries: [Entry<'_>; 2] = [("a", times, values), ("b", times, values)];
        sequence(&folder.join(format!("{name}.csd")), &entries);
    }
    std::fs::write(folder.join("f.json"), r#"{"train": ["a"], "test": ["b"]}"#).unwrap();
    let call = ["align", "--reference", "text.csd", "--labels", "labels.csd", "-o", "a.h5"];
    almt(folder, &[&call[..], &more, &["--folds", "f.json", "--dataset", "mosi"]].concat()).ok();
    assert_eq!(Store::open(&folder.join("a.h5")).unwrap().ids(SplitName::Train), ["a[0]", "a[2]"]);
    let back = ["--reference", "s/text.csd", "--sequence", "audio=s/audio.csd", "--sequence"];
    let args = [&back[..], &["vision=s/vision.csd", "--folds", "s/folds.json"]].concat();
    let times = check_sequences(folder, "a.h5", &args);
    assert!(times.as_str().unwrap().starts_with("segments: recorded"), "{times}");
    let audio = SequenceFile::open(&folder.join("s/audio.csd")).unwrap();
    assert_eq!(audio.names(), ["a[0]", "a[2]", "b[0]", "b[2]"]);
    let first = audio.entry("a[2]").unwrap();
    assert!((first.intervals[0][0] - 1.5).abs() < 1e-9, "{:?}", first.intervals);
    // The sequence is one of a store of clips, too.
    std::fs::write(folder.join("l.csv"), "video_id,clip_id,label\na,0,1\na,2,0\n").unwrap();
    let args = ["build", "--labels", "l.csv", "--audio", "s/audio.csd", "--dataset", "mosi"];
    almt(folder, &args).ok();
}

#[test]
fn a_store_of_any_dataset_becomes_sequences() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "sims", "6");
    let told = almt(folder, &["export", "sims.h5", "--to", "csd"]).ok().stderr();
    let note = "note: columns that sequences have no place for are not written: ";
    let labels = "regression_labels_T, regression_labels_A, regression_labels_V";
    assert!(told.starts_with(note) && told.contains(labels), "{told}");
    let names = files(&folder.join("sims.sequences"));
    assert!(
        names.contains(&"labels.csd".into()) && names.contains(&"text.csd".into()),
        "{names:?}"
    );
    for name in names.iter().filter(|name| name.ends_with(".csd")) {
        let path = folder.join("sims.sequences").join(name);
        almt(folder, &["validate", path.to_str().unwrap()]).ok();
        check_equal_to_h5py(&path);
    }
}
