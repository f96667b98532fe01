//! Why a file was refused, and what its owner can do about it.

use std::borrow::Cow;
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
        hint: Cow<'static, str>,
    },
    /// A damaged file whose name says that it is not whole.
    #[error("{cause} ({what})")]
    Unfinished {
        /// What is damaged.
        cause: Box<PickleError>,
        /// What the name says.
        what: &'static str,
        /// What to do.
        hint: String,
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
    /// A part of the file never arrived.
    #[error("{}", zeros_text(*.offset, *.end, *.len))]
    Zeros {
        /// First of the zeros.
        offset: u64,
        /// First byte after them.
        end: u64,
        /// Size of the file.
        len: u64,
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
            PickleError::NotAPickle { hint, .. } => Some(hint),
            PickleError::Unfinished { hint, .. } => Some(hint),
            PickleError::ForbiddenOpcode { hint, .. }
            | PickleError::ForbiddenGlobal { hint, .. } => Some(hint),
            PickleError::Truncated { .. } | PickleError::Zeros { .. } => {
                Some("download or copy the file again")
            }
            PickleError::LineEnds { .. } => {
                Some("the file was copied as text; copy it again in binary mode")
            }
            PickleError::Limit { what, .. } => Some(limit_hint(what)),
            PickleError::Array { what, .. } if what.starts_with(UNKNOWN_DTYPE) => Some(
                "numbers of up to 64 bits, texts and bytes are read; `.astype(numpy.float32)` in \
                 Python makes such an array",
            ),
            _ => None,
        }
    }

    /// The byte at fault; `None` if the file could not be opened.
    pub fn offset(&self) -> Option<u64> {
        match self {
            PickleError::Open(_) => None,
            PickleError::Unfinished { cause, .. } => cause.offset(),
            PickleError::NotAPickle { offset, .. }
            | PickleError::Truncated { offset, .. }
            | PickleError::UnknownOpcode { offset, .. }
            | PickleError::Protocol { offset, .. }
            | PickleError::ForbiddenOpcode { offset, .. }
            | PickleError::ForbiddenGlobal { offset, .. }
            | PickleError::ForbiddenCall { offset, .. }
            | PickleError::Damaged { offset, .. }
            | PickleError::LineEnds { offset }
            | PickleError::Zeros { offset, .. }
            | PickleError::Array { offset, .. }
            | PickleError::Limit { offset, .. }
            | PickleError::Cycle { offset } => Some(*offset),
        }
    }
}

/// Which option raises a limit, for those who know where their file is from.
fn limit_hint(what: &str) -> &'static str {
    macro_rules! hint {
        ($option:literal) => {
            concat!(
                "no known feature file comes near this limit; if you trust this one, `",
                $option,
                "` raises it"
            )
        };
    }
    match what {
        "levels of nesting" => hint!("--max-depth"),
        "objects" => hint!("--max-objects"),
        "bytes of memory" => hint!("--max-memory-per-byte"),
        "memo entries" => hint!("--max-memo"),
        "values on the stack" => hint!("--max-stack"),
        "decoded bytes" => hint!("--max-decoded"),
        "bytes in one string" | "bytes in one line" => hint!("--max-string"),
        "bytes in one integer" | "digits in one integer" => hint!("--max-integer"),
        "array axes" => hint!("--max-axes"),
        "array elements" => hint!("--max-elements"),
        _ => "no known feature file comes near this limit; do not trust this one",
    }
}

/// How the problem of an array begins whose elements are of no type that is read.
pub(super) const UNKNOWN_DTYPE: &str = "unknown dtype";

/// What to do about a name that is not on the allow-list.
pub(super) fn global_hint(module: &str, attribute: &str) -> &'static str {
    if matches!(module, "builtins" | "__builtin__")
        && matches!(attribute, "complex" | "range" | "xrange" | "slice" | "object" | "Ellipsis")
    {
        return "a kind of value that is not read; save numbers, texts, lists and arrays from Python";
    }
    match module.split('.').next().unwrap_or_default() {
        "torch" => {
            "a kind of tensor or object of PyTorch that is not read; save plain arrays from Python, \
             `tensor.detach().cpu().to_dense().float().numpy()`"
        }
        "pandas" => "the file holds pandas objects; save their values from Python as arrays",
        "scipy" => "the file holds SciPy matrices; save them from Python with `.toarray()`",
        "numpy" => {
            "a kind of array that is not read; save plain arrays from Python with `numpy.asarray`"
        }
        "joblib" | "sklearn" => {
            "written by joblib: load it in Python with `joblib.load` and save the object with \
             `pickle.dump`"
        }
        "os" | "posix" | "nt" | "subprocess" | "sys" | "builtins" | "__builtin__" | "runpy"
        | "importlib" | "socket" | "shutil" | "pty" | "ctypes" => {
            "feature files never need this name; `pickle.load` could run code: do not load it"
        }
        _ => "only arrays, text, numbers and plain containers are read; nothing is ever executed",
    }
}

fn zeros_text(offset: u64, end: u64, len: u64) -> String {
    if end == len {
        format!(
            "nothing but zeros from byte {offset} on, to the end at {len}: the download is incomplete"
        )
    } else {
        format!("nothing but zeros from byte {offset} to byte {end}: the download is incomplete")
    }
}
