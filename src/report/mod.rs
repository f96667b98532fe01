//! One HTML page about one or several runs: metrics, curves, confusion matrices, errors.
//!
//! This module shows runs as [`Run`] reads them and, if given, the store for the texts of segments. It
//! must not know pickles, models, the trainer or the command line.
//!
//! The page is a single file without scripts and without anything to fetch, which its content
//! security policy forbids besides. It holds no time of day: the same folders give the same bytes.
//!
//! `chart` draws with SVG and `heat` matrices with it, `html` escapes and shows
//! numbers; each of `page`, `tables`, `curves`, `confusion`, `attention` and `errors` writes a part
//! of the page. `figure` and `space` put such drawings into files of their own, for `reproduce`.

mod attention;
pub(crate) mod chart;
mod confusion;
mod curves;
mod errors;
#[cfg(feature = "train")]
pub(crate) mod figure;
pub(crate) mod heat;
mod html;
mod page;
#[cfg(feature = "train")]
pub(crate) mod space;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::corpus::column::ColumnKind;
use crate::corpus::{Dataset, SplitName};
use crate::run::predictions::Prediction;
use crate::run::record::RunResult;
use crate::run::{Run, RunError, folder};
use crate::store::{Store, StoreError};

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not a run folder, or a damaged one.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A folder that stands twice: its run would count twice in the means.
    #[error("{path}: is given twice")]
    Twice {
        /// The folder.
        path: PathBuf,
    },
    /// Runs whose metrics cannot stand in one table.
    #[error(
        "{path}: was trained on {found}, the runs before it on {expected}\n  hint: make one report \
         per dataset"
    )]
    Datasets {
        /// The folder.
        path: PathBuf,
        /// Dataset of the first run.
        expected: &'static str,
        /// Dataset of this one.
        found: &'static str,
    },
    /// A store on which none of the runs was trained.
    #[error("{path}: none of the runs was trained on this store: its digest is {found}, theirs {}", .expected.join(", "))]
    OtherStore {
        /// The store.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// Digests that the runs name.
        expected: Vec<String>,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs of one dataset, and what their segments say.
#[derive(Debug)]
pub struct Report {
    runs: Vec<Run>,
    texts: Texts,
}

/// What is said in the segments.
#[derive(Debug)]
enum Texts {
    /// By id.
    Known(BTreeMap<String, String>),
    /// Why there are none.
    Absent(&'static str),
}

impl Report {
    /// Reads run folders, in this order; a folder that is no run but has runs in it stands for
    /// those, as `train --seeds` leaves them. Texts come from `store`, or else from the store that
    /// the first run names if it is still the same.
    ///
    /// # Errors
    /// A folder is no run, stands twice, or is of another dataset than the first; `store` cannot be
    /// read, or no run was trained on it.
    pub fn read(folders: &[PathBuf], store: Option<&Path>) -> Result<Report, ReportError> {
        let folders: Vec<PathBuf> = folders.iter().flat_map(|folder| within(folder)).collect();
        let mut runs: Vec<Run> = Vec::new();
        let mut seen = BTreeSet::new();
        for folder in &folders {
            let run = Run::read(folder)?;
            if !seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone())) {
                return Err(ReportError::Twice { path: folder.clone() });
            }
            if let Some(first) = runs.first().filter(|first| first.dataset() != run.dataset()) {
                return Err(ReportError::Datasets {
                    path: folder.clone(),
                    expected: first.dataset().title(),
                    found: run.dataset().title(),
                });
            }
            runs.push(run);
        }
        name_apart(&mut runs, &folders);
        let texts = texts(&runs, store)?;
        Ok(Report { runs, texts })
    }

    /// The runs, in order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The dataset of all runs; `None` without a run.
    pub fn dataset(&self) -> Option<Dataset> {
        self.runs.first().map(Run::dataset)
    }

    /// The page.
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// Runs that are complete.
    fn complete(&self) -> impl Iterator<Item = (&Run, &RunResult)> {
        self.runs.iter().filter_map(|run| Some((run, run.result.as_ref()?)))
    }

    /// The split that the page judges: the test split, or where no run has one, the validation
    /// split.
    fn split(&self) -> SplitName {
        let mut rows = self.runs.iter().flat_map(|run| &run.predictions);
        match rows.any(|row| row.split == SplitName::Test) {
            false if self.complete().next().is_some() => SplitName::Valid,
            _ => SplitName::Test,
        }
    }

    /// Predictions of that split, one list per complete run.
    fn predictions(&self) -> Vec<Vec<&Prediction>> {
        let split = self.split();
        let of_run = |run: &Run| -> bool { run.result.is_some() };
        let runs = self.runs.iter().filter(|run| of_run(run));
        runs.map(|run| run.predictions.iter().filter(|row| row.split == split).collect()).collect()
    }
}

