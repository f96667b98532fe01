//! Layers that models share: linear maps, norms, attention, feed-forward blocks, LSTMs.
//!
//! Parameter names are those of the released PyTorch modules (of ALMT, Haoyu-ha/ALMT
//! `models/almt_layer.py`), so that weights are exchanged by name.

mod attention;
mod batch_norm;
mod heads;
mod init;
mod layer_norm;
mod linear;
mod lstm;
mod subnet;
mod transformer;

pub use attention::{Attention, LayerConfig, Projection, TokenSource, gather};
pub use batch_norm::BatchNorm;
pub use heads::{Kernels, attention_weights, join_heads, softmax, split_heads};
pub use init::Init;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use lstm::Lstm;
pub use subnet::{SubnetSizes, Subnets, with_one_before};
pub use transformer::{FeedForward, TransformerLayer, transformer_layers};
