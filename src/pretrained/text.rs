//! The small text files of a folder.

use std::path::Path;

use super::PretrainedError;

/// Reads a small text file.
pub(super) fn read_text(path: &Path) -> Result<String, PretrainedError> {
    std::fs::read_to_string(path).map_err(|cause| PretrainedError::Io { path: path.into(), cause })
}
