//! The stack machine: executes each instruction. It calls nothing; `call.rs` defines what a call or a
//! state means.

use std::ops::Range;

use super::error::PickleError;
use super::limits::Limits;
use super::opcode::Opcode;
use super::place::NodeId;
use super::state::{FALSE, Machine, NONE, TRUE};
use super::storage::{Met, Persistent};
use super::text;
use super::value::{Class, Node, Value};
use crate::advice::Origin;
use crate::limit::Limit;

/// Result of a finished run.
pub(super) struct Parts {
    pub(super) decoded: Vec<u8>,
    pub(super) nodes: Vec<Node>,
    pub(super) classes: Vec<(NodeId, Class)>,
    pub(super) root: NodeId,
    /// The values of further pickles after the first one.
    pub(super) further: Vec<NodeId>,
    pub(super) protocol: u8,
    /// Memo entries, those of earlier pickles included.
    pub(super) n_memo: u64,
    pub(super) end: usize,
    /// Tensor storages referenced before their place is known.
    pub(super) met: Vec<Met>,
}

impl Parts {
    pub(super) fn value(&self, id: NodeId) -> Option<&Value> {
        self.nodes.get(id.index()).map(|node| &node.value)
    }

    pub(super) fn root_value(&self) -> Option<&Value> {
        self.value(self.root)
    }

    /// A `str` of the file.
    pub(super) fn text<'a>(&'a self, id: NodeId, file: &'a [u8]) -> Option<&'a str> {
        match self.value(id)? {
            Value::Str(span) => std::str::from_utf8(span.get(file, &self.decoded)).ok(),
            _ => None,
        }
    }
}

/// Runs the pickle that spans a range of `file`. `n_memo` memo entries are those of earlier pickles.
///
/// # Errors
/// Same as [`Pickle::open`](super::content::Pickle::open), except for containers that contain
/// themselves, nesting and keys, which `graph.rs` checks.
pub(super) fn run(
    file: &[u8],
    range: Range<usize>,
    limits: &Limits,
    persistent: Persistent<'_>,
    is_nested: bool,
    n_memo: u64,
) -> Result<Parts, PickleError> {
    let mut machine = Machine::new(file, range, limits, persistent, is_nested);
    machine.count_on(n_memo);
    let root = machine.read_to_end()?;
    let end = machine.pos;
    Ok(machine.parts(root, Vec::new(), end))
}

/// Runs the pickle at the start of `file` and those that follow it, as written by repeated calls of
/// `pickle.dump`. The limits apply to all of them together.
///
/// # Errors
/// Same as [`run`]; and if there are too many pickles.
pub(super) fn run_all(file: &[u8], limits: &Limits) -> Result<Parts, PickleError> {
    let mut machine = Machine::new(file, 0..file.len(), limits, Persistent::Refused, false);
    let root = machine.read_to_end()?;
    let mut further = Vec::new();
    let mut end = machine.pos;
    loop {
        // The older protocols have no magic bytes: anything readable as a pickle counts as one.
        let is_marked = matches!(file.get(end..), Some([0x80, 0..=5, ..]));
        let may_be = end < file.len() && machine.protocol == 0;
        if !is_marked && !may_be {
            break;
        }
        machine.begin_again();
        match machine.read_to_end() {
            Ok(root) => further.push(root),
            Err(error) if is_marked => return Err(error),
            Err(_) => break,
        }
        if further.len() >= MOST_FURTHER {
            let (offset, found) = (end as u64, further.len().saturating_add(1) as u64);
            let limit = MOST_FURTHER as u64;
            let what = Limit::Pickles;
            return Err(PickleError::Limit { offset, what, limit, found });
        }
        end = machine.pos;
    }
    Ok(machine.parts(root, further, end))
}

/// Pickles in one file: a dataset has at most one per split, and a file with one per sample is not a
/// dataset.
const MOST_FURTHER: usize = 64;

