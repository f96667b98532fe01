//! PyTorch tensors: arrays over a storage in the same file.
//!
//! `pickle.dump` of a tensor writes a call of `torch._utils._rebuild_tensor_v2` with a storage, an
//! offset, a shape and strides; the storage is a call of `torch.storage._load_from_bytes` with the
//! bytes of a small `torch.save` file in the old format. That format is a sequence of pickles (a magic
//! number, its version, a machine description, the object, the keys of the storages), followed by the
//! elements of each storage. It mentions the device, CPU or GPU, only by name. `torch.save` itself
//! writes the same pickle of an object next to the storages: after the pickles in the old format, as
//! entries of a zip archive in the new one.
//!
//! The same machine reads all of this. A storage becomes a byte range, a tensor an array over it; no
//! PyTorch code can be called, and every size is checked.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::PickleError;
use super::limits::Limits;
use super::machine::{self, Parts};
use super::numpy::{Array, Misfit, NumpyDtype, ScalarKind};
use super::place::{NodeId, Span};
use super::state::Machine;
use super::storage::{Met, Persistent, Storage};
use super::value::{Callable, Value};

/// Pickle of the number that begins every old `torch.save` file.
pub(super) const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// The only version of the old format.
const VERSION: i64 = 1001;

/// Bytes of the pickles before the elements of one storage; real ones have about 400.
const HEADER_BYTES: usize = 4096;

/// Bytes that repeated tensors may have beyond those of the file, for small masks and constants.
const FREE_REPEATED: u64 = 1 << 20;

impl Machine<'_> {
    /// The storage with a persistent id, `("storage", type, key, location, n_elements)`; the old format
    /// appends `None`.
    pub(super) fn persistent(&mut self, id: NodeId) -> Result<Value, PickleError> {
        let parts: Vec<NodeId> = match self.value(id) {
            Value::Tuple(parts) => parts.iter().take(7).copied().collect(),
            _ => Vec::new(),
        };
        let wrong = |machine: &Self| machine.damaged("a persistent id that is not a storage");
        let (tag, class, key, n_elements) = match parts.as_slice() {
            [tag, class, key, _, n_elements] => (tag, class, key, n_elements),
            [tag, class, key, _, n_elements, view] if matches!(self.value(*view), Value::None) => {
                (tag, class, key, n_elements)
            }
            _ => return Err(wrong(self)),
        };
        let dtype = match self.value(*class) {
            Value::Global(class) => storage_dtype(*class),
            _ => None,
        };
        let n_elements = match self.value(*n_elements) {
            Value::Int(n_elements) => usize::try_from(*n_elements).ok(),
            _ => None,
        };
        let key = self.text(*key).map(str::to_owned);
        let is_storage = self.text(*tag) == Some("storage");
        let (Some(dtype), Some(n_elements), Some(key), true) = (dtype, n_elements, key, is_storage)
        else {
            return Err(wrong(self));
        };
        let n_bytes = n_elements.checked_mul(dtype.item_size).ok_or_else(|| wrong(self))?;
        let unknown = Span { start: 0, len: n_bytes, decoded: true };
        let storage = match self.persistent {
            Persistent::Refused => return Err(wrong(self)),
            Persistent::Unknown => {
                self.count(1)?;
                self.charge(key.len() as u64)?;
                self.met.push(Met { key, n_bytes, item_size: dtype.item_size });
                Storage { dtype, span: unknown, is_known: false }
            }
            Persistent::At(places) => {
                let place = places.get(&key).ok_or_else(|| {
                    self.damaged(format!("the storage `{key:.40}`, which the file does not hold,"))
                })?;
                // A writer may round up an entry's size.
                if place.len() < n_bytes {
                    let found = place.len();
                    return Err(self.damaged(format!(
                        "the storage `{key:.40}` of {n_bytes} bytes, of which the file contains {found},"
                    )));
                }
                let span = Span { start: place.start, len: n_bytes, decoded: false };
                Storage { dtype, span, is_known: true }
            }
        };
        Ok(Value::Storage(Box::new(storage)))
    }

    /// The storage in the bytes of a `torch.save` file.
    pub(super) fn load_from_bytes(&mut self, bytes: Span) -> Result<NodeId, PickleError> {
        if self.is_nested {
            return Err(self.forbidden("refused a storage within a storage"));
        }
        // Each stream is read once, however often it is referenced.
        let known = (bytes.start, bytes.len, bytes.decoded);
        if let Some(id) = self.storages.get(&known) {
            return Ok(*id);
        }
        let stream = self.span(bytes);
        let parts = old_file(stream, HEADER_BYTES, self.limits, true).map_err(|error| {
            let what = format!("the storage of a tensor: {error}");
            match error {
                PickleError::ForbiddenGlobal { .. } | PickleError::ForbiddenCall { .. } => {
                    self.forbidden(format!("refused {what},"))
                }
                _ => self.array_error(what),
            }
        })?;
        let storage = match parts.nodes.get(parts.root.index()).map(|node| &node.value) {
            Some(Value::Storage(storage)) => **storage,
            _ => return Err(self.array_error("the storage of a tensor: it holds something else")),
        };
        let start = bytes.start.saturating_add(storage.span.start);
        let span = Span { start, len: storage.span.len, decoded: bytes.decoded };
        let id = self.make(Value::Storage(Box::new(Storage { span, ..storage })))?;
        // A table entry, at the table's usual load.
        self.charge(48)?;
        self.storages.insert(known, id);
        Ok(id)
    }

    /// The array that a tensor represents.
    pub(super) fn rebuild_tensor(
        &self,
        name: Callable,
        args: &[NodeId],
    ) -> Result<Value, PickleError> {
        use Callable as Name;
        let (storage, offset, shape, strides, rest) = match args {
            [storage, offset, shape, strides, rest @ ..] => {
                (*storage, *offset, *shape, *strides, rest)
            }
            _ => return Err(self.unknown_form(name)),
        };
        let is_flag = |id: &NodeId| matches!(self.value(*id), Value::Bool(_));
        let is_nothing = |id: &NodeId| match self.value(*id) {
            Value::None => true,
            Value::Dict(entries) => entries.is_empty(),
            _ => false,
        };
        // Gradients are not stored, and hooks would have to be called.
        let dtype = match (name, rest) {
            (Name::RebuildTensor, []) => None,
            (Name::RebuildTensorV2, [grad, hooks, more @ ..])
                if is_flag(grad)
                    && is_nothing(hooks)
                    && more.len() <= 1
                    && more.iter().all(is_nothing) =>
            {
                None
            }
            (Name::RebuildTensorV3, [grad, hooks, dtype, more @ ..])
                if is_flag(grad)
                    && is_nothing(hooks)
                    && more.len() <= 1
                    && more.iter().all(is_nothing) =>
            {
                match self.value(*dtype) {
                    Value::Global(dtype) => torch_dtype(*dtype),
                    _ => None,
                }
                .ok_or_else(|| self.unknown_form(name))
                .map(Some)?
            }
            _ => return Err(self.unknown_form(name)),
        };
        let Value::Storage(storage) = self.value(storage) else {
            return Err(self.array_error("a tensor without a storage"));
        };
        let dtype = dtype.unwrap_or(storage.dtype);
        let offset = match self.value(offset) {
            Value::Int(offset) => usize::try_from(*offset).ok(),
            _ => None,
        };
        let offset = offset.ok_or_else(|| self.array_error("an invalid offset"))?;
        let (shape, strides) = (self.lens(shape)?, self.lens(strides)?);
        if !storage.is_known {
            // Placeholder until the second run, which knows the place.
            let mut array = Array::empty(dtype, vec![0]);
            array.is_tensor = true;
            return Ok(Value::Array(Arc::new(array)));
        }
        let view = View { dtype, shape, strides, offset };
        let most = FREE_REPEATED.saturating_add(self.file_len());
        match view.of(storage.span, most, self.limits) {
            Ok(array) => Ok(Value::Array(Arc::new(array))),
            Err(Misfit::Wrong(what)) => Err(self.array_error(what)),
            Err(Misfit::Limit(what, limit, found)) => {
                Err(PickleError::Limit { offset: self.at, what, limit, found })
            }
        }
    }
}

