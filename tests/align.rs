//! Alignment of computational sequences: the SDK's own, compared with what the SDK itself gives.
//!
//! `golden_csd` (`fixtures/`, and `../shared/` with the files that are larger or need real words) holds
//! inputs and outputs of every step. Tolerances: keys, order, texts and intervals are equal, features too
//! without a mean; means within 1e-12 (float64) and 1e-6 (float32), relative to numbers above 1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use almt_data::align::sdk::{
    Collapse, FoldTensors, Padding, RecipeB, Roles, SampleB, Tensor, align, hard_unify, impute,
    recipe_a, recipe_b, revert, tensors, unify,
};
use almt_data::align::{AlignError, CsdSequence, SequenceSet};
use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::names::FeatureValues;
use almt_data::corpus::{Modality, SplitName};
use almt_data::csd::{CsdEntry, FeatureType, Features, SequenceWriter, Texts};
use almt_data::store::Store;
use hdf5::types::{FixedAscii, VarLenUnicode};
use hdf5::{File, Group};
use ndarray::{Array2, Array3};
use serde_json::Value;

use crate::support::{Call, almt, files, real_data};

/// A golden file; `None` where only the shared folder has it, and that is not there.
fn golden(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["fixtures/golden_csd", "../shared/golden_csd"];
    let found = places.map(|place| root.join(place).join(name)).into_iter().find(|it| it.exists());
    if found.is_none() {
        println!("skipped: no golden data ({name})");
    }
    found
}

