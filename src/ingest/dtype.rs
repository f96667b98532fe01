//! Of which type values are in their source, and whether a store has them so.

use std::fmt;

use crate::corpus::column::Dtype;
use crate::pickle::{NumpyDtype, ScalarKind};

/// Type of the values of a column in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceDtype {
    /// That of an array.
    Array(NumpyDtype),
    /// Numbers of a list, which have no width.
    Python,
}

impl SourceDtype {
    /// Whether a column of a store holds such values as they are.
    pub(super) fn is(self, stored: Dtype) -> bool {
        let SourceDtype::Array(NumpyDtype { kind, item_size, big_endian: false }) = self else {
            return false;
        };
        match stored {
            Dtype::Float32 | Dtype::Float16 => {
                kind == ScalarKind::Float && item_size == stored.n_bytes()
            }
            Dtype::Int32 | Dtype::Int8 => kind == ScalarKind::Int && item_size == stored.n_bytes(),
            Dtype::String => false,
        }
    }
}

/// Types of one column in words.
pub(super) fn in_words(dtypes: &[SourceDtype]) -> String {
    dtypes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

impl fmt::Display for SourceDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceDtype::Array(dtype) => dtype.fmt(f),
            SourceDtype::Python => f.write_str("Python numbers"),
        }
    }
}
