//! Converts feature pickles into a validated store, in one call.
//!
//! ```text
//! options     dataset, layout, policies, form of the store
//! folder      finds the split files of a source in its folder
//! sources     the files, opened, packed or not
//! explained   explains a conversion without doing it
//! error       why nothing was done
//! ```
//!
//! This module joins [`packed`](crate::packed), [`ingest`], [`corpus`](crate::corpus) and [`store`],
//! each of which can be called alone. All user-visible information is returned as data.

mod error;
mod explained;
mod folder;
mod options;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use error::{ConvertError, FolderError};
pub use explained::{Explained, explain};
pub use options::ConvertOptions;

use crate::container::unpacked_name;
use crate::corpus::check::Finding;
use crate::corpus::features::FeatureSet;
use crate::corpus::manifest::Manifest;
use crate::corpus::{Corpus, CorpusSplit, Dataset, Modality, SplitName};
use crate::ingest;
use crate::paths::{same_file, size_on_disk};
use crate::progress::{Progress, Stage};
use crate::store::{self, Format};
use sources::{Sources, recognised};

/// Result of a conversion.
#[derive(Debug)]
pub struct Converted {
    /// The dataset.
    pub dataset: Dataset,
    /// Name of the source's layout.
    pub layout: &'static str,
    /// The new splits, in order.
    pub splits: Vec<ConvertedSplit>,
    /// The store's manifest: sources, digests, and notes with every changed value and everything left
    /// out.
    pub manifest: Manifest,
    /// Findings of the data checks, errors first.
    pub findings: Vec<Finding>,
    /// Size of the store on disk, in bytes.
    pub n_bytes: u64,
    /// Pickles of the folder that were not read, because their name is not just a split's.
    pub skipped: Vec<PathBuf>,
}

/// A split of a new store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConvertedSplit {
    /// Its name.
    pub name: SplitName,
    /// Number of segments in the store.
    pub n_segments: usize,
    /// `[seq_len, feat_dim]` of each modality.
    pub shapes: BTreeMap<Modality, [usize; 2]>,
}

/// Converts `sources` into a store at `output`: one pickle with all splits, one per split, or the
/// folder of those. They may be compressed or lie in archives. The store appears only when complete.
///
/// # Errors
/// A file cannot be opened or unpacked, is not a pickle, or has no known layout; the dataset is
/// unknown; a value is not finite, or too large for the store, and the options set no policy for it;
/// the output exists or is a source, or the disk is full. Nothing is left behind then.
pub fn convert(
    sources: &[PathBuf],
    output: &Path,
    options: &ConvertOptions,
    progress: &dyn Progress,
) -> Result<Converted, ConvertError> {
    let sources = Sources::open(sources, Some(output), options, progress)?;
    let path = || sources.path.clone();
    let files = sources.to_read();
    let mut corpus = ingest::read(&files, &options.source)
        .map_err(|cause| ConvertError::Ingest { path: path(), cause })?;
    let (recognised, note) = match options.label_scale {
        Some(_) => (None, None),
        None => recognised(&corpus, &files),
    };
    corpus.notes.extend(note.map(str::to_owned));
    if options.drop_unlabelled {
        corpus = corpus.without_unlabelled();
    }
    for (modality, named) in &options.features {
        check_width(&corpus, *modality, named.set, &sources.path)?;
        corpus.feature_names.insert(*modality, named.names());
    }
    let dataset = match (&options.label_scale, options.dataset.or(recognised)) {
        (Some(own), _) => {
            corpus.describe(own);
            Dataset::Own
        }
        (None, Some(Dataset::Own)) => return Err(ConvertError::NoScale { path: path() }),
        (None, Some(dataset)) => dataset,
        (None, None) => return Err(ConvertError::UnknownDataset { path: path() }),
    };
    let writing = options.writing(dataset, output);
    progress.begin(Stage::Converting, feature_bytes(&corpus) * writing.n_passes());
    let advance = |n_bytes| progress.advance(n_bytes);
    let written = store::write(&corpus, &sources.to_record(), output, &writing, &advance)
        .map_err(|cause| ConvertError::of_store(path(), cause))?;
    let store::Outcome { manifest, findings } = written;
    Ok(Converted {
        dataset,
        layout: corpus.layout,
        splits: splits(&corpus, &manifest),
        manifest,
        findings,
        n_bytes: size_on_disk(output),
        skipped: sources.skipped,
    })
}

/// Checks that a modality has as many features as a set in every split that has it.
fn check_width(
    corpus: &Corpus,
    modality: Modality,
    set: &'static FeatureSet,
    path: &Path,
) -> Result<(), ConvertError> {
    let blocks = corpus.splits.iter().filter_map(|split| split.features.get(&modality));
    let mut widths = blocks.map(|block| block.shape[2]).peekable();
    let other = match widths.peek() {
        None => Some(0),
        Some(_) => widths.find(|width| *width != set.width),
    };
    other.map_or(Ok(()), |found| {
        let (path, set, expected) = (path.into(), set.name, set.width);
        Err(ConvertError::OtherFeatures { path, modality, set, expected, found })
    })
}

/// Default path of a store: `NAME.h5` or `NAME.arrow` next to the pickle or folder of that name; in the folder
/// if it is the current one.
pub fn default_output(source: &Path, format: Format) -> PathBuf {
    if !source.is_dir() {
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        return source.with_file_name(unpacked_name(&name)).with_extension(format.ending());
    }
    // A folder may be given as `.`, which has no name; and folder names may contain dots.
    let folder = match source.file_name() {
        Some(_) => source.to_path_buf(),
        None => source.canonicalize().unwrap_or_else(|_| source.to_path_buf()),
    };
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let store = format!("{name}.{}", format.ending());
    // What one works in is the place for output, not the folder around it.
    let is_here = std::env::current_dir().is_ok_and(|here| same_file(&here, source));
    if is_here { source.join(store) } else { folder.with_file_name(store) }
}

fn splits(corpus: &Corpus, manifest: &Manifest) -> Vec<ConvertedSplit> {
    let split = |split: &CorpusSplit| {
        let blocks = split.features.iter();
        let shapes = blocks.map(|(modality, block)| {
            let [_, seq_len, feat_dim] = block.shape;
            (*modality, [seq_len, feat_dim])
        });
        // Some may have been left out.
        let n_segments = manifest.split(split.name).map_or(0, |split| split.ids.len());
        ConvertedSplit { name: split.name, n_segments, shapes: shapes.collect() }
    };
    corpus.splits.iter().map(split).collect()
}

/// Bytes of all features as float32.
fn feature_bytes(corpus: &Corpus) -> u64 {
    let blocks = corpus.splits.iter().flat_map(|split| split.features.values());
    blocks.map(|block| block.shape.iter().product::<usize>() as u64 * 4).sum()
}
