//! Tests for kinds of files that need more than a few fixed bytes at the start.

use super::archive::zip_names;
use super::{Subject, hdf5};

/// Signature of a local header, with which most zip archives begin.
const LOCAL: &[u8] = b"PK\x03\x04";

/// Bytes examined for text.
const TEXT_HEAD: usize = 4096;

pub(super) fn is_empty(file: &Subject<'_>) -> bool {
    file.bytes.is_empty()
}

/// Only zeros, as far as a header could reach.
pub(super) fn is_zeros(file: &Subject<'_>) -> bool {
    file.head(512).iter().all(|byte| *byte == 0)
}

// Archives.

/// Disk number in the end record of the central directory.
fn zip_end(bytes: &[u8]) -> Option<u16> {
    const END: &[u8] = b"PK\x05\x06";
    /// Size of the end record without its comment, and the longest comment.
    const LEN: usize = 22;
    const COMMENT: usize = 0xffff;
    let start = bytes.len().saturating_sub(LEN + COMMENT);
    let tail = bytes.get(start..)?;
    let at = tail.windows(END.len()).rposition(|window| window == END)?;
    let disk = tail.get(at.checked_add(4)?..at.checked_add(6)?)?;
    Some(u16::from_le_bytes(disk.try_into().ok()?))
}

/// Name of a zip archive's first entry, from its local header.
pub(super) fn first_entry(bytes: &[u8]) -> Option<String> {
    const NAME_LEN: usize = 26;
    const NAME: usize = 30;
    let start = if bytes.starts_with(b"PK\x07\x08") { 4 } else { 0 };
    let header = bytes.get(start..).filter(|header| header.starts_with(LOCAL))?;
    let len = u16::from_le_bytes(header.get(NAME_LEN..NAME_LEN + 2)?.try_into().ok()?);
    let name = header.get(NAME..)?.get(..usize::from(len))?;
    Some(String::from_utf8_lossy(name).into_owned()).filter(|name| !name.is_empty())
}

fn is_zip(file: &Subject<'_>) -> bool {
    // After a self-extractor's stub, or after what a mail program prepended.
    let has_stub = || file.bytes.starts_with(b"MZ") || file.bytes.starts_with(b"#!");
    file.bytes.starts_with(LOCAL) || (has_stub() && zip_end(file.bytes).is_some())
}

