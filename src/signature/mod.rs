//! What kind of file a file is, told by its own bytes, and how to get at the data in it.
//!
//! `KINDS` in `kinds.rs` is the one table: a line for each kind of file that people have in place of a
//! pickle or a store. Whoever refuses a file asks here what it is, so that the same file is called
//! the same everywhere.
//!
//! ```text
//! kinds      the table
//! looks      evidence that is more than a few fixed bytes
//! archive    the entries of zip and tar files
//! hdf5       the names at the top of an HDF5 file, without the library
//! ```
//!
//! This module looks at bytes and file names. It must not know what a pickle or a store holds, and
//! it unpacks nothing.

pub mod archive;
mod hdf5;
mod kinds;
mod looks;

use std::path::Path;

use crate::map::Bytes;

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
    mark: Mark,
    way: fn(&Subject<'_>) -> String,
}

/// How a kind is told.
enum Mark {
    /// The file begins with one of these.
    Start(&'static [&'static [u8]]),
    /// These bytes stand at this offset.
    At(usize, &'static [u8]),
    /// The bytes look like it.
    Looks(fn(&Subject<'_>) -> bool),
}

/// A file that is looked at.
pub(crate) struct Subject<'a> {
    bytes: &'a [u8],
    /// Its name, with the folder where that is known.
    name: &'a str,
}

impl<'a> Subject<'a> {
    fn head(&self, len: usize) -> &'a [u8] {
        self.bytes.get(..self.bytes.len().min(len)).unwrap_or(self.bytes)
    }

    /// The name as it is typed in a shell.
    fn shown(&self) -> String {
        quoted(self.name)
    }

    /// The name without its last ending.
    fn plain(&self) -> String {
        let stem = Path::new(self.name).file_stem().unwrap_or_default().to_string_lossy();
        quoted(&stem)
    }
}

/// What a file is and what to do with it.
#[derive(Clone)]
pub struct Known {
    /// The line of the table.
    pub kind: &'static Kind,
    /// What gets at the data, on one line.
    pub hint: String,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.id, self.hint)
    }
}

/// What a file with these bytes and this name is, if it is of a known kind.
pub fn identify(bytes: &[u8], name: &str) -> Option<Known> {
    let subject = Subject { bytes, name };
    let kind = kinds::KINDS.iter().find(|kind| match kind.mark {
        Mark::Start(starts) => starts.iter().any(|start| bytes.starts_with(start)),
        Mark::At(offset, mark) => bytes.get(offset..).is_some_and(|rest| rest.starts_with(mark)),
        Mark::Looks(looks) => looks(&subject),
    })?;
    Some(Known { kind, hint: (kind.way)(&subject) })
}

/// What the file or folder at `path` is; `None` also where it cannot be read.
pub fn of_path(path: &Path) -> Option<Known> {
    let name = path.display().to_string();
    if path.is_dir() {
        let kind = kinds::of_folder(path)?;
        let subject = Subject { bytes: &[], name: &name };
        return Some(Known { kind, hint: (kind.way)(&subject) });
    }
    let file = Bytes::map(path).ok()?;
    identify(file.bytes(), &name)
}

/// What a file is of which only the name tells that it is not whole: a part of an archive, or what
/// a program left that had not finished its download.
pub fn by_name(name: &str) -> Option<Known> {
    let subject = Subject { bytes: &[], name };
    let kind = kinds::of_name(name)?;
    Some(Known { kind, hint: (kind.way)(&subject) })
}

/// The ids of all kinds, in the order in which they are tried.
pub fn ids() -> Vec<&'static str> {
    kinds::all().map(|kind| kind.id).collect()
}

/// A word as a shell takes it for one.
pub fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_alphanumeric() || "._-+=@%/:,".contains(char);
    let shown: String = word.chars().filter(|char| !char.is_control()).collect();
    if !shown.is_empty() && !shown.starts_with('-') && shown.chars().all(plain) {
        return shown;
    }
    let prefix = if shown.starts_with('-') { "./" } else { "" };
    format!("'{prefix}{}'", shown.replace('\'', "'\\''"))
}

/// The endings of compressed files, which may follow that of a pickle.
pub const PACKED_ENDINGS: [&str; 7] = [".gz", ".bz2", ".xz", ".zst", ".zstd", ".lzma", ".gzip"];

/// Whether a name is one that pickles have, compressed or not.
pub fn is_pickle_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let packed = PACKED_ENDINGS.iter().find_map(|ending| lower.strip_suffix(ending));
    let lower = packed.unwrap_or(&lower);
    [".pkl", ".pickle", ".p", ".pk", ".pck"].iter().any(|ending| lower.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_hint_of_one_line() {
        let mut ids = ids();
        ids.sort_unstable();
        let n_ids = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), n_ids);
        let subject = Subject { bytes: b"", name: "my file.pkl" };
        for kind in kinds::all() {
            let hint = (kind.way)(&subject);
            assert!(!hint.is_empty() && !hint.contains('\n'), "{}: {hint}", kind.id);
            assert!(!kind.what.ends_with('.'), "{}", kind.id);
        }
    }

    #[test]
    fn names_are_quoted_for_a_shell() {
        assert_eq!(quoted("a/b-1.pkl"), "a/b-1.pkl");
        assert_eq!(quoted("my file's.zip"), "'my file'\\''s.zip'");
        assert_eq!(quoted("-rf"), "'./-rf'");
        assert_eq!(quoted("数据.pkl"), "数据.pkl");
        assert!(
            is_pickle_name("x/MOSI.PKL.gz") && is_pickle_name("a.p") && !is_pickle_name("a.h5")
        );
    }
}
