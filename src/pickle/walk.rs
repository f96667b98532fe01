//! A disassembler that fails only when the bytes do: it knows each instruction's length and effect on
//! the stack height, and tracks which places hold text from the file.

use std::borrow::Cow;

use super::opcode::Opcode;
use super::raw::latin1;
use super::text;

/// A place on the stack or in the memo: offset of the instruction that put text there.
type Place = u64;
/// A place that holds something else.
const OTHER: Place = u64::MAX;

/// Places to track, on the stack and in the memo. Real files have their names near the start, so
/// nothing is lost beyond; a name taken from there counts as computed.
const FOLLOWED: usize = 2_000_000;

/// Maximum bytes of a text that may be a name; the longest allowed one has 22.
const NAME_BYTES: usize = 256;

/// One instruction.
pub(super) struct Step<'a> {
    pub(super) offset: usize,
    pub(super) opcode: Opcode,
    /// Its argument, without the preceding size.
    pub(super) argument: &'a [u8],
    /// Module and name of an import, if the file contains them.
    pub(super) name: Option<(Cow<'a, str>, Cow<'a, str>)>,
}

pub(super) struct Walk<'a> {
    file: &'a [u8],
    pos: usize,
    stack: Vec<Place>,
    /// Places above the tracked ones.
    n_lost: usize,
    marks: Vec<usize>,
    memo: Vec<Place>,
    /// Number of memo entries, as MEMOIZE counts them.
    n_memo: usize,
}

/// Offset and reason of the walk's end.
type End = (usize, String);

impl<'a> Walk<'a> {
    /// A walk over the pickles within a range of the file.
    pub(super) fn new(file: &'a [u8], range: std::ops::Range<usize>) -> Walk<'a> {
        Walk {
            file: file.get(..range.end).unwrap_or(file),
            pos: range.start,
            stack: Vec::new(),
            n_lost: 0,
            marks: Vec::new(),
            memo: Vec::new(),
            n_memo: 0,
        }
    }

    /// The bytes not walked yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.file.get(self.pos..).unwrap_or(&[])
    }

    /// Clears stack and memo, like a reader between two pickles.
    pub(super) fn forget(&mut self) {
        self.stack.clear();
        self.n_lost = 0;
        self.marks.clear();
        self.memo.clear();
        self.n_memo = 0;
    }

