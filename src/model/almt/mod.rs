//! ALMT: its configuration, which compiles without libtorch, and its network in several forms; read
//! `reference.rs` first.

#[cfg(feature = "train")]
mod absorbed;
#[cfg(feature = "train")]
mod batched;
mod config;
mod conflict;
#[cfg(feature = "train")]
mod foldings;
#[cfg(feature = "train")]
mod fusion;
#[cfg(feature = "train")]
mod member;
#[cfg(feature = "train")]
mod network;
#[cfg(feature = "train")]
mod reference;
#[cfg(all(test, feature = "train"))]
mod tests;
mod variant;

pub use config::{AlmtConfig, AlmtSizes, AlmtSpec, Residual, Sequence};
#[cfg(feature = "train")]
pub use reference::{Almt, Input};
pub use variant::{EmbeddingKind, FusionKind, FusionQuery, HyperModalityKind, LOW_RANK, Variant};
