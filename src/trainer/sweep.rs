//! Runs in folders: new, resumed, and over several seeds.

use std::path::{Path, PathBuf};

use super::error::{FileProblem, TrainerError};
use super::session::Session;
use crate::run::folder::{self, of_seed};
use crate::run::record::RunResult;
use crate::run::settings::TrainSettings;
use crate::train::data::TrainingData;
use crate::train::encoder;
use crate::train::progress::TrainProgress;
use crate::train::run::{self, Apart, Start};

/// Existing content of a sweep's folder.
#[derive(Debug)]
pub enum Kept {
    /// A complete run.
    Complete(Box<RunResult>),
    /// An interrupted run.
    Stopped,
}

/// Checks whether a folder contains a run with the same settings.
///
/// # Errors
/// The folder contains a run with other settings, or cannot be read.
pub fn kept(
    folder: &Path,
    settings: &TrainSettings,
    start: Start,
) -> Result<Option<Kept>, TrainerError> {
    if start == Start::Overwrite || !folder::is_run(folder) {
        return Ok(None);
    }
    let mut found = folder::read_config(folder)?;
    let encoder = found.text_encoder.clone();
    encoder::fit(&mut found.hyper_parameters, encoder.as_ref());
    // The original command line does not affect the result, and unspecified options may have any value.
    let expected = TrainSettings {
        command: found.command.clone(),
        form: settings.form.or(found.form),
        // The data are those of the digest, also where an older version did not describe them.
        data_schema: found.data_schema.clone(),
        ..settings.clone()
    };
    if found != expected {
        return Err(TrainerError::file(folder, FileProblem::OtherSettings));
    }
    Ok(Some(match folder::read_result(folder)? {
        Some(result) => Kept::Complete(Box::new(result)),
        None => Kept::Stopped,
    }))
}

/// The result of one run of a sweep, with these samples: of the complete run in the folder, or else of
/// resuming or starting it.
///
/// # Errors
/// The folder holds a run with different settings, or the run fails.
pub fn train_or_keep(
    settings: &TrainSettings,
    data: &TrainingData,
    device: tch::Device,
    folder: &Path,
    start: Start,
    progress: &mut dyn TrainProgress,
) -> Result<RunResult, TrainerError> {
    let start = match kept(folder, settings, start)? {
        Some(Kept::Complete(result)) => {
            folder::clear_complete(folder);
            return Ok(*result);
        }
        Some(Kept::Stopped) => Start::Resume,
        None => start,
    };
    Ok(run::train(settings, data, device, folder, start, progress)?)
}

/// Whether to train several seeds as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Together {
    /// On a GPU, if possible.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Together {
    /// All of them.
    pub const ALL: [Together; 3] = [Together::Auto, Together::Always, Together::Never];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Together::Auto => "auto",
            Together::Always => "always",
            Together::Never => "never",
        }
    }
}

crate::name::named!(Together);

impl Session {
    /// Trains the model of the session in a folder.
    ///
    /// # Errors
    /// The folder is in use or cannot be written to, or the run fails.
    pub fn train(
        &self,
        folder: &Path,
        start: Start,
        progress: &mut dyn TrainProgress,
    ) -> Result<RunResult, TrainerError> {
        Ok(run::train(&self.settings, &self.data, self.device, folder, start, progress)?)
    }

    /// Why several seeds cannot be trained as one; `None` if they can.
    ///
    /// # Errors
    /// The model is impossible.
    pub fn apart(&self) -> Result<Option<Apart>, TrainerError> {
        Ok(run::problem_together(&self.settings, &self.data)?)
    }

    /// Trains a model for each seed, each in its own folder below `out`. Complete runs are kept,
    /// interrupted ones resume.
    ///
    /// # Errors
    /// A folder contains a run with different settings, a run fails, or the models cannot be trained
    /// [`Together::Always`].
    pub fn train_seeds(
        &self,
        seeds: &[u64],
        out: &Path,
        start: Start,
        together: Together,
        progress: &mut dyn TrainProgress,
    ) -> Result<Vec<RunResult>, TrainerError> {
        let as_one = match together {
            Together::Always => true,
            Together::Never => false,
            Together::Auto => self.device.is_cuda() && self.apart()?.is_none(),
        };
        if as_one && seeds.len() > 1 {
            return self.train_together(seeds, out, start, progress);
        }
        let of_seed = |seed: &u64| {
            let settings = TrainSettings { seed: *seed, ..self.settings.clone() };
            let folder = of_seed(out, *seed);
            train_or_keep(&settings, &self.data, self.device, &folder, start, progress)
        };
        seeds.iter().map(of_seed).collect()
    }

    /// Trains the models of several seeds as one, each with its own folder below `out`. Complete runs
    /// are kept, interrupted ones resume.
    fn train_together(
        &self,
        seeds: &[u64],
        out: &Path,
        start: Start,
        progress: &mut dyn TrainProgress,
    ) -> Result<Vec<RunResult>, TrainerError> {
        let of_seed = |seed: &u64| {
            let together_with = seeds.to_vec();
            let settings = TrainSettings { seed: *seed, together_with, ..self.settings.clone() };
            (settings, of_seed(out, *seed))
        };
        let runs: Vec<(TrainSettings, PathBuf)> = seeds.iter().map(of_seed).collect();
        let found = runs.iter().map(|(settings, folder)| kept(folder, settings, start));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let start = if found.iter().any(Option::is_some) { Start::Resume } else { start };
        let results: Option<Vec<RunResult>> = found
            .into_iter()
            .map(|kept| match kept {
                Some(Kept::Complete(result)) => Some(*result),
                _ => None,
            })
            .collect();
        let state = out.join(folder::STATE_TOGETHER);
        if let Some(results) = results {
            // A kill may have left them.
            runs.iter().for_each(|(_, folder)| folder::clear_complete(folder));
            let _ = std::fs::remove_file(&state);
            return Ok(results);
        }
        Ok(run::train_together(&runs, &self.data, self.device, &state, start, progress)?)
    }

    /// Repeats a folder's run in a temporary folder, and returns its result.
    ///
    /// # Errors
    /// Same as [`train`](Session::train).
    pub fn repeat(
        &self,
        folder: &Path,
        scratch: &Path,
        progress: &mut dyn TrainProgress,
    ) -> Result<RunResult, TrainerError> {
        match &*self.settings.together_with {
            [] => self.train(scratch, Start::New, progress),
            seeds => {
                let all = self.train_together(seeds, scratch, Start::New, progress)?;
                let own = all.into_iter().find(|result| result.seed == self.settings.seed);
                own.ok_or_else(|| TrainerError::file(folder, FileProblem::OtherSeed))
            }
        }
    }
}
