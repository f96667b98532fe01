//! Hints about pickles, and about what they are packed in.

use crate::advice::{Origin, PackedAdvice, PickleAdvice};

/// The hint that an advice about a pickle is.
pub(super) fn hint(advice: PickleAdvice) -> &'static str {
    match advice {
        PickleAdvice::KnownNumbers => {
            "numbers of up to 64 bits, texts and bytes are read; `.astype(numpy.float32)` in \
             Python makes such an array"
        }
        PickleAdvice::PlainValues => {
            "a kind of value that is not read; save numbers, texts, lists and arrays from Python"
        }
        PickleAdvice::PlainObjects(origin) => origin_hint(origin),
        PickleAdvice::NeverLoad => {
            "feature files never need this name; `pickle.load` could run code: do not load it"
        }
        PickleAdvice::DataOnly => {
            "only arrays, text, numbers and plain containers are read; nothing is ever executed"
        }
        PickleAdvice::OpenInEditor => {
            "open it in an editor: it may be a note or an error message under a wrong name"
        }
    }
}

/// How what a library or a program wrote becomes plain.
fn origin_hint(origin: Origin) -> &'static str {
    match origin {
        Origin::Torch => {
            "a kind of tensor or object of PyTorch that is not read; save plain arrays from Python, \
             `tensor.detach().cpu().to_dense().float().numpy()`"
        }
        Origin::Pandas => "the file holds pandas objects; save their values from Python as arrays",
        Origin::Scipy => "the file holds SciPy matrices; save them from Python with `.toarray()`",
        Origin::Numpy => {
            "a kind of array that is not read; save plain arrays from Python with `numpy.asarray`"
        }
        Origin::Joblib => {
            "written by joblib: load it in Python with `joblib.load` and save the object with \
             `pickle.dump`"
        }
        Origin::Registry => "write the file again without `copyreg` extensions",
        Origin::Elsewhere => "PyTorch and databases write such files; save plain arrays instead",
        Origin::Buffers => "write the file again without `buffer_callback`",
    }
}

/// The hint that an advice about a compressed file or an archive is.
pub(super) fn packed_hint(advice: &PackedAdvice) -> String {
    let words = match advice {
        PackedAdvice::OtherTemporaryFolder => {
            "the environment variable `TMPDIR` names another folder for it, on a disk with more \
             space"
        }
        PackedAdvice::UnpackWithPacker => {
            "unpack it with the program that packed it, and give the file that comes out"
        }
        PackedAdvice::UnpackStepwise => "unpack it step by step, and give the file that comes out",
        PackedAdvice::UnpackWithPassword => {
            "unpack it with its password, and give the file that comes out"
        }
        PackedAdvice::UnpackWithOther => "unpack it with `7z x`, and give the file that comes out",
        PackedAdvice::UnpackTwins => {
            "one of the two is meant: unpack them with `7z x`, which asks for another name, and \
             give the file that is"
        }
        PackedAdvice::UnpackSplits { command, folder } => {
            return format!(
                "`{command}`, then `almt-data convert {folder}`, reads them as the splits of one \
                 dataset"
            );
        }
        PackedAdvice::TakeEntry { name } => return format!("`--entry {name}` takes one of them"),
        PackedAdvice::NameEntry => {
            "feature files end in `.pkl`; `--entry NAME` takes a file of another name"
        }
        PackedAdvice::WholeNameOfEntry => "`--entry` takes the whole name, with its folders",
        PackedAdvice::NoEntry => "leave `--entry` out",
    };
    words.into()
}