/// The elements of a storage that a tensor uses.
struct View {
    dtype: NumpyDtype,
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
}

impl View {
    fn of(self, storage: Span, most_bytes: u64, limits: &Limits) -> Result<Array, Misfit> {
        let View { dtype, shape, strides, offset } = self;
        if shape.len() != strides.len() {
            return Err(Misfit::Wrong(format!("shape {shape:?} with strides {strides:?}")));
        }
        let beyond = || {
            Misfit::Wrong(format!(
                "shape {shape:?} with strides {strides:?} from element {offset} on reaches beyond \
                 a storage of {} bytes",
                storage.len
            ))
        };
        let start = offset.checked_mul(dtype.item_size).ok_or_else(beyond)?;
        let reach = || -> Option<usize> {
            if shape.contains(&0) {
                return Some(0);
            }
            let steps = shape.iter().zip(&strides).try_fold(0_usize, |sum, (len, stride)| {
                sum.checked_add(len.checked_sub(1)?.checked_mul(*stride)?)
            })?;
            steps.checked_add(1)?.checked_mul(dtype.item_size)
        };
        let len = reach().ok_or_else(beyond)?;
        let end = start.checked_add(len).filter(|end| *end <= storage.len).ok_or_else(beyond)?;
        let start_of_span = storage.start.saturating_add(start.min(end));
        let span = Span { start: start_of_span, len, decoded: storage.decoded };
        let array = Array::strided(dtype, shape, strides, span, limits)?;
        let n_bytes = (array.n_elements as u64).saturating_mul(dtype.item_size as u64);
        // An expanded tensor repeats elements that the file has once.
        if n_bytes > (len as u64).max(most_bytes) {
            return Err(Misfit::Wrong(format!(
                "shape {:?} repeats {len} bytes to {n_bytes}; save it with `.contiguous()`",
                array.shape
            )));
        }
        Ok(array)
    }
}

