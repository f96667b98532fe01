//! A run's records, `metrics.jsonl` and `result.json`, and the selection of an epoch.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::confusion::Confusion;
use super::metrics::{self, Metrics};
use super::{number, some_number};
use crate::corpus::degenerate::Degenerate;
use crate::corpus::origin::SplitRecord;
use crate::corpus::scale::{OwnScale, ScaleFile};
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
    /// Mean of what the last phase minimises over the epoch's samples, each before its step.
    #[serde(deserialize_with = "number")]
    pub train_loss: f64,
    /// Mean absolute error over the same, in units of the label.
    #[serde(deserialize_with = "number")]
    pub train_mae: f64,
    /// Each term of the loss of each phase, where there is more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train_terms: Vec<TermMean>,
    /// Mean over the validation split of what the task minimises, where the recipe goes by it.
    #[serde(default, deserialize_with = "some_number", skip_serializing_if = "Option::is_none")]
    pub valid_loss: Option<f64>,
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

/// A term of a loss over an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TermMean {
    /// The phase, as the recipe calls it.
    pub phase: String,
    /// The term, as the model calls it.
    pub term: String,
    /// Its mean over the samples, with its weight; where it is absent, it counts as 0.
    #[serde(deserialize_with = "number")]
    pub mean: f64,
}

/// Name of the validation loss, where a metric is expected.
pub const LOSS: &str = "loss";

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
    /// BLAKE3 of the weights after the last epoch, and of what the model remembers, such as the unimodal labels of
    /// Self-MM.
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
    /// Where the splits come from, and the videos that they share; absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splits: Option<SplitRecord>,
    /// Splits on which the selected epoch predicts the same of almost every segment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub degenerate: BTreeMap<SplitName, Degenerate>,
}

impl EpochRecord {
    /// A validation metric, or the [`LOSS`]; NaN if absent.
    pub fn valid(&self, metric: &str) -> f64 {
        match metric {
            LOSS => self.valid_loss.unwrap_or(f64::NAN),
            _ => self.valid.get(metric),
        }
    }

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
    /// What its labels are, of a dataset of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ScaleFile>")]
    pub label_scale: Option<OwnScale>,
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
    /// One confusion matrix per binning scheme.
    pub confusion: Vec<Confusion>,
    /// Present where the predictions are the same for almost every segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degenerate: Option<Degenerate>,
}

impl Evaluation {
    /// The name of the dataset in papers, or that of its own description.
    pub fn title(&self) -> &str {
        self.label_scale.as_ref().map_or(self.dataset.title(), OwnScale::title)
    }

    /// The JSON Schema of `eval --json`.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Evaluation)
    }
}

/// The best results of the epochs so far.
pub struct History<'a> {
    /// The metric for selection.
    pub select: &'a str,
    /// The selected epoch, if any.
    pub selected: Option<Selected>,
    /// For each metric, the best epoch on the test split.
    pub best_on_test: BTreeMap<String, Best>,
    /// Epochs since the selected one.
    pub n_worse: usize,
    /// The value by which it was selected.
    best: Option<f64>,
}

impl History<'_> {
    /// The history before the first epoch.
    pub fn new(select: &str) -> History<'_> {
        let (selected, best_on_test) = (None, BTreeMap::new());
        History { select, selected, best_on_test, n_worse: 0, best: None }
    }

    /// Adds the next epoch, and returns whether it is the best so far.
    pub fn take(&mut self, record: &EpochRecord) -> bool {
        for (name, value) in record.test.iter().flat_map(Metrics::iter) {
            let best = self.best_on_test.get(name).map(|best| best.value);
            if is_better(name, value, best) {
                let best = Best { value, epoch: record.epoch };
                self.best_on_test.insert(name.into(), best);
            }
        }
        let value = record.valid(self.select);
        let better = is_better(self.select, value, self.best);
        self.n_worse = if better { 0 } else { self.n_worse + 1 };
        if better {
            self.best = Some(value);
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
    if name == LOSS {
        return value < best;
    }
    metrics::find(name).map_or(value > best, |metric| metric.is_better(value, best))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: usize, mae: f64, corr: f64, loss: Option<f64>) -> EpochRecord {
        let metrics = serde_json::json!({ "MAE": mae, "Corr": corr });
        EpochRecord {
            epoch,
            lr: 0.1,
            train_loss: 1.0,
            train_mae: 1.0,
            train_terms: vec![],
            valid_loss: loss,
            valid: serde_json::from_value(metrics).unwrap(),
            test: None,
            train_seconds: 0.0,
            seconds: 0.0,
        }
    }

    #[test]
    fn epochs_are_selected_by_the_way_in_which_a_metric_is_better() {
        let nan = f64::NAN;
        let epochs = [
            epoch(1, 1.0, 0.1, Some(nan)),
            epoch(2, 0.8, 0.3, Some(0.9)),
            epoch(3, 0.9, 0.5, Some(0.7)),
            epoch(4, 0.9, 0.4, Some(0.8)),
        ];
        for (select, best, n_worse) in [("MAE", 2, 2), ("Corr", 3, 1), (LOSS, 3, 1)] {
            let mut history = History::new(select);
            epochs.iter().for_each(|epoch| {
                history.take(epoch);
            });
            let selected = history.selected.unwrap();
            assert_eq!((selected.epoch, history.n_worse), (best, n_worse), "{select}");
            assert_eq!(selected.by, format!("best {select} on the validation split"));
        }
    }

    #[test]
    fn what_few_runs_have_is_absent_from_the_lines_of_others() {
        let line = serde_json::to_string(&epoch(1, 1.0, 0.5, None)).unwrap();
        assert!(!line.contains("train_terms") && !line.contains("valid_loss"), "{line}");
        let read: EpochRecord = serde_json::from_str(&line).unwrap();
        assert!(read.train_terms.is_empty() && read.valid_loss.is_none());
        let mut full = epoch(1, 1.0, 0.5, Some(f64::NAN));
        let (phase, term) = ("main".into(), "l1".into());
        full.train_terms = vec![TermMean { phase, term, mean: 0.25 }];
        let line = serde_json::to_string(&full).unwrap();
        assert!(line.contains("\"valid_loss\":null"), "{line}");
        let read: EpochRecord = serde_json::from_str(&line).unwrap();
        assert!(read.valid(LOSS).is_nan() && read.train_terms == full.train_terms);
    }
}
