//! Alignment of computational sequences: the SDK's own, compared with what the SDK itself gives.
//!
//! `golden_csd` (`fixtures/`, and `../shared/` with the files that are larger or need real words) holds
//! inputs and outputs of every step. Tolerances: keys, order, texts and intervals are equal, features too
//! without a mean; means within 1e-12 (float64) and 1e-6 (float32), relative to numbers above 1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use almt_data::align::sdk::{
    Collapse, Fold, Padding, RecipeB, Roles, SampleB, Tensor, align, hard_unify, impute, recipe_a,
    recipe_b, revert, tensors, unify,
};
use almt_data::align::{AlignError, Dataset, Sequence};
use almt_data::csd::{Entry, FeatureType, Features, Texts};
use hdf5::types::{FixedAscii, VarLenUnicode};
use hdf5::{File, Group};
use ndarray::{Array2, Array3};
use serde_json::Value;

use crate::support::real_data;

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
fn inputs(set: &str, names: &[&str]) -> Dataset {
    let open = |name: &&str| {
        let path = golden(&format!("{set}/{name}.csd")).unwrap();
        let name = if *name == "labels_old" { "labels" } else { name };
        Sequence::open(name, &path).unwrap()
    };
    Dataset::new(names.iter().map(open))
}

/// The sequences after a round trip through files, whose order is that of names.
fn reread(dataset: &Dataset) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    Dataset::new(dataset.sequences.iter().map(|sequence| {
        let path = folder.path().join(format!("{}.csd", sequence.name()));
        sequence.save(&path, sequence.name(), false).unwrap();
        let file = Sequence::open(sequence.name(), &path).unwrap();
        // In memory, since the folder goes.
        let mut read = Sequence::new(sequence.name());
        for key in file.keys() {
            read.push(key.clone(), Entry::clone(&file.read(key).unwrap()));
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
fn recorded(group: &Group, name: &str) -> Sequence {
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
    let mut sequence = Sequence::new(name);
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
        sequence.push(key.clone(), Entry { intervals: times[rows].to_vec(), features });
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
fn differences(found: &Dataset, output: &str, is_exact: bool) -> Vec<String> {
    let Some(path) = golden(&format!("{output}.h5")) else { return Vec::new() };
    let file = File::open(path).unwrap();
    let order = index()["outputs"][output]["sequence_order"].clone();
    let order: Vec<String> = serde_json::from_value(order).unwrap();
    let names: Vec<&str> = found.sequences.iter().map(Sequence::name).collect();
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
fn check(found: &Dataset, output: &str, is_exact: bool) {
    let differences = differences(found, output, is_exact);
    let n = differences.len();
    assert!(n == 0, "{n} differences, such as\n{}", differences[..n.min(5)].join("\n"));
}

#[track_caller]
fn check_tensors(found: &[Fold], names: &[&str], output: &str) {
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
fn a01() -> Dataset {
    align(inputs("A", &["words", "audio", "vision"]), "words", MEAN).unwrap()
}

/// Recipe (a) up to its tensors.
fn a14() -> Dataset {
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
    let stack = |dataset: &Dataset, padding| {
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
        let wrong = pairs.find(|(one, other)| (*one - *other).abs() > tolerance);
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
    let dataset = Dataset::new([
        Sequence::open("words", &words).unwrap(),
        Sequence::open("labels", &labels).unwrap(),
    ]);
    let aligned = align(dataset, "labels", &[]).unwrap();
    check(&aligned, "C01_labels", true);
    check(&reread(&aligned), "C02_reread", true);
    check(&revert(aligned).unwrap(), "C03_revert", true);
}

/// What ends the SDK with an exception is an error with a place.
#[test]
fn what_the_sdk_refuses_is_refused() {
    let fails = |result: Result<Dataset, AlignError>| result.unwrap_err().to_string();
    let dataset = || inputs("A", &["words", "vision"]);
    let unknown = fails(align(dataset(), "nope", MEAN));
    assert_eq!(unknown, "there is no sequence `nope`, only words, vision");
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
