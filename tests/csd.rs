//! Computational sequences: the real file and written ones as h5py reads them, findings, and broken files,
//! each of which has one cause and leaves nothing behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use almt_data::corpus::check::Rule;
use almt_data::csd::{
    CsdEntry, CsdError, FeatureType, Features, SequenceFile, SequenceWriter, Texts,
};
use hdf5::types::VarLenUnicode;
use hdf5::{File, Group};
use ndarray::{Array2, array};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{almt, files, python, real_data};

/// What `csd.py` prints.
#[derive(Debug, Deserialize, PartialEq)]
struct Read {
    root: String,
    names: Vec<String>,
    n_rows: usize,
    widths: BTreeMap<String, usize>,
    sha256: String,
    metadata: BTreeMap<String, String>,
}

/// The same, as the library reads it.
fn read(path: &Path) -> Read {
    let file = SequenceFile::open(path).unwrap();
    let (mut hasher, mut n_rows, mut widths) = (Sha256::new(), 0, BTreeMap::new());
    for name in file.names() {
        let CsdEntry { intervals, features } = file.entry(name).unwrap();
        hasher.update(name);
        intervals.iter().flatten().for_each(|time| hasher.update(time.to_le_bytes()));
        match &features {
            Features::Text(Texts { width, values }) => {
                values.iter().for_each(|text| hasher.update(format!("{text}\n")));
                widths.insert(name.clone(), *width);
            }
            numbers => {
                let numbers = numbers.to_float64().unwrap();
                numbers.iter().for_each(|value| hasher.update(value.to_le_bytes()));
            }
        }
        n_rows += features.n_rows();
    }
    let values = file.metadata().values.iter();
    Read {
        root: file.root().into(),
        names: file.names().to_vec(),
        n_rows,
        widths,
        sha256: hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        metadata: values.map(|(name, value)| (name.clone(), value.raw.clone())).collect(),
    }
}

#[track_caller]
pub fn check_equal_to_h5py(path: &Path) {
    let Some(expected) = python("csd.py", &[path]) else { return };
    let expected: Read = serde_json::from_str(&expected).unwrap();
    assert_eq!(read(path), expected);
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden_csd").join(name)
}

#[test]
fn the_real_words_are_those_that_h5py_reads() {
    let Some(path) = real_data("mosi_words.csd") else { return };
    let found = read(&path);
    assert_eq!((found.names.len(), found.n_rows), (93, 51_056));
    assert_eq!(found.root, "CMU_MOSI_ModifiedTimestampedWords");
    assert_eq!(found.metadata["creator"], "asdfasdfasdf");
    let widths: Vec<usize> = found.widths.values().copied().collect();
    assert_eq!((widths.iter().min(), widths.iter().max()), (Some(&9), Some(&17)));
    check_equal_to_h5py(&path);

    let path = path.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = almt(folder.path(), &["validate", path]).ok().stdout();
    assert!(told.contains("valid (computational sequence `CMU_MOSI_Modified"), "{told}");
    assert!(told.contains("0 errors, 0 warnings") && told.contains("note: 49 gaps"), "{told}");
    let shown = almt(folder.path(), &["inspect", path]).ok().stdout();
    assert!(
        shown.contains("93 entries, 51,056 rows")
            && shown.contains("1 column, text of 9 to 17 bytes"),
        "{shown}"
    );
    assert_eq!(files(folder.path()), [""; 0]);
}

#[test]
fn files_of_the_sdk_are_those_that_h5py_reads() {
    for name in ["words", "audio", "vision", "labels", "labels_old"] {
        check_equal_to_h5py(&golden(&format!("A/{name}.csd")));
    }
    let audio = SequenceFile::open(&golden("A/audio.csd")).unwrap();
    assert_eq!(audio.root(), "COAVAREP");
    let metadata = audio.metadata();
    assert_eq!(metadata.dimension_names(), Some(vec!["a0", "a1", "a2", "a3", "a4"]));
    assert_eq!(metadata.get("creator").unwrap().text(), "Zoë Náměs");
    let names: Vec<&str> = metadata.values.iter().map(|(name, _)| &**name).collect();
    assert!(names.contains(&"dimension namescomputational sequence version"), "{names:?}");
    let old = SequenceFile::open(&golden("A/labels_old.csd")).unwrap();
    assert_eq!(old.metadata().get("contact").unwrap().text(), "x@y.z");
    let vision = SequenceFile::open(&golden("A/vision.csd")).unwrap();
    assert_eq!(vision.entry("abc").unwrap().features.dtype(), FeatureType::Float32);
}

