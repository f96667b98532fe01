//! The runs of a report, and the texts of their segments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::advice::{Advice, Advise, StoreAdvice};
use crate::corpus::column::ColumnKind;
use crate::corpus::known::KnownFeatures;
use crate::corpus::label::LabelScale;
use crate::corpus::{Dataset, SplitName};
use crate::run::predictions::Prediction;
use crate::run::record::RunResult;
use crate::run::{Run, RunError, folder};
use crate::store::{Store, StoreError};

/// Why a report cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not a run folder, or a damaged one.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A folder given twice: its run would count twice in the means.
    #[error("{path}: is given twice")]
    Twice {
        /// The folder.
        path: PathBuf,
    },
    /// Runs whose metrics do not fit into one table.
    #[error("{path}: was trained on {found}, the runs before it on {expected}")]
    Datasets {
        /// The folder.
        path: PathBuf,
        /// Dataset of the first run.
        expected: String,
        /// Dataset of this run.
        found: String,
    },
    /// A store that none of the runs was trained on.
    #[error("{path}: none of the runs was trained on this store: its digest is {found}, theirs {}", .expected.join(", "))]
    OtherStore {
        /// The store.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// Digests of the runs' stores.
        expected: Vec<String>,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Advise for ReportError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            ReportError::Run(error) => error.advice(),
            ReportError::Store(error) => error.advice(),
            ReportError::Datasets { .. } => vec![StoreAdvice::OneReportEach.into()],
            ReportError::Twice { .. } | ReportError::OtherStore { .. } => Vec::new(),
        }
    }
}

/// Runs of one dataset, and the texts of their segments.
#[derive(Debug)]
pub struct RunReport {
    pub(super) runs: Vec<Run>,
    pub(super) texts: Texts,
    pub(super) features: Vec<KnownFeatures>,
}

/// Transcripts of the segments.
#[derive(Debug)]
pub(super) enum Texts {
    /// By id.
    Known(BTreeMap<String, String>),
    /// Why they are absent.
    Absent(&'static str),
}

impl RunReport {
    /// The model of all runs; empty if they differ.
    pub fn model(&self) -> &'static str {
        common(self.runs.iter().map(|run| run.config.model()))
    }

    /// The models of the runs, in the order of their first runs.
    pub(super) fn models(&self) -> Vec<&'static str> {
        let mut models = Vec::new();
        for model in self.runs.iter().map(|run| run.config.model()) {
            if !models.contains(&model) {
                models.push(model);
            }
        }
        models
    }

    /// That model, if the paper's figures use the same inputs; otherwise empty.
    pub(super) fn model_of_paper(&self) -> &'static str {
        common(self.runs.iter().map(|run| run.config.model_of_paper()))
    }

    /// Reads run folders, in this order; a folder that contains runs, as left by `train --seeds`, is
    /// replaced by them. Texts come from `store`, or else from the first run's store if it is
    /// unchanged.
    ///
    /// # Errors
    /// A folder is not a run, occurs twice, or has another dataset than the first; `store` cannot be
    /// read, or no run was trained on it.
    pub fn read(folders: &[PathBuf], store: Option<&Path>) -> Result<RunReport, ReportError> {
        let folders: Vec<PathBuf> = folders.iter().flat_map(|folder| within(folder)).collect();
        let mut runs: Vec<Run> = Vec::new();
        let mut seen = BTreeSet::new();
        for folder in &folders {
            let run = Run::read(folder)?;
            if !seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone())) {
                return Err(ReportError::Twice { path: folder.clone() });
            }
            let labels = |run: &Run| (run.dataset(), run.config.label_scale.clone());
            if let Some(first) = runs.first().filter(|first| labels(first) != labels(&run)) {
                return Err(ReportError::Datasets {
                    path: folder.clone(),
                    expected: first.config.title().to_owned(),
                    found: run.config.title().to_owned(),
                });
            }
            runs.push(run);
        }
        name_apart(&mut runs, &folders);
        let (texts, features) = match find_store(&runs, store)? {
            Ok(store) => (texts(&store)?, KnownFeatures::of(store.manifest())),
            Err(reason) => (Texts::Absent(reason), Vec::new()),
        };
        Ok(RunReport { runs, texts, features })
    }

    /// The runs, in order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The dataset of all runs; `None` without a run.
    pub fn dataset(&self) -> Option<Dataset> {
        self.runs.first().map(Run::dataset)
    }

    /// What the labels of all runs are; `None` without a run.
    pub fn scale(&self) -> Option<LabelScale<'_>> {
        self.runs.first().map(|run| run.config.scale())
    }

    /// The name of the dataset of all runs; `None` without a run.
    pub fn title(&self) -> Option<&str> {
        self.runs.first().map(|run| run.config.title())
    }

    /// Where the splits of the complete runs come from and the videos that they share, each line once.
    pub fn splits(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (_, result) in self.complete() {
            let line = result.splits.map_or("not recorded".into(), |splits| splits.to_string());
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }

    /// The complete runs.
    pub(super) fn complete(&self) -> impl Iterator<Item = (&Run, &RunResult)> {
        self.runs.iter().filter_map(|run| Some((run, run.result.as_ref()?)))
    }

    /// The split that the page evaluates: the test split, or the validation split if no run has one.
    pub(super) fn split(&self) -> SplitName {
        let mut rows = self.runs.iter().flat_map(|run| &run.predictions);
        match rows.any(|row| row.split == SplitName::Test) {
            false if self.complete().next().is_some() => SplitName::Valid,
            _ => SplitName::Test,
        }
    }

    /// Predictions of that split, one list per complete run.
    pub(super) fn predictions(&self) -> Vec<Vec<&Prediction>> {
        let split = self.split();
        let of_run = |run: &Run| -> bool { run.result.is_some() };
        let runs = self.runs.iter().filter(|run| of_run(run));
        runs.map(|run| run.predictions.iter().filter(|row| row.split == split).collect()).collect()
    }
}

