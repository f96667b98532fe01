//! `almt_data.pickle`: Python objects of a pickle that the project's own machine has read.
//!
//! Nothing here imports or calls what a file names. The types that are created are those below.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::ops::Range;
use std::os::fd::{FromRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use almt_data::cli::opening;
use almt_data::packed::{OpenError, OpenOptions, PickleFile};
use almt_data::pickle::limits::FREE_MEMORY;
use almt_data::pickle::{
    ArrayView, Callable, Class, NodeId, NumpyDtype, Pickle, PickleStart, ScalarKind, Value,
};
use pyo3::exceptions::{PyEOFError, PyOSError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{
    PyByteArray, PyBytes, PyDict, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
};

use crate::calls::of_failure;
use crate::errors::{self, UnpicklingError, UnsafePickleError};
use crate::fault;
use crate::memory::{Block, Layout, PrivateMap, type_code};

/// Source of a pickle.
#[derive(FromPyObject)]
pub enum Source {
    /// A file descriptor, which stays open.
    Descriptor(RawFd),
    /// The pickle itself.
    Bytes(PyBackedBytes),
    /// A path.
    Path(PathBuf),
}

/// A value, the offset after it, the memo entries so far, and a dict about each array.
type Loaded<'py> = (Bound<'py, PyAny>, usize, u64, Bound<'py, PyList>);

/// Reads one pickle. `start` is its offset and the number of memo entries before it; `limits` are options of
/// the program.
#[pyfunction]
#[pyo3(signature = (source, start, mmap, encoding, errors, limits))]
pub fn load_pickle<'py>(
    py: Python<'py>,
    source: Source,
    start: (usize, u64),
    mmap: bool,
    encoding: &str,
    errors: &str,
    limits: Vec<OsString>,
) -> PyResult<Loaded<'py>> {
    fault::install(py)?;
    let n_cuts = fault::n_cuts();
    let options = opening(limits).map_err(|failure| of_failure(&failure))?;
    let most_copied = options.limits.memory_per_byte;
    let start = PickleStart { offset: start.0, n_memo: start.1 };
    let loaded = Opened::new(py, source, start, mmap, options).and_then(|opened| {
        let pickle = opened.pickle.clone();
        let mut builder = Builder::new(py, opened, encoding, errors, most_copied)?;
        let value = builder.object(pickle.root())?;
        let end = pickle.len() - pickle.n_trailing_bytes();
        Ok((value, end, pickle.n_memo(), builder.info))
    });
    // Whatever was read then, zeros were among it.
    if fault::n_cuts() != n_cuts { Err(fault::changed()) } else { loaded }
}

/// A pickle, and the map that its arrays can lie in.
struct Opened {
    pickle: Pickle,
    map: Option<Arc<PrivateMap>>,
    /// Why no array lies in the file.
    reason: &'static str,
}

impl Opened {
    fn new(
        py: Python<'_>,
        source: Source,
        start: PickleStart,
        mmap: bool,
        options: OpenOptions,
    ) -> PyResult<Opened> {
        match source {
            Source::Bytes(bytes) => {
                let read = || Pickle::of_shared(Arc::new(bytes), start, &options.limits);
                let pickle = py.detach(read).map_err(|error| errors::of_pickle(&error))?;
                Ok(Opened { pickle, map: None, reason: "read from memory" })
            }
            Source::Descriptor(descriptor) => {
                let file = Borrowed::new(descriptor);
                Opened::of_file(py, &file.0, start, mmap, &options)
            }
            Source::Path(path) => {
                let file = File::open(&path).map_err(|error| of_path(error, &path))?;
                if file.metadata()?.is_dir() {
                    return Err(of_path(std::io::Error::from_raw_os_error(libc::EISDIR), &path));
                }
                match Opened::of_file(py, &file, start, mmap, &options) {
                    Err(error) if error.is_instance_of::<UnpicklingError>(py) => {
                        Opened::packed(py, &path, error, &options)
                    }
                    opened => opened,
                }
            }
        }
    }

