//! Pickles in compressed files and archives are unpacked, or the reason against it is reported.

use std::io::Write;
use std::path::Path;

use almt_data::store::Store;

use crate::signatures::{tar, zip};
use crate::support::{Call, almt, files, program};

type Codec = (&'static str, fn(&[u8]) -> Vec<u8>);

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    liblzma::encode_all(bytes, 1).unwrap()
}

fn lzma(bytes: &[u8]) -> Vec<u8> {
    lzma_with(bytes, &liblzma::stream::LzmaOptions::new_preset(1).unwrap())
}

/// With other properties than those of the presets.
fn lzma_of_other_properties(bytes: &[u8]) -> Vec<u8> {
    let mut options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
    lzma_with(bytes, options.literal_context_bits(0).literal_position_bits(2))
}

fn lzma_with(bytes: &[u8], options: &liblzma::stream::LzmaOptions) -> Vec<u8> {
    let stream = liblzma::stream::Stream::new_lzma_encoder(options).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    // As the program `zstd` does.
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    zip(&[("README.md", b"# Features"), ("features/mosi.pkl", bytes)])
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    deflated_as("mosi.pkl", bytes)
}

fn deflated_as(name: &str, bytes: &[u8]) -> Vec<u8> {
    // The writer of the tests has no deflate: its entry is patched to hold what flate2 made.
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    let packed = encoder.finish().unwrap();
    let mut archive = zip(&[(name, &packed)]);
    let crc = crc32fast::hash(bytes).to_le_bytes();
    let size = (bytes.len() as u32).to_le_bytes();
    let at = |archive: &[u8], mark: &[u8]| archive.windows(4).rposition(|w| w == mark).unwrap();
    let directory = at(&archive, b"PK\x01\x02");
    for (method, start) in [(8, 14), (directory + 10, directory + 16)] {
        archive[method..method + 2].copy_from_slice(&8_u16.to_le_bytes());
        archive[start..start + 4].copy_from_slice(&crc);
        archive[start + 8..start + 12].copy_from_slice(&size);
    }
    archive
}

fn tarred(bytes: &[u8]) -> Vec<u8> {
    tar(&[("MELD/README", b"text"), ("MELD/mosi.pkl", bytes), ("MELD/._mosi.pkl", b"Mac")])
}

/// Name of the file, the way, and the name of the entry in the manifest.
const WAYS: [(Codec, &str); 14] = [
    (("mosi.pkl.gz", gzip), "mosi.pkl"),
    (("mosi.pkl.bz2", bzip2), "mosi.pkl"),
    (("mosi.pkl.xz", xz), "mosi.pkl"),
    (("mosi.pkl.lzma", lzma), "mosi.pkl"),
    (("other.pkl.lzma", lzma_of_other_properties), "other.pkl"),
    (("mosi.pkl.zst", zstd), "mosi.pkl"),
    (("gzip-without-its-ending.pkl", gzip), "gzip-without-its-ending.pkl"),
    (("Archive.zip", zipped), "features/mosi.pkl"),
    (("deflated.zip", deflated), "mosi.pkl"),
    // `torch.save` names its pickle like that, and does not compress it.
    (("data.zip", |bytes| deflated_as("mosi/data.pkl", bytes)), "mosi/data.pkl"),
    (("features.tar", tarred), "MELD/mosi.pkl"),
    (("features.tar.gz", |bytes| gzip(&tarred(bytes))), "MELD/mosi.pkl"),
    (("features.tar.xz", |bytes| xz(&tarred(bytes))), "MELD/mosi.pkl"),
    (("nested.zip", |bytes| zip(&[("mosi.pkl.gz", &gzip(bytes))])), "mosi.pkl"),
];

