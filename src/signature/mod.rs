//! Identifies the kind of a file from its bytes, and how to get at its data.
//!
//! `KINDS` in `kinds.rs` is the only table: one entry per kind of file that users may have instead of a
//! pickle or a store. Whoever refuses a file identifies it here, so that messages are consistent.
//!
//! ```text
//! kind       an entry in the table
//! kinds      the table
//! looks      tests that need more than a few fixed bytes
//! names      names of pickles, and quoting of names for a shell
//! archive    the entries of zip and tar files
//! hdf5       the top-level names in an HDF5 file, without the library
//! ```
//!
//! This module examines bytes and file names. It must not know the content of pickles or stores, and
//! unpacks nothing.

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

/// Identification of a file, with advice.
#[derive(Clone)]
pub struct Known {
    /// The entry of the table.
    pub kind: &'static Kind,
    /// How to get at the data.
    pub advice: Advice,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.kind.id, self.advice)
    }
}

/// Identifies a file with these bytes and this name, if its kind is known.
pub fn identify(bytes: &[u8], name: &str) -> Option<Known> {
    let subject = Subject { bytes, name };
    let kind = kinds::KINDS.iter().find(|kind| match kind.mark {
        Mark::Start(starts) => starts.iter().any(|start| bytes.starts_with(start)),
        Mark::At(offset, mark) => bytes.get(offset..).is_some_and(|rest| rest.starts_with(mark)),
        Mark::Looks(looks) => looks(&subject),
    })?;
    // The name of an unfinished download explains what such a file lacks.
    if kinds::LACKING.contains(&kind.id)
        && let Some(unfinished) = by_name(name).filter(|known| known.kind.id == kinds::UNFINISHED)
    {
        return Some(unfinished);
    }
    Some(Known { kind, advice: (kind.way)(&subject) })
}

/// Identifies the file or folder at `path`; `None` also if it cannot be read.
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

/// Identifies a file that only its name marks as incomplete: a part of an archive, or an unfinished
/// download.
pub fn by_name(name: &str) -> Option<Known> {
    let subject = Subject { bytes: &[], name };
    let kind = kinds::of_name(name)?;
    Some(Known { kind, advice: (kind.way)(&subject) })
}

/// The ids of all kinds, in test order.
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
