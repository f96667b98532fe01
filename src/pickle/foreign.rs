//! Files that are no pickle, or no longer one: recognised by how they begin, or by what the
//! machine failed on, so that the owner is told what to do instead of what an opcode lacks.

use super::error::PickleError;

/// The bytes that other kinds of files begin with, what they are, and what to do.
const FOREIGN: [(&[u8], &str, &str); 20] = [
    (
        b"version https://git-lfs",
        "a Git LFS pointer",
        "the real file was not fetched: run `git lfs pull` where it came from",
    ),
    (b"PK\x05\x06", "an empty zip archive", "download the file again"),
    (b"\x1f\x8b", "gzip data", "decompress it first with `gunzip`"),
    (b"\x78\x01", "zlib data, as joblib writes it", JOBLIB_HINT),
    (b"\x78\x5e", "zlib data, as joblib writes it", JOBLIB_HINT),
    (b"\x78\x9c", "zlib data, as joblib writes it", JOBLIB_HINT),
    (b"\x78\xda", "zlib data, as joblib writes it", JOBLIB_HINT),
    (b"ZF0x", "compressed data of an old joblib", JOBLIB_HINT),
    (b"BZh", "bzip2 data", "decompress it first with `bunzip2`"),
    (b"\xfd7zXZ\x00", "xz data", "decompress it first with `unxz`"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "decompress it first with `unzstd`"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "it may be a store or a `.csd` file already"),
    (b"\x89HDF\n\x1a\n", "an HDF5 file whose line ends were changed", TEXT_HINT),
    (b"\x93NUMPY", "a NumPy `.npy` file", "load it in Python and save it with `pickle.dump`"),
    (b"\xc2\x80", "a pickle that was saved as UTF-8 text", TEXT_HINT),
    (b"\xef\xbf\xbd", "a pickle that was saved as UTF-8 text", TEXT_HINT),
    (b"\xef\xbb\xbf", "UTF-8 text with a byte order mark", TEXT_HINT),
    (
        TORCH_MAGIC,
        "a file of `torch.save` in its old format",
        "load it in Python with `torch.load(..., weights_only=True)` and save arrays",
    ),
];

const JOBLIB_HINT: &str = "load it with joblib in Python and save the object with `pickle.dump`";
const TEXT_HINT: &str = "the file was copied as text; copy it again in binary mode";
const AGAIN_HINT: &str = "download or copy the file again";

/// The first of the several pickles in an old file of `torch.save`.
pub(super) const TORCH_MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// Recognises files that are something else by their first bytes.
pub(super) fn detect(bytes: &[u8]) -> Option<PickleError> {
    let refuse = |what, hint| Some(PickleError::NotAPickle { offset: 0, what, hint });
    if bytes.is_empty() {
        return refuse("the file is empty", AGAIN_HINT);
    }
    let head = bytes.get(..bytes.len().min(512)).unwrap_or(bytes);
    if head.iter().all(|byte| *byte == 0) {
        return refuse("the file begins with zeros only", AGAIN_HINT);
    }
    if head.starts_with(b"PK\x03\x04") {
        let (what, hint) = zip_kind(head);
        return refuse(what, hint);
    }
    if let Some((_, what, hint)) = FOREIGN.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return refuse(what, hint);
    }
    let start = head.trim_ascii_start();
    let tag = start.get(..start.len().min(14)).unwrap_or(start).to_ascii_lowercase();
    if tag.starts_with(b"<!doctype html") || tag.starts_with(b"<html") || tag.starts_with(b"<?xml")
    {
        return refuse(
            "a web page",
            "the download gave an error or log-in page; open the link in a browser",
        );
    }
    None
}

/// What a zip archive holds, by the name of its first entry.
fn zip_kind(head: &[u8]) -> (&'static str, &'static str) {
    const NAME_LEN: usize = 26;
    const NAME: usize = 30;
    let len = head.get(NAME_LEN..NAME_LEN + 2).and_then(|len| len.try_into().ok());
    let len = usize::from(u16::from_le_bytes(len.unwrap_or_default()));
    let name = head.get(NAME..).and_then(|rest| rest.get(..len)).unwrap_or_default();
    if name.ends_with(b".npy") {
        return (
            "an `.npz` archive of NumPy",
            "load it in Python with `numpy.load` and save a dict of its arrays with `pickle.dump`",
        );
    }
    if name.ends_with(b"data.pkl") || name.ends_with(b".format_version") {
        return (
            "a file of `torch.save`",
            "load it in Python with `torch.load(..., weights_only=True)` and save arrays",
        );
    }
    ("a zip archive", "unpack it first")
}

