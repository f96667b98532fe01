//! `almt-data export`: a store in the form of another program.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use super::{Failure, progress, same_file, size_on_disk, wrong_call};
use crate::export::{self, ExportError};
use crate::publish::Draft;
use crate::store::Store;
use crate::words::human_bytes;

/// Write a store in the form that another program reads
#[derive(Args)]
pub struct ExportArgs {
    /// Store made by `almt-data convert`
    store: PathBuf,
    /// What to write
    #[arg(long)]
    to: Format,
    /// Where it goes; the default is next to the store, with the ending of the format
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
    /// Licence that the Croissant metadata name, as a URL or a short name
    #[arg(long, value_name = "LICENCE")]
    license: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The pickle that MMSA, Self-MM and ALMT load
    MmsaPickle,
    /// A folder of Parquet files, `split=train/part-0.parquet` and so on, for DuckDB, Spark,
    /// Polars, pandas: everything, features as lists of float32
    Parquet,
    /// One CSV file of ids, splits, texts, labels, lengths and bins: no features, no tokens
    Csv,
    /// One NumPy archive with an array `SPLIT/COLUMN` for everything
    Npz,
    /// Croissant 1.0 metadata: the files of the store with their SHA-256, and what is in them
    Croissant,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Format::MmsaPickle => "pkl",
            Format::Parquet => "parquet",
            Format::Csv => "csv",
            Format::Npz => "npz",
            Format::Croissant => "croissant.json",
        }
    }
}

/// Exports one store.
pub fn export(args: ExportArgs) -> Result<ExitCode, Failure> {
    if args.license.is_some() && args.to != Format::Croissant {
        let problem = "`--license` is for `--to croissant` only";
        wrong_call::<ExportArgs>("almt-data export", ErrorKind::ArgumentConflict, problem);
    }
    let store = Store::open(&args.store)?;
    let output = args.output.clone().unwrap_or_else(|| args.store.with_extension(args.to.ending()));
    if same_file(&args.store, &output) {
        return Err(Failure::at(&output, "the output would replace the input"));
    }
    if args.overwrite
        && args.to == Format::Parquet
        && output.is_dir()
        && !export::is_parquet_export(&output)
    {
        let problem = "is a folder that holds more than an export";
        return Err(Failure::at(&output, problem).hint("`-o` chooses another place"));
    }
    let draft = match args.to {
        Format::Parquet => Draft::folder(&output, args.overwrite),
        _ => Draft::new(&output, args.overwrite),
    };
    let draft = draft.map_err(|error| super::cannot_write(&output, error))?;
    let bar = progress::bytes("exporting", store.size());
    let written = write(&store, &args, &draft.path(), &|n_bytes| bar.inc(n_bytes));
    bar.finish_and_clear();
    written.map_err(|error| super::export_failure(&output, error))?;
    draft.publish().map_err(|error| super::cannot_write(&output, error))?;
    outln!("{}  {}", output.display(), human_bytes(size_on_disk(&output)));
    Ok(ExitCode::SUCCESS)
}

fn write(
    store: &Store,
    args: &ExportArgs,
    path: &Path,
    advance: &dyn Fn(u64),
) -> Result<(), ExportError> {
    if args.to == Format::Parquet {
        return export::parquet(store, path, advance);
    }
    let mut file = BufWriter::new(File::options().write(true).open(path)?);
    match args.to {
        Format::Parquet => {}
        Format::MmsaPickle => file = export::mmsa_pickle(store, file, advance)?,
        Format::Npz => file = export::npz(store, file, advance)?,
        Format::Csv => export::csv(store, &mut file)?,
        Format::Croissant => {
            export::croissant(store, args.license.as_deref(), &mut file, advance)?;
        }
    }
    Ok(file.flush()?)
}