#[test]
fn a_packed_pickle_gives_the_store_of_the_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["synth", "--samples", "8"]).ok();
    almt(folder, &["convert", "mosi.pkl", "-o", "plain.h5"]).ok();
    let plain = std::fs::read(folder.join("mosi.pkl")).unwrap();
    let expected = Store::open(&folder.join("plain.h5")).unwrap().manifest().clone();
    let scan_plain = almt(folder, &["scan", "--json", "mosi.pkl"]).ok().stdout();
    for ((name, pack), entry) in WAYS {
        std::fs::write(folder.join(name), pack(&plain)).unwrap();
        almt(folder, &["convert", name, "-o", "out.h5", "--overwrite"]).ok();
        let manifest = Store::open(&folder.join("out.h5")).unwrap().manifest().clone();
        assert_eq!(manifest.digest, expected.digest, "{name}");
        let [source] = &*manifest.sources else { panic!("{name}: {:?}", manifest.sources) };
        // What the user has, and what was in it.
        assert_eq!(source.file_name, name);
        assert_eq!(source.size, folder.join(name).metadata().unwrap().len(), "{name}");
        assert_ne!(source.sha256, expected.sources[0].sha256, "{name}");
        let found = source.entry.as_ref().unwrap();
        assert_eq!((&*found.name, found.size), (entry, plain.len() as u64), "{name}");
        assert_eq!(found.sha256, expected.sources[0].sha256, "{name}");
        let explained = almt(folder, &["convert", "--explain", name]).ok().stdout();
        assert!(explained.contains("mmsa fits"), "{name}: {explained}");
        let inspected = almt(folder, &["inspect", name]).ok().stdout();
        assert!(inspected.contains(&format!("{name}: {entry}")), "{inspected}");
        let scan = almt(folder, &["scan", "--json", name]).ok().stdout();
        let scan = scan.replace(&format!("\"{name}\",\"entry\":\"{entry}\""), "\"mosi.pkl\"");
        assert_eq!(scan, scan_plain, "{name}");
        let shown = almt(folder, &["scan", name]).ok().stdout();
        assert!(shown.contains(&format!("within the file: {entry}")), "{shown}");
    }
    // The output lies beside the file, without the endings of what was taken off.
    for (name, store) in [("mosi.pkl.gz", "mosi.h5"), ("features.tar.gz", "features.h5")] {
        almt(folder, &["convert", name]).ok();
        assert!(folder.join(store).is_file(), "{store}");
    }
    almt(folder, &["validate", "out.h5", "--quick"]).ok();
}

#[test]
fn a_folder_of_packed_splits_is_one_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let misa = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pickles/layouts/misa");
    std::fs::create_dir(folder.path().join("misa")).unwrap();
    for split in ["train", "dev", "test"] {
        let plain = std::fs::read(misa.join(format!("{split}.pkl"))).unwrap();
        std::fs::write(folder.path().join(format!("misa/{split}.pkl.gz")), gzip(&plain)).unwrap();
    }
    let args = ["convert", "misa", "-o", "misa.h5", "--dataset", "mosi"];
    let call = almt(folder.path(), &args).ok();
    assert!(call.stdout().contains("train.pkl.gz"), "{}", call.explain());
    let all = ["train", "dev", "test"]
        .map(|split| (format!("f/{split}.pkl"), misa.join(format!("{split}.pkl"))));
    let contents: Vec<(String, Vec<u8>)> =
        all.into_iter().map(|(name, path)| (name, std::fs::read(path).unwrap())).collect();
    let entries: Vec<(&str, &[u8])> =
        contents.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
    std::fs::write(folder.path().join("misa.tar"), tar(&entries)).unwrap();
    // Splits belong together: the hint's calls make one dataset of them.
    let call = almt(folder.path(), &["convert", "misa.tar"]);
    let call = call.fails_with(&["misa.tar", "a tar archive that holds 3 pickles", "f/dev.pkl ("]);
    let expected =
        "`mkdir unpacked && tar -xf misa.tar -C unpacked`, then `almt-data convert unpacked/f`";
    assert!(call.stderr().contains(expected), "{}", call.explain());
}

