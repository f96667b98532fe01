//! Hints about pickles with any content.

use super::Next::{Hands, Walk};
use super::{Row, elsewhere, put, synthetic};

/// A row about a limit: the file, the option, the limit that it does not fit, and one that it does.
macro_rules! limit {
    ($option:literal, $bytes:expr, $small:literal) => {
        Row {
            hint: concat!(
                "no known feature file comes near this limit; if you trust this one, `",
                $option,
                "` raises it"
            ),
            make: |folder| put(folder, "x.pkl", &$bytes),
            calls: &[concat!("inspect x.pkl ", $option, " ", $small)],
            next: Walk(&[($option, "100000")]),
        }
    };
}

/// A row about an import: a pickle that begins with it.
macro_rules! import {
    ($module:literal, $name:literal, $hint:literal) => {
        Row {
            hint: $hint,
            make: |folder| {
                let bytes = concat!("\u{2}c", $module, "\n", $name, "\n)\u{1}").as_bytes();
                put(folder, "x.pkl", &[&b"\x80"[..], bytes].concat());
            },
            calls: &["inspect x.pkl"],
            next: Hands,
        }
    };
}

pub const ROWS: &[Row] = &[
    limit!("--max-depth", *b"\x80\x02]]]aa.", "2"),
    limit!("--max-memo", *b"Nq\x00q\x01.", "1"),
    limit!("--max-stack", *b"NN(N10.", "3"),
    limit!("--max-objects", *b"](NNe.", "2"),
    limit!("--max-decoded", *b"Vab\n.", "1"),
    limit!("--max-string", *b"X\x02\0\0\0ab.", "1"),
    limit!("--max-integer", *b"\x8a\x02ab.", "1"),
    limit!("--max-axes", *b"\x80\x02cnumpy\nndarray\nK\x00K\x01\x86\x85R.", "1"),
    limit!(
        "--max-elements",
        *b"\x80\x04cnumpy.core.numeric\n_frombuffer\n(C\x03abccnumpy\ndtype\nX\x02\0\0\0u1\x85RK\x03\x85X\x01\0\0\0CtR.",
        "2"
    ),
    Row {
        hint: "no known feature file comes near this limit; if you trust this one, \
               `--max-memory-per-byte` raises it",
        make: |folder| put(folder, "x.pkl", &[&b"]".repeat(1_000_000), &b"."[..]].concat()),
        calls: &["inspect x.pkl --max-depth 100"],
        next: Walk(&[("--max-memory-per-byte", "100")]),
    },
    elsewhere(
        "no known feature file comes near this limit; do not trust this one",
        "each_limit_is_kept_to_the_unit",
    ),
    Row {
        hint: "open it in an editor: it may be a note or an error message saved under the wrong name",
        make: |folder| put(folder, "x.pkl", b"Please log in\n"),
        calls: &["inspect x.pkl"],
        next: Hands,
    },
    Row {
        hint: "these are weights of a model, not features: pass a file of features; `predict --weights` takes weights of released models as safetensors",
        make: |folder| {
            let pickle = b"\x80\x02ccollections\nOrderedDict\n)R}X\x09\0\0\0_metadata}sb.";
            put(folder, "model.pkl", pickle);
        },
        calls: &["convert model.pkl"],
        next: Hands,
    },
    import!("torch.storage", "f", "this PyTorch object is not supported"),
    import!("pandas", "f", "the file contains pandas objects"),
    import!("scipy.sparse", "f", "the file contains SciPy matrices"),
    import!("numpy", "memmap", "this kind of array is not supported"),
    import!("joblib", "f", "written by joblib: load it in Python with `joblib.load` and save the object with `pickle.dump`; loading runs any code in the file"),
    import!("posix", "system", "feature files never need this name"),
    import!("builtins", "complex", "this type is not supported; save numbers"),
    import!("my.own", "Thing", "only arrays, strings, numbers and plain containers are supported"),
    Row {
        hint: "numbers of up to 64 bits, strings and bytes are supported; convert the array in Python with `.astype(numpy.float32)`",
        make: |folder| put(folder, "x.pkl", b"\x80\x02cnumpy\ndtype\nX\x02\0\0\0c8\x89\x88\x87R."),
        calls: &["inspect x.pkl"],
        next: Hands,
    },
    Row {
        hint: "write the file again without `copyreg` extensions",
        make: |folder| put(folder, "x.pkl", b"\x80\x02\x82\x01."),
        calls: &["inspect x.pkl"],
        next: Hands,
    },
    Row {
        hint: "PyTorch and databases write such files; save plain arrays instead",
        make: |folder| put(folder, "x.pkl", b"\x80\x02K\x01Q."),
        calls: &["inspect x.pkl"],
        next: Hands,
    },
    Row {
        hint: "write the file again without `buffer_callback`",
        make: |folder| put(folder, "x.pkl", b"\x80\x05\x97."),
        calls: &["inspect x.pkl"],
        next: Hands,
    },
    Row {
        hint: "download or copy the file again",
        make: |folder| {
            synthetic(folder);
            let whole = std::fs::read(folder.join("mosi.pkl")).unwrap();
            put(folder, "cut.pkl", &whole[..whole.len() / 2]);
        },
        calls: &["convert cut.pkl"],
        next: Hands,
    },
    Row {
        hint: "the file was copied as text; copy it again in binary mode",
        make: |folder| put(folder, "x.pkl", b"(lp0\r\nI1\r\naI2\r\na."),
        calls: &["inspect x.pkl"],
        next: Hands,
    },
];
