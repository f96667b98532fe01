//! References between a pickle's values, by index, and into the file, by byte range.

/// A value of a pickle: an index into its table of values. Shared objects have one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// Its place in the table; below [`Pickle::n_values`](super::Pickle::n_values).
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A range of bytes, in the file where possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub(super) start: usize,
    pub(super) len: usize,
    /// Whether the range refers to the pickle's decoded bytes instead of the file.
    pub(super) decoded: bool,
}

impl Span {
    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes, from the file or the decoded bytes; empty if out of range, which the machine never
    /// produces.
    pub(super) fn get<'a>(&self, file: &'a [u8], decoded: &'a [u8]) -> &'a [u8] {
        let table = if self.decoded { decoded } else { file };
        self.start.checked_add(self.len).and_then(|end| table.get(self.start..end)).unwrap_or(&[])
    }
}
