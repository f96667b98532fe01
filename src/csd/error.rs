//! Why a computational sequence could not be read or written.

use std::path::{Path, PathBuf};

use crate::advice::{Advice, Advise, StoreAdvice};
use crate::chain::{Said, tried};
use crate::hdf5_file::{answer, cut};
use crate::words::human_bytes;

/// Why a computational sequence could not be read or written. Nothing is left behind after failing to
/// write.
#[derive(Debug, thiserror::Error)]
pub enum CsdError {
    /// The file system refused.
    #[error("{path}: {}", tried(action, cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
    /// The file is empty.
    #[error("{path}: the file is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is not an HDF5 file.
    #[error("{path}: is not a computational sequence: offset 0 does not hold the HDF5 signature")]
    NotHdf5 {
        /// The file.
        path: PathBuf,
    },
    /// The file is truncated.
    #[error("{path}: is cut: {found} of {expected} bytes are there")]
    Cut {
        /// The file.
        path: PathBuf,
        /// Actual size in bytes.
        found: u64,
        /// Size in bytes according to the header.
        expected: u64,
    },
    /// The HDF5 library fails to open the file.
    #[error("{path}: is damaged, so that it cannot be opened")]
    Unopened {
        /// The file.
        path: PathBuf,
        /// The library's message.
        #[source]
        cause: Said,
    },
    /// The HDF5 library could not read or write.
    #[error(
        "{path}: {place}: {}",
        if *is_written { "cannot be written" } else { "cannot be read, the file is damaged" }
    )]
    Hdf5 {
        /// The file.
        path: PathBuf,
        /// The group or dataset.
        place: String,
        /// Whether writing failed, rather than reading.
        is_written: bool,
        /// The library's message.
        #[source]
        cause: Said,
    },
    /// An HDF5 file of another structure.
    #[error("{path}: is an HDF5 file but not a computational sequence: {problem}")]
    NotASequence {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        problem: String,
    },
    /// A part of the file is not as the format has it.
    #[error("{path}: {place}: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The group or dataset.
        place: String,
        /// Expected and found.
        problem: String,
    },
    /// Reading would take more memory than any known file needs.
    #[error("{path}: {place}: {} are declared, more than the limit of {}", human_bytes(*found), human_bytes(*limit))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The dataset.
        place: String,
        /// Declared size in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The output already exists.
    #[error("{path}: already exists")]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// A name that HDF5 cannot store.
    #[error("{path}: `{name}` cannot name an entry: {problem}")]
    Name {
        /// The output.
        path: PathBuf,
        /// The name.
        name: String,
        /// The reason.
        problem: &'static str,
    },
}

impl Advise for CsdError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            CsdError::Exists { .. } => vec![StoreAdvice::Overwrite.into()],
            CsdError::Cut { .. } | CsdError::Empty { .. } | CsdError::Unopened { .. } => {
                vec![Advice::CopyAgain]
            }
            CsdError::Io { .. }
            | CsdError::NotHdf5 { .. }
            | CsdError::Hdf5 { .. }
            | CsdError::NotASequence { .. }
            | CsdError::Damaged { .. }
            | CsdError::TooLarge { .. }
            | CsdError::Name { .. } => Vec::new(),
        }
    }
}

impl CsdError {
    /// The error for a file that the library does not open.
    pub(super) fn unopened(path: &Path, error: &::hdf5::Error) -> CsdError {
        if let Some((found, expected)) = cut(path) {
            return CsdError::Cut { path: path.into(), found, expected };
        }
        match answer(error) {
            Some(cause) => CsdError::Io { path: path.into(), action: "open", cause },
            None => CsdError::Unopened { path: path.into(), cause: Said(error.to_string()) },
        }
    }

    /// The error for a place that the library does not read.
    pub(super) fn unread(path: &Path, place: &str, error: &::hdf5::Error) -> CsdError {
        CsdError::hdf5(path, place, false, error)
    }

    /// The error for a place that the library does not write.
    pub(super) fn unwritten(path: &Path, place: &str, error: &::hdf5::Error) -> CsdError {
        CsdError::hdf5(path, place, true, error)
    }

    fn hdf5(path: &Path, place: &str, is_written: bool, error: &::hdf5::Error) -> CsdError {
        if let Some(cause) = answer(error) {
            let action = if is_written { "write" } else { "read" };
            return CsdError::Io { path: path.into(), action, cause };
        }
        let cause = Said(error.to_string());
        CsdError::Hdf5 { path: path.into(), place: place.into(), is_written, cause }
    }

    /// The error for a place that is not as the format has it.
    pub(super) fn damaged(path: &Path, place: &str, problem: impl Into<String>) -> CsdError {
        CsdError::Damaged { path: path.into(), place: place.into(), problem: problem.into() }
    }
}
