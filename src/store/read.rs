//! Reads a store. Nothing in the file is trusted before it is verified.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::f16;
use ndarray::{Array3, ArrayD};

use super::arrow::ArrowReader;
use super::digest::{self, Element, Feature};
use super::hdf5::Hdf5Reader;
use super::{FeatureDtype, Format, StoreError};
use crate::corpus::column::{Column, ColumnId, ColumnKind, Dtype};
use crate::corpus::manifest::{Manifest, store_digest};
use crate::corpus::{Dataset, Modality, SplitName};

/// An open store. This is a handle: clones share the files, which stay open as long as any clone
/// exists.
#[derive(Clone)]
pub struct Store(Arc<StoreInner>);

/// State that a store's handles share.
struct StoreInner {
    path: PathBuf,
    reader: Reader,
    manifest: Manifest,
}

/// The reader of the store's format.
pub(super) enum Reader {
    Hdf5(Hdf5Reader),
    Arrow(ArrowReader),
}

impl Store {
    /// Opens a store of either format and checks its structure against its manifest; the data are not
    /// read.
    ///
    /// # Errors
    /// The file is absent, neither an HDF5 file nor a folder, not a store, of another version, or its
    /// structure contradicts its manifest.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let (reader, manifest) = if path.is_dir() {
            let (reader, manifest) = ArrowReader::open(path)?;
            (Reader::Arrow(reader), manifest)
        } else {
            let (reader, manifest) = Hdf5Reader::open(path)?;
            (Reader::Hdf5(reader), manifest)
        };
        let store = Store(Arc::new(StoreInner { path: path.into(), reader, manifest }));
        store.check_structure()?;
        Ok(store)
    }

    /// The reader of the store's format.
    pub(super) fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// The format of the store.
    pub fn format(&self) -> Format {
        match &self.0.reader {
            Reader::Hdf5(_) => Format::Hdf5,
            Reader::Arrow(_) => Format::Arrow,
        }
    }

    /// Size of the file, or of all files of the folder except the manifest, in bytes.
    pub fn size(&self) -> u64 {
        match &self.0.reader {
            Reader::Hdf5(file) => file.size(),
            Reader::Arrow(folder) => folder.size(),
        }
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The store's files.
    pub fn files(&self) -> Vec<PathBuf> {
        match &self.0.reader {
            Reader::Hdf5(_) => vec![self.0.path.clone()],
            Reader::Arrow(folder) => folder.files(),
        }
    }

    /// The file that contains a split; `None` if the split is absent.
    pub fn file_of(&self, split: SplitName) -> Option<PathBuf> {
        self.0.manifest.split(split)?;
        match &self.0.reader {
            Reader::Hdf5(_) => Some(self.0.path.clone()),
            Reader::Arrow(folder) => Some(folder.file_of(split)),
        }
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// Segment ids of a split in order; empty if the split is absent.
    pub fn ids(&self, split: SplitName) -> &[String] {
        self.0.manifest.split(split).map_or(&[], |entry| &entry.ids)
    }

    /// Overall regression labels, `[n_samples]`; `None` if the split has none.
    ///
    /// # Errors
    /// The labels cannot be read, or differ from their digest.
    pub fn labels(&self, split: SplitName) -> Result<Option<Vec<f32>>, StoreError> {
        let column = self.0.manifest.column(&ColumnKind::RegressionLabels.of(split));
        column.map(|column| self.checked_values::<f32>(column)).transpose()
    }

    /// Like [`Store::labels`], for a split that must have labels.
    ///
    /// # Errors
    /// The split has no labels; also the errors of [`Store::labels`].
    pub fn needed_labels(&self, split: SplitName) -> Result<Vec<f32>, StoreError> {
        let unlabelled = || StoreError::NoLabels { path: self.path().into(), split };
        self.labels(split)?.ok_or_else(unlabelled)
    }

    /// Features of one modality, `[n_samples, seq_len, feat_dim]`; `None` if the store has none.
    ///
    /// # Errors
    /// The features cannot be read, or differ from their digest.
    pub fn features(
        &self,
        split: SplitName,
        modality: Modality,
    ) -> Result<Option<Array3<f32>>, StoreError> {
        let Some(column) = self.0.manifest.column(&ColumnKind::Features(modality).of(split)) else {
            return Ok(None);
        };
        let shape = self.shape3(column)?;
        let mut values = self.reserve(column)?;
        let digest = self.pieces(column, |_, piece| {
            values.extend_from_slice(piece);
            Ok::<_, StoreError>(())
        })?;
        self.compare_digest(column, &digest)?;
        Array3::from_shape_vec(shape, values)
            .map(Some)
            .map_err(|error| self.damaged(&column.id, error.to_string()))
    }

    /// Features of one modality in order, a few samples at a time, for uses that need not hold all of
    /// them in memory; the values are `[n_samples, seq_len, feat_dim]` in row-major order.
    ///
    /// # Errors
    /// Any error of `take`; the store has no such features, they cannot be read, or, detected only
    /// after the last call, they differ from their digest.
    pub fn feature_pieces<E: From<StoreError>>(
        &self,
        split: SplitName,
        modality: Modality,
        mut take: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let column = self.column(&ColumnKind::Features(modality).of(split))?;
        let digest = self.pieces(column, |_, values| take(values))?;
        Ok(self.compare_digest(column, &digest)?)
    }

    /// Features of one sample, `[seq_len, feat_dim]`, read alone and therefore without comparing
    /// digests: for features that [`Store::feature_pieces`] has read before.
    ///
    /// # Errors
    /// The store lacks these features or this sample, or they cannot be read.
    pub fn sample(
        &self,
        split: SplitName,
        modality: Modality,
        row_idx: usize,
        out: &mut [f32],
    ) -> Result<(), StoreError> {
        self.sample_of_column(self.column(&ColumnKind::Features(modality).of(split))?, row_idx, out)
    }

    /// Like [`Store::sample`], for a column that is known to exist.
    pub(super) fn sample_of_column(
        &self,
        column: &Column,
        row_idx: usize,
        out: &mut [f32],
    ) -> Result<(), StoreError> {
        match self.feature_dtype(column)? {
            FeatureDtype::Float32 => self.sample_of::<f32>(column, row_idx, out),
            FeatureDtype::Float16 => self.sample_of::<f16>(column, row_idx, out),
        }
    }

    fn sample_of<T: Feature>(
        &self,
        column: &Column,
        row_idx: usize,
        out: &mut [f32],
    ) -> Result<(), StoreError> {
        let values: Cow<'_, [T]> = match &self.0.reader {
            Reader::Hdf5(file) => Cow::Owned(file.samples(column, row_idx..row_idx + 1)?),
            Reader::Arrow(folder) => folder.piece(column, row_idx)?,
        };
        match values.get(..out.len()) {
            Some(values) => out.copy_from_slice(&T::widen(values)),
            None => return Err(self.damaged(&column.id, format!("sample {row_idx} is absent"))),
        }
        Ok(())
    }

    /// A numeric column such as `/train/text_bert`; `None` if the store has none.
    ///
    /// # Errors
    /// The column is of another type, cannot be read, or differs from its digest.
    pub fn numbers<T: Element>(&self, id: &ColumnId) -> Result<Option<ArrayD<T>>, StoreError> {
        let Some(column) = self.0.manifest.column(id) else { return Ok(None) };
        ArrayD::from_shape_vec(column.shape.as_slice(), self.checked_values::<T>(column)?)
            .map(Some)
            .map_err(|error| self.damaged(id, error.to_string()))
    }

    /// Recorded numbers of frames, `[n_samples]`; `None` if the store has none.
    ///
    /// # Errors
    /// The column cannot be read, or differs from its digest.
    pub fn lengths(
        &self,
        split: SplitName,
        modality: Modality,
    ) -> Result<Option<Vec<i32>>, StoreError> {
        let column = self.0.manifest.column(&ColumnKind::Lengths(modality).of(split));
        column.map(|column| self.checked_values::<i32>(column)).transpose()
    }

    /// A string column such as `/train/raw_text`; `None` if the store has none.
    ///
    /// # Errors
    /// The column is of another type, cannot be read, or differs from its digest.
    pub fn strings(&self, id: &ColumnId) -> Result<Option<Vec<String>>, StoreError> {
        let Some(column) = self.0.manifest.column(id) else { return Ok(None) };
        let values = self.raw_strings(column)?;
        self.compare_digest(column, &digest::of_strings(&values))?;
        Ok(Some(values))
    }

    pub(super) fn unchecked_lengths(
        &self,
        split: SplitName,
        modality: Modality,
    ) -> Result<Option<Vec<i32>>, StoreError> {
        let column = self.0.manifest.column(&ColumnKind::Lengths(modality).of(split));
        column.map(|column| self.values(column)).transpose()
    }

    pub(super) fn compare_digest(&self, column: &Column, found: &str) -> Result<(), StoreError> {
        if found == column.blake3 {
            return Ok(());
        }
        Err(self.damaged(self.place(column), CHANGED.into()))
    }

    /// A column's path, and the file that contains it.
    pub(super) fn place(&self, column: &Column) -> String {
        match &self.0.reader {
            Reader::Hdf5(file) => match file.offset(column) {
                Some(start) if column.dtype != Dtype::String => {
                    format!("{} (bytes {start} to {})", column.id, start + column_bytes(column))
                }
                _ => column.id.to_string(),
            },
            Reader::Arrow(folder) => match folder.place(column) {
                Some(file) => format!("{} ({file})", column.id),
                None => column.id.to_string(),
            },
        }
    }

    /// Reads a feature block a few samples at a time: `take` gets the index of the first sample and the
    /// values of all of them. Returns the digest of the block.
    pub(super) fn pieces<E: From<StoreError>>(
        &self,
        column: &Column,
        take: impl FnMut(usize, &[f32]) -> Result<(), E>,
    ) -> Result<String, E> {
        match self.feature_dtype(column)? {
            FeatureDtype::Float32 => self.pieces_of::<f32, E>(column, take),
            FeatureDtype::Float16 => self.pieces_of::<f16, E>(column, take),
        }
    }

    fn pieces_of<T: Feature, E: From<StoreError>>(
        &self,
        column: &Column,
        mut take: impl FnMut(usize, &[f32]) -> Result<(), E>,
    ) -> Result<String, E> {
        let mut hasher = blake3::Hasher::new();
        self.each_piece(column, |start, values: &[T]| {
            digest::update(&mut hasher, values);
            take(start, &T::widen(values))
        })?;
        Ok(digest::finish(&hasher))
    }

    /// Visits a column's values in order, in chunks of whole samples: `take` gets the index of each
    /// chunk's first sample.
    fn each_piece<T: Element, E: From<StoreError>>(
        &self,
        column: &Column,
        mut take: impl FnMut(usize, &[T]) -> Result<(), E>,
    ) -> Result<(), E> {
        let row_len: usize = column.shape.iter().skip(1).product();
        let n_samples = column.shape.first().copied().unwrap_or(0);
        let mut start = 0;
        while start < n_samples && row_len > 0 {
            let values: Cow<'_, [T]> = self.piece(column, start)?;
            take(start, &values)?;
            start += values.len() / row_len;
        }
        Ok(())
    }

    /// Values of whole samples from `start` on, as many as are available: at least one.
    pub(super) fn piece<T: Element>(
        &self,
        column: &Column,
        start: usize,
    ) -> Result<Cow<'_, [T]>, StoreError> {
        let values = match &self.0.reader {
            Reader::Hdf5(file) => Cow::Owned(file.piece(column, start)?),
            Reader::Arrow(folder) => folder.piece(column, start)?,
        };
        let row_len: usize = column.shape.iter().skip(1).product();
        if values.len() < row_len.max(1) {
            return Err(self.damaged(&column.id, format!("sample {start} is absent")));
        }
        Ok(values)
    }

    /// Features of whole samples from `start` on, as many as are available: at least one. For
    /// [`copy`](super::copy()), which compares the digests itself.
    pub(super) fn feature_piece(
        &self,
        column: &Column,
        start: usize,
    ) -> Result<Vec<f32>, StoreError> {
        Ok(match self.feature_dtype(column)? {
            FeatureDtype::Float32 => self.piece::<f32>(column, start)?.into_owned(),
            FeatureDtype::Float16 => f16::widen(&self.piece(column, start)?).into_owned(),
        })
    }

    /// Checks every column against its digest.
    ///
    /// # Errors
    /// A column cannot be read, or differs from its digest.
    pub fn check_digests(&self) -> Result<(), StoreError> {
        self.0.manifest.columns.iter().try_for_each(|column| {
            let (found, _) = self.digest_column(column)?;
            self.compare_digest(column, &found)
        })
    }

    fn check_structure(&self) -> Result<(), StoreError> {
        let size = self.size();
        let found = store_digest(&self.0.manifest.columns);
        if found != self.0.manifest.digest {
            let problem = format!("digest {} is not that of its columns", self.0.manifest.digest);
            return Err(self.damaged("manifest", problem));
        }
        let Manifest { dataset, label_scale, .. } = &self.0.manifest;
        if label_scale.is_some() != (*dataset == Dataset::Own) {
            let problem = format!("`label_scale` belongs to the dataset `{}` alone", Dataset::Own);
            return Err(self.damaged("manifest", problem));
        }
        for column in &self.0.manifest.columns {
            let compressed = match &self.0.reader {
                Reader::Hdf5(file) => {
                    file.check(column)?;
                    file.is_compressed(column)
                }
                Reader::Arrow(folder) => {
                    folder.check(column)?;
                    folder.is_compressed(column)
                }
            };
            let most = if compressed { size.saturating_mul(LARGEST_RATIO) } else { size };
            // Sizes that the file cannot hold must never reach an allocation.
            if checked_bytes(column)
                .is_none_or(|bytes| column.dtype != Dtype::String && bytes > most)
            {
                let problem = format!("shape {:?} is larger than the file", column.shape);
                return Err(self.damaged(&column.id, problem));
            }
        }
        for (modality, named) in &self.0.manifest.features {
            let of_modality = |column: &&Column| column.modality() == Some(*modality);
            for column in self.0.manifest.columns.iter().filter(of_modality) {
                let (n_names, n_features) = (named.names.len(), column.shape.last().copied());
                if n_features != Some(n_names) {
                    let problem = format!("{n_names} names of {modality} features do not fit");
                    return Err(self.damaged(&column.id, problem));
                }
            }
        }
        for split in &self.0.manifest.splits {
            let ids = self.column(&ColumnKind::Id.of(split.name))?;
            let n_samples = split.ids.len();
            for column in self.0.manifest.columns_of(split.name).chain([ids]) {
                if column.shape.first() != Some(&n_samples) {
                    let found = column.shape.first().copied().unwrap_or(0);
                    let problem = format!("expected {n_samples} samples, found {found}");
                    return Err(self.damaged(&column.id, problem));
                }
            }
        }
        Ok(())
    }

    pub(super) fn column(&self, id: &ColumnId) -> Result<&Column, StoreError> {
        self.0.manifest.column(id).ok_or_else(|| self.damaged(id, "is absent".into()))
    }

    /// The type of the values of a feature block.
    pub(super) fn feature_dtype(&self, column: &Column) -> Result<FeatureDtype, StoreError> {
        match column.dtype {
            Dtype::Float32 => Ok(FeatureDtype::Float32),
            Dtype::Float16 => Ok(FeatureDtype::Float16),
            found @ (Dtype::Int32 | Dtype::Int8 | Dtype::String) => {
                Err(self.damaged(&column.id, format!("expected features, found {found}")))
            }
        }
    }

    fn expect(&self, column: &Column, expected: Dtype) -> Result<(), StoreError> {
        if column.dtype == expected {
            return Ok(());
        }
        Err(self.damaged(&column.id, format!("expected {expected}, found {}", column.dtype)))
    }

    fn checked_values<T: Element>(&self, column: &Column) -> Result<Vec<T>, StoreError> {
        let values = self.values::<T>(column)?;
        self.compare_digest(column, &digest::of_values(&values))?;
        Ok(values)
    }

    pub(super) fn values<T: Element>(&self, column: &Column) -> Result<Vec<T>, StoreError> {
        self.expect(column, T::DTYPE)?;
        let mut values = self.reserve(column)?;
        self.each_piece(column, |_, piece: &[T]| {
            values.extend_from_slice(piece);
            Ok::<_, StoreError>(())
        })?;
        Ok(values)
    }

    /// An empty vector with capacity for all values of a column.
    fn reserve<T>(&self, column: &Column) -> Result<Vec<T>, StoreError> {
        let mut values = Vec::new();
        let n_values = column.shape.iter().product();
        values
            .try_reserve_exact(n_values)
            .map_err(|_| self.damaged(&column.id, format!("no memory for {n_values} values")))?;
        Ok(values)
    }

    /// The texts of a column, without comparing their digest.
    pub(super) fn raw_strings(&self, column: &Column) -> Result<Vec<String>, StoreError> {
        self.expect(column, Dtype::String)?;
        match &self.0.reader {
            Reader::Hdf5(file) => file.strings(column),
            Reader::Arrow(folder) => folder.strings(column),
        }
    }

    pub(super) fn shape3(&self, column: &Column) -> Result<[usize; 3], StoreError> {
        <[usize; 3]>::try_from(column.shape.as_slice()).map_err(|_| {
            self.damaged(&column.id, format!("expected 3 axes, found {}", column.shape.len()))
        })
    }

    /// The error that the content of `place` contradicts the manifest.
    pub(super) fn differs(&self, place: impl Display) -> StoreError {
        self.damaged(place, CHANGED.into())
    }

    pub(super) fn damaged(&self, place: impl Display, problem: String) -> StoreError {
        StoreError::Damaged { path: self.0.path.clone(), place: place.to_string(), problem }
    }
}

pub(super) const CHANGED: &str = "differs from its recorded BLAKE3: the file was changed";

/// Bytes that one byte of a compressed file can expand to: the limit of deflate, which the other codecs
/// do not reach unless all values are equal. Larger shapes are treated as damage.
const LARGEST_RATIO: u64 = 1 << 12;

/// Bytes of a column's values; `None` if a product of extents would overflow, even when another extent
/// is zero, so that later products need no check.
fn checked_bytes(column: &Column) -> Option<u64> {
    let nonzero = column.shape.iter().filter(|extent| **extent != 0);
    let size = column.dtype.n_bytes();
    let product = nonzero.clone().try_fold(size, |all, extent| all.checked_mul(*extent))?;
    if nonzero.count() == column.shape.len() { u64::try_from(product).ok() } else { Some(0) }
}

/// Uncompressed bytes of a column's values in the file; 0 if the size is impossible.
pub fn column_bytes(column: &Column) -> u64 {
    checked_bytes(column).unwrap_or(0)
}
