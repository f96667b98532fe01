//! Stores, whose columns are NumPy arrays and Arrow tables without a copy.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use almt_data::corpus::SplitName;
use almt_data::corpus::column::{self, ColumnId, Dtype};
use almt_data::store::{self, Element};
use half::f16;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCapsule, PyTuple};

use crate::errors::of_store;
use crate::fault;
use crate::memory::{Block, Layout, PrivateMap};
use crate::table;

/// An open store.
#[pyclass(frozen, module = "almt_data._native")]
pub struct Store {
    store: store::Store,
    /// Its files, mapped when the first of their columns is asked for.
    maps: Mutex<HashMap<PathBuf, Option<Arc<PrivateMap>>>>,
}

#[pymethods]
impl Store {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Store> {
        fault::install(py)?;
        let store = py.detach(|| store::Store::open(&path)).map_err(|error| of_store(&error))?;
        Ok(Store { store, maps: Mutex::default() })
    }

    /// The file or folder.
    #[getter]
    fn path(&self) -> PathBuf {
        self.store.path().into()
    }

    /// `hdf5` or `arrow`.
    #[getter]
    fn format(&self) -> String {
        self.store.format().to_string()
    }

    /// Size in bytes.
    #[getter]
    fn n_bytes(&self) -> u64 {
        self.store.size()
    }

    /// Digest of the content, which is the same in every form.
    #[getter]
    fn digest(&self) -> &str {
        &self.store.manifest().digest
    }

    /// The manifest as JSON.
    #[getter]
    fn manifest(&self) -> PyResult<String> {
        serde_json::to_string(self.store.manifest())
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Names of the splits.
    #[getter]
    fn splits(&self) -> Vec<&str> {
        self.store.manifest().splits.iter().map(|split| split.name.name()).collect()
    }

    /// Names of a split's columns.
    fn columns(&self, split: &str) -> PyResult<Vec<String>> {
        let split = self.split(split)?;
        let columns = self.store.manifest().columns_of(split);
        Ok(columns.map(|column| column.name().to_owned()).collect())
    }

    /// A numeric column.
    fn column(&self, split: &str, name: &str) -> PyResult<Column> {
        let column = self.find(split, name)?;
        if column.dtype == Dtype::String {
            return Err(PyKeyError::new_err(format!("`{name}` is a text column")));
        }
        Ok(self.open(column))
    }

    /// The texts of a column.
    fn texts(&self, py: Python<'_>, split: &str, name: &str) -> PyResult<Vec<String>> {
        let column = self.find(split, name)?;
        if column.dtype != Dtype::String {
            return Err(PyKeyError::new_err(format!("`{name}` is a numeric column")));
        }
        let texts = py.detach(|| self.store.strings(&column.id));
        Ok(texts.map_err(|error| of_store(&error))?.unwrap_or_default())
    }

    /// An Arrow stream of a split, of all columns or of the named ones.
    #[pyo3(signature = (split, columns = None))]
    fn stream<'py>(
        &self,
        py: Python<'py>,
        split: &str,
        columns: Option<Vec<String>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let names = match columns {
            Some(names) => names,
            None => self.columns(split)?,
        };
        let parts = names.iter().map(|name| {
            let column = self.find(split, name)?;
            Ok(match column.dtype {
                Dtype::String => table::Part::Texts(column.clone(), self.texts(py, split, name)?),
                _ => table::Part::Numbers(self.open(column).parts(py)?),
            })
        });
        table::stream(py, parts.collect::<PyResult<_>>()?)
    }
}

impl Store {
    fn split(&self, name: &str) -> PyResult<SplitName> {
        let split: Option<SplitName> = name.parse().ok();
        split
            .filter(|split| self.store.manifest().split(*split).is_some())
            .ok_or_else(|| PyKeyError::new_err(format!("the store has no split `{name}`")))
    }

    fn find(&self, split: &str, name: &str) -> PyResult<&column::Column> {
        let split = self.split(split)?;
        let Ok(kind) = name.parse();
        let id = ColumnId { split, kind };
        self.store
            .manifest()
            .column(&id)
            .ok_or_else(|| PyKeyError::new_err(format!("{split} has no column `{name}`")))
    }

    fn open(&self, column: &column::Column) -> Column {
        let place = self.store.places(column).and_then(|places| {
            let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
            let map = maps.entry(places.file).or_insert_with_key(|path| {
                let file = File::open(path).ok()?;
                PrivateMap::new(&file).ok().map(Arc::new)
            });
            let map = map.clone()?;
            let is_within = places.ranges.iter().all(|range| range.end <= map.len());
            let is_aligned = places
                .ranges
                .iter()
                .all(|range| map.is_aligned(range.start, column.dtype.n_bytes()));
            (is_within && is_aligned).then_some((map, places.ranges))
        });
        Column {
            store: self.store.clone(),
            column: column.clone(),
            place,
            chunks: PyOnceLock::new(),
        }
    }
}