impl Machine<'_> {
    /// Runs all instructions up to the end of the pickle.
    fn read_to_end(&mut self) -> Result<NodeId, PickleError> {
        loop {
            if let Some(root) = self.step()? {
                return Ok(root);
            }
        }
    }

    fn parts(self, root: NodeId, further: Vec<NodeId>, end: usize) -> Parts {
        let Machine { decoded, nodes, classes, protocol, n_memo, met, .. } = self;
        Parts { decoded, nodes, classes, root, further, protocol, n_memo, end, met }
    }

    /// Runs one instruction; returns the result after the last.
    fn step(&mut self) -> Result<Option<NodeId>, PickleError> {
        self.at = self.pos as u64;
        self.opcode = Opcode::STOP;
        let byte = self.byte()?;
        self.opcode =
            Opcode::from_byte(byte).ok_or(PickleError::UnknownOpcode { offset: self.at, byte })?;
        use Opcode as Op;
        match self.opcode {
            Op::PROTO => {
                let version = self.byte()?;
                if version > 5 {
                    return Err(PickleError::Protocol { offset: self.at, version });
                }
                self.protocol = version;
            }
            Op::FRAME => {
                // Frames only group reads; their length reveals early whether the file is complete.
                let len = self.size8()?;
                self.require(len)?;
            }
            Op::STOP => return self.pop().map(Some),

            Op::NONE => self.push_id(NONE)?,
            Op::NEWTRUE => self.push_id(TRUE)?,
            Op::NEWFALSE => self.push_id(FALSE)?,
            Op::BININT => {
                let value = i32::from_le_bytes(self.fixed()?);
                self.push(Value::Int(value.into()))?;
            }
            Op::BININT1 => {
                let value = self.byte()?;
                self.push_small_integer(value.into())?;
            }
            Op::BININT2 => {
                let value = u16::from_le_bytes(self.fixed()?);
                self.push_small_integer(value)?;
            }
            Op::LONG1 => {
                let len = self.byte()?;
                self.long(len.into())?;
            }
            Op::LONG4 => {
                let len = self.signed_size()?;
                self.long(len)?;
            }
            Op::BINFLOAT => {
                let value = f64::from_be_bytes(self.fixed()?);
                self.push(Value::Float(value))?;
            }
            Op::INT | Op::LONG => {
                let line = self.line()?;
                self.text_integer(line)?;
            }
            Op::FLOAT => {
                let line = self.line()?;
                let value = text::float(line);
                let value = value.ok_or_else(|| self.damaged("an invalid float"))?;
                self.push(Value::Float(value))?;
            }

            Op::STRING => {
                let line = self.line()?;
                let text = text::unquote(line)
                    .ok_or_else(|| self.damaged("a string without matching quotes"))?;
                let span = self.decode(&text)?;
                self.push(Value::ByteStr(span))?;
            }
            Op::BINSTRING => {
                let len = self.signed_size()?;
                let span = self.payload(len)?;
                self.push(Value::ByteStr(span))?;
            }
            Op::SHORT_BINSTRING => {
                let len = self.byte()?;
                let span = self.payload(len.into())?;
                self.push(Value::ByteStr(span))?;
            }
            Op::UNICODE => {
                let line = self.raw_line()?;
                let text = text::raw_unicode(line)
                    .ok_or_else(|| self.damaged("text with an invalid escape"))?;
                let span = self.decode(&text)?;
                self.push(match std::str::from_utf8(&text) {
                    Ok(_) => Value::Str(span),
                    Err(_) => Value::HalfStr(span),
                })?;
            }
            Op::SHORT_BINUNICODE => {
                let len = self.byte()?;
                self.unicode(len.into())?;
            }
            Op::BINUNICODE => {
                let len = u32::from_le_bytes(self.fixed()?);
                self.unicode(len.into())?;
            }
            Op::BINUNICODE8 => {
                let len = self.size8()?;
                self.unicode(len)?;
            }
            Op::SHORT_BINBYTES => {
                let len = self.byte()?;
                let span = self.payload(len.into())?;
                self.push(Value::Bytes(span))?;
            }
            Op::BINBYTES => {
                let len = u32::from_le_bytes(self.fixed()?);
                let span = self.payload(len.into())?;
                self.push(Value::Bytes(span))?;
            }
            Op::BINBYTES8 => {
                let len = self.size8()?;
                let span = self.payload(len)?;
                self.push(Value::Bytes(span))?;
            }
            Op::BYTEARRAY8 => {
                let len = self.size8()?;
                let span = self.payload(len)?;
                let id = self.make_of(Class::ByteArray, Value::Bytes(span))?;
                self.push_id(id)?;
            }

            Op::EMPTY_LIST => self.push(Value::List(Vec::new()))?,
            Op::LIST => {
                let items = self.pop_to_mark()?;
                self.push_items(items, Value::List)?;
            }
            Op::APPEND => {
                let item = self.pop()?;
                self.extend_list(&[item])?;
            }
            Op::APPENDS => {
                let items = self.pop_to_mark()?;
                self.extend_list(&items)?;
            }
            Op::EMPTY_TUPLE => self.push_tuple(Vec::new())?,
            Op::TUPLE => {
                let items = self.pop_to_mark()?;
                self.push_tuple(items)?;
            }
            Op::TUPLE1 => self.small_tuple(1)?,
            Op::TUPLE2 => self.small_tuple(2)?,
            Op::TUPLE3 => self.small_tuple(3)?,
            Op::EMPTY_DICT => self.push(Value::Dict(Vec::new()))?,
            Op::DICT => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(Vec::new()))?;
                self.extend_dict(&items)?;
            }
            Op::SETITEM => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend_dict(&[key, value])?;
            }
            Op::SETITEMS => {
                let items = self.pop_to_mark()?;
                self.extend_dict(&items)?;
            }
            Op::EMPTY_SET => self.push(Value::Set(Vec::new()))?,
            Op::ADDITEMS => {
                let items = self.pop_to_mark()?;
                self.extend_set(&items)?;
            }
            Op::FROZENSET => {
                let items = self.pop_to_mark()?;
                self.push_items(items, Value::FrozenSet)?;
            }

            Op::MARK => {
                self.marks.push(self.stack.len());
                self.check_stack()?;
            }
            Op::POP => {
                // As in Python: without a value above the mark, the mark itself is removed.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            Op::POP_MARK => {
                self.pop_to_mark()?;
            }
            Op::DUP => {
                let id = self.top()?;
                self.push_id(id)?;
            }
            Op::GET => {
                let index = self.text_index()?;
                self.recall(index)?;
            }
            Op::BINGET => {
                let index = self.byte()?;
                self.recall(index.into())?;
            }
            Op::LONG_BINGET => {
                let index = u32::from_le_bytes(self.fixed()?);
                self.recall(index.into())?;
            }
            Op::PUT => {
                let index = self.text_index()?;
                self.remember(index)?;
            }
            Op::BINPUT => {
                let index = self.byte()?;
                self.remember(index.into())?;
            }
            Op::LONG_BINPUT => {
                let index = u32::from_le_bytes(self.fixed()?);
                self.remember(index.into())?;
            }
            Op::MEMOIZE => self.remember(self.n_memo)?,

            Op::GLOBAL => {
                let name = self.global_lines()?;
                self.push(Value::Global(name))?;
            }
            Op::STACK_GLOBAL => {
                let attribute = self.pop()?;
                let module = self.pop()?;
                let (Some(module), Some(attribute)) = (self.text(module), self.text(attribute))
                else {
                    return Err(self.damaged("a name that is not text"));
                };
                let name = self.allowed(module, attribute)?;
                self.push(Value::Global(name))?;
            }
            Op::REDUCE => {
                let args = self.pop()?;
                let callable = self.pop()?;
                let id = self.call(callable, args)?;
                self.push_id(id)?;
            }
            Op::NEWOBJ => {
                let args = self.pop()?;
                let callable = self.pop()?;
                let id = self.create(callable, args)?;
                self.push_id(id)?;
            }
            Op::NEWOBJ_EX => {
                let keywords = self.pop()?;
                let args = self.pop()?;
                let callable = self.pop()?;
                if !matches!(self.value(keywords), Value::Dict(entries) if entries.is_empty()) {
                    return Err(self.forbidden("refused a call with keyword arguments"));
                }
                let id = self.create(callable, args)?;
                self.push_id(id)?;
            }
            Op::INST => {
                let name = self.global_lines()?;
                let args = self.pop_to_mark()?;
                let callable = self.make(Value::Global(name))?;
                let id = self.call_with(callable, &args)?;
                self.push_id(id)?;
            }
            Op::OBJ => {
                let items = self.pop_to_mark()?;
                let Some((callable, args)) = items.split_first() else {
                    return Err(self.damaged("an object without a class"));
                };
                let id = self.call_with(*callable, args)?;
                self.push_id(id)?;
            }
            Op::BUILD => {
                let state = self.pop()?;
                let target = self.top()?;
                self.build(target, state)?;
            }
            Op::EXT1 | Op::EXT2 | Op::EXT4 => {
                return Err(
                    self.foreign("an object of the writer's extension registry", Origin::Registry)
                );
            }
            Op::BINPERSID if !matches!(self.persistent, Persistent::Refused) => {
                let id = self.pop()?;
                let storage = self.persistent(id)?;
                self.push(storage)?;
            }
            Op::PERSID | Op::BINPERSID => {
                return Err(self.foreign(
                    "an object that the writing program kept elsewhere",
                    Origin::Elsewhere,
                ));
            }
            Op::NEXT_BUFFER | Op::READONLY_BUFFER => {
                return Err(self.foreign("a buffer outside the file", Origin::Buffers));
            }
        }
        Ok(None)
    }
}
