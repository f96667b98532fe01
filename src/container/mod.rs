//! Extracts a pickle from a compressed file or archive.
//!
//! [`open`] maps a file. Content that is not packed is used in place, also as a range within an
//! archive. Everything else is unpacked into an unnamed file in the temporary folder (`TMPDIR`), which
//! is mapped: memory use is that of a plain pickle, however large the content. The unpacked size is
//! limited, checksums are compared if the format has them, and truncated files are reported.
//!
//! This module knows compressions and archives. It must not know the content of the files that it
//! unpacks.

mod error;
mod unpack;

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::Path;

pub use error::{Cause, ContainerError};
pub use unpack::UNPACKED_BYTES;

use crate::map::Bytes;
use crate::progress::Progress;
use crate::signature::archive::{
    Entry, Listing, PackingMethod, all_zip_entries, shown, tar_entries, zip_entries,
};
use crate::signature::{self, PACKED_ENDINGS, is_pickle_name};
use unpack::{Codec, Packed};

/// Maximum nesting of files: `x.pkl.gz` in a `.tar.gz` has three levels. One more is for a surrounding
/// zip.
const NESTING: usize = 4;

/// Options for unpacking a file.
#[derive(Debug, Clone)]
pub struct UnpackOptions {
    /// The entry to read from an archive; `None` for the only pickle.
    pub entry: Option<String>,
    /// Maximum number of unpacked bytes; see [`UNPACKED_BYTES`].
    pub unpacked_bytes: u64,
}

impl Default for UnpackOptions {
    fn default() -> UnpackOptions {
        UnpackOptions { entry: None, unpacked_bytes: UNPACKED_BYTES }
    }
}

/// A file and its content.
pub struct Opened {
    pub(crate) content: Bytes,
    /// The file on disk, if its content was extracted.
    outer: Option<Bytes>,
    name: String,
    is_entry: bool,
}

impl Opened {
    /// The content: the file itself, or what was extracted from it.
    pub fn bytes(&self) -> &[u8] {
        self.content.bytes()
    }

    /// The content's name: that of the file without the extensions removed, or of the entry with its
    /// folders.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the content was packed.
    pub fn is_packed(&self) -> bool {
        self.outer.is_some()
    }

    /// Whether the content is a named entry of an archive.
    pub fn is_entry(&self) -> bool {
        self.is_entry
    }

    /// The content, and the file around it, if any.
    pub(crate) fn into_parts(self) -> (Bytes, Option<Outer>) {
        let Opened { content, outer, name, .. } = self;
        (content, outer.map(|bytes| Outer { bytes, name }))
    }
}

/// The file around a content.
pub struct Outer {
    bytes: Bytes,
    name: String,
}

impl Outer {
    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// The name of the content.
    pub fn entry(&self) -> &str {
        &self.name
    }
}

/// Opens the file at `path`, and extracts its content.
///
/// A file of an unknown kind is opened unchanged: its reader reports any problem.
///
/// # Errors
/// If the file cannot be opened; packed data are truncated, damaged or larger than the limit; the
/// temporary folder is full; an archive has several pickles and none was chosen, or none at all.
pub fn open(
    path: &Path,
    options: &UnpackOptions,
    progress: &dyn Progress,
) -> Result<Opened, ContainerError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let source = Source { name, given: path.display().to_string(), map: &|| Bytes::map(path) };
    open_source(source, options, progress)
}

/// Like [`open`], for a file in memory.
///
/// # Errors
/// Same as [`open`].
pub fn from_bytes(
    bytes: &[u8],
    name: &str,
    options: &UnpackOptions,
) -> Result<Opened, ContainerError> {
    let map = || Ok(Bytes::Memory(bytes.to_vec()));
    let source = Source { name: name.into(), given: name.into(), map: &map };
    open_source(source, options, &())
}

/// A file being opened.
struct Source<'a> {
    name: String,
    /// The name as given, for commands in hints.
    given: String,
    map: &'a dyn Fn() -> io::Result<Bytes>,
}