fn index() -> Value {
    let path = golden("index.json").unwrap();
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn folds(output: &str) -> Vec<Vec<String>> {
    serde_json::from_value(index()["outputs"][output]["folds"].clone()).unwrap()
}

/// The sequences of inputs `set/NAME.csd`, in order.
fn inputs(set: &str, names: &[&str]) -> SequenceSet {
    let open = |name: &&str| {
        let path = golden(&format!("{set}/{name}.csd")).unwrap();
        let name = if *name == "labels_old" { "labels" } else { name };
        CsdSequence::open(name, &path).unwrap()
    };
    SequenceSet::new(names.iter().map(open))
}

/// The sequences after a round trip through files, whose order is that of names.
fn reread(dataset: &SequenceSet) -> SequenceSet {
    let folder = tempfile::tempdir().unwrap();
    SequenceSet::new(dataset.sequences.iter().map(|sequence| {
        let path = folder.path().join(format!("{}.csd", sequence.name()));
        sequence.save(&path, sequence.name(), false).unwrap();
        let file = CsdSequence::open(sequence.name(), &path).unwrap();
        // In memory, since the folder goes.
        let mut read = CsdSequence::new(sequence.name());
        for key in file.keys() {
            read.push(key.clone(), CsdEntry::clone(&file.read(key).unwrap()));
        }
        read
    }))
}

fn texts(group: &Group, name: &str) -> Vec<String> {
    let values: Vec<VarLenUnicode> = group.dataset(name).unwrap().read_raw().unwrap();
    values.iter().map(|value| value.to_string()).collect()
}

fn numbers<T: hdf5::H5Type>(group: &Group, name: &str) -> Option<Vec<T>> {
    group.dataset(name).ok()?.read_raw().ok()
}

/// What the SDK made of one sequence.
fn recorded(group: &Group, name: &str) -> CsdSequence {
    let keys = texts(group, "keys");
    let offsets: Vec<usize> = numbers::<i64>(group, "offsets")
        .unwrap()
        .into_iter()
        .map(|offset| usize::try_from(offset).unwrap())
        .collect();
    let times: Vec<f64> = numbers(group, "intervals").unwrap();
    let times: Vec<[f64; 2]> = times.chunks(2).map(|pair| [pair[0], pair[1]]).collect();
    let widths = numbers::<i64>(group, "widths");
    let text_widths = numbers::<i64>(group, "string_width");
    let dtypes = group.link_exists("dtype").then(|| texts(group, "dtype"));
    let mut sequence = CsdSequence::new(name);
    let mut flat_start = 0;
    for (idx, key) in keys.iter().enumerate() {
        let rows = offsets[idx]..offsets[idx + 1];
        let dataset = group.dataset("features");
        let features = match (&widths, &text_widths, dataset) {
            (Some(widths), _, _) => {
                let flat: Vec<f64> = numbers(group, "features_flat").unwrap();
                let width = usize::try_from(widths[idx]).unwrap();
                let end = flat_start + rows.len() * width;
                let values = flat[flat_start..end].to_vec();
                flat_start = end;
                Features::Float64(Array2::from_shape_vec((rows.len(), width), values).unwrap())
            }
            (None, Some(widths), Ok(dataset)) => {
                let all: Array2<FixedAscii<32>> = dataset.read().unwrap();
                let values = all.slice(ndarray::s![rows.clone(), ..]);
                let values = values.mapv(|text| text.to_string());
                Features::Text(Texts { width: usize::try_from(widths[idx]).unwrap(), values })
            }
            (None, None, Ok(dataset)) => {
                let is_narrow = dataset.dtype().unwrap().is::<f32>()
                    || dtypes.as_ref().is_some_and(|dtypes| dtypes[idx] == "float32");
                let all: Array2<f64> = dataset.read().unwrap();
                let values = all.slice(ndarray::s![rows.clone(), ..]).to_owned();
                match is_narrow {
                    true => Features::Float32(values.mapv(|value| value as f32)),
                    false => Features::Float64(values),
                }
            }
            (None, _, Err(error)) => panic!("{name}: {error}"),
        };
        sequence.push(key.clone(), CsdEntry { intervals: times[rows].to_vec(), features });
    }
    sequence
}

/// Whether a number is the expected one, up to `tolerance` relative to numbers above 1.
fn is_close(found: f64, expected: f64, tolerance: f64) -> bool {
    match expected.is_finite() {
        true => (found - expected).abs() <= tolerance * expected.abs().max(1.0),
        false => found == expected || found.is_nan() && expected.is_nan(),
    }
}

fn differs(found: &Features, expected: &Features, is_exact: bool) -> Option<String> {
    if (found.dtype(), found.shape()) != (expected.dtype(), expected.shape()) {
        return Some(format!(
            "{} {:?}, expected {} {:?}",
            found.dtype(),
            found.shape(),
            expected.dtype(),
            expected.shape()
        ));
    }
    let tolerance = match (is_exact, found.dtype()) {
        (true, _) => 0.0,
        (false, FeatureType::Float32) => 1e-6,
        (false, _) => 1e-12,
    };
    match (found.to_float64(), expected.to_float64()) {
        (Some(found), Some(expected)) => found
            .iter()
            .zip(&expected)
            .find(|(found, expected)| !is_close(**found, **expected, tolerance))
            .map(|(found, expected)| format!("{found}, expected {expected}")),
        _ => (found != expected).then(|| format!("{found:?}, expected {expected:?}")),
    }
}

/// Everything that differs from a recorded dataset.
fn differences(found: &SequenceSet, output: &str, is_exact: bool) -> Vec<String> {
    let Some(path) = golden(&format!("{output}.h5")) else { return Vec::new() };
    let file = File::open(path).unwrap();
    let order = index()["outputs"][output]["sequence_order"].clone();
    let order: Vec<String> = serde_json::from_value(order).unwrap();
    let names: Vec<&str> = found.sequences.iter().map(CsdSequence::name).collect();
    if names != order {
        return vec![format!("{output}: sequences {names:?}, expected {order:?}")];
    }
    let mut differences = Vec::new();
    for sequence in &found.sequences {
        let expected = recorded(&file.group(sequence.name()).unwrap(), sequence.name());
        let place = format!("{output}/{}", sequence.name());
        if sequence.keys() != expected.keys() {
            let (found, expected) = (sequence.keys(), expected.keys());
            differences.push(format!("{place}: keys {found:?}, expected {expected:?}"));
            continue;
        }
        for key in expected.keys() {
            let (found, expected) = (sequence.read(key).unwrap(), expected.read(key).unwrap());
            if found.intervals != expected.intervals {
                let (found, expected) = (&found.intervals, &expected.intervals);
                differences.push(format!("{place} {key}: {found:?}, expected {expected:?}"));
            }
            if let Some(problem) = differs(&found.features, &expected.features, is_exact) {
                differences.push(format!("{place} {key}: {problem}"));
            }
        }
    }
    differences
}

#[track_caller]
fn check(found: &SequenceSet, output: &str, is_exact: bool) {
    let differences = differences(found, output, is_exact);
    let n = differences.len();
    assert!(n == 0, "{n} differences, such as\n{}", differences[..n.min(5)].join("\n"));
}

#[track_caller]
fn check_tensors(found: &[FoldTensors], names: &[&str], output: &str) {
    let Some(path) = golden(&format!("{output}.h5")) else { return };
    let file = File::open(path).unwrap();
    assert_eq!(found.len() as u64, file.len(), "{output}");
    for (idx, fold) in found.iter().enumerate() {
        let group = file.group(&format!("fold{idx}")).unwrap();
        assert_eq!(fold.keys, texts(&group, "keys"), "{output} fold {idx}");
        if fold.keys.is_empty() {
            continue;
        }
        for (name, tensor) in names.iter().zip(&fold.tensors) {
            let dataset = group.dataset(name).unwrap();
            match tensor {
                Tensor::Float64(found) => {
                    let expected: Array3<f64> = dataset.read().unwrap();
                    assert_eq!(found.dim(), expected.dim(), "{output} fold {idx} {name}");
                    let mut pairs = found.iter().zip(&expected);
                    let wrong = pairs.find(|(one, other)| !is_close(**one, **other, 1e-6));
                    assert_eq!(wrong, None, "{output} fold {idx} {name}");
                }
                Tensor::Text(found) => {
                    let expected: Array3<FixedAscii<32>> = dataset.read().unwrap();
                    assert_eq!(found, expected.mapv(|text| text.to_string()), "{output} {name}");
                }
            }
        }
    }
}

const MEAN: &[Collapse] = &[Collapse::Mean];

/// Words, audio and vision aligned to words.
fn a01() -> SequenceSet {
    align(inputs("A", &["words", "audio", "vision"]), "words", MEAN).unwrap()
}

/// Recipe (a) up to its tensors.
fn a14() -> SequenceSet {
    let dataset = inputs("A", &["glove_vectors", "audio", "vision"]);
    let labels = inputs("A", &["labels"]).sequences.remove(0);
    recipe_a(dataset, "glove_vectors", labels).unwrap()
}

#[test]
fn words_aligned_as_by_the_sdk() {
    let dataset = inputs("A", &["words", "audio", "vision"]);
    let unified = unify(dataset.clone());
    for sequence in &unified.sequences {
        let expected = index()["observations"]["A_unify_keys"][sequence.name()].clone();
        let expected: Vec<String> = serde_json::from_value(expected).unwrap();
        assert_eq!(sequence.keys(), expected, "{}", sequence.name());
    }
    let means = a01();
    check(&means, "A01_words_mean", false);
    check(&reread(&means), "A02_words_mean_reread", false);
    let rows = align(dataset, "words", &[]).unwrap();
    check(&rows, "A03_words_no_collapse", true);
    check(&revert(rows).unwrap(), "A04_words_no_collapse_revert", true);
}

#[test]
fn labels_aligned_as_by_the_sdk() {
    let rows = align(inputs("A", &["audio", "vision", "words", "labels"]), "labels", &[]).unwrap();
    check(&rows, "A05_labels_no_collapse", true);
    check(&hard_unify(rows), "A06_labels_hard_unify", true);
    let dataset = inputs("A", &["audio", "vision", "labels"]);
    let both = [Collapse::Mean, Collapse::Max];
    check(&align(dataset.clone(), "labels", MEAN).unwrap(), "A07_labels_mean", false);
    check(&align(dataset, "labels", &both).unwrap(), "A08_labels_mean_max", false);
}

#[test]
fn the_first_recipe_as_by_the_sdk() {
    let dataset = inputs("A", &["glove_vectors", "audio", "vision"]);
    let aligned = align(dataset, "glove_vectors", MEAN).unwrap();
    check(&aligned, "A10_a_align", false);
    check(&revert(aligned.clone()).unwrap(), "A11_a_align_revert", false);
    let imputed = impute(aligned, "glove_vectors", 0.0).unwrap();
    check(&imputed, "A12_a_impute", false);
    let with_labels = imputed.with(inputs("A", &["labels"]).sequences.remove(0));
    check(&align(with_labels, "labels", &[]).unwrap(), "A13_a_labels", false);

    let names = ["glove_vectors", "audio", "vision", "labels"];
    let whole = a14();
    check(&whole, "A14_a_hard_unify", false);
    check(&revert(whole.clone()).unwrap(), "A21_a_revert", false);
    let all = folds("A15_a_tensors_front");
    let stack = |dataset: &SequenceSet, padding| {
        tensors(dataset.clone(), 10, &["labels"], padding, Some(&all)).unwrap()
    };
    check_tensors(&stack(&whole, Padding::Front), &names, "A15_a_tensors_front");
    check_tensors(&stack(&whole, Padding::Back), &names, "A16_a_tensors_back");

    let read = reread(&whole);
    check(&read, "A17_a_reread", false);
    check_tensors(&stack(&read, Padding::Front), &names, "A18_a_reread_tensors_front");
    let one = tensors(read.clone(), 10, &[], Padding::Front, None).unwrap();
    check_tensors(&one, &names, "A19_a_reread_tensors_no_folds");
    check(&revert(read).unwrap(), "A20_a_reread_revert", false);
}

fn check_samples(group: &Group, found: &[SampleB], vocabulary: &BTreeMap<String, usize>) {
    let keys: Vec<&String> = found.iter().map(|sample| &sample.key).collect();
    assert_eq!(keys, texts(group, "keys").iter().collect::<Vec<_>>());
    let ids: Vec<i64> = numbers(group, "word_ids").unwrap();
    let found_ids: Vec<i64> =
        found.iter().flat_map(|it| &it.word_ids).map(|id| *id as i64).collect();
    assert_eq!(found_ids, ids);
    for sample in found {
        let expected: Vec<usize> = sample.words.iter().map(|word| vocabulary[word]).collect();
        assert_eq!(sample.word_ids, expected);
    }
    let joined = |of: fn(&SampleB) -> &Features| {
        let parts: Vec<&Features> = found.iter().map(of).collect();
        Features::join(&parts).unwrap()
    };
    for (name, found, tolerance) in [
        ("vision", joined(|sample| &sample.vision), 1e-5),
        ("audio", joined(|sample| &sample.audio), 1e-9),
        ("labels", joined(|sample| &sample.labels), 0.0),
    ] {
        let expected: Array2<f64> = group.dataset(name).unwrap().read().unwrap();
        let is_narrow = group.dataset(name).unwrap().dtype().unwrap().is::<f32>();
        assert_eq!(found.dtype() == FeatureType::Float32, is_narrow, "{name}");
        let found = found.to_float64().unwrap();
        assert_eq!(found.dim(), expected.dim(), "{name}");
        let mut pairs = found.iter().zip(&expected);
        let wrong = pairs.find(|(one, other)| {
            (*one - *other).abs() > tolerance || one.is_nan() != other.is_nan()
        });
        assert_eq!(wrong, None, "{name}");
    }
}

#[test]
fn the_second_recipe_as_by_the_published_code() {
    let labels = inputs("A", &["labels_old"]).sequences.remove(0);
    let aligned = align(a01().with(labels), "labels", &[]).unwrap();
    check(&aligned, "A30_b_labels", false);
    let missing = index()["observations"]["b_segments_missing_in_a_sequence"].clone();
    let missing: Vec<String> = serde_json::from_value(missing).unwrap();
    let kept = hard_unify(aligned.clone());
    let all = aligned.get("labels").unwrap().keys();
    let lost: Vec<&String> =
        all.iter().filter(|key| !kept.get("labels").unwrap().keys().contains(key)).collect();
    assert_eq!(lost, missing.iter().collect::<Vec<_>>());

    let roles = Roles { words: "words", vision: "vision", audio: "audio", labels: "labels" };
    let name = "A31_b_final";
    let RecipeB { folds: found, no_fold, dropped, vocabulary } =
        recipe_b(aligned, roles, &folds(name)).unwrap();
    let about = index()["outputs"][name].clone();
    let recorded: Vec<(String, usize, usize, usize)> =
        serde_json::from_value(about["dropped"].clone()).unwrap();
    let dropped: Vec<_> = dropped
        .into_iter()
        .map(|(key, [words, vision, audio])| (key, words, vision, audio))
        .collect();
    assert_eq!(dropped, recorded);
    let mut expected: BTreeMap<String, usize> =
        serde_json::from_value(about["vocabulary"].clone()).unwrap();
    expected.retain(|word, _| !word.starts_with('<'));
    assert_eq!(vocabulary.into_iter().collect::<BTreeMap<_, _>>(), expected);
    let file = File::open(golden("A31_b_final.h5").unwrap()).unwrap();
    for (idx, fold) in found.iter().enumerate() {
        match file.group(&format!("fold{idx}")) {
            Ok(group) => check_samples(&group, fold, &expected),
            Err(_) => assert!(fold.is_empty()),
        }
    }
    check_samples(&file.group("no_fold").unwrap(), &no_fold, &expected);
}

#[test]
fn words_in_tensors_as_by_the_sdk() {
    let aligned = align(inputs("A", &["words", "labels"]), "labels", &[]).unwrap();
    let all = folds("A40_words_tensors");
    let found = tensors(aligned, 10, &["labels"], Padding::Front, Some(&all)).unwrap();
    check_tensors(&found, &["words", "labels"], "A40_words_tensors");
}

#[test]
fn widths_that_differ_by_video_as_by_the_sdk() {
    let aligned = align(inputs("B", &["vectors", "audio", "extra"]), "vectors", MEAN).unwrap();
    check(&aligned, "B01_align", false);
    check(&impute(aligned.clone(), "vectors", 0.0).unwrap(), "B02_impute", false);
    let read = reread(&aligned);
    check(&impute(read, "vectors", 0.0).unwrap(), "B03_reread_impute", false);
    check(&hard_unify(aligned), "B04_hard_unify", false);

    let dataset = align(inputs("B", &["vectors", "audio"]), "vectors", MEAN).unwrap();
    let labels = || inputs("B", &["labels"]).sequences.remove(0);
    let imputed = impute(dataset.clone(), "vectors", 1.0).unwrap();
    let imputed = align(imputed.with(labels()), "labels", &[]).unwrap();
    check(&imputed, "B05_impute_ones_labels", false);
    let names = ["vectors", "audio", "labels"];
    let all = folds("B06_tensors_back");
    let found = tensors(imputed, 10, &["labels"], Padding::Back, Some(&all)).unwrap();
    check_tensors(&found, &names, "B06_tensors_back");
    let plain = align(dataset.with(labels()), "labels", &[]).unwrap();
    check(&plain, "B07_no_impute_labels", false);
    let found = tensors(plain, 10, &["labels"], Padding::Front, Some(&all)).unwrap();
    check_tensors(&found, &names, "B08_no_impute_tensors_front");
}

#[test]
fn real_words_as_by_the_sdk() {
    let Some(words) = real_data("mosi_words.csd") else { return };
    let Some(labels) = golden("C/labels.csd") else { return };
    let dataset = SequenceSet::new([
        CsdSequence::open("words", &words).unwrap(),
        CsdSequence::open("labels", &labels).unwrap(),
    ]);
    let aligned = align(dataset, "labels", &[]).unwrap();
    check(&aligned, "C01_labels", true);
    check(&reread(&aligned), "C02_reread", true);
    check(&revert(aligned).unwrap(), "C03_revert", true);
}

/// What ends the SDK with an exception is an error with a place.
#[test]
fn what_the_sdk_refuses_is_refused() {
    let fails = |result: Result<SequenceSet, AlignError>| result.unwrap_err().to_string();
    let dataset = || inputs("A", &["words", "vision"]);
    let unknown = fails(align(dataset(), "nope", MEAN));
    assert_eq!(unknown, "unknown sequence `nope`: expected one of words, vision");
    let bracketed = fails(align(dataset(), "vision", MEAN));
    assert_eq!(
        bracketed,
        "vision: cannot be a reference: its entry `tq10[0]` is a segment, not a video"
    );
    let several = fails(align(inputs("A", &["words", "labels"]), "labels", MEAN));
    assert!(several.starts_with("words: -0meg4["), "{several}");
    assert!(several.contains("rows of text cannot be collapsed into one"), "{several}");
    let mut empty = a01();
    empty.sequences[1].retain(|_| false);
    let nothing = fails(impute(empty, "words", 0.0));
    assert!(nothing.starts_with("audio: has no entry left"), "{nothing}");
    let labels = align(inputs("A", &["audio", "labels"]), "labels", &[]).unwrap();
    let stacked = tensors(labels, 10, &["labels", "audio"], Padding::Front, None).unwrap_err();
    assert!(stacked.to_string().ends_with("so that they cannot be stacked"), "{stacked}");
}

/// Calls the program on the made-up sequences of `golden_csd/A`, in a folder of its own.
fn aligned(options: &[&str]) -> (tempfile::TempDir, Call) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["words", "audio", "vision", "labels", "glove_vectors"] {
        let name = format!("{name}.csd");
        std::fs::copy(golden(&format!("A/{name}")).unwrap(), folder.path().join(name)).unwrap();
    }
    let call = ["align", "--labels", "labels.csd", "-o", "a.h5", "--dataset", "mosi"];
    let features = ["--sequence", "audio=audio.csd", "--sequence", "vision=vision.csd"];
    let args = [&call[..], &features, options].concat();
    let call = almt(folder.path(), &args);
    (folder, call)
}

