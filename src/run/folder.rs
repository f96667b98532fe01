//! A run's folder: its files, and the order in which they are written.

use std::borrow::Cow;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::RunError;
use super::events::EventFile;
use super::record::{EpochRecord, RunResult};
use super::settings::TrainSettings;
use crate::encoding::Encoding;
use crate::publish;

/// Settings of the run.
pub const CONFIG: &str = "config.toml";
/// A line per epoch.
pub const METRICS: &str = "metrics.jsonl";
/// Weights of the selected epoch.
pub const BEST: &str = "best.safetensors";
/// Predictions of the selected epoch on the validation and the test split.
pub const PREDICTIONS: &str = "predictions.csv";
/// Attention of language at the selected epoch.
pub const ATTENTION: &str = "attention.json";
/// The run's result. Written last: a run with this file is complete.
pub const RESULT: &str = "result.json";
/// State of an unfinished run.
pub const STATE: &str = "state.safetensors";
/// State of runs trained as one, in their parent folder.
pub const STATE_TOGETHER: &str = "together.safetensors";

/// The table of several seeds, in their parent folder.
pub const SUMMARY_CSV: &str = "summary.csv";
/// The same as Parquet.
pub const SUMMARY_PARQUET: &str = "summary.parquet";

/// Locked by the process that trains a run, and removed when it ends.
const LOCK: &str = ".lock";

/// All files of a run except those for TensorBoard, in the order in which a new run removes an old
/// one's: results must never accompany a configuration that did not produce them, and a run with a
/// result counts as complete.
const FILES: [&str; 7] = [RESULT, STATE, BEST, METRICS, PREDICTIONS, ATTENTION, CONFIG];

/// Paths of a run's files.
pub fn files(run: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    FILES.iter().map(|name| run.join(name))
}

/// Prefix of the run folders of several seeds.
const OF_SEED: &str = "seed-";

/// The run folder of one of several seeds.
pub fn of_seed(out: &Path, seed: u64) -> PathBuf {
    out.join(format!("{OF_SEED}{seed}"))
}

/// Whether a folder is a run folder.
pub fn is_run(folder: &Path) -> bool {
    folder.join(CONFIG).exists()
}

/// The runs in a folder, by name and number.
pub fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    // `seed-10` comes after `seed-9`.
    runs.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
        let number = name[stem.len()..].parse::<u64>().unwrap_or(0);
        (stem, number, name)
    });
    runs
}

/// Converts a file system error at a path of a run.
pub fn io(path: &Path) -> impl Fn(std::io::Error) -> RunError + '_ {
    |cause| RunError::Io { path: path.to_owned(), cause }
}

/// Converts the error that a file of a run cannot be read.
pub(super) fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> RunError + '_ {
    |cause| {
        let folder = path.parent().filter(|_| path.ends_with(CONFIG));
        match folder.filter(|_| cause.kind() == std::io::ErrorKind::NotFound) {
            // The current folder has no name.
            Some(folder) if folder.as_os_str().is_empty() || folder.exists() => {
                RunError::NoRun { path: folder.into(), lacks: CONFIG }
            }
            Some(folder) => RunError::NoFolder { path: folder.into() },
            None => RunError::Unreadable { path: path.into(), cause },
        }
    }
}

/// The settings of the run in a folder.
///
/// # Errors
/// The folder contains none.
pub fn read_config(folder: &Path) -> Result<TrainSettings, RunError> {
    let path = folder.join(CONFIG);
    let text = read_text(&path)?;
    // TOML parse errors contain a multi-line excerpt.
    let one_line = |error: toml::de::Error| error.to_string().trim().replace('\n', " ");
    toml::from_str(&text).map_err(|error| RunError::NotARun { path, problem: one_line(error) })
}

/// A text file of a run, which another program may have saved again.
///
/// # Errors
/// The file cannot be read, or is not text.
pub(super) fn read_text(path: &Path) -> Result<String, RunError> {
    let bytes = fs::read(path).map_err(unreadable(path))?;
    Encoding::text_of_file(&bytes).map(Cow::into_owned).ok_or_else(|| not_text(path))
}

fn not_text(path: &Path) -> RunError {
    RunError::NotARun { path: path.into(), problem: "is not text of UTF-8".into() }
}