    fn of_file(
        py: Python<'_>,
        file: &File,
        start: PickleStart,
        mmap: bool,
        options: &OpenOptions,
    ) -> PyResult<Opened> {
        let n_bytes = file.metadata()?.len();
        if start.offset as u64 >= n_bytes {
            return Err(PyEOFError::new_err("Ran out of input"));
        }
        let map = match mmap {
            true => PrivateMap::new(file).ok().map(Arc::new),
            false => None,
        };
        let pickle = py.detach(|| Pickle::of_file(file, start, &options.limits));
        let pickle = pickle.map_err(|error| errors::of_pickle(&error))?;
        // Another program may have changed the file since it was mapped.
        let map = map.filter(|map| map.len() == pickle.len());
        let reason = if mmap { "the file cannot be mapped" } else { "not asked for" };
        Ok(Opened { pickle, map, reason })
    }

    /// The pickle within a compressed file or an archive, if there is one; the error of reading the file
    /// as it is otherwise.
    fn packed(
        py: Python<'_>,
        path: &Path,
        error: PyErr,
        options: &OpenOptions,
    ) -> PyResult<Opened> {
        match py.detach(|| PickleFile::open(path, options, &())) {
            Ok(PickleFile { pickle, .. }) => {
                Ok(Opened { pickle, map: None, reason: "the file is packed" })
            }
            Err(OpenError::Entry { cause, .. }) => Err(errors::of_pickle(&cause)),
            Err(_) => Err(error),
        }
    }
}

fn of_path(error: std::io::Error, path: &Path) -> PyErr {
    match error.raw_os_error() {
        Some(code) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default().to_owned();
            PyOSError::new_err((code, text, path.as_os_str().to_owned()))
        }
        None => error.into(),
    }
}

/// A file of Python's, which is not closed.
struct Borrowed(std::mem::ManuallyDrop<File>);

impl Borrowed {
    #[allow(unsafe_code, reason = "a descriptor of Python's is only a number")]
    fn new(descriptor: RawFd) -> Borrowed {
        // SAFETY: the file is never closed here. If the descriptor is not open, every call fails.
        Borrowed(std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) }))
    }
}

/// Creates the objects of a pickle.
struct Builder<'py> {
    py: Python<'py>,
    pickle: Pickle,
    map: Option<Arc<PrivateMap>>,
    reason: &'static str,
    encoding: String,
    errors: String,
    /// Objects by their ids, since a pickle may refer to one several times.
    made: Vec<Option<Bound<'py, PyAny>>>,
    /// Places of arrays in the file: a second array there has a copy, as if it had been read.
    taken: HashSet<usize>,
    /// Bytes of the pickle copied into objects, and how many there may be. A pickle can name the same bytes
    /// any number of times.
    n_copied: u64,
    most_copied: u64,
    info: Bound<'py, PyList>,
    numpy: Bound<'py, PyModule>,
}

impl<'py> Builder<'py> {
    fn new(
        py: Python<'py>,
        opened: Opened,
        encoding: &str,
        errors: &str,
        most_copied_per_byte: u64,
    ) -> PyResult<Self> {
        let Opened { pickle, map, reason } = opened;
        let n_bytes = pickle.len() as u64;
        let made = std::iter::repeat_with(|| None).take(pickle.n_values()).collect();
        Ok(Builder {
            py,
            pickle,
            map,
            reason,
            encoding: encoding.into(),
            errors: errors.into(),
            made,
            taken: HashSet::new(),
            n_copied: 0,
            most_copied: n_bytes.saturating_mul(most_copied_per_byte).saturating_add(FREE_MEMORY),
            info: PyList::empty(py),
            numpy: py.import("numpy")?,
        })
    }