fn said(store: &Store, split: SplitName) -> Vec<String> {
    store.strings(&ColumnKind::RawText.of(split)).unwrap().unwrap()
}

/// Features of a segment in a store, without padding.
fn stored(store: &Store, id: &str, modality: Modality) -> Array2<f32> {
    let split =
        SplitName::ALL.into_iter().find(|split| store.ids(*split).iter().any(|it| it == id));
    let split = split.unwrap_or_else(|| panic!("no segment {id}"));
    let row = store.ids(split).iter().position(|it| it == id).unwrap();
    let all = store.features(split, modality).unwrap().unwrap();
    let lengths = store.lengths(split, modality).unwrap().unwrap();
    let n_rows = usize::try_from(lengths[row]).unwrap();
    let features = all.index_axis(ndarray::Axis(0), row).to_owned();
    assert!(features.slice(ndarray::s![n_rows.., ..]).iter().all(|value| *value == 0.0), "{id}");
    features.slice(ndarray::s![..n_rows, ..]).to_owned()
}

fn is_near(found: f32, expected: f64) -> bool {
    let expected = expected as f32;
    found.to_bits() == expected.to_bits()
        || (found - expected).abs() <= 1e-5 * expected.abs().max(1.0)
        || found.is_nan() && expected.is_nan()
}

