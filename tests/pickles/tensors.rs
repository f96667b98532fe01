//! PyTorch tensors: read as arrays of the same values as in PyTorch, or refused by name.

use std::path::{Path, PathBuf};

use almt_data::container;
use almt_data::pickle::{Limits, Pickle, PickleError, Places, Scan};
use almt_data::store::Store;
use serde_json::Value as Json;

use super::{dump, load, pickles_in};
use crate::support::almt;

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tensors")
}

/// A file of either ending, as the commands read it.
fn open(path: &Path) -> Result<Pickle, PickleError> {
    let bytes = std::fs::read(path).unwrap();
    let parts = container::torch_parts(&bytes, "x.pt").unwrap();
    match parts {
        Some(parts) => {
            let places = Places { pickle: parts.pickle, storages: parts.storages };
            Pickle::from_places(bytes, &places, &Limits::default())
        }
        None => Pickle::from_bytes(bytes, &Limits::default()),
    }
}

/// The files of tensors, with the name of their family in `expected.json`.
fn fixtures() -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "pkl" || ending == "pt"))
        .collect();
    paths.sort();
    let family = |path: &Path| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        name.trim_start_matches("gpu-").split('-').next().unwrap().to_owned()
    };
    paths.into_iter().map(|path| (path.clone(), family(&path))).collect()
}

#[test]
fn every_tensor_has_the_values_that_pytorch_reads() {
    let expected = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: Json = serde_json::from_str(&expected).unwrap();
    let files = fixtures();
    assert!(files.len() >= 19, "fixtures are missing: {}", files.len());
    for (path, family) in files {
        let name = path.display();
        let pickle = open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = dump::dump(&pickle, pickle.root());
        let entries = |json: &Json| json["dict"].as_array().cloned().unwrap_or_default();
        for (found, expected) in entries(&found).iter().zip(entries(&expected[&*family])) {
            assert_eq!(*found, expected, "{name}");
        }
        assert_eq!(found, expected[&*family], "{name}");
    }
}

#[test]
fn rows_are_read_as_float32_in_every_order() {
    for (path, _) in fixtures().iter().filter(|(_, family)| family == "tensors") {
        let pickle = open(path).unwrap();
        for (key, value) in pickle.entries(pickle.root()).unwrap() {
            let Some(array) = pickle.array(*value) else { continue };
            let key = pickle.str(*key).unwrap();
            for row_idx in 0..array.n_rows() {
                let mut row = vec![9.0; array.row_len()];
                array.read_f32(row_idx, &mut row);
                for (idx, value) in row.into_iter().enumerate() {
                    let number = array.number(row_idx * array.row_len() + idx).unwrap().to_f32();
                    assert_eq!(value.to_bits(), number.to_bits(), "{} {key}", path.display());
                }
            }
        }
    }
}

#[test]
fn the_names_are_listed_and_allowed() {
    for (path, _) in fixtures().iter().filter(|(path, _)| path.extension().unwrap() == "pkl") {
        let scan = Scan::open(path, &Limits::default()).unwrap();
        assert!(scan.allowed, "{}: {scan:?}", path.display());
        let names: Vec<&str> = scan.globals.iter().filter_map(|g| g.name.as_deref()).collect();
        assert!(names.contains(&"torch._utils._rebuild_tensor_v2"), "{names:?}");
        assert!(names.contains(&"torch.storage._load_from_bytes"), "{names:?}");
    }
    for name in ["mmsa-save.pt", "mmsa-old.pt", "gpu-mmsa-save.pt"] {
        let call = almt(&folder(), &["scan", name]).ok();
        assert!(call.stdout().contains("torch.FloatStorage"), "{}", call.explain());
        assert!(!call.stdout().contains("REFUSED"), "{}", call.explain());
    }
}

