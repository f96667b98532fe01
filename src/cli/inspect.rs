//! `almt-data inspect`: the tree of a pickle or a store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::limits::LimitsArgs;
use super::packed::{PackedArgs, open_pickle};
use super::{Failure, output};
use crate::pickle::describe;
use crate::signature::archive::shown;
use crate::signature::{self, Role};
use crate::store::Store;

/// Show what is in a pickle or a store: shapes, types, sizes, first ids
#[derive(Args)]
pub struct InspectArgs {
    /// A pickle or a store
    path: PathBuf,
    #[command(flatten)]
    packed: PackedArgs,
    #[command(flatten)]
    limits: LimitsArgs,
}

/// Prints the tree of one file.
pub fn inspect(args: InspectArgs) -> Result<ExitCode, Failure> {
    let path = args.path;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if is_store(&path) {
        output::write(format_args!("{}", Store::open(&path)?.describe(&name)?));
        return Ok(ExitCode::SUCCESS);
    }
    let opened = open_pickle(&path, &args.packed, &args.limits)?;
    let name = match &opened.outer {
        Some(outer) => format!("{name}: {}", shown(outer.entry())),
        None => name,
    };
    output::write(format_args!("{}", describe(&opened.pickle, &name)));
    Ok(ExitCode::SUCCESS)
}

/// Whether it is a store, or a folder, which only a store can be.
fn is_store(path: &Path) -> bool {
    let known = signature::of_path(path);
    path.is_dir() || known.is_some_and(|known| known.kind.role == Role::Store)
}