/// Each step is the mean of the rows that it overlaps, weighted by time: compared with every pair of rows.
#[test]
fn a_step_is_the_mean_of_its_rows_by_time() {
    let (folder, call) =
        aligned(&["--reference", "words.csd", "--folds", "none", "--on-nonfinite", "keep"]);
    let told = call.ok().stdout();
    assert!(told.contains("vision.csd: 1 video is not in it, and left out: ab"), "{told}");
    assert!(told.contains("aligned by {\"overlap\":{\"pooling\":\"overlap\""), "{told}");
    assert!(told.contains("pauses were left out"), "{told}");
    let store = Store::open(&folder.path().join("a.h5")).unwrap();
    let ids = store.ids(SplitName::Train);
    // Exact names: `ab` is missing in vision, `abc` is not.
    assert!(ids.iter().any(|id| id.starts_with("abc[")), "{ids:?}");
    assert!(!ids.iter().any(|id| id.starts_with("ab[")), "{ids:?}");

    let dataset = inputs("A", &["words", "audio", "vision", "labels"]);
    let entries = |name: &str, video: &str| {
        let sequence = dataset.get(name).unwrap();
        let keys = sequence.keys().iter().filter(|key| key.split('[').next() == Some(video));
        let mut rows: Vec<([f64; 2], Vec<f64>, String)> = Vec::new();
        for key in keys {
            let entry = sequence.read(key).unwrap();
            for (row, interval) in entry.intervals.iter().enumerate() {
                let numbers = entry.features.to_float64();
                let values = numbers.map_or(Vec::new(), |all| all.row(row).to_vec());
                let texts = entry.features.as_text();
                let text = texts.map_or(String::new(), |all| all.values[(row, 0)].clone());
                rows.push((*interval, values, text));
            }
        }
        rows
    };
    let overlap = |one: &[f64; 2], other: &[f64; 2]| one[1].min(other[1]) - one[0].max(other[0]);
    let mut n_steps = 0;
    for id in ids {
        let (video, number) = id.trim_end_matches(']').split_once('[').unwrap();
        let labels = entries("labels", video);
        let own = labels[number.parse::<usize>().unwrap()].0;
        let mut words = entries("words", video);
        words.sort_by(|one, next| one.0[0].total_cmp(&next.0[0]));
        words.retain(|(interval, _, word)| {
            let largest = labels.iter().map(|(it, ..)| overlap(it, interval)).fold(0.0, f64::max);
            let here = overlap(&own, interval);
            word != "sp" && here > 1e-5 && here > largest - 1e-5
        });
        for modality in [Modality::Audio, Modality::Vision] {
            let found = stored(&store, id, modality);
            let rows = entries(modality.name(), video);
            // Where shares are equal, the earlier of two segments side by side has the word.
            assert!(found.nrows() <= words.len(), "{id}: {} of {}", found.nrows(), words.len());
            if found.nrows() < words.len() {
                continue;
            }
            for ((interval, ..), step) in words.iter().zip(found.rows()) {
                for (column, found) in step.iter().enumerate() {
                    let (mut sum, mut total) = (0.0, 0.0);
                    for (row, values, _) in &rows {
                        let weight = overlap(row, interval);
                        if weight > 1e-5 && values[column].is_finite() {
                            sum += weight * values[column];
                            total += weight;
                        }
                    }
                    let is_missing = !rows.iter().any(|(row, ..)| overlap(row, interval) > 1e-5);
                    let expected = if is_missing { 0.0 } else { sum / total };
                    assert!(is_near(*found, expected), "{id} {modality}: {found}, {expected}");
                }
                n_steps += 1;
            }
        }
    }
    assert!(n_steps > 100, "{n_steps}");
}

