//! Opens a file and reads one entry at a time.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ::hdf5::plist::dataset_create::Layout;
use ::hdf5::{Dataset, File, Group, IndexType, IterationOrder, LinkType};

use super::dtype::FeatureType;
use super::entry::{CsdEntry, Features};
use super::error::CsdError;
use super::metadata::{Metadata, MetadataValue};
use super::numbers::{self, Unread};
use crate::hdf5_file::{has_signature, unlocked};
use crate::words::plural;

/// Bytes of features or intervals of one entry. The largest published file, OpenFace 2 of CMU-MOSEI, has
/// 16 GB for 3,228 videos.
const MOST_ENTRY_BYTES: u64 = 1 << 32;

/// Bytes of one chunk, which is unpacked as a whole. The SDK's chunks have less than 1 MiB.
const MOST_CHUNK_BYTES: u64 = 1 << 28;

/// Declared bytes per stored byte: DEFLATE shrinks to no less than 1 in 1,032.
const MOST_RATIO: u64 = 1100;

/// Declared bytes that need no storage: what was never written reads as zeros.
const FREE_BYTES: u64 = 1 << 16;

/// Bytes of one value of the metadata.
const MOST_METADATA_BYTES: u64 = 1 << 22;

/// Shapes and types of an entry, without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryShape {
    /// Axes of the features, `[n_rows, feat_dim]` in a valid file.
    pub features: Vec<usize>,
    /// Axes of the intervals, `[n_rows, 2]` in a valid file.
    pub intervals: Vec<usize>,
    /// Type of the features.
    pub dtype: FeatureType,
}

impl EntryShape {
    /// How the shapes contradict the format, if they do.
    pub fn problem(&self) -> Option<String> {
        let EntryShape { features, intervals, .. } = self;
        match (&**features, &**intervals) {
            ([_] | [], _) => {
                Some(format!("expected features of shape [n_rows, feat_dim], found {features:?}"))
            }
            (_, intervals) if !matches!(intervals, [_, 2]) => {
                Some(format!("expected intervals of shape [n_rows, 2], found {intervals:?}"))
            }
            ([n_features, ..], [n_intervals, ..]) if n_features != n_intervals => {
                let features = plural(*n_features, "row");
                Some(format!("{features} of features and {n_intervals} of intervals"))
            }
            ([_, inner @ ..], _) if inner.contains(&0) => {
                Some(format!("expected features with columns, found shape {features:?}"))
            }
            _ => None,
        }
    }

    /// Number of columns; axes after the second are joined with it.
    pub fn feat_dim(&self) -> usize {
        self.features.iter().skip(1).product()
    }
}

/// An open computational sequence. Entries are read one by one.
#[derive(Debug)]
pub struct SequenceFile {
    path: PathBuf,
    file: File,
    root: String,
    data: Group,
    metadata: Metadata,
    names: Vec<String>,
}

impl SequenceFile {
    /// Opens a file, and reads its names and metadata, but no data.
    ///
    /// # Errors
    /// The file cannot be opened, is not HDF5, or is not a computational sequence.
    pub fn open(path: &Path) -> Result<SequenceFile, CsdError> {
        // Otherwise the library prints its own error stack before ours.
        ::hdf5::silence_errors(true);
        match has_signature(path) {
            Ok(true) => {}
            Ok(false) if path.metadata().is_ok_and(|about| about.len() == 0) => {
                return Err(CsdError::Empty { path: path.into() });
            }
            Ok(false) => return Err(CsdError::NotHdf5 { path: path.into() }),
            Err((action, cause)) => {
                return Err(CsdError::Io { path: path.into(), action, cause });
            }
        }
        let file = File::with_options().with_fapl(unlocked).open(path);
        let file = file.map_err(|error| CsdError::unopened(path, &error))?;
        let root = members(path, &file, "/")?.into_iter().next();
        let root = root.ok_or_else(|| other(path, "it is empty"))?;
        let Ok(group) = file.group(&root) else {
            return Err(other(path, &format!("`{root}` is not a group")));
        };
        let within = members(path, &group, &root)?;
        if !within.iter().any(|name| name == "data") {
            return Err(other(path, &format!("`{root}` lacks the group `data`")));
        }
        let place = format!("{root}/data");
        let data = group.group("data").map_err(|_| other(path, "`data` is not a group"))?;
        let names = members(path, &data, &place)?;
        let metadata = match within.iter().any(|name| name == "metadata") {
            true => read_metadata(path, &root, &group)?,
            false => Metadata::default(),
        };
        Ok(SequenceFile { path: path.into(), file, root, data, metadata, names })
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name of the top-level group. It need not be that of the file.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Everything beside the data.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Names of the entries, in order of their bytes, as the SDK reads them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.file.size()
    }

