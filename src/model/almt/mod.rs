//! ALMT: its configuration, which compiles without libtorch, and its network.

mod config;
#[cfg(feature = "train")]
mod member;
#[cfg(feature = "train")]
mod network;
mod variant;

pub use config::{AlmtConfig, AlmtSizes, Config, Residual, Sequence};
#[cfg(feature = "train")]
pub use network::{Almt, Input, Trace};
pub use variant::{EmbeddingKind, FusionKind, FusionQuery, HyperModalityKind, LOW_RANK, Variant};
