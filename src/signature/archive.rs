//! The entries of zip and tar files: names, sizes and places. Nothing is unpacked.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::ops::Range;

use super::is_pickle_name;

/// Maximum number of listed pickles in one archive; no public one comes near it.
const MOST_PICKLES: usize = 1000;

/// Maximum number of other entries to name.
const OTHERS_NAMED: usize = 5;

/// Packing method of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackingMethod {
    /// Not packed.
    Stored,
    /// Deflate.
    Deflate,
    /// bzip2.
    Bzip2,
    /// Zstandard.
    Zstd,
    /// xz.
    Xz,
    /// Encrypted.
    Encrypted,
    /// In chunks, with holes between them.
    Sparse,
    /// An unsupported method.
    Other,
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name with its folders.
    pub name: String,
    /// Unpacked size according to the archive.
    pub size: u64,
    /// Its packing method.
    pub method: PackingMethod,
    /// Place of its packed bytes in the archive.
    pub place: Range<usize>,
    /// CRC-32 of the unpacked bytes, if the archive has it.
    pub crc32: Option<u32>,
}

/// Contents of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Entries with a pickle's name; in an archive of one file, that file.
    pub pickles: Vec<Entry>,
    /// Names of the first other entries.
    pub others: Vec<String>,
    /// Number of all files.
    pub n_files: usize,
    /// The requested entry.
    pub wanted: Option<Entry>,
    /// Number of pickles not listed.
    pub n_more_pickles: usize,
    /// Names that several entries share.
    pub twice: BTreeSet<String>,
    /// Names of entries that are links to other files, if an archive contains only links.
    pub links: Vec<String>,
    seen: BTreeSet<String>,
    only: Option<Entry>,
}

impl Listing {
    fn add(&mut self, entry: Entry, wanted: Option<&str>) {
        self.n_files = self.n_files.saturating_add(1);
        if !self.seen.insert(entry.name.clone()) {
            // Most programs unpack the last one; which is meant is unknown.
            self.twice.insert(entry.name.clone());
            self.pickles.retain(|known| known.name != entry.name);
        }
        if wanted == Some(&entry.name) {
            self.wanted = Some(entry.clone());
        }
        // Macs add a metadata file with the same extension to each file.
        let base = entry.name.rsplit('/').next().unwrap_or_default();
        let is_hidden = base.starts_with('.') || entry.name.starts_with("__MACOSX/");
        if is_pickle_name(&entry.name) && !is_hidden {
            match self.pickles.len() < MOST_PICKLES {
                true => self.pickles.push(entry),
                false => self.n_more_pickles = self.n_more_pickles.saturating_add(1),
            }
            return;
        }
        if is_hidden {
            self.n_files = self.n_files.saturating_sub(1);
            return;
        }
        if self.others.len() < OTHERS_NAMED {
            self.others.push(entry.name.clone());
        }
        if self.n_files == 1 {
            self.only = Some(entry);
        }
    }

    fn finish(mut self) -> Listing {
        if self.pickles.is_empty() && self.n_files == 1 {
            self.pickles.extend(self.only.take());
        }
        self
    }

    /// The first links of an archive that holds nothing else, for a message.
    pub fn only_links(&self) -> Option<String> {
        let links: Vec<String> = self.links.iter().map(|name| shown(name)).collect();
        (self.n_files == 0 && !links.is_empty())
            .then(|| format!("links to files outside of it: {}", links.join(", ")))
    }

    /// The first file names, for a message.
    pub fn some_names(&self) -> String {
        let pickles = self.pickles.iter().map(|entry| entry.name.clone());
        let names: Vec<String> =
            pickles.chain(self.others.iter().cloned()).take(OTHERS_NAMED).collect();
        let n_more = self.n_files.saturating_sub(names.len());
        let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
        format!("{}{more}", names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", "))
    }
}

/// An entry's name for a message: short and printable.
pub fn shown(name: &str) -> String {
    const MOST_CHARS: usize = 120;
    let mut out = String::new();
    for char in name.chars().take(MOST_CHARS) {
        if char.is_control() { out.extend(char.escape_debug()) } else { out.push(char) }
    }
    out
}

type Zip<'a> = zip::ZipArchive<Cursor<&'a [u8]>>;

/// Opens the central directory at the end of a zip file.
fn open_zip(bytes: &[u8]) -> Result<Zip<'_>, String> {
    zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| shown(&error.to_string()))
}

/// The files of a zip archive, and the `wanted` one.
///
/// # Errors
/// If the directory at its end is absent or damaged; with the reason.
pub fn zip_entries(bytes: &[u8], wanted: Option<&str>) -> Result<Listing, String> {
    let mut zip = open_zip(bytes)?;
    let mut listing = Listing { twice: zip_names_twice(&zip, bytes), ..Listing::default() };
    for idx in 0..zip.len() {
        if let Some(entry) = zip_entry(&mut zip, idx, bytes.len())? {
            listing.add(entry, wanted);
        }
    }
    Ok(listing.finish())
}

