//! Reports what a pickle would do without running it: walks over its instructions, finds every name
//! that the file would import, and asks the reader for its verdict.
//!
//! The machine stops at the first thing it refuses. The walk continues, so that one scan shows
//! everything. It keeps no values; of the stack and the memo it tracks only which places hold text from
//! the file, because the newer protocols take names from there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::content::{Pickle, Places, UNNAMED};
use super::error::PickleError;
use super::limits::Limits;
use super::opcode::Opcode;
use super::value::Callable;
use super::walk::Walk;
use super::{foreign, tensor};
use crate::advice::{Advice, Advise};
use crate::chain::chain;
use crate::map::Bytes;

/// Maximum number of listed names. Python memoises a name on its first import, so real files have under
/// ten.
pub const LISTED_GLOBALS: usize = 10_000;

/// A security report on one file. Its JSON form has these fields under these names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scan {
    /// Whether the file can be read: nothing in it is refused.
    pub allowed: bool,
    /// Why not, if not.
    pub refusal: Option<Refusal>,
    /// Size of the file in bytes.
    pub size: u64,
    /// The highest protocol that the file states; 0 if it states none.
    pub protocol: u8,
    /// Pickles that begin in the file, one after another. Readers stop after the first.
    pub n_pickles: u64,
    /// Instructions in all of them.
    pub n_opcodes: u64,
    /// How often each instruction occurs, by its name in Python's documentation.
    pub opcodes: BTreeMap<&'static str, u64>,
    /// Instructions that call something or set the state of something.
    pub n_calls: u64,
    /// The names that the file imports, in the order of the file; at most [`LISTED_GLOBALS`].
    pub globals: Vec<Global>,
    /// How many there are, listed or not.
    pub n_globals: u64,
    /// How many of them, listed or not, are not allowed.
    pub n_forbidden_globals: u64,
    /// Bytes after the last pickle, which no reader looks at.
    pub n_trailing_bytes: u64,
    /// Where the walk had to end early and why, if it did: what follows is unknown.
    pub unread: Option<Unread>,
}

/// A line of `scan --json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ScanLine<'a> {
    /// The file.
    pub file: String,
    /// What was taken out of it, where it is packed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// What is in it.
    #[serde(flatten)]
    pub scan: &'a Scan,
}

impl ScanLine<'_> {
    /// The JSON Schema of a line.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(ScanLine<'_>)
    }
}

/// Why the reader refuses a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Refusal {
    /// What and where, on one line.
    pub message: String,
    /// The byte at fault.
    pub offset: Option<u64>,
    /// What the owner of the file can do, if that is known.
    pub hint: Option<String>,
    /// The same as data, from which whoever prints the scan words `hint`.
    #[serde(skip)]
    pub advice: Vec<Advice>,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Global {
    /// Start of the instruction.
    pub offset: u64,
    /// The instruction: `GLOBAL`, `STACK_GLOBAL` or `INST`; or `EXT1`, `EXT2` or `EXT4`, whose
    /// names are not in the file.
    pub opcode: &'static str,
    /// `module.name`, at most 120 characters, control characters escaped. None if the name does
    /// not stand in the file but is computed when it is loaded, or if a part of it has over 256
    /// bytes.
    pub name: Option<String>,
    /// Whether it is on the reader's fixed list.
    pub allowed: bool,
}

/// The end of what could be followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unread {
    /// First byte that is not understood.
    pub offset: u64,
    /// Why.
    pub reason: String,
}

impl Scan {
    /// Scans the file at `path`.
    ///
    /// # Errors
    /// If the file cannot be opened or is not a pickle at all. A pickle that the reader refuses is
    /// reported, not an error.
    pub fn open(path: &std::path::Path, limits: &Limits) -> Result<Scan, PickleError> {
        let name = path.display().to_string();
        Scan::new(Bytes::map(path).map_err(PickleError::Open)?, &name, None, limits)
    }

    /// Scans a pickle in memory.
    ///
    /// # Errors
    /// Same as [`Scan::open`].
    pub fn from_bytes(bytes: Vec<u8>, limits: &Limits) -> Result<Scan, PickleError> {
        Scan::new(Bytes::Memory(bytes), UNNAMED, None, limits)
    }