#[test]
fn of_several_pickles_one_has_to_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["synth", "--samples", "4"]).ok();
    let plain = std::fs::read(folder.join("mosi.pkl")).unwrap();
    let archive = zip(&[("a b/mosi.pkl", &plain), ("mosei.pkl", b"x"), ("notes.txt", b"x")]);
    std::fs::write(folder.join("two.zip"), archive).unwrap();
    let call = almt(folder, &["convert", "two.zip"]);
    let call =
        call.fails_with(&["two.zip", "a zip archive that holds 2 pickles", "mosei.pkl (1 B)"]);
    assert!(call.stderr().contains("`--entry 'a b/mosi.pkl'` takes one"), "{}", call.explain());
    almt(folder, &["convert", "two.zip", "--entry", "a b/mosi.pkl"]).ok();
    assert!(folder.join("two.h5").is_file());
    let call = almt(folder, &["convert", "two.zip", "--entry", "mosi.pkl", "-o", "x.h5"]);
    call.fails_with(&["without an entry `mosi.pkl`", "a b/mosi.pkl", "mosei.pkl"]);
    let call = almt(folder, &["convert", "two.zip", "--entry", "notes.txt", "-o", "x.h5"]);
    call.fails_with(&["two.zip", "within it `notes.txt`"]);
    let call = almt(folder, &["convert", "mosi.pkl", "--entry", "a.pkl", "-o", "x.h5"]);
    call.fails_with(&["mosi.pkl", "not an archive", "`a.pkl`"]);
    std::fs::write(folder.join("none.zip"), zip(&[("a.txt", b"x"), ("b.txt", b"x")])).unwrap();
    let call = almt(folder, &["convert", "none.zip"]);
    call.fails_with(&["none.zip", "a zip archive without a pickle", "a.txt, b.txt"]);
    // One file, whatever its name.
    std::fs::write(folder.join("one.zip"), zip(&[("mosi", &plain)])).unwrap();
    almt(folder, &["convert", "one.zip"]).ok();
    assert!(!folder.join("x.h5").exists());
}

#[test]
fn what_was_cut_or_changed_says_so_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["synth", "--samples", "4"]).ok();
    let plain = std::fs::read(folder.join("mosi.pkl")).unwrap();
    std::fs::remove_file(folder.join("mosi.pkl")).unwrap();
    for ((name, pack), _) in WAYS {
        let whole = pack(&plain);
        for len in [whole.len() / 2, whole.len() - 30, 24] {
            // The last bytes of a tar are zeros, which nothing needs, and its first are a name.
            if name.ends_with(".tar") && len != whole.len() / 2 {
                continue;
            }
            std::fs::write(folder.join(name), &whole[..len]).unwrap();
            let call = almt(folder, &["convert", name]).fails_with(&[name]);
            let err = call.stderr();
            let is_said =
                ["cut short", "ends within", "truncated", "damaged", "a tar archive", "too few"]
                    .iter()
                    .any(|word| err.contains(word));
            assert!(is_said, "{name} cut to {len}\n{}", call.explain());
            assert!(err.contains("\n  hint: "), "{name} cut to {len}\n{}", call.explain());
        }
        // A byte in the middle of the data.
        let mut changed = whole.clone();
        let middle = whole.len() / 2;
        changed[middle] ^= 0x10;
        std::fs::write(folder.join(name), &changed).unwrap();
        let call = almt(folder, &["convert", name]);
        // Tar, and LZMA without a container, have no check sum of their content.
        if !name.ends_with(".tar") && !name.ends_with(".lzma") {
            call.fails_with(&[name, "damaged"]);
        }
        let _ = std::fs::remove_file(folder.join(name));
        for name in files(folder) {
            if name.ends_with(".h5") {
                std::fs::remove_file(folder.join(name)).unwrap();
            }
        }
        assert!(files(folder).is_empty(), "{:?}", files(folder));
    }
}

#[test]
fn several_streams_and_padding_are_read_as_other_programs_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["synth", "--samples", "4"]).ok();
    let plain = std::fs::read(folder.join("mosi.pkl")).unwrap();
    let (one, two) = plain.split_at(plain.len() / 3);
    let codecs: [Codec; 4] = [("a.gz", gzip), ("a.bz2", bzip2), ("a.xz", xz), ("a.zst", zstd)];
    for (name, pack) in codecs {
        let mut joined = [pack(one), pack(two)].concat();
        std::fs::write(folder.join(name), &joined).unwrap();
        almt(folder, &["inspect", name]).ok();
        if name != "a.zst" {
            joined.extend([0; 64]);
            std::fs::write(folder.join(name), &joined).unwrap();
            almt(folder, &["inspect", name]).ok();
        }
        joined.extend(b"something else");
        std::fs::write(folder.join(name), &joined).unwrap();
        almt(folder, &["inspect", name]).fails_with(&[name, "damaged"]);
    }
}

