//! Whole output or no output: written under a temporary name, synced, renamed.
//!
//! A [`Draft`] of `NAME` is created in a hidden folder `.NAME.XXXXXX.part` next to it. The folder holds
//! a file that its writer keeps locked: the lock ends with the process, however that ends, so the next
//! writer of `NAME` can distinguish leftovers from running writers and removes them at once.
//!
//! A folder that replaces another is exchanged with it atomically if the system supports that (Linux).
//! Elsewhere the old one is moved into the draft first; if the process is killed between the two steps,
//! the next writer moves it back.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::{TempDir, TempPath};

/// An output that appears under its name only when [`Draft::publish`] succeeds, and is removed if
/// dropped before.
#[derive(Debug)]
pub struct Draft {
    /// Locked; declared before `scratch`, so that it is closed before the folder is removed.
    _lock: File,
    scratch: TempDir,
    target: PathBuf,
    overwrite: bool,
}

impl Draft {
    /// Reserves a place for a file next to `target`, with an empty file in it, and removes what killed
    /// runs left there.
    ///
    /// # Errors
    /// `target` exists and `overwrite` is off ([`io::ErrorKind::AlreadyExists`]), or its folder
    /// cannot be written to.
    pub fn new(target: &Path, overwrite: bool) -> io::Result<Draft> {
        let draft = Draft::reserve(target, overwrite)?;
        File::create_new(draft.path())?;
        Ok(draft)
    }

    /// Like [`Draft::new`], for a folder of files.
    ///
    /// # Errors
    /// Same as [`Draft::new`].
    pub fn folder(target: &Path, overwrite: bool) -> io::Result<Draft> {
        let draft = Draft::reserve(target, overwrite)?;
        fs::create_dir(draft.path())?;
        Ok(draft)
    }

    fn reserve(target: &Path, overwrite: bool) -> io::Result<Draft> {
        let folder = clear_litter(target);
        if !overwrite && target.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let prefix = prefix(target);
        // Another writer may remove the folder before it is locked.
        const TRIES: usize = 16;
        for _ in 0..TRIES {
            let scratch =
                tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX).tempdir_in(folder)?;
            let Ok(lock) = File::create_new(scratch.path().join(LOCK)) else { continue };
            if lock.try_lock().is_ok() && scratch.path().join(LOCK).exists() {
                let target = target.to_path_buf();
                return Ok(Draft { _lock: lock, scratch, target, overwrite });
            }
        }
        Err(io::Error::other("the temporary folder cannot be locked"))
    }

    /// The path to write to.
    pub fn path(&self) -> PathBuf {
        self.scratch.path().join(CONTENT)
    }

    /// Syncs the written data and moves it to its name.
    ///
    /// # Errors
    /// The disk is full, or another program created the target meanwhile.
    pub fn publish(self) -> io::Result<()> {
        let content = self.path();
        sync(&content)?;
        self.publish_unsynced()
    }

    /// Moves the written data to its name without waiting for the disk: complete or absent even if this
    /// program is killed, but not if the machine stops within seconds.
    ///
    /// # Errors
    /// Another program created the target meanwhile.
    pub fn publish_unsynced(self) -> io::Result<()> {
        let content = self.path();
        if content.is_dir() {
            return match self.target.exists() {
                true if !self.overwrite => Err(io::ErrorKind::AlreadyExists.into()),
                true => exchange(&content, &self.target, &self.scratch.path().join(OLD)),
                false => fs::rename(&content, &self.target),
            };
        }
        let content = TempPath::try_from_path(content)?;
        let moved = match self.overwrite {
            true => content.persist(&self.target),
            false => content.persist_noclobber(&self.target),
        };
        moved.map_err(|error| error.error)
    }
}

/// Syncs a file, or a folder with everything in it.
fn sync(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync(&entry?.path())?;
        }
    }
    // Only Unix can open a folder, and sync the names in it.
    if cfg!(unix) || path.is_file() {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}

/// Moves `new` to `target`, and the old `target` aside, into the draft.
fn exchange(new: &Path, target: &Path, aside: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE) {
            // Some file systems do not support it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            done => return Ok(done?),
        }
    }
    fs::rename(target, aside)?;
    fs::rename(new, target).inspect_err(|_| {
        // Otherwise the next writer does it.
        let _ = fs::rename(aside, target);
    })
}