fn open_source(
    source: Source<'_>,
    options: &UnpackOptions,
    progress: &dyn Progress,
) -> Result<Opened, ContainerError> {
    let Source { name, given, map } = source;
    let map = || map().map_err(|error| ContainerError::Itself(Cause::Open(error)));
    let content = map()?;
    let mut opened = Opened { content, outer: None, name, is_entry: false };
    let mut wanted = options.entry.as_deref();
    for level in 0..=NESTING {
        let fail = |cause| match level {
            0 => ContainerError::Itself(cause),
            _ => ContainerError::Inside { name: shown(&opened.name), cause },
        };
        // Commands in hints use the file name as given.
        let shown = if level == 0 { given.clone() } else { opened.name.clone() };
        let step = step(opened.bytes(), &opened.name, &shown, &mut wanted);
        let step = step.map_err(&fail)?;
        let Some(Step { packed, name, is_entry }) = step else { break };
        if level == NESTING {
            return Err(fail(Cause::Nested));
        }
        let unpacked = unpack::unpack(opened.bytes(), &packed, options.unpacked_bytes, progress);
        let unpacked = unpacked.map_err(&fail)?;
        let before = std::mem::replace(&mut opened.content, Bytes::Memory(Vec::new()));
        let (content, before) = match unpacked {
            Some(content) => (content, Some(before)),
            None => (before.part(packed.place), None),
        };
        opened.content = content;
        // The first one is the user's file; intermediate ones are no longer needed.
        if opened.outer.is_none() {
            opened.outer = Some(match before {
                Some(before) => before,
                None => map()?,
            });
        }
        opened.name = name;
        opened.is_entry |= is_entry;
    }
    if let Some(name) = wanted {
        return Err(ContainerError::Itself(Cause::NoArchive { name: shown(name) }));
    }
    Ok(opened)
}

/// The next unpacking step.
struct Step {
    packed: Packed,
    name: String,
    is_entry: bool,
}

/// How `bytes` are packed; `None` if they are not.
fn step(
    bytes: &[u8],
    name: &str,
    shown: &str,
    wanted: &mut Option<&str>,
) -> Result<Option<Step>, Cause> {
    let Some(known) = signature::identify(bytes, name) else { return Ok(None) };
    let codec = match known.kind.id {
        "gzip" => Codec::Gzip,
        "bzip2" => Codec::Bzip2,
        "xz" => Codec::Xz,
        "lzma" => Codec::Lzma,
        "zstd" => Codec::Zstd,
        id @ ("zip" | "tar") => {
            let list = if id == "zip" { zip_entries } else { tar_entries };
            let what = known.kind.what;
            let asked = wanted.take();
            let listing = list(bytes, asked).map_err(|problem| Cause::Damaged { what, problem })?;
            let twice = listing.twice.clone();
            let (entry, is_asked) = choose(listing, asked, what, id, shown)?;
            if twice.contains(&entry.name) {
                return Err(Cause::Twice { what, name: self::shown(&entry.name) });
            }
            if !is_asked {
                // The entry may be in an archive within this one.
                *wanted = asked;
            }
            return entry_step(entry, what).map(Some);
        }
        _ => return Ok(None),
    };
    let packed = Packed { codec, place: 0..bytes.len(), size: None, crc32: None };
    Ok(Some(Step { packed, name: unpacked_name(name), is_entry: false }))
}

/// The chosen entry, or the only one; and whether it was chosen.
fn choose(
    mut listing: Listing,
    asked: Option<&str>,
    what: &'static str,
    id: &str,
    archive: &str,
) -> Result<(Entry, bool), Cause> {
    let n_pickles = listing.pickles.len().saturating_add(listing.n_more_pickles);
    if let Some(entry) = listing.wanted.take() {
        return Ok((entry, true));
    }
    if let Some(links) = listing.only_links() {
        return Err(Cause::OnlyLinks { what, links });
    }
    if let Some(name) = asked {
        // The only file may be an archive with the entry.
        let names = listing.some_names();
        let only = listing.pickles.pop().filter(|only| n_pickles == 1 && only.size > 0);
        let only = only.filter(|only| !is_pickle_name(&only.name));
        return only.map(|only| (only, false)).ok_or_else(|| Cause::NoEntry {
            what,
            name: shown(name),
            names,
        });
    }
    match (listing.pickles.pop(), n_pickles) {
        (Some(only), 1) => Ok((only, false)),
        (Some(last), _) => {
            listing.pickles.push(last);
            Err(Cause::several(what, listing.pickles, n_pickles, id, archive))
        }
        (None, _) => {
            Err(Cause::NoPickle { what, names: listing.some_names(), n_files: listing.n_files })
        }
    }
}

