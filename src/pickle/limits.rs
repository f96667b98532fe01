//! Limits for one pickle. Real feature files stay far below each of them; a file crafted to exhaust
//! memory or time exceeds one within its first bytes.

/// Nesting of containers. The deepest published layout has seven levels.
pub const DEPTH: u64 = 100;

/// Memo entries. Python memoises every string and container once; the largest known file (22,856
/// segments with word alignments) has under three million. In addition, no index exceeds the file's
/// length, since writers number entries consecutively.
pub const MEMO_ENTRIES: u64 = 8_000_000;

/// Values on the stack at one time. Python writes containers in batches of a thousand, other writers
/// push a whole list of segments.
pub const STACK_VALUES: u64 = 4_000_000;

/// Objects, plus the elements of containers. The largest known file has seven million.
pub const OBJECTS: u64 = 12_000_000;

/// Bytes of memory for objects per byte of the file, beyond [`FREE_MEMORY`]. Lists of short words,
/// the densest thing in feature files, need five; a flood of empty containers needs fifty.
pub const MEMORY_PER_BYTE: u64 = 8;

/// Bytes of memory for objects allowed for every file, however small.
pub const FREE_MEMORY: u64 = 20 << 20;

/// Bytes decoded into memory because the file holds them only in encoded form (Python 2 escapes, bytes
/// spelled as text). In addition, they never exceed [`DECODED_PER_BYTE`] times the file.
pub const DECODED_BYTES: u64 = 1 << 30;

/// Decoded bytes per byte of the file: protocol 0 spells bytes as latin-1 text, whose characters become
/// two bytes of UTF-8, then one byte again, then at most one of a NumPy text. Only repeated decoding of
/// the same bytes exceeds this.
pub const DECODED_PER_BYTE: u64 = 4;

/// Bytes of one text string. Protocol 2 spells whole arrays as text, so this is not small.
pub const STRING_BYTES: u64 = 1 << 30;

/// Bytes of one integer. Nothing in a feature file needs more than 8; Python itself refuses
/// decimal integers of over 4300 digits.
pub const INTEGER_BYTES: u64 = 1024;

/// Axes of an array: the maximum of NumPy 1.x.
pub const AXES: u64 = 32;

/// Elements of an array, counted without axes of length zero: 256 times the largest known one.
pub const ELEMENTS: u64 = 1 << 37;

/// The limits for opening a [`Pickle`](super::Pickle).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Nesting of containers; see [`DEPTH`].
    pub depth: u64,
    /// Memo entries; see [`MEMO_ENTRIES`].
    pub memo_entries: u64,
    /// Values on the stack; see [`STACK_VALUES`].
    pub stack_values: u64,
    /// Objects and container elements; see [`OBJECTS`].
    pub objects: u64,
    /// Bytes of memory for objects per byte of the file; see [`MEMORY_PER_BYTE`].
    pub memory_per_byte: u64,
    /// Bytes decoded into memory; see [`DECODED_BYTES`].
    pub decoded_bytes: u64,
    /// Bytes of one text string; see [`STRING_BYTES`].
    pub string_bytes: u64,
    /// Bytes of one integer; see [`INTEGER_BYTES`].
    pub integer_bytes: u64,
    /// Axes of an array; see [`AXES`].
    pub axes: u64,
    /// Elements of an array; see [`ELEMENTS`].
    pub elements: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: DEPTH,
            memo_entries: MEMO_ENTRIES,
            stack_values: STACK_VALUES,
            objects: OBJECTS,
            memory_per_byte: MEMORY_PER_BYTE,
            decoded_bytes: DECODED_BYTES,
            string_bytes: STRING_BYTES,
            integer_bytes: INTEGER_BYTES,
            axes: AXES,
            elements: ELEMENTS,
        }
    }
}
