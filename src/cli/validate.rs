//! `almt-data validate`: checks whether stores are intact and fit to train on, and computational sequences
//! fit to align.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::progress::Bars;
use super::{Failure, stores};
use crate::corpus::check::{Compared, Finding, Report, Rule, Severity};
use crate::corpus::labels::{ColumnChoice, LabelTableError, TableOptions};
use crate::encoding::Encoding;
use crate::progress::Progress;
use crate::validate::{self, ValidateOptions, Validated};
use crate::words::{human_bytes, plural};

/// Check stores: digests, dimensions, counts, labels, ids, folds, leakage, duplicates, tokens, values; and
/// computational sequences (`.csd`): shapes, times, values, and whether several have the same videos
#[derive(Args)]
pub struct ValidateArgs {
    /// Stores or computational sequences to check [default: every `.h5` file and `.arrow` folder in the current folder]
    stores: Vec<PathBuf>,
    /// Compare with published labels: a text table, separated by commas, semicolons, tabs or `|`, with
    /// a column for the id, or for video and clip, and any of label, label_T, label_A, label_V, text
    /// and split. Common column names such as `video_id`, `FileName`, `sentiment_score` and `mode` are
    /// recognized
    #[arg(long, value_name = "CSV", conflicts_with = "quick")]
    labels: Option<PathBuf>,
    /// Column of the label table that holds a field, if it is not recognized by name; repeatable. FIELD
    /// is id, video, clip, label, label_T, label_A, label_V, text or split; NAME is a name in the first
    /// line, a column number from 1, or empty for none
    #[arg(long, value_name = "FIELD=NAME", requires = "labels")]
    column: Vec<ColumnChoice>,
    /// Encoding of the label table, if neither UTF-8 nor Excel's UTF-16, such as gbk, gb18030 or
    /// windows-1252
    #[arg(long, value_name = "NAME", requires = "labels")]
    text_encoding: Option<Encoding>,
    /// Check the splits of this split manifest, which belongs to the store, instead of the store's own
    #[arg(long, value_name = "JSON", conflicts_with = "quick")]
    manifest: Option<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Print JSON instead of text, as described by `almt-data schema validation`
    #[arg(long)]
    json: bool,
    /// Compare only the structure with the manifest, without reading data; of a computational sequence,
    /// check only names and shapes
    #[arg(long)]
    quick: bool,
}

/// Checks each store.
pub fn run(args: ValidateArgs, progress: &dyn Progress) -> Result<Vec<Report>, Failure> {
    check(args, progress, |_| ())
}

/// Checks each store, and shows each report as soon as it is complete.
fn check(
    args: ValidateArgs,
    progress: &dyn Progress,
    show: impl Fn(&Report),
) -> Result<Vec<Report>, Failure> {
    let stores = if args.stores.is_empty() { stores::here()? } else { args.stores };
    let options = ValidateOptions {
        labels: args.labels,
        table: TableOptions {
            columns: args.column,
            encoding: args.text_encoding,
            is_source: false,
            label_scale: None,
        },
        splits: args.manifest,
        strict: args.strict,
        quick: args.quick,
    };
    let validated =
        validate::validate(stores, &options, progress).map_err(|error| match &error {
            // The user's choice, as typed.
            LabelTableError::Choice { path, choice, problem } => {
                Failure::at(path, format!("`--column {choice}`: {problem}")).advised(&error)
            }
            _ => error.into(),
        })?;
    let reports = validated.map(|Validated { mut report, error }| {
        if let Some(error) = error {
            report.failure = Some(Failure::from(error).to_string());
        }
        show(&report);
        report
    });
    Ok(reports.collect())
}

/// Checks each store, and prints the reports; exit code 1 if any is not valid.
pub fn validate(args: ValidateArgs) -> Result<ExitCode, Failure> {
    let (is_json, is_quick) = (args.json, args.quick);
    let bars = Bars::default();
    let reports = check(args, &bars, |report| {
        bars.clear();
        if !is_json {
            print(report, is_quick);
        }
    })?;
    if is_json {
        super::output::json(&reports)?;
    }
    let valid = reports.iter().all(|report| report.valid);
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Rules that compare a store with a label table.
const DIFFERENCES: [Rule; 3] = [Rule::LabelDiffers, Rule::TextDiffers, Rule::SplitDiffers];

fn print(report: &Report, is_quick: bool) {
    let path = report.path.display();
    if let Some(failure) = &report.failure {
        // The message names the file itself.
        errln!("error: {failure}");
        return;
    }
    let n_errors = plural(report.count(Severity::Error), "error");
    let n_warnings = plural(report.count(Severity::Warning), "warning");
    let verdict = match (report.valid, is_quick) {
        (true, false) => "valid",
        (true, true) => "the structure is valid, no value was read",
        (false, _) => "NOT VALID",
    };
    outln!(
        "{path}: {verdict} ({}, {} checked, {n_errors}, {n_warnings})",
        match (&report.sequence, report.dataset.as_deref()) {
            (Some(name), _) => format!("computational sequence `{name}`"),
            (None, dataset) => dataset.unwrap_or("unknown dataset").to_owned(),
        },
        human_bytes(report.n_bytes_checked)
    );
    for line in report.compared.iter().flat_map(Compared::lines) {
        outln!("  {line}");
    }
    let differs =
        |finding: &Finding| DIFFERENCES.iter().any(|difference| difference.id() == finding.rule);
    if report.compared.is_some() && !report.findings.iter().any(differs) {
        outln!("  no differences");
    }
    // Once per group of consecutive findings of a rule, such as one per split.
    for findings in report.findings.chunk_by(|one, next| one.advice == next.advice) {
        for finding in findings {
            outln!("  {finding}");
        }
        outln!("    hint: {}", findings[0].advice);
    }
    for note in &report.notes {
        outln!("  note: {note}");
    }
}
