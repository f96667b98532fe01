//! Run folders where a checkpoint is meant, and checkpoints where a run folder is meant.

use std::path::{Path, PathBuf};

use super::Failure;
#[cfg(feature = "train")]
use crate::run::folder::BEST;
use crate::run::folder::{CONFIG, files, is_run, runs_in};
use crate::signature;
#[cfg(feature = "train")]
use crate::words::quoted_path;

/// The checkpoint that is meant: of a run folder, that of the selected epoch.
#[cfg(feature = "train")]
pub fn checkpoint(path: &Path) -> Result<PathBuf, Failure> {
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
    if is_run(path) {
        let problem = format!("the run has no `{BEST}`: no epoch has finished");
        return Err(Failure::at(path, problem)
            .hint(format!("`almt-data resume {}` resumes it", quoted_path(path))));
    }
    Err(not_one(path, "checkpoint"))
}

/// What a file is, if it is known to be something else than weights.
#[cfg(feature = "train")]
fn other_than_weights(path: &Path) -> Option<&'static str> {
    let known = signature::of_path(path)?;
    (known.kind.id != "safetensors").then_some(known.kind.what)
}

/// The run folder that is meant: of a file, the one that it lies in. A folder of several runs is left
/// as it is.
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

/// What is read of a checkpoint, a run folder, or a folder of runs, and must not be replaced.
pub fn inputs(path: &Path) -> Vec<PathBuf> {
    let around = path.parent().filter(|around| path.is_file() && is_run(around));
    let runs = match around {
        Some(run) => vec![run.to_owned()],
        None if is_run(path) => vec![path.to_owned()],
        None => runs_in(path),
    };
    runs.iter().flat_map(|run| files(run)).chain([path.to_owned()]).collect()
}

/// As [`folder`], where it must be that of one run.
#[cfg(feature = "train")]
pub fn one(path: &Path) -> Result<PathBuf, Failure> {
    let found = folder(path)?;
    match found.is_dir() && !is_run(&found) {
        true => Err(not_one(&found, "run")),
        false => Ok(found),
    }
}

/// A folder that is not that of one run.
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
