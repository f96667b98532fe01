//! `almt-data export`: a store in the form of another program.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Failure, progress};
use crate::export::{ExportError, mmsa_pickle};
use crate::publish::Draft;
use crate::store::Store;
use crate::tree::human_bytes;

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
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// The pickle that MMSA, Self-MM and ALMT load
    MmsaPickle,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Format::MmsaPickle => "pkl",
        }
    }
}

/// Exports one store.
pub fn export(args: ExportArgs) -> Result<ExitCode, Failure> {
    let store = Store::open(&args.store)?;
    let output = args.output.unwrap_or_else(|| args.store.with_extension(args.to.ending()));
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::at(&output, "exists already").hint("`--overwrite` replaces it")
        }
        _ => Failure::at(&output, format!("cannot write: {error}")),
    };
    let draft = Draft::new(&output, args.overwrite).map_err(cannot)?;
    let bar = progress::bytes("exporting", args.store.metadata().map_or(0, |meta| meta.len()));
    let written = write(&store, args.to, &draft.path(), &|n_bytes| bar.inc(n_bytes));
    bar.finish_and_clear();
    written.map_err(|error| match error {
        ExportError::Store(error) => error.into(),
        ExportError::Write(error) => cannot(error),
    })?;
    draft.publish().map_err(cannot)?;
    let size = output.metadata().map_or(0, |meta| meta.len());
    outln!("{}  {}", output.display(), human_bytes(size));
    Ok(ExitCode::SUCCESS)
}

fn write(
    store: &Store,
    format: Format,
    path: &Path,
    advance: &dyn Fn(u64),
) -> Result<(), ExportError> {
    let file = BufWriter::new(File::options().write(true).open(path)?);
    match format {
        Format::MmsaPickle => mmsa_pickle(store, file, advance)?.flush()?,
    }
    Ok(())
}
