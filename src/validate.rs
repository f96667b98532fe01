//! Validates stores against their manifest, their dataset's rules and published labels, and
//! computational sequences, in one call.
//!
//! [`Store::verify`], [`corpus::check`](crate::corpus::check) and [`csd::check`] implement the checks; this
//! module combines them into one [`Report`] per file, also for files that are neither.

use std::io;
use std::path::{Path, PathBuf};

use crate::advice::{Advice, Advise};
use crate::chain::chain;
use crate::corpus::check::{Finding, OF_OWN_SPLITS, Report};
use crate::corpus::labels::{LabelTable, LabelTableError, TableOptions};
use crate::corpus::plan::{PlanError, SplitPlan};
use crate::corpus::scale::OwnScale;
use crate::csd::{self, CsdError, SequenceFile};
use crate::progress::{Progress, Stage};
use crate::signature::{self, Role};
use crate::store::{Format, Store, StoreError, Verification};

/// Options for validating files. By default everything is read and warnings are not errors.
#[derive(Debug, Clone, Default)]
pub struct ValidateOptions {
    /// A table of published labels to compare each store with.
    pub labels: Option<PathBuf>,
    /// Options for reading that table.
    pub table: TableOptions,
    /// A split manifest of the store: its splits are checked in place of the store's own.
    pub splits: Option<PathBuf>,
    /// Whether warnings are errors.
    pub strict: bool,
    /// Whether to check only the structure against the manifest: no data are read, and no table is
    /// compared.
    pub quick: bool,
}

/// Result of validating one store.
#[derive(Debug)]
pub struct Validated {
    /// The report, with the store's name. Its `failure` is the text of `error`.
    pub report: Report,
    /// Why the store could not be read or compared.
    pub error: Option<ValidateError>,
}

/// Why a store was not validated.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The computational sequence cannot be read.
    #[error(transparent)]
    Sequence(#[from] CsdError),
    /// The split manifest cannot be read, or belongs to another store.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// None of the published labels could be compared with it.
    #[error("{problem}")]
    NothingCompared {
        /// Why table and store have nothing in common.
        problem: String,
        /// Possible fix.
        advice: Box<Advice>,
    },
}

impl Advise for ValidateError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            ValidateError::Store(error) => error.advice(),
            ValidateError::Sequence(error) => error.advice(),
            ValidateError::Plan(error) => error.advice(),
            ValidateError::NothingCompared { advice, .. } => vec![(**advice).clone()],
        }
    }
}

/// Validates files one after another, as the iterator advances. Computational sequences come first, because
/// they are compared with one another.
///
/// # Errors
/// The label table cannot be read. Problems of a store, also that it is not a store, are in the
/// iterator's items.
pub fn validate(
    stores: Vec<PathBuf>,
    options: &ValidateOptions,
    progress: &dyn Progress,
) -> Result<impl Iterator<Item = Validated>, LabelTableError> {
    let label_scale = stores.iter().find_map(|path| own_labels(path));
    let table = TableOptions { label_scale, ..options.table.clone() };
    let labels = options.labels.as_deref().map(|path| LabelTable::open_as(path, &table));
    let labels = labels.transpose()?;
    let (sequences, stores): (Vec<PathBuf>, Vec<PathBuf>) =
        stores.into_iter().partition(|path| is_sequence(path));
    let sequences = check_sequences(sequences, options, progress);
    let stores =
        stores.into_iter().map(move |path| check(path, options, labels.as_ref(), progress));
    Ok(sequences.chain(stores))
}

/// What the labels of a store are, of a dataset of one's own. A path that is no store has none: that is
/// found when it is checked.
fn own_labels(path: &Path) -> Option<OwnScale> {
    Store::open(path).ok()?.manifest().label_scale.clone()
}

fn is_sequence(path: &Path) -> bool {
    path.is_file()
        && (csd::is_name(path)
            || signature::of_path(path).is_some_and(|known| known.kind.role == Role::Sequence))
}

