//! What identifies a file, and why one cannot be used.

use std::path::{Path, PathBuf};

use super::error::BuildError;
use crate::chain::chain;
use crate::map::Bytes;

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnusableFile {
    pub(super) path: PathBuf,
    /// The reason, on one line.
    pub(super) reason: String,
}

/// Size and BLAKE3 of a file.
///
/// # Errors
/// It cannot be read.
pub(super) fn digest(path: &Path) -> Result<(u64, blake3::Hash), BuildError> {
    let io = |cause| BuildError::Read { path: path.into(), cause };
    let bytes = Bytes::map(path).map_err(io)?;
    Ok((bytes.bytes().len() as u64, blake3::hash(bytes.bytes())))
}

/// Why a file has no frames, on one line that does not name the file.
pub(super) fn reason(error: &(dyn std::error::Error + 'static), path: &Path) -> String {
    let reason = chain(error);
    let named = format!("{}: ", path.display());
    reason.strip_prefix(&*named).map(str::to_owned).unwrap_or(reason)
}
