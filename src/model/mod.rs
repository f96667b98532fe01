//! ALMT and its text encoder, and nothing of where their inputs come from: this module knows no
//! store and no files.

mod almt;
mod bert;
pub mod contract;
mod dropout;
mod fusion;
mod layers;
mod lmf;
pub mod registry;
mod tfn;
mod variant;
mod with_bert;

pub use almt::{Almt, AlmtConfig, AlmtSizes, Input, Residual, Sequence, Trace};
pub use bert::{Activation, Bert, BertConfig, TokenError, Tokens};
pub use dropout::Dropout;
pub use layers::Init;
pub use variant::{EmbeddingKind, FusionKind, FusionQuery, HyperModalityKind, LOW_RANK, Variant};
pub use with_bert::{AlmtWithBert, Part, WithBertConfig};

/// Normal values of a stream, `shape`: libtorch's own generator is shared with tests that run meanwhile.
#[cfg(test)]
fn drawn(rng: &mut rand_chacha::ChaCha12Rng, shape: &[i64]) -> tch::Tensor {
    use rand_distr::{Distribution, StandardNormal};
    let n_values = shape.iter().product::<i64>();
    let values: Vec<f32> = (0..n_values).map(|_| StandardNormal.sample(rng)).collect();
    tch::Tensor::from_slice(&values).view(shape)
}
