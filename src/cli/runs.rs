//! Accepts run folders in place of checkpoints, and checkpoints in place of run folders.

#[cfg(feature = "train")]
use std::fs;
use std::path::{Path, PathBuf};

use super::Failure;
#[cfg(feature = "train")]
use crate::run::folder::{BEST, RESULT};
use crate::run::folder::{CONFIG, files, is_run, runs_in};
use crate::signature;
#[cfg(feature = "train")]
use crate::words::quoted_path;

/// The checkpoint that a path means: in a run folder, that of the selected epoch. It exists.
#[cfg(feature = "train")]
pub fn checkpoint(path: &Path) -> Result<PathBuf, Failure> {
    // Before any store is looked for: an absent run belongs to none.
    fs::metadata(path).map_err(|error| Failure::io(path, "read", &error))?;
    if !path.is_dir() {
        return match other_than_weights(path) {
            None => Ok(path.into()),
            Some(what) => Err(Failure::at(path, format!("is not a checkpoint: it is {what}"))
                .hint(format!("pass a run folder or its `{BEST}`"))),
        };
    }
    let best = path.join(BEST);
    if best.exists() {
        return Ok(best);
    }
    if is_run(path) && path.join(RESULT).exists() {
        return Err(Failure::at(path, format!("the run is complete, but its `{BEST}` is absent"))
            .hint(format!("copy the `{BEST}` of the original run folder into it")));
    }
    if is_run(path) {
        let problem = format!("the run has no `{BEST}`: no epoch has finished");
        return Err(Failure::at(path, problem)
            .hint(format!("`almt-data resume {}` resumes it", quoted_path(path))));
    }
    Err(not_one(path, "checkpoint"))
}

/// Describes a file that is known not to be weights.
#[cfg(feature = "train")]
fn other_than_weights(path: &Path) -> Option<&'static str> {
    let known = signature::of_path(path)?;
    (known.kind.id != "safetensors").then_some(known.kind.what)
}

/// The run folder that a path means: for a file, its folder. A folder of several runs is returned
/// unchanged.
pub fn folder(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_file() {
        return Ok(path.into());
    }
    let around = match path.parent() {
        Some(around) if !around.as_os_str().is_empty() => around,
        _ => Path::new("."),
    };
    match is_run(around) {
        true => Ok(around.into()),
        false => {
            let known = signature::of_path(path).map(|known| known.kind);
            let problem = match known.filter(|kind| kind.id != "safetensors") {
                Some(kind) => format!("is {}, not a run folder", kind.what),
                None => format!("is not in a run folder: no `{CONFIG}` next to it"),
            };
            Err(Failure::at(path, problem).hint("name the folder that `almt-data train` wrote"))
        }
    }
}

/// The files read from a checkpoint, a run folder, or a folder of runs, which must not be replaced.
pub fn inputs(path: &Path) -> Vec<PathBuf> {
    let around = path.parent().filter(|around| path.is_file() && is_run(around));
    let runs = match around {
        Some(run) => vec![run.to_owned()],
        None if is_run(path) => vec![path.to_owned()],
        None => runs_in(path),
    };
    runs.iter().flat_map(|run| files(run)).chain([path.to_owned()]).collect()
}

/// Like [`folder`], for exactly one run.
#[cfg(feature = "train")]
pub fn one(path: &Path) -> Result<PathBuf, Failure> {
    let found = folder(path)?;
    match found.is_dir() && !is_run(&found) {
        true => Err(not_one(&found, "run")),
        false => Ok(found),
    }
}

/// The failure for a folder that is not one run's.
#[cfg(feature = "train")]
fn not_one(path: &Path, wanted: &str) -> Failure {
    let runs = runs_in(path);
    match runs.first() {
        None => Failure::at(path, "is a folder without a run")
            .hint(format!("a run folder holds `{CONFIG}` and `{BEST}`")),
        Some(first) => {
            let runs =
                if runs.len() == 1 { "1 run".into() } else { format!("{} runs", runs.len()) };
            Failure::at(path, format!("contains {runs}, but one {wanted} is needed"))
                .hint(format!("for example `{}`", first.display()))
        }
    }
}