    /// Scans the pickle in a file of this name, like [`Pickle::new`].
    pub(crate) fn new(
        source: Bytes,
        name: &str,
        places: Option<&Places>,
        limits: &Limits,
    ) -> Result<Scan, PickleError> {
        let file = source.bytes();
        if places.is_none()
            && let Some(error) = foreign::detect(file, name)
        {
            return Err(error);
        }
        let whole = places.map_or(0..file.len(), |places| places.pickle.clone());
        let mut scan = walk(file, whole);
        match Pickle::new(source, name, places, limits) {
            Ok(_) => {}
            Err(error @ PickleError::NotAPickle { .. }) if scan.protocol == 0 => {
                return Err(error);
            }
            Err(error) => {
                scan.refusal = Some(Refusal {
                    message: chain(&error),
                    offset: error.offset(),
                    hint: None,
                    advice: error.advice(),
                });
            }
        }
        // A name that the file alone does not reveal is refused here anyway.
        if scan.refusal.is_none() && scan.n_forbidden_globals > 0 {
            let first = scan.globals.iter().find(|global| !global.allowed);
            let name = first.and_then(|global| global.name.as_deref()).unwrap_or("a computed name");
            scan.refusal = Some(Refusal {
                message: format!("the file imports `{name}`"),
                offset: first.map(|global| global.offset),
                hint: None,
                advice: Vec::new(),
            });
        }
        scan.allowed = scan.refusal.is_none();
        Ok(scan)
    }
}

/// Pickles at the start of an old `torch.save` file; tensor elements follow.
const PICKLES_OF_TORCH: u64 = 5;

/// Whether a walk comes to the end of a pickle. The older protocols do not mark its start: what reads like a
/// pickle is taken for one, as the machine does.
fn has_end(file: &[u8], range: std::ops::Range<usize>) -> bool {
    let mut walk = Walk::new(file, range);
    let mut steps = std::iter::from_fn(|| walk.step().ok());
    steps.any(|step| step.opcode == Opcode::STOP)
}

fn walk(file: &[u8], range: std::ops::Range<usize>) -> Scan {
    let is_old_torch = file.starts_with(tensor::MAGIC);
    let mut counts = [0_u64; 256];
    let mut scan = Scan {
        allowed: false,
        refusal: None,
        size: file.len() as u64,
        protocol: 0,
        n_pickles: 1,
        n_opcodes: 0,
        opcodes: BTreeMap::new(),
        n_calls: 0,
        globals: Vec::new(),
        n_globals: 0,
        n_forbidden_globals: 0,
        n_trailing_bytes: 0,
        unread: None,
    };
    let end = range.end;
    let mut walk = Walk::new(file, range);
    loop {
        let step = match walk.step() {
            Ok(step) => step,
            Err((offset, reason)) => {
                scan.unread = Some(Unread { offset: offset as u64, reason });
                break;
            }
        };
        if let Some(count) = counts.get_mut(step.opcode as usize) {
            *count = count.saturating_add(1);
        }
        use Opcode as Op;
        match step.opcode {
            Op::PROTO => {
                scan.protocol = scan.protocol.max(step.argument.first().copied().unwrap_or(0))
            }
            Op::GLOBAL | Op::STACK_GLOBAL | Op::INST | Op::EXT1 | Op::EXT2 | Op::EXT4 => {
                let allowed = step
                    .name
                    .as_ref()
                    .is_some_and(|(module, name)| Callable::find(module, name).is_some());
                scan.n_globals = scan.n_globals.saturating_add(1);
                scan.n_forbidden_globals =
                    scan.n_forbidden_globals.saturating_add((!allowed).into());
                if scan.globals.len() < LISTED_GLOBALS {
                    scan.globals.push(Global {
                        offset: step.offset as u64,
                        opcode: step.opcode.name(),
                        name: step.name.map(|(module, name)| shown(&module, &name)),
                        allowed,
                    });
                }
            }
            Op::STOP => {
                // Bytes after the end may be anything; but loading an old torch file loads all of its
                // pickles.
                let rest = walk.rest();
                let goes_on = match is_old_torch {
                    true => scan.n_pickles < PICKLES_OF_TORCH && !rest.is_empty(),
                    false => {
                        matches!(rest, [0x80, 0..=5, ..])
                            || (scan.protocol == 0
                                && has_end(file, end.saturating_sub(rest.len())..end))
                    }
                };
                if !goes_on {
                    scan.n_trailing_bytes = rest.len() as u64;
                    break;
                }
                scan.n_pickles = scan.n_pickles.saturating_add(1);
                walk.forget();
            }
            _ => {}
        }
        if matches!(
            step.opcode,
            Op::REDUCE | Op::NEWOBJ | Op::NEWOBJ_EX | Op::INST | Op::OBJ | Op::BUILD
        ) {
            scan.n_calls = scan.n_calls.saturating_add(1);
        }
    }
    for (byte, count) in (0..=u8::MAX).zip(counts).filter(|(_, count)| *count > 0) {
        if let Some(opcode) = Opcode::from_byte(byte) {
            scan.opcodes.insert(opcode.name(), count);
        }
    }
    scan.n_opcodes = counts.iter().fold(0, |sum, count| sum.saturating_add(*count));
    scan
}

fn shown(module: &str, name: &str) -> String {
    const SHOWN_CHARS: usize = 120;
    let dotted = module.chars().chain(['.']).chain(name.chars());
    dotted.flat_map(char::escape_debug).take(SHOWN_CHARS).collect()
}