#[test]
fn the_recipes_of_the_sdk_end_in_a_store() {
    let none = ["--compat", "sdk", "--folds", "none", "--on-nonfinite", "keep", "--overwrite"];
    let (folder, call) = aligned(&[&["--reference", "words.csd"], &none[..]].concat());
    let told = call.ok().stdout();
    assert!(told.contains("8 segments whose sequences differ in length, left out"), "{told}");
    assert!(told.contains("their name begins like a video that is left out: abc"), "{told}");
    let store = Store::open(&folder.path().join("a.h5")).unwrap();
    let file = File::open(golden("A31_b_final.h5").unwrap()).unwrap();
    let mut n_segments = 0;
    for fold in ["fold0", "fold1", "no_fold"] {
        let group = file.group(fold).unwrap();
        let offsets: Vec<i64> = numbers(&group, "offsets").unwrap();
        for (idx, key) in texts(&group, "keys").iter().enumerate() {
            let rows = offsets[idx] as usize..offsets[idx + 1] as usize;
            if rows.is_empty() {
                assert!(!store.ids(SplitName::Train).contains(key), "{key}");
                continue;
            }
            n_segments += 1;
            for (name, modality) in [("audio", Modality::Audio), ("vision", Modality::Vision)] {
                let all: Array2<f64> = group.dataset(name).unwrap().read().unwrap();
                let expected = all.slice(ndarray::s![rows.clone(), ..]);
                let found = stored(&store, key, modality);
                assert_eq!(found.dim(), expected.dim(), "{key} {name}");
                let mut pairs = found.iter().zip(expected);
                let wrong = pairs.find(|(one, other)| !is_near(**one, **other));
                assert_eq!(wrong, None, "{key} {name}");
            }
        }
    }
    assert_eq!(store.ids(SplitName::Train).len(), n_segments);

    let cut = ["--max-len", "audio=10", "--max-len", "vision=10", "--max-len", "text=10"];
    let (folder, call) =
        aligned(&[&["--reference", "glove_vectors.csd"], &none[..], &cut].concat());
    call.ok();
    let store = Store::open(&folder.path().join("a.h5")).unwrap();
    let expected = a14();
    let keys = expected.get("labels").unwrap().keys();
    assert_eq!(store.ids(SplitName::Train), keys);
    for key in keys {
        for (name, modality) in [
            ("glove_vectors", Modality::Text),
            ("audio", Modality::Audio),
            ("vision", Modality::Vision),
        ] {
            let all = expected.get(name).unwrap().read(key).unwrap().features.to_float64().unwrap();
            let last = all.slice(ndarray::s![all.nrows().saturating_sub(10).., ..]);
            let found = stored(&store, key, modality);
            assert_eq!(found.dim(), last.dim(), "{key} {name}");
            assert!(
                found.iter().zip(last).all(|(one, other)| is_near(*one, *other)),
                "{key} {name}"
            );
        }
    }
}

