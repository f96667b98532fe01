//! What kind of file a file is, told by its own bytes, and how to get at the data in it.
//!
//! `KINDS` in `kinds.rs` is the one table: a line for each kind of file that people have in place of a
//! pickle or a store. Whoever refuses a file asks here what it is, so that the same file is called
//! the same everywhere.
//!
//! ```text
//! kind       what a line of the table says
//! kinds      the table
//! looks      evidence that is more than a few fixed bytes
//! names      names of pickles, and any name as a shell takes it
//! archive    the entries of zip and tar files
//! hdf5       the names at the top of an HDF5 file, without the library
//! ```
//!
//! This module looks at bytes and file names. It must not know what a pickle or a store holds, and
//! it unpacks nothing.

pub mod archive;
mod hdf5;
mod kind;
mod kinds;
mod looks;
mod names;

use std::path::Path;

pub(crate) use kind::Subject;
pub use kind::{Kind, Role};
pub use names::{PACKED_ENDINGS, is_pickle_name};

use crate::advice::Advice;
use crate::map::Bytes;
use kind::Mark;

/// What a file is and what to do with it.
#[derive(Clone)]
pub struct Known {
    /// The line of the table.
    pub kind: &'static Kind,
    /// What gets at the data.
    pub advice: Advice,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.kind.id, self.advice)
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
    Some(Known { kind, advice: (kind.way)(&subject) })
}

/// What the file or folder at `path` is; `None` also where it cannot be read.
pub fn of_path(path: &Path) -> Option<Known> {
    let name = path.display().to_string();
    if path.is_dir() {
        let kind = kinds::of_folder(path)?;
        let subject = Subject { bytes: &[], name: &name };
        return Some(Known { kind, advice: (kind.way)(&subject) });
    }
    let file = Bytes::map(path).ok()?;
    identify(file.bytes(), &name)
}

/// What a file is of which only the name tells that it is not whole: a part of an archive, or what
/// a program left that had not finished its download.
pub fn by_name(name: &str) -> Option<Known> {
    let subject = Subject { bytes: &[], name };
    let kind = kinds::of_name(name)?;
    Some(Known { kind, advice: (kind.way)(&subject) })
}

/// The ids of all kinds, in the order in which they are tried.
pub fn ids() -> Vec<&'static str> {
    kinds::all().map(|kind| kind.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_an_advice_of_one_line() {
        let mut ids = ids();
        ids.sort_unstable();
        let n_ids = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), n_ids);
        let subject = Subject { bytes: b"", name: "my file.pkl" };
        for kind in kinds::all() {
            if let Advice::Outside(words) = (kind.way)(&subject) {
                assert!(!words.is_empty() && !words.contains('\n'), "{}: {words}", kind.id);
            }
            assert!(!kind.what.ends_with('.'), "{}", kind.id);
        }
    }

    #[test]
    fn names_of_pickles_are_known() {
        assert!(
            is_pickle_name("x/MOSI.PKL.gz") && is_pickle_name("a.p") && !is_pickle_name("a.h5")
        );
    }
}
