//! Memory that NumPy arrays lie in: a private map of a file, or memory of their own.
//!
//! An array keeps its [`Block`] alive, and a block its map. The map is private: what Python writes into an
//! array stays in this process, and the file never changes.

#![allow(unsafe_code)]

use std::collections::TryReserveError;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use almt_data::pickle::{NumpyDtype, ScalarKind};
use arrow_buffer::Buffer;
use memmap2::MmapOptions;
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::fault::Guard;

/// A file, mapped privately.
pub struct PrivateMap {
    // Dropped first: the addresses may belong to another map as soon as this one is gone.
    _guard: Guard,
    map: memmap2::MmapMut,
    start: *mut u8,
}

// SAFETY: the memory behind `start` belongs to `map`, which is sent along. It is only read and written
// through raw pointers, by NumPy and below, never borrowed.
unsafe impl Send for PrivateMap {}
// SAFETY: as above; concurrent accesses by Python's threads are those of any NumPy array.
unsafe impl Sync for PrivateMap {}

impl PrivateMap {
    /// Maps a whole file.
    ///
    /// # Errors
    /// The file is empty or cannot be mapped, or too many files are.
    pub fn new(file: &File) -> io::Result<PrivateMap> {
        // SAFETY: the bytes are never borrowed as a slice, so that a change of the file by another process
        // is one of memory that nobody takes for constant. A shortened file is `Guard`'s matter.
        let mut map = unsafe { MmapOptions::new().no_reserve_swap().map_copy(file)? };
        let (start, len) = (map.as_mut_ptr(), map.len());
        let guard = Guard::new(start, len).ok_or_else(|| io::Error::other("too many maps"))?;
        Ok(PrivateMap { _guard: guard, map, start })
    }

    /// Bytes of the file when it was mapped.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether a place has the alignment that `dtype` asks for.
    pub fn is_aligned(&self, offset: usize, alignment: usize) -> bool {
        (self.start as usize + offset).is_multiple_of(alignment.max(1))
    }
}

/// The exception for memory that the system denies.
pub fn no_memory(error: TryReserveError) -> PyErr {
    PyMemoryError::new_err(error.to_string())
}

/// Memory of an array.
enum Home {
    Map(Arc<PrivateMap>),
    /// Elements of 16 bytes, so that every type is aligned.
    Own(Vec<u128>),
}

/// Memory of a NumPy array, which `numpy.asarray` uses without a copy.
#[pyclass(frozen, module = "almt_data._native")]
pub struct Block {
    home: Home,
    range: Range<usize>,
    shape: Vec<usize>,
    /// In bytes; `None` in C order.
    strides: Option<Vec<usize>>,
    type_code: String,
}

impl Block {
    /// A block at a range of a map, which must be within it.
    ///
    /// # Panics
    /// The range is outside the map, which is a caller's error.
    pub fn mapped(map: &Arc<PrivateMap>, range: Range<usize>, layout: Layout) -> Block {
        assert!(range.start <= range.end && range.end <= map.len(), "a range within the map");
        let Layout { shape, strides, type_code } = layout;
        Block { home: Home::Map(Arc::clone(map)), range, shape, strides, type_code }
    }

    /// A block with a copy of bytes.
    ///
    /// # Errors
    /// `MemoryError`: there is not enough.
    pub fn copied(bytes: &[u8], layout: Layout) -> PyResult<Block> {
        let n_elements = bytes.len().div_ceil(size_of::<u128>());
        let mut own = Vec::new();
        own.try_reserve_exact(n_elements).map_err(no_memory)?;
        own.resize(n_elements, 0_u128);
        // SAFETY: `own` has at least as many bytes, and no byte pattern is invalid.
        unsafe {
            own.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        let Layout { shape, strides, type_code } = layout;
        Ok(Block { home: Home::Own(own), range: 0..bytes.len(), shape, strides, type_code })
    }

    /// Appends the bytes of a range of the block.
    ///
    /// # Panics
    /// The range is outside the block, which is a caller's error.
    pub fn append_to(&self, range: Range<usize>, out: &mut Vec<u8>) {
        assert!(range.start <= range.end && range.end <= self.range.len(), "a range of the block");
        let n_bytes = range.len();
        out.reserve(n_bytes);
        // SAFETY: the source is within the block, the target within the reserved capacity, and they do not
        // overlap; every byte up to the new length is initialised.
        unsafe {
            let target = out.as_mut_ptr().add(out.len());
            target.copy_from_nonoverlapping(self.start().add(range.start), n_bytes);
            out.set_len(out.len() + n_bytes);
        }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    fn start(&self) -> *const u8 {
        let start = match &self.home {
            Home::Map(map) => map.start.cast_const(),
            Home::Own(own) => own.as_ptr().cast(),
        };
        // SAFETY: the range is within the memory, as checked when the block was made.
        unsafe { start.add(self.range.start) }
    }
}

/// The memory of a block, for Arrow; it keeps the block alive.
pub fn buffer(py: Python<'_>, block: &Py<Block>) -> Buffer {
    let inner = block.get();
    match NonNull::new(inner.start().cast_mut()) {
        // SAFETY: the memory has that length, and lives as long as its block.
        Some(start) if inner.len() > 0 => unsafe {
            Buffer::from_custom_allocation(start, inner.len(), Arc::new(block.clone_ref(py)))
        },
        _ => Buffer::from_vec(Vec::<u8>::new()),
    }
}

/// Shape and type of a block.
pub struct Layout {
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// Distances between neighbours on each axis, in bytes; `None` in C order.
    pub strides: Option<Vec<usize>>,
    /// NumPy's code of the type, such as `<f4`.
    pub type_code: String,
}

/// NumPy's code of a type, such as `<f4`.
pub fn type_code(dtype: NumpyDtype) -> String {
    let (letter, size) = match dtype.kind {
        ScalarKind::Bool => ('b', dtype.item_size),
        ScalarKind::Int => ('i', dtype.item_size),
        ScalarKind::UInt => ('u', dtype.item_size),
        ScalarKind::Float => ('f', dtype.item_size),
        // NumPy does not have it: its bits.
        ScalarKind::BFloat => ('u', dtype.item_size),
        ScalarKind::Bytes => ('S', dtype.item_size),
        ScalarKind::Unicode => ('U', dtype.item_size / 4),
        ScalarKind::Object => ('O', dtype.item_size),
    };
    let order = match dtype.kind {
        ScalarKind::Bool | ScalarKind::Bytes | ScalarKind::Object => '|',
        _ if dtype.item_size == 1 => '|',
        _ if dtype.big_endian => '>',
        _ => '<',
    };
    format!("{order}{letter}{size}")
}

#[pymethods]
impl Block {
    /// Whether the memory is that of a mapped file.
    #[getter]
    fn is_mapped(&self) -> bool {
        matches!(self.home, Home::Map(_))
    }

    /// NumPy's array interface, version 3.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("shape", PyTuple::new(py, &self.shape)?)?;
        interface.set_item("typestr", &self.type_code)?;
        interface.set_item("data", (self.start() as usize, false))?;
        if let Some(strides) = &self.strides {
            interface.set_item("strides", PyTuple::new(py, strides)?)?;
        }
        Ok(interface)
    }
}
