//! Stores in the forms of other programs, read by those.

use std::path::Path;

use almt_data::store::Store;

use crate::support::{almt, files, python, python_numpy1, real_data, synthetic_store};

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
    almt(folder.path(), &["export", "mosi.h5", "--to", "mmsa-pickle"])
        .fails_with(&["mosi.pkl", "exists already"]);
}
