//! The values of one pickle and the file that contains them.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::error::PickleError;
use super::limits::Limits;
use super::number::Number;
use super::place::{NodeId, Span};
use super::raw::{self, RawText, of_bytes};
use super::storage::Persistent;
use super::value::{Class, Node, Value};
use super::{foreign, graph, machine, state, tensor};
use crate::map::Bytes;

/// Stands for the name of an unnamed file.
pub(super) const UNNAMED: &str = "FILE";

/// The values of one pickle and the file that contains them. This is a handle: clones share both, which
/// live as long as any clone.
#[derive(Clone)]
pub struct Pickle(Arc<PickleInner>);

/// State that a pickle's handles share.
struct PickleInner {
    source: Bytes,
    /// Bytes that the file holds only in encoded form.
    decoded: Vec<u8>,
    nodes: Vec<Node>,
    /// Types that values do not show, in ascending order of their ids.
    classes: Vec<(NodeId, Class)>,
    /// The value of each pickle in the file; nearly all files have one.
    roots: Vec<NodeId>,
    protocol: u8,
    n_memo: u64,
    n_trailing_bytes: usize,
}

/// Place of a pickle in a file that also contains its tensors' storages, as written by `torch.save`.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The pickle.
    pub pickle: Range<usize>,
    /// The storages by their keys.
    pub storages: HashMap<String, Range<usize>>,
}

/// Where a pickle begins in a file that may have several.
#[derive(Debug, Clone, Copy, Default)]
pub struct PickleStart {
    /// Byte offset.
    pub offset: usize,
    /// Memo entries of earlier pickles that one `Pickler` wrote, [`Pickle::n_memo`] of the last one:
    /// `MEMOIZE` counts on from there, and a reference to one of them is an error.
    pub n_memo: u64,
}

impl Pickle {
    /// Maps the file at `path` and reads its structure. Array elements are not touched.
    ///
    /// # Errors
    /// If the file cannot be mapped, is not a pickle, is truncated or damaged, exceeds a limit, or
    /// requests anything but plain values and NumPy arrays.
    pub fn open(path: &Path, limits: &Limits) -> Result<Pickle, PickleError> {
        let name = path.display().to_string();
        Pickle::new(Bytes::map(path).map_err(PickleError::Open)?, &name, None, limits)
    }

    /// Reads a pickle from memory.
    ///
    /// # Errors
    /// Same as [`Pickle::open`].
    pub fn from_bytes(bytes: Vec<u8>, limits: &Limits) -> Result<Pickle, PickleError> {
        Pickle::new(Bytes::Memory(bytes), UNNAMED, None, limits)
    }

    /// Reads a pickle that shares its bytes with its tensors' storages.
    ///
    /// # Errors
    /// Same as [`Pickle::open`].
    pub fn from_places(
        bytes: Vec<u8>,
        places: &Places,
        limits: &Limits,
    ) -> Result<Pickle, PickleError> {
        Pickle::new(Bytes::Memory(bytes), UNNAMED, Some(places), limits)
    }

    /// Reads the pickle that begins at `start` of an open file; others may precede and follow it.
    /// [`n_trailing_bytes`](Pickle::n_trailing_bytes) tells where it ends.
    ///
    /// # Errors
    /// Same as [`Pickle::open`].
    pub fn of_file(
        file: &File,
        start: PickleStart,
        limits: &Limits,
    ) -> Result<Pickle, PickleError> {
        Pickle::one(Bytes::of_file(file).map_err(PickleError::Open)?, start, limits)
    }

    /// Like [`Pickle::of_file`], of bytes that another object owns.
    ///
    /// # Errors
    /// Same as [`Pickle::open`].
    pub fn of_shared(
        bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
        start: PickleStart,
        limits: &Limits,
    ) -> Result<Pickle, PickleError> {
        Pickle::one(Bytes::Shared(bytes), start, limits)
    }

    fn one(source: Bytes, start: PickleStart, limits: &Limits) -> Result<Pickle, PickleError> {
        let PickleStart { offset, n_memo } = start;
        let n_bytes = source.bytes().len();
        if offset == 0
            && let Some(error) = foreign::detect(source.bytes(), UNNAMED)
        {
            return Err(error);
        }
        let whole = offset.min(n_bytes)..n_bytes;
        let run = machine::run(source.bytes(), whole, limits, Persistent::Refused, false, n_memo);
        Pickle::settled(source, UNNAMED, n_bytes, run, limits)
    }

    /// Reads the pickle in a file of this name: the whole file, or the given places.
    pub(crate) fn new(
        source: Bytes,
        name: &str,
        places: Option<&Places>,
        limits: &Limits,
    ) -> Result<Pickle, PickleError> {
        let file = source.bytes();
        let whole = match places {
            Some(places) => places.pickle.clone(),
            None => 0..file.len(),
        };
        if places.is_none()
            && let Some(error) = foreign::detect(file, name)
        {
            return Err(error);
        }
        let is_old_torch = places.is_none() && file.starts_with(tensor::MAGIC);
        let run = match (is_old_torch, places) {
            (true, _) => tensor::old_file(file, file.len(), limits, false),
            (false, Some(places)) => {
                let storages = Persistent::At(&places.storages);
                machine::run(file, whole.clone(), limits, storages, false, 0)
            }
            (false, None) => machine::run_all(file, limits),
        };
        // In an old `torch.save` file, tensor elements follow the pickles.
        let end = if is_old_torch { 0 } else { whole.end };
        Pickle::settled(source, name, end, run, limits)
    }