/// The folder itself, or if it is not a run, the runs in it and in the sweeps in it.
fn within(folder: &Path) -> Vec<PathBuf> {
    if folder::is_run(folder) {
        return vec![folder.to_owned()];
    }
    let mut runs = folder::runs_in(folder);
    let entries = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut sweeps: Vec<PathBuf> = entries.filter(|path| !folder::is_run(path)).collect();
    sweeps.sort();
    runs.extend(sweeps.iter().flat_map(|sweep| folder::runs_in(sweep)));
    if runs.is_empty() { vec![folder.to_owned()] } else { runs }
}

/// Names the runs by their folder names if these are unique.
fn name_apart(runs: &mut [Run], folders: &[PathBuf]) {
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

/// The store that runs were trained on, or why it is absent: the `given` one, or that of the first run
/// where it was.
fn find_store(
    runs: &[Run],
    given: Option<&Path>,
) -> Result<Result<Store, &'static str>, ReportError> {
    let digests: BTreeSet<&str> = runs.iter().map(|run| &*run.config.store_digest).collect();
    Ok(match (given, runs.first()) {
        (Some(path), _) => {
            let store = Store::open(path)?;
            let found = store.manifest().digest.clone();
            if !digests.contains(&*found) {
                let expected = digests.into_iter().map(String::from).collect();
                return Err(ReportError::OtherStore { path: path.into(), found, expected });
            }
            Ok(store)
        }
        (None, Some(run)) => match Store::open(&run.config.store) {
            Ok(store) if digests.contains(&*store.manifest().digest) => Ok(store),
            Ok(_) => Err("where the runs had their store there is another one now; \
                          <code>--store</code> names it and adds the texts"),
            Err(_) => {
                Err("the store is not where the runs had it; <code>--store</code> names it and \
                           adds the texts")
            }
        },
        (None, None) => Err("no runs"),
    })
}

/// Reads the texts of all segments: those of a fold may be in any split of the store.
fn texts(store: &Store) -> Result<Texts, StoreError> {
    let mut texts = BTreeMap::new();
    for split in &store.manifest().splits {
        if let Some(of_split) = store.strings(&ColumnKind::RawText.of(split.name))? {
            texts.extend(split.ids.iter().cloned().zip(of_split));
        }
    }
    Ok(match texts.is_empty() {
        true => Texts::Absent("the store has no transcripts"),
        false => Texts::Known(texts),
    })
}

/// The common name; empty if they differ.
fn common(mut names: impl Iterator<Item = &'static str>) -> &'static str {
    let first = names.next().unwrap_or_default();
    if names.all(|name| name == first) { first } else { "" }
}
