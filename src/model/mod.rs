//! Models and their text encoder, independent of stores and files. The feature `train` adds the tensors
//! and libtorch.
//!
//! To add a model, write `src/model/NAME.rs`: a type such as `TfnSpec` (the table `[model]` of its
//! presets) that implements [`configuration::Configuration`], and the network, which implements
//! [`contract::Model`].
//! Add `mod NAME;` below and a line to [`registry`], and presets `schemas/presets/NAME/mosi.toml`,
//! `mosei.toml` and `sims.toml`. `tests/models.rs` covers the whole registry. Layers shared by several
//! models are in `layers/`; `tfn.rs` is a good example. `docs/models.md` explains each step in detail:
//! phases, terms of the loss, memory.

pub mod almt;
mod bert;
#[cfg(feature = "train")]
pub mod configuration;
#[cfg(feature = "train")]
pub mod contract;
#[cfg(feature = "train")]
mod dropout;
pub mod form;
mod inputs;
#[cfg(feature = "train")]
pub(crate) mod layers;
#[cfg(feature = "train")]
pub mod listing;
#[cfg(feature = "train")]
mod lmf;
#[cfg(feature = "train")]
mod mag_bert;
#[cfg(feature = "train")]
mod mfm;
#[cfg(feature = "train")]
mod misa;
#[cfg(feature = "train")]
mod mmim;
#[cfg(feature = "train")]
mod mult;
#[cfg(feature = "train")]
mod possible;
#[cfg(all(test, feature = "train"))]
mod probe;
pub mod registry;
#[cfg(feature = "train")]
mod self_mm;
#[cfg(feature = "train")]
mod tfn;
#[cfg(feature = "train")]
mod trace;

#[cfg(feature = "train")]
pub use almt::{Almt, Input};
pub use almt::{
    AlmtConfig, AlmtSizes, EmbeddingKind, FusionKind, FusionQuery, HyperModalityKind, LOW_RANK,
    Residual, Sequence, Variant,
};
pub use bert::{Activation, BertConfig, ENCODER, TokenError};
#[cfg(feature = "train")]
pub use bert::{Bert, Tokens};
#[cfg(feature = "train")]
pub use dropout::Dropout;
#[cfg(all(test, feature = "train"))]
pub use dropout::{given_noise, take_sites};
pub use form::Form;
#[cfg(feature = "train")]
pub use layers::Init;
#[cfg(feature = "train")]
pub use trace::Trace;

/// Random normal values of shape `shape`: concurrent tests share libtorch's own generator.
#[cfg(all(test, feature = "train"))]
fn drawn(rng: &mut rand_chacha::ChaCha12Rng, shape: &[i64]) -> tch::Tensor {
    use rand_distr::{Distribution, StandardNormal};
    let n_values = shape.iter().product::<i64>();
    let values: Vec<f32> = (0..n_values).map(|_| StandardNormal.sample(rng)).collect();
    tch::Tensor::from_slice(&values).view(shape)
}
