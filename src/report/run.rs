//! A run folder as the report reads it: `config.toml`, `metrics.jsonl`, `predictions.csv`,
//! `attention.json`, `result.json`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use super::ReportError;
use super::keys::Document;
use crate::corpus::{Dataset, Modality, SplitName};

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const PREDICTIONS: &str = "predictions.csv";
const ATTENTION: &str = "attention.json";
const RESULT: &str = "result.json";

/// One run.
#[derive(Debug)]
pub struct Run {
    /// Name of the folder, or its path where another run has the same name.
    pub name: String,
    /// What the report needs of `config.toml`.
    pub config: Config,
    /// All of `config.toml`.
    pub config_text: String,
    /// The epochs so far.
    pub epochs: Vec<Epoch>,
    /// What the run came to; `None` as long as it is not complete.
    pub result: Option<RunResult>,
    /// Predictions of the selected epoch; empty as long as the run is not complete.
    pub predictions: Vec<Prediction>,
    /// What language attends to at the selected epoch; `None` where the folder does not say it.
    pub attention: Option<Attention>,
    /// What of the files is not known and not used, a sentence each.
    pub notes: Vec<String>,
}

/// `attention.json`.
#[derive(Debug, Deserialize)]
pub struct Attention {
    /// The split that it is of.
    pub split: SplitName,
    /// The AHL layer, counted from 1.
    pub layer: usize,
    /// One for each modality that language guides.
    pub maps: Vec<AttentionMap>,
}

/// What language attends to in one modality.
#[derive(Debug, Deserialize)]
pub struct AttentionMap {
    /// The modality.
    pub modality: Modality,
    /// Mean weights, `[n_queries, n_keys]`.
    pub weights: Vec<Vec<f64>>,
    /// Mean length of what the modality adds to a token of the hyper-modality.
    #[serde(deserialize_with = "number")]
    pub shift: f64,
}

/// The settings that the report shows outside the text of `config.toml`.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// The dataset.
    pub dataset: Dataset,
    /// The store's path.
    pub store: PathBuf,
    /// The store's digest.
    pub store_digest: String,
    /// Seed of every random stream.
    pub seed: u64,
    /// Device, as the command line spells it.
    pub device: String,
    /// Program and version.
    pub writer: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// The command line.
    pub command: Vec<String>,
    /// One fold of a split manifest, where the splits are not the store's own.
    pub split_manifest: Option<Fold>,
    hyper_parameters: HyperParameters,
}

/// One fold of a split manifest.
#[derive(Debug, Deserialize)]
pub struct Fold {
    /// Counted from 0.
    pub fold: usize,
}

#[derive(Debug, Deserialize)]
struct HyperParameters {
    training: Training,
}

#[derive(Debug, Deserialize)]
struct Training {
    epochs: usize,
}

impl Config {
    /// Epochs that the run is meant to have.
    pub fn n_epochs(&self) -> usize {
        self.hyper_parameters.training.epochs
    }
}

/// Metrics by name, in the order of the file; NaN where one is not defined.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(try_from = "serde_json::Map<String, serde_json::Value>")]
pub struct Values(Vec<(String, f64)>);

impl Values {
    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> + '_ {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// One value; NaN where there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |(_, value)| value)
    }
}

impl TryFrom<serde_json::Map<String, serde_json::Value>> for Values {
    type Error = serde_json::Error;

    fn try_from(map: serde_json::Map<String, serde_json::Value>) -> Result<Values, Self::Error> {
        let pairs = map.into_iter().map(|(name, value)| Ok((name, number(value)?)));
        pairs.collect::<Result<_, _>>().map(Values)
    }
}

/// A number, or NaN for `null`.
fn number<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(f64::NAN))
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Learning rate.
    #[serde(deserialize_with = "number")]
    pub lr: f64,
    /// Mean squared error over the epoch's samples.
    #[serde(deserialize_with = "number")]
    pub train_loss: f64,
    /// Mean absolute error over the same.
    #[serde(deserialize_with = "number")]
    pub train_mae: f64,
    /// Metrics on the validation split.
    pub valid: Values,
    /// Metrics on the test split.
    pub test: Option<Values>,
}

