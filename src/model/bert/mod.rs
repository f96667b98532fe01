//! BERT, the text encoder: its configuration, which compiles without libtorch, and its network.

mod config;
#[cfg(feature = "train")]
mod network;

pub use config::{Activation, BertConfig, TokenError};
#[cfg(feature = "train")]
pub use network::{Bert, Tokens};
