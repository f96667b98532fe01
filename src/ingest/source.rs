//! What is read, and the choices that the files do not make themselves.

use std::collections::BTreeMap;

use super::texts::TextPolicy;
use crate::corpus::{Layout, Modality, SplitName};
use crate::pickle::{NodeId, Pickle};

/// One file of a source.
#[derive(Clone)]
pub struct SourceFile<'p> {
    /// What it holds.
    pub pickle: &'p Pickle,
    /// The value in it that is read.
    pub(super) root: NodeId,
    /// Its name without the extension; some layouts tell the split by it alone.
    pub stem: String,
}

impl<'p> SourceFile<'p> {
    /// A file with its name.
    pub fn new(pickle: &'p Pickle, stem: impl Into<String>) -> SourceFile<'p> {
        SourceFile { pickle, root: pickle.root(), stem: stem.into() }
    }
}

/// What the files do not say themselves.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// The split that a single file of one split holds, whatever its name.
    pub split: Option<SplitName>,
    /// The layout to read the files as, without trying others.
    pub layout: Option<Layout>,
    /// Numbers of frames beyond which samples are cut at the back.
    pub max_len: BTreeMap<Modality, usize>,
    /// How texts are read that are no plain `str`.
    pub texts: TextPolicy,
}

/// How many samples a column has, in words.
pub(super) fn samples(n_samples: usize) -> String {
    format!("{n_samples} samples")
}
