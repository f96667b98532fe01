//! The integration tests, in one binary because native libraries are slow to link.
//!
//! `golden`: parity of model, training, metrics and schedule with recorded values.

#[cfg(feature = "train")]
mod golden;