/// `result.json`.
#[derive(Debug, Deserialize)]
pub struct RunResult {
    /// The epoch that the validation split chose.
    pub selected: Selected,
    /// For each metric, the best epoch on the test split.
    pub best_on_test_per_metric: BTreeMap<String, Best>,
    /// BLAKE3 of `best.safetensors`.
    pub checkpoint_blake3: String,
    /// Epochs that were trained.
    pub n_epochs: usize,
    /// Number of trainable parameters.
    pub n_parameters: usize,
    /// Samples per split.
    pub n_samples: BTreeMap<SplitName, usize>,
    /// Device of the run.
    pub device: String,
    /// Wall time of all epochs.
    #[serde(deserialize_with = "number")]
    pub seconds: f64,
}

/// The epoch that the validation split chose.
#[derive(Debug, Deserialize)]
pub struct Selected {
    /// How it was chosen.
    pub by: String,
    /// Counted from 1.
    pub epoch: usize,
    /// Metrics on the validation split.
    pub valid: Values,
    /// Metrics on the test split.
    pub test: Option<Values>,
}

/// A metric's best value and when it was reached.
#[derive(Debug, Deserialize)]
pub struct Best {
    /// The value.
    #[serde(deserialize_with = "number")]
    pub value: f64,
    /// The epoch, counted from 1.
    pub epoch: usize,
}

/// One row of `predictions.csv`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Prediction {
    /// Segment id.
    pub id: String,
    /// Its split.
    pub split: SplitName,
    /// The annotators' mean.
    pub label: f32,
    /// The model's.
    pub prediction: f32,
}

impl Prediction {
    /// Prediction minus label.
    pub fn error(&self) -> f64 {
        f64::from(self.prediction) - f64::from(self.label)
    }
}

impl Run {
    /// Reads a run folder.
    ///
    /// # Errors
    /// A file that every run has is absent, or one does not hold what it should.
    pub fn read(folder: &Path) -> Result<Run, ReportError> {
        let path = folder.join(CONFIG);
        let config_text = fs::read_to_string(&path).map_err(not_a_run(&path))?;
        let config: Config = toml::from_str(&config_text).map_err(not_a_run(&path))?;
        let path = folder.join(RESULT);
        let mut notes = Vec::new();
        let result: Option<RunResult> = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(not_a_run(&path)(error)),
            Ok(json) => Some(known(&json, Document::Result, &path, &mut notes)?),
        };
        let epochs = epochs(&folder.join(METRICS), result.is_some(), &mut notes)?;
        let predictions = match result {
            Some(_) => predictions(&folder.join(PREDICTIONS))?,
            None => Vec::new(),
        };
        let attention = match result {
            Some(_) => attention(&folder.join(ATTENTION), &mut notes)?,
            None => None,
        };
        if let Some(result) = &result {
            check_counts(folder, result, &epochs, &predictions)?;
        }
        let name = folder.display().to_string();
        Ok(Run { name, config, config_text, epochs, result, predictions, attention, notes })
    }

    /// The run's dataset.
    pub fn dataset(&self) -> Dataset {
        self.config.dataset
    }
}

fn not_a_run<E: Display>(path: &Path) -> impl Fn(E) -> ReportError + '_ {
    |problem| {
        // Parsers of TOML answer with an excerpt over several lines.
        let problem = problem.to_string().trim().replace('\n', " ");
        ReportError::NotARun { path: path.into(), problem }
    }
}

/// The lines of `metrics.jsonl`. A run that goes on may have written half of the last one.
fn epochs(path: &Path, complete: bool, notes: &mut Vec<String>) -> Result<Vec<Epoch>, ReportError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !complete => String::new(),
        read => read.map_err(not_a_run(path))?,
    };
    let whole = match complete {
        true => &*text,
        false => text.rfind('\n').map_or("", |end| &text[..end]),
    };
    let lines = whole.lines().enumerate();
    let read = lines.map(|(idx, line)| {
        known(line.as_bytes(), Document::Epoch, path, notes).map_err(|error| match error {
            ReportError::NotARun { path, problem } => {
                ReportError::NotARun { path, problem: format!("line {}: {problem}", idx + 1) }
            }
            other => other,
        })
    });
    read.collect()
}

