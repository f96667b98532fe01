//! `almt-data export`: exports a store for other programs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Failure, output, progress, wrong_call};
use crate::export::{self, ExportForm, Exported};
use crate::progress::Progress;
use crate::words::human_bytes;

/// Export a store to a format that other programs read
#[derive(Args)]
pub struct ExportArgs {
    /// Store made by `almt-data convert`
    store: PathBuf,
    /// Output format
    #[arg(long)]
    to: Format,
    /// Output path [default: next to the store, with the extension of the format, such as `.mmsa.pkl`]
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
    /// Licence to declare in the Croissant metadata, as a URL or a short name
    #[arg(long, value_name = "LICENCE")]
    license: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Pickle for MMSA, Self-MM and ALMT
    MmsaPickle,
    /// Folder of Parquet files, one per split (`split=train/part-0.parquet`), for DuckDB, Spark, Polars
    /// and pandas: all columns, features as lists of float32
    Parquet,
    /// One CSV file of ids, splits, texts, labels, lengths and bins; no features or tokens
    Csv,
    /// One NumPy archive with an array `SPLIT/COLUMN` per column
    Npz,
    /// Folder of computational sequences for the CMU SDK and `almt-data align`: features, words, labels,
    /// classes and `folds.json`
    Csd,
    /// Croissant 1.0 metadata: the files of the store with their SHA-256, and their contents
    Croissant,
}

/// An export that was written.
#[derive(Serialize)]
pub struct ExportReport {
    #[serde(serialize_with = "output::path")]
    output: PathBuf,
    n_bytes: u64,
    /// What is not as in the store.
    notes: Vec<String>,
}

/// Exports one store.
pub fn run(args: ExportArgs, progress: &dyn Progress) -> Result<ExportReport, Failure> {
    if args.license.is_some() && args.to != Format::Croissant {
        let problem = "`--license` is for `--to croissant` only";
        let kind = ErrorKind::ArgumentConflict;
        return Err(wrong_call::<ExportArgs>("almt-data export", kind, problem));
    }
    let form = match args.to {
        Format::MmsaPickle => ExportForm::MmsaPickle,
        Format::Parquet => ExportForm::Parquet,
        Format::Csv => ExportForm::Csv,
        Format::Npz => ExportForm::Npz,
        Format::Csd => ExportForm::Csd,
        Format::Croissant => ExportForm::Croissant { license: args.license },
    };
    let output = args.output.unwrap_or_else(|| args.store.with_extension(form.ending()));
    let Exported { n_bytes, notes } =
        export::export(&args.store, &output, &form, args.overwrite, progress)?;
    Ok(ExportReport { output, n_bytes, notes })
}

/// Exports one store, and prints where to.
pub fn export(args: ExportArgs) -> Result<ExitCode, Failure> {
    let ExportReport { output, n_bytes, notes } = progress::shown(|bars| run(args, bars))?;
    notes.iter().for_each(|note| errln!("note: {note}"));
    outln!("{}  {}", output.display(), human_bytes(n_bytes));
    Ok(ExitCode::SUCCESS)
}
