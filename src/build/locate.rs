//! The files of clips in a folder, and the clip that each belongs to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::clips::Clips;
use super::error::BuildError;
use super::part::ClipPart;

/// Folders within folders that are listed, such as `DATASET/VIDEO/CLIP.csv`.
const MOST_DEEP: usize = 8;

/// Where something of each clip is: `S` is a file, or a part of one.
#[derive(Debug)]
pub(super) struct Located<S> {
    /// By the place of the clip in the table.
    pub(super) of_clips: BTreeMap<usize, S>,
    /// Names of files in the folder, or of entries in the file, that belong to no clip.
    pub(super) surplus: Vec<String>,
}

impl<S> Located<S> {
    /// The entries of the file at `path`.
    ///
    /// # Errors
    /// None belongs to a clip.
    pub(super) fn entries_of(self, path: &Path, first_id: &str) -> Result<Located<S>, BuildError> {
        match self.of_clips.is_empty() {
            false => Ok(self),
            true => Err(BuildError::NoEntry {
                path: path.into(),
                n_entries: self.surplus.len(),
                entry: self.surplus.into_iter().next(),
                id: first_id.into(),
            }),
        }
    }
}

/// Finds the file of each clip in `folder` and the folders in it, of the kinds that `source` takes.
///
/// # Errors
/// The folder cannot be listed or has no feature file, no file belongs to a clip, or two belong to the
/// same one.
pub(super) fn locate<S>(
    folder: &Path,
    part: ClipPart,
    clips: &Clips,
    first_id: &str,
    source: impl Fn(&Path) -> Option<S>,
) -> Result<Located<S>, BuildError> {
    let mut paths = Vec::new();
    list(folder, 0, &mut paths)?;
    // The order of a listing is that of the file system.
    paths.sort();
    let mut located = Located { of_clips: BTreeMap::new(), surplus: Vec::new() };
    let mut found: BTreeMap<usize, PathBuf> = BTreeMap::new();
    for path in paths {
        let Some(source) = source(&path) else { continue };
        let within = path.strip_prefix(folder).unwrap_or(&path).to_owned();
        let name = within.with_extension("").to_string_lossy().replace('\\', "/");
        match clips.find(&name) {
            Some(clip) => {
                if let Some(first) = found.insert(clip, path.clone()) {
                    return Err(BuildError::Twice { path, first });
                }
                located.of_clips.insert(clip, source);
            }
            None => located.surplus.push(within.display().to_string()),
        }
    }
    match (located.of_clips.is_empty(), located.surplus.first()) {
        (false, _) => Ok(located),
        (true, None) => Err(BuildError::NoFiles { path: folder.into(), part }),
        (true, Some(first)) => Err(BuildError::NoMatch {
            path: folder.into(),
            part,
            n_files: located.surplus.len(),
            file: first.clone(),
            id: first_id.into(),
        }),
    }
}

/// Lists the files in a folder; those whose name begins with a dot are left out.
fn list(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), BuildError> {
    let io = |cause| BuildError::List { path: folder.into(), cause };
    for entry in folder.read_dir().map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        match path.is_dir() {
            true if depth < MOST_DEEP => list(&path, depth.saturating_add(1), found)?,
            true => {}
            false => found.push(path),
        }
    }
    Ok(())
}
