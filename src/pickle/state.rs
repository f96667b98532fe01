//! State of the stack machine, and steps that several instructions share: reading arguments, creating
//! values within the limits, the stack, the memo, and names.

use std::collections::HashMap;
use std::ops::Range;

use super::error::{PickleError, global_advice};
use super::limits::{DECODED_PER_BYTE, FREE_MEMORY, Limits};
use super::numpy::Array;
use super::opcode::Opcode;
use super::place::{NodeId, Span};
use super::raw;
use super::storage::{Met, Persistent, Storage};
use super::text;
use super::value::{Callable, Class, Node, Value};
use crate::advice::Origin;
use crate::limit::Limit;

/// Ids of the shared constants.
pub(super) const NONE: NodeId = NodeId(0);
pub(super) const FALSE: NodeId = NodeId(1);
pub(super) const TRUE: NodeId = NodeId(2);
/// The empty tuple, which is immutable and therefore one object, as in Python.
const EMPTY_TUPLE: NodeId = NodeId(3);

/// Memory of an object: its node, its stack entry, and its entry in later checks.
const OBJECT_BYTES: u64 = (size_of::<Node>() + 2 * size_of::<NodeId>()) as u64;
/// Memory of a container element.
const PLACE_BYTES: u64 = size_of::<NodeId>() as u64;
/// Memory of the smallest allocation, which a container makes for its first element.
const ALLOCATION_BYTES: u64 = 32;

/// An unused memo entry.
const UNSET: NodeId = NodeId(u32::MAX);

pub(super) struct Machine<'a> {
    file: &'a [u8],
    /// End of the bytes that may be read as instructions.
    end: usize,
    pub(super) limits: &'a Limits,
    pub(super) persistent: Persistent<'a>,
    /// Whether this reads a tensor's storage inside another pickle.
    pub(super) is_nested: bool,
    pub(super) met: Vec<Met>,
    /// The storages that streams were read as, by place.
    pub(super) storages: HashMap<(usize, usize, bool), NodeId>,
    pub(super) pos: usize,
    /// Start of the current instruction.
    pub(super) at: u64,
    pub(super) opcode: Opcode,
    pub(super) protocol: u8,
    pub(super) stack: Vec<NodeId>,
    /// Stack heights at which the open marks were set.
    pub(super) marks: Vec<usize>,
    memo: Vec<NodeId>,
    pub(super) n_memo: u64,
    /// Entries of earlier pickles, which this one cannot see.
    n_memo_before: u64,
    pub(super) nodes: Vec<Node>,
    /// Types that values do not show, in ascending order of their ids.
    pub(super) classes: Vec<(NodeId, Class)>,
    /// Objects created so far, plus container elements.
    n_objects: u64,
    /// Their memory, in bytes.
    memory: u64,
    /// Objects of the integers below 65,536, which take no memory after their first use: token ids are
    /// among them.
    small_integers: Vec<NodeId>,
    pub(super) decoded: Vec<u8>,
    /// Results of `_codecs.encode` by text, so that each text is encoded once.
    pub(super) encoded: HashMap<NodeId, NodeId>,
}