/// A folder itself, or where it is no run, the runs in it.
fn within(folder: &Path) -> Vec<PathBuf> {
    let runs = if folder::is_run(folder) { Vec::new() } else { folder::runs_in(folder) };
    if runs.is_empty() { vec![folder.to_owned()] } else { runs }
}

/// Names the runs by their folders' names where those tell them apart.
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

/// Reads the texts of all segments: those of a fold may lie in any split of the store.
fn texts(runs: &[Run], given: Option<&Path>) -> Result<Texts, ReportError> {
    let digests: BTreeSet<&str> = runs.iter().map(|run| &*run.config.store_digest).collect();
    let store = match (given, runs.first()) {
        (Some(path), _) => {
            let store = Store::open(path)?;
            let found = store.manifest().digest.clone();
            if !digests.contains(&*found) {
                let expected = digests.into_iter().map(String::from).collect();
                return Err(ReportError::OtherStore { path: path.into(), found, expected });
            }
            store
        }
        (None, Some(run)) => match Store::open(&run.config.store) {
            Ok(store) if digests.contains(&*store.manifest().digest) => store,
            Ok(_) => {
                return Ok(Texts::Absent(
                    "where the runs had their store there is another one now; \
                     <code>--store</code> names it and adds the texts",
                ));
            }
            Err(_) => {
                return Ok(Texts::Absent(
                    "the store is not where the runs had it; <code>--store</code> names it and \
                     adds the texts",
                ));
            }
        },
        (None, None) => return Ok(Texts::Absent("there is no run")),
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::preset::Preset;

    const MARKUP: &str = "<script>alert(1)</script>";

    /// A run folder with markup wherever a text can stand.
    fn write_run(folder: &Path) {
        let metrics = r#"{"MAE": 1.5, "Corr": null, "<b>": 0.5}"#;
        let model = toml::to_string(&Preset::of(Dataset::Mosi).model).unwrap();
        let config = format!(
            "dataset = \"mosi\"\nstore = \"{MARKUP}\"\nstore_digest = \"{MARKUP}\"\nseed = 1\n\
             modalities = [\"text\"]\nselect = \"{MARKUP}\"\nn_threads = 1\n\
             device = \"{MARKUP}\"\nwriter = \"{MARKUP}\"\nlibtorch = \"{MARKUP}\"\ncommand = \
             [\"{MARKUP}\"]\n[hyper_parameters.model]\n{model}[hyper_parameters.training]\n\
             epochs = 1\nbatch_size = 1\nlr = 0.1\nweight_decay = 0.0\n"
        );
        let epoch = format!(
            r#"{{"epoch": 1, "lr": 0.1, "train_loss": 2.0, "train_mae": 1.0, "valid": {metrics},
               "test": {metrics}, "train_seconds": 1.0, "seconds": 1.0}}"#
        );
        let result = format!(
            r#"{{"selected": {{"by": "{MARKUP}", "epoch": 1, "valid": {metrics},
               "test": {metrics}}}, "best_on_test_per_metric": {{"MAE": {{"value": 1.5,
               "epoch": 1}}}}, "checkpoint_blake3": "{MARKUP}", "n_epochs": 1, "n_parameters": 1,
               "n_samples": {{"test": 2}}, "device": "{MARKUP}", "seconds": 1.0, "seed": 1,
               "store_digest": "{MARKUP}", "last_weights_blake3": "{MARKUP}", "n_threads": 1,
               "writer": "{MARKUP}"}}"#
        );
        let rows = format!("id,split,label,prediction\n{MARKUP},test,-3,1.5\nb,test,1,NaN\n");
        let files = [("config.toml", config), ("result.json", result), ("predictions.csv", rows)];
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        std::fs::write(folder.join("metrics.jsonl"), epoch.replace('\n', "")).unwrap();
    }

    #[test]
    fn no_text_of_a_run_or_a_store_is_markup() {
        let folder = tempfile::tempdir().unwrap();
        write_run(folder.path());
        let mut report = Report::read(&[folder.path().into()], None).unwrap();
        let said = format!("said {MARKUP}");
        report.texts = Texts::Known([(MARKUP.to_owned(), said)].into());
        let page = report.html();
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("said &lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("<th title=\"&lt;b&gt;\">&lt;b&gt;"), "{page}");
        assert!(page.matches("&lt;script&gt;").count() > 8);
    }
}