    /// The object of a value. Values are nested to a small depth, as the machine has checked.
    fn object(&mut self, id: NodeId) -> PyResult<Bound<'py, PyAny>> {
        if let Some(Some(object)) = self.made.get(id.index()) {
            return Ok(object.clone());
        }
        let pickle = self.pickle.clone();
        let class = pickle.class(id);
        let Some(value) = pickle.value(id) else { return Err(self.refused(id, "no value")) };
        // Objects without an identity of their own, of which a file may have millions.
        if class.is_none() {
            match value {
                Value::None => return Ok(self.py.None().into_bound(self.py)),
                Value::Bool(value) => {
                    return Ok(value.into_pyobject(self.py)?.to_owned().into_any());
                }
                Value::Int(value) => return Ok(value.into_pyobject(self.py)?.into_any()),
                Value::Float(value) => return Ok(value.into_pyobject(self.py)?.into_any()),
                _ => {}
            }
        }
        let object = match (value, class) {
            (_, Some(Class::Scalar(kind, size))) => self.scalar(id, kind, size)?,
            (Value::Dict(entries), class) => self.dict(entries, class)?,
            (Value::Bytes(span), Some(_)) => {
                let bytes = pickle.span(*span);
                self.copy(id, bytes.len())?;
                PyByteArray::new(self.py, bytes).into_any()
            }
            (Value::List(items), _) => PyList::new(self.py, self.objects(items)?)?.into_any(),
            (Value::Tuple(items), _) => PyTuple::new(self.py, self.objects(items)?)?.into_any(),
            (Value::Set(items), _) => {
                let set = PySet::new(self.py, self.objects(items)?);
                set.map_err(|error| self.unhashable(id, error))?.into_any()
            }
            (Value::FrozenSet(items), _) => {
                let set = PyFrozenSet::new(self.py, self.objects(items)?);
                set.map_err(|error| self.unhashable(id, error))?.into_any()
            }
            (Value::Array(_), _) => self.array(id)?,
            (Value::Dtype(dtype), _) => self.numpy.call_method1("dtype", (type_code(*dtype),))?,
            (Value::Storage(_), _) => {
                return Err(self.refused(id, "the elements of a tensor without the tensor"));
            }
            (Value::Global(name), _) => {
                return Err(self.refused(id, &format!("`{}` as a value", name.name())));
            }
            _ => self.plain(id)?,
        };
        if let Some(place) = self.made.get_mut(id.index()) {
            *place = Some(object.clone());
        }
        Ok(object)
    }

    fn objects(&mut self, ids: &[NodeId]) -> PyResult<Vec<Bound<'py, PyAny>>> {
        ids.iter().map(|id| self.object(*id)).collect()
    }

    /// Texts, bytes and numbers as Python's own types.
    fn plain(&self, id: NodeId) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match self.pickle.value(id) {
            Some(Value::Bool(value)) => value.into_pyobject(py)?.to_owned().into_any(),
            Some(Value::Int(value)) => value.into_pyobject(py)?.into_any(),
            Some(Value::Float(value)) => value.into_pyobject(py)?.into_any(),
            Some(Value::BigInt(span)) => {
                let arguments = (PyBytes::new(py, self.pickle.span(*span)), "little");
                let keywords = PyDict::new(py);
                keywords.set_item("signed", true)?;
                py.get_type::<PyInt>().call_method("from_bytes", arguments, Some(&keywords))?
            }
            Some(Value::Str(span)) => PyString::from_bytes(py, self.pickle.span(*span))?.into_any(),
            Some(Value::HalfStr(span)) => PyBytes::new(py, self.pickle.span(*span))
                .call_method1("decode", ("utf-8", "surrogatepass"))?,
            Some(Value::ByteStr(span)) => {
                let bytes = PyBytes::new(py, self.pickle.span(*span));
                match &*self.encoding {
                    "bytes" => bytes.into_any(),
                    encoding => bytes.call_method1("decode", (encoding, &*self.errors))?,
                }
            }
            Some(Value::Bytes(span)) => PyBytes::new(py, self.pickle.span(*span)).into_any(),
            _ => return Err(self.refused(id, "a value of another kind")),
        })
    }

    fn scalar(&self, id: NodeId, kind: ScalarKind, size: u8) -> PyResult<Bound<'py, PyAny>> {
        let value = self.plain(id)?;
        match kind {
            ScalarKind::Unicode => self.numpy.call_method1("str_", (value,)),
            // As in an array, padding is no part of the value.
            ScalarKind::Bytes => {
                let value = value.call_method1("rstrip", (PyBytes::new(self.py, b"\0"),))?;
                self.numpy.call_method1("bytes_", (value,))
            }
            _ => {
                let item_size = size.into();
                let code = type_code(NumpyDtype { kind, item_size, big_endian: false });
                let dtype = self.numpy.call_method1("dtype", (code,))?;
                dtype.getattr("type")?.call1((value,))
            }
        }
    }

    fn dict(
        &mut self,
        entries: &[(NodeId, NodeId)],
        class: Option<Class>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let collections = || py.import("collections");
        let dict = match class {
            Some(Class::OrderedDict) => collections()?.call_method0("OrderedDict")?,
            Some(Class::Counter) => collections()?.call_method0("Counter")?,
            Some(Class::DefaultDict(None)) => collections()?.call_method0("defaultdict")?,
            Some(Class::DefaultDict(Some(factory))) => {
                let factory = self.factory(factory)?;
                collections()?.call_method1("defaultdict", (factory,))?
            }
            _ => {
                let dict = PyDict::new(py);
                for (key, value) in entries {
                    let key_object = self.object(*key)?;
                    let set = dict.set_item(key_object, self.object(*value)?);
                    set.map_err(|error| self.unhashable(*key, error))?;
                }
                return Ok(dict.into_any());
            }
        };
        for (key, value) in entries {
            let key_object = self.object(*key)?;
            let set = dict.set_item(key_object, self.object(*value)?);
            set.map_err(|error| self.unhashable(*key, error))?;
        }
        Ok(dict)
    }

    /// The type that fills in missing values of a `defaultdict`.
    fn factory(&self, name: Callable) -> PyResult<Bound<'py, PyAny>> {
        let module = match name {
            Callable::OrderedDict | Callable::Counter => "collections",
            _ => "builtins",
        };
        self.py.import(module)?.getattr(name.name())
    }

    fn array(&mut self, id: NodeId) -> PyResult<Bound<'py, PyAny>> {
        let pickle = self.pickle.clone();
        let Some(view) = pickle.array(id) else { return Err(self.refused(id, "no array")) };
        if let Some(objects) = view.objects() {
            return self.object_array(&view, objects);
        }
        let dtype = view.dtype();
        let is_c_order = is_c_order(view.shape(), view.strides());
        let strides = || view.strides().iter().map(|stride| stride * dtype.item_size).collect();
        let layout = Layout {
            shape: view.shape().to_vec(),
            strides: (!is_c_order && !view.is_empty()).then(strides),
            type_code: type_code(dtype),
        };
        let (block, reason) = match self.place(&view) {
            Ok((map, range)) => (Block::mapped(&map, range, layout), None),
            Err(reason) => {
                self.copy(id, view.bytes().len())?;
                (Block::copied(view.bytes(), layout)?, Some(reason))
            }
        };
        let mut array = self.numpy.call_method1("asarray", (block,))?;
        let loaded = view.loaded_dtype();
        if loaded != dtype {
            array = array.call_method1("astype", (type_code(loaded),))?;
        }
        self.record(&view, pickle.offset(id).unwrap_or(0), reason)?;
        match view.is_tensor() {
            true => self.tensor(id, array, dtype),
            false => Ok(array),
        }
    }

    /// Counts bytes that an object gets a copy of.
    fn copy(&mut self, id: NodeId, n_bytes: usize) -> PyResult<()> {
        self.n_copied = self.n_copied.saturating_add(n_bytes as u64);
        if self.n_copied <= self.most_copied {
            return Ok(());
        }
        let offset = self.pickle.offset(id).unwrap_or(0);
        Err(UnpicklingError::new_err(format!(
            "too many bytes of memory at byte {offset}: copies of {} bytes, the limit is {}\n  \
             hint: if you trust the file, `max_memory_per_byte` raises it",
            self.n_copied, self.most_copied
        )))
    }

    /// Where an array lies in the map, or why it does not.
    fn place(
        &mut self,
        view: &ArrayView<'_>,
    ) -> Result<(Arc<PrivateMap>, Range<usize>), &'static str> {
        let map = self.map.clone().ok_or(self.reason)?;
        if view.is_empty() {
            return Err("empty");
        }
        if view.loaded_dtype() != view.dtype() {
            return Err("in the other byte order");
        }
        let range = view.file_range().ok_or("the file has its elements in encoded form")?;
        if !view.is_tensor() && !self.taken.insert(range.start) {
            return Err("another array has the same elements");
        }
        // NumPy reads numbers at any address, but a text only at multiples of four.
        if view.dtype().kind == ScalarKind::Unicode && !map.is_aligned(range.start, 4) {
            return Err("not aligned in the file");
        }
        Ok((map, range))
    }

    fn record(
        &self,
        view: &ArrayView<'_>,
        offset: u64,
        reason: Option<&'static str>,
    ) -> PyResult<()> {
        let entry = PyDict::new(self.py);
        entry.set_item("shape", PyTuple::new(self.py, view.shape())?)?;
        entry.set_item("dtype", view.dtype().to_string())?;
        entry.set_item("n_bytes", view.n_bytes())?;
        entry.set_item("offset", offset)?;
        entry.set_item("mapped", reason.is_none())?;
        entry.set_item("reason", reason)?;
        self.info.append(entry)
    }

    fn object_array(
        &mut self,
        view: &ArrayView<'_>,
        objects: &[NodeId],
    ) -> PyResult<Bound<'py, PyAny>> {
        let objects = PyList::new(self.py, self.objects(objects)?)?;
        let shape = PyTuple::new(self.py, view.shape())?;
        let dtype = self.numpy.call_method1("dtype", ("O",))?;
        let array = self.numpy.call_method1("empty", (0, &dtype))?;
        array.call_method1("__setstate__", ((1, shape, dtype, view.is_fortran(), objects),))?;
        Ok(array)
    }

    /// A tensor of PyTorch's, if that is installed.
    fn tensor(
        &self,
        id: NodeId,
        array: Bound<'py, PyAny>,
        dtype: NumpyDtype,
    ) -> PyResult<Bound<'py, PyAny>> {
        let torch = self.py.import("torch").map_err(|_| {
            let offset = self.pickle.offset(id).unwrap_or(0);
            let text = format!("the tensor at byte {offset} needs PyTorch, which is not installed");
            UnpicklingError::new_err(text)
        })?;
        if dtype.kind != ScalarKind::BFloat {
            return torch.call_method1("from_numpy", (array,));
        }
        let bits = torch.call_method1("from_numpy", (array.call_method1("view", ("<i2",))?,))?;
        bits.call_method1("view", (torch.getattr("bfloat16")?,))
    }

    /// The exception for a key without a hash, as which Python raises a `TypeError`.
    fn unhashable(&self, id: NodeId, error: PyErr) -> PyErr {
        let offset = self.pickle.offset(id).unwrap_or(0);
        let text = format!("{} at byte {offset}", error.value(self.py));
        UnpicklingError::new_err(text)
    }

    fn refused(&self, id: NodeId, what: &str) -> PyErr {
        let offset = self.pickle.offset(id).unwrap_or(0);
        UnsafePickleError::new_err((
            format!("refused {what} at byte {offset}"),
            None::<String>,
            offset,
        ))
    }
}

fn is_c_order(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(len, stride)| {
        let is_expected = *len <= 1 || *stride == expected;
        expected *= len;
        is_expected
    })
}
