//! Reads the HDF5 form of a store.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ::hdf5::types::{FloatSize, IntSize, TypeDescriptor, VarLenUnicode};
use ::hdf5::{Dataset, File};
use ndarray::{Array1, Array2, Array3};

use super::{SEAL, SEAL_ATTRIBUTE, SEAL_LEN};
use crate::chain::Said;
use crate::corpus::column::{Column, Dtype};
use crate::corpus::manifest::Manifest;
use crate::hdf5_file::{answer, cut, has_signature, unlocked};
use crate::map::Bytes;
use crate::store::digest::Element;
use crate::store::seal::digest_around;
use crate::store::{StoreError, VERSION};

/// Values that one reading step holds in memory.
const PIECE_VALUES: usize = 1 << 20;

/// An open file.
pub(in crate::store) struct Hdf5Reader {
    path: PathBuf,
    file: File,
}

impl Hdf5Reader {
    /// Opens a file and reads its manifest.
    pub(in crate::store) fn open(path: &Path) -> Result<(Hdf5Reader, Manifest), StoreError> {
        // Otherwise the library prints its own error stack before ours.
        ::hdf5::silence_errors(true);
        check_signature(path)?;
        // A file that another program is known to have written is not opened.
        if let Some(error) = StoreError::of_other(path) {
            return Err(error);
        }
        let file = File::with_options().with_fapl(unlocked).open(path);
        let file = file.map_err(|error| match cut(path) {
            Some((found, expected)) => StoreError::Cut { path: path.into(), found, expected },
            None => match answer(&error) {
                Some(cause) => StoreError::Io { path: path.into(), action: "open", cause },
                None => StoreError::Unopened { path: path.into(), cause: Said(error.to_string()) },
            },
        })?;
        check_version(path, &file)?;
        let manifest = read_manifest(path, &file)?;
        Ok((Hdf5Reader { path: path.into(), file }, manifest))
    }

    /// Bytes of the file.
    pub(in crate::store) fn size(&self) -> u64 {
        self.file.size()
    }

    /// Checks a dataset against its column.
    pub(in crate::store) fn check(&self, column: &Column) -> Result<(), StoreError> {
        let dataset = self.dataset(column)?;
        if dataset.shape() != column.shape {
            let (found, expected) = (dataset.shape(), &column.shape);
            let problem = format!("expected shape {expected:?}, found {found:?}");
            return Err(self.damaged(column, problem));
        }
        let found = dtype_of(&dataset);
        if found != Some(column.dtype) {
            let found = found.map_or("another type", Dtype::name);
            let problem = format!("expected {}, found {found}", column.dtype);
            return Err(self.damaged(column, problem));
        }
        // A chunk is unpacked as a whole, so its size must be one that a store can have.
        if let Some(chunk) = dataset.chunk() {
            let whole_samples = chunk.iter().zip(&column.shape).skip(1).all(|(c, s)| c == s);
            if !whole_samples || chunk.first() > column.shape.first() {
                let problem = format!("expected chunks of whole samples, found {chunk:?}");
                return Err(self.damaged(column, problem));
            }
        }
        Ok(())
    }

    /// Whether the values of a column are compressed.
    pub(in crate::store) fn is_compressed(&self, column: &Column) -> bool {
        self.dataset(column).is_ok_and(|dataset| dataset.is_chunked())
    }

    /// Offset of a column's values in the file, if they are contiguous.
    pub(in crate::store) fn offset(&self, column: &Column) -> Option<u64> {
        self.dataset(column).ok()?.offset()
    }

    /// Values of the samples from `start` on, as many as one step takes.
    pub(in crate::store) fn piece<T: Element>(
        &self,
        column: &Column,
        start: usize,
    ) -> Result<Vec<T>, StoreError> {
        let row_len: usize = column.shape.iter().skip(1).product();
        self.samples(column, start..start + (PIECE_VALUES / row_len.max(1)).max(1))
    }

    /// Values of the given samples; those beyond the last are left out.
    pub(in crate::store) fn samples<T: Element>(
        &self,
        column: &Column,
        rows: Range<usize>,
    ) -> Result<Vec<T>, StoreError> {
        let dataset = self.dataset(column)?;
        let [n_samples, inner @ ..] = &*column.shape else { return Ok(Vec::new()) };
        let rows = rows.start..rows.end.min(*n_samples);
        if rows.is_empty() || inner.contains(&0) {
            return Ok(Vec::new());
        }
        let reader = dataset.as_reader().no_convert();
        let values = match inner.len() {
            0 => reader.read_slice(rows).map(|all: Array1<T>| all.into_raw_vec_and_offset().0),
            1 => {
                reader.read_slice((rows, ..)).map(|all: Array2<T>| all.into_raw_vec_and_offset().0)
            }
            2 => reader
                .read_slice((rows, .., ..))
                .map(|all: Array3<T>| all.into_raw_vec_and_offset().0),
            n_axes => {
                return Err(self.damaged(column, format!("{} axes, more than 3", n_axes + 1)));
            }
        };
        values.map_err(|error| self.failed(column, &error))
    }

