//! Why a file was refused, and what its owner can do about it.

use std::io;

/// Why a pickle could not be read. Every variant but [`Open`](PickleError::Open) carries the byte
/// offset of the instruction or value at fault.
#[derive(Debug, thiserror::Error)]
pub enum PickleError {
    /// The file cannot be opened or mapped.
    #[error("cannot be opened: {0}")]
    Open(io::Error),
    /// The file is something else.
    #[error("not a pickle: {what} (byte {offset})")]
    NotAPickle {
        /// Where the evidence lies.
        offset: u64,
        /// What the file looks like.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The file ends within an instruction, or before the pickle does.
    #[error(
        "truncated pickle: `{opcode}` at byte {offset} needs {needed} more bytes, the file has {found}"
    )]
    Truncated {
        /// Start of the instruction.
        offset: u64,
        /// Its name.
        opcode: &'static str,
        /// Bytes that it needs from where it was cut.
        needed: u64,
        /// Bytes that are left.
        found: u64,
    },
    /// A byte that is no instruction.
    #[error("unknown opcode 0x{byte:02x} at byte {offset}")]
    UnknownOpcode {
        /// Where.
        offset: u64,
        /// The byte.
        byte: u8,
    },
    /// A protocol from the future.
    #[error("pickle protocol {version} at byte {offset}, expected 0 to 5")]
    Protocol {
        /// Where.
        offset: u64,
        /// The protocol that the file claims.
        version: u8,
    },
    /// An instruction for something that lies outside the file.
    #[error("`{opcode}` at byte {offset} asks for {what}, which is refused")]
    ForbiddenOpcode {
        /// Where.
        offset: u64,
        /// The instruction.
        opcode: &'static str,
        /// What it asks for.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A name outside the allow-list.
    #[error("refused to import `{name}` at byte {offset}")]
    ForbiddenGlobal {
        /// Where.
        offset: u64,
        /// `module.name`.
        name: String,
        /// What to do.
        hint: &'static str,
    },
    /// A call or state for something that takes none, or of another form than is known.
    #[error("{what} at byte {offset}")]
    ForbiddenCall {
        /// Where.
        offset: u64,
        /// What was asked for.
        what: String,
    },
    /// Instructions that contradict each other or are badly spelled.
    #[error("damaged pickle: {what} at byte {offset}")]
    Damaged {
        /// Where.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Line ends were changed in transport.
    #[error("damaged pickle: a line that ends in CR LF at byte {offset}")]
    LineEnds {
        /// Where.
        offset: u64,
    },
    /// An array whose parts contradict each other, or of a kind that is not read.
    #[error("array at byte {offset}: {what}")]
    Array {
        /// Where.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// A cap was met.
    #[error("too many {what} at byte {offset}: {found}, the limit is {limit}")]
    Limit {
        /// Where.
        offset: u64,
        /// What there are too many of, with its unit.
        what: &'static str,
        /// The cap.
        limit: u64,
        /// How many there would have been, at least.
        found: u64,
    },
    /// A container that holds itself.
    #[error("the container begun at byte {offset} contains itself")]
    Cycle {
        /// Where it was begun.
        offset: u64,
    },
}

impl PickleError {
    /// What the owner of the file can do, if that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            PickleError::NotAPickle { hint, .. }
            | PickleError::ForbiddenOpcode { hint, .. }
            | PickleError::ForbiddenGlobal { hint, .. } => Some(hint),
            PickleError::Truncated { .. } => Some("download or copy the file again"),
            PickleError::LineEnds { .. } => {
                Some("the file was copied as text; copy it again in binary mode")
            }
            PickleError::Limit { .. } => {
                Some("no known feature file comes near this limit; do not trust this one")
            }
            _ => None,
        }
    }

    /// The byte at fault; `None` if the file could not be opened.
    pub fn offset(&self) -> Option<u64> {
        match self {
            PickleError::Open(_) => None,
            PickleError::NotAPickle { offset, .. }
            | PickleError::Truncated { offset, .. }
            | PickleError::UnknownOpcode { offset, .. }
            | PickleError::Protocol { offset, .. }
            | PickleError::ForbiddenOpcode { offset, .. }
            | PickleError::ForbiddenGlobal { offset, .. }
            | PickleError::ForbiddenCall { offset, .. }
            | PickleError::Damaged { offset, .. }
            | PickleError::LineEnds { offset }
            | PickleError::Array { offset, .. }
            | PickleError::Limit { offset, .. }
            | PickleError::Cycle { offset } => Some(*offset),
        }
    }
}