/// Checks computational sequences, each also against the others.
fn check_sequences(
    paths: Vec<PathBuf>,
    options: &ValidateOptions,
    progress: &dyn Progress,
) -> impl Iterator<Item = Validated> {
    let mut opened: Vec<Result<SequenceFile, Option<CsdError>>> =
        paths.iter().map(|path| SequenceFile::open(path).map_err(Some)).collect();
    let sizes = opened.iter().flatten().map(SequenceFile::size);
    if let n_bytes @ 1.. = sizes.sum::<u64>() {
        progress.begin(Stage::Validating, n_bytes);
    }
    paths.into_iter().enumerate().map(move |(idx, path)| {
        let mut report = Report::new(path, options.strict);
        let checked = match &mut opened[idx] {
            Err(error) => error.take().map_or_else(|| Ok(csd::Checked::default()), Err),
            Ok(_) => {
                let files: Vec<&SequenceFile> = opened.iter().flatten().collect();
                let own = opened[..idx].iter().flatten().count();
                csd::check(&files, own, options.quick)
            }
        };
        match checked {
            Ok(csd::Checked { findings, notes, n_bytes, root }) => {
                progress.advance(n_bytes);
                report.sequence = Some(root);
                report.n_bytes_checked = if options.quick { 0 } else { n_bytes };
                report.notes = notes;
                report.conclude(findings);
                Validated { report, error: None }
            }
            Err(error) => {
                report.failure = Some(chain(&error));
                Validated { report, error: Some(error.into()) }
            }
        }
    })
}

/// The files and folders in a folder that are named like stores, in order.
///
/// # Errors
/// The folder cannot be listed.
pub fn stores_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = folder.read_dir()?.flatten().map(|entry| entry.path());
    let mut stores: Vec<PathBuf> = paths.filter(|path| Format::of_name(path).is_some()).collect();
    stores.sort();
    Ok(stores)
}

fn check(
    path: PathBuf,
    options: &ValidateOptions,
    labels: Option<&LabelTable>,
    progress: &dyn Progress,
) -> Validated {
    let mut report = Report::new(path, options.strict);
    let error = fill(&mut report, options, labels, progress).err();
    if let Some(error) = &error {
        report.failure = Some(chain(error));
    }
    Validated { report, error }
}

fn fill(
    report: &mut Report,
    options: &ValidateOptions,
    labels: Option<&LabelTable>,
    progress: &dyn Progress,
) -> Result<(), ValidateError> {
    let store = Store::open(&report.path)?;
    let manifest = store.manifest();
    report.dataset = Some(manifest.title().to_owned());
    report.digest = Some(manifest.digest.clone());
    report.notes.clone_from(&manifest.notes);
    let Verification { findings, n_bytes, compared } = match options.quick {
        true => Verification { findings: Vec::new(), n_bytes: 0, compared: None },
        false => {
            progress.begin(Stage::Validating, store.size());
            store.verify(labels, &|n_bytes| progress.advance(n_bytes))?
        }
    };
    report.n_bytes_checked = n_bytes;
    let findings = match &options.splits {
        Some(path) => with_splits(findings, &SplitPlan::load_for(path, manifest)?),
        None => findings,
    };
    report.conclude(findings);
    let Some(compared) = compared else { return Ok(()) };
    let problem = report.compare(compared);
    problem.map_or(Ok(()), |(problem, advice)| {
        Err(ValidateError::NothingCompared { problem, advice: Box::new(advice) })
    })
}

/// The findings about a store with the splits of `plan` in place of its own.
fn with_splits(mut findings: Vec<Finding>, plan: &SplitPlan) -> Vec<Finding> {
    findings.retain(|finding| !OF_OWN_SPLITS.iter().any(|rule| rule.id() == finding.rule));
    findings.extend(plan.check());
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}
