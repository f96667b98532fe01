//! Semantics of the allowed names: REDUCE and its relatives create a value from arguments, BUILD fills
//! an array or completes a dtype. Nothing else can be called or filled.

use std::sync::Arc;

use super::error::{PickleError, STATE_OF_WEIGHTS, UNKNOWN_DTYPE};

use super::number::Number;
use super::numpy::{Array, Data, Misfit, NumpyDtype, Order, ScalarKind};
use super::place::{NodeId, Span};
use super::raw::ucs4;
use super::state::{Machine, NONE};
use super::value::{Callable, Class, Value};
use super::view::decode_number;
use crate::limit::Limit;

/// The default dtypes of NumPy arrays created without one.
const INT8: NumpyDtype = NumpyDtype { kind: ScalarKind::Int, item_size: 1, big_endian: false };
const FLOAT64: NumpyDtype = NumpyDtype { kind: ScalarKind::Float, item_size: 8, big_endian: false };

impl Machine<'_> {
    /// Calls `callable` with the arguments in the tuple `args`.
    pub(super) fn call(&mut self, callable: NodeId, args: NodeId) -> Result<NodeId, PickleError> {
        // No known call has more, so the copy below is small.
        const MOST_ARGUMENTS: usize = 8;
        match self.value(args) {
            Value::Tuple(items) if items.len() <= MOST_ARGUMENTS => {
                let items = items.clone();
                self.call_with(callable, &items)
            }
            Value::Tuple(_) => Err(self.forbidden("refused a call with too many arguments")),
            _ => Err(self.damaged("a call whose arguments are not a tuple")),
        }
    }

    /// Creates an object of the class `callable` like `__new__`, which ignores the arguments for
    /// mutable classes: `list.__new__(list, items)` is empty.
    pub(super) fn create(&mut self, callable: NodeId, args: NodeId) -> Result<NodeId, PickleError> {
        use Callable as Name;
        let has_args = !matches!(self.value(args), Value::Tuple(items) if items.is_empty());
        match self.value(callable) {
            Value::Global(
                name @ (Name::Reconstruct
                | Name::Scalar
                | Name::FromBuffer
                | Name::Encode
                | Name::RebuildTensor
                | Name::RebuildTensorV2
                | Name::RebuildTensorV3
                | Name::RebuildParameter
                | Name::LoadFromBytes),
            ) => Err(self.unknown_form(*name)),
            Value::Global(
                name @ (Name::List
                | Name::Set
                | Name::Dict
                | Name::OrderedDict
                | Name::DefaultDict
                | Name::Counter
                | Name::ByteArray),
            ) if has_args => Err(self.unknown_form(*name)),
            _ => self.call(callable, args),
        }
    }

    /// Calls `callable` with `args`.
    pub(super) fn call_with(
        &mut self,
        callable: NodeId,
        args: &[NodeId],
    ) -> Result<NodeId, PickleError> {
        use Callable as Name;
        let name = match self.value(callable) {
            Value::Global(name) => *name,
            other => {
                let kind = other.type_name();
                return Err(self.forbidden(format!("refused to call a value of type {kind}")));
            }
        };
        let value = match (name, args) {
            (Name::Reconstruct, [class, shape, _]) if self.is_ndarray(*class) => {
                self.unfilled(INT8, *shape)?
            }
            (Name::Ndarray, [shape]) => self.unfilled(FLOAT64, *shape)?,
            (Name::Dtype, [code] | [code, _] | [code, _, _]) => {
                let code = self.text(*code).unwrap_or_default();
                let dtype = NumpyDtype::parse(code)
                    .ok_or_else(|| self.array_error(format!("{UNKNOWN_DTYPE} {code:.20?}")))?;
                Value::Dtype(dtype)
            }
            (Name::Scalar, [dtype, bytes]) => self.scalar(*dtype, *bytes)?,
            (Name::FromBuffer, [buffer, dtype, shape, order]) => {
                self.buffer_array(*buffer, *dtype, *shape, *order, None)?
            }
            (Name::FromBuffer, [buffer, dtype, shape, order, axes]) => {
                self.buffer_array(*buffer, *dtype, *shape, *order, Some(*axes))?
            }
            (Name::RebuildTensor | Name::RebuildTensorV2 | Name::RebuildTensorV3, _) => {
                self.rebuild_tensor(name, args)?
            }
            (Name::RebuildParameter, [tensor, grad, hooks])
                if matches!(self.value(*tensor), Value::Array(array) if array.is_tensor)
                    && matches!(self.value(*grad), Value::Bool(_))
                    && matches!(self.value(*hooks), Value::Dict(hooks) if hooks.is_empty()) =>
            {
                return Ok(*tensor);
            }
            (Name::LoadFromBytes, [bytes]) => match self.bytes(*bytes) {
                Some(span) => return self.load_from_bytes(span),
                None => return Err(self.unknown_form(name)),
            },
            (Name::TorchSize, _) => Value::Tuple(self.copied(name, args)?),
            (Name::Encode, [text, codec]) => return self.encode(*text, *codec),
            (Name::ByteArray, [text, codec]) => {
                let bytes = self.encode(*text, *codec)?;
                self.value(bytes).clone()
            }
            (Name::Bytes | Name::ByteArray, []) => Value::Bytes(self.decode(&[])?),
            (Name::Bytes | Name::ByteArray, [bytes]) => match self.bytes(*bytes) {
                Some(span) => Value::Bytes(span),
                None => return Err(self.unknown_form(name)),
            },
            (Name::List, _) => Value::List(self.copied(name, args)?),
            (Name::Tuple, _) => Value::Tuple(self.copied(name, args)?),
            (Name::Set, _) => Value::Set(self.copied(name, args)?),
            (Name::FrozenSet, _) => Value::FrozenSet(self.copied(name, args)?),
            (Name::Counter, [counts]) if !matches!(self.value(*counts), Value::Dict(_)) => {
                return Err(self.unknown_form(name));
            }
            (Name::Dict | Name::OrderedDict | Name::Counter, _) => {
                Value::Dict(self.pairs(name, args)?)
            }
            (Name::DefaultDict, []) => Value::Dict(Vec::new()),
            // The factory would create values for missing keys, which a finished dict never needs.
            (Name::DefaultDict, [factory]) if self.is_factory(*factory) => Value::Dict(Vec::new()),
            _ => return Err(self.unknown_form(name)),
        };
        match self.class_of(name, args) {
            Some(class) => self.make_of(class, value),
            None => self.make(value),
        }
    }

    /// The type that a valid call creates, where its value does not show it.
    fn class_of(&self, name: Callable, args: &[NodeId]) -> Option<Class> {
        let first = args.first().map(|first| self.value(*first));
        Some(match (name, first) {
            (Callable::ByteArray, _) => Class::ByteArray,
            (Callable::OrderedDict, _) => Class::OrderedDict,
            (Callable::Counter, _) => Class::Counter,
            (Callable::DefaultDict, Some(Value::Global(factory))) => {
                Class::DefaultDict(Some(*factory))
            }
            (Callable::DefaultDict, _) => Class::DefaultDict(None),
            (Callable::Scalar, Some(Value::Dtype(dtype))) => match dtype.kind {
                kind @ (ScalarKind::Bytes | ScalarKind::Unicode) => Class::Scalar(kind, 0),
                kind => Class::Scalar(kind, u8::try_from(dtype.item_size).unwrap_or(0)),
            },
            _ => return None,
        })
    }

    /// Sets the state of `target`.
    pub(super) fn build(&mut self, target: NodeId, state: NodeId) -> Result<(), PickleError> {
        let parts: Vec<NodeId> = match self.value(state) {
            Value::Tuple(items) => items.iter().take(16).copied().collect(),
            _ => Vec::new(),
        };
        let filled = match (self.value(target), parts.as_slice()) {
            (Value::Dtype(dtype), [version, order, subdtype, names, fields, size, ..])
                if matches!(self.value(*version), Value::Int(1..=4)) =>
            {
                let plain = [subdtype, names, fields]
                    .into_iter()
                    .all(|part| matches!(self.value(*part), Value::None));
                if !plain {
                    return Err(self.array_error("a structured dtype, which is not read"));
                }
                Value::Dtype(self.completed(*dtype, *order, *size)?)
            }
            (Value::Array(array), [version, shape, dtype, fortran, data])
                if !array.is_tensor && matches!(self.value(*version), Value::Int(1)) =>
            {
                self.filled(*shape, *dtype, *fortran, *data)?
            }
            (Value::Dict(_), _) if self.has_key(state, "_metadata") => {
                return Err(self.forbidden(STATE_OF_WEIGHTS));
            }
            (other, _) => {
                let kind = other.type_name();
                let what = format!("refused to set the state of a value of type {kind}");
                return Err(self.forbidden(what));
            }
        };
        if let Some(node) = self.nodes.get_mut(target.index()) {
            node.value = filled;
        }
        Ok(())
    }

    /// Whether a value is a dict with this key.
    fn has_key(&self, dict: NodeId, wanted: &str) -> bool {
        match self.value(dict) {
            Value::Dict(entries) => {
                entries.iter().take(16).any(|(key, _)| self.text(*key) == Some(wanted))
            }
            _ => false,
        }
    }

    fn completed(
        &self,
        dtype: NumpyDtype,
        order: NodeId,
        size: NodeId,
    ) -> Result<NumpyDtype, PickleError> {
        let order_text = match self.value(order) {
            Value::Bytes(span) => std::str::from_utf8(self.span(*span)).ok(),
            _ => self.text(order),
        };
        let big_endian = match order_text {
            Some("<" | "|" | "=") => false,
            Some(">") => true,
            _ => return Err(self.array_error("a dtype with an unknown byte order")),
        };
        // Only dtypes of free width state it; -1 means the dtype's own width.
        let free_width = matches!(dtype.kind, ScalarKind::Bytes | ScalarKind::Unicode);
        let item_size = match self.value(size) {
            Value::Int(-1) => dtype.item_size,
            Value::Int(size) if free_width => usize::try_from(*size)
                .ok()
                .filter(|size| dtype.kind == ScalarKind::Bytes || size % 4 == 0)
                .ok_or_else(|| self.array_error("a dtype with an impossible element size"))?,
            _ => return Err(self.array_error("a dtype with an impossible element size")),
        };
        Ok(NumpyDtype { kind: dtype.kind, item_size, big_endian })
    }

    fn filled(
        &mut self,
        shape: NodeId,
        dtype: NodeId,
        fortran: NodeId,
        data: NodeId,
    ) -> Result<Value, PickleError> {
        let shape = self.lens(shape)?;
        // Shape and strides; the array had fewer axes until now.
        self.charge(shape.len().saturating_mul(2 * size_of::<usize>()) as u64)?;
        let dtype = self.dtype(dtype)?;
        let order = match self.value(fortran) {
            Value::Bool(true) | Value::Int(1) => Order::Fortran,
            Value::Bool(false) | Value::Int(0) => Order::C,
            _ => return Err(self.array_error("an unknown order of elements")),
        };
        let data = match (self.bytes(data), self.value(data)) {
            (Some(span), _) => Data::Raw(span),
            (None, Value::List(items)) => Data::Objects(items.clone()),
            _ => return Err(self.array_error("elements that are neither bytes nor a list")),
        };
        if let Data::Objects(items) = &data {
            self.count(items.len() as u64)?;
        }
        Ok(match self.array(dtype, shape, order, data)? {
            Value::Array(mut array) => {
                if let Some(array) = Arc::get_mut(&mut array) {
                    array.is_state = true;
                }
                Value::Array(array)
            }
            other => other,
        })
    }

    fn buffer_array(
        &self,
        buffer: NodeId,
        dtype: NodeId,
        shape: NodeId,
        order: NodeId,
        axes: Option<NodeId>,
    ) -> Result<Value, PickleError> {
        let order = match (self.text(order), axes) {
            (Some("C"), _) => Order::C,
            (Some("F"), _) => Order::Fortran,
            (Some("K"), Some(axes)) => Order::Permuted(self.lens(axes)?),
            _ => return Err(self.array_error("an unknown order of elements")),
        };
        let data = self.bytes(buffer).map(Data::Raw);
        let data = data.ok_or_else(|| self.array_error("a buffer that is not bytes"))?;
        self.array(self.dtype(dtype)?, self.lens(shape)?, order, data)
    }

    fn array(
        &self,
        dtype: NumpyDtype,
        shape: Vec<usize>,
        order: Order,
        data: Data,
    ) -> Result<Value, PickleError> {
        match Array::new(dtype, shape, order, data, self.limits) {
            Ok(array) => Ok(Value::Array(Arc::new(array))),
            Err(Misfit::Wrong(what)) => Err(self.array_error(what)),
            Err(Misfit::Limit(what, limit, found)) => {
                Err(PickleError::Limit { offset: self.at, what, limit, found })
            }
        }
    }

    /// An array for BUILD to fill. NumPy leaves its elements undefined until then, so it must have
    /// none.
    fn unfilled(&self, dtype: NumpyDtype, shape: NodeId) -> Result<Value, PickleError> {
        let shape = self.lens(shape)?;
        self.check(Limit::Axes, self.limits.axes, shape.len() as u64)?;
        if !shape.contains(&0) {
            return Err(self.array_error(format!("shape {shape:?} without any data")));
        }
        Ok(Value::Array(Arc::new(Array::empty(dtype, shape))))
    }

    fn scalar(&mut self, dtype: NodeId, bytes: NodeId) -> Result<Value, PickleError> {
        let dtype = self.dtype(dtype)?;
        let span = self.bytes(bytes).filter(|span| span.len == dtype.item_size);
        let span = span.ok_or_else(|| self.array_error(format!("no single {dtype}")))?;
        let bytes = self.span(span);
        let value = match dtype.kind {
            ScalarKind::Bytes => Some(Value::Bytes(span)),
            ScalarKind::Unicode => {
                let text = ucs4(bytes, dtype.big_endian);
                let text = text.ok_or_else(|| self.array_error("text that is not Unicode"))?;
                let span = self.decode(&text)?;
                Some(match std::str::from_utf8(&text) {
                    Ok(_) => Value::Str(span),
                    Err(_) => Value::HalfStr(span),
                })
            }
            ScalarKind::Bool => Some(Value::Bool(bytes.iter().any(|byte| *byte != 0))),
            _ => match decode_number(dtype, bytes) {
                Some(Number::Float(value)) => Some(Value::Float(value)),
                Some(Number::Int(value)) => Some(match i64::try_from(value) {
                    Ok(value) => Value::Int(value),
                    // Only unsigned 64-bit integers reach this, so 9 bytes suffice.
                    Err(_) => {
                        let bytes = value.to_le_bytes();
                        Value::BigInt(self.decode(bytes.get(..9).unwrap_or(&bytes))?)
                    }
                }),
                None => None,
            },
        };
        value.ok_or_else(|| self.array_error(format!("a scalar of dtype {dtype}")))
    }

    /// `_codecs.encode(text, "latin1")`, which `bytearray(text, "latin-1")` equals.
    fn encode(&mut self, text: NodeId, codec: NodeId) -> Result<NodeId, PickleError> {
        if !matches!(self.text(codec), Some("latin1" | "latin-1")) {
            return Err(self.forbidden("refused an encoding other than latin-1"));
        }
        if let Some(id) = self.encoded.get(&text) {
            return Ok(*id);
        }
        let span = match self.value(text) {
            Value::Str(span) => *span,
            _ => return Err(self.damaged("an encoding of something that is not text")),
        };
        let bytes = self.span(span);
        let value = if bytes.is_ascii() {
            Value::Bytes(span)
        } else {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            let encoded: Option<Vec<u8>> =
                text.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect();
            let encoded = encoded.ok_or_else(|| self.damaged("text that latin-1 cannot encode"))?;
            Value::Bytes(self.decode(&encoded)?)
        };
        let id = self.make(value)?;
        // A table entry, at the table's usual load.
        self.charge(24)?;
        self.encoded.insert(text, id);
        Ok(id)
    }

    /// The elements of the only argument; empty without one.
    fn copied(&mut self, name: Callable, args: &[NodeId]) -> Result<Vec<NodeId>, PickleError> {
        let items = match args {
            [] => return Ok(Vec::new()),
            [items] => match self.value(*items) {
                Value::List(items) | Value::Tuple(items) => items.len(),
                // Duplicates are removed from sets only after reading, which is too late for a list;
                // and the order would be Python's own.
                Value::Set(items) | Value::FrozenSet(items)
                    if matches!(name, Callable::Set | Callable::FrozenSet) =>
                {
                    items.len()
                }
                _ => return Err(self.unknown_form(name)),
            },
            _ => return Err(self.unknown_form(name)),
        };
        // Counted before the copy, so that repeated copying meets the limit in time.
        self.count(items as u64)?;
        match args.first().map(|items| self.value(*items)) {
            Some(
                Value::List(items)
                | Value::Tuple(items)
                | Value::Set(items)
                | Value::FrozenSet(items),
            ) => Ok(items.clone()),
            _ => Err(self.unknown_form(name)),
        }
    }

    /// The pairs of the only argument, a dict or a list of pairs; empty without one.
    fn pairs(
        &mut self,
        name: Callable,
        args: &[NodeId],
    ) -> Result<Vec<(NodeId, NodeId)>, PickleError> {
        if let [dict] = args
            && let Value::Dict(entries) = self.value(*dict)
        {
            let n_entries = entries.len() as u64;
            self.count(n_entries.saturating_mul(2))?;
            return match self.value(*dict) {
                Value::Dict(entries) => Ok(entries.clone()),
                _ => Err(self.unknown_form(name)),
            };
        }
        let items = self.copied(name, args)?;
        self.count(items.len() as u64)?;
        let pair = |item: &NodeId| match self.value(*item) {
            Value::List(pair) | Value::Tuple(pair) => match pair.as_slice() {
                [key, value] => Some((*key, *value)),
                _ => None,
            },
            _ => None,
        };
        let pairs: Option<Vec<(NodeId, NodeId)>> = items.iter().map(pair).collect();
        pairs.ok_or_else(|| self.unknown_form(name))
    }

    /// The numbers of a tuple, all non-negative.
    pub(super) fn lens(&self, id: NodeId) -> Result<Vec<usize>, PickleError> {
        let Value::Tuple(items) = self.value(id) else {
            return Err(self.array_error("a shape that is not a tuple"));
        };
        self.check(Limit::Axes, self.limits.axes, items.len() as u64)?;
        let len = |item: &NodeId| match self.value(*item) {
            Value::Int(len) => usize::try_from(*len)
                .map_err(|_| self.array_error(format!("an axis of negative length {len}"))),
            other => {
                Err(self.array_error(format!("an axis whose length is a {}", other.type_name())))
            }
        };
        items.iter().map(len).collect()
    }

    fn dtype(&self, id: NodeId) -> Result<NumpyDtype, PickleError> {
        match self.value(id) {
            Value::Dtype(dtype) => Ok(*dtype),
            other => Err(self.array_error(format!("a {} in place of a dtype", other.type_name()))),
        }
    }

    /// `bytes`, or a Python 2 `str`.
    fn bytes(&self, id: NodeId) -> Option<Span> {
        match self.value(id) {
            Value::Bytes(span) | Value::ByteStr(span) => Some(*span),
            _ => None,
        }
    }

    fn is_ndarray(&self, id: NodeId) -> bool {
        matches!(self.value(id), Value::Global(Callable::Ndarray))
    }

    fn is_factory(&self, id: NodeId) -> bool {
        use Callable as Name;
        id == NONE
            || matches!(
                self.value(id),
                Value::Global(
                    Name::List
                        | Name::Dict
                        | Name::Set
                        | Name::Tuple
                        | Name::FrozenSet
                        | Name::OrderedDict
                        | Name::Counter
                        | Name::Bytes
                        | Name::Bool
                        | Name::Int
                        | Name::Float
                        | Name::Str
                )
            )
    }

    pub(super) fn unknown_form(&self, name: Callable) -> PickleError {
        self.forbidden(format!("refused a call of `{}` in an unknown form", name.name()))
    }

    pub(super) fn array_error(&self, what: impl Into<String>) -> PickleError {
        PickleError::Array { offset: self.at, what: what.into() }
    }
}
