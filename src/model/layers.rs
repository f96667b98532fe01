//! Layers that models share: linear maps, norms, attention, feed-forward blocks, LSTMs.
//!
//! Parameter names are those of the released PyTorch modules (of ALMT, Haoyu-ha/ALMT
//! `models/almt_layer.py`), so that weights can be exchanged by name.

mod attention;
mod batch_norm;
mod conv;
mod crossmodal;
mod divergence;
mod heads;
mod init;
mod layer_norm;
mod linear;
mod lstm;
mod multihead;
mod pool;
mod subnet;
mod transformer;

pub use attention::{Attention, LayerConfig, Projection, TokenSource, gather};
pub use batch_norm::BatchNorm;
pub use conv::Conv;
pub use crossmodal::{CrossmodalEncoder, CrossmodalSizes};
pub use divergence::{central_moment_discrepancy, maximum_mean_discrepancy, overlap};
pub use heads::{Kernels, attention_weights, join_heads, softmax, split_heads};
pub use init::Init;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use lstm::{BiLstm, Lstm, lstm_step};
pub use multihead::MultiheadAttention;
pub use pool::{mean_of, pool_to};
pub use subnet::{SubnetSizes, Subnets, with_one_before};
pub use transformer::{FeedForward, TransformerLayer, transformer_layers};
