//! Computational sequences of the CMU SDK: `.csd` files, which the CMU datasets are published in.
//!
//! A sequence holds one kind of features of many videos, each row with the interval of time that it
//! describes: words, acoustic frames, visual frames, or the labels of segments.
//!
//! ```text
//! ROOT                      any name; the first top-level group in order of bytes
//!   data/VIDEO/features     [n_rows, feat_dim], numbers or strings of fixed width
//!   data/VIDEO/intervals    [n_rows, 2], start and end in seconds
//!   metadata/NAME           one string: JSON in newer files, plain text in older ones
//! ```
//!
//! After alignment, an entry is named `VIDEO[i]` instead of `VIDEO`.
//!
//! ```text
//! dtype      types of values
//! entry      rows of one entry in memory
//! file       opens a file and reads one entry at a time
//! metadata   the names and values beside the data
//! numbers    values of one dataset, of any type
//! check      findings about one file, or several that belong together
//! describe   the tree that `inspect` prints
//! write      writes a file that the SDK reads
//! ```
//!
//! This module knows a format of files. It must not know what is aligned with what, nor stores. Source of
//! the format: CMU-MultiComp-Lab/CMU-MultimodalSDK,
//! `mmsdk/mmdatasdk/computational_sequence/computational_sequence.py`.

mod check;
mod describe;
mod dtype;
mod entry;
mod error;
mod file;
mod metadata;
mod numbers;
mod write;

pub use check::{Checked, check};
pub use dtype::FeatureType;
pub use entry::{CsdEntry, Features, Mixed, Texts};
pub use error::CsdError;
pub use file::{EntryShape, SequenceFile};
pub use metadata::{Metadata, MetadataValue};
pub use write::SequenceWriter;

use std::path::Path;

/// The video of an entry: its name up to the first `[`.
pub fn video_of(entry: &str) -> &str {
    entry.split('[').next().unwrap_or(entry)
}

/// Whether a path names a computational sequence.
pub fn is_name(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csd"))
}