/// Whether the name is a part's, such as `x.zip.001` or `x.z01`.
pub(super) fn is_part_name(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    let digits = |text: &str| text.len() >= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let part = |text: &str| {
        text.strip_prefix("part").is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let lower = ending.to_ascii_lowercase();
    (lower.len() == 3 && digits(&lower))
        || lower.strip_prefix(['z', 'r']).is_some_and(digits)
        || (lower == "rar" && stem.to_ascii_lowercase().rsplit('.').next().is_some_and(part))
}

/// A part of a zip archive: the first by its marker or name, the last by its number.
pub(super) fn is_zip_part(file: &Subject<'_>) -> bool {
    let is_last = || zip_end(file.bytes).is_some_and(|disk| disk != 0 && disk != u16::MAX);
    file.bytes.starts_with(b"PK\x07\x08")
        || (is_zip(file) && zip_end(file.bytes).is_none() && is_part_name(file.name))
        || (!file.bytes.starts_with(b"\x80") && file.name.ends_with(".zip") && is_last())
}

/// A zip archive without the directory that every one ends with.
pub(super) fn is_cut_zip(file: &Subject<'_>) -> bool {
    file.bytes.starts_with(LOCAL) && zip_end(file.bytes).is_none()
}

pub(super) fn is_whole_zip(file: &Subject<'_>) -> bool {
    is_zip(file)
}

/// Names of the entries; for a truncated archive, only the first.
fn names(file: &Subject<'_>) -> Vec<String> {
    if !file.bytes.starts_with(LOCAL) {
        return Vec::new();
    }
    let names = zip_names(file.bytes);
    if names.is_empty() { first_entry(file.bytes).into_iter().collect() } else { names }
}

/// Exactly `FOLDER/data.pkl`, which `torch.save` writes first: other names with the same ending are
/// user data.
fn has_torch_entry(file: &Subject<'_>, entry: &str) -> bool {
    names(file).iter().any(|name| name.split_once('/').is_some_and(|(_, rest)| rest == entry))
}

/// `FOLDER/data.pkl` next to `FOLDER/version`, which every version of PyTorch writes. Of a truncated
/// archive only the first entry is known: `torch.save` does not compress it.
pub(super) fn is_torch(file: &Subject<'_>) -> bool {
    const METHOD: std::ops::Range<usize> = 8..10;
    if is_cut_zip(file) {
        return has_torch_entry(file, "data.pkl") && file.bytes.get(METHOD) == Some(&[0, 0]);
    }
    let names = names(file);
    let folder = |name: &String| name.strip_suffix("/data.pkl").map(str::to_owned);
    let mut folders = names.iter().filter_map(folder).filter(|folder| !folder.contains('/'));
    folders.any(|folder| names.contains(&format!("{folder}/version")))
}

pub(super) fn is_torch_script(file: &Subject<'_>) -> bool {
    has_torch_entry(file, "data.pkl") && has_torch_entry(file, "constants.pkl")
}

pub(super) fn is_npz(file: &Subject<'_>) -> bool {
    let names = names(file);
    !names.is_empty() && names.iter().all(|name| name.ends_with(".npy"))
}

pub(super) fn is_office(file: &Subject<'_>) -> bool {
    names(file).iter().any(|name| name == "[Content_Types].xml" || name == "content.xml")
}

/// A tar header: its checksum is the sum of its bytes, with spaces in the checksum field.
pub(super) fn is_tar(file: &Subject<'_>) -> bool {
    const PLACE: std::ops::Range<usize> = 148..156;
    let Some(header) = file.bytes.get(..512) else { return false };
    let is_name = header.first().is_some_and(|byte| *byte != 0);
    let field = header.get(PLACE).unwrap_or_default();
    let digits: Vec<u8> = field
        .iter()
        .copied()
        .skip_while(|byte| *byte == b' ')
        .take_while(|byte| (b'0'..=b'7').contains(byte))
        .collect();
    let stated = digits.iter().try_fold(0_u32, |sum, digit| {
        sum.checked_mul(8)?.checked_add(u32::from(digit.saturating_sub(b'0')))
    });
    let sum = |signed: bool| -> i64 {
        let value = |(at, byte): (usize, &u8)| match (PLACE.contains(&at), signed) {
            (true, _) => 32,
            (false, false) => i64::from(*byte),
            (false, true) => i64::from(byte.cast_signed()),
        };
        header.iter().enumerate().map(value).sum()
    };
    let stated = stated.filter(|_| !digits.is_empty()).map(i64::from);
    is_name && stated.is_some_and(|stated| stated == sum(false) || stated == sum(true))
}

/// LZMA without a container, in the form that `xz` recognises: valid properties, a dictionary size that
/// encoders use, the size of the content, if known, and a zero, with which the data begin.
pub(super) fn is_lzma(file: &Subject<'_>) -> bool {
    let Some(header) = file.bytes.get(..13) else { return false };
    let dictionary = header.get(1..5).and_then(|bytes| bytes.try_into().ok());
    let dictionary = u32::from_le_bytes(dictionary.unwrap_or_default());
    let size = header.get(5..13).and_then(|bytes| bytes.try_into().ok());
    let size = u64::from_le_bytes(size.unwrap_or_default());
    // 2^n, or 2^n + 2^(n-1).
    let is_round = dictionary.is_power_of_two()
        || (dictionary.is_multiple_of(3) && (dictionary / 3).is_power_of_two())
        || dictionary == u32::MAX;
    // (pb * 5 + lp) * 9 + lc, with pb of 0 to 4; the decoder supports lc + lp of up to 4.
    let properties = header.first().copied().unwrap_or(u8::MAX);
    let (lc, lp) = (properties % 9, properties / 9 % 5);
    properties < 225
        && lc.saturating_add(lp) <= 4
        && dictionary >= 1 << 12
        && is_round
        && (size == u64::MAX || size < 1 << 38)
        && file.bytes.get(13).is_none_or(|byte| *byte == 0)
}

/// Zstandard, possibly after a skippable frame, as parallel writers produce.
pub(super) fn is_zstd(file: &Subject<'_>) -> bool {
    file.bytes.starts_with(b"\x28\xb5\x2f\xfd")
        || matches!(file.bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

pub(super) fn is_bzip2(file: &Subject<'_>) -> bool {
    matches!(file.bytes, [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
        if rest.starts_with(b"1AY&SY") || rest.starts_with(b"\x17\x72\x45\x38\x50\x90")
            || rest.len() < 6)
}

/// zlib with the four levels in use, and a valid header checksum.
pub(super) fn is_zlib(file: &Subject<'_>) -> bool {
    matches!(file.bytes, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..])
}

pub(super) fn is_part_of_7z_or_rar(file: &Subject<'_>) -> bool {
    is_part_name(file.name) && (is_7z(file) || is_rar(file))
}

pub(super) fn is_7z(file: &Subject<'_>) -> bool {
    file.bytes.starts_with(b"7z\xbc\xaf\x27\x1c")
}

pub(super) fn is_rar(file: &Subject<'_>) -> bool {
    file.bytes.starts_with(b"Rar!\x1a")
}

// Data of other programs.

fn has_name(file: &Subject<'_>, name: &str) -> bool {
    hdf5::top_names(file.bytes).iter().any(|found| found == name)
}

pub(super) fn is_hdf5(file: &Subject<'_>) -> bool {
    hdf5::is_hdf5(file.bytes)
}

pub(super) fn is_store(file: &Subject<'_>) -> bool {
    // The line that seals it or, in the first versions, the name of its attribute.
    is_hdf5(file)
        && (hdf5::mentions(file.bytes, b"\nalmt-data seal, blake3 ")
            || hdf5::mentions(file.bytes, b"store_version"))
}

/// One top-level group, named after the sequence, with `data` and `metadata` in it.
pub(super) fn is_csd(file: &Subject<'_>) -> bool {
    is_hdf5(file)
        && !has_name(file, "data")
        && hdf5::mentions(file.bytes, b"metadata\0")
        && hdf5::mentions(file.bytes, b"data\0")
}

/// A sequence named after words or phonemes, such as `words` or `phones`, whose rows are text, and not
/// after vectors of them.
pub(super) fn is_of_words(file: &Subject<'_>) -> bool {
    let names = hdf5::top_names(file.bytes);
    let name = names.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
    ["word", "phone"].iter().any(|part| name.contains(part)) && !name.contains("vec")
}

/// `data` in feature files and `d1` in label files.
pub(super) fn is_processed(file: &Subject<'_>) -> bool {
    let names = hdf5::top_names(file.bytes);
    is_hdf5(file) && matches!(&*names, [only] if only == "d1" || only == "data")
}

pub(super) fn is_safetensors(file: &Subject<'_>) -> bool {
    let len = file.bytes.get(..8).and_then(|bytes| bytes.try_into().ok());
    let len = u64::from_le_bytes(len.unwrap_or_default());
    (2..=(file.bytes.len() as u64).saturating_sub(8)).contains(&len)
        && file.bytes.get(8..10) == Some(b"{\"")
}

/// An Arrow stream: the marker of a message, the length of its metadata, then a flatbuffer.
pub(super) fn is_arrow_stream(file: &Subject<'_>) -> bool {
    let Some([0xff, 0xff, 0xff, 0xff, len @ ..]) = file.bytes.first_chunk::<8>() else {
        return false;
    };
    let len = u32::from_le_bytes(*len);
    len.is_multiple_of(8) && (16..1 << 24).contains(&len) && len as usize <= file.bytes.len()
}

pub(super) fn is_media(file: &Subject<'_>) -> bool {
    const STARTS: [&[u8]; 9] = [
        b"\x89PNG",
        b"\xff\xd8\xff",
        b"GIF8",
        b"%PDF",
        b"ID3",
        b"OggS",
        b"fLaC",
        b"\x1a\x45\xdf\xa3",
        b"\xff\xfb",
    ];
    STARTS.iter().any(|start| file.bytes.starts_with(start))
        || file.bytes.get(4..8) == Some(b"ftyp")
        || (file.bytes.starts_with(b"RIFF")
            && matches!(file.bytes.get(8..12), Some(b"WAVE" | b"AVI " | b"WEBP")))
}

// Text.

/// The mark with which some programs, such as Excel, begin UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn has_byte_order_mark(file: &Subject<'_>) -> bool {
    file.bytes.starts_with(BYTE_ORDER_MARK)
}

/// The start of the file without byte order mark.
fn text_head<'a>(file: &Subject<'a>) -> &'a [u8] {
    let head = file.head(TEXT_HEAD);
    head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head)
}