fn words(width: usize, words: &[&str]) -> CsdEntry {
    let values = Array2::from_shape_fn((words.len(), 1), |(row, _)| words[row].to_owned());
    let intervals = (0..words.len()).map(|row| [row as f64, row as f64 + 0.5]).collect();
    CsdEntry { intervals, features: Features::Text(Texts { width, values }) }
}

#[test]
fn what_is_written_is_what_h5py_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csd");
    let mut writer = SequenceWriter::create(&path, "Wörter 1", false).unwrap();
    writer.entry("b[10]", &words(7, &["sp", "one", "seven77"])).unwrap();
    writer.entry("b[2]", &words(30, &["thirty"])).unwrap();
    writer.entry("c", &words(12, &["naïve", ""])).unwrap();
    writer.entry("empty", &words(3, &[])).unwrap();
    let twice = writer.entry("c", &words(3, &[])).unwrap_err().to_string();
    assert!(twice.ends_with("c: is written twice"), "{twice}");
    let slash = writer.entry("a/b", &words(3, &[])).unwrap_err().to_string();
    assert!(slash.contains("`a/b` cannot name an entry"), "{slash}");
    writer.finish(&[("creator".into(), json!("Zoë")), ("extra".into(), json!([1]))]).unwrap();
    assert_eq!(files(folder.path()), ["a.csd"]);
    check_equal_to_h5py(&path);
    let found = read(&path);
    assert_eq!(found.names, ["b[10]", "b[2]", "c", "empty"]);
    assert_eq!(found.metadata["creator"], "\"Zoë\"");
    assert_eq!(found.metadata["dataset name"], "null");
    assert_eq!((found.metadata.len(), found.metadata["extra"].as_str()), (14, "[1]"));
    let file = SequenceFile::open(&path).unwrap();
    assert_eq!(file.entry("c").unwrap(), words(12, &["naïve", ""]));
    assert_eq!(file.entry("empty").unwrap().features.shape(), [0, 1]);

    let numbers = folder.path().join("n.csd");
    let mut writer = SequenceWriter::create(&numbers, "n", false).unwrap();
    let values = Array2::from_shape_fn((70_000, 2), |(row, column)| (row * 2 + column) as f32);
    let intervals = (0..70_000).map(|row| [row as f64, row as f64 + 1.0]).collect();
    let long = CsdEntry { intervals, features: Features::Float32(values) };
    writer.entry("long", &long).unwrap();
    writer.finish(&[]).unwrap();
    check_equal_to_h5py(&numbers);
    assert_eq!(SequenceFile::open(&numbers).unwrap().entry("long").unwrap(), long);
    let exists = SequenceWriter::create(&numbers, "n", false).unwrap_err();
    assert!(matches!(exists, CsdError::Exists { .. }), "{exists}");
    drop(SequenceWriter::create(&numbers, "n", true).unwrap());
    check_equal_to_h5py(&numbers);
    assert_eq!(files(folder.path()), ["a.csd", "n.csd"]);
}

/// A file with one entry `v` of shapes that a test chooses.
fn made(path: &Path, fill: impl FnOnce(&Group)) -> PathBuf {
    let file = File::create(path).unwrap();
    let group = file.create_group("root/data/v").unwrap();
    fill(&group);
    path.into()
}

fn put<T: hdf5::H5Type>(group: &Group, name: &str, shape: &[usize], values: &[T]) {
    let dataset = group.new_dataset::<T>().shape(shape.to_vec()).create(name).unwrap();
    dataset.write_raw(values).unwrap();
}

