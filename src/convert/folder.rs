//! Finds the split files of a source in its folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::FolderError;
use crate::container::unpacked_name;
use crate::corpus::SplitName;
use crate::ingest::split_of;
use crate::packed::refuse_store;
use crate::signature;

/// The pickles of a folder.
pub(super) struct SplitFiles {
    /// One per split, in split order.
    pub(super) splits: Vec<PathBuf>,
    /// The others, whose name is not just a split's.
    pub(super) others: Vec<PathBuf>,
}

/// A folder's pickles with one split each: those named `train`, `dev`, `valid`, `val` or `test`, as in
/// MISA and MMIM, or else those whose name contains such a word. They may be compressed.
///
/// # Errors
/// The folder is a store, cannot be listed, contains no such file, or contains two for one split.
pub(super) fn split_files(folder: &Path) -> Result<SplitFiles, FolderError> {
    refuse_store(folder)?;
    let unlisted = |cause| FolderError::Io { path: folder.into(), cause };
    let entries = std::fs::read_dir(folder).map_err(unlisted)?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_pickle = |path: &&PathBuf| path.is_file() && has_ending(path, &["pkl", "pickle", "p"]);
    let named = |path: &PathBuf| Some((split_of(&stem(path))?, path.clone()));
    let all: Vec<(SplitName, PathBuf)> = paths.iter().filter(is_pickle).filter_map(named).collect();
    // Next to `train.pkl`, a `mosi_train_old.pkl` is something else.
    let is_plain = |path: &Path| stem(path).chars().all(char::is_alphanumeric);
    let has_plain = all.iter().any(|(_, path)| is_plain(path));
    let mut splits: BTreeMap<SplitName, PathBuf> = BTreeMap::new();
    for (split, path) in all.into_iter().filter(|(_, path)| !has_plain || is_plain(path)) {
        if let Some(first) = splits.insert(split, path.clone()) {
            return Err(FolderError::Twice { path, first });
        }
    }
    if !splits.is_empty() {
        let splits: Vec<PathBuf> = splits.into_values().collect();
        let is_other = |path: &&PathBuf| is_pickle(path) && !splits.contains(path);
        let others = paths.iter().filter(is_other).cloned().collect();
        return Ok(SplitFiles { splits, others });
    }
    let path = folder.into();
    if let Some(known) = signature::of_path(folder).filter(|known| known.kind.id == "run") {
        let advice = Box::new(known.advice);
        return Err(FolderError::Other { path, what: known.kind.what, advice });
    }
    let n_arrays = paths.iter().filter(|path| has_ending(path, &["npy", "npz"])).count();
    if n_arrays > 0 {
        return Err(FolderError::Arrays { path, n_arrays, table: label_table(&paths) });
    }
    Err(FolderError::NoSplits { path, n_pickles: paths.iter().filter(is_pickle).count() })
}

/// The label table among these files: `label.csv`, as MMSA calls it, or the only table.
fn label_table(paths: &[PathBuf]) -> Option<PathBuf> {
    let ending = |path: &PathBuf| path.extension().unwrap_or_default().to_ascii_lowercase();
    let is_table =
        |path: &&PathBuf| path.is_file() && (ending(path) == "csv" || ending(path) == "tsv");
    let tables: Vec<&PathBuf> = paths.iter().filter(is_table).collect();
    let named = tables.iter().find(|path| stem(path).eq_ignore_ascii_case("label"));
    match (named, &*tables) {
        (Some(table), _) => Some((*table).clone()),
        (None, [only]) => Some((*only).clone()),
        (None, _) => None,
    }
}

/// The name without the extension of a compressed file.
fn plain(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    PathBuf::from(unpacked_name(&name))
}

fn stem(path: &Path) -> String {
    plain(path).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let plain = plain(path);
    let ending = plain.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    endings.contains(&&*ending)
}
