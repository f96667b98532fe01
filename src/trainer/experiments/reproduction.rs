//! A store on which the paper's experiments are to be done.

use std::path::{Path, PathBuf};

use tch::Device;

use super::encoder::ModelEncoder;
use super::options::ReproduceOptions;
use crate::corpus::{Dataset, Modality};
use crate::model::contract::Needs;
use crate::run::folder::of_seed;
use crate::run::preset::Preset;
use crate::run::settings::ValidDraw;
use crate::store::Store;
use crate::train::data::TrainingData;
use crate::trainer::error::{StoreProblem, TrainerError};
use crate::trainer::note::Note;
use crate::trainer::ready::check_valid;
use crate::trainer::samples::Samples;
use crate::trainer::session::VALID_SEED;

/// A store on which experiments are to be done, and all that their runs share.
pub struct Reproduction {
    /// How they are done.
    pub(super) options: ReproduceOptions,
    /// The samples.
    pub(super) samples: Samples,
    /// The validation split, where it is drawn.
    pub(super) draw: Option<ValidDraw>,
    /// Where results go.
    pub(super) out: PathBuf,
    /// Where models are computed.
    pub(super) device: Device,
    /// The dataset of the store.
    pub(super) dataset: Dataset,
    /// The encoder of models that work inside one, if it is given.
    pub(super) encoder: Option<ModelEncoder>,
    /// The published model, with the epochs that are asked for.
    pub(super) preset: Preset,
    /// Modalities that the store has.
    pub(super) modalities: Vec<Modality>,
    /// The data of the last run, which are those of most.
    pub(super) loaded: Option<((Vec<Modality>, Needs), TrainingData)>,
}

impl std::fmt::Debug for Reproduction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Reproduction");
        shown.field("options", &self.options).field("out", &self.out).finish_non_exhaustive()
    }
}

impl Reproduction {
    /// Prepares experiments on a store, whose results go to the folder `out`. Nothing is written yet. What
    /// is worth saying goes to `note`.
    ///
    /// # Errors
    /// The store cannot be read, is not valid, or cannot have the validation split that is to be drawn; the
    /// encoder cannot be read, or does not suit it.
    pub fn new(
        store: Store,
        device: Device,
        options: &ReproduceOptions,
        out: &Path,
        note: &mut dyn FnMut(Note),
    ) -> Result<Reproduction, TrainerError> {
        check_valid(&store, true, true, options.force)?.into_iter().for_each(&mut *note);
        let new = Reproduction::of_checked(store, device, options, out, note)?;
        if let Some(encoder) = &new.encoder {
            encoder.check(&new.samples, options.force)?.into_iter().for_each(&mut *note);
        }
        new.samples.padded(&new.modalities, false).into_iter().for_each(note);
        Ok(new)
    }

    /// As [`new`](Reproduction::new), of a store that another process has found to be valid and has said
    /// all about.
    ///
    /// # Errors
    /// The store cannot be read, or cannot have the validation split that is to be drawn.
    pub fn of_checked(
        store: Store,
        device: Device,
        options: &ReproduceOptions,
        out: &Path,
        note: &mut dyn FnMut(Note),
    ) -> Result<Reproduction, TrainerError> {
        if let Some(n_threads) = options.n_threads {
            tch::set_num_threads(n_threads.into());
        }
        let (options, out) = (options.clone(), out.to_owned());
        let dataset = store.manifest().dataset;
        if dataset == Dataset::Own {
            let title = "the paper".into();
            let cause = StoreProblem::OtherExperiment { title, dataset };
            return Err(TrainerError::unfit(store.path(), cause));
        }
        let mut preset = Preset::of(dataset);
        preset.training.epochs = options.epochs.unwrap_or(preset.training.epochs);
        let draw = options.valid_from_train.map(|it| ValidDraw {
            fraction: it.fraction,
            by: it.by,
            seed: VALID_SEED,
        });
        let mut samples = match &draw {
            Some(draw) => Samples::with_valid_from_train(store, draw)?,
            None => Samples::of(store),
        };
        samples.take_notes().into_iter().for_each(note);
        samples.share_memory(options.n_processes);
        let encoder = options.encoder.as_ref();
        let encoder = encoder.map(|it| ModelEncoder::open(it, &preset)).transpose()?;
        let modalities = samples.sequences().into_keys().collect();
        let loaded = None;
        Ok(Reproduction {
            options,
            samples,
            draw,
            out,
            device,
            dataset,
            encoder,
            preset,
            modalities,
            loaded,
        })
    }

    /// The run folder of a model and a seed.
    pub(super) fn run_folder(&self, model: &str, seed: u64) -> PathBuf {
        of_seed(&self.out.join("runs").join(model), seed)
    }
}