#[test]
fn policies_change_what_they_name() {
    let base = ["--reference", "words.csd", "--folds", "none", "--on-nonfinite", "keep"];
    let with = |options: &[&str]| {
        let (folder, call) = aligned(&[&base[..], options].concat());
        (call.ok().stdout(), Store::open(&folder.path().join("a.h5")).unwrap(), folder)
    };
    let n_steps = |store: &Store| -> i32 {
        store.lengths(SplitName::Train, Modality::Audio).unwrap().unwrap().iter().sum()
    };
    let (_, plain, _plain) = with(&[]);
    let (told, both, _both) = with(&["--border", "both"]);
    assert!(told.contains("rows of the reference lie in several segments"), "{told}");
    let (_, inside, _inside) = with(&["--border", "inside"]);
    let (_, paused, _paused) = with(&["--pauses", "keep"]);
    assert!(n_steps(&both) > n_steps(&plain) && n_steps(&plain) > n_steps(&inside));
    assert!(n_steps(&paused) > n_steps(&plain));
    assert!(
        said(&paused, SplitName::Train)
            .iter()
            .flat_map(|text| text.split(' '))
            .all(|word| word != "sp")
    );
    let (_, dropped, _dropped) = with(&["--missing", "drop-row"]);
    assert!(n_steps(&dropped) < n_steps(&plain));
    let (told, fewer, _fewer) = with(&["--missing", "drop-segment"]);
    assert!(fewer.ids(SplitName::Train).len() < plain.ids(SplitName::Train).len());
    assert!(
        told.contains("left out, because a sequence has nothing for one of its rows"),
        "{told}"
    );
    let (told, cut, _cut) = with(&["--max-len", "audio=3", "--cut", "front"]);
    assert!(told.contains("audio: ") && told.contains("cut to the last 3 rows"), "{told}");
    assert_eq!(cut.features(SplitName::Train, Modality::Audio).unwrap().unwrap().shape()[1], 3);
    let (_, free, _free) = with(&["--pooling", "none"]);
    let seq_len = |modality| free.features(SplitName::Train, modality).unwrap().unwrap().shape()[1];
    // 100 and 30 rows a second.
    let (audio, vision) = (seq_len(Modality::Audio), seq_len(Modality::Vision));
    assert!(audio > 2 * vision, "{audio} {vision}");
}

#[test]
fn words_have_vectors_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = inputs("A", &["words"]);
    let words = dataset.get("words").unwrap();
    let first = words.read(&words.keys()[0]).unwrap();
    let known = first.features.as_text().unwrap().values[(0, 0)].clone();
    let path = folder.path().join("v.txt");
    std::fs::write(&path, format!("{known} 1 2.5\nother 3 4\n")).unwrap();
    let vectors = ["--vectors", path.to_str().unwrap()];
    let base = ["--reference", "words.csd", "--folds", "none", "--on-nonfinite", "keep"];
    let (store, call) = aligned(&[&base[..], &vectors].concat());
    let told = call.ok().stdout();
    assert!(told.contains("words have no vector: their text features are zeros"), "{told}");
    let store = Store::open(&store.path().join("a.h5")).unwrap();
    let texts = said(&store, SplitName::Train);
    let mut n_known = 0;
    for (id, text) in store.ids(SplitName::Train).iter().zip(&texts) {
        let found = stored(&store, id, Modality::Text);
        for (word, row) in text.split(' ').zip(found.rows()) {
            let expected = if word == known { [1.0, 2.5] } else { [0.0, 0.0] };
            n_known += usize::from(word == known);
            assert_eq!(row.to_vec(), expected, "{id}: {word}");
        }
    }
    assert!(n_known > 0);
}

