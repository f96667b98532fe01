//! Everything that determines a run besides the data: its folder's `config.toml`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::label_map::LabelMap;
use super::preset::Preset;
use super::schedule::Schedule;
use crate::corpus::label::LabelScale;
use crate::corpus::scale::{OwnScale, ScaleFile};
use crate::corpus::schema::DataSchema;
use crate::corpus::spec::SplitBy;
use crate::corpus::{Dataset, Modality};
use crate::model::form::Form;
use crate::name::named;

/// What a run is made of. With the same settings, store and machine, a run gives the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// The dataset, which decides metrics and bins.
    pub dataset: Dataset,
    /// The store's path.
    pub store: PathBuf,
    /// The store's digest.
    pub store_digest: String,
    /// The modalities that the model sees.
    pub modalities: Vec<Modality>,
    /// Seed of every random stream.
    pub seed: u64,
    /// The metric of the validation split that chooses the epoch.
    pub select: String,
    /// Epochs without a better one after which the run ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Device, as the command line spells it.
    pub device: String,
    /// How exact products are.
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// How the model is computed. A run has what was asked for, or the fastest form of its model where it
    /// began; those of older versions say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// The seeds of the models that are trained as one with this; empty where it is trained alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub together_with: Vec<u64>,
    /// Threads of libtorch: with another number, sums are rounded differently.
    pub n_threads: i32,
    /// Program and version.
    pub writer: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// The splits, where they are not the store's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_manifest: Option<FoldChoice>,
    /// The validation split that was drawn from the training split of a store that has none with labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from_train: Option<ValidDraw>,
    /// The text encoder in the loop, where text does not come as features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_encoder: Option<EncoderChoice>,
    /// The weights to begin with, where they are not drawn from the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from: Option<InitialWeights>,
    /// What the model sees of the store; absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_schema: Option<DataSchema>,
    /// What the labels are, of a dataset of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ScaleFile>")]
    pub label_scale: Option<OwnScale>,
    /// How labels become what the model is trained on, where they are not that themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_map: Option<LabelMap>,
    /// Hyper-parameters.
    pub hyper_parameters: Preset,
}

impl TrainSettings {
    /// What the labels are.
    pub fn scale(&self) -> LabelScale<'_> {
        LabelScale::of(self.dataset, self.label_scale.as_ref())
    }

    /// The name of the dataset in papers, or that of its own description.
    pub fn title(&self) -> &str {
        self.label_scale.as_ref().map_or(self.dataset.title(), OwnScale::title)
    }

    /// The model, if the paper's figures use the same inputs, which are all modalities; otherwise
    /// empty.
    pub fn model_of_paper(&self) -> &'static str {
        match Modality::ALL.iter().all(|modality| self.modalities.contains(modality)) {
            true => self.model(),
            false => "",
        }
    }

    /// Name of the model, as for `train --model`.
    pub fn model(&self) -> &'static str {
        self.hyper_parameters.model.name()
    }

    /// Whether an epoch, counted from 1, leaves the weights as they are: the first one of the schedule
    /// `warmup-cosine`.
    pub fn is_idle(&self, epoch: usize) -> bool {
        let mut phases = self.hyper_parameters.phases.iter();
        epoch == 1 && phases.all(|phase| phase.schedule == Schedule::WarmupCosine {})
    }

    /// The planned number of epochs.
    pub fn n_epochs(&self) -> usize {
        self.hyper_parameters.training.epochs
    }

    /// The JSON Schema of `config.toml`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(TrainSettings)
    }
}

/// How exact the products of a training step are. Weights, sums and evaluation are float32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Everything is float32.
    #[default]
    Float32,
    /// On a GPU, products are of float32 rounded to 10 bits of mantissa.
    Tf32,
    /// Products are of 16 bits with 7 bits of mantissa (PyTorch's autocast).
    #[serde(rename = "bf16")]
    Bfloat16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Precision; 3] = [Precision::Float32, Precision::Tf32, Precision::Bfloat16];

    /// The name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Tf32 => "tf32",
            Precision::Bfloat16 => "bf16",
        }
    }

    fn is_default(&self) -> bool {
        *self == Precision::default()
    }
}

named!(Precision);

/// One fold of a split manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FoldChoice {
    /// The file.
    pub path: PathBuf,
    /// BLAKE3 of the file.
    pub blake3: String,
    /// Counted from 0.
    pub fold: usize,
}

/// A validation split that is drawn from the training split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidDraw {
    /// Share of the training split's segments, in (0, 1).
    pub fraction: f64,
    /// What is kept together.
    pub by: SplitBy,
    /// Seed of what is left to chance: not that of the run, so that all seeds see one split.
    pub seed: u64,
}

/// A weights file to begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitialWeights {
    /// The file.
    pub path: PathBuf,
    /// BLAKE3 of the file.
    pub blake3: String,
}

/// A BERT that is trained with the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncoderChoice {
    /// Its folder.
    pub path: PathBuf,
    /// SHA-256 of the file with its weights.
    pub sha256: String,
    /// Base learning rate of the encoder; zero where it is kept as it is.
    pub lr: f64,
    /// Where its tokens come from.
    #[serde(default)]
    pub tokens: TokenChoice,
}

/// Where the tokens of an encoder come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenChoice {
    /// From the `text_bert` of the store.
    #[default]
    TextBert,
    /// From its `raw_text`, by the tokenizer in the encoder's folder.
    RawText {
        /// Tokens that each text is brought to.
        max_len: usize,
        /// BLAKE3 of what the tokenizer was read from.
        tokenizer_blake3: String,
    },
}

impl TokenChoice {
    /// Whether the store has the tokens.
    pub fn is_stored(&self) -> bool {
        *self == TokenChoice::TextBert
    }
}
