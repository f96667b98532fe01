//! Why a file was refused, and possible fixes.

use std::io;

use crate::advice::{Advice, Advise, Origin, PickleAdvice};
use crate::chain::tried;
use crate::limit::Limit;

/// Why a pickle could not be read. Every variant except [`Open`](PickleError::Open) has the byte offset
/// of the faulty instruction or value.
#[derive(Debug, thiserror::Error)]
pub enum PickleError {
    /// The file cannot be opened or mapped.
    #[error("{}", tried("be opened", .0))]
    Open(#[source] io::Error),
    /// The file is something else.
    #[error("not a pickle: {what} (byte {offset})")]
    NotAPickle {
        /// Offset of the evidence.
        offset: u64,
        /// What the file looks like.
        what: &'static str,
        /// Possible fix.
        advice: Box<Advice>,
    },
    /// A damaged file whose name marks it as incomplete.
    #[error("{cause} ({what})")]
    Unfinished {
        /// The damage.
        cause: Box<PickleError>,
        /// What the name implies.
        what: &'static str,
        /// Possible fix.
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
        /// Bytes that it needs from the cut on.
        needed: u64,
        /// Bytes that are left.
        found: u64,
    },
    /// A byte that is not an instruction.
    #[error("unknown opcode 0x{byte:02x} at byte {offset}")]
    UnknownOpcode {
        /// Its offset.
        offset: u64,
        /// The byte.
        byte: u8,
    },
    /// An unknown later protocol.
    #[error("pickle protocol {version} at byte {offset}, expected 0 to 5")]
    Protocol {
        /// Its offset.
        offset: u64,
        /// The protocol that the file states.
        version: u8,
    },
    /// An instruction that refers to something outside the file.
    #[error("`{opcode}` at byte {offset} asks for {what}, which is refused")]
    ForbiddenOpcode {
        /// Its offset.
        offset: u64,
        /// The instruction.
        opcode: &'static str,
        /// What it refers to.
        what: &'static str,
        /// Programs that write such files.
        origin: Origin,
    },
    /// A name outside the allow-list.
    #[error("refused to import `{name}` at byte {offset}")]
    ForbiddenGlobal {
        /// Its offset.
        offset: u64,
        /// `module.name`.
        name: String,
        /// Possible fix.
        advice: PickleAdvice,
    },
    /// A call or state for something that takes none, or in an unknown form.
    #[error("{what} at byte {offset}")]
    ForbiddenCall {
        /// Its offset.
        offset: u64,
        /// What the file requested.
        what: String,
    },
    /// Contradictory or malformed instructions.
    #[error("damaged pickle: {what} at byte {offset}")]
    Damaged {
        /// Their offset.
        offset: u64,
        /// The problem.
        what: String,
    },
    /// Line ends were changed in transport.
    #[error("damaged pickle: a line that ends in CR LF at byte {offset}")]
    LineEnds {
        /// Offset of the first one.
        offset: u64,
    },
    /// Part of the file was never written.
    #[error("{}", zeros_text(*.offset, *.end, *.len))]
    Zeros {
        /// First of the zeros.
        offset: u64,
        /// First byte after them.
        end: u64,
        /// Size of the file.
        len: u64,
    },
    /// An array with contradictory parts, or of an unsupported kind.
    #[error("array at byte {offset}: {what}")]
    Array {
        /// Its offset.
        offset: u64,
        /// The problem.
        what: String,
    },
    /// A limit was exceeded.
    #[error("too many {what} at byte {offset}: {found}, the limit is {limit}")]
    Limit {
        /// Offset at which it was exceeded.
        offset: u64,
        /// The limited quantity, with its unit.
        what: Limit,
        /// The limit.
        limit: u64,
        /// A lower bound of the actual number.
        found: u64,
    },
    /// A container that contains itself.
    #[error("the container begun at byte {offset} contains itself")]
    Cycle {
        /// Where it begins.
        offset: u64,
    },
}

impl PickleError {
    /// Offset of the faulty byte; `None` if the file could not be opened.
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
            PickleError::Truncated { .. }
            | PickleError::Zeros { .. }
            | PickleError::UnknownOpcode { .. } => vec![Advice::CopyAgain],
            PickleError::LineEnds { .. } => vec![Advice::CopyAsBinary],
            PickleError::Limit { what, .. } => vec![Advice::Raise(*what)],
            PickleError::Array { what, .. } if what.starts_with(UNKNOWN_DTYPE) => {
                vec![PickleAdvice::KnownNumbers.into()]
            }
            PickleError::ForbiddenCall { what, .. } if what == STATE_OF_WEIGHTS => {
                vec![PickleAdvice::FeaturesForWeights.into()]
            }
            PickleError::Open(_)
            | PickleError::Protocol { .. }
            | PickleError::ForbiddenCall { .. }
            | PickleError::Damaged { .. }
            | PickleError::Array { .. }
            | PickleError::Cycle { .. } => Vec::new(),
        }
    }
}

/// Start of the message about an array with an unsupported element type.
pub(super) const UNKNOWN_DTYPE: &str = "unknown dtype";

/// Message about the metadata of a PyTorch model's `state_dict`.
pub(super) const STATE_OF_WEIGHTS: &str =
    "refused to set `_metadata`, which weights of a PyTorch model have,";

/// Advice for a name that is not on the allow-list.
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
