//! Whole file or no file: written under a temporary name, synced, renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempPath;

/// An output that appears under its name only when [`Draft::publish`] succeeds, and vanishes when
/// dropped before.
#[derive(Debug)]
pub struct Draft {
    temporary: TempPath,
    target: PathBuf,
    overwrite: bool,
}

impl Draft {
    /// Reserves a temporary sibling of `target`, and clears away what a killed run left there.
    ///
    /// # Errors
    /// `target` exists and `overwrite` is off ([`io::ErrorKind::AlreadyExists`]), or its folder
    /// cannot be written to.
    pub fn new(target: &Path, overwrite: bool) -> io::Result<Draft> {
        if !overwrite && target.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        remove_stale(folder, &prefix(target));
        let mut builder = tempfile::Builder::new();
        // Temporary files are private to their owner by default; a store on a shared drive is for
        // all who may read there, as far as the user's umask allows.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let prefix = prefix(target);
        let temporary =
            builder.prefix(&prefix).suffix(SUFFIX).tempfile_in(folder)?.into_temp_path();
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
    pub fn publish(self) -> io::Result<()> {
        File::open(&self.temporary)?.sync_all()?;
        self.publish_unsynced()
    }

    /// Moves the file to its name without waiting for the disk: whole or absent whatever becomes
    /// of this program, but not if the machine stops in the seconds after.
    ///
    /// # Errors
    /// Another program created the target meanwhile.
    pub fn publish_unsynced(self) -> io::Result<()> {
        let moved = match self.overwrite {
            true => self.temporary.persist(&self.target),
            false => self.temporary.persist_noclobber(&self.target),
        };
        moved.map_err(|error| error.error)
    }
}

/// Syncs a file's data again and again while others write to it, until `done` is set and this
/// thread unparked: the sync at the end, for which everybody waits, then finds little left.
///
/// # Errors
/// The disk is full or broken. What was reported here may not be reported again, so the file is
/// not to be published then.
pub fn sync_until(file: &File, done: &AtomicBool) -> io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(50);
    while !done.load(Ordering::Acquire) {
        file.sync_data()?;
        std::thread::park_timeout(PAUSE);
    }
    Ok(())
}

/// Writes a small file whole or not at all, replacing what was there.
///
/// # Errors
/// The folder cannot be written to, or the disk is full.
pub fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = Draft::new(target, true)?;
    File::options().write(true).open(draft.path())?.write_all(bytes)?;
    draft.publish()
}

const SUFFIX: &str = ".part";

fn prefix(target: &Path) -> String {
    let name = target.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    format!(".{name}.")
}

/// Removes what a killed run left behind. A file that was not written to for an hour belongs to no
/// run that is still going on: every run writes all the time.
fn remove_stale(folder: &Path, prefix: &str) {
    const AN_HOUR: Duration = Duration::from_secs(60 * 60);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name.starts_with(prefix) && name.ends_with(SUFFIX);
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed());
        if ours && matches!(age, Ok(Ok(age)) if age > AN_HOUR) {
            // A leftover that cannot be removed harms nothing but disk space.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_draft_leaves_nothing_and_a_published_one_only_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.h5");
        let n_files = || fs::read_dir(folder.path()).unwrap().count();
        drop(Draft::new(&target, false).unwrap());
        assert_eq!(n_files(), 0);
        let draft = Draft::new(&target, false).unwrap();
        fs::write(draft.path(), "content").unwrap();
        draft.publish().unwrap();
        assert_eq!((n_files(), fs::read_to_string(&target).unwrap().as_str()), (1, "content"));
        let refused = Draft::new(&target, false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        write(&target, b"new").unwrap();
        assert_eq!((n_files(), fs::read_to_string(&target).unwrap().as_str()), (1, "new"));
    }

    #[test]
    fn only_old_leftovers_of_the_same_target_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.h5");
        let old = std::time::SystemTime::now() - Duration::from_secs(7200);
        for (name, time) in
            [(".a.h5.x.part", Some(old)), (".b.h5.x.part", Some(old)), (".a.h5.y.part", None)]
        {
            let file = File::create(folder.path().join(name)).unwrap();
            time.iter().for_each(|time| file.set_modified(*time).unwrap());
        }
        drop(Draft::new(&target, false).unwrap());
        let exists = |name: &str| folder.path().join(name).exists();
        assert!(!exists(".a.h5.x.part") && exists(".b.h5.x.part") && exists(".a.h5.y.part"));
    }
}
