//! Limits on a file, by name.

use std::fmt;

/// A limit on one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Nesting levels of a pickle.
    Depth,
    /// Objects of a pickle, and container elements.
    Objects,
    /// Bytes of memory for the objects of a pickle.
    Memory,
    /// Memo entries.
    Memo,
    /// Memo entries, relative to the file's size in bytes.
    MemoOfSmallFile,
    /// Values on the stack.
    Stack,
    /// Bytes decoded into memory.
    Decoded,
    /// Bytes of one text.
    String,
    /// Bytes of one line of a text pickle.
    Line,
    /// Bytes of one integer.
    Integer,
    /// Digits of one integer.
    Digits,
    /// Axes of an array.
    Axes,
    /// Elements of an array.
    Elements,
    /// Pickles in one file.
    Pickles,
    /// Unpacked size of a compressed file in bytes.
    Unpacked,
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 15] = [
        Limit::Depth,
        Limit::Objects,
        Limit::Memory,
        Limit::Memo,
        Limit::MemoOfSmallFile,
        Limit::Stack,
        Limit::Decoded,
        Limit::String,
        Limit::Line,
        Limit::Integer,
        Limit::Digits,
        Limit::Axes,
        Limit::Elements,
        Limit::Pickles,
        Limit::Unpacked,
    ];
}

impl fmt::Display for Limit {
    /// The limited quantity, with its unit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Depth => "levels of nesting",
            Limit::Objects => "objects",
            Limit::Memory => "bytes of memory",
            Limit::Memo => "memo entries",
            Limit::MemoOfSmallFile => "memo entries for so small a file",
            Limit::Stack => "values on the stack",
            Limit::Decoded => "decoded bytes",
            Limit::String => "bytes in one string",
            Limit::Line => "bytes in one line",
            Limit::Integer => "bytes in one integer",
            Limit::Digits => "digits in one integer",
            Limit::Axes => "array axes",
            Limit::Elements => "array elements",
            Limit::Pickles => "pickles one after another",
            Limit::Unpacked => "unpacked bytes",
        })
    }
}
