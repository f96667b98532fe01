//! Options of a run, independent of a store.

use std::path::PathBuf;

use super::cache::CacheOptions;
use crate::corpus::spec::SplitBy;
use crate::corpus::{Dataset, Modality};
use crate::model::Form;
use crate::model::Residual;
use crate::pretrained::TextSource;
use crate::run::schedule::Schedule;
use crate::run::settings::Precision;

/// Options of a run. Values that are `None` or empty come from the model's preset for the dataset.
#[derive(Debug, Clone, Default)]
pub struct TrainOptions {
    /// Name of the model; `None` for ALMT, the first of the registry.
    pub model: Option<String>,
    /// The published dataset whose preset the run has; `None` for the store's own, or CMU-MOSI for a
    /// dataset of one's own.
    pub preset: Option<Dataset>,
    /// Random seed of the initial weights and the sample order; 1 if `None`.
    pub seed: Option<u64>,
    /// Passes over the training split.
    pub epochs: Option<usize>,
    /// Samples per batch.
    pub batch_size: Option<usize>,
    /// Base learning rate.
    pub lr: Option<f64>,
    /// Schedule of the learning rate.
    pub schedule: Option<Schedule>,
    /// Modalities that the model sees; all of the store's if empty.
    pub modalities: Vec<Modality>,
    /// The text encoder in front of the model; without one, text features come from the store.
    pub encoder: Option<EncoderOptions>,
    /// Residual input of ALMT's AHL layers.
    pub residual: Option<Residual>,
    /// Changes to the model and the recipe, as `NAME=VALUE` for [`Preset::set`].
    ///
    /// [`Preset::set`]: crate::run::preset::Preset::set
    pub set: Vec<String>,
    /// Validation metric that selects the epoch.
    pub select: Option<String>,
    /// Epochs without improvement after which the run stops.
    pub patience: Option<usize>,
    /// Splits from one fold of a split manifest instead of the store's own.
    pub fold: Option<FoldOptions>,
    /// A validation split to draw from the training split.
    pub valid_from_train: Option<ValidOptions>,
    /// Initial weights: a run's checkpoint, or a safetensors file of the released model.
    pub init_from: Option<PathBuf>,
    /// Whether to cut samples that are longer than those weights allow.
    pub fit_lengths: bool,
    /// Precision of matrix products.
    pub precision: Precision,
    /// Form of the model; the fastest if `None`.
    pub form: Option<Form>,
    /// Number of libtorch threads; unchanged if `None`.
    pub n_threads: Option<u16>,
    /// Placement of features.
    pub cache: CacheOptions,
    /// Whether a GPU runs operation by operation instead of replaying whole steps.
    pub is_piecewise: bool,
    /// Whether to train on a store that is not valid, or whose texts hardly suit the encoder.
    pub force: bool,
    /// The command line, for the record.
    pub command: Vec<String>,
}

/// A text encoder, trained with the model or frozen.
#[derive(Debug, Clone)]
pub struct EncoderOptions {
    /// Its folder.
    pub folder: PathBuf,
    /// Its input.
    pub source: TextSource,
    /// Length of tokenized texts, in tokens, if texts are the input.
    pub max_len: Option<usize>,
    /// Its base learning rate; by default that of the remaining parameters.
    pub lr: Option<f64>,
    /// Whether it is frozen.
    pub is_frozen: bool,
}

/// A fold of a split manifest.
#[derive(Debug, Clone)]
pub struct FoldOptions {
    /// The file.
    pub manifest: PathBuf,
    /// Counted from 0.
    pub fold: usize,
}

/// A validation split to draw.
#[derive(Debug, Clone, Copy)]
pub struct ValidOptions {
    /// Share of the training split's segments, in (0, 1).
    pub fraction: f64,
    /// What to keep together.
    pub by: SplitBy,
}
