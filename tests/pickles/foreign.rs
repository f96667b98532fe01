//! Files of other kinds, or incomplete ones: reported with advice.

use almt_data::pickle::{Limits, PickleError, Scan};

use super::{fixtures, load};
use crate::support::hint;

#[test]
fn other_files_are_recognised() {
    let cases: [(&[u8], &str); 23] = [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
        (b"PK\x03\x04\x14\x00", "zip"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"  <HTML>", "web page"),
        (&[0; 4096], "zeros"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x78\x9c\x00", "zlib"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x93NUMPY\x01\x00", "npy"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\x00\x00", "xz data"),
        (b"\x28\xb5\x2f\xfd\x00", "zstd"),
        (b"7z\xbc\xaf\x27\x1c\x00", "7-Zip"),
        (b"Rar!\x1a", "RAR"),
        (b"\xc2\x80\x04\xc2\x95", "UTF-8"),
        (b"\xef\xbf\xbd\x04\x95", "UTF-8"),
        (b"PK\x03\x04\x14\0\0\0\0\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.npy", "`.npz`"),
        (
            b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0c\0\0\0mod/data.pkl",
            "`torch.save`",
        ),
        (b"Segments of CMU-MOSI\n", "plain text"),
        (b"id,text,label\n", "plain text"),
        (b"hello", "plain text"),
        (b"Please log in\n", "plain text"),
    ];
    for (bytes, part) in cases {
        let error = load(bytes).err().unwrap();
        assert!(matches!(error, PickleError::NotAPickle { .. }), "{part}: {error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
        assert!(!hint(&error).is_empty(), "{part}");
    }
}

/// A table of one column, whose first lines are also an import, and pickles that import the same.
#[test]
fn a_column_of_ids_is_text_and_a_pickle_is_none() {
    let columns: [&[u8]; 5] = [
        b"id\nx\ny\n",
        b"id\n03bSnISJMiM\n0h-zjBukYpk\n",
        b"clip\n12_3\n12_4\n",
        b"id\r\nx\r\ny\r\n",
        b"clip\r\n12_3\r\n12_4\r\n12_5\r\n",
    ];
    for column in columns {
        let error = load(column).err().unwrap();
        assert!(error.to_string().contains("plain text"), "{column:?}: {error}");
        let error = Scan::from_bytes(column.to_vec(), &Limits::default()).unwrap_err();
        assert!(matches!(error, PickleError::NotAPickle { .. }), "{column:?}: {error}");
    }
    let pickles: [&[u8]; 5] = [
        b"(id\nx\n.",
        b"id\nx\n.",
        b"clip\nx\n(S'a'\ntR.",
        b"cos\nsystem\n(S'a'\ntR",
        b"clip\n1\n.",
    ];
    for pickle in pickles {
        let error = load(pickle).err().unwrap();
        assert!(matches!(error, PickleError::ForbiddenGlobal { .. }), "{pickle:?}: {error}");
        let scan = Scan::from_bytes(pickle.to_vec(), &Limits::default()).unwrap();
        assert!(!scan.allowed && scan.n_forbidden_globals > 0, "{pickle:?}");
    }
}

#[test]
fn joblib_and_torch_objects_are_named() {
    for (module, name, advice) in [
        ("joblib.numpy_pickle", "NumpyArrayWrapper", "joblib"),
        ("sklearn.externals.joblib.numpy_pickle", "NDArrayWrapper", "joblib"),
        ("torch._utils", "_rebuild_qtensor", "detach().cpu()"),
        ("pandas.core.frame", "DataFrame", "pandas"),
        ("numpy", "memmap", "numpy.asarray"),
    ] {
        let bytes = format!("\u{2}c{module}\n{name}\n)\u{1}").into_bytes();
        let bytes = [b"\x80", bytes.as_slice()].concat();
        let error = load(&bytes).err().unwrap();
        assert!(error.to_string().contains(&format!("{module}.{name}")), "{error}");
        assert!(hint(&error).contains(advice), "{error}: {}", hint(&error));
    }
}

#[test]
fn changed_line_ends_are_told() {
    let damaged = load(b"(dp0\r\nVid\r\nI1\r\ns.").err().unwrap();
    assert!(matches!(damaged, PickleError::LineEnds { offset: 2 }), "{damaged}");
    let mut n_told = 0;
    for (name, bytes) in fixtures() {
        let mut copied = Vec::new();
        for byte in bytes {
            if byte == b'\n' {
                copied.push(b'\r');
            }
            copied.push(byte);
        }
        // A file of the newest protocol may have no line end that matters.
        if let Err(error) = load(&copied) {
            let told = matches!(error, PickleError::LineEnds { .. });
            assert!(
                told || copied.iter().filter(|byte| **byte == b'\n').count() < 3,
                "{name}: {error}"
            );
            n_told += usize::from(told);
        }
    }
    assert!(n_told > 15, "{n_told}");
}

#[test]
fn parts_that_never_arrived_are_told() {
    for (name, bytes) in fixtures().iter().filter(|(_, bytes)| bytes.len() > 3000) {
        for start in (1..bytes.len() - 1).step_by(61) {
            // Whole blocks are missing in real files; here, everything from some byte on.
            let mut holed = bytes.clone();
            holed[start..].fill(0);
            holed.extend([0; 600]);
            let error = load(&holed).err().unwrap();
            let PickleError::Zeros { offset, end, len } = error else {
                // A size, a line or a name that now begins with zeros may need more than there is.
                let is_cut = matches!(error, PickleError::Truncated { .. });
                let is_limit = matches!(error, PickleError::Limit { .. });
                assert!(is_cut || is_limit, "{name}, zeros from {start}: {error}");
                continue;
            };
            assert!(offset <= start as u64 && end == len, "{name}, zeros from {start}: {error}");
            assert!(error.to_string().contains("the download is incomplete"), "{error}");
        }
    }
    let hole = load(&[b"\x80\x04]".to_vec(), vec![0; 100], b"a.".to_vec()].concat()).err().unwrap();
    assert!(matches!(hole, PickleError::Zeros { offset: 3, end: 103, len: 105 }), "{hole}");
    // A single zero is damage of another kind.
    let other = load(b"\x80\x04]\x00a.").err().unwrap();
    assert!(matches!(other, PickleError::UnknownOpcode { offset: 3, byte: 0 }), "{other}");
}

#[test]
fn every_truncation_is_an_error() {
    for (name, bytes) in fixtures() {
        for len in 0..bytes.len() {
            let error = load(&bytes[..len]).err();
            assert!(error.is_some(), "{name} cut to {len} bytes was read");
        }
    }
}