/// Segment times recovered from transcripts, written as a sequence of labels, give those words back.
#[test]
fn transcripts_of_real_words_come_back() {
    let Some(words) = real_data("mosi_words.csd") else { return };
    let Some(table) = real_data("mosi_labels_full.csv") else { return };
    let plain = |word: &str| {
        let letters = word.to_lowercase();
        letters.chars().filter(char::is_ascii_alphanumeric).collect::<String>()
    };
    let mut videos: BTreeMap<String, Vec<(u32, Vec<String>, f64)>> = BTreeMap::new();
    let mut reader = csv::Reader::from_path(table).unwrap();
    for row in reader.records() {
        let row = row.unwrap();
        let said = row[4].split_whitespace().map(plain).filter(|word| !word.is_empty()).collect();
        let segment = (row[1].parse().unwrap(), said, row[2].parse().unwrap());
        videos.entry(row[0].into()).or_default().push(segment);
    }
    let sequence = CsdSequence::open("words", &words).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.csd");
    let mut writer = SequenceWriter::create(&path, "labels", false).unwrap();
    let mut expected = BTreeMap::new();
    for (video, mut segments) in videos {
        segments.sort_by_key(|(clip, ..)| *clip);
        let entry = sequence.read(&video).unwrap();
        let texts = &entry.features.as_text().unwrap().values;
        let spoken: Vec<(String, [f64; 2])> = texts
            .iter()
            .map(|word| plain(word))
            .zip(entry.intervals.iter().copied())
            .filter(|(word, _)| word != "sp" && !word.is_empty())
            .collect();
        let (mut intervals, mut labels, mut from) = (Vec::new(), Vec::new(), 0);
        for (_, said, label) in segments {
            let is_here = |at: &usize| {
                let here = spoken.iter().skip(*at).map(|(word, _)| word);
                spoken.len() - at >= said.len() && here.zip(&said).all(|(one, other)| one == other)
            };
            let Some(at) = (from..spoken.len()).find(is_here).or((0..from).find(is_here)) else {
                continue;
            };
            from = at + said.len();
            expected.insert(format!("{video}[{}]", intervals.len()), said.join(" "));
            intervals.push([spoken[at].1[0], spoken[from - 1].1[1]]);
            labels.push(label);
        }
        let features = Array2::from_shape_vec((labels.len(), 1), labels).unwrap();
        let features = Features::Float64(features);
        writer.entry(&video, &CsdEntry { intervals, features }).unwrap();
    }
    writer.finish(&[]).unwrap();
    assert_eq!(expected.len(), 2166);
    let words = words.to_str().unwrap();
    let call = ["align", "--reference", words, "--labels", "labels.csd", "-o", "mosi.h5"];
    let told = almt(folder.path(), &call).ok().stdout();
    assert!(told.contains("CMU-MOSI") && told.contains("the standard folds"), "{told}");
    let store = Store::open(&folder.path().join("mosi.h5")).unwrap();
    let mut n_same = 0;
    for split in SplitName::ALL {
        let texts = said(&store, split);
        for (id, text) in store.ids(split).iter().zip(texts) {
            let found: Vec<String> =
                text.split(' ').map(plain).filter(|word| !word.is_empty()).collect();
            assert_eq!(found.join(" "), expected[id], "{id}");
            n_same += 1;
        }
    }
    assert_eq!(n_same, 2166);
}

/// Segments whose row of labels is no number: an error of the store, or left out and listed.
#[test]
fn segments_without_a_label_are_found_or_left_out_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let times: Vec<[f64; 2]> = (0..3).map(|row| [f64::from(row), f64::from(row + 1)]).collect();
    const NONE: [f64; 3] = [f64::NAN; 3];
    for (name, of_v, of_w) in [
        ("steps", [1.0, 2.0, 3.0], [1.0; 3]),
        ("audio", [4.0, 5.0, 6.0], [2.0; 3]),
        ("labels", [0.5, f64::NAN, -1.0], NONE),
    ] {
        let path = folder.join(name).with_extension("csd");
        let mut writer = SequenceWriter::create(&path, name, true).unwrap();
        for (video, values) in [("v", of_v), ("w", of_w)] {
            let values = Array2::from_shape_vec((3, 1), values.to_vec()).unwrap();
            let features = Features::Float64(values);
            writer.entry(video, &CsdEntry { intervals: times.clone(), features }).unwrap();
        }
        let names = serde_json::json!([format!("{name} of a row")]);
        writer.finish(&[("dimension names".to_owned(), names)]).unwrap();
    }
    std::fs::write(folder.join("folds.json"), r#"{"train": ["v"], "test": ["w"]}"#).unwrap();
    let call = [
        "align",
        "--reference",
        "steps.csd",
        "--labels",
        "labels.csd",
        "--sequence",
        "audio=audio.csd",
        "--dataset",
        "mosi",
        "--folds",
        "folds.json",
    ];
    almt(folder, &[&call[..], &["-o", "all.h5"]].concat()).ok();
    let checked = almt(folder, &["validate", "all.h5"]);
    assert_eq!(checked.code(), 1, "{}", checked.explain());
    let checked = checked.stdout();
    assert!(checked.contains("AD036: train/regression_labels: 1 of 3 samples"), "{checked}");
    assert!(checked.contains("`--drop-unlabelled` of `convert`, `build` and `align`"), "{checked}");
    let some = [&call[..], &["-o", "some.h5", "--drop-unlabelled"]].concat();
    let told = almt(folder, &some).ok().stdout();
    assert!(told.contains("train: 1 segment without a label is not stored: v[1]"), "{told}");
    let store = Store::open(&folder.join("some.h5")).unwrap();
    assert_eq!(store.ids(SplitName::Train), ["v[0]", "v[2]"]);
    assert_eq!(store.labels(SplitName::Train).unwrap().unwrap(), [0.5, -1.0]);
    // A split without any label is one to predict on.
    assert_eq!(store.ids(SplitName::Test), ["w[0]", "w[1]", "w[2]"]);
    let features = &store.manifest().features;
    for (modality, name, values) in [
        (Modality::Text, "steps of a row", FeatureValues::Frames),
        (Modality::Audio, "audio of a row", FeatureValues::Averaged),
    ] {
        let found = &features[&modality];
        assert_eq!((&*found.names, found.values), (&[name.to_owned()][..], values));
    }
}

