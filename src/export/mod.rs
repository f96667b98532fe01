//! A store in the forms that other programs read.
//!
//! This module knows stores and the formats of others. Whatever it writes is compared with the
//! store's digests while it is read; what a format cannot hold is an error, never left out.

mod mmsa;

pub use mmsa::mmsa_pickle;

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
}
