//! Where the elements of PyTorch tensors lie.

use std::collections::HashMap;
use std::ops::Range;

use super::numpy::NumpyDtype;
use super::place::Span;

/// A byte range of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storage {
    pub(super) dtype: NumpyDtype,
    /// The elements; empty as long as it is not known where they lie.
    pub(super) span: Span,
    pub(super) is_known: bool,
}

/// What a persistent id means.
#[derive(Clone, Copy)]
pub(super) enum Persistent<'a> {
    /// Nothing: it is refused.
    Refused,
    /// A storage whose place is not known yet.
    Unknown,
    /// A storage that lies in this range of the file.
    At(&'a HashMap<String, Range<usize>>),
}

/// A storage that was met before its place is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Met {
    pub(super) key: String,
    pub(super) n_bytes: usize,
    pub(super) item_size: usize,
}
