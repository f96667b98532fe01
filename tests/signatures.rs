//! Every known kind of file: one fixture per entry of the table.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use almt_data::signature::{self, Role};

use crate::support::{almt, files, python, synthetic_store};

/// A zip archive of these entries, deflated.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A tar archive of these entries.
pub fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn hdf5(names: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let file = hdf5::File::create(&path).unwrap();
    for name in names {
        file.new_dataset::<f32>().shape([2, 3]).create(*name).unwrap();
    }
    drop(file);
    std::fs::read(path).unwrap()
}

/// The beginning of a file as h5py writes it: a heap with the name of the only dataset.
fn h5py(name: &str) -> Vec<u8> {
    const HEAP: usize = 96;
    let mut bytes = b"\x89HDF\r\n\x1a\n".to_vec();
    bytes.resize(HEAP, 0);
    bytes.extend(b"HEAP\0\0\0\0");
    // Size of the names, the first free place in them, where they lie.
    bytes.extend([88, 16, HEAP as u64 + 32].map(u64::to_le_bytes).concat());
    let mut names = [&[0; 8][..], name.as_bytes()].concat();
    names.resize(16, 0);
    // The free stretch: no further one, and its own length, of which a byte is a letter.
    names.extend([1, 72].map(u64::to_le_bytes).concat());
    names.resize(88, 0);
    [bytes, names].concat()
}

