//! ALMT and its text encoder, and nothing of where their inputs come from: this module knows no
//! store and no files.

mod almt;
mod bert;
mod dropout;
mod fusion;
mod layers;
mod variant;
mod with_bert;

pub use almt::{Almt, AlmtConfig, AlmtSizes, Input, Residual, Sequence, Trace};
pub use bert::{Activation, Bert, BertConfig, TokenError, Tokens};
pub use dropout::Dropout;
pub use layers::Init;
pub use variant::{EmbeddingKind, FusionKind, FusionQuery, HyperModalityKind, LOW_RANK, Variant};
pub use with_bert::{AlmtWithBert, Part, WithBertConfig};
