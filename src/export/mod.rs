//! Exports a store to formats that other programs read.
//!
//! [`export()`] exports in one call; the functions for single formats can be called alone.
//!
//! This module knows stores and other programs' formats. It compares everything with the store's
//! digests while reading; content that a format cannot hold is an error or a note, never left out in
//! silence.

mod croissant;
mod csd;
mod csv;
mod mmsa;
mod npz;
#[cfg(feature = "parquet")]
mod parquet;
mod save;
mod tables;

pub use croissant::croissant;
pub use csd::csd;
pub use csv::csv;
pub use mmsa::mmsa_pickle;
pub use npz::npz;
#[cfg(feature = "parquet")]
pub use parquet::parquet;
#[cfg(feature = "parquet")]
pub use parquet::table_parquet;
pub use save::{ExportForm, Exported, SaveError, TableForm, export, save_balance};
#[cfg(not(feature = "parquet"))]
pub use tables::table_parquet;
pub use tables::{HAS_PARQUET, Table, Values, class_table, csv_of};

use std::path::Path;

use crate::advice::{Advice, Advise, StoreAdvice};
use crate::corpus::SplitName;
#[cfg(not(feature = "parquet"))]
use crate::store::Store;
use crate::store::StoreError;

/// Why a store could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The build lacks Parquet.
    #[error("this build writes no Parquet")]
    NoParquet,
    /// The output cannot be written.
    #[error("cannot write")]
    Write(#[from] std::io::Error),
    /// The format cannot hold a column.
    #[error("{place}: {problem}")]
    Unfit {
        /// The column.
        place: String,
        /// The limitation.
        problem: &'static str,
    },
}

impl Advise for ExportError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            ExportError::Store(error) => error.advice(),
            ExportError::NoParquet => vec![StoreAdvice::BuildWithParquet.into()],
            ExportError::Write(_) | ExportError::Unfit { .. } => Vec::new(),
        }
    }
}

impl From<ExportError> for std::io::Error {
    fn from(error: ExportError) -> std::io::Error {
        match error {
            ExportError::Write(error) => error,
            other => std::io::Error::other(other),
        }
    }
}

/// Prefix of the folders in a Parquet export.
const PARQUET_FOLDER: &str = "split=";
const PARQUET_FILE: &str = "part-0.parquet";

/// Whether a folder contains only a Parquet export, and so may be replaced.
pub fn is_parquet_export(folder: &Path) -> bool {
    let names = |folder: &Path| -> Option<Vec<String>> {
        let entries = std::fs::read_dir(folder).ok()?;
        entries.map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
    };
    let is_ours = |name: String| {
        let split =
            name.strip_prefix(PARQUET_FOLDER).and_then(|split| split.parse::<SplitName>().ok());
        split.is_some() && names(&folder.join(name)).is_some_and(|files| files == [PARQUET_FILE])
    };
    names(folder).is_some_and(|folders| folders.into_iter().all(is_ours))
}

/// Exports to Parquet, which this build does not support.
///
/// # Errors
/// Always.
#[cfg(not(feature = "parquet"))]
pub fn parquet(_: &Store, _: &Path, _: &dyn Fn(u64)) -> Result<(), ExportError> {
    Err(ExportError::NoParquet)
}
