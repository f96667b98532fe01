//! Training and evaluation: batches on the device, model, metrics, checkpoint, run folder.
//!
//! This module knows no pickle and no store; it gets its data as arrays.

pub mod attention;
pub mod checkpoint;
pub mod config;
pub mod corrupt;
pub mod data;
mod data_error;
pub mod device;
pub mod encoder;
mod error;
mod fit;
mod fit_error;
pub mod inferred;
mod ledger;
pub mod memory;
mod models;
pub mod network;
mod network_error;
mod ongoing;
pub mod optimizer;
pub mod predict;
pub mod progress;
#[cfg(test)]
mod published;
pub mod ram;
mod released;
mod replay;
pub mod run;
pub mod state;
#[cfg(test)]
mod tests;
pub mod weights;
pub mod within;

pub use data_error::DataError;
pub use error::TrainError;
pub use fit_error::FitError;
pub use memory::MemoryError;
pub use network_error::NetworkError;

/// Sets up libtorch for this process: deterministic algorithms only, and freed memory kept for reuse.
///
/// # Errors
/// libtorch refuses.
pub fn prepare_process() -> Result<(), TrainError> {
    crate::native::keep_freed_memory();
    Ok(crate::native::use_deterministic_algorithms()?)
}

/// The version of libtorch, such as `2.11.0`.
pub fn libtorch_version() -> String {
    crate::native::libtorch_version()
}
