//! `almt-data validate`: is the store what it says, and fit to train on?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{Failure, progress};
use crate::corpus::check::{Report, Severity};
use crate::corpus::labels::LabelTable;
use crate::store::{Format, Store, Verification};
use crate::tree::human_bytes;

/// Check stores: digests, dimensions, counts, labels, ids, folds, leakage, duplicates, tokens, values
#[derive(Args)]
pub struct ValidateArgs {
    /// Stores to check; without any, every `.h5` file and `.arrow` folder in the current folder
    stores: Vec<PathBuf>,
    /// Published labels to compare with: a CSV file with the columns `id`, or `video_id` and
    /// `clip_id`, and any of `label`, `label_T`, `label_A`, `label_V`, `text`, `mode`
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,
    /// Take warnings for errors
    #[arg(long)]
    strict: bool,
    /// Print one JSON document in place of text; `almt-data schema validation` describes it
    #[arg(long)]
    json: bool,
    /// Compare only the structure with the manifest; read no data
    #[arg(long)]
    quick: bool,
}

/// Checks each store; exit code 1 when one of them is not valid.
pub fn validate(args: ValidateArgs) -> Result<ExitCode, Failure> {
    let stores = if args.stores.is_empty() { stores_here()? } else { args.stores };
    let labels = args.labels.as_deref().map(LabelTable::open).transpose();
    let labels = labels.map_err(|error| Failure::new(error.to_string()))?;
    let reports: Vec<Report> = stores
        .into_iter()
        .map(|path| {
            let report = check(Report::new(path, args.strict), labels.as_ref(), args.quick);
            if !args.json {
                print(&report);
            }
            report
        })
        .collect();
    if args.json {
        super::output::json(&reports)?;
    }
    let valid = reports.iter().all(|report| report.valid);
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn stores_here() -> Result<Vec<PathBuf>, Failure> {
    let here = Path::new(".");
    let entries = std::fs::read_dir(here)
        .map_err(|error| Failure::new(format!("cannot list the current folder: {error}")))?;
    let mut stores: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| PathBuf::from(entry.file_name()))
        .filter(|path| Format::of_name(path).is_some())
        .collect();
    stores.sort();
    if stores.is_empty() {
        return Err(Failure::new("no store (`.h5`, `.arrow`) in the current folder")
            .hint("`almt-data convert mosi.pkl` makes one"));
    }
    Ok(stores)
}

fn check(mut report: Report, labels: Option<&LabelTable>, quick: bool) -> Report {
    let verified = Store::open(&report.path).and_then(|store| {
        let manifest = store.manifest();
        report.dataset = Some(manifest.dataset.title());
        report.digest = Some(manifest.digest.clone());
        report.notes.clone_from(&manifest.notes);
        if quick {
            return Ok(Verification { findings: Vec::new(), n_bytes: 0 });
        }
        let bar = progress::bytes("validating", store.size());
        let verified = store.verify(labels, &|n_bytes| bar.inc(n_bytes));
        bar.finish_and_clear();
        verified
    });
    match verified {
        Ok(verification) => {
            report.n_bytes_checked = verification.n_bytes;
            report.conclude(verification.findings);
        }
        Err(error) => report.failure = Some(error.to_string()),
    }
    report
}

fn print(report: &Report) {
    let path = report.path.display();
    if let Some(failure) = &report.failure {
        // The message names the file itself.
        eprintln!("error: {failure}");
        return;
    }
    let (n_errors, n_warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let verdict = if report.valid { "valid" } else { "NOT VALID" };
    outln!(
        "{path}: {verdict} ({}, {} checked, {n_errors} errors, {n_warnings} warnings)",
        report.dataset.unwrap_or("unknown dataset"),
        human_bytes(report.n_bytes_checked)
    );
    for finding in &report.findings {
        outln!("  {finding}");
        outln!("    hint: {}", finding.advice);
    }
    for note in &report.notes {
        outln!("  note: {note}");
    }
}