/// Syncs files repeatedly while others write to them, until `done` is set and this thread unparked: the
/// final sync, which everyone waits for, then has little left to do.
///
/// # Errors
/// The disk is full or broken. Errors reported here may not be reported again, so nothing must be
/// published then.
pub fn sync_until(files: &[File], done: &AtomicBool) -> io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(50);
    while !done.load(Ordering::Acquire) {
        files.iter().try_for_each(File::sync_data)?;
        std::thread::park_timeout(PAUSE);
    }
    Ok(())
}

/// Writes a small file atomically, replacing any old one.
///
/// # Errors
/// The folder cannot be written to, or the disk is full.
pub fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = Draft::new(target, true)?;
    File::options().write(true).open(draft.path())?.write_all(bytes)?;
    draft.publish()
}

const SUFFIX: &str = ".part";

/// The file in a draft's folder that its writer keeps locked.
const LOCK: &str = "lock";

/// The content to publish.
const CONTENT: &str = "content";

/// The content it replaces, between two renames.
const OLD: &str = "old";

fn prefix(target: &Path) -> String {
    let name = target.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    format!(".{name}.")
}

/// Removes what killed writers of a file left beside it, and restores what one of them had moved aside; returns
/// the folder of the file.
pub fn clear_litter(target: &Path) -> &Path {
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let prefix = prefix(target);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // `.a.h5.` is the prefix of drafts of both `a.h5` and `a.h5.b`: the six characters distinguish
        // them.
        let middle = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(SUFFIX));
        if middle.is_none_or(|middle| middle.len() != 6 || middle.contains('.')) {
            continue;
        }
        let scratch = entry.path();
        // A leftover that cannot be removed only costs disk space.
        match File::open(scratch.join(LOCK)) {
            Ok(lock) if lock.try_lock().is_ok() => {
                let old = scratch.join(OLD);
                if !target.exists() && old.exists() && fs::rename(&old, target).is_err() {
                    continue;
                }
                let _ = fs::remove_dir_all(&scratch);
            }
            // Its writer is alive.
            Ok(_) => {}
            Err(_) => remove_without_lock(&scratch),
        }
    }
    folder
}

/// Removes a draft without a lock: its writer was killed before creating one, or while removing the
/// draft, or is about to create one.
fn remove_without_lock(scratch: &Path) {
    // A writer whose folder is gone when it creates the lock starts over.
    if fs::remove_dir(scratch).is_ok() {
        return;
    }
    // The lock is a draft's first file. If there are others without it, the draft was already being
    // removed.
    if !scratch.join(LOCK).exists() {
        let _ = fs::remove_dir_all(scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_dropped_draft_leaves_nothing_and_a_published_one_only_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.h5");
        let n_files = || names(folder.path()).len();
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
    fn a_folder_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.arrow");
        for content in ["first", "second"] {
            let draft = Draft::folder(&target, true).unwrap();
            fs::write(draft.path().join("file"), content).unwrap();
            draft.publish().unwrap();
            assert_eq!(fs::read_to_string(target.join("file")).unwrap(), content);
        }
        assert_eq!(names(folder.path()), ["a.arrow"]);
        assert!(Draft::folder(&target, false).is_err());
    }

    #[test]
    fn only_what_no_living_writer_holds_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.h5");
        let living = Draft::new(&target, false).unwrap();
        let make = |name: &str, lock: bool| {
            fs::create_dir(folder.path().join(name)).unwrap();
            if lock {
                fs::write(folder.path().join(name).join(LOCK), "").unwrap();
                fs::write(folder.path().join(name).join(CONTENT), "half").unwrap();
            }
        };
        make(".a.h5.dead01.part", true);
        make(".a.h5.dead02.part", false);
        make(".a.h5.dead04.part", false);
        fs::write(folder.path().join(".a.h5.dead04.part").join(CONTENT), "half").unwrap();
        make(".b.h5.dead03.part", true);
        make(".a.h5.b.abcdef.part", true);
        drop(Draft::new(&target, false).unwrap());
        let exists = |name: &str| folder.path().join(name).exists();
        assert!(!exists(".a.h5.dead01.part") && !exists(".a.h5.dead02.part"));
        assert!(!exists(".a.h5.dead04.part"));
        assert!(exists(".b.h5.dead03.part") && exists(".a.h5.b.abcdef.part"));
        assert!(living.path().exists());
    }

    #[test]
    fn an_output_that_a_killed_run_moved_aside_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.arrow");
        let dead = folder.path().join(".a.arrow.dead01.part");
        fs::create_dir_all(dead.join(OLD)).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join(OLD).join("file"), "old").unwrap();
        let refused = Draft::folder(&target, false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.arrow"]);
    }
}
