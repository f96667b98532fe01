//! ALMT and its text encoder, and nothing of where their inputs come from: this module knows no
//! store and no files.

mod almt;
mod bert;
mod dropout;
mod layers;
mod with_bert;

pub use almt::{Almt, AlmtConfig, AlmtSizes, Input, Residual, Sequence, Trace};
pub use bert::{Activation, Bert, BertConfig, TokenError, Tokens};
pub use dropout::Dropout;
pub use layers::Init;
pub use with_bert::{AlmtWithBert, Part, WithBertConfig};
