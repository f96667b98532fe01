//! A pickle as it lies on the disk: as it is, compressed, or in an archive.
//!
//! Every call that reads a pickle opens it here, so that the same file is taken, and refused, alike
//! by all of them. This module must not know what is in a pickle.

use std::path::{Path, PathBuf};

use crate::advice::{Advice, Advise};
use crate::container::{self, ContainerError, Outer};
use crate::map::Bytes;
use crate::pickle::{Limits, Pickle, PickleError, Places, Scan};
use crate::progress::Progress;
use crate::signature::archive::shown;
use crate::signature::{self, Role};

/// How a pickle is opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// What to take of a packed file, and how much of it.
    pub container: container::UnpackOptions,
    /// What the pickle may ask for.
    pub limits: Limits,
}

/// A pickle, and where it came from.
pub struct PickleFile {
    /// The file that was given.
    pub path: PathBuf,
    /// What it holds.
    pub pickle: Pickle,
    /// The file around the pickle, where it was packed.
    pub outer: Option<Outer>,
}

/// What a pickle would do, and where it came from.
pub struct Scanned {
    /// What it would do.
    pub scan: Scan,
    /// The name of what was taken out of the file, where it was packed.
    pub entry: Option<String>,
}

/// Why a file was not opened as a pickle.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A store, which is what a pickle is made into.
    #[error("{path}: is already a feature store, not a pickle")]
    Store {
        /// The store.
        path: PathBuf,
        /// What it is good for.
        advice: Box<Advice>,
    },
    /// The file cannot be opened or unpacked.
    #[error("{path}")]
    Container {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: Box<ContainerError>,
    },
    /// The file is no pickle that can be read.
    #[error("{path}")]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: Box<PickleError>,
    },
    /// What is packed into the file is no pickle that can be read.
    #[error("{path}: within it `{entry}`")]
    Entry {
        /// The file.
        path: PathBuf,
        /// The name of what is packed into it, as it is shown.
        entry: String,
        /// Why not.
        #[source]
        cause: Box<PickleError>,
    },
}

impl Advise for OpenError {
    fn advice(&self) -> Vec<Advice> {
        let unpacked = |advice| Advice::OnceUnpacked(Box::new(advice));
        match self {
            OpenError::Store { advice, .. } => vec![(**advice).clone()],
            OpenError::Container { cause, .. } => cause.advice(),
            OpenError::Pickle { cause, .. } => cause.advice(),
            // What is to be done with something else is to be done with the content.
            OpenError::Entry { cause, .. } if matches!(**cause, PickleError::NotAPickle { .. }) => {
                cause.advice().into_iter().map(unpacked).collect()
            }
            OpenError::Entry { cause, .. } => cause.advice(),
        }
    }
}

impl PickleFile {
    /// Opens a pickle, packed or not. What is packed is unpacked into a file without a name.
    ///
    /// # Errors
    /// The file is a store, cannot be opened or unpacked, or what it holds is no pickle, is damaged,
    /// exceeds a limit, or asks for anything but plain values and arrays.
    pub fn open(
        path: &Path,
        options: &OpenOptions,
        progress: &dyn Progress,
    ) -> Result<PickleFile, OpenError> {
        let Found { bytes, name, outer, places } = find(path, options, progress)?;
        match Pickle::new(bytes, &name, places.as_ref(), &options.limits) {
            Ok(pickle) => Ok(PickleFile { path: path.into(), pickle, outer }),
            Err(cause) => Err(unread(path, outer.as_ref(), cause)),
        }
    }

    /// The name of the pickle without folder and ending, which may tell its split.
    pub fn stem(&self) -> String {
        let name = match &self.outer {
            Some(outer) => Path::new(outer.entry()),
            None => &self.path,
        };
        name.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Reports what a pickle, packed or not, would do when it is loaded, without loading it.
///
/// # Errors
/// The file is a store, cannot be opened or unpacked, or what it holds is no pickle at all. A pickle
/// that would be refused is no error.
pub fn scan(
    path: &Path,
    options: &OpenOptions,
    progress: &dyn Progress,
) -> Result<Scanned, OpenError> {
    let Found { bytes, name, outer, places } = find(path, options, progress)?;
    match Scan::new(bytes, &name, places.as_ref(), &options.limits) {
        Ok(scan) => Ok(Scanned { scan, entry: outer.map(|outer| outer.entry().to_owned()) }),
        Err(cause) => Err(unread(path, outer.as_ref(), cause)),
    }
}

/// Refuses a store where a pickle is meant.
pub(crate) fn refuse_store(path: &Path) -> Result<(), OpenError> {
    match signature::of_path(path) {
        Some(known) if known.kind.role == Role::Store => {
            Err(OpenError::Store { path: path.into(), advice: Box::new(known.advice) })
        }
        _ => Ok(()),
    }
}

/// The bytes of a pickle, its name, and where in them it lies.
struct Found {
    bytes: Bytes,
    name: String,
    outer: Option<Outer>,
    places: Option<Places>,
}

fn find(path: &Path, options: &OpenOptions, progress: &dyn Progress) -> Result<Found, OpenError> {
    refuse_store(path)?;
    let failed = |cause| OpenError::Container { path: path.into(), cause: Box::new(cause) };
    let opened = container::open(path, &options.container, progress).map_err(failed)?;
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

fn unread(path: &Path, outer: Option<&Outer>, cause: PickleError) -> OpenError {
    let (path, cause) = (path.into(), Box::new(cause));
    match outer {
        Some(outer) => OpenError::Entry { path, entry: shown(outer.entry()), cause },
        None => OpenError::Pickle { path, cause },
    }
}