    /// The next instruction.
    ///
    /// # Errors
    /// If the file ends, or a byte is not an instruction; with the offset and the reason.
    pub(super) fn step(&mut self) -> Result<Step<'a>, End> {
        let offset = self.pos;
        let Some(byte) = self.file.get(offset).copied() else {
            return Err((offset, "the file ends before the pickle does".into()));
        };
        let opcode = Opcode::from_byte(byte)
            .ok_or_else(|| (offset, format!("0x{byte:02x} is not an instruction")))?;
        let cut = || (offset, format!("the file ends within `{}`", opcode.name()));
        let (argument, end) = argument(self.file, offset, opcode).ok_or_else(cut)?;
        self.pos = end;
        let name = self.follow(offset, opcode, argument);
        Ok(Step { offset, opcode, argument, name })
    }

    /// Updates the places like the instruction would; returns the name that it imports.
    fn follow(
        &mut self,
        offset: usize,
        opcode: Opcode,
        argument: &'a [u8],
    ) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        use Opcode as Op;
        match opcode {
            Op::PROTO | Op::FRAME | Op::STOP | Op::READONLY_BUFFER => {}
            Op::STRING
            | Op::BINSTRING
            | Op::SHORT_BINSTRING
            | Op::UNICODE
            | Op::BINUNICODE
            | Op::SHORT_BINUNICODE
            | Op::BINUNICODE8 => {
                self.push(if argument.len() <= NAME_BYTES { offset as Place } else { OTHER });
            }
            Op::MARK => {
                if self.marks.len() < FOLLOWED {
                    self.marks.push(self.stack.len().saturating_add(self.n_lost));
                }
            }
            Op::POP => {
                let height = self.stack.len().saturating_add(self.n_lost);
                if self.marks.last() == Some(&height) {
                    self.marks.pop();
                } else {
                    self.pop(1);
                }
            }
            Op::POP_MARK | Op::APPENDS | Op::SETITEMS | Op::ADDITEMS => self.pop_to_mark(),
            Op::LIST | Op::TUPLE | Op::DICT | Op::FROZENSET | Op::OBJ => {
                self.pop_to_mark();
                self.push(OTHER);
            }
            Op::DUP => {
                let top = self.top(0);
                self.push(top);
            }
            Op::APPEND | Op::BUILD => self.pop(1),
            Op::SETITEM => self.pop(2),
            Op::TUPLE1 | Op::BINPERSID => self.replace(1),
            Op::TUPLE2 | Op::REDUCE | Op::NEWOBJ => self.replace(2),
            Op::TUPLE3 | Op::NEWOBJ_EX => self.replace(3),
            Op::GET | Op::BINGET | Op::LONG_BINGET => {
                let known = memo_index(opcode, argument).and_then(|index| self.memo.get(index));
                let place = known.copied().unwrap_or(OTHER);
                self.push(place);
            }
            Op::PUT | Op::BINPUT | Op::LONG_BINPUT => {
                if let Some(index) = memo_index(opcode, argument) {
                    self.remember(index);
                }
            }
            Op::MEMOIZE => self.remember(self.n_memo),
            Op::STACK_GLOBAL => {
                let (module, name) = (self.text(self.top(1)), self.text(self.top(0)));
                self.replace(2);
                return module.zip(name);
            }
            Op::GLOBAL | Op::INST => {
                if opcode == Op::INST {
                    self.pop_to_mark();
                }
                self.push(OTHER);
                let mut lines = argument.split(|byte| *byte == b'\n');
                let mut line = || lines.next().map(String::from_utf8_lossy);
                return line().zip(line());
            }
            // All others push one value.
            _ => self.push(OTHER),
        }
        None
    }

    fn push(&mut self, place: Place) {
        if self.n_lost == 0 && self.stack.len() < FOLLOWED {
            self.stack.push(place);
        } else {
            self.n_lost = self.n_lost.saturating_add(1);
        }
    }

    fn pop(&mut self, n: usize) {
        let lost = n.min(self.n_lost);
        self.n_lost = self.n_lost.saturating_sub(lost);
        let height = self.stack.len().saturating_sub(n.saturating_sub(lost));
        self.stack.truncate(height);
    }

    fn replace(&mut self, n: usize) {
        self.pop(n);
        self.push(OTHER);
    }

    fn pop_to_mark(&mut self) {
        // Without a mark, the stack is unknown.
        let height = self.marks.pop().unwrap_or(0);
        let found = self.stack.len().saturating_add(self.n_lost);
        self.pop(found.saturating_sub(height));
    }

    /// The place `depth` below the top.
    fn top(&self, depth: usize) -> Place {
        if self.n_lost > depth {
            return OTHER;
        }
        let depth = depth.saturating_sub(self.n_lost);
        self.stack.iter().rev().nth(depth).copied().unwrap_or(OTHER)
    }

    fn remember(&mut self, index: usize) {
        if index >= FOLLOWED.min(self.file.len()) {
            self.n_memo = self.n_memo.saturating_add(1);
            return;
        }
        // Entries between are empty and hold no text.
        if index >= self.memo.len() {
            self.memo.resize(index.saturating_add(1), EMPTY);
        }
        let top = self.top(0);
        if let Some(place) = self.memo.get_mut(index) {
            self.n_memo = self.n_memo.saturating_add(usize::from(*place == EMPTY));
            *place = top;
        }
    }

    fn text(&self, place: Place) -> Option<Cow<'a, str>> {
        let offset = usize::try_from(place).ok()?;
        let opcode = Opcode::from_byte(*self.file.get(offset)?)?;
        let (argument, _) = argument(self.file, offset, opcode)?;
        match opcode {
            Opcode::STRING => Some(latin1(&text::unquote(argument)?).into()),
            Opcode::BINSTRING | Opcode::SHORT_BINSTRING => Some(latin1(argument).into()),
            Opcode::UNICODE => String::from_utf8(text::raw_unicode(argument)?).ok().map(Into::into),
            Opcode::BINUNICODE | Opcode::SHORT_BINUNICODE | Opcode::BINUNICODE8 => {
                std::str::from_utf8(argument).ok().map(Into::into)
            }
            _ => None,
        }
    }
}