    /// The result of a run over a part of the source that ends at `whole_end`, after its checks.
    fn settled(
        source: Bytes,
        name: &str,
        whole_end: usize,
        run: Result<machine::Parts, PickleError>,
        limits: &Limits,
    ) -> Result<Pickle, PickleError> {
        let file = source.bytes();
        let mut parts = run.map_err(|error| foreign::explain(file, name, error))?;
        graph::settle(&mut parts, file, limits)?;
        let n_trailing_bytes = whole_end.saturating_sub(parts.end);
        let roots = [parts.root].into_iter().chain(parts.further).collect();
        Ok(Pickle(Arc::new(PickleInner {
            source,
            decoded: parts.decoded,
            nodes: parts.nodes,
            classes: parts.classes,
            roots,
            protocol: parts.protocol,
            n_memo: parts.n_memo,
            n_trailing_bytes,
        })))
    }

    /// The pickle's value; the first one if several pickles follow each other.
    pub fn root(&self) -> NodeId {
        self.0.roots.first().copied().unwrap_or(state::NONE)
    }

    /// The values of all pickles in the file, in order: `pickle.dump` can be called several times on
    /// one file, and `pickle.load` returns the first.
    pub fn roots(&self) -> &[NodeId] {
        &self.0.roots
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        self.0.source.bytes()
    }

    /// Number of values in the table.
    pub fn n_values(&self) -> usize {
        self.0.nodes.len()
    }

    /// Size of the file in bytes.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether the file is empty; always false for a pickle that was read.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// The protocol that the file states; 0 if it states none.
    pub fn protocol(&self) -> u8 {
        self.0.protocol
    }

    /// Memo entries, those of earlier pickles included; see [`PickleStart`].
    pub fn n_memo(&self) -> u64 {
        self.0.n_memo
    }

    /// Bytes after the last pickle, which Python ignores too.
    pub fn n_trailing_bytes(&self) -> usize {
        self.0.n_trailing_bytes
    }

    /// The value with this id; `None` for an id of another, larger pickle.
    fn node(&self, id: NodeId) -> Option<&Node> {
        self.0.nodes.get(id.index())
    }

    /// A value; `None` if the pickle has none with this id. An id belongs to the pickle that returned
    /// it: in another one it refers to nothing, or to an unrelated value.
    pub fn value(&self, id: NodeId) -> Option<&Value> {
        self.node(id).map(|node| &node.value)
    }

    /// The type of a value in Python, where several types have one form here.
    pub fn class(&self, id: NodeId) -> Option<Class> {
        let place = self.0.classes.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.0.classes.get(place).map(|(_, class)| *class)
    }

    /// Byte offset at which a value begins; `None` as for [`value`](Pickle::value).
    pub fn offset(&self, id: NodeId) -> Option<u64> {
        self.node(id).map(|node| node.offset)
    }

    /// The bytes of a range.
    pub fn span(&self, span: Span) -> &[u8] {
        span.get(self.bytes(), &self.0.decoded)
    }

    /// A `str` of Python 2 or 3, as text.
    pub fn str(&self, id: NodeId) -> Option<std::borrow::Cow<'_, str>> {
        match self.value(id) {
            Some(Value::Str(span)) => std::str::from_utf8(self.span(*span)).ok().map(Into::into),
            Some(Value::ByteStr(span)) => match self.span(*span) {
                bytes if bytes.is_ascii() => std::str::from_utf8(bytes).ok().map(Into::into),
                bytes => Some(raw::latin1(bytes).into()),
            },
            _ => None,
        }
    }

    /// A `str`, or `bytes` that are UTF-8.
    pub fn text(&self, id: NodeId) -> Option<String> {
        match self.value(id) {
            Some(Value::Bytes(span)) => std::str::from_utf8(self.span(*span)).ok().map(Into::into),
            _ => self.str(id).map(Into::into),
        }
    }

    /// A number or boolean.
    pub fn number(&self, id: NodeId) -> Option<Number> {
        match self.value(id) {
            Some(Value::Bool(value)) => Some(Number::Int((*value).into())),
            Some(Value::Int(value)) => Some(Number::Int((*value).into())),
            Some(Value::Float(value)) => Some(Number::Float(*value)),
            _ => None,
        }
    }

    /// The elements of a list or tuple.
    pub fn items(&self, id: NodeId) -> Option<&[NodeId]> {
        match self.value(id) {
            Some(Value::List(items) | Value::Tuple(items)) => Some(items),
            _ => None,
        }
    }

    /// The keys and values of a dict.
    pub fn entries(&self, id: NodeId) -> Option<&[(NodeId, NodeId)]> {
        match self.value(id) {
            Some(Value::Dict(entries)) => Some(entries),
            _ => None,
        }
    }

    /// The value of a dict at a text key, or at the same key as `bytes`, which
    /// `pickle.load(encoding="bytes")` makes of Python 2 keys.
    pub fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let entries = self.entries(id)?;
        let is_str = |(id, _): &&(NodeId, NodeId)| self.str(*id).is_some_and(|name| name == key);
        let is_bytes = |(id, _): &&(NodeId, NodeId)| match self.value(*id) {
            Some(Value::Bytes(span)) => self.span(*span) == key.as_bytes(),
            _ => false,
        };
        let found = entries.iter().find(is_str).or_else(|| entries.iter().find(is_bytes));
        found.map(|(_, value)| *value)
    }

    /// A text in the form that the file has.
    pub fn raw_text(&self, id: NodeId) -> Option<RawText<'_>> {
        Some(match self.value(id) {
            Some(Value::Str(span) | Value::HalfStr(span)) => of_bytes(self.span(*span).into()),
            Some(Value::ByteStr(span)) => RawText::ByteStr(self.span(*span)),
            Some(Value::Bytes(span)) => RawText::Bytes(self.span(*span)),
            _ => return None,
        })
    }
}
