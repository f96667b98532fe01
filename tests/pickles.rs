//! The pickle reader against files from Python, hostile files, damaged files, and other readers.
//!
//! `bombs`: files that request too much, with the program's memory and time.
//! `differential`: our reader, Python and `serde-pickle` on the same generated files.
//! `dump`: values as JSON, for comparison.
//! `foreign`: files of other kinds, or incomplete ones.
//! `hostile`: files that would run code or contradict themselves.
//! `mutation`: hundreds of thousands of damaged fixtures.
//! `scan`: the security report.
//! `tensors`: PyTorch tensors, compared with PyTorch.

mod bombs;
mod differential;
mod dump;
mod foreign;
mod hostile;
mod mutation;
mod scan;
mod tensors;

use std::path::{Path, PathBuf};

use almt_data::pickle::{Limits, Pickle, PickleError, describe};
use serde_json::Value as Json;

use self::dump::dump;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pickles")
}

/// The files of values, whose names begin with their family in `expected.json`.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    pickles_in(&folder())
}

/// The files of each layout.
fn layout_fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = folder().join("layouts");
    let folders = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.is_dir()).chain([folder.clone()]);
    folders.flat_map(|folder| pickles_in(&folder)).collect()
}

fn pickles_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
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
                assert!(array.read_f32(row_idx, &mut row).is_empty());
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
    assert_eq!(pickle.array(pickle.root()).unwrap().read_f32(0, &mut row).len(), 1);
    assert_eq!(row, [f32::INFINITY, f32::INFINITY, 1.0]);
}

#[test]
fn an_array_keeps_its_file_and_an_id_of_another_pickle_is_no_value() {
    let mut writer = almt_data::pickle::Writer::new(Vec::new()).unwrap();
    writer.begin_array(almt_data::pickle::ArrayDtype::F32, &[2, 3]).unwrap();
    (0..6_u8).for_each(|value| writer.elements(&f32::from(value).to_le_bytes()).unwrap());
    let pickle = load(&writer.finish().unwrap()).unwrap();
    let array = pickle.array(pickle.root()).unwrap().share();
    drop(pickle);
    let row = std::thread::spawn(move || {
        let mut row = [9.0; 3];
        array.view().read_f32(1, &mut row);
        row
    });
    assert_eq!(row.join().unwrap(), [3.0, 4.0, 5.0]);

    let (small, large) = (load(b"N.").unwrap(), load(b"](]]]e.").unwrap());
    let last = *large.items(large.root()).unwrap().last().unwrap();
    assert!(large.value(last).is_some() && large.offset(last) == Some(4));
    assert!(small.value(last).is_none() && small.offset(last).is_none());
    assert!(small.items(last).is_none() && small.array(last).is_none());
}
