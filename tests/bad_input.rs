//! Bad input: a one-line cause with file and place, exit code 1, and no file left behind.

use std::path::Path;

use crate::support::{almt, files, synthetic_store};

fn convert_refuses(content: &[u8], parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.pkl"), content).unwrap();
    let mut expected = vec!["bad.pkl"];
    expected.extend(parts);
    for command in ["convert", "inspect"] {
        almt(folder.path(), &[command, "bad.pkl"]).fails_with(&expected);
    }
    assert_eq!(files(folder.path()), ["bad.pkl"]);
}

#[test]
fn an_empty_file_is_refused() {
    convert_refuses(b"", &["empty"]);
}

#[test]
fn a_text_file_is_refused() {
    convert_refuses(b"id,text,label\n1,hello,0.5\n", &["plain text", "byte 0"]);
}

#[test]
fn a_pickle_that_runs_a_command_is_refused_and_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("ran");
    let command = format!("touch {}", witness.display());
    let mut content = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c".to_vec();
    content.push(u8::try_from(command.len()).unwrap());
    content.extend(command.as_bytes());
    content.extend(b"\x85R.");
    convert_refuses(&content, &["os.system", "byte 14"]);
    assert!(!witness.exists());
}

#[test]
fn a_truncated_pickle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    almt(folder.path(), &["synth", "--samples", "4"]).ok();
    let whole = std::fs::read(folder.path().join("mosi.pkl")).unwrap();
    convert_refuses(&whole[..whole.len() / 2], &["truncated", "byte"]);
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["convert", "absent.pkl"][..],
        &["inspect", "absent.pkl"],
        &["validate", "absent.h5"],
        #[cfg(feature = "train")]
        &["train", "--store", "absent.h5"],
        #[cfg(feature = "train")]
        &["eval", "--store", "absent.h5", "--checkpoint", "absent.safetensors"],
    ] {
        almt(folder.path(), args).fails_with(&["absent.", ": no such file or folder"]);
    }
    assert!(files(folder.path()).is_empty());
}

fn store_commands_refuse(folder: &Path, parts: &[&str]) {
    almt(folder, &["validate", "mosi.h5"]).fails_with(parts);
    #[cfg(feature = "train")]
    almt(folder, &["train", "--store", "mosi.h5", "--epochs", "1", "--out", "run"])
        .fails_with(parts);
    assert!(!folder.join("run").exists());
}

#[test]
fn a_store_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mosi.h5"), "not HDF5 at all").unwrap();
    store_commands_refuse(folder.path(), &["mosi.h5", "not an HDF5 file", "offset 0"]);
    hdf5::File::create(folder.path().join("mosi.h5")).unwrap();
    store_commands_refuse(folder.path(), &["mosi.h5", "store_version"]);
}

#[test]
fn a_store_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    let file = hdf5::File::open_rw(&store).unwrap();
    file.attr("store_version").unwrap().write_scalar(&7_u64).unwrap();
    drop(file);
    store_commands_refuse(folder.path(), &["mosi.h5", "store_version", "version 7"]);
}

#[test]
fn a_truncated_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    let whole = std::fs::read(&store).unwrap();
    std::fs::write(&store, &whole[..whole.len() / 2]).unwrap();
    store_commands_refuse(folder.path(), &["mosi.h5"]);
}

#[test]
fn a_flipped_byte_in_the_data_is_found_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    let offset = hdf5::File::open(&store).unwrap().dataset("train/audio").unwrap().offset();
    let offset = offset.unwrap() as usize;
    let mut bytes = std::fs::read(&store).unwrap();
    bytes[offset + 100] ^= 0x10;
    std::fs::write(&store, &bytes).unwrap();
    let call = almt(folder.path(), &["validate", "mosi.h5"]);
    assert_eq!(call.code(), 1, "{}", call.explain());
    let text = call.stdout();
    let finding = text.lines().find(|line| line.contains("AD001")).unwrap();
    assert!(finding.contains("/train/audio"), "{text}");
    assert!(finding.contains(&format!("bytes {offset} to")), "{text}");
    assert!(text.starts_with("mosi.h5: NOT VALID"), "{text}");
    // The trainer compares what it reads: no result comes from changed data.
    #[cfg(feature = "train")]
    almt(folder.path(), &["train", "--store", "mosi.h5", "--epochs", "1", "--out", "run"])
        .fails_with(&["mosi.h5", "/train/audio", "bytes", "BLAKE3"]);
    assert_eq!(files(folder.path()), ["mosi.h5", "mosi.pkl"]);
}

/// A byte flipped anywhere in the file is found, or lies where nothing is stored; the program
/// never crashes on it.
#[test]
fn a_flipped_byte_anywhere_is_found_or_harmless() {
    use rand::RngExt;
    use rand_chacha::rand_core::SeedableRng;
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    let whole = std::fs::read(&store).unwrap();
    let file = hdf5::File::open(&store).unwrap();
    // Outside the large feature blocks, whose bytes the digests cover one by one.
    let blocks: Vec<std::ops::Range<usize>> = ["train", "valid", "test"]
        .iter()
        .flat_map(|split| ["text", "audio", "vision"].map(|m| format!("{split}/{m}")))
        .map(|path| {
            let dataset = file.dataset(&path).unwrap();
            let start = dataset.offset().unwrap() as usize;
            start..start + dataset.storage_size() as usize
        })
        .collect();
    drop(file);
    let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(7);
    let places: Vec<usize> = (0..whole.len())
        .filter(|place| !blocks.iter().any(|block| block.contains(place)))
        .collect();
    let (mut n_found, n_tries) = (0, 150);
    for _ in 0..n_tries {
        let place = places[rng.random_range(0..places.len())];
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << rng.random_range(0..8);
        std::fs::write(&store, &bytes).unwrap();
        let call = almt(folder.path(), &["validate", "mosi.h5"]);
        match call.code() {
            0 => assert!(call.stdout().contains(": valid"), "{place}\n{}", call.explain()),
            1 => n_found += 1,
            _ => panic!("flipped byte {place}\n{}", call.explain()),
        }
    }
    println!("{n_found} of {n_tries} flipped bytes outside the feature blocks were found");
    assert!(n_found > n_tries / 4, "only {n_found} of {n_tries} flipped bytes were found");
}
