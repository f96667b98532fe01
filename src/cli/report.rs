//! `almt-data report`: writes one page about one or several runs.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::target::{self, check_output};
use crate::publish::Draft;
use crate::report::RunReport;

/// Write an HTML report about runs: metrics, curves, confusion matrices, errors
///
/// The report is a single file without scripts or external resources. Incomplete runs are marked as
/// such and appear only in the curves.
#[derive(Args)]
pub struct ReportArgs {
    /// Run folders, their `best.safetensors`, or folders of runs as written by `train --seeds`; all of
    /// the same dataset
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Output file
    #[arg(short, long, value_name = "HTML", default_value = "report.html", value_parser = target::named(target::PAGE))]
    output: PathBuf,
    /// Store that the runs were trained on, for the texts of the worst predictions [default: the one
    /// recorded in the run, if it still exists]
    #[arg(long)]
    store: Option<PathBuf>,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
}

/// Writes one page.
pub fn report(args: ReportArgs) -> Result<ExitCode, Failure> {
    let output = &args.output;
    let runs: Vec<PathBuf> =
        args.runs.iter().map(|run| super::runs::folder(run)).collect::<Result<_, _>>()?;
    let inputs = runs.iter().flat_map(|run| super::runs::inputs(run)).chain(args.store.clone());
    check_output(output, args.overwrite, inputs)?;
    let draft =
        Draft::new(output, args.overwrite).map_err(|error| super::cannot_write(output, error))?;
    let report = RunReport::read(&runs, args.store.as_deref())?;
    fs::write(draft.path(), report.html())
        .and_then(|()| draft.publish())
        .map_err(|error| super::cannot_write(output, error))?;
    outln!("{}", output.display());
    if let Some(title) = report.title() {
        outln!("  dataset  {title}");
    }
    for splits in report.splits() {
        outln!("  split: {splits}");
    }
    for note in report.runs().iter().flat_map(|run| &run.notes) {
        errln!("warning: {note}");
    }
    for run in report.runs() {
        let epochs = format!("{} of {} epochs", run.epochs.len(), run.config.n_epochs());
        match &run.result {
            Some(result) => {
                outln!("  run      {}, {epochs}, selected {}", run.name, result.selected.epoch)
            }
            None => outln!("  run      {}, {epochs}, not complete", run.name),
        }
    }
    Ok(ExitCode::SUCCESS)
}