#[test]
fn numbers_of_every_type_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let expected = Features::Float64(array![[1.0, 2.0], [3.0, 4.0]]);
    let path = |name: &str| folder.path().join(name);
    let features = |name: &str, fill: &dyn Fn(&Group)| {
        let path = made(&path(name), |group| {
            put(group, "intervals", &[2, 2], &[0_i32, 1, 1, 2]);
            fill(group);
        });
        let entry = SequenceFile::open(&path).and_then(|file| file.entry("v"));
        entry.map(|entry| entry.features).map_err(|error| error.to_string())
    };
    let of_int = features("i.csd", &|group| put(group, "features", &[2, 2], &[1_i64, 2, 3, 4]));
    assert_eq!(of_int.unwrap(), expected);
    let of_byte = features("u.csd", &|group| put(group, "features", &[2, 2], &[1_u8, 2, 3, 4]));
    assert_eq!(of_byte.unwrap(), expected);
    let half = [1.0, 2.0, 3.0, 4.0].map(half::f16::from_f32);
    let of_half = features("h.csd", &|group| put(group, "features", &[2, 2], &half));
    assert_eq!(of_half.unwrap(), Features::Float32(array![[1.0, 2.0], [3.0, 4.0]]));
    let of_axes =
        features("a.csd", &|group| put(group, "features", &[2, 2, 1], &[1.0, 2.0, 3.0, 4.0]));
    assert_eq!(of_axes.unwrap(), expected);
    let large = features("l.csd", &|group| put(group, "features", &[2, 1], &[1_i64, 1 << 60]));
    assert!(large.unwrap_err().contains("is too large for float64"));
    let texts = ["a", "naïve"].map(|text| text.parse::<VarLenUnicode>().unwrap());
    let of_text = features("t.csd", &|group| put(group, "features", &[2, 1], &texts)).unwrap();
    let values = array![["a".to_owned()], ["naïve".to_owned()]];
    assert_eq!(of_text, Features::Text(Texts { width: 6, values }));
    let of_bool = features("b.csd", &|group| put(group, "features", &[2, 1], &[true, false]));
    assert!(of_bool.unwrap_err().contains("expected numbers or strings, found bool"));
}

/// `validate` finds the rule, names the place, and the file stays alone.
#[track_caller]
fn check_rule(rule: Rule, place: &str, fill: impl FnOnce(&Group)) {
    let folder = tempfile::tempdir().unwrap();
    made(&folder.path().join("a.csd"), fill);
    let call = almt(folder.path(), &["validate", "--json", "a.csd"]);
    let reports: Value = serde_json::from_str(&call.stdout()).unwrap();
    let findings = reports[0]["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{reports:#}");
    assert_eq!(findings[0]["rule"], rule.id(), "{reports:#}");
    let example = findings[0]["examples"][0].as_str().unwrap();
    assert!(example.contains(place), "{example}");
    assert_eq!(files(folder.path()), ["a.csd"]);
}

#[test]
fn every_rule_of_a_sequence_has_a_planted_defect() {
    let times =
        |group: &Group, times: &[f64]| put(group, "intervals", &[times.len() / 2, 2], times);
    let values = |group: &Group, values: &[f64]| put(group, "features", &[values.len(), 1], values);
    check_rule(Rule::EntryShape, "v: lacks `features`", |group| times(group, &[0.0, 1.0]));
    check_rule(Rule::EntryShape, "v: 2 rows of features and 1 of intervals", |group| {
        times(group, &[0.0, 1.0]);
        values(group, &[1.0, 2.0]);
    });
    check_rule(Rule::EntryShape, "found [2]", |group| {
        times(group, &[0.0, 1.0, 1.0, 2.0]);
        put(group, "features", &[2], &[1.0, 2.0]);
    });
    check_rule(Rule::EntryShape, "found [2, 1]", |group| {
        put(group, "intervals", &[2, 1], &[1.0, 2.0]);
        values(group, &[1.0, 2.0]);
    });
    check_rule(Rule::IntervalTime, "v row 1 (2 to 1 s)", |group| {
        times(group, &[0.0, 1.0, 2.0, 1.0]);
        values(group, &[1.0, 2.0]);
    });
    check_rule(Rule::IntervalTime, "v row 0 (NaN to 1 s)", |group| {
        times(group, &[f64::NAN, 1.0, 2.0, 3.0]);
        values(group, &[1.0, 2.0]);
    });
    check_rule(Rule::RowOrder, "v row 1 (0 to 1 s)", |group| {
        times(group, &[1.0, 2.0, 0.0, 1.0]);
        values(group, &[1.0, 2.0]);
    });
    check_rule(Rule::RowOverlap, "v: 1 row", |group| {
        times(group, &[0.0, 2.0, 1.0, 3.0]);
        values(group, &[1.0, 2.0]);
    });
    check_rule(Rule::ShortRow, "v row 1 (1 to 1 s)", |group| {
        times(group, &[0.0, 1.0, 1.0, 1.0]);
        values(group, &[1.0, 2.0]);
    });
    check_rule(Rule::EntryValue, "v: 2 values", |group| {
        times(group, &[0.0, 1.0, 1.0, 2.0]);
        values(group, &[f64::NAN, f64::NEG_INFINITY]);
    });
    check_rule(Rule::EntryForm, "v with 1 column of numbers", |group| {
        times(group, &[0.0, 1.0]);
        values(group, &[1.0]);
        let other = group.file().unwrap().create_group("root/data/w").unwrap();
        times(&other, &[0.0, 1.0]);
        put(&other, "features", &[1, 2], &[1.0, 2.0]);
    });
}

