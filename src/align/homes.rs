//! Which video belongs to which split.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::store_error::AlignedStoreError;
use crate::corpus::folds::Folds;
use crate::corpus::{Dataset, SplitName};

/// Where the splits come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoldsChoice {
    /// The dataset's standard folds; a dataset without them is one split.
    Standard,
    /// A JSON file: `{"train": [VIDEO, ...], "valid": [...], "test": [...]}`, or that as `folds`.
    File(PathBuf),
    /// All segments are one split, `train`, to be split later.
    None,
}

/// The split of each video.
pub(super) struct Homes {
    splits: Option<HashMap<String, SplitName>>,
    /// The dataset that the videos are of, if standard folds show it.
    pub(super) dataset: Option<Dataset>,
    /// Where the splits come from, where that has to be said.
    pub(super) note: Option<String>,
}

/// A file of folds.
#[derive(Deserialize)]
#[serde(untagged)]
enum FoldsFile {
    Within { folds: BTreeMap<String, Vec<String>> },
    Plain(BTreeMap<String, Vec<String>>),
}

impl Homes {
    /// The splits of `videos`.
    ///
    /// # Errors
    /// The file of folds cannot be read, or has a video in two of them.
    pub(super) fn of(
        choice: &FoldsChoice,
        dataset: Option<Dataset>,
        videos: &[String],
    ) -> Result<Homes, AlignedStoreError> {
        // Standard folds are of public videos, whose ids no other dataset has.
        let is_of = |dataset: &Dataset| {
            let folds = Folds::of(*dataset);
            let n_known = videos
                .iter()
                .filter(|video| folds.is_some_and(|folds| folds.split_of(video).is_some()))
                .count();
            2 * n_known > videos.len()
        };
        let dataset = dataset.or_else(|| Dataset::ALL.into_iter().find(is_of));
        let whole = |note: &str| Homes { splits: None, dataset, note: Some(note.into()) };
        match choice {
            FoldsChoice::None => Ok(whole("splits: none, all segments are in `train`")),
            FoldsChoice::File(path) => {
                let splits = Some(read(path)?);
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                Ok(Homes { splits, dataset, note: Some(format!("splits: from {name}")) })
            }
            FoldsChoice::Standard => {
                let Some(folds) = dataset.and_then(Folds::of) else {
                    let note = "splits: without standard folds, all segments are in `train`";
                    return Ok(whole(note));
                };
                let home = |video: &String| Some((video.clone(), folds.split_of(video)?));
                let splits = Some(videos.iter().filter_map(home).collect());
                let note = Some("splits: the standard folds, by video".into());
                Ok(Homes { splits, dataset, note })
            }
        }
    }

    /// The split of a video; `None` if it is in no fold.
    pub(super) fn split_of(&self, video: &str) -> Option<SplitName> {
        match &self.splits {
            Some(splits) => splits.get(video).copied(),
            None => Some(SplitName::Train),
        }
    }
}

fn read(path: &Path) -> Result<HashMap<String, SplitName>, AlignedStoreError> {
    let text = std::fs::read_to_string(path)
        .map_err(|cause| AlignedStoreError::FoldsIo { path: path.into(), cause })?;
    let wrong = |problem: String| AlignedStoreError::Folds { path: path.into(), problem };
    let file: FoldsFile = serde_json::from_str(&text).map_err(|_| {
        wrong(
            "expected JSON, `{\"train\": [VIDEO, ...], \"valid\": [...], \"test\": [...]}`".into(),
        )
    })?;
    let folds = match file {
        FoldsFile::Within { folds } | FoldsFile::Plain(folds) => folds,
    };
    let mut splits = HashMap::new();
    for (name, videos) in folds {
        let split = SplitName::from_usual(&name).map_err(|error| wrong(error.to_string()))?;
        for video in videos {
            match splits.insert(video.clone(), split) {
                Some(other) if other != split => {
                    return Err(wrong(format!("`{video}` is in {other} and in {split}")));
                }
                _ => {}
            }
        }
    }
    Ok(splits)
}