#[test]
fn a_dataset_of_tensors_converts_to_one_store_from_every_kind_of_file() {
    let out = tempfile::tempdir().unwrap();
    let mut digests = Vec::new();
    for (path, _) in fixtures().iter().filter(|(_, family)| family == "mmsa") {
        let store = out.path().join("out.h5");
        let (path, store) = (path.to_str().unwrap(), store.to_str().unwrap());
        let args = ["convert", path, "-o", store, "--overwrite", "--dataset", "mosi"];
        almt(out.path(), &args).ok();
        digests.push(Store::open(Path::new(store)).unwrap().manifest().digest.clone());
        almt(out.path(), &["inspect", path]).ok();
    }
    assert!(digests.len() >= 7, "{}", digests.len());
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn other_tensors_and_objects_are_refused_by_name() {
    let files = pickles_in(&folder().join("refused"));
    assert_eq!(files.len(), 6);
    for (name, bytes) in files {
        let error = load(&bytes).err().unwrap_or_else(|| panic!("{name} was read"));
        let part = match &*name {
            "sparse" => "`torch._utils._rebuild_sparse_tensor`",
            "quantized" => "`torch._utils._rebuild_qtensor`",
            "complex" => "`torch.ComplexFloatStorage`",
            "float8" => "torch.",
            "device" => "`torch.device`",
            _ => "`torch.nn.modules.linear.Linear`",
        };
        assert!(error.to_string().contains(part), "{name}: {error}");
        let scan = Scan::from_bytes(bytes, &Limits::default()).unwrap();
        assert!(!scan.allowed, "{name}");
    }
}

/// Every byte cut off and every byte changed ends in values or an error, and never in elements from
/// elsewhere.
#[test]
fn damaged_tensors_are_errors_or_values() {
    let (mut n_errors, mut n_read) = (0, 0);
    for (path, _) in fixtures().iter().filter(|(_, family)| family == "plain") {
        let bytes = std::fs::read(path).unwrap();
        let is_zip = bytes.starts_with(b"PK");
        for place in (0..bytes.len()).step_by(if is_zip { 97 } else { 7 }) {
            for change in [0x01, 0x80] {
                let mut changed = bytes.clone();
                changed[place] ^= change;
                let Ok(parts) = container::torch_parts(&changed, "x.pt") else { continue };
                let read = match parts {
                    Some(parts) => {
                        let places = Places { pickle: parts.pickle, storages: parts.storages };
                        Pickle::from_places(changed, &places, &Limits::default())
                    }
                    None => Pickle::from_bytes(changed, &Limits::default()),
                };
                match read {
                    Ok(pickle) => {
                        dump::dump(&pickle, pickle.root());
                        n_read += 1;
                    }
                    Err(error) => {
                        assert!(!error.to_string().contains('\n'), "{error}");
                        n_errors += 1;
                    }
                }
            }
        }
        if !is_zip {
            for len in 0..bytes.len() {
                assert!(load(&bytes[..len]).is_err(), "{} cut to {len}", path.display());
            }
        }
    }
    assert!(n_errors > 500 && n_read > 500, "{n_errors} {n_read}");
}

/// A tensor call by hand: storage of `n` floats, offset, shape, strides.
fn tensor(n_stated: u8, offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let header = [
        &b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."[..],
        b"\x80\x02M\xe9\x03.",
        b"\x80\x02}X\x0d\0\0\0little_endian\x88s.",
        b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0kX\x06\0\0\0cuda:0K",
        &[n_stated],
        b"NtQ.",
        b"\x80\x02]X\x01\0\0\0ka.",
        &4_u64.to_le_bytes(),
    ];
    let stream =
        [header.concat(), [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat()].concat();
    let len = u8::try_from(stream.len()).unwrap();
    let storage = [b"ctorch.storage\n_load_from_bytes\nC", &[len][..], &stream, b"\x85R"].concat();
    let call = b"\x80\x03ctorch._utils\n_rebuild_tensor_v2\n(";
    let rest = b"\x89ccollections\nOrderedDict\n)RtR.";
    [&call[..], &storage, offset, shape, strides, rest].concat()
}

#[test]
fn sizes_that_contradict_the_storage_are_refused() {
    let good = load(&tensor(4, b"K\x01", b"K\x03\x85", b"K\x01\x85")).unwrap();
    let array = good.array(good.root()).unwrap();
    let mut row = [0.0];
    array.read_f32(2, &mut row);
    assert_eq!((array.shape(), row), (&[3][..], [4.0]));
    for (what, bytes) in [
        ("offset", tensor(4, b"K\x02", b"K\x03\x85", b"K\x01\x85")),
        ("shape", tensor(4, b"K\x00", b"K\x05\x85", b"K\x01\x85")),
        ("stride", tensor(4, b"K\x00", b"K\x03\x85", b"K\x02\x85")),
        ("axes", tensor(4, b"K\x00", b"K\x02K\x02\x86", b"K\x01\x85")),
        ("stated", tensor(5, b"K\x00", b"K\x02\x85", b"K\x01\x85")),
        ("negative", tensor(4, b"J\xff\xff\xff\xff", b"K\x02\x85", b"K\x01\x85")),
        ("negative stride", tensor(4, b"K\x03", b"K\x02\x85", b"J\xff\xff\xff\xff\x85")),
        (
            "huge",
            tensor(4, b"K\x00", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", b"K\x00\x85"),
        ),
        ("repeated", tensor(4, b"K\x00", b"J\xff\xff\xff\x0f\x85", b"K\x00\x85")),
        (
            "wraps",
            tensor(4, b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", b"K\x02\x85", b"K\x01\x85"),
        ),
    ] {
        let error = load(&bytes).err().unwrap_or_else(|| panic!("{what} was read"));
        let is_right = matches!(error, PickleError::Array { .. } | PickleError::Limit { .. });
        assert!(is_right, "{what}: {error}");
    }
}

/// What a stream imports is shown by `scan`, and nothing in it is called.
#[test]
fn a_stream_that_would_run_something_is_refused() {
    let stream =
        [&b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."[..], b"cos\nsystem\n(Va\ntR."].concat();
    let len = u8::try_from(stream.len()).unwrap();
    let bytes =
        [b"\x80\x03ctorch.storage\n_load_from_bytes\nC", &[len][..], &stream, b"\x85R."].concat();
    let error = load(&bytes).err().unwrap();
    assert!(matches!(error, PickleError::ForbiddenCall { .. }), "{error}");
    assert!(error.to_string().contains("`os.system`"), "{error}");
    let scan = Scan::from_bytes(bytes, &Limits::default()).unwrap();
    assert!(!scan.allowed && scan.refusal.unwrap().message.contains("os.system"));
    // A stream within a stream has no use but depth.
    let again = b"\x80\x03ctorch.storage\n_load_from_bytes\nC\x01x\x85R.";
    let nested = [&b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."[..], again].concat();
    let len = u8::try_from(nested.len()).unwrap();
    let bytes =
        [b"\x80\x03ctorch.storage\n_load_from_bytes\nC", &[len][..], &nested, b"\x85R."].concat();
    assert!(load(&bytes).err().unwrap().to_string().contains("storage within a storage"));
    // No state can be set, and a plain pickle has no persistent ids.
    let mut stated = tensor(4, b"K\x00", b"K\x02\x85", b"K\x01\x85");
    stated.pop();
    stated.extend(b"(K\x01K\x02\x85cnumpy\ndtype\nX\x02\0\0\0f4\x85R\x89C\x08abcdefghtb.");
    assert!(matches!(load(&stated).err(), Some(PickleError::ForbiddenCall { .. })));
    assert!(matches!(load(b"\x80\x02K\x01Q.").err(), Some(PickleError::ForbiddenOpcode { .. })));
}