/// Gives the failure of the machine its real cause, where the file shows one.
pub(super) fn explain(bytes: &[u8], error: PickleError) -> PickleError {
    let error = explain_text(bytes, error);
    let is_damage = matches!(
        error,
        PickleError::Truncated { .. }
            | PickleError::UnknownOpcode { .. }
            | PickleError::Protocol { .. }
            | PickleError::ForbiddenOpcode { .. }
            | PickleError::Damaged { .. }
            | PickleError::Array { .. }
            | PickleError::Limit { .. }
    );
    if !is_damage {
        return error;
    }
    if let Some(offset) = changed_line_ends(bytes) {
        return PickleError::LineEnds { offset };
    }
    zeros(bytes, &error).unwrap_or(error)
}

/// Turns the failure of a file that reads like prose into a statement that it is no pickle.
///
/// Protocols 0 and 1 have no magic bytes and almost any letter is an opcode, so text can only be
/// told from a pickle after the machine has failed on its first few instructions.
fn explain_text(bytes: &[u8], error: PickleError) -> PickleError {
    const EARLY: u64 = 16;
    // `i` and `c` begin an import, whose name is the text up to the second line end.
    let no_name =
        |name: &str| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b));
    let unclear = matches!(&error, PickleError::ForbiddenGlobal { name, .. } if no_name(name))
        || matches!(
            error,
            PickleError::Truncated { .. }
            | PickleError::UnknownOpcode { .. }
            | PickleError::Damaged { .. }
            // A persistent id as the very first value: no writer does that, words with P do.
            | PickleError::ForbiddenOpcode { offset: 0, .. }
        );
    let head = bytes.get(..bytes.len().min(256)).unwrap_or(bytes);
    let readable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
    let early = error.offset().is_some_and(|offset| offset < EARLY);
    if unclear && early && head.first() != Some(&0x80) && head.iter().all(readable) {
        return PickleError::NotAPickle {
            offset: error.offset().unwrap_or(0),
            what: "plain text",
            hint: "open it in an editor: it may be a note or an error message under a wrong name",
        };
    }
    error
}

/// The first CR LF of a file in which every LF is one: bytes that were copied as text.
///
/// Arrays and the newer protocols hold LF anywhere, and a CR before each of them by chance once in
/// 256 times.
fn changed_line_ends(bytes: &[u8]) -> Option<u64> {
    const LOOKED_AT: usize = 1 << 20;
    const FEWEST: usize = 3;
    let head = bytes.get(..bytes.len().min(LOOKED_AT)).unwrap_or(bytes);
    let pairs = || head.windows(2).enumerate().filter(|(_, pair)| pair.ends_with(b"\n"));
    let all_changed = pairs().all(|(_, pair)| pair == b"\r\n");
    (all_changed && pairs().count() >= FEWEST)
        .then(|| pairs().next().map(|(at, _)| at as u64))
        .flatten()
}

/// The zeros that the machine failed on, or that the file ends in.
///
/// A download manager sets aside the whole file and fills it part by part: what never arrived is
/// zeros. Within the elements of an array nobody can tell them from zeros that were meant.
fn zeros(bytes: &[u8], error: &PickleError) -> Option<PickleError> {
    // Fewer may be an argument or a number.
    const FEWEST_MET: usize = 16;
    // A whole block of a disk: nothing that ends where a pickle ends has so many.
    const FEWEST_LAST: usize = 512;
    let is_zero = |byte: &u8| *byte == 0;
    let n_before = |at: usize| {
        bytes.get(..at).unwrap_or(&[]).iter().rev().take_while(|byte| is_zero(byte)).count()
    };
    let n_last = n_before(bytes.len());
    if let PickleError::UnknownOpcode { offset, byte: 0 } = error {
        let at = usize::try_from(*offset).ok()?;
        let n_after = bytes.get(at..)?.iter().take_while(|byte| is_zero(byte)).count();
        let end = at.checked_add(n_after)?;
        if end == bytes.len() || n_after >= FEWEST_MET {
            let start = at.saturating_sub(n_before(at));
            return Some(PickleError::Zeros {
                offset: start as u64,
                end: end as u64,
                len: bytes.len() as u64,
            });
        }
    }
    // A payload that is cut off may well end in zeros; that it is cut off says enough.
    let is_cut = matches!(error, PickleError::Truncated { .. });
    (!is_cut && n_last >= FEWEST_LAST).then(|| PickleError::Zeros {
        offset: bytes.len().saturating_sub(n_last) as u64,
        end: bytes.len() as u64,
        len: bytes.len() as u64,
    })
}
