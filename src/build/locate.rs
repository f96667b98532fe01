//! The files of a modality, and the clip that each belongs to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::clips::Clips;
use super::error::BuildError;
use super::frames::FileKind;
use crate::corpus::Modality;

/// Folders within folders that are listed, such as `DATASET/VIDEO/CLIP.csv`.
const MOST_DEEP: usize = 8;

/// The file of one clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClipFile {
    pub(super) path: PathBuf,
    pub(super) kind: FileKind,
}

/// The files of one modality.
#[derive(Debug, Default)]
pub(super) struct Located {
    /// By the place of the clip in the table.
    pub(super) files: BTreeMap<usize, ClipFile>,
    /// Files that belong to no clip, within the folder.
    pub(super) surplus: Vec<PathBuf>,
}

/// Finds the file of each clip in `folder` and the folders in it.
///
/// # Errors
/// The folder cannot be listed or has no feature file, no file belongs to a clip, or two belong to the
/// same one.
pub(super) fn locate(
    folder: &Path,
    modality: Modality,
    clips: &Clips,
    first_id: &str,
) -> Result<Located, BuildError> {
    let mut paths = Vec::new();
    list(folder, 0, &mut paths)?;
    // The order of a listing is that of the file system.
    paths.sort();
    let mut located = Located::default();
    for path in paths {
        let Some(kind) = FileKind::of_name(&path, modality) else { continue };
        let within = path.strip_prefix(folder).unwrap_or(&path).to_owned();
        let name = within.with_extension("").to_string_lossy().replace('\\', "/");
        match clips.find(&name) {
            Some(clip) => {
                let file = ClipFile { path: path.clone(), kind };
                if let Some(first) = located.files.insert(clip, file) {
                    return Err(BuildError::Twice { path, first: first.path });
                }
            }
            None => located.surplus.push(within),
        }
    }
    match (located.files.is_empty(), located.surplus.first()) {
        (false, _) => Ok(located),
        (true, None) => Err(BuildError::NoFiles { path: folder.into(), modality }),
        (true, Some(first)) => Err(BuildError::NoMatch {
            path: folder.into(),
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
