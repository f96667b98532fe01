//! The table of kinds of files. The first match counts, so specific entries come before general ones;
//! files of zeros are tested last.

use std::path::Path;

use super::archive::{shown, zip_entries};
use super::looks::{self, columns, finished_name, first_entry};
use super::{Kind, Mark, PACKED_ENDINGS, Role, Subject, hdf5};
use crate::advice::{Advice, KnownAdvice};
use crate::words::quoted_name;

const AGAIN: &str = "download or copy the file again";

/// Kinds recognised by their bytes, in test order.
pub(super) static KINDS: &[Kind] = &[
    kind("empty", "an empty file", Mark::Looks(looks::is_empty), |_| Advice::CopyAgain),
    kind("lfs-pointer", "a Git LFS pointer", Mark::Start(&[b"version https://git-lfs"]), |_| {
        "the real file was not fetched: run `git lfs pull` in the repository that it came from"
            .into()
    }),
    // Pickles and their relatives.
    Kind {
        role: Role::Pickle,
        ..kind("pickle", "a pickle", Mark::Looks(looks::is_pickle), convert)
    },
    Kind {
        role: Role::Pickle,
        ..kind("old-pickle", "a pickle", Mark::Looks(looks::is_old_pickle), convert)
    },
    kind(
        "pickle-as-text",
        "a pickle that was saved as UTF-8 text",
        Mark::Start(&[b"\xc2\x80", b"\xef\xbf\xbd"]),
        |_| Advice::CopyAsBinary,
    ),
    kind("pickle-as-base64", "base64 text of a pickle", Mark::Looks(looks::is_base64), |file| {
        format!("`base64 -d {} > {}` decodes it", file.shown(), plain_pickle(file)).into()
    }),
    kind("joblib-zlib", "zlib data, as joblib writes it", Mark::Looks(looks::is_zlib), joblib),
    kind("joblib-old", "compressed data of an old joblib", Mark::Start(&[b"ZF0x"]), joblib),
    kind(
        "lz4",
        "LZ4 data, as joblib and `lz4` write it",
        Mark::Start(&[b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18"]),
        |file| {
            let file = file.shown();
            format!(
                "`lz4 -dc {file} > unpacked.pkl` unpacks it; what joblib wrote is loaded by \
                 `joblib.load` in Python and saved with `pickle.dump`"
            )
            .into()
        },
    ),
    // Compressed files.
    packed("gzip", "gzip data", Mark::Start(&[b"\x1f\x8b"]), |file| unpack("gunzip -c", file)),
    packed("bzip2", "bzip2 data", Mark::Looks(looks::is_bzip2), |file| unpack("bunzip2 -c", file)),
    packed("xz", "xz data", Mark::Start(&[b"\xfd7zXZ\0"]), |file| unpack("unxz -c", file)),
    packed("lzma", "LZMA data", Mark::Looks(looks::is_lzma), |file| unpack("unlzma -c", file)),
    packed("zstd", "zstd data", Mark::Looks(looks::is_zstd), |file| unpack("unzstd -c", file)),
    kind("lzip", "lzip data", Mark::Start(&[b"LZIP\x01"]), |file| unpack("lzip -dc", file)),
    kind("compress", "data of `compress`", Mark::Start(&[b"\x1f\x9d", b"\x1f\xa0"]), |file| {
        unpack("uncompress -c", file)
    }),
    // Archives.
    kind("zip-empty", "an empty zip archive", Mark::Start(&[b"PK\x05\x06"]), |_| Advice::CopyAgain),
    kind("zip-part", "a part of a split zip archive", Mark::Looks(looks::is_zip_part), |file| {
        format!("{}: {}", first_of_zip(file), parts_of_zip(file)).into()
    }),
    kind(
        "torch-script",
        "a TorchScript model, which has no features",
        Mark::Looks(looks::is_torch_script),
        |_| "take the file of features that the model was trained on".into(),
    ),
    Kind {
        role: Role::Packed,
        ..kind("torch", "a file of `torch.save`", Mark::Looks(looks::is_torch), torch)
    },
    kind("npz", "an `.npz` archive of NumPy", Mark::Looks(looks::is_npz), |file| {
        format!(
            "load it in Python with `dict(numpy.load({:?}))` and save that with `pickle.dump`",
            file.name
        )
        .into()
    }),
    kind(
        "office",
        "a document of Excel or another office program",
        Mark::Looks(looks::is_office),
        |file| KnownAdvice::SaveAndCompare { stem: file.plain() }.into(),
    ),
    kind("zip-cut", "a zip archive that is cut short", Mark::Looks(looks::is_cut_zip), |file| {
        format!("{}: {AGAIN}", first_of_zip(file)).into()
    }),
    packed("zip", "a zip archive", Mark::Looks(looks::is_whole_zip), zip),
    kind(
        "archive-part",
        "a part of a split archive",
        Mark::Looks(looks::is_part_of_7z_or_rar),
        |_| "put all parts into one folder and unpack the first with `7z x`".into(),
    ),
    kind("7z", "a 7-Zip archive", Mark::Looks(looks::is_7z), |file| {
        format!("`7z x {}` unpacks it", file.shown()).into()
    }),
    kind("rar", "a RAR archive", Mark::Looks(looks::is_rar), |file| {
        format!("`unrar x {file}` or `7z x {file}` unpacks it", file = file.shown()).into()
    }),
    packed("tar", "a tar archive", Mark::Looks(looks::is_tar), |file| {
        format!("`tar -tf {file}` lists it, `tar -xf {file}` unpacks it", file = file.shown())
            .into()
    }),
    // Data of other programs.
    Kind {
        role: Role::Store,
        ..kind("store", "a feature store", Mark::Looks(looks::is_store), use_store)
    },
    kind("matlab73", "a MATLAB 7.3 file", Mark::Start(&[b"MATLAB 7.3 MAT-file"]), |file| {
        python(file, "h5py.File").into()
    }),
    kind("matlab", "a MATLAB file", Mark::Start(&[b"MATLAB 5.0 MAT-file"]), |file| {
        python(file, "scipy.io.loadmat").into()
    }),
    kind(
        "processed",
        "an old processed HDF5 file of features or labels, without ids",
        Mark::Looks(looks::is_processed),
        |_| {
            "without ids, its samples cannot be identified: use `mosi_data.pkl`, or \
             `unaligned_50.pkl` of MMSA, of the same dataset"
                .into()
        },
    ),
    Kind {
        role: Role::Sequence,
        ..kind(
            "csd",
            "a computational sequence (`.csd`) of the CMU SDK: one modality, not split",
            Mark::Looks(looks::is_csd),
            |file| match looks::is_of_words(file) {
                true => KnownAdvice::AlignToWords { file: file.shown() }.into(),
                false => KnownAdvice::Align { file: file.shown() }.into(),
            },
        )
    },
    kind("hdf5", "an HDF5 file that is not a feature store", Mark::Looks(looks::is_hdf5), |file| {
        let names = hdf5::top_names(file.bytes);
        let names: Vec<String> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
        let holds = match names.is_empty() {
            true => String::new(),
            false => format!("it holds {}: ", names.join(", ")),
        };
        format!("{holds}{}", python(file, "h5py.File")).into()
    }),
    kind(
        "hdf5-as-text",
        "an HDF5 file whose line ends were changed",
        Mark::Start(&[b"\x89HDF\n\x1a\n"]),
        |_| Advice::CopyAsBinary,
    ),
    kind("npy", "a NumPy `.npy` file", Mark::Start(&[b"\x93NUMPY"]), |file| {
        // Objects are a pickle within the file.
        let (option, danger) = match looks::has_objects(file) {
            true => (", allow_pickle=True", RUNS_CODE),
            false => ("", ""),
        };
        format!(
            "load it in Python with `numpy.load({:?}{option})` and save a dict of arrays with \
             `pickle.dump`{danger}",
            file.name
        )
        .into()
    }),
    kind("parquet", "a Parquet file", Mark::Start(&[b"PAR1"]), |file| {
        python(file, "pandas.read_parquet").into()
    }),
    kind("arrow-file", "an Arrow or Feather file", Mark::Start(&[b"ARROW1"]), |file| {
        format!(
            "a store is the folder around such files: give that; what another program wrote, {}",
            python(file, "pandas.read_feather")
        )
        .into()
    }),
    kind("arrow-stream", "an Arrow stream", Mark::Looks(looks::is_arrow_stream), |file| {
        python(file, "pyarrow.ipc.open_stream").into()
    }),
    kind("feather", "a Feather file of the first version", Mark::Start(&[b"FEA1"]), |file| {
        python(file, "pandas.read_feather").into()
    }),
    kind("sqlite", "an SQLite database", Mark::Start(&[b"SQLite format 3\0"]), |file| {
        python(file, "sqlite3.connect").into()
    }),
    kind("lmdb", "an LMDB database", Mark::At(16, b"\xde\xc0\xef\xbe"), |file| {
        python(file, "lmdb.open").into()
    }),
    kind("safetensors", "a safetensors file", Mark::Looks(looks::is_safetensors), |_| {
        KnownAdvice::UseWeights.into()
    }),
    kind("media", "a picture, sound, video or PDF", Mark::Looks(looks::is_media), |_| {
        "extract features with MMSA-FET, which writes a pickle".into()
    }),
    // Text.
    kind("web-page", "a web page", Mark::Looks(looks::is_html), |_| {
        "the download gave an error or log-in page; open the link in a browser".into()
    }),
    kind("json-error", "an error message as JSON", Mark::Looks(looks::is_json_error), |_| {
        "the server gave it in place of the file; open the link in a browser, or try again later"
            .into()
    }),
    kind("run-file", "a file of a run folder", Mark::Looks(looks::is_run_file), |_| {
        KnownAdvice::PartOfRun.into()
    }),
    kind(
        "folds",
        "a file of folds, which names the videos of each split",
        Mark::Looks(looks::is_folds),
        |file| KnownAdvice::UseFolds { file: file.shown() }.into(),
    ),
    kind("json-lines", "JSON Lines", Mark::Looks(looks::is_json_lines), |file| {
        format!(
            "load it in Python with `[json.loads(line) for line in open({:?}{})]` and save a dict of \
             splits with `pickle.dump`",
            file.name,
            encoding(file)
        )
        .into()
    }),
    kind("json", "JSON text", Mark::Looks(looks::is_json), |file| {
        format!(
            "load it in Python with `json.load(open({:?}{}))` and save a dict of splits with \
             `pickle.dump`",
            file.name,
            encoding(file)
        )
        .into()
    }),
    kind("python", "plain text, Python source", Mark::Looks(looks::is_python), |_| {
        "the file of features is what such a program loads or writes".into()
    }),
    kind("table", "plain text, a table", Mark::Looks(looks::is_table), |file| {
        let columns = columns(file).unwrap_or_default();
        let columns = columns.iter().take(6).map(|name| shown(name)).collect();
        KnownAdvice::CompareTable { file: file.shown(), columns }.into()
    }),
    kind("utf16", "text in UTF-16", Mark::Looks(looks::is_utf16), |_| {
        "features come from a pickle; of a table, save a copy as UTF-8".into()
    }),
    kind(
        "text-with-mark",
        "UTF-8 text with a byte order mark",
        Mark::Start(&[b"\xef\xbb\xbf"]),
        |_| Advice::CopyAsBinary,
    ),
    // After everything else.
    kind("zeros", "a file that begins with zeros only", Mark::Looks(looks::is_zeros), |_| {
        Advice::CopyAgain
    }),
];

/// The id of unfinished downloads.
pub(super) const UNFINISHED: &str = "unfinished";

/// Kinds of files that lack something, which the name of an unfinished download explains.
pub(super) const LACKING: [&str; 3] = ["empty", "zip-cut", "zeros"];

/// Kinds recognised only by name.
static NAMES: [Kind; 2] = [
    kind(UNFINISHED, "an unfinished download, by its name", Mark::Looks(never), |file| {
        format!(
            "let the program that downloads it finish, which then calls it {}",
            quoted_name(finished_name(file.name))
        )
        .into()
    }),
    kind("part", "a part of a split archive, by its name", Mark::Looks(never), |_| {
        "put all parts into one folder; `cat` joins those that end in numbers, `7z x` unpacks the \
         first"
            .into()
    }),
];

/// Kinds of folders.
static FOLDERS: [Kind; 3] = [
    Kind {
        role: Role::Store,
        ..kind("arrow-store", "a feature store", Mark::Looks(never), use_store)
    },
    Kind {
        role: Role::Pickle,
        ..kind("folder", "a folder of pickles", Mark::Looks(never), |file| {
            KnownAdvice::ConvertFolder { file: file.shown() }.into()
        })
    },
    kind("run", "a run folder, which `almt-data train` wrote", Mark::Looks(never), |file| {
        KnownAdvice::UseRun { file: file.shown() }.into()
    }),
];

fn never(_: &Subject<'_>) -> bool {
    false
}

pub(super) fn all() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().chain(&NAMES).chain(&FOLDERS)
}

/// The kind with this name.
pub(super) fn of_name(name: &str) -> Option<&'static Kind> {
    let [unfinished, part] = &NAMES;
    if looks::is_unfinished_name(name) {
        return Some(unfinished);
    }
    looks::is_part_name(name).then_some(part)
}