fn entry_step(entry: Entry, what: &'static str) -> Result<Step, Cause> {
    let name = shown(&entry.name);
    let codec = match entry.method {
        PackingMethod::Stored => Codec::Stored,
        PackingMethod::Deflate => Codec::Deflate,
        PackingMethod::Bzip2 => Codec::Bzip2,
        PackingMethod::Zstd => Codec::Zstd,
        PackingMethod::Xz => Codec::Xz,
        PackingMethod::Encrypted => return Err(Cause::Encrypted { name }),
        PackingMethod::Sparse | PackingMethod::Other => {
            return Err(Cause::Method { what, name });
        }
    };
    let packed = Packed { codec, place: entry.place, size: Some(entry.size), crc32: entry.crc32 };
    Ok(Step { packed, name: entry.name, is_entry: true })
}

/// Places of the parts of a `torch.save` file: its pickle, and its storages by name.
pub struct TorchParts {
    /// The pickle of the object.
    pub pickle: Range<usize>,
    /// The elements of tensors.
    pub storages: HashMap<String, Range<usize>>,
}

/// The parts of `bytes`, if they are a zip archive in the form of `torch.save`.
///
/// # Errors
/// If the archive is truncated or damaged, or a part of it is packed, as `torch.save` never does.
pub fn torch_parts(bytes: &[u8], name: &str) -> Result<Option<TorchParts>, ContainerError> {
    let Some(known) = signature::identify(bytes, name).filter(|known| known.kind.id == "torch")
    else {
        return Ok(None);
    };
    let what = known.kind.what;
    let fail = ContainerError::Itself;
    let damaged = |problem| fail(Cause::Damaged { what, problem });
    let entries = all_zip_entries(bytes).map_err(damaged)?;
    let mut parts = TorchParts { pickle: 0..0, storages: HashMap::new() };
    let mut folder = None;
    for entry in &entries {
        let Some((top, rest)) = entry.name.split_once('/') else { continue };
        let key = match rest {
            "data.pkl" | "byteorder" => None,
            rest => match rest.strip_prefix("data/") {
                Some(key) => Some(key),
                None => continue,
            },
        };
        // The pickle comes first; all others are in its folder.
        if *folder.get_or_insert(top) != top {
            continue;
        }
        if entry.method != PackingMethod::Stored {
            return Err(fail(Cause::Method { what, name: shown(&entry.name) }));
        }
        let content = bytes.get(entry.place.clone()).unwrap_or_default();
        if entry.crc32.is_some_and(|expected| expected != crc32fast::hash(content)) {
            return Err(damaged(format!("`{}` differs from its check sum", shown(&entry.name))));
        }
        match (rest, key) {
            (_, Some(key)) => {
                parts.storages.insert(key.into(), entry.place.clone());
            }
            ("data.pkl", None) => parts.pickle = entry.place.clone(),
            _ if content != b"little" => {
                return Err(damaged("its numbers have the most significant byte first".into()));
            }
            _ => {}
        }
    }
    Ok(Some(parts))
}

/// The name of the compressed content.
pub fn unpacked_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let without = |ending: &str| name.get(..name.len().saturating_sub(ending.len()));
    let ends = |ending: &&str| lower.ends_with(*ending) && lower.len() > ending.len();
    if let Some(ending) = [".tgz", ".tbz2", ".tbz", ".txz", ".tzst"].iter().find(|e| ends(e)) {
        return format!("{}.tar", without(ending).unwrap_or(name));
    }
    let ending = PACKED_ENDINGS.iter().find(|ending| ends(ending));
    ending.and_then(|ending| without(ending)).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::unpacked_name;

    #[test]
    fn names_lose_the_ending_of_what_was_taken_off() {
        for (packed, name) in [
            ("a.pkl.gz", "a.pkl"),
            ("A.PKL.GZ", "A.PKL"),
            ("x.tgz", "x.tar"),
            ("x.tar.xz", "x.tar"),
            ("gzip-under-another-name.pkl", "gzip-under-another-name.pkl"),
            (".gz", ".gz"),
        ] {
            assert_eq!(unpacked_name(packed), name);
        }
    }
}