/// A numeric column of a split.
#[pyclass(frozen, module = "almt_data._native")]
pub struct Column {
    store: store::Store,
    column: column::Column,
    /// The map that has its values, and where; `None` if they have to be read.
    place: Option<(Arc<PrivateMap>, Vec<std::ops::Range<usize>>)>,
    chunks: PyOnceLock<Vec<Py<Block>>>,
}

#[pymethods]
impl Column {
    /// Name of the split.
    #[getter]
    fn split(&self) -> &str {
        self.column.id.split.name()
    }

    /// Name of the column.
    #[getter]
    fn name(&self) -> &str {
        self.column.name()
    }

    /// Lengths of the axes, that of samples first.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.column.shape)
    }

    /// NumPy's code of the type, such as `<f4`.
    #[getter]
    fn dtype(&self) -> &'static str {
        match self.column.dtype {
            Dtype::Float32 => "<f4",
            Dtype::Float16 => "<f2",
            Dtype::Int32 => "<i4",
            Dtype::Int8 => "|i1",
            Dtype::String => "|O",
        }
    }

    /// Whether its values lie in the store's file.
    #[getter]
    fn is_mapped(&self) -> bool {
        self.place.is_some()
    }

    /// Its memory, in order along the axis of samples.
    #[getter]
    fn chunks(&self, py: Python<'_>) -> PyResult<Vec<Py<Block>>> {
        let chunks = self.blocks(py)?;
        Ok(chunks.iter().map(|chunk| chunk.clone_ref(py)).collect())
    }

    /// Copies the samples with the given indices, the bytes of int64 values.
    fn read(&self, py: Python<'_>, rows: &[u8]) -> PyResult<Block> {
        let (rows, rest) = rows.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(PyValueError::new_err("the bytes are not int64 values"));
        }
        let chunks = self.blocks(py)?;
        let row_bytes = self.row_bytes()?;
        let mut bytes = Vec::with_capacity(rows.len() * row_bytes);
        for row in rows {
            let row = i64::from_ne_bytes(*row);
            let absent = || {
                let n_samples = self.column.n_samples();
                PyIndexError::new_err(format!("sample {row} of {n_samples}"))
            };
            let mut at = usize::try_from(row).ok().and_then(|row| row.checked_mul(row_bytes));
            let n_samples = self.column.n_samples();
            at = at.filter(|_| usize::try_from(row).is_ok_and(|row| row < n_samples));
            let mut at = at.ok_or_else(absent)?;
            for chunk in chunks {
                let chunk = chunk.get();
                if at < chunk.len() || row_bytes == 0 {
                    chunk.append_to(at..at + row_bytes, &mut bytes);
                    break;
                }
                at -= chunk.len();
            }
        }
        Block::copied(&bytes, self.layout(rows.len()))
    }

    /// An Arrow stream of the column.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A consumer may ask for another schema, and a producer may ignore it.
        drop(requested_schema);
        table::stream(py, vec![table::Part::Numbers(self.parts(py)?)])
    }
}

impl Column {
    fn row_bytes(&self) -> PyResult<usize> {
        let n_values = self.column.sample_len();
        n_values
            .and_then(|n_values| n_values.checked_mul(self.column.dtype.n_bytes()))
            .ok_or_else(|| PyValueError::new_err("a sample is too large"))
    }

    fn layout(&self, n_samples: usize) -> Layout {
        let shape = [n_samples].iter().chain(self.column.sample_shape()).copied().collect();
        Layout { shape, strides: None, type_code: self.dtype().into() }
    }

    fn blocks<'a>(&'a self, py: Python<'_>) -> PyResult<&'a Vec<Py<Block>>> {
        self.chunks.get_or_try_init(py, || {
            let blocks = match &self.place {
                Some((map, ranges)) => {
                    let row_bytes = self.row_bytes()?.max(1);
                    let block = |range: &std::ops::Range<usize>| {
                        Block::mapped(map, range.clone(), self.layout(range.len() / row_bytes))
                    };
                    ranges.iter().map(block).collect()
                }
                None => {
                    let bytes = py.detach(|| self.values()).map_err(|error| of_store(&error))?;
                    vec![Block::copied(&bytes, self.layout(self.column.n_samples()))?]
                }
            };
            blocks.into_iter().map(|block: Block| Py::new(py, block)).collect()
        })
    }

    /// The bytes of all values, which are compared with their digest.
    fn values(&self) -> Result<Vec<u8>, store::StoreError> {
        fn of<T: Element>(column: &Column) -> Result<Vec<u8>, store::StoreError> {
            let values = column.store.numbers::<T>(&column.column.id)?;
            let values = values.map(|values| values.into_raw_vec_and_offset().0);
            Ok(bytemuck::cast_slice(&values.unwrap_or_default()).to_vec())
        }
        match self.column.dtype {
            Dtype::Float32 => of::<f32>(self),
            Dtype::Float16 => of::<f16>(self),
            Dtype::Int32 => of::<i32>(self),
            Dtype::Int8 => of::<i8>(self),
            Dtype::String => Ok(Vec::new()),
        }
    }

    fn parts(&self, py: Python<'_>) -> PyResult<table::Numbers> {
        let blocks = self.chunks(py)?;
        Ok(table::Numbers { column: self.column.clone(), blocks })
    }
}
