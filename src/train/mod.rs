//! Training and evaluation: batches on the device, model, metrics, checkpoint, run folder.
//!
//! This module knows no pickle and no store; what it trains on comes as arrays.

pub mod attention;
pub mod checkpoint;
pub mod corrupt;
pub mod data;
pub mod device;
mod fit;
pub mod memory;
mod models;
pub mod network;
mod ongoing;
pub mod optimizer;
mod replay;
pub mod run;
pub mod state;
pub mod weights;

use crate::corpus::SplitName;
use crate::run::RunError;
use crate::words::human_bytes;

/// Sets up libtorch for this process: deterministic algorithms only, and freed memory kept.
///
/// # Errors
/// libtorch refuses.
pub fn prepare_process() -> Result<(), TrainError> {
    crate::native::keep_freed_memory();
    Ok(crate::native::use_deterministic_algorithms()?)
}

/// The version of libtorch, such as `2.11.0`.
pub fn libtorch_version() -> String {
    crate::native::libtorch_version()
}

/// Why a run could not be done.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// There is no text to guide the other modalities.
    #[error(
        "the text modality is absent, which every model reads\n  hint: `almt-data encode` makes \
         features of a store's tokens or texts"
    )]
    NoText,
    /// The settings ask for a model that cannot be.
    #[error("no such model: {problem}")]
    NoModel {
        /// Why, in a sentence.
        problem: String,
    },
    /// The model has no such form here.
    #[error(
        "{} here: of this model and at this precision, there {} {}",
        match asked {
            Some(form) => format!("no form `{form}`"),
            None => "no form".into(),
        },
        if forms.len() == 1 { "is" } else { "are" },
        match &**forms {
            [] => "none".into(),
            forms => forms.iter().map(|form| form.name()).collect::<Vec<_>>().join(", "),
        }
    )]
    NoForm {
        /// What was asked for.
        asked: Option<crate::model::Form>,
        /// What there is.
        forms: Vec<crate::model::Form>,
    },
    /// The recipe does not fit the model.
    #[error(transparent)]
    Recipe(#[from] crate::run::recipe::RecipeError),
    /// A model that cannot be computed.
    #[error(transparent)]
    Model(#[from] crate::model::contract::ModelError),
    /// There are no tokens for the text encoder.
    #[error(
        "there are no tokens for the text encoder: the store has no `text_bert`\n  hint: \
         `--text-from raw_text` makes them of its texts"
    )]
    NoTokens,
    /// A text encoder that cannot be used.
    #[error(transparent)]
    Encoder(#[from] crate::pretrained::PretrainedError),
    /// Tokens that the text encoder does not know.
    #[error("{split}/text_bert: {cause}")]
    Tokens {
        /// Which split.
        split: SplitName,
        /// What is wrong.
        cause: crate::model::TokenError,
    },
    /// A split that is needed has no samples.
    #[error("split `{split}` is absent or empty, and it is needed here")]
    EmptySplit {
        /// Which split.
        split: SplitName,
    },
    /// Columns of a split differ in length.
    #[error("{split}/{column}: expected {expected} samples, found {found}")]
    Count {
        /// Which split.
        split: SplitName,
        /// Which column.
        column: &'static str,
        /// As many as there are ids.
        expected: usize,
        /// As many as there are.
        found: usize,
    },
    /// Values that would make every weight NaN.
    #[error(
        "{split}/{column}: {n_values} {} not finite\n  hint: convert the source again with \
         `--on-nonfinite zero`, `mean` or `drop-segment`",
        if *n_values == 1 { "value is" } else { "values are" }
    )]
    NonFinite {
        /// Which split.
        split: SplitName,
        /// Which column.
        column: &'static str,
        /// How many.
        n_values: usize,
    },
    /// Labels that are no numbers, among others that are.
    #[error(
        "{split}: labels that are NaN or infinite: {n_samples}\n  hint: `almt-data convert \
         --drop-unlabelled` leaves them out; `almt-data predict` needs no labels"
    )]
    NoLabel {
        /// Which split.
        split: SplitName,
        /// How many.
        n_samples: usize,
    },
    /// The input is not what the model was built for.
    #[error("{split}/{modality}: the model expects {expected}, found {found}")]
    Shape {
        /// Which split.
        split: SplitName,
        /// Which modality.
        modality: crate::corpus::Modality,
        /// `[seq_len, feat_dim]` of the model, or that it uses none.
        expected: String,
        /// `[seq_len, feat_dim]` of the data, or that there are none.
        found: String,
    },
    /// The loss is no number any more.
    #[error(
        "the training loss became {loss} in epoch {epoch}, step {step}, with segments {}\n  hint: \
         the checkpoint of the best epoch before it is kept; a lower `--lr` often helps",
        few(ids)
    )]
    Diverged {
        /// Counted from 1.
        epoch: usize,
        /// Counted from 1 in each epoch.
        step: usize,
        /// NaN or infinite.
        loss: f32,
        /// The step's segments.
        ids: Vec<String>,
    },
    /// Features that cannot be read.
    #[error("{split}: {cause}")]
    Features {
        /// Which split.
        split: SplitName,
        /// What the store says.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More features than memory.
    #[error(
        "{split}/{modality}: no memory for {}\n  hint: `--cache disk` reads each batch from the store",
        human_bytes(*n_bytes as u64)
    )]
    Memory {
        /// Which split.
        split: SplitName,
        /// Which modality.
        modality: crate::corpus::Modality,
        /// What the features take.
        n_bytes: usize,
    },
    /// Less memory than some work takes.
    #[error(
        "no memory for {work}{}\n  hint: {}",
        n_bytes.map_or(String::new(), |n| format!(": libtorch asked for {}", human_bytes(n))),
        work.hint()
    )]
    OutOfMemory {
        /// What it was for.
        work: memory::Work,
        /// What could not be had, where that is known.
        n_bytes: Option<u64>,
    },
    /// There are no texts for the tokenizer.
    #[error("{split}/raw_text: the store has no texts to make tokens of")]
    NoTexts {
        /// Which split.
        split: SplitName,
    },
    /// Not a metric to select by.
    #[error("`{name}` is none of the metrics of this dataset: {}", names.join(", "))]
    Metric {
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<&'static str>,
    },
    /// No epoch had a validation error that is a number.
    #[error("no validation error in {epochs} epochs was a number")]
    NothingSelected {
        /// Number of epochs.
        epochs: usize,
    },
    /// The run folder is none, is in use or cannot be written to.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] weights::WeightsError),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// The first of some ids.
fn few(ids: &[String]) -> String {
    const N_SHOWN: usize = 4;
    let shown = ids.iter().take(N_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(N_SHOWN) {
        0 => shown,
        n_more => format!("{shown} and {n_more} more"),
    }
}