impl<'a> Machine<'a> {
    /// A machine for the pickle that spans a range of `file`.
    pub(super) fn new(
        file: &'a [u8],
        range: Range<usize>,
        limits: &'a Limits,
        persistent: Persistent<'a>,
        is_nested: bool,
    ) -> Machine<'a> {
        let constant = |value| Node { value, offset: 0 };
        let empty = Value::Tuple(Vec::new());
        let nodes =
            [Value::None, Value::Bool(false), Value::Bool(true), empty].map(constant).into();
        Machine {
            file,
            end: range.end.min(file.len()),
            limits,
            persistent,
            is_nested,
            met: Vec::new(),
            storages: HashMap::new(),
            pos: range.start,
            at: 0,
            opcode: Opcode::STOP,
            protocol: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            n_memo: 0,
            n_memo_before: 0,
            nodes,
            classes: Vec::new(),
            n_objects: 0,
            memory: 0,
            small_integers: Vec::new(),
            decoded: Vec::new(),
            encoded: HashMap::new(),
        }
    }

    /// Numbers memo entries on from those of earlier pickles.
    pub(super) fn count_on(&mut self, n_memo: u64) {
        self.n_memo = n_memo;
        self.n_memo_before = n_memo;
    }

    /// Clears the state that a pickle cannot share with the previous one. Created values stay and
    /// count.
    pub(super) fn begin_again(&mut self) {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        self.n_memo = 0;
    }

    // Reading the file.

    pub(super) fn require(&self, len: u64) -> Result<usize, PickleError> {
        let found = self.end.saturating_sub(self.pos) as u64;
        usize::try_from(len).ok().filter(|_| len <= found).ok_or(PickleError::Truncated {
            offset: self.at,
            opcode: self.opcode.name(),
            needed: len,
            found,
        })
    }

    pub(super) fn payload(&mut self, len: u64) -> Result<Span, PickleError> {
        let len = self.require(len)?;
        let span = Span { start: self.pos, len, decoded: false };
        self.pos = self.pos.saturating_add(len);
        Ok(span)
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let span = self.payload(N as u64)?;
        self.span(span).try_into().map_err(|_| self.damaged("an argument of a wrong size"))
    }

    pub(super) fn byte(&mut self) -> Result<u8, PickleError> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    pub(super) fn size8(&mut self) -> Result<u64, PickleError> {
        self.fixed().map(u64::from_le_bytes)
    }

    pub(super) fn signed_size(&mut self) -> Result<u64, PickleError> {
        let size = i32::from_le_bytes(self.fixed()?);
        u64::try_from(size).map_err(|_| self.damaged(format!("a negative size, {size},")))
    }

    /// The rest of the line, without its end.
    pub(super) fn raw_line(&mut self) -> Result<&'a [u8], PickleError> {
        let file = self.file;
        let rest = file.get(self.pos..self.end).unwrap_or(&[]);
        // A line is text, so a file without line ends is not searched beyond the limit.
        let cap = usize::try_from(self.limits.string_bytes).unwrap_or(usize::MAX);
        let head = rest.get(..rest.len().min(cap.saturating_add(1))).unwrap_or(rest);
        let Some(len) = head.iter().position(|byte| *byte == b'\n') else {
            self.check(Limit::Line, self.limits.string_bytes, head.len() as u64)?;
            return Err(PickleError::Truncated {
                offset: self.at,
                opcode: self.opcode.name(),
                needed: (rest.len() as u64).saturating_add(1),
                found: rest.len() as u64,
            });
        };
        self.pos = self.pos.saturating_add(len).saturating_add(1);
        Ok(head.get(..len).unwrap_or(&[]))
    }

    /// Like [`raw_line`](Self::raw_line), for an opcode whose argument never ends in CR.
    pub(super) fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let line = self.raw_line()?;
        if line.last() == Some(&b'\r') {
            return Err(PickleError::LineEnds { offset: self.at });
        }
        Ok(line)
    }

    pub(super) fn text_index(&mut self) -> Result<u64, PickleError> {
        let line = self.line()?;
        let index = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
        index.ok_or_else(|| self.damaged("an invalid memo index"))
    }

    // Creating values.

    /// Counts `n` more container elements.
    pub(super) fn count(&mut self, n: u64) -> Result<(), PickleError> {
        self.n_objects = self.n_objects.saturating_add(n);
        self.check(Limit::Objects, self.limits.objects, self.n_objects)?;
        self.charge(n.saturating_mul(PLACE_BYTES))
    }

    pub(super) fn file_len(&self) -> u64 {
        self.file.len() as u64
    }

    /// Counts `n` more bytes of memory.
    pub(super) fn charge(&mut self, n: u64) -> Result<(), PickleError> {
        self.memory = self.memory.saturating_add(n);
        let honest = self.file_len().saturating_mul(self.limits.memory_per_byte);
        self.check(Limit::Memory, FREE_MEMORY.saturating_add(honest), self.memory)
    }

    pub(super) fn make(&mut self, value: Value) -> Result<NodeId, PickleError> {
        self.n_objects = self.n_objects.saturating_add(1);
        self.check(Limit::Objects, self.limits.objects, self.n_objects)?;
        let heap = match &value {
            Value::List(items)
            | Value::Tuple(items)
            | Value::Set(items)
            | Value::FrozenSet(items)
                if !items.is_empty() =>
            {
                ALLOCATION_BYTES
            }
            Value::Dict(entries) if !entries.is_empty() => ALLOCATION_BYTES,
            Value::Storage(_) => (size_of::<Storage>() as u64).saturating_add(ALLOCATION_BYTES),
            // The array with its reference counts, then its shape and strides.
            Value::Array(array) => {
                let axes = array.shape.len().saturating_mul(2 * size_of::<usize>()) as u64;
                let own = (size_of::<Array>() + 2 * size_of::<usize>()) as u64;
                own.saturating_add(axes).saturating_add(ALLOCATION_BYTES)
            }
            _ => 0,
        };
        self.charge(OBJECT_BYTES.saturating_add(heap))?;
        let id = u32::try_from(self.nodes.len()).ok().filter(|id| *id != u32::MAX);
        let id = id.ok_or_else(|| self.damaged("more objects than can be counted"))?;
        self.nodes.push(Node { value, offset: self.at });
        Ok(NodeId(id))
    }

    /// Creates a value of a type that it does not show.
    pub(super) fn make_of(&mut self, class: Class, value: Value) -> Result<NodeId, PickleError> {
        let id = self.make(value)?;
        // With the spare places of a growing list.
        self.charge(2 * size_of::<(NodeId, Class)>() as u64)?;
        self.classes.push((id, class));
        Ok(id)
    }

    pub(super) fn push(&mut self, value: Value) -> Result<(), PickleError> {
        let id = self.make(value)?;
        self.push_id(id)
    }

    /// Pushes an integer that has a shared object.
    pub(super) fn push_small_integer(&mut self, value: u16) -> Result<(), PickleError> {
        let place = usize::from(value);
        let known = self.small_integers.get(place).copied().unwrap_or(UNSET);
        if known != UNSET {
            return self.push_id(known);
        }
        if place >= self.small_integers.len() {
            let len = place.saturating_add(1).next_power_of_two();
            self.small_integers.resize(len, UNSET);
        }
        let id = self.make(Value::Int(value.into()))?;
        if let Some(place) = self.small_integers.get_mut(place) {
            *place = id;
        }
        self.push_id(id)
    }

    pub(super) fn push_tuple(&mut self, items: Vec<NodeId>) -> Result<(), PickleError> {
        if items.is_empty() {
            return self.push_id(EMPTY_TUPLE);
        }
        self.push_items(items, Value::Tuple)
    }

    pub(super) fn push_items(
        &mut self,
        items: Vec<NodeId>,
        container: fn(Vec<NodeId>) -> Value,
    ) -> Result<(), PickleError> {
        self.count(items.len() as u64)?;
        self.push(container(items))
    }

    pub(super) fn small_tuple(&mut self, len: usize) -> Result<(), PickleError> {
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push_tuple(items)
    }

    pub(super) fn unicode(&mut self, len: u64) -> Result<(), PickleError> {
        self.check(Limit::String, self.limits.string_bytes, len)?;
        let span = self.payload(len)?;
        let bytes = self.span(span);
        match std::str::from_utf8(bytes) {
            Ok(_) => self.push(Value::Str(span)),
            // Python reads and writes halves of surrogate pairs in this encoding.
            Err(_) if raw::is_with_halves(bytes) => self.push(Value::HalfStr(span)),
            Err(_) => Err(self.damaged("text that is not UTF-8")),
        }
    }

    pub(super) fn long(&mut self, len: u64) -> Result<(), PickleError> {
        self.check(Limit::Integer, self.limits.integer_bytes, len)?;
        let span = self.payload(len)?;
        let bytes = text::trim_sign(self.span(span));
        let value = match text::small_integer(bytes) {
            Some(value) => Value::Int(value),
            None => Value::BigInt(Span { len: bytes.len(), ..span }),
        };
        self.push(value)
    }

    pub(super) fn text_integer(&mut self, line: &[u8]) -> Result<(), PickleError> {
        // Protocols 0 and 1 of Python 2.3 and later spell booleans like this.
        match (self.opcode, line) {
            (Opcode::INT, b"00") => return self.push_id(FALSE),
            (Opcode::INT, b"01") => return self.push_id(TRUE),
            _ => {}
        }
        self.check(Limit::Digits, self.limits.integer_bytes, line.len() as u64)?;
        let line = match self.opcode {
            Opcode::LONG => line.strip_suffix(b"L").unwrap_or(line),
            _ => line,
        };
        // Python's two readers differ on leading zeros (octal) and on `-0` (False); no writer produces
        // either.
        if matches!(line, [b'0', _, ..] | [b'-', b'0', ..] | [b'+', ..]) {
            return Err(self.damaged("an integer with leading zeros or a plus sign"));
        }
        let bytes = text::decimal(line).ok_or_else(|| self.damaged("an invalid integer"))?;
        let value = match text::small_integer(&bytes) {
            Some(value) => Value::Int(value),
            None => Value::BigInt(self.decode(&bytes)?),
        };
        self.push(value)
    }

    /// Stores bytes that the file holds only in encoded form.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Span, PickleError> {
        let start = self.decoded.len();
        let found = (start as u64).saturating_add(bytes.len() as u64);
        let honest = (self.file.len() as u64).saturating_mul(DECODED_PER_BYTE);
        self.check(Limit::Decoded, self.limits.decoded_bytes.min(honest), found)?;
        self.decoded.extend_from_slice(bytes);
        Ok(Span { start, len: bytes.len(), decoded: true })
    }

    pub(super) fn extend_list(&mut self, items: &[NodeId]) -> Result<(), PickleError> {
        self.count(items.len() as u64)?;
        match self.top_value()? {
            Value::List(list) => {
                let is_first = list.is_empty();
                list.extend(items);
                if is_first { self.charge(ALLOCATION_BYTES) } else { Ok(()) }
            }
            _ => Err(self.damaged("items appended to something that is not a list")),
        }
    }

    pub(super) fn extend_set(&mut self, items: &[NodeId]) -> Result<(), PickleError> {
        self.count(items.len() as u64)?;
        match self.top_value()? {
            Value::Set(set) => {
                let is_first = set.is_empty();
                set.extend(items);
                if is_first { self.charge(ALLOCATION_BYTES) } else { Ok(()) }
            }
            _ => Err(self.damaged("elements added to something that is not a set")),
        }
    }

    pub(super) fn extend_dict(&mut self, items: &[NodeId]) -> Result<(), PickleError> {
        self.count(items.len() as u64)?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.damaged("a dict key without a value"));
        }
        match self.top_value()? {
            Value::Dict(dict) => {
                let is_first = dict.is_empty();
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                if is_first { self.charge(ALLOCATION_BYTES) } else { Ok(()) }
            }
            _ => Err(self.damaged("items set in something that is not a dict")),
        }
    }

    // The stack and the memo.

    pub(super) fn value(&self, id: NodeId) -> &Value {
        self.nodes.get(id.index()).map_or(&Value::None, |node| &node.value)
    }

    pub(super) fn span(&self, span: Span) -> &[u8] {
        span.get(self.file, &self.decoded)
    }

    /// A `str` as text.
    pub(super) fn text(&self, id: NodeId) -> Option<&str> {
        match self.value(id) {
            Value::Str(span) | Value::ByteStr(span) => std::str::from_utf8(self.span(*span)).ok(),
            _ => None,
        }
    }

    pub(super) fn push_id(&mut self, id: NodeId) -> Result<(), PickleError> {
        self.stack.push(id);
        self.check_stack()
    }

    pub(super) fn check_stack(&self) -> Result<(), PickleError> {
        let found = self.stack.len().saturating_add(self.marks.len()) as u64;
        self.check(Limit::Stack, self.limits.stack_values, found)
    }

    /// The topmost value above the last mark.
    pub(super) fn top(&self) -> Result<NodeId, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.get(floor..).and_then(<[NodeId]>::last).copied();
        top.ok_or_else(|| self.damaged(format!("`{}` without a value", self.opcode.name())))
    }

    pub(super) fn top_value(&mut self) -> Result<&mut Value, PickleError> {
        let id = self.top()?;
        let missing = self.damaged("a value that does not exist");
        self.nodes.get_mut(id.index()).map(|node| &mut node.value).ok_or(missing)
    }

    pub(super) fn pop(&mut self) -> Result<NodeId, PickleError> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, PickleError> {
        let height = self
            .marks
            .pop()
            .filter(|height| *height <= self.stack.len())
            .ok_or_else(|| self.damaged(format!("`{}` without a mark", self.opcode.name())))?;
        Ok(self.stack.split_off(height))
    }

    pub(super) fn remember(&mut self, index: u64) -> Result<(), PickleError> {
        let id = self.top()?;
        let n_entries = index.saturating_add(1);
        self.check(Limit::Memo, self.limits.memo_entries, n_entries)?;
        // Writers number entries consecutively.
        let n_own = n_entries.saturating_sub(self.n_memo_before);
        self.check(Limit::MemoOfSmallFile, self.file.len() as u64, n_own)?;
        let index = usize::try_from(index).map_err(|_| self.damaged("a memo index"))?;
        if index >= self.memo.len() {
            self.memo.resize(index.saturating_add(1), UNSET);
        }
        if let Some(place) = self.memo.get_mut(index) {
            // `MEMOIZE` numbers by count, not by the highest index.
            self.n_memo = self.n_memo.saturating_add(u64::from(*place == UNSET));
            *place = id;
        }
        Ok(())
    }

    pub(super) fn recall(&mut self, index: u64) -> Result<(), PickleError> {
        let place = usize::try_from(index).ok().and_then(|index| self.memo.get(index));
        match place.copied() {
            Some(id) if id != UNSET => self.push_id(id),
            _ if index < self.n_memo_before => {
                Err(self.damaged(format!("memo entry {index}, which is of an earlier pickle,")))
            }
            _ => Err(self.damaged(format!("memo entry {index}, which was never set,"))),
        }
    }

    // Names.

    pub(super) fn global_lines(&mut self) -> Result<Callable, PickleError> {
        let (module, attribute) = (self.line()?, self.line()?);
        match (std::str::from_utf8(module), std::str::from_utf8(attribute)) {
            (Ok(module), Ok(attribute)) => self.allowed(module, attribute),
            _ => Err(self.damaged("a name that is not UTF-8")),
        }
    }

    pub(super) fn allowed(&self, module: &str, attribute: &str) -> Result<Callable, PickleError> {
        // Long enough for every real name, short enough for one line.
        const SHOWN_CHARS: usize = 80;
        Callable::find(module, attribute).ok_or_else(|| {
            let dotted = module.chars().chain(['.']).chain(attribute.chars());
            PickleError::ForbiddenGlobal {
                offset: self.at,
                name: dotted.take(SHOWN_CHARS).flat_map(char::escape_debug).collect(),
                advice: global_advice(module, attribute),
            }
        })
    }

    // Errors.

    pub(super) fn check(&self, what: Limit, limit: u64, found: u64) -> Result<(), PickleError> {
        if found > limit {
            return Err(PickleError::Limit { offset: self.at, what, limit, found });
        }
        Ok(())
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> PickleError {
        PickleError::Damaged { offset: self.at, what: what.into() }
    }

    pub(super) fn forbidden(&self, what: impl Into<String>) -> PickleError {
        PickleError::ForbiddenCall { offset: self.at, what: what.into() }
    }

    pub(super) fn foreign(&self, what: &'static str, origin: Origin) -> PickleError {
        PickleError::ForbiddenOpcode { offset: self.at, opcode: self.opcode.name(), what, origin }
    }
}