/// A file for each kind that its bytes tell: id, name, bytes.
fn fixtures() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let tarred = tar(&[("features/mosei.pkl", b"\x80\x04N."), ("README", b"text")]);
    let zipped = zip(&[("mosei_senti_data.pkl", b"\x80\x04N."), ("mosi_data.pkl", b"\x80\x04N.")]);
    let mut last_part = zipped.clone();
    let end = last_part.len() - 22;
    last_part[end + 4] = 2;
    let mut old_tar = tarred.clone();
    // The old format has no mark; only the sum of its header tells it.
    old_tar[257..265].fill(0);
    old_tar[148..156].fill(b' ');
    let sum: u32 = old_tar[..512].iter().map(|byte| u32::from(*byte)).sum();
    old_tar[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let matlab = |version: &str| {
        let mut bytes = format!("MATLAB {version} MAT-file, Platform: GLNXA64").into_bytes();
        bytes.resize(512, b' ');
        bytes
    };
    let arrow_stream = [&[0xff; 4][..], &[16, 0, 0, 0], &[0; 64]].concat();
    let safetensors = [&20_u64.to_le_bytes()[..], b"{\"__metadata__\":{}}  "].concat();
    let kinds: &[(&'static str, &'static str, &[u8])] = &[
        ("empty", "a.pkl", b""),
        (
            "lfs-pointer",
            "a.pkl",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        ),
        ("pickle", "a.pkl", b"\x80\x04N."),
        ("pickle", "old.pt", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."),
        ("old-pickle", "a.pkl", b"(dp0\nVid\nI1\ns."),
        ("pickle-as-text", "a.pkl", b"\xc2\x80\x04\xc2\x95"),
        ("pickle-as-text", "a.pkl", b"\xef\xbf\xbd\x04\x95"),
        ("pickle-as-base64", "a.txt", b"gASVJAAAAAAAAAB9lIwFdHJhaW6UXZQoSwFLAksDZXMu\n"),
        ("joblib-zlib", "a.joblib", b"\x78\x9c\x6b\x60\x09"),
        ("joblib-zlib", "a.pkl.z", b"\x78\x5e\x6b\x60\x09"),
        ("joblib-old", "a.pkl", b"ZF0x24                 x\x9c"),
        ("lz4", "a.pkl.lz4", b"\x04\x22\x4d\x18\x64\x40\xa7"),
        ("gzip", "a.pkl.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        ("bzip2", "a.pkl.bz2", b"BZh91AY&SY\0\0\0\0"),
        ("xz", "a.pkl.xz", b"\xfd7zXZ\0\0\x04"),
        ("lzma", "a.pkl.lzma", b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0"),
        // Of other properties, and of a size of 1.5 powers of two.
        ("lzma", "a.pkl.lzma", b"\x6c\0\0\x10\0\xff\xff\xff\xff\xff\xff\xff\xff\0\x40"),
        ("lzma", "a.pkl.lzma", b"\x5e\0\0\xc0\0\x0b\x49\x23\0\0\0\0\0\0\x40"),
        ("zstd", "a.pkl.zst", b"\x28\xb5\x2f\xfd\x04\0"),
        ("zstd", "a.pkl.zst", b"\x50\x2a\x4d\x18\x04\0\0\0"),
        ("lzip", "a.tar.lz", b"LZIP\x01\x0c"),
        ("compress", "a.pkl.Z", b"\x1f\x9d\x90"),
        ("zip-empty", "a.zip", &zip(&[])),
        ("zip-part", "Archive.z01", &[b"PK\x07\x08", &zipped[..50]].concat()),
        ("zip-part", "Archive.zip.001", &zipped[..80]),
        ("zip-part", "Archive.zip", &last_part),
        ("torch-script", "a.pt", &zip(&[("m/data.pkl", b"x"), ("m/constants.pkl", b"x")])),
        ("torch", "a.pt", &zip(&[("m/data.pkl", b"x"), ("m/version", b"3")])),
        ("npz", "a.npz", &zip(&[("text.npy", b"\x93NUMPY")])),
        ("office", "label.xlsx", &zip(&[("[Content_Types].xml", b"<"), ("xl/workbook.xml", b"<")])),
        ("zip-cut", "Archive.zip", &zipped[..80]),
        ("zip-cut", "mosei_renamed.pkl", &zipped[..80]),
        ("zip", "Archive.zip", &zipped),
        // A name that `torch.save` gives, without the file that it writes next to it.
        ("zip", "data.zip", &zip(&[("mosi/data.pkl", b"\x80\x04N.")])),
        ("zip", "data.zip", &zip(&[("mosi/data.pkl", b"\x80\x04N."), ("old/version", b"3")])),
        ("archive-part", "a.7z.001", b"7z\xbc\xaf\x27\x1c\0\x04"),
        ("archive-part", "a.part1.rar", b"Rar!\x1a\x07\x01\0"),
        ("7z", "a.7z", b"7z\xbc\xaf\x27\x1c\0\x04"),
        ("rar", "a.rar", b"Rar!\x1a\x07\0"),
        ("rar", "a.rar", b"Rar!\x1a\x07\x01\0"),
        ("tar", "features.tar", &tarred),
        ("tar", "features.tar", &old_tar),
        ("matlab73", "a.mat", &[matlab("7.3"), hdf5(&["audio"])].concat()),
        ("matlab", "a.mat", &matlab("5.0")),
        ("processed", "X_train.h5", &h5py("data")),
        ("processed", "y_train.h5", &h5py("d1")),
        (
            "csd",
            "CMU_MOSI_COVAREP.csd",
            // What lies in the group is named in a heap of its own.
            &[h5py("COVAREP"), b"data\0metadata\0".to_vec()].concat(),
        ),
        ("hdf5", "a.h5", &hdf5(&["text", "audio"])),
        ("hdf5", "a.h5", &[vec![0; 512], hdf5(&["text", "audio"])].concat()),
        ("hdf5-as-text", "a.h5", b"\x89HDF\n\x1a\n\0\0"),
        ("npy", "a.npy", b"\x93NUMPY\x01\0"),
        ("parquet", "a.parquet", b"PAR1\x15\x04"),
        ("arrow-file", "train.arrow", b"ARROW1\0\0"),
        ("arrow-stream", "a.arrows", &arrow_stream),
        ("feather", "a.feather", b"FEA1\0\0\0\0"),
        ("sqlite", "a.db", b"SQLite format 3\0\x10\0"),
        ("lmdb", "data.mdb", &[&[0; 16][..], b"\xde\xc0\xef\xbe\x01\0\0\0"].concat()),
        ("safetensors", "a.safetensors", &safetensors),
        ("media", "a.mp4", b"\0\0\0\x20ftypisom"),
        ("media", "a.wav", b"RIFF\x24\0\0\0WAVEfmt "),
        ("media", "a.pdf", b"%PDF-1.7\n"),
        ("web-page", "gdrive.pkl", b"<!DOCTYPE html><html><head>"),
        ("web-page", "dropbox.pkl", b"\n\n  <!doctype html>\n<html lang=\"en\">"),
        ("web-page", "a.pkl", b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"),
        ("web-page", "a.pkl", b"\n   <script>alert(1)</script><html>"),
        ("web-page", "a.pkl", b"<TABLE><tr><td>1</td></tr></TABLE>"),
        (
            "run-file",
            "config.toml",
            b"dataset = \"mosi\"\nstore = \"a.h5\"\nstore_digest = \"0\"\n",
        ),
        ("run-file", "predictions.csv", b"id,split,label,prediction,acc_2_has0_label\n"),
        ("run-file", "result.json", b"{\n  \"selected\": {\n    \"by\": \"best MAE\"}}"),
        ("json-error", "a.pkl", b"{\"error\":{\"code\":403,\"message\":\"quota exceeded\"}}"),
        ("folds", "folds.json", b"{\"train\": [\"a\", \"b\"], \"dev\": [\"c\"]}"),
        (
            "folds",
            "folds.json",
            b"{\"by\": \"video_id\", \"folds\": {\"train\": [\"a\"], \"test\": [\"b\"]}}",
        ),
        ("json-lines", "a.jsonl", b"{\"id\": 1}\n{\"id\": 2}\n"),
        ("json-lines", "a.json", b"[1, 2]\n\n[3, 4]\n"),
        ("json-lines", "one.jsonl", b"{\"id\": 1}\n"),
        ("json", "a.json", b"{\"train\": [1, 2]}"),
        ("json", "a.json", b"{\"train\": {\"a\": [\"b\"]}, \"test\": {}}"),
        ("json", "a.json", b"[\n[1],\n[2]\n]\n"),
        ("json", "marked.json", b"\xef\xbb\xbf{\"a\": [1]}"),
        ("json", "a.json", b"[{\"id\": 1}]"),
        ("python", "data.pkl", b"# loads the data\nimport pickle\nfrom os import path\n"),
        ("table", "label.csv", b"video_id,clip_id,text,label\n1,2,\"a, b\",0.5\n"),
        ("table", "label.tsv", b"index\tlabel\n1\t0.5\n"),
        ("table", "label.psv", b"video_id|text|label\n1|good, or not|0.5\n"),
        ("table", "marked.csv", b"\xef\xbb\xbfid,label\n1,0.5\n"),
        // In GBK.
        ("table", "chinese.csv", b"id,text,label\n1,\xc4\xe3\xba\xc3,0.5\n"),
        ("utf16", "label.csv", b"\xff\xfei\0d\0,\0"),
        ("text-with-mark", "a.pkl", b"\xef\xbb\xbfsome words\n"),
        ("zeros", "a.pkl", &[0; 4096]),
    ];
    kinds.iter().map(|(id, name, bytes)| (*id, *name, bytes.to_vec())).collect()
}

#[test]
fn every_line_of_the_table_has_a_fixture_that_it_fits() {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let mut check = |id: &'static str, name: &str, known: Option<signature::Known>| {
        let known = known.unwrap_or_else(|| panic!("{id}: {name} is not known"));
        assert_eq!(known.kind.id, id, "{name}");
        let hint = almt_data::cli::hint(&known.advice);
        assert!(!hint.is_empty() && !hint.contains('\n'), "{id}: {hint}");
        *found.entry(id).or_default() += 1;
    };
    for (id, name, bytes) in fixtures() {
        check(id, name, signature::identify(&bytes, name));
    }
    for name in ["a.pkl.baiduyun.p.downloading", "a.pkl.crdownload", "a.pkl.part"] {
        check("unfinished", name, signature::by_name(name));
    }
    // Of nothing or zeros, or without its end.
    let cut = &zip(&[("mosi.pkl", b"\x80\x04N.")])[..40];
    for bytes in [&b""[..], &[0; 1000], cut] {
        let name = "a.zip.baiduyun.p.downloading";
        check("unfinished", name, signature::identify(bytes, name));
    }
    check("part", "a.zip.002", signature::by_name("a.zip.002"));
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "4");
    check("store", "mosi.h5", signature::of_path(&store));
    almt(folder.path(), &["copy", "mosi.h5", "mosi.arrow"]).ok();
    check("arrow-store", "mosi.arrow", signature::of_path(&folder.path().join("mosi.arrow")));
    let pickles = folder.path().join("misa");
    std::fs::create_dir(&pickles).unwrap();
    std::fs::write(pickles.join("train.pkl"), b"\x80\x04N.").unwrap();
    check("folder", "misa", signature::of_path(&pickles));
    let run = folder.path().join("run");
    std::fs::create_dir(&run).unwrap();
    for name in ["config.toml", "metrics.jsonl"] {
        std::fs::write(run.join(name), b"").unwrap();
    }
    check("run", "run", signature::of_path(&run));
    let missing: Vec<&str> =
        signature::ids().into_iter().filter(|id| !found.contains_key(id)).collect();
    assert!(missing.is_empty(), "no fixture for {missing:?}");
}

/// What is no pickle, store or packed file is refused by name by the commands that want either.
#[test]
fn both_sorts_of_commands_say_what_a_file_is() {
    for (id, name, bytes) in fixtures() {
        let known = signature::identify(&bytes, name).unwrap();
        if known.kind.role != Role::Other {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), &bytes).unwrap();
        for command in ["convert", "inspect"] {
            let call = almt(folder.path(), &[command, name]).fails_with(&[name, known.kind.what]);
            assert!(call.stderr().contains("\n  hint: "), "{id}\n{}", call.explain());
        }
        let call = almt(folder.path(), &["scan", name]);
        assert!(call.stderr().contains(known.kind.what), "{id}\n{}", call.explain());
        // Another program's HDF5 file lacks an attribute, which is said.
        let what = if id == "hdf5" { "" } else { known.kind.what };
        let call = almt(folder.path(), &["validate", name]).fails_with(&[name, what]);
        assert!(!call.stderr().contains("panicked"), "{id}\n{}", call.explain());
        assert_eq!(files(folder.path()), [name]);
    }
}

/// The same kinds as other programs write them.
#[test]
fn files_of_other_programs_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let Some(written) = python("kinds.py", &[folder.path()]) else { return };
    let mut n_files = 0;
    for line in written.lines() {
        let (id, name) = line.split_once(' ').unwrap();
        let known = signature::of_path(&folder.path().join(name));
        let known = known.unwrap_or_else(|| panic!("{name} is not known"));
        assert_eq!(known.kind.id, id, "{name}");
        n_files += 1;
    }
    assert!(n_files > 30, "{n_files}");
}