/// All files of a zip archive.
///
/// # Errors
/// Same as [`zip_entries`].
pub fn all_zip_entries(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let mut zip = open_zip(bytes)?;
    let entries = (0..zip.len()).map(|idx| zip_entry(&mut zip, idx, bytes.len()));
    entries.filter_map(Result::transpose).collect()
}

/// The names of a zip archive, as far as its directory can be read.
pub(super) fn zip_names(bytes: &[u8]) -> Vec<String> {
    let Ok(zip) = open_zip(bytes) else { return Vec::new() };
    let names = zip.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned());
    names.collect()
}

/// The duplicate names in a zip archive, of which the library keeps the last.
fn zip_names_twice(zip: &Zip<'_>, bytes: &[u8]) -> BTreeSet<String> {
    if !zip.has_duplicate_names() {
        return BTreeSet::new();
    }
    const HEADER: &[u8] = b"PK\x01\x02";
    const HEADER_BYTES: usize = 46;
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    let mut at = usize::try_from(zip.central_directory_start()).unwrap_or(usize::MAX);
    loop {
        let header = at.checked_add(HEADER_BYTES).and_then(|end| bytes.get(at..end));
        let Some(header) = header.filter(|header| header.starts_with(HEADER)) else { break };
        let size = |place: usize| {
            let pair = header.get(place..place.saturating_add(2)).and_then(|it| it.try_into().ok());
            pair.map_or(0, |pair| usize::from(u16::from_le_bytes(pair)))
        };
        let start = at.saturating_add(HEADER_BYTES);
        let end = start.saturating_add(size(28));
        let Some(name) = bytes.get(start..end) else { break };
        if !seen.insert(name) {
            twice.insert(String::from_utf8_lossy(name).into_owned());
        }
        at = end.saturating_add(size(30)).saturating_add(size(32));
    }
    twice
}

fn zip_entry(zip: &mut Zip<'_>, idx: usize, len: usize) -> Result<Option<Entry>, String> {
    use zip::CompressionMethod as Zip;
    let file = zip.by_index_raw(idx).map_err(|error| shown(&error.to_string()))?;
    if file.is_dir() {
        return Ok(None);
    }
    let name = match file.name() {
        Ok(name) => name.into_owned(),
        Err(_) => String::from_utf8_lossy(file.name_raw()).into_owned(),
    };
    let compression = file.compression();
    let method = match compression {
        _ if file.encrypted() => PackingMethod::Encrypted,
        Zip::Stored => PackingMethod::Stored,
        _ if compression == Zip::DEFLATE => PackingMethod::Deflate,
        _ if compression == Zip::BZIP2 => PackingMethod::Bzip2,
        _ if compression == Zip::ZSTD => PackingMethod::Zstd,
        _ if compression == Zip::XZ => PackingMethod::Xz,
        _ => PackingMethod::Other,
    };
    let start = file.data_start().and_then(|start| usize::try_from(start).ok());
    let packed = usize::try_from(file.compressed_size()).ok();
    let place = start.zip(packed).and_then(|(start, len)| Some(start..start.checked_add(len)?));
    let place = place
        .filter(|place| place.end <= len)
        .ok_or_else(|| format!("`{}` is beyond the end of the file", shown(&name)))?;
    Ok(Some(Entry { name, size: file.size(), method, place, crc32: Some(file.crc32()) }))
}

/// The files of a tar archive, and the `wanted` one.
///
/// # Errors
/// If a header is damaged, or the archive ends within an entry; with the reason.
pub fn tar_entries(bytes: &[u8], wanted: Option<&str>) -> Result<Listing, String> {
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let entries = archive.entries_with_seek().map_err(|error| shown(&error.to_string()))?;
    let mut listing = Listing::default();
    for entry in entries {
        let entry = entry.map_err(|error| shown(&error.to_string()))?;
        let kind = entry.header().entry_type();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if (kind.is_symlink() || kind.is_hard_link()) && listing.links.len() < OTHERS_NAMED {
            listing.links.push(name.clone());
        }
        let method = match kind {
            _ if kind.is_gnu_sparse() => PackingMethod::Sparse,
            _ if kind.is_file() || kind.is_contiguous() => PackingMethod::Stored,
            _ => continue,
        };
        // The old format marks folders only by name.
        if name.ends_with('/') {
            continue;
        }
        let start = usize::try_from(entry.raw_file_position()).ok();
        let len = usize::try_from(entry.size()).ok();
        let place = start.zip(len).and_then(|(start, len)| Some(start..start.checked_add(len)?));
        let place =
            place.filter(|place| place.end <= bytes.len() || method == PackingMethod::Sparse);
        let place = place.ok_or_else(|| format!("the file ends within `{}`", shown(&name)))?;
        let name = name.strip_prefix("./").map(Into::into).unwrap_or(name);
        listing.add(Entry { name, size: entry.size(), method, place, crc32: None }, wanted);
    }
    Ok(listing.finish())
}
