//! Training and evaluation: batches on the device, model, metrics, checkpoint, run folder.
//!
//! This module knows no pickle; what it trains on comes as arrays.

pub mod metrics;
pub mod optimizer;
pub mod schedule;
pub mod seed;
