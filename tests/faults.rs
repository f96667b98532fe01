//! Faults: killed runs, folders that are not writable, full disks, and stores truncated or damaged in
//! one bit. Existing files stay, damage is reported, and nothing ever panics.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};

use almt_data::corpus::check::Severity;
use almt_data::store::{Store, StoreError};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::support::{Call, almt, files, program, synthetic_store};
#[cfg(target_os = "linux")]
use crate::support::{counted, killed};

const STORES: [&str; 2] = ["mosi.h5", "mosi.arrow"];

/// A number of tries that an environment variable can raise.
fn tries(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What reading a whole store says: whether it is as it was written.
fn is_whole(path: &Path) -> Result<bool, StoreError> {
    let verification = Store::open(path)?.verify(None, &|_| {})?;
    Ok(verification.findings.iter().all(|finding| finding.severity < Severity::Error))
}

/// The program killed at any of its calls that change files leaves the old store or the new one or,
/// where there was none, perhaps none; and what else it leaves is gone after the next run.
#[test]
#[cfg(target_os = "linux")]
fn a_killed_conversion_leaves_a_whole_store_or_none() {
    let folder = tempfile::tempdir().unwrap();
    almt(folder.path(), &["synth", "--samples", "20"]).ok();
    let mut rng = ChaCha12Rng::seed_from_u64(11);
    let n_tries = tries("ALMT_DATA_TEST_KILLS", 32);
    let mut n_litter = 0;
    for name in STORES {
        let args = ["convert", "mosi.pkl", "-o", name, "--overwrite"];
        let convert = || program(folder.path(), &args);
        let store = folder.path().join(name);
        // A store that is replaced takes more calls than one that was not there.
        let n_calls = [(); 2].map(|()| counted(convert(), folder.path())[0]);
        for idx in 0..n_tries / STORES.len() {
            let is_old = idx % 2 == 1;
            match (is_old, store.is_dir()) {
                (true, _) => assert!(is_whole(&store).unwrap()),
                (false, true) => std::fs::remove_dir_all(&store).unwrap(),
                (false, false) => std::fs::remove_file(&store).unwrap(),
            }
            let n_calls = n_calls[idx % 2];
            // Each of the last ones, where the store comes to its name; of all, any.
            let at = match idx % 4 < 2 {
                true => n_calls - (idx as u64 / 4).min(n_calls - 1),
                false => rng.random_range(1..=n_calls),
            };
            killed(convert(), ("ALMT_FAULT_KILL_CALL", &at.to_string()));
            n_litter +=
                usize::from(files(folder.path()).iter().any(|name| name.ends_with(".part")));
            if is_old || store.exists() {
                assert!(is_whole(&store).unwrap(), "{name}: killed at call {at} of {n_calls}");
            }
            assert!(convert().status().unwrap().success());
            let left = files(folder.path());
            assert!(!left.iter().any(|name| name.ends_with(".part")), "{name}: {left:?}");
        }
        match store.is_dir() {
            true => std::fs::remove_dir_all(&store).unwrap(),
            false => std::fs::remove_file(&store).unwrap(),
        }
    }
    println!("{n_litter} of {n_tries} killed runs left something");
    assert!(n_litter > 0);
}

#[test]
#[cfg(unix)]
fn a_folder_that_cannot_be_written_to_is_named() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "4");
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    // Permissions do not keep root from writing: the program then runs as nobody, from a folder
    // that nobody may enter.
    let is_root = std::fs::write(closed.join("probe"), "").is_ok();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let call = |args: &[&str]| {
        let mut command = program(folder.path(), args);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        Call::of(command)
    };
    if !program(folder.path(), &["--version"]).uid(NOBODY).status().is_ok_and(|s| s.success())
        && is_root
    {
        println!("skipped: nobody cannot start the program where it lies");
        return;
    }
    for output in ["closed/a.h5", "closed/a.arrow"] {
        call(&["convert", "mosi.pkl", "-o", output]).fails_with(&[output]);
        call(&["copy", "mosi.h5", output]).fails_with(&[output]);
    }
    let left: Vec<String> = files(&closed).into_iter().filter(|name| name != "probe").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// On a file system of 20 MB, which only root can make.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "100");
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
        .arg(&small)
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: a file system cannot be mounted here");
        return;
    }
    let calls: Vec<_> = ["small/a.h5", "small/a.arrow"]
        .into_iter()
        .flat_map(|output| {
            [["convert", "mosi.pkl", "-o", output].to_vec(), ["copy", "mosi.h5", output].to_vec()]
        })
        .chain([["copy", "mosi.h5", "small/a.h5", "--compression", "gzip"].to_vec()])
        .map(|args| (almt(folder.path(), &args), files(&small)))
        .collect();
    assert!(Command::new("umount").arg(&small).status().unwrap().success());
    for (call, left) in calls {
        call.fails_with(&["small/a.", "the disk is full"]);
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A synthetic store in both formats, compressed and not.
fn all_forms(folder: &Path) {
    synthetic_store(folder, "mosi", "4");
    almt(folder, &["copy", "mosi.h5", "mosi.arrow"]).ok();
    almt(folder, &["copy", "mosi.h5", "gzip.h5", "--compression", "gzip"]).ok();
    almt(folder, &["copy", "mosi.h5", "zstd.arrow", "--compression", "zstd"]).ok();
    almt(folder, &["copy", "mosi.h5", "lz4.arrow", "--compression", "lz4"]).ok();
}

/// Opens and verifies a damaged store; a panic is a failure of the test, not of the thread.
fn judge(path: &Path, damage: &str) -> Result<bool, StoreError> {
    catch_unwind(AssertUnwindSafe(|| is_whole(path)))
        .unwrap_or_else(|_| panic!("{}: panic after {damage}", path.display()))
}

/// Stretches of a file that hold values as they are: those of text features. None are known of a
/// compressed store.
fn data_places(store: &Path, file: &Path) -> Vec<Range<usize>> {
    let n_values = 50 * 768;
    if !store.ends_with("mosi.h5") && !store.ends_with("mosi.arrow") {
        return Vec::new();
    }
    if store.is_dir() {
        // The text features are the largest buffers; they lie where their first value does.
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let opened = Store::open(store).unwrap();
        let split = name.parse().unwrap();
        let text = opened.features(split, almt_data::corpus::Modality::Text).unwrap().unwrap();
        let bytes: Vec<u8> = text.iter().flat_map(|value| value.to_le_bytes()).collect();
        let whole = std::fs::read(file).unwrap();
        let start = whole.windows(64).position(|window| window == &bytes[..64]).unwrap();
        assert_eq!(start % 64, 0, "values are aligned");
        assert!(whole[start..].starts_with(&bytes));
        return std::iter::once(start..start + bytes.len()).collect();
    }
    let opened = hdf5::File::open(file).unwrap();
    let places = ["train", "valid", "test"].map(|split| {
        let dataset = opened.dataset(&format!("{split}/text")).unwrap();
        let start = dataset.offset().unwrap() as usize;
        start..start + dataset.shape()[0] * n_values * 4
    });
    places.into()
}

/// One bit flipped anywhere, in values or between them.
#[test]
fn a_flipped_bit_is_found() {
    let folder = tempfile::tempdir().unwrap();
    all_forms(folder.path());
    let damaged_files = [
        ("mosi.h5", "mosi.h5"),
        ("mosi.arrow", "mosi.arrow/train.arrow"),
        ("mosi.arrow", "mosi.arrow/valid.arrow"),
        ("mosi.arrow", "mosi.arrow/manifest.json"),
        ("gzip.h5", "gzip.h5"),
        ("zstd.arrow", "zstd.arrow/train.arrow"),
        ("lz4.arrow", "lz4.arrow/train.arrow"),
    ];
    let n_flips = tries("ALMT_DATA_TEST_FLIPS", 1000).div_ceil(damaged_files.len());
    let mut rng = ChaCha12Rng::seed_from_u64(12);
    for (store, file) in damaged_files {
        let (store, file) = (folder.path().join(store), folder.path().join(file));
        let whole = std::fs::read(&file).unwrap();
        let is_manifest = file.ends_with("manifest.json");
        let data = match is_manifest {
            // Every byte of it counts.
            true => std::iter::once(0..whole.len()).collect(),
            false => data_places(&store, &file),
        };
        let mut n_in_data = 0;
        for idx in 0..n_flips {
            let in_data = |place: usize| data.iter().any(|range| range.contains(&place));
            // Half of them anywhere, which is mostly in values; half of them in what is not.
            let place = loop {
                let place = rng.random_range(0..whole.len());
                if idx % 2 == 0 || is_manifest || !in_data(place) {
                    break place;
                }
            };
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << rng.random_range(0..8);
            std::fs::write(&file, &bytes).unwrap();
            let damage = format!("a bit of byte {place} of {} was flipped", file.display());
            n_in_data += usize::from(in_data(place));
            assert!(!judge(&store, &damage).unwrap_or(false), "{damage}, and nothing was found");
        }
        std::fs::write(&file, &whole).unwrap();
        let name = file.file_name().unwrap().display();
        println!("{name}: {n_flips} found, {n_in_data} of them in values");
    }
}

#[test]
fn a_store_that_was_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    all_forms(folder.path());
    let mut rng = ChaCha12Rng::seed_from_u64(13);
    let files = [
        ("mosi.h5", "mosi.h5"),
        ("mosi.arrow", "mosi.arrow/train.arrow"),
        ("mosi.arrow", "mosi.arrow/manifest.json"),
        ("gzip.h5", "gzip.h5"),
        ("zstd.arrow", "zstd.arrow/train.arrow"),
        ("lz4.arrow", "lz4.arrow/train.arrow"),
    ];
    for (store, file) in files {
        let (store, file) = (folder.path().join(store), folder.path().join(file));
        let whole = std::fs::read(&file).unwrap();
        for _ in 0..tries("ALMT_DATA_TEST_CUTS", 100) {
            let length = rng.random_range(0..whole.len());
            std::fs::write(&file, &whole[..length]).unwrap();
            let damage = format!("{} was cut to {length} bytes", file.display());
            assert!(!judge(&store, &damage).unwrap_or(false), "{damage}, and nothing was found");
        }
        std::fs::write(&file, &whole).unwrap();
    }
}

/// A program that adds to a store leaves its values alone, but the store is not what was written.
#[test]
fn a_store_that_another_program_wrote_to_is_found_and_sealed_again_by_copy() {
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    let file = hdf5::File::open_rw(&store).unwrap();
    file.new_attr::<u8>().create("note").unwrap().write_scalar(&1_u8).unwrap();
    file.close().unwrap();
    let call = almt(folder.path(), &["validate", "mosi.h5"]);
    assert_eq!(call.code(), 1, "{}", call.explain());
    assert!(call.stdout().contains("another program wrote to it"), "{}", call.explain());
    almt(folder.path(), &["copy", "mosi.h5", "again.h5"]).ok();
    almt(folder.path(), &["validate", "again.h5"]).ok();
}