    /// Shapes and type of an entry.
    ///
    /// # Errors
    /// A part of the entry is missing, of another type, or declares more than any known file has.
    pub fn shape(&self, name: &str) -> Result<EntryShape, CsdError> {
        self.parts(name).map(|parts| parts.shape)
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// Same as [`SequenceFile::shape`]; also if the shapes contradict the format, or values cannot be
    /// read.
    pub fn entry(&self, name: &str) -> Result<CsdEntry, CsdError> {
        let parts = self.checked(name)?;
        let intervals = self.read_intervals(name, &parts)?;
        let shape = [intervals.len(), parts.shape.feat_dim()];
        let place = self.place(name, "features");
        let features =
            numbers::read(&parts.features, shape).map_err(|unread| self.unread(&place, unread))?;
        Ok(CsdEntry { intervals, features })
    }

    /// Reads some rows of an entry; those that it does not have are left out.
    ///
    /// # Errors
    /// Same as [`SequenceFile::entry`].
    pub fn rows(&self, name: &str, rows: Range<usize>) -> Result<CsdEntry, CsdError> {
        let parts = self.checked(name)?;
        let n_rows = parts.shape.intervals.first().copied().unwrap_or_default();
        let rows = rows.start.min(n_rows)..rows.end.min(n_rows).max(rows.start.min(n_rows));
        let mut intervals = self.read_intervals(name, &parts)?;
        intervals = intervals[rows.clone()].to_vec();
        let shape = [n_rows, parts.shape.feat_dim()];
        let place = self.place(name, "features");
        let features = numbers::read_rows(&parts.features, shape, rows)
            .map_err(|unread| self.unread(&place, unread))?;
        Ok(CsdEntry { intervals, features })
    }

    /// Reads the intervals of an entry: start and end of each row in seconds.
    ///
    /// # Errors
    /// Same as [`SequenceFile::entry`].
    pub fn intervals(&self, name: &str) -> Result<Vec<[f64; 2]>, CsdError> {
        let parts = self.checked(name)?;
        self.read_intervals(name, &parts)
    }

    fn checked(&self, name: &str) -> Result<Parts, CsdError> {
        let parts = self.parts(name)?;
        match parts.shape.problem() {
            Some(problem) => Err(CsdError::damaged(&self.path, name, problem)),
            None => Ok(parts),
        }
    }

    fn read_intervals(&self, name: &str, parts: &Parts) -> Result<Vec<[f64; 2]>, CsdError> {
        let place = self.place(name, "intervals");
        let n_rows = parts.shape.intervals.first().copied().unwrap_or_default();
        let read = numbers::read(&parts.intervals, [n_rows, 2]);
        match read.map_err(|unread| self.unread(&place, unread))?.to_float64() {
            Some(times) => Ok(times.rows().into_iter().map(|row| [row[0], row[1]]).collect()),
            None => Err(CsdError::damaged(&self.path, &place, "expected numbers, found text")),
        }
    }

    fn parts(&self, name: &str) -> Result<Parts, CsdError> {
        let group = self.data.group(name).map_err(|_| {
            CsdError::damaged(&self.path, &format!("{}/data/{name}", self.root), "is not a group")
        })?;
        let within = members(&self.path, &group, name)?;
        let dataset = |part: &str| {
            let place = self.place(name, part);
            if !within.iter().any(|found| found == part) {
                return Err(CsdError::damaged(&self.path, name, format!("lacks `{part}`")));
            }
            let dataset = group
                .dataset(part)
                .map_err(|error| CsdError::unread(&self.path, &place, &error))?;
            let (dtype, n_bytes) =
                numbers::type_of(&dataset).map_err(|unread| self.unread(&place, unread))?;
            check_size(&self.path, &place, &dataset, n_bytes)?;
            Ok((dataset, dtype))
        };
        let ((features, dtype), (intervals, _)) = (dataset("features")?, dataset("intervals")?);
        let shape = EntryShape { features: features.shape(), intervals: intervals.shape(), dtype };
        Ok(Parts { features, intervals, shape })
    }

    fn place(&self, name: &str, part: &str) -> String {
        format!("{}/data/{name}/{part}", self.root)
    }

    fn unread(&self, place: &str, unread: Unread) -> CsdError {
        of_unread(&self.path, place, unread)
    }
}

/// The datasets of an entry.
struct Parts {
    features: Dataset,
    intervals: Dataset,
    shape: EntryShape,
}

fn other(path: &Path, problem: &str) -> CsdError {
    CsdError::NotASequence { path: path.into(), problem: problem.into() }
}

fn of_unread(path: &Path, place: &str, unread: Unread) -> CsdError {
    match unread {
        Unread::Problem(problem) => CsdError::damaged(path, place, problem),
        Unread::Library(error) => CsdError::unread(path, place, &error),
    }
}

/// Names in a group, in order of their bytes. A link to another place could be to another file.
fn members(path: &Path, group: &Group, place: &str) -> Result<Vec<String>, CsdError> {
    let links = group.links(IndexType::Name, IterationOrder::Increasing);
    let links = links.map_err(|error| CsdError::unread(path, place, &error))?;
    match links.iter().find(|(_, link)| link.link_type != LinkType::Hard) {
        Some((name, _)) => {
            let problem = format!("`{name}` is a link to another place, which is not followed");
            Err(CsdError::damaged(path, place, problem))
        }
        None => Ok(links.into_iter().map(|(name, _)| name).collect()),
    }
}

/// Refuses a dataset that declares far more than it stores or than any known file has.
fn check_size(
    path: &Path,
    place: &str,
    dataset: &Dataset,
    value_bytes: usize,
) -> Result<(), CsdError> {
    let bytes = |axes: &[usize]| {
        axes.iter().fold(value_bytes as u64, |bytes, len| bytes.saturating_mul(*len as u64))
    };
    let failed = |error: ::hdf5::Error| CsdError::unread(path, place, &error);
    let stored = dataset.storage_size();
    if matches!(dataset.layout(), Layout::Virtual)
        || !dataset.dcpl().map_err(failed)?.get_external().map_err(failed)?.is_empty()
    {
        return Err(CsdError::damaged(path, place, "its values are in another file"));
    }
    let found = bytes(&dataset.get_shape().map_err(failed)?);
    let most = MOST_ENTRY_BYTES.min(stored.saturating_mul(MOST_RATIO).saturating_add(FREE_BYTES));
    if found > most {
        return Err(CsdError::TooLarge {
            path: path.into(),
            place: place.into(),
            found,
            limit: most,
        });
    }
    match dataset.chunk().map(|chunk| bytes(&chunk)) {
        Some(found) if found > MOST_CHUNK_BYTES => {
            let (path, place) = (path.into(), format!("{place}: one chunk"));
            Err(CsdError::TooLarge { path, place, found, limit: MOST_CHUNK_BYTES })
        }
        _ => Ok(()),
    }
}

fn read_metadata(path: &Path, root: &str, group: &Group) -> Result<Metadata, CsdError> {
    let place = format!("{root}/metadata");
    let failed = |error: ::hdf5::Error| CsdError::unread(path, &place, &error);
    let group = group.group("metadata").map_err(failed)?;
    let mut values = Vec::new();
    for name in members(path, &group, &place)? {
        let place = format!("{place}/{name}");
        let dataset = group.dataset(&name).map_err(failed)?;
        if dataset.size() != 1 {
            let problem = format!("expected one string, found shape {:?}", dataset.shape());
            return Err(CsdError::damaged(path, &place, problem));
        }
        let (_, n_bytes) =
            numbers::type_of(&dataset).map_err(|unread| of_unread(path, &place, unread))?;
        check_size(path, &place, &dataset, n_bytes)?;
        let read = numbers::strings(&dataset);
        let (_, texts) = read.map_err(|unread| of_unread(path, &place, unread))?;
        let raw = texts.into_iter().next().unwrap_or_default();
        if raw.len() as u64 > MOST_METADATA_BYTES {
            let (found, limit) = (raw.len() as u64, MOST_METADATA_BYTES);
            return Err(CsdError::TooLarge { path: path.into(), place, found, limit });
        }
        values.push((name, MetadataValue::new(raw)));
    }
    Ok(Metadata { values })
}

impl SequenceFile {
    /// Reads only the features of an entry, for checks.
    pub(super) fn features(&self, name: &str) -> Result<Features, CsdError> {
        let parts = self.checked(name)?;
        let n_rows = parts.shape.features.first().copied().unwrap_or_default();
        let place = self.place(name, "features");
        numbers::read(&parts.features, [n_rows, parts.shape.feat_dim()])
            .map_err(|unread| self.unread(&place, unread))
    }
}