/// The kind of a folder.
pub(super) fn of_folder(folder: &Path) -> Option<&'static Kind> {
    let [store, pickles, run] = &FOLDERS;
    if folder.join("manifest.json").is_file() {
        return Some(store);
    }
    let is_pickle = |name: &str| {
        let mut endings = std::iter::once("").chain(PACKED_ENDINGS);
        endings.any(|ending| folder.join(format!("{name}{ending}")).is_file())
    };
    if ["train.pkl", "dev.pkl", "valid.pkl", "test.pkl"].into_iter().any(is_pickle) {
        return Some(pickles);
    }
    let is_run = ["config.toml", "metrics.jsonl"].iter().all(|name| folder.join(name).is_file());
    is_run.then_some(run)
}

const fn kind(
    id: &'static str,
    what: &'static str,
    mark: Mark,
    way: fn(&Subject<'_>) -> Advice,
) -> Kind {
    Kind { id, what, role: Role::Other, mark, way }
}

/// An entry for files that `convert` unpacks.
const fn packed(
    id: &'static str,
    what: &'static str,
    mark: Mark,
    way: fn(&Subject<'_>) -> Advice,
) -> Kind {
    Kind { id, what, role: Role::Packed, mark, way }
}

// Advice to get at the data.

fn convert(file: &Subject<'_>) -> Advice {
    KnownAdvice::Convert { file: file.shown() }.into()
}

fn use_store(file: &Subject<'_>) -> Advice {
    KnownAdvice::UseStore { file: file.shown() }.into()
}

fn torch(file: &Subject<'_>) -> Advice {
    format!(
        "load it in Python with `torch.load({:?}, map_location=\"cpu\", weights_only=True)` and \
         save arrays, `tensor.numpy()`, with `pickle.dump`",
        file.name
    )
    .into()
}

/// What is said of every call that loads a pickle in Python.
const RUNS_CODE: &str =
    "; loading runs any code in the file, so do it only if you trust the source";

fn joblib(file: &Subject<'_>) -> Advice {
    format!(
        "load it with joblib in Python, `joblib.load({:?})`, and save the object with \
         `pickle.dump`{RUNS_CODE}",
        file.name
    )
    .into()
}

fn python(file: &Subject<'_>, call: &str) -> String {
    format!(
        "load it in Python with `{call}({:?})` and save a dict of splits with `pickle.dump`",
        file.name
    )
}

/// The argument with which Python opens text that begins with a byte order mark.
fn encoding(file: &Subject<'_>) -> &'static str {
    if looks::has_byte_order_mark(file) { ", encoding=\"utf-8-sig\"" } else { "" }
}

/// The name without an extension that is not a pickle's.
fn plain_pickle(file: &Subject<'_>) -> String {
    let plain = file.plain();
    if super::is_pickle_name(&plain) { plain } else { format!("{plain}.pkl") }
}

fn unpack(command: &str, file: &Subject<'_>) -> Advice {
    let (shown, plain) = (file.shown(), file.plain());
    // A file whose name does not reveal its compression.
    let plain = if plain == shown || super::is_pickle_name(file.name) {
        format!("unpacked-{plain}.pkl").replace("'", "")
    } else {
        plain
    };
    let plain = match PACKED_ENDINGS.iter().any(|ending| file.name.ends_with(ending)) {
        true => file.plain(),
        false => plain,
    };
    format!("`{command} {shown} > {plain}` unpacks it").into()
}

fn zip(file: &Subject<'_>) -> Advice {
    let shown_file = file.shown();
    let listing = zip_entries(file.bytes, None).unwrap_or_default();
    match listing.pickles.first() {
        Some(entry) => {
            let base = entry.name.rsplit('/').next().unwrap_or_default();
            format!(
                "`unzip -p {shown_file} {} > {}` unpacks it",
                quoted_name(&entry.name),
                quoted_name(base)
            )
            .into()
        }
        None => format!("`unzip -l {shown_file}` lists it, `unzip {shown_file}` unpacks it").into(),
    }
}

fn first_of_zip(file: &Subject<'_>) -> String {
    match first_entry(file.bytes) {
        Some(name) => format!("its first entry is `{}`", shown(&name)),
        None => "its entries are in other parts".into(),
    }
}

fn parts_of_zip(file: &Subject<'_>) -> String {
    // `x.zip.001` can be concatenated directly; for `x.z01` and `x.zip`, the tool has to rewrite the
    // end.
    match file.name.rsplit_once('.') {
        Some((whole, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            let whole = quoted_name(whole);
            format!("put all parts into one folder, `cat {whole}.[0-9]* > {whole}` joins them")
        }
        _ => {
            let stem = file.plain();
            format!(
                "put all parts and {stem}.zip into one folder, `zip -s 0 {stem}.zip --out \
                 whole.zip` joins them"
            )
        }
    }
}
