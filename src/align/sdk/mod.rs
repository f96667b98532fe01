//! The alignment of the CMU SDK, step by step, with each of its quirks.
//!
//! ```text
//! unify       keeps videos that all sequences have; removes the others by prefix of their name
//! collapse    one row of several: unweighted mean or maximum
//! align       all of these: a segment per row of the reference
//! impute      what a sequence lacks, as zeros
//! revert      segments of a video joined
//! tensors     segments padded to one length
//! recipes     the two sequences of these steps that published datasets were made with
//! ```
//!
//! Source: CMU-MultiComp-Lab/CMU-MultimodalSDK, `mmsdk/mmdatasdk/dataset/dataset.py`. What is a quirk and
//! not a need is named where it is done. Unlike the SDK, a time that is not finite is an error here, and
//! text is returned as it is where it would have to be averaged.

mod align;
mod collapse;
mod impute;
mod recipes;
mod revert;
mod tensors;
mod unify;

pub use align::align;
pub use collapse::Collapse;
pub use impute::impute;
pub use recipes::{RecipeB, Roles, SampleB, recipe_a, recipe_b};
pub use revert::revert;
pub use tensors::{FoldTensors, Padding, Tensor, tensors};
pub use unify::{hard_unify, unify};
