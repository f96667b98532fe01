//! Explains what a conversion would do, without doing it.

use std::path::{Path, PathBuf};

use super::error::ConvertError;
use super::options::ConvertOptions;
use super::sources::{Sources, recognised};
use crate::corpus::Dataset;
use crate::corpus::spec::{Candidate, candidates};
use crate::ingest::{self, Explanation};
use crate::progress::Progress;

/// Why a source is read the way it is, and which dataset it is.
pub struct Explained {
    /// The file, or the folder, or the first of several files.
    pub path: PathBuf,
    /// The layouts that were tried, the use of each key, and the corpus or the error.
    pub explanation: Explanation,
    /// The dataset builds that match the corpus in some respect, best first.
    pub candidates: Vec<Candidate>,
    /// The dataset inferred from content or name; `None` if neither identifies it.
    pub dataset: Option<Dataset>,
}

/// Reads a source like [`convert`](super::convert()) and explains the interpretation. Nothing is
/// written; `output` is the store's path, if known.
///
/// # Errors
/// A file cannot be opened, or is the output. Files that are not a corpus are explained.
pub fn explain(
    sources: &[PathBuf],
    output: Option<&Path>,
    options: &ConvertOptions,
    progress: &dyn Progress,
) -> Result<Explained, ConvertError> {
    let sources = Sources::open(sources, output, options, progress)?;
    let files = sources.to_read();
    let explanation = ingest::explain(&files, &options.source);
    let (candidates, dataset) = match &explanation.outcome {
        Ok(corpus) => (candidates(corpus), recognised(corpus, &files).0),
        Err(_) => (Vec::new(), None),
    };
    let agrees = |candidate: &Candidate| candidate.n_dims + candidate.n_sizes > 0;
    let candidates = candidates.into_iter().filter(agrees).collect();
    Ok(Explained { path: sources.path, explanation, candidates, dataset })
}
