//! A pickle on disk: plain, compressed, or in an archive.
//!
//! Every call that reads a pickle opens it here, so that all accept and refuse the same files. This
//! module must not know a pickle's content.

use std::path::{Path, PathBuf};

use crate::advice::{Advice, Advise};
use crate::container::{self, ContainerError, Outer};
use crate::map::Bytes;
use crate::pickle::{Limits, Pickle, PickleError, Places, Scan};
use crate::progress::Progress;
use crate::signature::archive::shown;
use crate::signature::{self, Role};

/// Options for opening a pickle.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Which entry of a packed file to read, and its maximum size.
    pub container: container::UnpackOptions,
    /// Limits for the pickle.
    pub limits: Limits,
}

/// A pickle and its file.
pub struct PickleFile {
    /// The given file.
    pub path: PathBuf,
    /// Its pickle.
    pub pickle: Pickle,
    /// The file around the pickle, if packed.
    pub outer: Option<Outer>,
}

/// A security report on a pickle, and its file.
pub struct Scanned {
    /// The report.
    pub scan: Scan,
    /// Name of the entry, if the file is packed.
    pub entry: Option<String>,
}

/// Why a file was not opened as a pickle.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is already a store, not a pickle.
    #[error("{path}: is already a feature store, not a pickle")]
    Store {
        /// The store.
        path: PathBuf,
        /// Its proper use.
        advice: Box<Advice>,
    },
    /// The file cannot be opened or unpacked.
    #[error("{path}")]
    Container {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        cause: Box<ContainerError>,
    },
    /// The file is not a readable pickle.
    #[error("{path}")]
    Pickle {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        cause: Box<PickleError>,
    },
    /// The packed content is not a readable pickle.
    #[error("{path}: within it `{entry}`")]
    Entry {
        /// The file.
        path: PathBuf,
        /// Name of the content, as displayed.
        entry: String,
        /// The reason.
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
            // Advice about another kind of file applies to the content.
            OpenError::Entry { cause, .. } if matches!(**cause, PickleError::NotAPickle { .. }) => {
                cause.advice().into_iter().map(unpacked).collect()
            }
            OpenError::Entry { cause, .. } => cause.advice(),
        }
    }
}

impl PickleFile {
    /// Opens a pickle, packed or not. Packed content is unpacked into an unnamed file.
    ///
    /// # Errors
    /// The file is a store, cannot be opened or unpacked, or its content is not a pickle, is damaged,
    /// exceeds a limit, or requests anything but plain values and arrays.
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

    /// The pickle's name without folder and extension, which may name its split.
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
/// The file is a store, cannot be opened or unpacked, or its content is not a pickle at all. A pickle
/// that would be refused is not an error.
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

/// Refuses a store in place of a pickle.
pub(crate) fn refuse_store(path: &Path) -> Result<(), OpenError> {
    match signature::of_path(path) {
        Some(known) if known.kind.role == Role::Store => {
            Err(OpenError::Store { path: path.into(), advice: Box::new(known.advice) })
        }
        _ => Ok(()),
    }
}

/// The bytes of a pickle, its name, and its place in them.
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
    // Commands in hints use the file name as given.
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