/// The result of the run in a folder; `None` if it is not complete.
///
/// # Errors
/// The result cannot be read.
pub fn read_result(folder: &Path) -> Result<Option<RunResult>, RunError> {
    let path = folder.join(RESULT);
    match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path)(error)),
        Ok(bytes) => {
            let text = Encoding::text_of_file(&bytes).ok_or_else(|| not_text(&path))?;
            serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| RunError::NotARun { path, problem: error.to_string() })
        }
    }
}

/// The epochs of the run in a folder so far.
///
/// # Errors
/// The folder has none, or one cannot be read.
pub fn read_epochs(folder: &Path) -> Result<Vec<EpochRecord>, RunError> {
    let path = folder.join(METRICS);
    let text = read_text(&path)?;
    parse_epochs(&path, text.lines())
}

fn parse_epochs<'a>(
    path: &Path,
    lines: impl Iterator<Item = &'a str>,
) -> Result<Vec<EpochRecord>, RunError> {
    let not_a_run = |problem: String| RunError::NotARun { path: path.to_owned(), problem };
    lines.map(|line| serde_json::from_str(line).map_err(|e| not_a_run(e.to_string()))).collect()
}

/// `metrics.jsonl` and the event file for TensorBoard.
pub struct Log {
    path: PathBuf,
    file: File,
    events: EventFile,
    /// The epochs so far.
    pub records: Vec<EpochRecord>,
}

impl Log {
    /// Opens the log of a run with `n_done` completed epochs; later epochs are removed.
    ///
    /// # Errors
    /// The folder has fewer epochs, or cannot be written to.
    pub fn open(out: &Path, n_done: usize) -> Result<Log, RunError> {
        let path = out.join(METRICS);
        let text = match n_done {
            0 => String::new(),
            _ => fs::read_to_string(&path).map_err(io(&path))?,
        };
        let lines: Vec<&str> = text.lines().take(n_done).collect();
        let records = parse_epochs(&path, lines.iter().copied())?;
        if records.len() != n_done {
            let problem = format!("expected {n_done} lines, found {}", records.len());
            return Err(RunError::NotARun { path, problem });
        }
        let kept: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
        publish::write(&path, kept.as_bytes()).map_err(io(&path))?;
        let file = File::options().append(true).open(&path).map_err(io(&path))?;
        let mut events = EventFile::create(out).map_err(io(out))?;
        for record in &records {
            events.add(record).map_err(io(out))?;
        }
        Ok(Log { path, file, events, records })
    }

    /// Appends the next epoch.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn add(&mut self, record: &EpochRecord) -> Result<(), RunError> {
        let line = serde_json::to_string(record).map_err(std::io::Error::other);
        // In one write, so that concurrent readers see whole lines.
        let written = line.and_then(|line| self.file.write_all(format!("{line}\n").as_bytes()));
        written.map_err(io(&self.path))?;
        self.events.add(record).map_err(io(&self.path))?;
        self.records.push(record.clone());
        Ok(())
    }
}

/// Maximum number of attempts to lock a file that is removed meanwhile.
const N_LOCK_TRIES: usize = 16;

/// Prevents other processes from training in a folder during its lifetime.
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Locks a run's folder, which is created if absent. `None` if locking is not supported, as on some
    /// file systems: later writes show whether the folder is writable.
    ///
    /// # Errors
    /// Another process holds the lock.
    pub fn of(out: &Path) -> Result<Option<Lock>, RunError> {
        let path = out.join(LOCK);
        for _ in 0..N_LOCK_TRIES {
            let opened = fs::create_dir_all(out)
                .and_then(|()| File::options().create(true).write(true).truncate(true).open(&path));
            let Ok(file) = opened else { return Ok(None) };
            match file.try_lock() {
                // The previous holder may have removed the file since: then it does not lock anything.
                Ok(()) if is_at(&file, &path) => return Ok(Some(Lock { path, _file: file })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(RunError::InUse { path: out.into() }),
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
        // A file system on which an open file never equals the one at its path.
        Ok(None)
    }
}

/// Whether an open file is the one at a path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |data: fs::Metadata| (data.dev(), data.ino());
    file.metadata().map(id).ok() == fs::metadata(path).map(id).ok()
}

// An open file cannot be removed on this platform.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A leftover lock file is harmless: it is not locked.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a new run can use the folder without overwriting anything.
///
/// # Errors
/// The folder is not empty.
pub fn check_free(out: &Path) -> Result<(), RunError> {
    let is_other =
        |entry: std::io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() != LOCK);
    let in_use = fs::read_dir(out).is_ok_and(|mut entries| entries.any(is_other));
    if !in_use {
        return Ok(());
    }
    let path = out.into();
    Err(match is_run(out) {
        true if out.join(RESULT).exists() => RunError::Exists { path },
        true => RunError::Incomplete { path },
        false if files(out).any(|file| file.exists()) => RunError::Exists { path },
        false => RunError::NotEmpty { path },
    })
}