/// Hints name the entry and the command, which do what they say.
#[test]
fn hints_name_the_entry_and_the_command() {
    let words = |known: Option<signature::Known>| almt_data::cli::hint(&known.unwrap().advice);
    let hint = |name: &str, bytes: &[u8]| words(signature::identify(bytes, name));
    let zipped = zip(&[("mosei_senti_data.pkl", b"\x80\x04N."), ("b.pkl", b"\x80\x04N.")]);
    assert_eq!(
        hint("Archive.zip", &zipped),
        "`unzip -p Archive.zip mosei_senti_data.pkl > mosei_senti_data.pkl` unpacks it"
    );
    assert_eq!(hint("my data.7z", b"7z\xbc\xaf\x27\x1c\0"), "`7z x 'my data.7z'` unpacks it");
    assert_eq!(
        hint("Archive.zip.001", &zipped[..80]),
        "its first entry is `mosei_senti_data.pkl`: put all parts into one folder, `cat \
         Archive.zip.[0-9]* > Archive.zip` joins them"
    );
    assert_eq!(
        hint("x.pkl.crdownload", b"<html>"),
        "the download gave an error or log-in page; open the link in a browser"
    );
    assert_eq!(
        hint("a.jsonl", b"{\"id\": 1}\n{\"id\": 2}\n"),
        "load it in Python with `[json.loads(line) for line in open(\"a.jsonl\")]` and save a dict of \
         splits with `pickle.dump`"
    );
    // Python refuses the mark of text that is opened without its name.
    assert_eq!(
        hint("a.json", b"\xef\xbb\xbf{\"a\": [1]}"),
        "load it in Python with `json.load(open(\"a.json\", encoding=\"utf-8-sig\"))` and save a dict \
         of splits with `pickle.dump`"
    );
    assert!(hint("a.csv", b"\xef\xbb\xbfid,label\n1,0.5\n").starts_with("its columns: id, label;"));
    let unfinished = signature::by_name("x.pkl.baiduyun.p.downloading");
    assert!(words(unfinished).ends_with(" x.pkl"));
    assert!(signature::by_name("x.pkl").is_none());
}

