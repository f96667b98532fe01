//! Aligns computational sequences in time, and makes a store of the segments.
//!
//! ```text
//! sequence   sequences in memory or in their files, and several together
//! collect    rows of a video from all its entries, sorted by start
//! sdk        the alignment of the CMU SDK, with each of its quirks
//! options    the files, what they leave open as named policies, and the published recipes
//! share      which segments get which rows
//! timed      segments of one video, by these policies
//! vectors    word vectors from a text file
//! spool      aligned features in a file without a name
//! homes      which video belongs to which split
//! files      the open files, and the videos that all of them have
//! overlap    segments by the time that rows share, video by video
//! recipes    segments by the SDK's own alignment
//! gathered   segments from both, as a corpus
//! store      from files to a store, in one call
//! ```
//!
//! Up to `vectors`, modules know intervals of time only; from there on, the corpus, and `store` alone writes
//! stores.

mod collect;
mod error;
mod files;
mod gathered;
mod homes;
mod options;
mod overlap;
mod recipes;
pub mod sdk;
mod sequence;
mod share;
mod spool;
mod store;
mod store_error;
mod timed;
mod vectors;

pub use error::AlignError;
pub use homes::FoldsChoice;
pub use options::{AlignInputs, AlignOptions, Border, Cut, Mode, Recipe};
pub use sequence::{CsdSequence, SequenceSet};
pub use store::{AlignedStore, AlignedStoreOptions, build};
pub use store_error::AlignedStoreError;
pub use vectors::{Vectors, VectorsError};

pub use crate::intervals::{Missing, Pauses, Pooling, Values};
