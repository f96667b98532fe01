//! One layout per family of feature files, each turned into the canonical corpus.
//!
//! A layout is recognised by structure, since file names do not identify it. Features stay in the
//! file and are read row by row. Whatever is changed or left out on the way is named in
//! [`Corpus::notes`]; nothing is repaired here.
//!
//! This module knows layouts of pickles. It must not know stores, nor judge contents: whether
//! labels are in range or ids are unique is for the checks on the corpus.

mod column;
mod detect;
mod error;
mod features;
mod misa;
mod mmsa;

use crate::corpus::{Corpus, SplitName};
use crate::name::named;
use crate::pickle::Pickle;

pub use error::{IngestError, Place};

/// A family of feature files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `{split: {key: array or list}}`, as MMSA publishes CMU-MOSI, CMU-MOSEI and CH-SIMS.
    Mmsa,
    /// A list of `((words, visual, acoustic, actual words), label, segment)`: one split per file,
    /// as MISA and BBFN write it.
    Misa,
}

impl Layout {
    /// All layouts, in the order in which they are tried.
    pub const ALL: [Layout; 2] = [Layout::Mmsa, Layout::Misa];

    /// The name on the command line and in stores.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Mmsa => "mmsa",
            Layout::Misa => "misa",
        }
    }
}

named!(Layout);

/// What the file does not say itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Name of the file without its extension; some layouts tell the split by it alone.
    pub file_stem: String,
    /// The split that a file of one split holds, whatever its name.
    pub split: Option<SplitName>,
    /// The layout to read the file as, without trying others.
    pub layout: Option<Layout>,
}

/// Turns a pickle into a corpus whose features still lie in the file.
///
/// # Errors
/// If the layout is unknown, a column lacks samples, a shape or type is not the layout's, or a
/// number is not what its column holds.
pub fn read<'p>(pickle: &'p Pickle, options: &Options) -> Result<Corpus<'p>, IngestError> {
    let layout = match options.layout {
        Some(layout) => layout,
        None => detect::detect(pickle)?,
    };
    match layout {
        Layout::Mmsa => mmsa::read(pickle),
        Layout::Misa => misa::read(pickle, options),
    }
}

/// How many samples `values` describes, in words.
fn samples(n_samples: usize) -> String {
    format!("{n_samples} samples")
}
