//! Hints about pickles, and about compressed files and archives.

use crate::advice::{Origin, PackedAdvice, PickleAdvice};

/// The hint for an advice about a pickle.
pub(super) fn hint(advice: PickleAdvice) -> &'static str {
    match advice {
        PickleAdvice::KnownNumbers => {
            "numbers of up to 64 bits, strings and bytes are supported; convert the array in \
             Python with `.astype(numpy.float32)`"
        }
        PickleAdvice::PlainValues => {
            "this type is not supported; save numbers, strings, lists and arrays from Python"
        }
        PickleAdvice::PlainObjects(origin) => origin_hint(origin),
        PickleAdvice::NeverLoad => {
            "feature files never need this name, and `pickle.load` could execute code: do not \
             load the file"
        }
        PickleAdvice::DataOnly => {
            "only arrays, strings, numbers and plain containers are supported; nothing is ever \
             executed"
        }
        PickleAdvice::FeaturesForWeights => {
            "these are weights of a model, not features: pass a file of features; `predict --weights` takes \
             weights of released models as safetensors"
        }
        PickleAdvice::OpenInEditor => {
            "open it in an editor: it may be a note or an error message saved under the wrong name"
        }
    }
}

/// How to convert objects of a library or program to plain data.
fn origin_hint(origin: Origin) -> &'static str {
    match origin {
        Origin::Torch => {
            "this PyTorch object is not supported; save plain arrays from Python with \
             `tensor.detach().cpu().to_dense().float().numpy()`"
        }
        Origin::Pandas => {
            "the file contains pandas objects; save their values from Python as \
            arrays"
        }
        Origin::Scipy => {
            "the file contains SciPy matrices; save them from Python with \
            `.toarray()`"
        }
        Origin::Numpy => {
            "this kind of array is not supported; save plain arrays from Python with \
             `numpy.asarray`"
        }
        Origin::Joblib => {
            "written by joblib: load it in Python with `joblib.load` and save the object with \
             `pickle.dump`; loading runs any code in the file, so do it only if you trust the source"
        }
        Origin::Registry => "write the file again without `copyreg` extensions",
        Origin::Elsewhere => "PyTorch and databases write such files; save plain arrays instead",
        Origin::Buffers => "write the file again without `buffer_callback`",
    }
}

/// The hint for an advice about a compressed file or an archive.
pub(super) fn packed_hint(advice: &PackedAdvice) -> String {
    let words = match advice {
        PackedAdvice::OtherTemporaryFolder => {
            "set the environment variable `TMPDIR` to a folder on a disk with more space"
        }
        PackedAdvice::UnpackWithPacker => {
            "unpack it with the program that packed it, and pass the resulting file"
        }
        PackedAdvice::UnpackStepwise => "unpack it step by step, and pass the resulting file",
        PackedAdvice::UnpackWithPassword => {
            "unpack it with its password, and pass the resulting file"
        }
        PackedAdvice::UnpackWithOther => "unpack it with `7z x`, and pass the resulting file",
        PackedAdvice::UnpackTwins => {
            "unpack both with `7z x`, which asks for another name, and pass the one that you need"
        }
        PackedAdvice::UnpackSplits { command, folder } => {
            return format!(
                "`{command}`, then `almt-data convert {folder}`, converts them as the splits of \
                 one dataset"
            );
        }
        PackedAdvice::TakeEntry { name } => return format!("`--entry {name}` takes one of them"),
        PackedAdvice::NameEntry => {
            "feature files end in `.pkl`; `--entry NAME` takes a file of another name"
        }
        PackedAdvice::PackLinkedFile => {
            "pass the file that the link leads to; `tar --dereference -cf` packs such files themselves"
        }
        PackedAdvice::WholeNameOfEntry => "`--entry` needs the full name, with its folders",
        PackedAdvice::NoEntry => "omit `--entry`",
    };
    words.into()
}