/// A few kilobytes that would fill a disk.
#[test]
fn what_unpacks_to_more_than_the_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let zeros = vec![0; 64 << 20];
    let codecs: [Codec; 5] =
        [("b.gz", gzip), ("b.bz2", bzip2), ("b.xz", xz), ("b.zst", zstd), ("b.zip", deflated)];
    for (name, pack) in codecs {
        std::fs::write(folder.join(name), pack(&zeros)).unwrap();
        let args = ["convert", name, "--max-unpacked", "1000000"];
        let call = almt(folder, &args).fails_with(&[name, "the limit is 1000000"]);
        assert!(call.stderr().contains("`--max-unpacked` raises it"), "{}", call.explain());
        // Within the limit it is what it is.
        almt(folder, &["convert", name]).fails_with(&[name, "zeros"]);
    }
    let nested = (0..6).fold(b"\x80\x04N.".to_vec(), |inner, _| gzip(&inner));
    std::fs::write(folder.join("nested.gz"), nested).unwrap();
    almt(folder, &["convert", "nested.gz"]).fails_with(&["nested.gz", "packed into each other"]);
}

#[test]
fn the_folder_for_temporary_files_is_the_users() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["synth", "--samples", "4"]).ok();
    let plain = std::fs::read(folder.join("mosi.pkl")).unwrap();
    std::fs::write(folder.join("a.pkl.gz"), gzip(&plain)).unwrap();
    let mut command = program(folder, &["convert", "a.pkl.gz"]);
    command.env("TMPDIR", folder.join("absent"));
    let call = Call::of(command).fails_with(&["a.pkl.gz", "cannot unpack into", "absent"]);
    assert!(call.stderr().contains("`TMPDIR`"), "{}", call.explain());
    std::fs::create_dir(folder.join("tmp")).unwrap();
    let mut command = program(folder, &["convert", "a.pkl.gz"]);
    command.env("TMPDIR", folder.join("tmp"));
    Call::of(command).ok();
    assert!(files(&folder.join("tmp")).is_empty());
    // What lies in an archive as it is needs no such folder.
    std::fs::write(folder.join("b.tar"), tarred(&plain)).unwrap();
    let mut command = program(folder, &["convert", "b.tar"]);
    command.env("TMPDIR", folder.join("absent"));
    Call::of(command).ok();
}

#[test]
fn what_is_packed_but_no_pickle_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("label.csv.gz"), gzip(b"id,label\na,0.5\n")).unwrap();
    let call = almt(folder, &["convert", "label.csv.gz"]);
    call.fails_with(&["label.csv.gz", "within it `label.csv`", "plain text, a table"]);
    std::fs::write(folder.join("npz.pkl.gz"), gzip(&zip(&[("a.npy", b"\x93NUMPY")]))).unwrap();
    almt(folder, &["scan", "npz.pkl.gz"]);
    let call = almt(folder, &["inspect", "npz.pkl.gz"]);
    call.fails_with(&["npz.pkl.gz", "within it `npz.pkl`", "`.npz` archive"]);
    // One that would run something is refused as ever.
    std::fs::write(folder.join("evil.pkl.gz"), gzip(b"\x80\x04\x8c\x02os\x8c\x06system\x93."))
        .unwrap();
    almt(folder, &["convert", "evil.pkl.gz"]).fails_with(&["evil.pkl.gz", "os.system", "byte 14"]);
    let scan = almt(folder, &["scan", "evil.pkl.gz"]);
    assert_eq!(scan.code(), 1, "{}", scan.explain());
    assert!(scan.stdout().contains("evil.pkl.gz: REFUSED: refused to import `os.system`"));
}

