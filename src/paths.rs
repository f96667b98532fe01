//! Queries about paths.

use std::path::Path;

/// Whether two paths lead to the same file.
pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Size of a file, or of all files in a folder and its subfolders, in bytes.
pub(crate) fn size_on_disk(path: &Path) -> u64 {
    let Ok(entries) = path.read_dir() else {
        return path.metadata().map_or(0, |meta| meta.len());
    };
    entries.flatten().map(|entry| size_on_disk(&entry.path())).sum()
}
