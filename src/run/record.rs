//! What a run writes down: `metrics.jsonl`, `result.json`, and which epoch they speak for.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metrics::{self, Metrics};
use super::number;
use crate::corpus::degenerate::Degenerate;
use crate::corpus::{Dataset, Modality, SplitName};

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Learning rate during the epoch.
    #[serde(deserialize_with = "number")]
    pub lr: f64,
    /// Mean squared error over the epoch's samples, each before its step.
    #[serde(deserialize_with = "number")]
    pub train_loss: f64,
    /// Mean absolute error over the same.
    #[serde(deserialize_with = "number")]
    pub train_mae: f64,
    /// Metrics on the validation split after the epoch.
    pub valid: Metrics,
    /// Metrics on the test split after the epoch.
    pub test: Option<Metrics>,
    /// Wall time of the epoch's steps.
    #[serde(deserialize_with = "number")]
    pub train_seconds: f64,
    /// Wall time of the epoch.
    #[serde(deserialize_with = "number")]
    pub seconds: f64,
}

/// A metric's best value and when it was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The value.
    #[serde(deserialize_with = "number")]
    pub value: f64,
    /// The epoch, counted from 1.
    pub epoch: usize,
}

/// The epoch that the validation split chose.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selected {
    /// How it was chosen.
    pub by: String,
    /// Counted from 1.
    pub epoch: usize,
    /// Metrics on the validation split.
    pub valid: Metrics,
    /// Metrics on the test split.
    pub test: Option<Metrics>,
}

/// `result.json`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// The honest choice: the epoch that is best on the validation split, and its test metrics.
    pub selected: Selected,
    /// The protocol of the released script: for each metric, the best epoch on the test split.
    /// Such figures are chosen on the data that they are reported on.
    pub best_on_test_per_metric: BTreeMap<String, Best>,
    /// The run's seed.
    pub seed: u64,
    /// Digest of the store.
    pub store_digest: String,
    /// BLAKE3 of `best.safetensors`.
    pub checkpoint_blake3: String,
    /// BLAKE3 of the weights after the last epoch.
    pub last_weights_blake3: String,
    /// Epochs that were trained; fewer than asked for when the run was stopped early.
    pub n_epochs: usize,
    /// Number of trainable parameters.
    pub n_parameters: usize,
    /// Samples per split.
    pub n_samples: BTreeMap<SplitName, usize>,
    /// Program and version.
    pub writer: String,
    /// Device of the run.
    pub device: String,
    /// Threads that libtorch used: with another number, sums are rounded differently.
    pub n_threads: i32,
    /// Wall time of all epochs.
    #[serde(deserialize_with = "number")]
    pub seconds: f64,
    /// What was padded or cut of each split.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lengths: BTreeMap<SplitName, Vec<FittedLength>>,
    /// Splits on which the selected epoch predicts the same of almost every segment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub degenerate: BTreeMap<SplitName, Degenerate>,
}

impl EpochRecord {
    /// The JSON Schema of a line of `metrics.jsonl`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(EpochRecord)
    }
}

impl RunResult {
    /// The JSON Schema of `result.json`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(RunResult)
    }
}

/// A modality that was brought to the number of steps that a model takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FittedLength {
    /// Which one.
    pub modality: Modality,
    /// Steps in the store.
    pub store_steps: usize,
    /// Steps that the model takes: samples with fewer are padded with zeros at their end.
    pub model_steps: usize,
    /// Samples that had values beyond that, which were cut off.
    pub n_cut: usize,
}

impl fmt::Display for FittedLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FittedLength { modality, store_steps, model_steps, n_cut } = self;
        write!(f, "{modality}: {store_steps} steps, ")?;
        match (model_steps.checked_sub(*store_steps), n_cut) {
            (Some(_), _) => write!(f, "padded to {model_steps}"),
            (None, 0) => {
                let n_left_out = store_steps - model_steps;
                write!(f, "of which the last {n_left_out} are zero and left out")
            }
            (None, 1) => write!(f, "cut to {model_steps}: 1 sample lost values"),
            (None, n_cut) => write!(f, "cut to {model_steps}: {n_cut} samples lost values"),
        }
    }
}

/// A checkpoint on one split: `eval --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Evaluation {
    /// The store's path.
    pub store: PathBuf,
    /// Its digest.
    pub store_digest: String,
    /// Digest of the store that the checkpoint was trained on.
    pub trained_on_store_digest: String,
    /// The dataset, which decides metrics and bins.
    pub dataset: Dataset,
    /// The checkpoint's path.
    pub checkpoint: PathBuf,
    /// Epoch after which the weights were taken, counted from 1.
    pub epoch: usize,
    /// The run's seed.
    pub seed: u64,
    /// Which split.
    pub split: SplitName,
    /// Samples of the split.
    pub n_samples: usize,
    /// What was done to the inputs first, such as `audio:noise=0.5`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corruptions: Vec<String>,
    /// Seed of what was drawn for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrupt_seed: Option<u64>,
    /// What was padded or cut first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<FittedLength>,
    /// What it came to.
    pub metrics: Metrics,
    /// Present where the predictions are the same for almost every segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degenerate: Option<Degenerate>,
}

impl Evaluation {
    /// The JSON Schema of `eval --json`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Evaluation)
    }
}

/// What the epochs so far came to.
pub struct History<'a> {
    /// The metric that chooses.
    pub select: &'a str,
    /// The chosen epoch, as soon as there is one.
    pub selected: Option<Selected>,
    /// For each metric, the best epoch on the test split.
    pub best_on_test: BTreeMap<String, Best>,
    /// Epochs since the selected one.
    pub n_worse: usize,
}

impl History<'_> {
    /// Before the first epoch.
    pub fn new(select: &str) -> History<'_> {
        let (selected, best_on_test) = (None, BTreeMap::new());
        History { select, selected, best_on_test, n_worse: 0 }
    }

    /// Takes the next epoch, and returns whether it is the one to select so far.
    pub fn take(&mut self, record: &EpochRecord) -> bool {
        for (name, value) in record.test.iter().flat_map(Metrics::iter) {
            let best = self.best_on_test.get(name).map(|best| best.value);
            if is_better(name, value, best) {
                let best = Best { value, epoch: record.epoch };
                self.best_on_test.insert(name.into(), best);
            }
        }
        let best = self.selected.as_ref().map(|best| best.valid.get(self.select));
        let better = is_better(self.select, record.valid.get(self.select), best);
        self.n_worse = if better { 0 } else { self.n_worse + 1 };
        if better {
            self.selected = Some(Selected {
                by: format!("best {} on the validation split", self.select),
                epoch: record.epoch,
                valid: record.valid.clone(),
                test: record.test.clone(),
            });
        }
        better
    }
}

/// Whether a value of a metric is better than the best so far; NaN never is.
fn is_better(name: &str, value: f64, best: Option<f64>) -> bool {
    let Some(best) = best else { return !value.is_nan() };
    metrics::find(name).map_or(value > best, |metric| metric.is_better(value, best))
}
