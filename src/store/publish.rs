//! Whole file or no file: written under a temporary name, synced, renamed.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::StoreError;

/// An output that appears under its name only when [`Draft::publish`] succeeds, and vanishes when
/// dropped before.
pub struct Draft {
    temporary: TempPath,
    target: PathBuf,
    overwrite: bool,
}

impl Draft {
    /// Reserves a temporary sibling of `target`.
    ///
    /// # Errors
    /// `target` exists and `overwrite` is off, or its folder cannot be written to.
    pub fn new(target: &Path, overwrite: bool) -> Result<Draft, StoreError> {
        if !overwrite && target.exists() {
            return Err(StoreError::Exists { path: target.into() });
        }
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        remove_stale(folder, &prefix(target));
        let temporary = tempfile::Builder::new()
            .prefix(&prefix(target))
            .suffix(SUFFIX)
            .tempfile_in(folder)
            .map_err(|cause| StoreError::Io { path: target.into(), action: "create", cause })?
            .into_temp_path();
        Ok(Draft { temporary, target: target.into(), overwrite })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Syncs the file and moves it to its name.
    ///
    /// # Errors
    /// The disk is full, or another program created the target meanwhile.
    pub fn publish(self) -> Result<(), StoreError> {
        let target = self.target;
        let io = |action, cause| StoreError::Io { path: target.clone(), action, cause };
        let file = File::open(&self.temporary).map_err(|cause| io("open", cause))?;
        file.sync_all().map_err(|cause| io("sync", cause))?;
        set_ordinary_permissions(&file).map_err(|cause| io("set permissions of", cause))?;
        let moved = if self.overwrite {
            self.temporary.persist(&target)
        } else {
            self.temporary.persist_noclobber(&target)
        };
        moved.map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => StoreError::Exists { path: target.clone() },
            _ => io("create", error.error),
        })
    }
}

const SUFFIX: &str = ".part";

fn prefix(target: &Path) -> String {
    let name = target.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    format!(".{name}.")
}

/// Removes what a killed run left behind. Only files that no living process holds are taken: a
/// draft is younger than its process, so one older than a day cannot be in use.
fn remove_stale(folder: &Path, prefix: &str) {
    const A_DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name.starts_with(prefix) && name.ends_with(SUFFIX);
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed());
        if ours && matches!(age, Ok(Ok(age)) if age > A_DAY) {
            // A leftover that cannot be removed harms nothing but disk space.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Temporary files are private to their owner; a store on a shared drive is for all who may read
/// the folder, as far as the user's umask allows.
#[cfg(unix)]
fn set_ordinary_permissions(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let probe =
        tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o666)).tempfile()?;
    let mode = probe.as_file().metadata()?.permissions();
    file.set_permissions(mode)
}

#[cfg(not(unix))]
fn set_ordinary_permissions(_: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_draft_leaves_nothing_and_a_published_one_only_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.h5");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        drop(Draft::new(&target, false).unwrap());
        assert_eq!(names(), 0);
        let draft = Draft::new(&target, false).unwrap();
        std::fs::write(draft.path(), "content").unwrap();
        draft.publish().unwrap();
        assert_eq!((names(), std::fs::read_to_string(&target).unwrap().as_str()), (1, "content"));
        assert!(matches!(Draft::new(&target, false), Err(StoreError::Exists { .. })));
        assert!(Draft::new(&target, true).is_ok());
    }
}