/// A header whose check sum is two lines of text, which the library quotes.
#[test]
fn a_damaged_header_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = tar(&[("a.pkl", b"\x80\x04N."), ("b.pkl", b"\x80\x04N.")]);
    archive[1024 + 148..1024 + 156].copy_from_slice(b"two\nline");
    std::fs::write(folder.path().join("a.tar"), archive).unwrap();
    let call = almt(folder.path(), &["convert", "a.tar"]);
    call.fails_with(&["a.tar", "a tar archive, damaged", "two\\nline"]);
}

/// An encrypted entry, by the flag of its headers.
#[test]
fn an_encrypted_entry_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = zip(&[("mosi.pkl", b"\x80\x04N.")]);
    let directory = archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    archive[6] |= 1;
    archive[directory + 8] |= 1;
    std::fs::write(folder.path().join("a.zip"), archive).unwrap();
    let call = almt(folder.path(), &["convert", "a.zip"]);
    call.fails_with(&["a.zip", "`mosi.pkl` is encrypted"]);
}

#[test]
fn a_cut_download_is_named_by_what_its_name_says_only_when_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["synth", "--samples", "4"]).ok();
    let plain = std::fs::read(folder.join("mosi.pkl")).unwrap();
    let name = "mosi.pkl.baiduyun.p.downloading";
    let mut half = plain[..plain.len() / 2].to_vec();
    half.resize(plain.len(), 0);
    std::fs::write(folder.join(name), &half).unwrap();
    let call = almt(folder, &["convert", name]);
    let call = call.fails_with(&[name, "an unfinished download, by its name"]);
    assert!(call.stderr().contains("which then calls it mosi.pkl"), "{}", call.explain());
    // A whole file of that name is read.
    std::fs::write(folder.join("whole.pkl.part"), &plain).unwrap();
    almt(folder, &["convert", "whole.pkl.part", "-o", "whole.h5"]).ok();
    // Zeros alone say that a download is incomplete; those that pad a tar do not.
    std::fs::write(folder.join("half.pkl"), &half).unwrap();
    almt(folder, &["inspect", "half.pkl"]).fails_with(&["half.pkl"]);
    std::fs::write(folder.join("text.tar"), tar(&[("a.txt", b"x"), ("b.txt", b"x")])).unwrap();
    let call = almt(folder, &["convert", "text.tar"]);
    let call = call.fails_with(&["text.tar", "a tar archive without a pickle"]);
    assert!(!call.stderr().contains("incomplete"), "{}", call.explain());
}

#[test]
fn what_follows_a_whole_stream_is_said_and_a_second_stream_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["synth", "--samples", "8"]).ok();
    let pickle = std::fs::read(folder.join("mosi.pkl")).unwrap();
    let (one, other) = pickle.split_at(pickle.len() / 3);
    let doubled: [Codec; 3] = [("a.gz", gzip), ("a.bz2", bzip2), ("a.xz", xz)];
    for (name, codec) in doubled {
        // Writers pad to multiples of four bytes, if at all.
        let padding: &[u8] = if name == "a.xz" { &[0; 4] } else { &[] };
        let both = [&codec(one)[..], padding, &codec(other), padding].concat();
        std::fs::write(folder.join(name), both).unwrap();
        almt(folder, &["convert", name, "--dataset", "mosi", "--overwrite", "-o", "a.h5"]).ok();
    }
    let followed: [Codec; 3] = [("b.gz", gzip), ("b.xz", xz), ("b.lzma", lzma)];
    for (name, codec) in followed {
        std::fs::write(folder.join(name), [&codec(&pickle)[..], b"8 bytes."].concat()).unwrap();
        almt(folder, &["convert", name, "-o", "b.h5"])
            .fails_with(&["damaged: 8 bytes after their end are not "]);
    }
}

/// A tar archive of nothing but a link.
pub fn tar_of_link() -> Vec<u8> {
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::Symlink);
    header.set_size(0);
    let mut builder = ::tar::Builder::new(Vec::new());
    builder.append_link(&mut header, "mosi.pkl", "/data/mosi.pkl").unwrap();
    builder.into_inner().unwrap()
}
