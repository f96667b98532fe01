//! The stack machine: turns instructions into a table of values. It knows no name and calls
//! nothing; what a call or a state means stands in `call.rs`.

use std::collections::HashMap;

use super::error::{PickleError, global_hint};
use super::limits::{DECODED_PER_BYTE, Limits};
use super::opcode::Opcode;
use super::text;
use super::value::{Callable, Node, NodeId, Span, Value};

/// What a finished run leaves.
pub(super) struct Parts {
    pub(super) decoded: Vec<u8>,
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
    pub(super) protocol: u8,
    pub(super) end: usize,
}

/// Runs the pickle that `file` begins with.
///
/// # Errors
/// As [`Pickle::open`](super::Pickle::open), but for containers that hold themselves, nesting and
/// keys, which `graph.rs` checks.
pub(super) fn run(file: &[u8], limits: &Limits) -> Result<Parts, PickleError> {
    let mut machine = Machine::new(file, limits);
    loop {
        if let Some(root) = machine.step()? {
            let Machine { decoded, nodes, protocol, pos: end, .. } = machine;
            return Ok(Parts { decoded, nodes, root, protocol, end });
        }
    }
}

/// The ids of the constants that are shared by all who mention them.
pub(super) const NONE: NodeId = NodeId(0);
const FALSE: NodeId = NodeId(1);
const TRUE: NodeId = NodeId(2);

/// An unused place of the memo.
const UNSET: NodeId = NodeId(u32::MAX);

pub(super) struct Machine<'a> {
    file: &'a [u8],
    pub(super) limits: &'a Limits,
    pos: usize,
    /// Start of the current instruction.
    pub(super) at: u64,
    pub(super) opcode: Opcode,
    protocol: u8,
    stack: Vec<NodeId>,
    /// Heights of the stack at which the open marks were set.
    marks: Vec<usize>,
    memo: Vec<NodeId>,
    n_memo: u64,
    pub(super) nodes: Vec<Node>,
    /// Objects made so far, plus the places in containers.
    n_objects: u64,
    pub(super) decoded: Vec<u8>,
    /// What `_codecs.encode` gave for a text, so that each text is encoded once.
    pub(super) encoded: HashMap<NodeId, NodeId>,
}

