//! Rows with intervals of time: which of them meet an interval, and one row of several.
//!
//! ```text
//! policy   what intervals leave open, as named policies
//! sweep    rows that meet an interval, for one interval after another
//! pool     one row of several
//! ```
//!
//! This module knows numbers and seconds. It must not know files, sequences, clips or stores.

mod policy;
mod pool;
mod sweep;

pub(crate) use policy::policies;
pub use policy::{Missing, Pauses, Pooling, Values};
pub(crate) use pool::pool;
pub(crate) use sweep::Sweep;

/// Difference of times, in seconds, that counts as none: that of the CMU SDK.
pub const EPSILON: f64 = 10e-6;
