//! What a line of the table of kinds says, and the file that it is asked about.

use std::path::Path;

use crate::advice::Advice;
use crate::words::quoted_name;

/// What the program can do with a file of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A pickle, which `convert` reads.
    Pickle,
    /// A file that `convert` unpacks to get at a pickle.
    Packed,
    /// A store.
    Store,
    /// Anything else.
    Other,
}

/// A kind of file: a line of the table.
pub struct Kind {
    /// Its name in the tests.
    pub id: &'static str,
    /// What it is, to stand after «is» or a colon.
    pub what: &'static str,
    /// What the program can do with it.
    pub role: Role,
    pub(super) mark: Mark,
    pub(super) way: fn(&Subject<'_>) -> Advice,
}

/// How a kind is told.
pub(super) enum Mark {
    /// The file begins with one of these.
    Start(&'static [&'static [u8]]),
    /// These bytes stand at this offset.
    At(usize, &'static [u8]),
    /// The bytes look like it.
    Looks(fn(&Subject<'_>) -> bool),
}

/// A file that is looked at.
pub(crate) struct Subject<'a> {
    pub(super) bytes: &'a [u8],
    /// Its name, with the folder where that is known.
    pub(super) name: &'a str,
}

impl<'a> Subject<'a> {
    pub(super) fn head(&self, len: usize) -> &'a [u8] {
        self.bytes.get(..self.bytes.len().min(len)).unwrap_or(self.bytes)
    }

    /// The name as it is typed in a shell.
    pub(super) fn shown(&self) -> String {
        quoted_name(self.name)
    }

    /// The name without its last ending.
    pub(super) fn plain(&self) -> String {
        let stem = Path::new(self.name).file_stem().unwrap_or_default().to_string_lossy();
        quoted_name(&stem)
    }
}
