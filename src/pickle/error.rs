//! Why a file was refused, and what its owner can do about it.

use std::io;

use crate::advice::{Advice, Advise, Origin, PickleAdvice};
use crate::chain::tried;
use crate::limit::Limit;

/// Why a pickle could not be read. Every variant but [`Open`](PickleError::Open) carries the byte
/// offset of the instruction or value at fault.
#[derive(Debug, thiserror::Error)]
pub enum PickleError {
    /// The file cannot be opened or mapped.
    #[error("{}", tried("be opened", .0))]
    Open(#[source] io::Error),
    /// The file is something else.
    #[error("not a pickle: {what} (byte {offset})")]
    NotAPickle {
        /// Where the evidence lies.
        offset: u64,
        /// What the file looks like.
        what: &'static str,
        /// What to do.
        advice: Box<Advice>,
    },
    /// A damaged file whose name says that it is not whole.
    #[error("{cause} ({what})")]
    Unfinished {
        /// What is damaged.
        cause: Box<PickleError>,
        /// What the name says.
        what: &'static str,
        /// What to do.
        advice: Box<Advice>,
    },
    /// The file ends within an instruction, or before the pickle does.
    #[error(
        "truncated pickle: `{opcode}` at byte {offset} needs {needed} more bytes, the file has \
         {found}"
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
        /// Who writes such a file.
        origin: Origin,
    },
    /// A name outside the allow-list.
    #[error("refused to import `{name}` at byte {offset}")]
    ForbiddenGlobal {
        /// Where.
        offset: u64,
        /// `module.name`.
        name: String,
        /// What to do.
        advice: PickleAdvice,
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
        what: Limit,
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

impl Advise for PickleError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            PickleError::NotAPickle { advice, .. } | PickleError::Unfinished { advice, .. } => {
                vec![(**advice).clone()]
            }
            PickleError::ForbiddenOpcode { origin, .. } => {
                vec![PickleAdvice::PlainObjects(*origin).into()]
            }
            PickleError::ForbiddenGlobal { advice, .. } => vec![(*advice).into()],
            PickleError::Truncated { .. } | PickleError::Zeros { .. } => vec![Advice::CopyAgain],
            PickleError::LineEnds { .. } => vec![Advice::CopyAsBinary],
            PickleError::Limit { what, .. } => vec![Advice::Raise(*what)],
            PickleError::Array { what, .. } if what.starts_with(UNKNOWN_DTYPE) => {
                vec![PickleAdvice::KnownNumbers.into()]
            }
            PickleError::Open(_)
            | PickleError::UnknownOpcode { .. }
            | PickleError::Protocol { .. }
            | PickleError::ForbiddenCall { .. }
            | PickleError::Damaged { .. }
            | PickleError::Array { .. }
            | PickleError::Cycle { .. } => Vec::new(),
        }
    }
}

/// How the problem of an array begins whose elements are of no type that is read.
pub(super) const UNKNOWN_DTYPE: &str = "unknown dtype";

/// What to do about a name that is not on the allow-list.
pub(super) fn global_advice(module: &str, attribute: &str) -> PickleAdvice {
    if matches!(module, "builtins" | "__builtin__")
        && matches!(attribute, "complex" | "range" | "xrange" | "slice" | "object" | "Ellipsis")
    {
        return PickleAdvice::PlainValues;
    }
    match module.split('.').next().unwrap_or_default() {
        "torch" => PickleAdvice::PlainObjects(Origin::Torch),
        "pandas" => PickleAdvice::PlainObjects(Origin::Pandas),
        "scipy" => PickleAdvice::PlainObjects(Origin::Scipy),
        "numpy" => PickleAdvice::PlainObjects(Origin::Numpy),
        "joblib" | "sklearn" => PickleAdvice::PlainObjects(Origin::Joblib),
        "os" | "posix" | "nt" | "subprocess" | "sys" | "builtins" | "__builtin__" | "runpy"
        | "importlib" | "socket" | "shutil" | "pty" | "ctypes" => PickleAdvice::NeverLoad,
        _ => PickleAdvice::DataOnly,
    }
}

fn zeros_text(offset: u64, end: u64, len: u64) -> String {
    if end == len {
        format!(
            "nothing but zeros from byte {offset} on, to the end at {len}: the download is \
             incomplete"
        )
    } else {
        format!("nothing but zeros from byte {offset} to byte {end}: the download is incomplete")
    }
}