/// Removes what a run that was killed at its very end left beside its result: its state, its lock, and parts of
/// files. They stay while another process trains in the folder, or if it cannot be written to.
pub fn clear_complete(run: &Path) {
    let is_litter = |entry: std::io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            name == STATE || name == LOCK || name.as_encoded_bytes().ends_with(b".part")
        })
    };
    if !fs::read_dir(run).is_ok_and(|mut entries| entries.any(is_litter)) {
        return;
    }
    // Its file is removed with it.
    let Ok(Some(_lock)) = Lock::of(run) else { return };
    let _ = fs::remove_file(run.join(STATE));
    for file in files(run) {
        publish::clear_litter(&file);
    }
}

/// Creates the folder of a new run; with `overwrite`, an old run's files are removed, and the sweep
/// table that includes it.
///
/// # Errors
/// The folder is in use, or cannot be written to.
pub fn prepare(out: &Path, overwrite: bool) -> Result<(), RunError> {
    if !overwrite {
        check_free(out)?;
    }
    fs::create_dir_all(out).map_err(io(out))?;
    let is_of_seed = out.file_name().is_some_and(|it| it.to_string_lossy().starts_with(OF_SEED));
    let sweep = out.parent().filter(|_| overwrite && is_of_seed);
    let tables = [SUMMARY_CSV, SUMMARY_PARQUET];
    let tables = sweep.into_iter().flat_map(|sweep| tables.map(|name| sweep.join(name)));
    for file in tables.chain(files(out)) {
        match fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io(out)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes the settings of a run into its folder.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_config(out: &Path, settings: &TrainSettings) -> Result<(), RunError> {
    let path = out.join(CONFIG);
    toml::to_string(settings)
        .map_err(std::io::Error::other)
        .and_then(|text| publish::write(&path, text.as_bytes()))
        .map_err(io(&path))
}

/// Writes a document of a run atomically.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), RunError> {
    serde_json::to_vec_pretty(value)
        .map_err(std::io::Error::other)
        .and_then(|json| publish::write(path, &json))
        .map_err(io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_run_takes_the_table_of_the_one_before_away() {
        let folder = tempfile::tempdir().unwrap();
        let (table, other) = (folder.path().join(SUMMARY_CSV), folder.path().join("notes.csv"));
        for (run, is_left) in [("other", true), ("seed-1", false)] {
            fs::write(&table, "").unwrap();
            fs::write(&other, "").unwrap();
            prepare(&folder.path().join(run), true).unwrap();
            assert_eq!((table.exists(), other.exists()), (is_left, true), "{run}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_a_kill_leaves_beside_a_result_goes_unless_the_folder_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        let names = || {
            let entries = fs::read_dir(run).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        for name in [RESULT, BEST, "notes.txt"] {
            fs::write(run.join(name), "").unwrap();
        }
        let clean = names();
        let part = run.join(format!(".{RESULT}.abcdef.part"));
        fs::create_dir(&part).unwrap();
        fs::write(part.join("lock"), "").unwrap();
        fs::write(run.join(STATE), "").unwrap();
        let lock = Lock::of(run).unwrap();
        clear_complete(run);
        assert_eq!(names().len(), clean.len() + 3, "{:?}", names());
        // As of a process that was killed.
        drop(lock);
        fs::write(run.join(LOCK), "").unwrap();
        clear_complete(run);
        assert_eq!(names(), clean);
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_was_removed_keeps_nobody_away() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::of(folder.path()).unwrap().unwrap();
        assert!(Lock::of(folder.path()).is_err());
        let removed = File::open(folder.path().join(LOCK)).unwrap();
        drop(lock);
        removed.try_lock().unwrap();
        assert!(Lock::of(folder.path()).unwrap().is_some());
    }

    #[test]
    fn runs_within_a_folder_are_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["seed-10", "seed-9", "other"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            if name != "other" {
                fs::write(folder.path().join(name).join(CONFIG), "").unwrap();
            }
        }
        let expected = ["seed-9", "seed-10"].map(|name| folder.path().join(name));
        assert_eq!(runs_in(folder.path()), expected);
        assert!(runs_in(&expected[0]).is_empty());
    }
}