/// What to do about a name that is not on the allow-list.
pub(super) fn global_hint(module: &str) -> &'static str {
    match module.split('.').next().unwrap_or_default() {
        "torch" => {
            "the file holds PyTorch tensors; save them from Python as arrays with `tensor.numpy()`"
        }
        "pandas" => "the file holds pandas objects; save their values from Python as arrays",
        "scipy" => "the file holds SciPy matrices; save them from Python with `.toarray()`",
        "joblib" => "written by joblib; save the object from Python with `pickle.dump`",
        "os" | "posix" | "nt" | "subprocess" | "sys" | "builtins" | "__builtin__" | "runpy"
        | "importlib" | "socket" | "shutil" | "pty" | "ctypes" => {
            "feature files never need this name; `pickle.load` could run code: do not load it"
        }
        _ => "only arrays, text, numbers and plain containers are read; nothing is ever executed",
    }
}

/// The bytes that other kinds of files begin with, what they are, and what to do.
const FOREIGN: [(&[u8], &str, &str); 15] = [
    (
        b"version https://git-lfs",
        "a Git LFS pointer",
        "the real file was not fetched: run `git lfs pull` where it came from",
    ),
    (
        b"PK\x03\x04",
        "a zip archive (`.npz`, `torch.save`, `.zip`)",
        "unpack it, or load it in Python and save the contents with `pickle.dump`",
    ),
    (b"PK\x05\x06", "an empty zip archive", "download the file again"),
    (b"\x1f\x8b", "gzip data", "decompress it first with `gunzip`"),
    (b"\x78\x01", "zlib data, as joblib writes it", ZLIB_HINT),
    (b"\x78\x9c", "zlib data, as joblib writes it", ZLIB_HINT),
    (b"\x78\xda", "zlib data, as joblib writes it", ZLIB_HINT),
    (b"BZh", "bzip2 data", "decompress it first with `bunzip2`"),
    (b"\xfd7zXZ\x00", "xz data", "decompress it first with `unxz`"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "decompress it first with `unzstd`"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "it may be a store or a `.csd` file already"),
    (b"\x93NUMPY", "a NumPy `.npy` file", "load it in Python and save it with `pickle.dump`"),
    (
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
        "a file of `torch.save` in its old format",
        "load it in Python with `torch.load(..., weights_only=True)` and save arrays",
    ),
];

const ZLIB_HINT: &str = "load it with joblib in Python and save the object with `pickle.dump`";

/// Recognises files that are something else by their first bytes.
pub(super) fn detect_foreign(bytes: &[u8]) -> Option<PickleError> {
    let refuse = |what, hint| Some(PickleError::NotAPickle { offset: 0, what, hint });
    if bytes.is_empty() {
        return refuse("the file is empty", "download or copy the file again");
    }
    let head = bytes.get(..bytes.len().min(512)).unwrap_or(bytes);
    if head.iter().all(|byte| *byte == 0) {
        return refuse("the file begins with zeros only", "download or copy the file again");
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

/// Turns the failure of a file that reads like prose into a statement that it is no pickle.
///
/// Protocols 0 and 1 have no magic bytes and almost any letter is an opcode, so text can only be
/// told from a pickle after the machine has failed on its first few instructions.
pub(super) fn explain_text(bytes: &[u8], error: PickleError) -> PickleError {
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