/// Reads a `torch.save` file in the old format, whose pickles end within `header_bytes`.
///
/// # Errors
/// Same as [`machine::run`], and if the parts of the file contradict each other.
pub(super) fn old_file(
    file: &[u8],
    header_bytes: usize,
    limits: &Limits,
    is_nested: bool,
) -> Result<Parts, PickleError> {
    let damaged = |offset: usize, what: &str| PickleError::Damaged {
        offset: offset as u64,
        what: what.into(),
    };
    if !file.starts_with(MAGIC) {
        return Err(damaged(0, "bytes that `torch.save` did not write"));
    }
    let header = 0..header_bytes.min(file.len());
    let run = |start: usize, persistent| {
        machine::run(file, start..header.end, limits, persistent, is_nested, 0)
    };
    let version = run(MAGIC.len(), Persistent::Refused)?;
    if !matches!(version.root_value(), Some(Value::Int(VERSION))) {
        return Err(damaged(MAGIC.len(), "an unknown version of `torch.save`"));
    }
    let machine = run(version.end, Persistent::Refused)?;
    let is_little = match machine.root_value() {
        Some(Value::Dict(entries)) => entries.iter().any(|(key, value)| {
            machine.text(*key, file) == Some("little_endian")
                && matches!(machine.value(*value), Some(Value::Bool(true)))
        }),
        _ => false,
    };
    if !is_little {
        return Err(damaged(version.end, "numbers whose most significant byte comes first"));
    }
    let start = machine.end;
    let unplaced = run(start, Persistent::Unknown)?;
    let keys = run(unplaced.end, Persistent::Refused)?;
    let mut met: HashMap<&str, &Met> = HashMap::new();
    for storage in &unplaced.met {
        let first = met.entry(&storage.key).or_insert(storage);
        if (first.n_bytes, first.item_size) != (storage.n_bytes, storage.item_size) {
            return Err(damaged(start, "one storage of two sizes"));
        }
    }
    let key_ids = match keys.root_value() {
        Some(Value::List(ids)) => ids.as_slice(),
        _ => return Err(damaged(unplaced.end, "keys of storages that are not a list")),
    };
    let mut places = HashMap::new();
    let mut at = keys.end;
    for id in key_ids {
        let key = keys.text(*id, file).unwrap_or_default();
        let storage = met.get(key).copied();
        let storage = storage.ok_or_else(|| damaged(at, "a storage that nothing refers to"))?;
        let start = at.saturating_add(8);
        let stated = file.get(at..start).and_then(|bytes| bytes.try_into().ok());
        let stated = stated.map(u64::from_le_bytes).and_then(|n| usize::try_from(n).ok());
        let n_bytes = stated.and_then(|n| n.checked_mul(storage.item_size));
        let found = file.len().saturating_sub(start);
        match n_bytes {
            Some(n_bytes) if n_bytes == storage.n_bytes && n_bytes <= found => {
                places.insert(key.to_owned(), start..start.saturating_add(n_bytes));
                at = start.saturating_add(n_bytes);
            }
            Some(n_bytes) if n_bytes == storage.n_bytes => {
                return Err(PickleError::Truncated {
                    offset: at as u64,
                    opcode: "storage",
                    needed: n_bytes as u64,
                    found: found as u64,
                });
            }
            _ => return Err(damaged(at, "a storage whose size contradicts its tensors")),
        }
    }
    if let Some(missing) = unplaced.met.iter().find(|met| !places.contains_key(&met.key)) {
        return Err(damaged(at, &format!("the storage `{:.40}`, which is absent,", missing.key)));
    }
    let mut parts = run(start, Persistent::At(&places))?;
    parts.end = at;
    Ok(parts)
}

const fn dtype(kind: ScalarKind, item_size: usize) -> NumpyDtype {
    NumpyDtype { kind, item_size, big_endian: false }
}

/// Element type of a storage class.
fn storage_dtype(class: Callable) -> Option<NumpyDtype> {
    use Callable as Name;
    Some(match class {
        Name::DoubleStorage => dtype(ScalarKind::Float, 8),
        Name::FloatStorage => dtype(ScalarKind::Float, 4),
        Name::HalfStorage => dtype(ScalarKind::Float, 2),
        Name::BFloat16Storage => dtype(ScalarKind::BFloat, 2),
        Name::LongStorage => dtype(ScalarKind::Int, 8),
        Name::IntStorage => dtype(ScalarKind::Int, 4),
        Name::ShortStorage => dtype(ScalarKind::Int, 2),
        Name::CharStorage => dtype(ScalarKind::Int, 1),
        Name::ByteStorage | Name::UntypedStorage => dtype(ScalarKind::UInt, 1),
        Name::BoolStorage => dtype(ScalarKind::Bool, 1),
        _ => return None,
    })
}

/// The element types without a storage class.
fn torch_dtype(name: Callable) -> Option<NumpyDtype> {
    match name {
        Callable::TorchUInt16 => Some(dtype(ScalarKind::UInt, 2)),
        Callable::TorchUInt32 => Some(dtype(ScalarKind::UInt, 4)),
        Callable::TorchUInt64 => Some(dtype(ScalarKind::UInt, 8)),
        _ => None,
    }
}
