//! What a run is to be, before a store is looked at.

use std::path::PathBuf;

use super::cache::CacheOptions;
use crate::corpus::Modality;
use crate::corpus::spec::SplitBy;
use crate::model::Form;
use crate::model::Residual;
use crate::pretrained::TextSource;
use crate::run::schedule::Schedule;
use crate::run::settings::Precision;

/// What a run is to be. What is `None` or empty is that of the model's preset for the dataset.
#[derive(Debug, Clone, Default)]
pub struct TrainOptions {
    /// Name of the model; the first of the registry, ALMT, where there is none.
    pub model: Option<String>,
    /// Seed of the initial weights and of the order of the samples; 1 where there is none.
    pub seed: Option<u64>,
    /// Passes over the training split.
    pub epochs: Option<usize>,
    /// Samples per batch.
    pub batch_size: Option<usize>,
    /// Base learning rate.
    pub lr: Option<f64>,
    /// How the learning rate moves.
    pub schedule: Option<Schedule>,
    /// Modalities that the model sees; all that the store has where there are none.
    pub modalities: Vec<Modality>,
    /// The text encoder in front of the model; features of the store where there is none.
    pub encoder: Option<EncoderOptions>,
    /// What an AHL layer of ALMT adds its shift to.
    pub residual: Option<Residual>,
    /// Changes of the model and the recipe, `NAME=VALUE` as [`Preset::set`] takes them.
    ///
    /// [`Preset::set`]: crate::run::preset::Preset::set
    pub set: Vec<String>,
    /// Metric on the validation split that selects the epoch.
    pub select: Option<String>,
    /// Epochs without a better one after which the run ends.
    pub patience: Option<usize>,
    /// Splits of one fold of a split manifest in place of the store's own.
    pub fold: Option<FoldOptions>,
    /// A validation split that is drawn from the training split.
    pub valid_from_train: Option<ValidOptions>,
    /// Weights to begin with: a run's checkpoint, or a safetensors file of the released model.
    pub init_from: Option<PathBuf>,
    /// Whether samples that are longer than those weights take are cut.
    pub fit_lengths: bool,
    /// How exact products are.
    pub precision: Precision,
    /// How the model is computed; the fastest form where there is none.
    pub form: Option<Form>,
    /// Threads of libtorch; as many as it uses now where there is no number.
    pub n_threads: Option<u16>,
    /// Where features lie.
    pub cache: CacheOptions,
    /// Whether a GPU is given its work piece by piece in place of whole steps.
    pub is_piecewise: bool,
    /// Whether a store that is not valid, or whose texts hardly suit the encoder, is trained on.
    pub force: bool,
    /// The command line, for the record.
    pub command: Vec<String>,
}

/// A text encoder that is trained with the rest, or kept as it is.
#[derive(Debug, Clone)]
pub struct EncoderOptions {
    /// Its folder.
    pub folder: PathBuf,
    /// What it reads.
    pub source: TextSource,
    /// Tokens that texts are brought to, where it reads those.
    pub max_len: Option<usize>,
    /// Its base learning rate; that of the rest where there is none.
    pub lr: Option<f64>,
    /// Whether it is kept as it is.
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

/// A validation split that is drawn.
#[derive(Debug, Clone, Copy)]
pub struct ValidOptions {
    /// Share of the training split's segments, in (0, 1).
    pub fraction: f64,
    /// What is kept together.
    pub by: SplitBy,
}
