//! The trainer as a library: from a store to a run, and from a run to metrics and predictions.
//!
//! [`train`] does what `almt-data train` does. Its parts are public, too: a [`Session`] is a prepared
//! run, [`Session::train_seeds`] a sweep; [`evaluate`](evaluation::evaluate) and
//! [`predict`](evaluation::predict) apply a checkpoint to a store, [`predict_texts`](texts::predict_texts)
//! to texts alone, and [`reproduce`] runs the paper's [`experiments`].
//!
//! `train::` below knows no store: it gets its data as arrays, which this module reads.

pub mod cache;
pub mod encode;
mod error;
pub mod evaluation;
pub mod experiments;
mod extents;
mod note;
mod options;
mod per_modality;
mod ready;
mod rows;
pub mod samples;
mod schema;
pub(crate) mod session;
mod suits;
pub mod sweep;
pub mod texts;
mod tokens;

use std::path::Path;

pub use error::{FileProblem, StoreProblem, TrainerError};
pub use experiments::{ReproduceOptions, ReproduceProgress, reproduce};
pub use note::Note;
pub use options::{EncoderOptions, FoldOptions, TrainOptions, ValidOptions};
pub use ready::{check_valid, needs_encoder};
pub use session::{Session, VALID_SEED};
pub use tch::Device;
pub use tokens::TokenReader;

use crate::run::record::RunResult;
use crate::store::Store;
use crate::train::progress::TrainProgress;
pub use crate::train::run::Start;

/// Trains a model on a store in the folder `out`: settings, a line of metrics per epoch, the weights of
/// the selected epoch and its predictions, and the result. The folder must be new or empty unless
/// `start` allows otherwise. `note` receives remarks about the run.
///
/// # Errors
/// The store does not suit the model, a setting is invalid, the folder is in use or cannot be written
/// to, the loss diverges, or libtorch fails.
pub fn train(
    store: Store,
    device: Device,
    options: &TrainOptions,
    out: &Path,
    start: Start,
    progress: &mut dyn TrainProgress,
    note: &mut dyn FnMut(Note),
) -> Result<RunResult, TrainerError> {
    Session::new(store, device, options, note)?.train(out, start, progress)
}
