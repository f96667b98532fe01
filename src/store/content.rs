//! All values of a column in memory, of any type.

use super::{Store, StoreError, digest};
use crate::corpus::column::{Column, Dtype};

/// The values of a column in order, sample after sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Of [`Dtype::String`].
    Texts(Vec<String>),
    /// Of [`Dtype::Float32`].
    F32(Vec<f32>),
    /// Of [`Dtype::Int32`].
    I32(Vec<i32>),
    /// Of [`Dtype::Int8`].
    I8(Vec<i8>),
}

impl Content {
    /// The digest of a column that has these values.
    pub(super) fn digest(&self) -> String {
        match self {
            Content::Texts(texts) => digest::of_strings(texts),
            Content::F32(values) => digest::of_values(values),
            Content::I32(values) => digest::of_values(values),
            Content::I8(values) => digest::of_values(values),
        }
    }
}

impl Store {
    /// All values of a column.
    ///
    /// # Errors
    /// The column cannot be read, or differs from its digest.
    pub fn content(&self, column: &Column) -> Result<Content, StoreError> {
        let content = self.unchecked_content(column)?;
        self.compare_digest(column, &content.digest())?;
        Ok(content)
    }

    /// All values of a column, without comparing its digest.
    pub(super) fn unchecked_content(&self, column: &Column) -> Result<Content, StoreError> {
        Ok(match column.dtype {
            Dtype::String => Content::Texts(self.raw_strings(column)?),
            // Features only, which are never in memory as a whole: refused, naming the column.
            Dtype::Float32 | Dtype::Float16 => Content::F32(self.values(column)?),
            Dtype::Int32 => Content::I32(self.values(column)?),
            Dtype::Int8 => Content::I8(self.values(column)?),
        })
    }
}
