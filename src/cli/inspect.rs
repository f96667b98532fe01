//! `almt-data inspect`: the tree of a pickle or a store.

use std::path::PathBuf;
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
    // An HDF5 file that does not look like a store may be one of the first versions.
    let store = match signature::of_path(&path) {
        Some(known) if known.kind.role == Role::Store => Some(Store::open(&path)?),
        _ if path.is_dir() => Some(Store::open(&path)?),
        Some(known) if known.kind.id == "hdf5" => Store::open(&path).ok(),
        _ => None,
    };
    if let Some(store) = store {
        output::write(format_args!("{}", store.describe(&name)?));
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
