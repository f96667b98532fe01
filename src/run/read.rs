//! Reads a run folder, complete or not, of any version, for reports. Resuming a run reads its files by
//! `folder`, which rejects anything unknown.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::RunError;
use super::attention::AttentionRecord;
use super::folder::{ATTENTION, CONFIG, METRICS, PREDICTIONS, RESULT, read_text, unreadable};
use super::keys::Document;
use super::predictions::{self, Prediction};
use super::record::{EpochRecord, RunResult};
use super::settings::TrainSettings;
use crate::corpus::{Dataset, SplitName};
use crate::encoding::Encoding;

/// One run.
#[derive(Debug)]
pub struct Run {
    /// Path of the folder; callers that show several runs may shorten it.
    pub name: String,
    /// Content of `config.toml`.
    pub config: TrainSettings,
    /// Text of `config.toml`.
    pub config_text: String,
    /// The epochs so far.
    pub epochs: Vec<EpochRecord>,
    /// The run's result; `None` if it is incomplete.
    pub result: Option<RunResult>,
    /// Labelled predictions of the selected epoch; empty if the run is incomplete.
    pub predictions: Vec<Prediction>,
    /// Attention of language at the selected epoch; `None` if not recorded.
    pub attention: Option<AttentionRecord>,
    /// Unknown and unused content of the files, one sentence each.
    pub notes: Vec<String>,
}

impl Run {
    /// Reads a run folder.
    ///
    /// # Errors
    /// A file that every run has is absent, or a file is malformed.
    pub fn read(folder: &Path) -> Result<Run, RunError> {
        let path = folder.join(CONFIG);
        let config_text = read_text(&path)?;
        let mut notes = Vec::new();
        let config = settings(&config_text, &path, &mut notes)?;
        let path = folder.join(RESULT);
        let result: Option<RunResult> = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&path)(error)),
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

fn not_a_run<E: Display>(path: &Path) -> impl Fn(E) -> RunError + '_ {
    |problem| {
        // TOML parse errors contain a multi-line excerpt.
        let problem = problem.to_string().trim().replace('\n', " ");
        RunError::NotARun { path: path.into(), problem }
    }
}

/// Reads `config.toml`, and notes its unknown keys.
fn settings(text: &str, path: &Path, notes: &mut Vec<String>) -> Result<TrainSettings, RunError> {
    // For the file's own text, the parser reports the line of an error.
    let error = match toml::from_str(text) {
        Ok(settings) => return Ok(settings),
        Err(error) => not_a_run(path)(error),
    };
    let Ok(mut value) = toml::from_str::<serde_json::Value>(text) else { return Err(error) };
    // The schema only covers the format with phases; older ones are read by other rules.
    let is_older = value["hyper_parameters"]["phase"].is_null();
    let older = is_older.then(|| value["hyper_parameters"].take());
    let unknown = Document::Config.drop_unknown_keys(&mut value);
    if let Some(hyper_parameters) = older {
        value["hyper_parameters"] = hyper_parameters;
    }
    if unknown.is_empty() {
        return Err(error);
    }
    notes.extend(unknown.into_iter().map(|key| format!("{}: {key}", path.display())));
    serde_json::from_value(value).map_err(not_a_run(path))
}

