//! Places of PyTorch tensors' elements.

use std::collections::HashMap;
use std::ops::Range;

use super::numpy::NumpyDtype;
use super::place::Span;

/// A byte range of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storage {
    pub(super) dtype: NumpyDtype,
    /// The elements; empty until their place is known.
    pub(super) span: Span,
    pub(super) is_known: bool,
}

/// Meaning of a persistent id.
#[derive(Clone, Copy)]
pub(super) enum Persistent<'a> {
    /// Nothing: it is refused.
    Refused,
    /// A storage whose place is still unknown.
    Unknown,
    /// A storage in one of these ranges of the file.
    At(&'a HashMap<String, Range<usize>>),
}

/// A storage referenced before its place is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Met {
    pub(super) key: String,
    pub(super) n_bytes: usize,
    pub(super) item_size: usize,
}
