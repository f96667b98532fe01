//! Shows the contents of a pickle, store, computational sequence, run or checkpoint as a tree, in one call.

use std::path::Path;

use crate::advice::{Advice, Advise};
use crate::corpus::known::KnownFeatures;
use crate::csd::{self, CsdError, SequenceFile};
use crate::ingest;
use crate::packed::{OpenError, OpenOptions, PickleFile};
use crate::pickle::describe;
use crate::progress::Progress;
use crate::run::{RunError, describe, folder};
use crate::signature::archive::shown;
use crate::signature::{self, Role};
use crate::store::{Store, StoreError};
use crate::tree::Tree;

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The computational sequence cannot be read.
    #[error(transparent)]
    Sequence(#[from] CsdError),
    /// The run or checkpoint cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The pickle cannot be read.
    #[error(transparent)]
    Pickle(#[from] OpenError),
}

impl Advise for InspectError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            InspectError::Store(error) => error.advice(),
            InspectError::Sequence(error) => error.advice(),
            InspectError::Run(error) => error.advice(),
            InspectError::Pickle(error) => error.advice(),
        }
    }
}

/// The tree of what is in a file or folder: names, shapes, types, sizes, first ids; of a run or checkpoint,
/// its model and the schema of its data.
///
/// # Errors
/// It is none of these, or it cannot be read.
pub fn inspect(
    path: &Path,
    options: &OpenOptions,
    progress: &dyn Progress,
) -> Result<Tree, InspectError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Stores of the first versions look like other HDF5 files.
    let known = signature::of_path(path);
    let is_sequence = known.as_ref().is_some_and(|known| known.kind.role == Role::Sequence);
    if is_sequence || (csd::is_name(path) && path.is_file()) {
        return Ok(SequenceFile::open(path)?.describe(&name)?);
    }
    if path.is_dir() && folder::is_run(path) {
        return Ok(describe::of_run(path, &name)?);
    }
    if known.as_ref().is_some_and(|known| known.kind.id == "safetensors")
        && let Some(tree) = describe::of_checkpoint(path, &name)?
    {
        return Ok(tree);
    }
    let store = match known {
        Some(known) if known.kind.role == Role::Store => Some(Store::open(path)?),
        _ if path.is_dir() => Some(Store::open(path)?),
        Some(known) if known.kind.id == "hdf5" => Store::open(path).ok(),
        _ => None,
    };
    if let Some(store) = store {
        return Ok(store.describe(&name)?);
    }
    let file = PickleFile::open(path, options, progress)?;
    let name = match &file.outer {
        Some(outer) => format!("{name}: {}", shown(outer.entry())),
        None => name,
    };
    let mut tree = describe(&file.pickle, &name);
    for (modality, width) in ingest::widths(&file.pickle) {
        let likely = KnownFeatures::likely(modality, width, None);
        let line = |known: &KnownFeatures| Tree::leaf("features", format!("{modality} {known}"));
        tree.children.extend(likely.iter().map(line));
    }
    Ok(tree)
}