/// The lines of `metrics.jsonl`. A running process may have written only half of the last one.
fn epochs(
    path: &Path,
    complete: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<EpochRecord>, RunError> {
    let text = match complete || path.exists() {
        true => read_text(path)?,
        false => String::new(),
    };
    let whole = match complete {
        true => &*text,
        false => text.rfind('\n').map_or("", |end| &text[..end]),
    };
    let lines = whole.lines().enumerate();
    let read = lines.map(|(idx, line)| {
        known(line.as_bytes(), Document::Epoch, path, notes).map_err(|error| match error {
            RunError::NotARun { path, problem } => {
                RunError::NotARun { path, problem: format!("line {}: {problem}", idx + 1) }
            }
            other => other,
        })
    });
    read.collect()
}

/// Reads a document, and notes each unknown key once.
fn known<T: DeserializeOwned>(
    json: &[u8],
    document: Document,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<T, RunError> {
    let text = Encoding::text_of_file(json).ok_or("is not text").map_err(not_a_run(path))?;
    let mut value: serde_json::Value = serde_json::from_str(&text).map_err(not_a_run(path))?;
    for key in document.drop_unknown_keys(&mut value) {
        let note = format!("{}: {key}", path.display());
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    serde_json::from_value(value).map_err(not_a_run(path))
}

/// A complete run has one line per epoch and one prediction per segment.
fn check_counts(
    folder: &Path,
    result: &RunResult,
    epochs: &[EpochRecord],
    predictions: &[Prediction],
) -> Result<(), RunError> {
    if epochs.len() != result.n_epochs {
        let (expected, found) = (result.n_epochs, epochs.len());
        let problem = format!("expected {expected} epochs, as in {RESULT}, found {found}");
        return Err(RunError::NotARun { path: folder.join(METRICS), problem });
    }
    for split in [SplitName::Valid, SplitName::Test] {
        let expected = result.n_samples.get(&split).copied().unwrap_or(0);
        let found = predictions.iter().filter(|row| row.split == split).count();
        if expected != found {
            let problem = format!(
                "expected {expected} predictions on {split}, as in {RESULT}, found {found}"
            );
            return Err(RunError::NotARun { path: folder.join(PREDICTIONS), problem });
        }
    }
    Ok(())
}

/// A run is trained and evaluated only on labelled segments.
fn predictions(path: &Path) -> Result<Vec<Prediction>, RunError> {
    let rows = predictions::read(path).map_err(unreadable(path))?;
    match rows.iter().find(|row| row.label.is_none()) {
        Some(row) => Err(not_a_run(path)(format!("segment `{}` has no label", row.id))),
        None => Ok(rows),
    }
}

/// Runs of models without guidance lack this file, like those of earlier versions.
fn attention(path: &Path, notes: &mut Vec<String>) -> Result<Option<AttentionRecord>, RunError> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => {
            let json = read.map_err(unreadable(path))?;
            known(&json, Document::Attention, path, notes).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `config.toml` of `fixtures/runs`, as written by an older version, and the same in this version.
    fn configs() -> [String; 2] {
        let older = include_str!("../../fixtures/runs/small/config.toml");
        let settings: TrainSettings = toml::from_str(older).unwrap();
        [older.into(), toml::to_string(&settings).unwrap()]
    }

    #[test]
    fn keys_that_another_version_added_are_noted_and_not_used() {
        let path = Path::new(CONFIG);
        for text in configs() {
            let mut notes = Vec::new();
            let expected = settings(&text, path, &mut notes).unwrap();
            assert_eq!(notes, [""; 0]);
            let added = format!("moon = \"full\"\n{text}");
            assert_eq!(settings(&added, path, &mut notes).unwrap(), expected);
            assert_eq!(notes, ["config.toml: key `moon` is not known and not used"]);
            let wrong = text.replace("seed = 1\n", "seed = \"one\"\n");
            let refused = settings(&wrong, path, &mut notes).unwrap_err().to_string();
            assert!(refused.contains("line 5"), "{refused}");
        }
        let (mut notes, [_, current]) = (Vec::new(), configs());
        let added = current.replace("\nepochs = ", "\nhorizon = 3\nepochs = ");
        settings(&added, path, &mut notes).unwrap();
        assert_eq!(notes, ["config.toml: key `horizon` is not known and not used"]);
    }

    #[test]
    fn half_a_line_of_a_run_that_goes_on_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(METRICS);
        let line = r#"{"epoch":1,"lr":0.0,"train_loss":null,"train_mae":1.0,"valid":{"MAE":1.0},"train_seconds":1.0,"seconds":1.0}"#;
        fs::write(&path, format!("{line}\n{}", &line[..20])).unwrap();
        let read = epochs(&path, false, &mut Vec::new()).unwrap();
        assert_eq!((read.len(), read[0].valid.get("MAE")), (1, 1.0));
        assert!(read[0].train_loss.is_nan() && read[0].test.is_none());
        let refused = epochs(&path, true, &mut Vec::new()).unwrap_err().to_string();
        assert!(refused.contains("line 2"), "{refused}");
    }
}
