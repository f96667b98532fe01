//! `almt-data inspect`: the tree of a pickle or a store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::limits::LimitsArgs;
use super::{Failure, convert, output};
use crate::pickle::describe;
use crate::store::Store;

/// Show what is in a pickle or a store: shapes, types, sizes, first ids
#[derive(Args)]
pub struct InspectArgs {
    /// A pickle or a store
    path: PathBuf,
    #[command(flatten)]
    limits: LimitsArgs,
}

/// Prints the tree of one file.
pub fn inspect(args: InspectArgs) -> Result<ExitCode, Failure> {
    let path = args.path;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if path.is_dir() || starts_like_hdf5(&path)? {
        output::write(format_args!("{}", Store::open(&path)?.describe(&name)?));
    } else {
        let pickle = convert::open_pickle(&path, &args.limits)?;
        output::write(format_args!("{}", describe(&pickle, &name)));
    }
    Ok(ExitCode::SUCCESS)
}

fn starts_like_hdf5(path: &Path) -> Result<bool, Failure> {
    use std::io::Read;
    let mut start = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(4).read_to_end(&mut start))
        .map_err(|error| Failure::at(path, format!("cannot open: {error}")))?;
    Ok(start == b"\x89HDF")
}
