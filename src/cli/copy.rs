//! `almt-data copy`: copies a store to another form, with the same values.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::form::FormArgs;
use super::{Failure, progress, target};
use crate::store::{self, Copied, Format, OutputOptions};
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
    /// Do not flush the store to disk: faster, but it can be lost if the machine crashes within seconds
    #[arg(long)]
    no_sync: bool,
    #[command(flatten)]
    form: FormArgs,
}

/// Copies one store.
pub fn copy(args: CopyArgs) -> Result<ExitCode, Failure> {
    let to: &Path = &args.to;
    let options = OutputOptions {
        format: args.form.resolve::<CopyArgs>("almt-data copy", Some(to), Format::Hdf5),
        compression: args.form.compression,
        overwrite: args.overwrite,
        sync: !args.no_sync,
    };
    let copied = progress::shown(|bars| store::copy_file(&args.from, to, &options, bars));
    let Copied { manifest, n_bytes } = copied?;
    outln!("{}", to.display());
    outln!("  digest   blake3 {}", manifest.digest);
    outln!("  size     {}", human_bytes(n_bytes));
    Ok(ExitCode::SUCCESS)
}