impl<'a> Machine<'a> {
    fn new(file: &'a [u8], limits: &'a Limits) -> Machine<'a> {
        let constant = |value| Node { value, offset: 0 };
        let nodes = [Value::None, Value::Bool(false), Value::Bool(true)].map(constant).into();
        Machine {
            file,
            limits,
            pos: 0,
            at: 0,
            opcode: Opcode::STOP,
            protocol: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            n_memo: 0,
            nodes,
            n_objects: 0,
            decoded: Vec::new(),
            encoded: HashMap::new(),
        }
    }

    /// Runs one instruction; gives the result after the last.
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
                // Frames only group reads; the length shows early whether the file is complete.
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
                self.push(Value::Int(value.into()))?;
            }
            Op::BININT2 => {
                let value = u16::from_le_bytes(self.fixed()?);
                self.push(Value::Int(value.into()))?;
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
                let value = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
                let value = value.ok_or_else(|| self.damaged("a float that is no number"))?;
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
                    .ok_or_else(|| self.damaged("text with an escape that is no character"))?;
                let span = self.decode(text.as_bytes())?;
                self.push(Value::Str(span))?;
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
            Op::BINBYTES8 | Op::BYTEARRAY8 => {
                let len = self.size8()?;
                let span = self.payload(len)?;
                self.push(Value::Bytes(span))?;
            }

            Op::EMPTY_LIST => self.push(Value::List(Vec::new()))?,
            Op::LIST => {
                let items = self.pop_to_mark()?;
                self.push_items(items, Value::List)?;
            }
            Op::APPEND => {
                let item = self.pop()?;
                self.extend_list(vec![item])?;
            }
            Op::APPENDS => {
                let items = self.pop_to_mark()?;
                self.extend_list(items)?;
            }
            Op::EMPTY_TUPLE => self.push(Value::Tuple(Vec::new()))?,
            Op::TUPLE => {
                let items = self.pop_to_mark()?;
                self.push_items(items, Value::Tuple)?;
            }
            Op::TUPLE1 => self.small_tuple(1)?,
            Op::TUPLE2 => self.small_tuple(2)?,
            Op::TUPLE3 => self.small_tuple(3)?,
            Op::EMPTY_DICT => self.push(Value::Dict(Vec::new()))?,
            Op::DICT => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(Vec::new()))?;
                self.extend_dict(items)?;
            }
            Op::SETITEM => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend_dict(vec![key, value])?;
            }
            Op::SETITEMS => {
                let items = self.pop_to_mark()?;
                self.extend_dict(items)?;
            }
            Op::EMPTY_SET => self.push(Value::Set(Vec::new()))?,
            Op::ADDITEMS => {
                let items = self.pop_to_mark()?;
                self.count(items.len() as u64)?;
                match self.top_value()? {
                    Value::Set(set) => set.extend(items),
                    _ => return Err(self.damaged("elements added to what is no set")),
                }
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
                // As in Python: where no value lies above the mark, the mark itself goes.
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
            Op::REDUCE | Op::NEWOBJ => {
                let args = self.pop()?;
                let callable = self.pop()?;
                let id = self.call(callable, args)?;
                self.push_id(id)?;
            }
            Op::NEWOBJ_EX => {
                let keywords = self.pop()?;
                let args = self.pop()?;
                let callable = self.pop()?;
                if !matches!(self.value(keywords), Value::Dict(entries) if entries.is_empty()) {
                    return Err(self.forbidden("refused a call with keyword arguments"));
                }
                let id = self.call(callable, args)?;
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
                return Err(self.outside(
                    "an object of the writer's extension registry",
                    "write the file again without `copyreg` extensions",
                ));
            }
            Op::PERSID | Op::BINPERSID => {
                return Err(self.outside(
                    "an object that the writing program kept elsewhere",
                    "PyTorch and databases write such files; save plain arrays instead",
                ));
            }
            Op::NEXT_BUFFER | Op::READONLY_BUFFER => {
                return Err(self.outside(
                    "a buffer outside the file",
                    "write the file again without `buffer_callback`",
                ));
            }
        }
        Ok(None)
    }

    // Reading the file.

    fn require(&self, len: u64) -> Result<usize, PickleError> {
        let found = self.file.len().saturating_sub(self.pos) as u64;
        usize::try_from(len).ok().filter(|_| len <= found).ok_or(PickleError::Truncated {
            offset: self.at,
            opcode: self.opcode.name(),
            needed: len,
            found,
        })
    }

    fn payload(&mut self, len: u64) -> Result<Span, PickleError> {
        let len = self.require(len)?;
        let span = Span { start: self.pos, len, decoded: false };
        self.pos = self.pos.saturating_add(len);
        Ok(span)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let span = self.payload(N as u64)?;
        self.span(span).try_into().map_err(|_| self.damaged("an argument of a wrong size"))
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    fn size8(&mut self) -> Result<u64, PickleError> {
        self.fixed().map(u64::from_le_bytes)
    }

    fn signed_size(&mut self) -> Result<u64, PickleError> {
        let size = i32::from_le_bytes(self.fixed()?);
        u64::try_from(size).map_err(|_| self.damaged(format!("a negative size, {size},")))
    }

    /// The rest of the line, without its end.
    fn raw_line(&mut self) -> Result<&'a [u8], PickleError> {
        let file = self.file;
        let rest = file.get(self.pos..).unwrap_or(&[]);
        // A line is text, so that a file without line ends is not searched beyond the cap.
        let cap = usize::try_from(self.limits.string_bytes).unwrap_or(usize::MAX);
        let head = rest.get(..rest.len().min(cap.saturating_add(1))).unwrap_or(rest);
        let Some(len) = head.iter().position(|byte| *byte == b'\n') else {
            self.check("bytes in one line", self.limits.string_bytes, head.len() as u64)?;
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

    /// As [`raw_line`](Self::raw_line), of an opcode whose argument never ends in CR.
    fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let line = self.raw_line()?;
        if line.last() == Some(&b'\r') {
            return Err(PickleError::LineEnds { offset: self.at });
        }
        Ok(line)
    }

    fn text_index(&mut self) -> Result<u64, PickleError> {
        let line = self.line()?;
        let index = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
        index.ok_or_else(|| self.damaged("a memo index that is no number"))
    }

    // Making values.

    /// Counts `n` more objects or places for them.
    pub(super) fn count(&mut self, n: u64) -> Result<(), PickleError> {
        self.n_objects = self.n_objects.saturating_add(n);
        self.check("objects", self.limits.objects, self.n_objects)
    }

    pub(super) fn make(&mut self, value: Value) -> Result<NodeId, PickleError> {
        self.count(1)?;
        let id = u32::try_from(self.nodes.len()).ok().filter(|id| *id != u32::MAX);
        let id = id.ok_or_else(|| self.damaged("more objects than can be counted"))?;
        self.nodes.push(Node { value, offset: self.at });
        Ok(NodeId(id))
    }

    fn push(&mut self, value: Value) -> Result<(), PickleError> {
        let id = self.make(value)?;
        self.push_id(id)
    }

    fn push_items(
        &mut self,
        items: Vec<NodeId>,
        container: fn(Vec<NodeId>) -> Value,
    ) -> Result<(), PickleError> {
        self.count(items.len() as u64)?;
        self.push(container(items))
    }

    fn small_tuple(&mut self, len: usize) -> Result<(), PickleError> {
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push_items(items, Value::Tuple)
    }

    fn unicode(&mut self, len: u64) -> Result<(), PickleError> {
        self.check("bytes in one string", self.limits.string_bytes, len)?;
        let span = self.payload(len)?;
        if std::str::from_utf8(self.span(span)).is_err() {
            return Err(self.damaged("text that is not UTF-8"));
        }
        self.push(Value::Str(span))
    }

    fn long(&mut self, len: u64) -> Result<(), PickleError> {
        self.check("bytes in one integer", self.limits.integer_bytes, len)?;
        let span = self.payload(len)?;
        let bytes = text::trim_sign(self.span(span));
        let value = match text::small_integer(bytes) {
            Some(value) => Value::Int(value),
            None => Value::BigInt(Span { len: bytes.len(), ..span }),
        };
        self.push(value)
    }

    fn text_integer(&mut self, line: &[u8]) -> Result<(), PickleError> {
        // Protocols 0 and 1 of Python 2.3 and later spell booleans like this.
        match (self.opcode, line) {
            (Opcode::INT, b"00") => return self.push_id(FALSE),
            (Opcode::INT, b"01") => return self.push_id(TRUE),
            _ => {}
        }
        self.check("digits in one integer", self.limits.integer_bytes, line.len() as u64)?;
        let line = match self.opcode {
            Opcode::LONG => line.strip_suffix(b"L").unwrap_or(line),
            _ => line,
        };
        let bytes =
            text::decimal(line).ok_or_else(|| self.damaged("an integer that is no number"))?;
        let value = match text::small_integer(&bytes) {
            Some(value) => Value::Int(value),
            None => Value::BigInt(self.decode(&bytes)?),
        };
        self.push(value)
    }

    /// Keeps bytes that the file holds only in another form.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Span, PickleError> {
        let start = self.decoded.len();
        let found = (start as u64).saturating_add(bytes.len() as u64);
        let honest = (self.file.len() as u64).saturating_mul(DECODED_PER_BYTE);
        self.check("decoded bytes", self.limits.decoded_bytes.min(honest), found)?;
        self.decoded.extend_from_slice(bytes);
        Ok(Span { start, len: bytes.len(), decoded: true })
    }

    fn extend_list(&mut self, items: Vec<NodeId>) -> Result<(), PickleError> {
        self.count(items.len() as u64)?;
        match self.top_value()? {
            Value::List(list) => list.extend(items),
            _ => return Err(self.damaged("items appended to what is no list")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: Vec<NodeId>) -> Result<(), PickleError> {
        self.count(items.len() as u64)?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.damaged("a dict key without a value"));
        }
        match self.top_value()? {
            Value::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err(self.damaged("items set in what is no dict")),
        }
        Ok(())
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

    fn push_id(&mut self, id: NodeId) -> Result<(), PickleError> {
        self.stack.push(id);
        self.check_stack()
    }

    fn check_stack(&self) -> Result<(), PickleError> {
        let found = self.stack.len().saturating_add(self.marks.len()) as u64;
        self.check("values on the stack", self.limits.stack_values, found)
    }

    /// The topmost value above the last mark.
    fn top(&self) -> Result<NodeId, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.get(floor..).and_then(<[NodeId]>::last).copied();
        top.ok_or_else(|| self.damaged(format!("`{}` without a value", self.opcode.name())))
    }

    fn top_value(&mut self) -> Result<&mut Value, PickleError> {
        let id = self.top()?;
        let missing = self.damaged("a value that does not exist");
        self.nodes.get_mut(id.index()).map(|node| &mut node.value).ok_or(missing)
    }

    fn pop(&mut self) -> Result<NodeId, PickleError> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, PickleError> {
        let height = self
            .marks
            .pop()
            .filter(|height| *height <= self.stack.len())
            .ok_or_else(|| self.damaged(format!("`{}` without a mark", self.opcode.name())))?;
        Ok(self.stack.split_off(height))
    }

    fn remember(&mut self, index: u64) -> Result<(), PickleError> {
        let id = self.top()?;
        self.check("memo entries", self.limits.memo_entries, index.saturating_add(1))?;
        let index = usize::try_from(index).map_err(|_| self.damaged("a memo index"))?;
        if index >= self.memo.len() {
            self.memo.resize(index.saturating_add(1), UNSET);
        }
        if let Some(place) = self.memo.get_mut(index) {
            // `MEMOIZE` numbers by entries, not by the highest index.
            self.n_memo = self.n_memo.saturating_add(u64::from(*place == UNSET));
            *place = id;
        }
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Result<(), PickleError> {
        let place = usize::try_from(index).ok().and_then(|index| self.memo.get(index));
        match place.copied() {
            Some(id) if id != UNSET => self.push_id(id),
            _ => Err(self.damaged(format!("memo entry {index}, which was never set,"))),
        }
    }

    // Names.

    fn global_lines(&mut self) -> Result<Callable, PickleError> {
        let (module, attribute) = (self.line()?, self.line()?);
        match (std::str::from_utf8(module), std::str::from_utf8(attribute)) {
            (Ok(module), Ok(attribute)) => self.allowed(module, attribute),
            _ => Err(self.damaged("a name that is not UTF-8")),
        }
    }

    fn allowed(&self, module: &str, attribute: &str) -> Result<Callable, PickleError> {
        // Long enough for every real name, short enough for one line.
        const SHOWN_CHARS: usize = 80;
        Callable::find(module, attribute).ok_or_else(|| {
            let dotted = module.chars().chain(['.']).chain(attribute.chars());
            PickleError::ForbiddenGlobal {
                offset: self.at,
                name: dotted.take(SHOWN_CHARS).flat_map(char::escape_debug).collect(),
                hint: global_hint(module),
            }
        })
    }

    // Errors.

    pub(super) fn check(
        &self,
        what: &'static str,
        limit: u64,
        found: u64,
    ) -> Result<(), PickleError> {
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

    fn outside(&self, what: &'static str, hint: &'static str) -> PickleError {
        PickleError::ForbiddenOpcode { offset: self.at, opcode: self.opcode.name(), what, hint }
    }
}