/// Sequences that cannot be aligned: one cause with file and place, and nothing left behind.
#[test]
fn what_cannot_be_aligned_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let put = |name: &str, intervals: &[[f64; 2]], features: Features| {
        let mut writer = SequenceWriter::create(&folder.join(name), "root", true).unwrap();
        let entry = CsdEntry { intervals: intervals.to_vec(), features };
        writer.entry("v", &entry).unwrap();
        writer.finish(&[]).unwrap();
    };
    let numbers = |values: &[f64]| {
        Features::Float64(Array2::from_shape_vec((values.len(), 1), values.to_vec()).unwrap())
    };
    let texts = |words: &[&str]| {
        let values = Array2::from_shape_fn((words.len(), 1), |(row, _)| words[row].to_owned());
        Features::Text(Texts { width: 9, values })
    };
    let times = [[0.0, 1.0], [1.0, 2.0]];
    put("words.csd", &times, texts(&["a", "b"]));
    put("audio.csd", &times, numbers(&[1.0, 2.0]));
    put("labels.csd", &[[0.0, 2.0]], numbers(&[0.5]));
    put("reversed.csd", &[[0.0, 1.0], [2.0, 1.0]], numbers(&[1.0, 2.0]));
    put("nan.csd", &[[0.0, f64::NAN], [1.0, 2.0]], numbers(&[1.0, 2.0]));
    put("values.csd", &times, numbers(&[f64::NAN, 2.0]));
    put("silent.csd", &[[50.0, 51.0]], numbers(&[1.0]));
    put("late.csd", &[[90.0, 91.0]], numbers(&[1.0]));
    let mut other = SequenceWriter::create(&folder.join("other.csd"), "root", false).unwrap();
    let entry = CsdEntry { intervals: times.to_vec(), features: numbers(&[1.0, 2.0]) };
    other.entry("w", &entry).unwrap();
    other.finish(&[]).unwrap();
    std::fs::write(folder.join("empty.csd"), b"").unwrap();
    let whole = std::fs::read(folder.join("audio.csd")).unwrap();
    std::fs::write(folder.join("cut.csd"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(folder.join("list.json"), b"[1]").unwrap();
    std::fs::write(folder.join("twice.json"), b"{\"train\": [\"v\"], \"dev\": [\"v\"]}").unwrap();
    std::fs::write(folder.join("v.txt"), b"z 1 2\n").unwrap();
    let before = files(folder);
    let base = ["--dataset", "mosi", "--folds", "none"];
    let fails = |reference: &str, labels: &str, audio: &str, more: &[&str], parts: &[&str]| {
        let audio = format!("audio={audio}");
        let files_of =
            ["align", "--reference", reference, "--labels", labels, "--sequence", &audio];
        let base = if more.contains(&"--folds") { &base[..2] } else { &base[..] };
        let args = [&files_of[..], base, &["-o", "x.h5"], more].concat();
        almt(folder, &args).fails_with(parts);
        assert_eq!(files(folder), before, "{args:?}");
    };
    let audio = |name: &str, parts: &[&str]| fails("words.csd", "labels.csd", name, &[], parts);
    audio("absent.csd", &["absent.csd: no such file"]);
    audio("empty.csd", &["empty.csd: the file is empty"]);
    audio("cut.csd", &["cut.csd: is cut"]);
    audio("reversed.csd", &["reversed.csd: v: row 1 ends before it starts (2 to 1 s)"]);
    audio("nan.csd", &["nan.csd: v: the interval 0 to NaN s of row 0 is not finite"]);
    audio("words.csd", &["words.csd: v: expected numbers"]);
    audio("other.csd", &["no video is in all of words.csd, labels.csd, other.csd"]);
    audio("values.csd", &["NaN"]);
    fails("words.csd", "late.csd", "audio.csd", &[], &["no segment has a row in every sequence"]);
    fails("words.csd", "words.csd", "audio.csd", &[], &["words.csd: v: expected numbers"]);
    fails(
        "words.csd",
        "labels.csd",
        "audio.csd",
        &["--folds", "list.json"],
        &["list.json: expected JSON"],
    );
    fails("words.csd", "labels.csd", "audio.csd", &["--folds", "twice.json"], &["`v` is in"]);
    fails(
        "words.csd",
        "labels.csd",
        "audio.csd",
        &["--vectors", "v.txt"],
        &["v.txt: has a vector for none of the 2 words"],
    );
    fails(
        "words.csd",
        "labels.csd",
        "silent.csd",
        &["--missing", "drop-row"],
        &["no segment has a row"],
    );
    let calls = [
        (vec!["--sequence", "audio"], "expected MODALITY=CSD"),
        (vec!["--sequence", "audio=a", "--sequence", "audio=b"], "names audio twice"),
        (vec!["--recipe", "tutorial"], "--compat"),
        (vec!["--compat", "sdk", "--border", "both"], "cannot be used with"),
        (vec!["--compat", "sdk", "--sequence", "audio=audio.csd"], "needs `--sequence vision=CSD`"),
    ];
    for (args, part) in calls {
        let base = ["align", "--reference", "words.csd", "--labels", "labels.csd", "-o", "x.h5"];
        let call = almt(folder, &[&base[..], &args].concat());
        assert_eq!(call.code(), 2, "{}", call.explain());
        assert!(call.stderr().contains(part), "{}", call.explain());
        assert_eq!(files(folder), before);
    }
}
