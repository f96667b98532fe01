//! The pickle reader against files of real Python, files made to hurt, damaged files, other readers,
//! and real data.
//!
//! `bombs`: files that ask for too much, with the memory and time of the program.
//! `differential`: our reader, Python and `serde-pickle` on the same generated files.
//! `dump`: values as JSON, to compare them.
//! `foreign`: files that are something else, or no longer whole.
//! `hostile`: files that would run code or contradict themselves.
//! `mutation`: damaged fixtures by the hundred thousand.
//! `scan`: the security report.

mod bombs;
mod differential;
mod dump;
mod foreign;
mod hostile;
mod mutation;
mod scan;

use std::path::{Path, PathBuf};

use almt_data::corpus::{Modality, SplitName};
use almt_data::ingest::{self, Options};
use almt_data::pickle::{Limits, Pickle, PickleError, describe};
use serde_json::Value as Json;

use self::dump::dump;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pickles")
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pkl"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn load(bytes: &[u8]) -> Result<Pickle, PickleError> {
    Pickle::from_bytes(bytes.to_vec(), &Limits::default())
}

fn fixture(name: &str) -> Pickle {
    Pickle::open(&folder().join(name), &Limits::default()).unwrap()
}

#[test]
fn every_fixture_holds_what_python_says() {
    let expected = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: Json = serde_json::from_str(&expected).unwrap();
    let files = fixtures();
    assert!(files.len() >= 20, "fixtures are missing");
    for (name, bytes) in files {
        let family = match name.split('-').next().unwrap() {
            "python2" => name.as_str(),
            family => family,
        };
        let pickle = load(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = dump(&pickle, pickle.root());
        for (found, expected) in entries(&found).iter().zip(entries(&expected[family])) {
            assert_eq!(*found, expected, "{name}");
        }
        assert_eq!(found, expected[family], "{name}");
        if let Some(protocol) = name.split_once("protocol") {
            let stated: u8 = protocol.1.parse().unwrap();
            // Protocols 0 and 1 are not stated.
            assert_eq!(pickle.protocol(), if stated < 2 { 0 } else { stated }, "{name}");
        }
        assert!(describe(&pickle, &name).to_string().lines().count() < 1100);
    }
}

/// The entries of a dumped dict, so that a difference is shown by its key.
fn entries(dumped: &Json) -> Vec<Json> {
    dumped["dict"].as_array().cloned().unwrap_or_default()
}

#[test]
fn arrays_read_as_float32_rows_in_every_order() {
    for (name, bytes) in fixtures().iter().filter(|(name, _)| name.starts_with("arrays")) {
        let pickle = load(bytes).unwrap();
        let get = |key| pickle.array(pickle.get(pickle.root(), key).unwrap()).unwrap();
        for key in ["fortran", "permuted", "rotated", "sliced", "f2", ">f8", "i4", "?", "u8"] {
            let array = get(key);
            for row_idx in 0..array.n_rows() {
                let mut row = vec![9.0; array.row_len()];
                assert_eq!(array.read_f32(row_idx, &mut row), 0);
                for (idx, value) in row.into_iter().enumerate() {
                    let number = array.number(row_idx * array.row_len() + idx).unwrap();
                    assert_eq!(value.to_bits(), number.to_f32().to_bits(), "{name} {key}");
                }
            }
        }
        let mut row = [9.0; 12];
        get("permuted").read_f32(1, &mut row);
        assert_eq!(row, [12., 16., 20., 13., 17., 21., 14., 18., 22., 15., 19., 23.], "{name}");
        assert_eq!(get("rotated").shape(), [3, 4, 2], "{name}");
    }
}

#[test]
fn values_beyond_float32_are_counted() {
    let mut writer = almt_data::pickle::Writer::new(Vec::new()).unwrap();
    writer.begin_array(almt_data::pickle::ArrayDtype::F64, &[1, 3]).unwrap();
    for value in [1e300, f64::INFINITY, 1.0] {
        writer.elements(&value.to_le_bytes()).unwrap();
    }
    let pickle = load(&writer.finish().unwrap()).unwrap();
    let mut row = [0.0; 3];
    assert_eq!(pickle.array(pickle.root()).unwrap().read_f32(0, &mut row), 1);
    assert_eq!(row, [f32::INFINITY, f32::INFINITY, 1.0]);
}

#[test]
fn mmsa_fixture_becomes_a_corpus() {
    for (name, _) in fixtures().iter().filter(|(name, _)| name.starts_with("mmsa")) {
        let pickle = fixture(&format!("{name}.pkl"));
        let corpus = ingest::read(&pickle, &Options::default()).unwrap();
        assert_eq!(corpus.layout, "mmsa");
        let names: Vec<SplitName> = corpus.splits.iter().map(|split| split.name).collect();
        assert_eq!(names, SplitName::ALL);
        let train = &corpus.splits[0];
        assert_eq!(train.ids, ["a$_$0", "a$_$1"]);
        assert_eq!(train.features[&Modality::Vision].shape, [2, 6, 2]);
        assert_eq!(train.features[&Modality::Vision].source_dtype, "float16");
        assert_eq!(train.lengths[&Modality::Audio], [1, 2]);
        assert_eq!(train.lengths[&Modality::Vision], [2, 3]);
        assert_eq!(train.regression_labels.overall, [1.4, -0.2]);
        assert_eq!(train.classification_labels.as_deref(), Some(&[2, 0][..]));
        let tokens = train.text_bert.as_ref().unwrap();
        assert_eq!(tokens.shape(), [2, 3, 4]);
        assert_eq!(
            tokens.iter().take(8).copied().collect::<Vec<_>>(),
            [101, 2003, 102, 0, 1, 1, 1, 0]
        );
        for note in [
            "audio: float64 -> float32",
            "vision: float16 -> float32",
            "text_bert: int64 -> int32",
            "vision_lengths: int64 -> int32",
            "regression_labels: float64 -> float32",
            "classification_labels: float64 -> int32",
            "key `mystery` of the splits is not stored",
            "key `config` is no split and is not stored",
        ] {
            assert!(corpus.notes.iter().any(|found| found == note), "{note}: {:?}", corpus.notes);
        }
        assert_eq!(corpus.notes.len(), 8, "{:?}", corpus.notes);
    }
}

#[test]
fn misa_fixture_becomes_a_corpus() {
    let pickle = fixture("misa-numpy2.pkl");
    let unnamed = ingest::read(&pickle, &Options::default()).err().unwrap();
    assert!(unnamed.hint().is_some_and(|hint| hint.contains("--split")), "{unnamed}");
    let options = Options { file_stem: "mosi_dev".into(), ..Options::default() };
    let corpus = ingest::read(&pickle, &options).unwrap();
    let split = &corpus.splits[0];
    assert_eq!((corpus.layout, split.name), ("misa", SplitName::Valid));
    assert_eq!(split.ids, ["video[0]", "video[1]", "video[2]"]);
    assert_eq!(split.raw_text.as_deref(), Some(&["w0 w1", "", "w0"].map(String::from)[..]));
    assert_eq!(split.lengths[&Modality::Audio], [2, 0, 1]);
    assert_eq!(split.regression_labels.overall, [-1.0, 0.0, 1.0]);
    let words = split.words.as_ref().unwrap();
    assert_eq!(words.iter().copied().collect::<Vec<_>>(), [7, 8, 0, 0, 7, 0]);
    let vision = &split.features[&Modality::Vision];
    assert_eq!(vision.shape, [3, 2, 3]);
    let mut row = [9.0; 6];
    vision.rows.read(2, &mut row);
    assert_eq!(row, [2.5, 2.5, 2.5, 0.0, 0.0, 0.0]);
    vision.rows.read(1, &mut row);
    assert_eq!(row, [0.0; 6]);
}

#[test]
fn an_unknown_layout_says_what_was_tried() {
    let pickle = fixture("plain-protocol4.pkl");
    let error = ingest::read(&pickle, &Options::default()).err().unwrap().to_string();
    assert!(error.contains("mmsa: no key `train`"), "{error}");
    assert!(error.contains("misa: a dict, not a list"), "{error}");
}

/// The path of a real file, where there is one.
fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        println!("skipped: no real data at {}", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn real_mmsa_file() {
    let Some(path) = real("mosi_text_minilm.pkl") else { return };
    let pickle = Pickle::open(&path, &Limits::default()).unwrap();
    let corpus = ingest::read(&pickle, &Options::default()).unwrap();
    let sizes: Vec<usize> = corpus.splits.iter().map(|split| split.ids.len()).collect();
    assert_eq!(sizes, [1281, 229, 685]);
    assert_eq!(corpus.splits[0].features[&Modality::Text].shape, [1281, 39, 384]);
    assert!(corpus.notes.contains(&"text: float16 -> float32".into()), "{:?}", corpus.notes);
}

#[test]
fn real_misa_file() {
    let Some(path) = real("mosi_valid_misa.pkl") else { return };
    let pickle = Pickle::open(&path, &Limits::default()).unwrap();
    let options = Options { file_stem: "mosi_valid_misa".into(), ..Options::default() };
    let corpus = ingest::read(&pickle, &options).unwrap();
    let split = &corpus.splits[0];
    assert_eq!((split.name, split.ids.len()), (SplitName::Valid, 229));
    assert_eq!(split.features[&Modality::Vision].shape, [229, 44, 47]);
    assert_eq!(split.features[&Modality::Audio].shape, [229, 44, 74]);
    assert_eq!(split.ids[0], "WKA5OygbEKI[0]");
    assert_eq!(split.lengths[&Modality::Vision].iter().min(), Some(&2));
}
