//! `almt-data inspect`: shows a pickle or store as a tree.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::limits::LimitsArgs;
use super::packed::PackedArgs;
use super::{Failure, output, progress};
use crate::inspect;

/// Show the contents of a pickle or a store: shapes, types, sizes, first ids
#[derive(Args)]
pub struct InspectArgs {
    /// Pickle or store
    path: PathBuf,
    #[command(flatten)]
    packed: PackedArgs,
    #[command(flatten)]
    limits: LimitsArgs,
}

/// Prints the tree of one file.
pub fn inspect(args: InspectArgs) -> Result<ExitCode, Failure> {
    let opening = args.packed.opening(&args.limits);
    let tree = progress::shown(|bars| inspect::inspect(&args.path, &opening, bars))?;
    output::write(format_args!("{tree}"));
    Ok(ExitCode::SUCCESS)
}
