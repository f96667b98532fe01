//! Element types of source values, and whether a store keeps them.

use std::fmt;

use crate::corpus::column::Dtype;
use crate::pickle::{NumpyDtype, ScalarKind};

/// Type of a column's values in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceDtype {
    /// An array's dtype.
    Array(NumpyDtype),
    /// Numbers in a list, which have no width.
    Python,
}

impl SourceDtype {
    /// Whether a store's column holds such values unchanged.
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

/// Describes the types of one column.
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