/// Reads a document, and notes each of its keys that the program does not write, once.
fn known<T: serde::de::DeserializeOwned>(
    json: &[u8],
    document: Document,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<T, ReportError> {
    let value: serde_json::Value = serde_json::from_slice(json).map_err(not_a_run(path))?;
    for key in document.unknown_keys(&value) {
        let note = format!("{}: {key}", path.display());
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    serde_json::from_value(value).map_err(not_a_run(path))
}

/// A complete run has a line for each epoch and a prediction for each segment.
fn check_counts(
    folder: &Path,
    result: &RunResult,
    epochs: &[Epoch],
    predictions: &[Prediction],
) -> Result<(), ReportError> {
    if epochs.len() != result.n_epochs {
        let (expected, found) = (result.n_epochs, epochs.len());
        let problem = format!("expected {expected} epochs, as in {RESULT}, found {found}");
        return Err(ReportError::NotARun { path: folder.join(METRICS), problem });
    }
    for split in [SplitName::Valid, SplitName::Test] {
        let expected = result.n_samples.get(&split).copied().unwrap_or(0);
        let found = predictions.iter().filter(|row| row.split == split).count();
        if expected != found {
            let problem = format!(
                "expected {expected} predictions on {split}, as in {RESULT}, found {found}"
            );
            return Err(ReportError::NotARun { path: folder.join(PREDICTIONS), problem });
        }
    }
    Ok(())
}

fn predictions(path: &Path) -> Result<Vec<Prediction>, ReportError> {
    let mut reader = csv::Reader::from_path(path).map_err(not_a_run(path))?;
    reader.deserialize().map(|row| row.map_err(not_a_run(path))).collect()
}

/// Runs of models without guidance have no such file, nor have those of earlier versions.
fn attention(path: &Path, notes: &mut Vec<String>) -> Result<Option<Attention>, ReportError> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => {
            let json = read.map_err(not_a_run(path))?;
            known(&json, Document::Attention, path, notes).map(Some)
        }
    }
}

/// A folder itself, or where it is no run, the runs in it, by name and number.
pub(super) fn within(folder: &Path) -> Vec<PathBuf> {
    let itself = || vec![folder.to_owned()];
    if folder.join(CONFIG).exists() {
        return itself();
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join(CONFIG).exists()).collect();
    // `seed-10` comes after `seed-9`.
    runs.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
        let number = name[stem.len()..].parse::<u64>().unwrap_or(0);
        (stem, number, name)
    });
    if runs.is_empty() { itself() } else { runs }
}

/// Names the runs by their folders' names where those tell them apart.
pub(super) fn name_apart(runs: &mut [Run], folders: &[PathBuf]) {
    let names: Vec<Option<String>> = folders
        .iter()
        .map(|folder| {
            let folder = folder.canonicalize().ok()?;
            Some(folder.file_name()?.to_string_lossy().into_owned())
        })
        .collect();
    for (run, name) in runs.iter_mut().zip(&names) {
        if let Some(name) = name
            && names.iter().filter(|other| other.as_ref() == Some(name)).count() == 1
        {
            run.name.clone_from(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_keep_their_order_and_null_is_nan() {
        let values: Values = serde_json::from_str(r#"{"MAE": 1, "Corr": null}"#).unwrap();
        let names: Vec<&str> = values.iter().map(|(name, _)| name).collect();
        assert_eq!((names, values.get("MAE")), (vec!["MAE", "Corr"], 1.0));
        assert!(values.get("Corr").is_nan());
        assert!(serde_json::from_str::<Values>(r#"{"MAE": "low"}"#).is_err());
    }

    #[test]
    fn runs_within_a_folder_are_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["seed-10", "seed-9", "other"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            if name != "other" {
                fs::write(folder.path().join(name).join(CONFIG), "").unwrap();
            }
        }
        let expected = ["seed-9", "seed-10"].map(|name| folder.path().join(name));
        assert_eq!(within(folder.path()), expected);
        assert_eq!(within(&expected[0]), expected[..1]);
    }

    #[test]
    fn half_a_line_of_a_run_that_goes_on_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(METRICS);
        let line = r#"{"epoch":1,"lr":0.0,"train_loss":null,"train_mae":1.0,"valid":{"MAE":1.0}}"#;
        fs::write(&path, format!("{line}\n{}", &line[..20])).unwrap();
        let read = epochs(&path, false, &mut Vec::new()).unwrap();
        assert_eq!((read.len(), read[0].valid.get("MAE")), (1, 1.0));
        assert!(read[0].train_loss.is_nan() && read[0].test.is_none());
        let refused = epochs(&path, true, &mut Vec::new()).unwrap_err().to_string();
        assert!(refused.contains("line 2"), "{refused}");
    }
}