#[test]
fn a_pickle_in_place_of_a_store_and_a_store_in_place_of_a_pickle() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "4");
    almt(folder, &["copy", "mosi.h5", "mosi.arrow"]).ok();
    let packed = almt_test_gzip(&std::fs::read(folder.join("mosi.pkl")).unwrap());
    std::fs::write(folder.join("packed.pkl.gz"), packed).unwrap();
    std::fs::create_dir(folder.join("misa")).unwrap();
    std::fs::write(folder.join("misa/dev.pkl"), b"\x80\x04N.").unwrap();
    for (file, what) in [
        ("mosi.pkl", "it is a pickle"),
        ("packed.pkl.gz", "it is gzip data"),
        ("misa", "it is a folder of pickles"),
    ] {
        let call = format!("`almt-data convert {file}` converts");
        let mut commands = vec![
            vec!["validate", file],
            vec!["stats", file],
            vec!["labels", file],
            vec!["copy", file, "x.h5"],
            vec!["split", file, "--folds", "2", "--by", "video", "-o", "f.json"],
            vec!["export", file, "--to", "npz"],
        ];
        #[cfg(feature = "train")]
        commands.extend([
            vec!["train", "--store", file],
            vec!["reproduce", "fig7", "--store", file, "--epochs", "1", "--out", "r"],
        ]);
        commands.truncate(if cfg!(feature = "train") { 8 } else { 6 });
        for args in &commands {
            let outcome = almt(folder, args);
            if outcome.code() == 2 {
                continue;
            }
            let outcome = outcome.fails_with(&[file, "is not a feature store", what]);
            assert!(outcome.stderr().contains(&call), "{}", outcome.explain());
        }
    }
    for store in ["mosi.h5", "mosi.arrow"] {
        for command in ["convert", "scan"] {
            let outcome = almt(folder, &[command, store]);
            assert_eq!(outcome.code(), 1, "{}", outcome.explain());
            let err = outcome.stderr();
            assert!(err.contains("is already a feature store"), "{}", outcome.explain());
            assert!(err.contains(&format!("`almt-data validate {store}`")), "{err}");
            assert!(err.contains(&format!("`almt-data train --store {store}`")), "{err}");
        }
        almt(folder, &["inspect", store]).ok();
    }
    assert!(Path::new(folder).join("mosi.h5").is_file());
}

fn almt_test_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
