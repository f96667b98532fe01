//! An entry in the table of kinds, and the file that is tested against it.

use std::path::Path;

use crate::advice::Advice;
use crate::words::quoted_name;

/// Use of a kind of file by the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A pickle, which `convert` reads.
    Pickle,
    /// A file that `convert` unpacks to read its pickle.
    Packed,
    /// A store.
    Store,
    /// A computational sequence, which `align` reads.
    Sequence,
    /// Anything else.
    Other,
}

/// A kind of file: one entry of the table.
pub struct Kind {
    /// Its name in the tests.
    pub id: &'static str,
    /// Its description, to follow "is" or a colon.
    pub what: &'static str,
    /// Its use by the program.
    pub role: Role,
    pub(super) mark: Mark,
    pub(super) way: fn(&Subject<'_>) -> Advice,
}

/// How a kind is recognised.
pub(super) enum Mark {
    /// The file begins with one of these.
    Start(&'static [&'static [u8]]),
    /// The file has these bytes at this offset.
    At(usize, &'static [u8]),
    /// A test of the bytes.
    Looks(fn(&Subject<'_>) -> bool),
}

/// A file being identified.
pub(crate) struct Subject<'a> {
    pub(super) bytes: &'a [u8],
    /// Its name, with the folder if known.
    pub(super) name: &'a str,
}

impl<'a> Subject<'a> {
    pub(super) fn head(&self, len: usize) -> &'a [u8] {
        self.bytes.get(..self.bytes.len().min(len)).unwrap_or(self.bytes)
    }

    /// The name as typed in a shell.
    pub(super) fn shown(&self) -> String {
        quoted_name(self.name)
    }

    /// The name without its last extension.
    pub(super) fn plain(&self) -> String {
        let stem = Path::new(self.name).file_stem().unwrap_or_default().to_string_lossy();
        quoted_name(&stem)
    }
}
