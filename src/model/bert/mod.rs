//! BERT, the text encoder: its configuration, which compiles without libtorch, and its network.

mod config;
#[cfg(feature = "train")]
mod network;

/// Place of the parameters of a text encoder that is trained with a model, as in the released ALMT.
pub const ENCODER: &str = "bertmodel.model";

pub use config::{Activation, BertConfig, TokenError};
#[cfg(feature = "train")]
pub use network::{Bert, Tokens};
