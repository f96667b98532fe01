//! What every format asks of a store: the columns of a split, and their content.

use crate::corpus::manifest::Column;
use crate::corpus::{Modality, SplitName};
use crate::store::{Store, StoreError};

/// Content of a column that is in memory as a whole.
pub(super) enum Content {
    Texts(Vec<String>),
    F32(Vec<f32>),
    I32(Vec<i32>),
    I8(Vec<i8>),
}

/// A column of one split.
#[derive(Clone, Copy)]
pub(super) struct SplitColumn<'a> {
    /// Name within the split, such as `audio` or `bins/acc_7`.
    pub(super) name: &'a str,
    pub(super) entry: &'a Column,
}

impl<'a> SplitColumn<'a> {
    /// The modality of a feature block; `None` of any other column.
    pub(super) fn modality(&self) -> Option<Modality> {
        self.name.parse().ok()
    }

    /// Extents of one sample.
    pub(super) fn sample_shape(&self) -> &'a [usize] {
        self.entry.shape.get(1..).unwrap_or_default()
    }

    /// Values of one sample.
    #[cfg(feature = "parquet")]
    pub(super) fn sample_len(&self) -> usize {
        self.sample_shape().iter().product()
    }

    /// Reads all of a column that is no feature block, and compares it with its digest.
    pub(super) fn content(&self, store: &Store) -> Result<Content, StoreError> {
        let path = &self.entry.path;
        Ok(match self.entry.dtype.as_str() {
            "string" => Content::Texts(store.strings(path)?.unwrap_or_default()),
            "int32" => Content::I32(values(store.numbers(path)?)),
            "int8" => Content::I8(values(store.numbers(path)?)),
            // Any other type is refused by the store, with its name.
            _ => Content::F32(values(store.numbers(path)?)),
        })
    }
}

/// The columns of one split, in the order of the store.
pub(super) fn of_split(store: &Store, split: SplitName) -> Vec<SplitColumn<'_>> {
    let prefix = format!("/{split}/");
    let columns = store.manifest().columns.iter();
    columns
        .filter_map(|entry| {
            let name = entry.path.strip_prefix(&prefix)?;
            Some(SplitColumn { name, entry })
        })
        .collect()
}

fn values<T: Clone>(array: Option<ndarray::ArrayD<T>>) -> Vec<T> {
    array.map(|array| array.into_iter().collect()).unwrap_or_default()
}
