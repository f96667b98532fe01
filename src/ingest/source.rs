//! The files to read, and the choices that they leave open.

use std::collections::BTreeMap;

use super::texts::TextPolicy;
use crate::corpus::{Layout, Modality, SplitName};
use crate::pickle::{NodeId, Pickle};

/// One file of a source.
#[derive(Clone)]
pub struct SourceFile<'p> {
    /// Its contents.
    pub pickle: &'p Pickle,
    /// The value to read.
    pub(super) root: NodeId,
    /// Its name without the extension; some layouts identify the split only by it.
    pub stem: String,
}

impl<'p> SourceFile<'p> {
    /// A file with its name.
    pub fn new(pickle: &'p Pickle, stem: impl Into<String>) -> SourceFile<'p> {
        SourceFile { pickle, root: pickle.root(), stem: stem.into() }
    }
}

/// Choices that the files leave open.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// The split in a single file of one split, whatever its name.
    pub split: Option<SplitName>,
    /// The layout to read the files as, without trying others.
    pub layout: Option<Layout>,
    /// Numbers of frames beyond which samples are cut at the back.
    pub max_len: BTreeMap<Modality, usize>,
    /// How to read texts that are not a plain `str`.
    pub texts: TextPolicy,
}

/// Describes a column's number of samples.
pub(super) fn samples(n_samples: usize) -> String {
    format!("{n_samples} samples")
}
