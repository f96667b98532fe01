//! Aligns computational sequences in time.
//!
//! ```text
//! sequence   sequences in memory or in their files, and several together
//! collect    rows of a video from all its entries, sorted by start
//! sweep      rows that meet an interval, for one interval after another
//! sdk        the alignment of the CMU SDK, with each of its quirks
//! ```
//!
//! This module knows intervals of time. It must not know stores nor the command line.

mod collect;
mod error;
pub mod sdk;
mod sequence;
mod sweep;

pub use error::AlignError;
pub use sequence::{Dataset, Sequence};
