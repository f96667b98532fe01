//! A store in the forms that other programs read.
//!
//! This module knows stores and the formats of others. Whatever it writes is compared with the
//! store's digests while it is read; what a format cannot hold is an error, never left out.

mod columns;
mod croissant;
mod csv;
mod mmsa;
mod npz;
mod parquet;
mod tables;

pub use croissant::croissant;
pub use csv::csv;
pub use mmsa::mmsa_pickle;
pub use npz::npz;
pub use parquet::{is_parquet_export, parquet};
pub use tables::{class_table, classes_csv, classes_parquet, csv_table, table_csv, table_parquet};

use polars::error::PolarsError;

use crate::store::StoreError;

/// Why a store could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// The format has no place for a column.
    #[error("{place}: {problem}")]
    Unfit {
        /// The column.
        place: String,
        /// What the format lacks.
        problem: &'static str,
    },
}

impl From<ExportError> for std::io::Error {
    fn from(error: ExportError) -> std::io::Error {
        match error {
            ExportError::Write(error) => error,
            other => std::io::Error::other(other),
        }
    }
}

impl From<PolarsError> for ExportError {
    fn from(error: PolarsError) -> ExportError {
        ExportError::Write(match error {
            PolarsError::IO { error, .. } => std::io::Error::new(error.kind(), error),
            other => std::io::Error::other(other),
        })
    }
}