    /// All texts of a column.
    pub(in crate::store) fn strings(&self, column: &Column) -> Result<Vec<String>, StoreError> {
        let dataset = self.dataset(column)?;
        if dataset.size() == 0 {
            return Ok(Vec::new());
        }
        let values: Vec<VarLenUnicode> =
            dataset.read_raw().map_err(|error| self.failed(column, &error))?;
        Ok(values.iter().map(|value| value.as_str().to_owned()).collect())
    }

    /// Faults in the bytes that no column digest covers. `values` are the stretches that one covers.
    pub(in crate::store) fn unsealed(
        &self,
        values: Vec<Range<usize>>,
    ) -> Result<Option<String>, StoreError> {
        let io = |cause| StoreError::Io { path: self.path.clone(), action: "read", cause };
        let file = Bytes::map(&self.path).map_err(io)?;
        let (content, line) = file.bytes().split_at(file.bytes().len().saturating_sub(SEAL_LEN));
        if let Some(expected) = line.strip_prefix(SEAL) {
            let found = format!("{}\n", digest_around(content, values));
            return Ok((found.as_bytes() != expected).then(|| {
                "what is not a value of it differs from its recorded BLAKE3: the file was changed"
                    .into()
            }));
        }
        // The first versions did not seal stores.
        Ok(self.file.attr(SEAL_ATTRIBUTE.0).is_ok().then(|| {
            "its last line, the seal, is gone: the file was cut short, or another program wrote to \
             it"
            .into()
        }))
    }

    fn dataset(&self, column: &Column) -> Result<Dataset, StoreError> {
        self.file.dataset(&column.id.to_string()).map_err(|error| self.failed(column, &error))
    }

    fn failed(&self, column: &Column, error: &::hdf5::Error) -> StoreError {
        hdf5_error(&self.path, &column.id.to_string(), error)
    }

    fn damaged(&self, column: &Column, problem: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), place: column.id.to_string(), problem }
    }
}

/// The type of a dataset; `None` if no column has it.
fn dtype_of(dataset: &Dataset) -> Option<Dtype> {
    match dataset.dtype().ok()?.to_descriptor().ok()? {
        TypeDescriptor::Float(FloatSize::U4) => Some(Dtype::Float32),
        TypeDescriptor::Float(FloatSize::U2) => Some(Dtype::Float16),
        TypeDescriptor::Integer(IntSize::U4) => Some(Dtype::Int32),
        TypeDescriptor::Integer(IntSize::U1) => Some(Dtype::Int8),
        TypeDescriptor::VarLenUnicode => Some(Dtype::String),
        _ => None,
    }
}

fn hdf5_error(path: &Path, place: &str, error: &::hdf5::Error) -> StoreError {
    if let Some(cause) = answer(error) {
        return StoreError::Io { path: path.into(), action: "read", cause };
    }
    let cause = Said(error.to_string());
    StoreError::Hdf5 { path: path.into(), place: place.into(), is_written: false, cause }
}

fn check_signature(path: &Path) -> Result<(), StoreError> {
    match has_signature(path) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(StoreError::of_other(path)
                .unwrap_or_else(|| StoreError::NotHdf5 { path: path.into() }))
        }
        Err((action, cause)) => Err(StoreError::Io { path: path.into(), action, cause }),
    }
}

fn check_version(path: &Path, file: &File) -> Result<(), StoreError> {
    let Ok(attribute) = file.attr("store_version") else {
        return Err(StoreError::NotAStore { path: path.into() });
    };
    let found: u64 = attribute
        .read_scalar()
        .map_err(|error| hdf5_error(path, "attribute `store_version`", &error))?;
    if found == u64::from(VERSION) {
        return Ok(());
    }
    Err(StoreError::Version { path: path.into(), found })
}

fn read_manifest(path: &Path, file: &File) -> Result<Manifest, StoreError> {
    let text = |name: &str| {
        file.attr(name)
            .and_then(|attribute| attribute.read_scalar::<VarLenUnicode>())
            .map_err(|error| hdf5_error(path, &format!("attribute `{name}`"), &error))
    };
    let damaged = |problem: String| StoreError::Damaged {
        path: path.into(),
        place: "attribute `manifest`".into(),
        problem,
    };
    let json = text("manifest")?;
    if blake3::hash(json.as_bytes()).to_hex().as_str() != text("manifest_blake3")?.as_str() {
        return Err(damaged("differs from its recorded BLAKE3: the file was changed".into()));
    }
    // Written by this version, so unknown keys mean another version.
    serde_json::from_str(&json)
        .map_err(|error| damaged(format!("{error}: another version of the program wrote it")))
}
