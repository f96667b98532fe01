//! Opening a pickle that may be packed, for every command that reads one.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::advice::hint;
use super::limits::LimitsArgs;
use super::{Failure, progress};
use crate::advice::Advise;
use crate::chain::chain;
use crate::container::{self, ContainerError, Options, Outer, Progress, UNPACKED_BYTES};
use crate::map::Bytes;
use crate::pickle::{Limits, Pickle, PickleError, Places, Scan};
use crate::signature::archive::shown;
use crate::signature::{self, Role};

/// What to take of a packed file.
#[derive(Args)]
pub struct PackedArgs {
    /// Entry of a zip or tar archive to read, with its folders; without it, the only pickle in it.
    /// Files compressed with gzip, bzip2, xz, LZMA or zstd are unpacked as they are read
    #[arg(long, value_name = "NAME")]
    entry: Option<String>,
    /// Bytes that a packed file may unpack to, in the folder that the environment variable TMPDIR
    /// names
    #[arg(long, value_name = "BYTES", default_value_t = UNPACKED_BYTES)]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_unpacked: u64,
}

/// A pickle, and where it came from.
pub struct Opened {
    /// The file that was given.
    pub path: PathBuf,
    /// What it holds.
    pub pickle: Pickle,
    /// The file around the pickle, where it was packed.
    pub outer: Option<Outer>,
}

impl Opened {
    /// The name of the pickle without folder and ending, which may tell its split.
    pub fn stem(&self) -> String {
        let name = match &self.outer {
            Some(outer) => Path::new(outer.entry()),
            None => &self.path,
        };
        name.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// A bar for each file that is unpacked.
struct Bar(std::cell::RefCell<Option<ProgressBar>>);

impl Progress for Bar {
    fn begin(&self, total: u64) {
        let bar = progress::bytes("unpacking", total);
        if let Some(before) = self.0.borrow_mut().replace(bar) {
            before.finish_and_clear();
        }
    }

    fn advance(&self, n_bytes: u64) {
        if let Some(bar) = &*self.0.borrow() {
            bar.inc(n_bytes);
        }
    }
}

/// The bytes of a pickle, its name, and where in them it lies.
struct Found {
    bytes: Bytes,
    name: String,
    outer: Option<Outer>,
    places: Option<Places>,
}

fn find(path: &Path, args: &PackedArgs) -> Result<Found, Failure> {
    let failed = |error: ContainerError| Failure::of(path, &error);
    let options = Options { entry: args.entry.clone(), unpacked_bytes: args.max_unpacked };
    let bar = Bar(std::cell::RefCell::default());
    let opened = container::open(path, &options, &bar);
    if let Some(bar) = bar.0.take() {
        bar.finish_and_clear();
    }
    let opened = opened.map_err(failed)?;
    // Commands in hints have the file as it was given.
    let name = match opened.is_packed() {
        true => opened.name().to_owned(),
        false => path.display().to_string(),
    };
    let parts = container::torch_parts(opened.bytes(), &name).map_err(failed)?;
    let places = parts.map(|parts| Places { pickle: parts.pickle, storages: parts.storages });
    let (bytes, outer) = opened.into_parts();
    Ok(Found { bytes, name, outer, places })
}

/// The failure to read what a file holds.
fn failure(path: &Path, outer: Option<&Outer>, error: &PickleError) -> Failure {
    let Some(outer) = outer else { return Failure::of(path, error) };
    let problem = format!("within it `{}`: {}", shown(outer.entry()), chain(error));
    let failure = Failure::at(path, problem);
    error.advice().iter().map(hint).fold(failure, |failure, hint| match error {
        // Commands in it are for the content.
        PickleError::NotAPickle { .. } if hint.contains('`') => {
            failure.hint(format!("once it is unpacked: {hint}"))
        }
        _ => failure.hint(hint),
    })
}

/// Opens a pickle, packed or not, with errors that name the file.
pub fn open_pickle(
    path: &Path,
    packed: &PackedArgs,
    limits: &LimitsArgs,
) -> Result<Opened, Failure> {
    refuse_store(path)?;
    let Found { bytes, name, outer, places } = find(path, packed)?;
    match Pickle::new(bytes, &name, places.as_ref(), &Limits::from(limits)) {
        Ok(pickle) => Ok(Opened { path: path.into(), pickle, outer }),
        Err(error) => Err(failure(path, outer.as_ref(), &error)),
    }
}

/// Scans a pickle, packed or not.
pub fn scan_pickle(
    path: &Path,
    packed: &PackedArgs,
    limits: &LimitsArgs,
) -> Result<(Scan, Option<Outer>), Failure> {
    refuse_store(path)?;
    let Found { bytes, name, outer, places } = find(path, packed)?;
    match Scan::new(bytes, &name, places.as_ref(), &Limits::from(limits)) {
        Ok(scan) => Ok((scan, outer)),
        Err(error) => Err(failure(path, outer.as_ref(), &error)),
    }
}

/// Refuses a store where a pickle is meant, which is what it already was made into.
pub fn refuse_store(path: &Path) -> Result<(), Failure> {
    match signature::of_path(path) {
        Some(known) if known.kind.role == Role::Store => {
            Err(Failure::at(path, "is a feature store already, not a pickle")
                .hint(hint(&known.advice)))
        }
        _ => Ok(()),
    }
}