/// An unset memo entry.
const EMPTY: Place = u64::MAX - 1;

/// The argument of the instruction at `offset`, and the offset of the next one; `None` if the file ends
/// before.
fn argument(file: &[u8], offset: usize, opcode: Opcode) -> Option<(&[u8], usize)> {
    use Opcode as Op;
    let start = offset.checked_add(1)?;
    let size = |n_bytes: usize| -> Option<u64> {
        let mut wide = [0; 8];
        wide.get_mut(..n_bytes)?.copy_from_slice(file.get(start..start.checked_add(n_bytes)?)?);
        Some(u64::from_le_bytes(wide))
    };
    let sized = |n_bytes: usize| -> Option<(usize, usize)> {
        Some((start.checked_add(n_bytes)?, usize::try_from(size(n_bytes)?).ok()?))
    };
    let lines = |n_lines: usize| -> Option<(usize, usize)> {
        let mut ends = file.get(start..)?.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let (last, _) = ends.nth(n_lines.checked_sub(1)?)?;
        Some((start, last.checked_add(1)?))
    };
    let (start, len) = match opcode {
        Op::PROTO | Op::BININT1 | Op::BINGET | Op::BINPUT | Op::EXT1 => (start, 1),
        Op::BININT2 | Op::EXT2 => (start, 2),
        Op::BININT | Op::LONG_BINGET | Op::LONG_BINPUT | Op::EXT4 => (start, 4),
        Op::BINFLOAT | Op::FRAME => (start, 8),
        Op::LONG1 | Op::SHORT_BINSTRING | Op::SHORT_BINUNICODE | Op::SHORT_BINBYTES => sized(1)?,
        Op::LONG4 | Op::BINSTRING | Op::BINUNICODE | Op::BINBYTES => sized(4)?,
        Op::BINUNICODE8 | Op::BINBYTES8 | Op::BYTEARRAY8 => sized(8)?,
        Op::INT
        | Op::LONG
        | Op::FLOAT
        | Op::STRING
        | Op::UNICODE
        | Op::GET
        | Op::PUT
        | Op::PERSID => lines(1)?,
        Op::GLOBAL | Op::INST => lines(2)?,
        _ => (start, 0),
    };
    let end = start.checked_add(len)?;
    let argument = file.get(start..end)?;
    Some((argument.strip_suffix(b"\n").filter(|_| is_line(opcode)).unwrap_or(argument), end))
}

fn is_line(opcode: Opcode) -> bool {
    use Opcode as Op;
    matches!(
        opcode,
        Op::INT
            | Op::LONG
            | Op::FLOAT
            | Op::STRING
            | Op::UNICODE
            | Op::GET
            | Op::PUT
            | Op::PERSID
            | Op::GLOBAL
            | Op::INST
    )
}

fn memo_index(opcode: Opcode, argument: &[u8]) -> Option<usize> {
    if is_line(opcode) {
        return std::str::from_utf8(argument).ok()?.parse().ok();
    }
    let mut wide = [0; 8];
    wide.get_mut(..argument.len())?.copy_from_slice(argument);
    usize::try_from(u64::from_le_bytes(wide)).ok()
}
