//! Commands that resume and repeat runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::cache::CacheArgs;
use super::devices::LibtorchArgs;
use super::show::{Bar, print_result, say};
use crate::cli::{Failure, runs};
use crate::run::folder::{self, BEST, RESULT, of_seed};
use crate::run::settings::TrainSettings;
use crate::train::run::Start;
use crate::train::weights::{self, WeightsError};
use crate::trainer::{FileProblem, Session, TrainerError};
use crate::words::quoted_path;

/// Where what a run needs is now.
#[derive(Args)]
struct Place {
    /// The store, if it has moved since training
    #[arg(long)]
    store: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    libtorch: LibtorchArgs,
}

/// Resume an interrupted run; the result is bit-identical to an uninterrupted one
#[derive(Args)]
pub struct ResumeArgs {
    /// Run folder
    #[arg(value_name = "RUN_FOLDER")]
    run: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Re-run a finished run and compare all digests; exit code 1 if any differs
#[derive(Args)]
pub struct RepeatArgs {
    /// Run folder
    #[arg(value_name = "RUN_FOLDER")]
    run: PathBuf,
    #[command(flatten)]
    place: Place,
}

impl Place {
    /// A run's inputs, on its original device.
    fn open(&self, settings: TrainSettings) -> Result<Session, Failure> {
        let device = self.libtorch.open(settings.device.parse().map_err(Failure::new)?)?;
        let store = self.store.as_deref();
        Ok(Session::reopen(settings, store, device, &self.cache.options(), &mut say)?)
    }
}

/// Resumes a run.
pub fn resume(args: &ResumeArgs) -> Result<ExitCode, Failure> {
    let folder = &*one_to_resume(&args.run)?;
    let settings = folder::read_config(folder)?;
    let result = match folder::read_result(folder)? {
        Some(result) => {
            folder::clear_complete(folder);
            errln!("{}: the run is complete", folder.display());
            result
        }
        None if !settings.together_with.is_empty() => {
            return Err(TrainerError::file(folder, FileProblem::OneOfSeveral).into());
        }
        None => {
            args.place.open(settings.clone())?.train(folder, Start::Resume, &mut Bar::default())?
        }
    };
    print_result(folder, &settings, &result);
    Ok(ExitCode::SUCCESS)
}

/// The run that a path means, which is one at a time.
fn one_to_resume(path: &Path) -> Result<PathBuf, Failure> {
    let is_incomplete = |run: &PathBuf| !run.join(RESULT).exists();
    let left = folder::runs_in(path).into_iter().find(is_incomplete);
    match left.filter(|_| !folder::is_run(path)) {
        None => runs::one(path),
        Some(left) => {
            let left = quoted_path(&left);
            let hint = format!(
                "`almt-data resume {left}` completes one; repeating the `train` call that started them \
                 completes all"
            );
            Err(Failure::at(path, "contains several runs, which are resumed one by one").hint(hint))
        }
    }
}

/// Repeats a run.
pub fn repeat(args: &RepeatArgs) -> Result<ExitCode, Failure> {
    let folder = &*runs::one(&args.run)?;
    let settings = folder::read_config(folder)?;
    let Some(expected) = folder::read_result(folder)? else {
        return Err(TrainerError::file(folder, FileProblem::Incomplete).into());
    };
    let libtorch = settings.libtorch.clone();
    let (is_alone, seed) = (settings.together_with.is_empty(), settings.seed);
    let session = args.place.open(settings)?;
    let scratch =
        tempfile::tempdir().map_err(|error| Failure::io(&std::env::temp_dir(), "write", &error))?;
    let found = session.repeat(folder, scratch.path(), &mut Bar::default())?;
    let again = match is_alone {
        true => scratch.path().to_owned(),
        false => of_seed(scratch.path(), seed),
    };
    let best = (expected.checkpoint_blake3 == found.checkpoint_blake3)
        || same_weights(&expected.checkpoint_blake3, &folder.join(BEST), &again.join(BEST))?;
    let last = expected.last_weights_blake3 == found.last_weights_blake3;
    for (what, same, digest) in [
        ("weights of the selected epoch", best, &found.checkpoint_blake3),
        ("weights of the last epoch", last, &found.last_weights_blake3),
    ] {
        let verdict = if same { "same" } else { "DIFFERENT" };
        outln!("{what:<30}  {verdict}  blake3 {digest}");
    }
    if best && last {
        return Ok(ExitCode::SUCCESS);
    }
    let now = crate::train::libtorch_version();
    if libtorch != now {
        errln!("note: the run was made with libtorch {libtorch}, this is {now}");
    }
    Ok(ExitCode::FAILURE)
}

/// Whether a run's checkpoint, which must still have `digest`, has the same weights as another one.
/// Their metadata differ between program versions.
fn same_weights(digest: &str, old: &Path, new: &Path) -> Result<bool, WeightsError> {
    Ok(weights::digest(old)? == digest && weights::same_tensors(old, new)?)
}
