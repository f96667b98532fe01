//! `almt-data copy`: copies a store to another form, with the same values.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::form::FormArgs;
use super::{Failure, output, progress, target};
use crate::progress::Progress;
use crate::store::{self, Copied, Format};
use crate::words::human_bytes;

/// Copy a store to another format or compression; values, digest and manifest do not change
#[derive(Args)]
pub struct CopyArgs {
    /// Input store
    from: PathBuf,
    /// Output store
    #[arg(value_parser = target::named(target::STORE))]
    to: PathBuf,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    form: FormArgs,
}

/// A copy that was written.
#[derive(Serialize)]
pub struct CopyReport {
    #[serde(serialize_with = "output::path")]
    output: PathBuf,
    digest: String,
    n_bytes: u64,
}

/// Copies one store.
pub fn run(args: CopyArgs, progress: &dyn Progress) -> Result<CopyReport, Failure> {
    let output = args.to;
    let format = args.form.resolve::<CopyArgs>("almt-data copy", Some(&output), Format::Hdf5)?;
    let options = args.form.output(format, args.overwrite);
    let Copied { manifest, n_bytes } = store::copy_file(&args.from, &output, &options, progress)?;
    Ok(CopyReport { output, digest: manifest.digest, n_bytes })
}

/// Copies one store, and prints what it became.
pub fn copy(args: CopyArgs) -> Result<ExitCode, Failure> {
    let CopyReport { output, digest, n_bytes } = progress::shown(|bars| run(args, bars))?;
    outln!("{}", output.display());
    outln!("  digest   blake3 {digest}");
    outln!("  size     {}", human_bytes(n_bytes));
    Ok(ExitCode::SUCCESS)
}