#[test]
fn sequences_are_compared_with_one_another() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden_csd/A");
    let call = almt(&folder, &["validate", "words.csd", "vision.csd", "--json"]);
    let reports: Value = serde_json::from_str(&call.stdout()).unwrap();
    let missing = |idx: usize| {
        let findings = reports[idx]["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["rule"] == Rule::MissingVideo.id()).cloned()
    };
    let finding = missing(0).unwrap();
    assert_eq!(finding["message"], "1 of 6 videos are not in vision.csd");
    assert_eq!(finding["examples"], json!(["ab"]));
    let notes = reports[0]["notes"].to_string();
    assert!(notes.contains("`abc` begins like a video that vision.csd lacks"), "{notes}");
    assert!(missing(1).is_none(), "{reports:#}");
    let together = almt(&folder, &["validate", "--quick", "words.csd", "labels.csd"]).ok();
    assert!(together.stdout().contains("no value was read"), "{}", together.explain());
}

/// Broken files: one cause that names the file, for `inspect` and `validate`, and nothing left behind.
#[test]
fn broken_sequences_have_one_cause() {
    let whole = std::fs::read(golden("B/audio.csd")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("empty.csd", b"");
    write("text.csd", b"video,start,end\n");
    write("cut.csd", &whole[..whole.len() / 2]);
    write("head.csd", &whole[..20]);
    let mut broken = whole.clone();
    broken[90..400].fill(0xff);
    write("broken.csd", &broken);
    File::create(folder.join("nothing.csd")).unwrap();
    File::create(folder.join("flat.csd")).unwrap().create_group("root/other").unwrap();
    made(&folder.join("bomb.csd"), |group| {
        put(group, "intervals", &[1, 2], &[0.0, 1.0]);
        group
            .new_dataset::<f64>()
            .chunk([1, 1 << 20])
            .shape([1 << 20, 1 << 20])
            .create("features")
            .unwrap();
    });
    made(&folder.join("link.csd"), |group| {
        group.link_external("/etc/other.h5", "/x", "features").unwrap();
        put(group, "intervals", &[1, 2], &[0.0, 1.0]);
    });
    let before = files(folder);
    for (name, cause) in [
        ("absent.csd", "no such file"),
        ("empty.csd", "the file is empty"),
        ("text.csd", "does not hold the HDF5 signature"),
        ("cut.csd", "is cut: "),
        ("head.csd", "damaged"),
        ("nothing.csd", "not a computational sequence: it is empty"),
        ("flat.csd", "`root` lacks the group `data`"),
        ("bomb.csd", "root/data/v/features: 8.0 TiB are declared"),
    ] {
        let call = almt(folder, &["inspect", name]).fails_with(&[name, cause]);
        assert_eq!(call.stderr().lines().filter(|line| line.starts_with("error")).count(), 1);
        almt(folder, &["validate", name]).fails_with(&[name, cause]);
    }
    for name in ["broken.csd", "link.csd"] {
        almt(folder, &["inspect", name]).fails_with(&[name]);
    }
    almt(folder, &["inspect", "link.csd"]).fails_with(&["`features` is a link to another place"]);
    assert_eq!(files(folder), before);
}

/// Bytes changed at random: an error or values, never a panic.
#[test]
fn damaged_sequences_never_panic() {
    use rand::RngExt;
    use rand_chacha::ChaCha12Rng;
    use rand_chacha::rand_core::SeedableRng;
    let whole = std::fs::read(golden("B/vectors.csd")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csd");
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let mut n_errors = 0;
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        std::fs::write(&path, &bytes).unwrap();
        let outcome = SequenceFile::open(&path).and_then(|file| {
            file.describe("a")?;
            file.names().iter().try_for_each(|name| file.entry(name).map(drop))
        });
        n_errors += usize::from(outcome.is_err());
    }
    assert!(n_errors > 10, "{n_errors}");
}