/// Whether text has only such control characters as text files have.
fn is_readable(text: &str) -> bool {
    text.chars().all(|char| !char.is_control() || "\t\n\r\u{c}".contains(char))
}

/// The start of the file as text without byte order mark and leading spaces, if it is text.
fn text<'a>(file: &Subject<'a>) -> Option<&'a str> {
    let head = text_head(file);
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The cut may split a character.
        Err(error) if error.valid_up_to().saturating_add(4) > head.len() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let text = text.trim_start();
    (!text.is_empty() && is_readable(text)).then_some(text)
}

pub(super) fn is_html(file: &Subject<'_>) -> bool {
    let start = file.head(TEXT_HEAD).trim_ascii_start();
    let start = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start).trim_ascii_start();
    let start = start.to_ascii_lowercase();
    let begins_with = |tags: &[&[u8]]| tags.iter().any(|tag| start.starts_with(tag));
    let has = |part: &[u8]| start.windows(part.len()).any(|window| window == part);
    begins_with(&[b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body", b"<!--"])
        // A part of a page, as some servers send it.
        || (begins_with(&[b"<script", b"<table", b"<div", b"<meta", b"<title", b"<style", b"<h1"])
            && (has(b"<html") || has(b"</")))
}

/// An object or a list whose first element is valid JSON.
pub(super) fn is_json(file: &Subject<'_>) -> bool {
    let Some(text) = text(file) else { return false };
    let rest = match text.strip_prefix('{') {
        Some(rest) => return rest.trim_start().starts_with(['"', '}']),
        None => text.strip_prefix('['),
    };
    let first = rest.and_then(|rest| rest.trim_start().chars().next());
    first.is_some_and(|first| first.is_ascii_digit() || "{[\"-]tfn".contains(first))
}

/// JSON Lines: a first line that is a whole document, and a second document after it. A first line
/// beyond the examined part is known by the file's name.
pub(super) fn is_json_lines(file: &Subject<'_>) -> bool {
    if !is_json(file) {
        return false;
    }
    let name = file.name.to_ascii_lowercase();
    let mut lines = text(file).unwrap_or_default().lines().filter(|line| !line.trim().is_empty());
    let is_document = |line: &str| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
    match (lines.next(), lines.next()) {
        (Some(first), Some(second)) => {
            is_document(first) && second.trim_start().starts_with(['{', '['])
        }
        _ => [".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending)),
    }
}

/// The videos of at least two splits as JSON, possibly under `folds`: lists of texts, as `align` reads
/// them.
pub(super) fn is_folds(file: &Subject<'_>) -> bool {
    const SPLITS: [&str; 6] = ["train", "valid", "validation", "val", "dev", "test"];
    /// A multiple of the largest dataset's file.
    const LARGEST: usize = 1 << 22;
    type Folds = std::collections::BTreeMap<String, Vec<String>>;
    #[derive(serde::Deserialize)]
    struct Within {
        folds: Folds,
    }
    if file.bytes.len() > LARGEST || !is_json(file) {
        return false;
    }
    let within = || serde_json::from_slice::<Within>(file.bytes).map(|within| within.folds);
    let Ok(folds) = serde_json::from_slice::<Folds>(file.bytes).or_else(|_| within()) else {
        return false;
    };
    let is_split = |name: &String| SPLITS.contains(&&*name.to_ascii_lowercase());
    folds.len() > 1 && folds.keys().all(is_split) && folds.values().any(|videos| !videos.is_empty())
}

/// Whether a NumPy file contains objects.
pub(super) fn has_objects(file: &Subject<'_>) -> bool {
    file.head(256).windows(5).any(|window| window == b"'|O'," || window == b"'|O8'")
}

/// The settings, the result or the predictions of a run.
pub(super) fn is_run_file(file: &Subject<'_>) -> bool {
    let Some(text) = text(file) else { return false };
    let head = |len: usize| text.chars().take(len).collect::<String>();
    text.starts_with("dataset = \"") && head(400).contains("\nstore_digest = \"")
        || text.starts_with("id,split,label,prediction,")
        || text.starts_with('{')
            && head(60).trim_start_matches(['{', ' ', '\n']).starts_with("\"selected\"")
}

/// JSON in which a server explains why there is no file.
pub(super) fn is_json_error(file: &Subject<'_>) -> bool {
    const SHORT: usize = 4096;
    let says = ["\"error\"", "\"errors\"", "\"errno\"", "\"message\"", "\"error_msg\""];
    file.bytes.len() <= SHORT
        && is_json(file)
        && text(file).is_some_and(|text| says.iter().any(|word| text.contains(word)))
}

pub(super) fn is_python(file: &Subject<'_>) -> bool {
    let Some(text) = text(file) else { return false };
    let is_line = |line: &str| {
        line.starts_with("import ")
            || line.starts_with("def ")
            || line.starts_with("class ")
            || (line.starts_with("from ") && line.contains(" import "))
            || (line.starts_with("#!") && line.contains("python"))
    };
    text.lines().take(60).any(is_line)
}

/// A text table: the same number of separators in the first two lines, in any encoding that keeps ASCII,
/// such as GBK.
pub(super) fn is_table(file: &Subject<'_>) -> bool {
    columns(file).is_some()
}

/// The column names in a table's first line.
pub(super) fn columns(file: &Subject<'_>) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(text_head(file).trim_ascii_start());
    if !is_readable(&text) {
        return None;
    }
    let mut lines = text.lines();
    let (first, second) = (lines.next()?, lines.next()?);
    let separator = [',', ';', '\t', '|'].into_iter().find(|separator| {
        let n_separators = |line: &str| line.matches(*separator).count();
        let n_first = n_separators(first);
        // A quoted text may contain more separators.
        n_first > 0
            && (n_separators(second) == n_first
                || (n_separators(second) > n_first && second.contains('"')))
    })?;
    let name = |name: &str| name.trim().trim_matches('"').to_owned();
    Some(first.split(separator).map(name).collect())
}

/// UTF-16 with a byte order mark, as saved by Excel and Windows.
pub(super) fn is_utf16(file: &Subject<'_>) -> bool {
    matches!(file.bytes, [0xff, 0xfe, low, 0, ..] | [0xfe, 0xff, 0, low, ..] if *low != 0)
}

/// A pickle as base64 text: protocols 2 to 5, with or without a frame.
pub(super) fn is_base64(file: &Subject<'_>) -> bool {
    let head = file.head(64).trim_ascii();
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(byte);
    head.len() >= 16 && matches!(head, [b'g', b'A', b'I'..=b'V', ..]) && head.iter().all(is_letter)
}

/// Extensions of unfinished files.
const UNFINISHED: [&str; 9] = [
    ".baiduyun.p.downloading",
    ".downloading",
    ".crdownload",
    ".part",
    ".partial",
    ".opdownload",
    ".download",
    ".aria2",
    ".!qb",
];

pub(super) fn is_unfinished_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    UNFINISHED.iter().any(|ending| lower.ends_with(ending))
}

/// The file's name once its download is finished.
pub(super) fn finished_name(name: &str) -> &str {
    let lower = name.to_ascii_lowercase();
    let ending = UNFINISHED.iter().find(|ending| lower.ends_with(**ending));
    ending.and_then(|ending| name.get(..name.len().saturating_sub(ending.len()))).unwrap_or(name)
}

/// A pickle of protocols 2 to 5, which state their version.
pub(super) fn is_pickle(file: &Subject<'_>) -> bool {
    matches!(file.bytes, [0x80, 0..=5, ..])
}

/// A pickle of protocols 0 and 1: starts with a container or array as written by Python, and ends like
/// a pickle.
pub(super) fn is_old_pickle(file: &Subject<'_>) -> bool {
    const STARTS: [&[u8]; 9] =
        [b"(dp", b"(lp", b"(tp", b"(d.", b"(l.", b"}q\0", b"]q\0", b"cnumpy", b"ccollections"];
    STARTS.iter().any(|start| file.bytes.starts_with(start)) && file.bytes.ends_with(b".")
}
