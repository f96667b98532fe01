//! Where the values of a column lie in the files of a store, for readers that map them themselves.

use std::ops::Range;
use std::path::PathBuf;

use super::read::{Reader, Store, column_bytes};
use crate::corpus::column::{Column, Dtype};

/// The places of a column's uncompressed values, which are little-endian and in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPlaces {
    /// The file.
    pub file: PathBuf,
    /// Ranges of bytes in it, which follow each other along the axis of samples: one in HDF5, and one per
    /// record batch in Arrow.
    pub ranges: Vec<Range<usize>>,
}

impl Store {
    /// The places of a numeric column; `None` for texts and for compressed values.
    pub fn places(&self, column: &Column) -> Option<ColumnPlaces> {
        if column.dtype == Dtype::String {
            return None;
        }
        match self.reader() {
            Reader::Hdf5(file) => {
                let start = usize::try_from(file.offset(column)?).ok()?;
                let end = start.checked_add(usize::try_from(column_bytes(column)).ok()?)?;
                let ranges = std::iter::once(start..end).collect();
                Some(ColumnPlaces { file: self.path().into(), ranges })
            }
            Reader::Arrow(folder) => {
                let (file, ranges) = folder.ranges(column)?;
                Some(ColumnPlaces { file, ranges })
            }
        }
    }
}
