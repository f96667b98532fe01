//! Writes a small, learnable pickle in the MMSA layout, in one call: to try conversion or training
//! without data.
//!
//! ```text
//! recipe    shapes of a dataset's files
//! segment   labels, words and lengths
//! signal    features: noise that contains the label
//! write     all of it as a pickle
//! ```

mod recipe;
mod segment;
mod signal;
mod write;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::advice::{Advice, Advise, StoreAdvice};
use crate::chain::tried;
use crate::corpus::Dataset;
use crate::publish::Draft;
use recipe::{Recipe, Shapes};

/// Fewest segments of the training split, so that no split is empty.
pub const FEWEST_SEGMENTS: usize = 4;

/// Options for a synthetic pickle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthOptions {
    /// The dataset whose shapes, types and label grid it has.
    pub dataset: Dataset,
    /// Whether each modality has its own rate, as always in CH-SIMS.
    pub unaligned: bool,
    /// Whether each modality carries a part of the label that the others lack, next to distractors;
    /// otherwise each carries the whole label.
    pub complementary: bool,
    /// Segments of the training split, at least [`FEWEST_SEGMENTS`]; validation has a quarter, test a
    /// half of them.
    pub n_train: usize,
    /// Random seed of all values.
    pub seed: u64,
    /// Whether to replace an existing output.
    pub overwrite: bool,
}

impl Default for SynthOptions {
    fn default() -> SynthOptions {
        SynthOptions {
            dataset: Dataset::Mosi,
            unaligned: false,
            complementary: false,
            n_train: 192,
            seed: 1,
            overwrite: false,
        }
    }
}

/// A pickle that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synthesized {
    /// Number of segments in train, valid and test.
    pub n_segments: [usize; 3],
    /// Size of the file in bytes.
    pub n_bytes: u64,
}

/// Why no pickle was written.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// Too few segments to fill all splits.
    #[error(
        "{found} segments are too few for train, valid and test: {FEWEST_SEGMENTS} or more are"
    )]
    TooFew {
        /// The requested number.
        found: usize,
    },
    /// The output already exists.
    #[error("{path}: already exists")]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The output cannot be written.
    #[error("{path}: {}", tried("write", cause))]
    Write {
        /// The output.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
}

impl Advise for SynthError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            SynthError::Exists { .. } => vec![StoreAdvice::Overwrite.into()],
            SynthError::TooFew { .. } | SynthError::Write { .. } => Vec::new(),
        }
    }
}

/// Writes one pickle to `output`; equal options give equal files.
///
/// # Errors
/// There are too few segments, the output exists and may not be replaced, or it cannot be written.
pub fn synth(output: &Path, options: &SynthOptions) -> Result<Synthesized, SynthError> {
    let SynthOptions { dataset, unaligned, complementary, n_train, seed, overwrite } = *options;
    if n_train < FEWEST_SEGMENTS {
        return Err(SynthError::TooFew { found: n_train });
    }
    if output.exists() && !overwrite {
        return Err(SynthError::Exists { path: output.into() });
    }
    let n_segments = [n_train, n_train / 4, n_train / 2];
    let recipe = Recipe { dataset, shapes: Shapes::of(dataset, unaligned), complementary };
    let failed = |cause| SynthError::Write { path: output.into(), cause };
    let draft = Draft::new(output, overwrite).map_err(failed)?;
    File::options()
        .write(true)
        .open(draft.path())
        .and_then(|file| write::write(&recipe, n_segments, seed, file))
        .and_then(|()| draft.publish())
        .map_err(failed)?;
    Ok(Synthesized { n_segments, n_bytes: output.metadata().map_or(0, |meta| meta.len()) })
}
