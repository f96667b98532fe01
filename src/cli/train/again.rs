//! Runs that go on after a stop, and runs that are done again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tch::Device;

use super::devices::LibtorchArgs;
use super::fit::{fit, fit_to_initial, fit_together, initial_weights, load};
use super::samples::{CacheArgs, Samples};
use super::show::print_result;
use crate::cli::{Failure, runs};
use crate::pretrained::Pretrained;
use crate::run::folder;
use crate::run::record::RunResult;
use crate::run::settings::TrainSettings;
use crate::store::Store;
use crate::train::run::{Start, TrainingData};

/// Opens what a run in a folder was made from, and compares it with what the folder says.
fn reopen(
    settings: &TrainSettings,
    store: Option<&Path>,
) -> Result<(Samples, Option<Pretrained>), Failure> {
    let path = store.unwrap_or(&settings.store);
    let store = Store::open(path)?;
    let found = &store.manifest().digest;
    if *found != settings.store_digest {
        let problem = format!(
            "is not the run's store: expected digest {}, found {found}",
            settings.store_digest
        );
        return Err(Failure::at(path, problem).hint("`--store` says where the run's store is now"));
    }
    let compare = |path: &Path, expected: &str, found: &str| match expected == found {
        true => Ok(()),
        false => Err(Failure::at(path, "was changed since the run")),
    };
    if let Some(initial) = &settings.init_from {
        let found = initial_weights(&initial.path)?;
        compare(&initial.path, &initial.blake3, &found.blake3)?;
    }
    tch::set_num_threads(settings.n_threads);
    let mut encoder = None;
    if let Some(choice) = &settings.text_encoder {
        let found = Pretrained::open(&choice.path)?;
        compare(&choice.path, &choice.sha256, &found.weight_digests().sha256)?;
        encoder = Some(found);
    }
    let mut samples = match (&settings.split_manifest, &settings.valid_from_train) {
        (Some(choice), _) => {
            let (samples, found) = Samples::of_fold(store, &choice.path, choice.fold)?;
            compare(&choice.path, &choice.blake3, &found.blake3)?;
            samples
        }
        (None, Some(draw)) => Samples::with_valid_from_train(store, draw)?,
        (None, None) => Samples::of(store),
    };
    if let Some(initial) = &settings.init_from {
        // What was to be cut was settled when the run began.
        fit_to_initial(&mut samples, &initial.path, true)?;
    }
    Ok((samples, encoder))
}

/// Where what a run needs is now.
#[derive(Args)]
struct Place {
    /// The store, where it is not any more where the run found it
    #[arg(long)]
    store: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    libtorch: LibtorchArgs,
}

/// Go on with a run that was stopped, to the same result as without the stop
#[derive(Args)]
pub struct ResumeArgs {
    /// Folder of the run
    #[arg(value_name = "RUN_FOLDER")]
    run: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Do a run again and compare every digest; exit code 1 if one differs
#[derive(Args)]
pub struct RepeatArgs {
    /// Folder of the run
    #[arg(value_name = "RUN_FOLDER")]
    run: PathBuf,
    #[command(flatten)]
    place: Place,
}

impl Place {
    /// The data of a run, on the device that it was on.
    fn open(&self, settings: &TrainSettings) -> Result<(TrainingData, Device), Failure> {
        let device = self.libtorch.open(settings.device.parse().map_err(Failure::new)?)?;
        let (samples, encoder) = reopen(settings, self.store.as_deref())?;
        let cache = samples.cache(&self.cache, &settings.modalities, device);
        Ok((load(&samples, settings, encoder, cache, device)?, device))
    }
}

/// Goes on with a run.
pub fn resume(args: &ResumeArgs) -> Result<ExitCode, Failure> {
    let folder = &*runs::one(&args.run)?;
    let settings = folder::read_config(folder)?;
    let result = match folder::read_result(folder)? {
        Some(result) => {
            eprintln!("{}: the run is complete", folder.display());
            result
        }
        None if !settings.together_with.is_empty() => {
            return Err(Failure::at(folder, "the run is one of several that are trained as one")
                .hint("the call of `train --seeds` that began them goes on with all"));
        }
        None => {
            let (data, device) = args.place.open(&settings)?;
            fit(&settings, &data, device, folder, Start::Resume)?
        }
    };
    print_result(folder, &result);
    Ok(ExitCode::SUCCESS)
}

/// Does a run again.
pub fn repeat(args: &RepeatArgs) -> Result<ExitCode, Failure> {
    let folder = &*runs::one(&args.run)?;
    let settings = folder::read_config(folder)?;
    let Some(expected) = folder::read_result(folder)? else {
        let hint = format!("`almt-data resume {}` completes it", folder.display());
        return Err(Failure::at(folder, "the run is not complete").hint(hint));
    };
    let (data, device) = args.place.open(&settings)?;
    let scratch =
        tempfile::tempdir().map_err(|error| Failure::io(&std::env::temp_dir(), "write", &error))?;
    let found = match &*settings.together_with {
        [] => fit(&settings, &data, device, scratch.path(), Start::New)?,
        seeds => {
            let all = fit_together(&settings, seeds, &data, device, scratch.path(), Start::New)?;
            let own = all.into_iter().find(|result| result.seed == settings.seed);
            own.ok_or_else(|| Failure::at(folder, "its seed is none of those trained with it"))?
        }
    };
    let digests =
        |result: &RunResult| [result.checkpoint_blake3.clone(), result.last_weights_blake3.clone()];
    let what = ["weights of the selected epoch", "weights of the last epoch"];
    let mut same = true;
    for ((what, expected), found) in what.iter().zip(digests(&expected)).zip(digests(&found)) {
        same &= expected == found;
        let verdict = if expected == found { "same" } else { "DIFFERENT" };
        outln!("{what:<30}  {verdict}  blake3 {found}");
    }
    if same {
        return Ok(ExitCode::SUCCESS);
    }
    let now = crate::train::libtorch_version();
    if settings.libtorch != now {
        eprintln!("note: the run was made with libtorch {}, this is {now}", settings.libtorch);
    }
    Ok(ExitCode::FAILURE)
}
