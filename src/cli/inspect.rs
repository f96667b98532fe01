//! `almt-data inspect`: shows a pickle, store, computational sequence, run or checkpoint as a tree.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::limits::LimitsArgs;
use super::packed::PackedArgs;
use super::{Failure, output, progress};
use crate::inspect;
use crate::progress::Progress;
use crate::tree::Tree;

/// Show the contents of a pickle, a store or a computational sequence (`.csd`): shapes, types, sizes, first
/// ids; of a run or a checkpoint: its model and the data that it was trained on
#[derive(Args)]
pub struct InspectArgs {
    /// Pickle, store, computational sequence, run folder or checkpoint
    path: PathBuf,
    #[command(flatten)]
    packed: PackedArgs,
    #[command(flatten)]
    limits: LimitsArgs,
}

/// What is in a file.
#[derive(Serialize)]
pub struct InspectReport {
    #[serde(serialize_with = "output::path")]
    path: PathBuf,
    tree: Tree,
}

/// Reads the tree of one file.
pub fn run(args: InspectArgs, progress: &dyn Progress) -> Result<InspectReport, Failure> {
    let opening = args.packed.opening(&args.limits);
    let tree = inspect::inspect(&args.path, &opening, progress)?;
    Ok(InspectReport { path: args.path, tree })
}

/// Prints the tree of one file.
pub fn inspect(args: InspectArgs) -> Result<ExitCode, Failure> {
    let report = progress::shown(|bars| run(args, bars))?;
    output::write(format_args!("{}", report.tree));
    Ok(ExitCode::SUCCESS)
}
