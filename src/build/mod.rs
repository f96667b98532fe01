//! Builds a store from a table of clips and files of their features and words, in one call.
//!
//! ```text
//! options     dataset, lengths, pooling, frames without a face, policies, form of the store
//! clips       the clips of the table, in any spelling of their ids
//! part        what files of clips hold: features of a modality, or words
//! locate      the file of each clip
//! entries     the rows of each clip in a computational sequence
//! frames      the frames of one file: OpenFace and other CSV, NumPy, MATLAB, sound
//! clip_frames the frames of one clip, wherever they are
//! file        what identifies a file, and why it cannot be used
//! faces       frames without a face
//! timings     the words of one file: TextGrid, CTM, JSON of Whisper
//! transcripts the words of all clips
//! steps       frames, means of several, or one step per word
//! source      the files of one modality
//! survey      one reading of all files: lengths, and which are unusable
//! reconcile   which clips have a file, and which files a clip
//! spoken      what words make of the clips: steps, texts, what is left out
//! named       names of the features
//! assembly    the corpus: splits, texts, labels, features
//! rows        the samples of the corpus, read again while they are stored
//! error       why nothing was built
//! ```
//!
//! Files are read twice: a store has one length per modality, which is known only after all of them. In
//! memory are a few clips at a time.

mod assembly;
mod clip_frames;
mod clips;
mod entries;
mod error;
mod faces;
mod file;
pub mod frames;
mod locate;
mod named;
mod options;
mod part;
mod reconcile;
mod rows;
mod source;
mod spoken;
mod steps;
mod survey;
pub mod timings;
mod transcripts;

use std::path::{Path, PathBuf};

pub use error::BuildError;
pub use options::{BuildOptions, Cut, FailedFacesAction, LengthRule, WordOptions};
pub use part::ClipPart;
pub use reconcile::{Reconciled, Unusable};

use crate::corpus::check::Finding;
use crate::corpus::labels::{LabelRow, LabelTable, LabelTableError, TableOptions};
use crate::corpus::manifest::Manifest;
use crate::corpus::spec::{recognise, recognise_by_name};
use crate::corpus::{Corpus, Dataset};
use crate::map::Bytes;
use crate::paths::{same_file, size_on_disk};
use crate::progress::{Progress, Stage};
use crate::store::{self, Format, SourceInfo, StoreError};
use assembly::Assembly;
use clips::{Clips, id_of};
use transcripts::Transcripts;

/// Result of a build.
#[derive(Debug)]
pub struct Built {
    /// The dataset.
    pub dataset: Dataset,
    /// The store's manifest: the table, how the features were made, and notes with every changed value
    /// and everything left out.
    pub manifest: Manifest,
    /// Clips and files side by side, by modality, and those of words.
    pub reconciled: Vec<Reconciled>,
    /// Findings of the data checks, errors first.
    pub findings: Vec<Finding>,
    /// Size of the store on disk, in bytes.
    pub n_bytes: u64,
}

/// Builds a store at `output` from the clips of the table at `labels` and the features and words that the
/// options name. The store appears only when complete.
///
/// # Errors
/// The table cannot be read or a folder cannot be listed; no file of a folder belongs to a clip, or two
/// to the same one; a clip lacks a usable file and may not be left out; no file tells the frames without a
/// face, for which the options have a policy; the dataset is unknown; a value is not finite, or too large
/// for the store, and the options set no policy for it; the output exists or is an input, or the disk is
/// full. Nothing is left behind then.
pub fn build(
    labels: &Path,
    output: &Path,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<Built, BuildError> {
    let label_scale = options.label_scale.clone();
    let table = TableOptions { is_source: true, label_scale, ..options.table.clone() };
    let table = LabelTable::open_as(labels, &table)?;
    check_output(labels, output, options)?;
    let clips = Clips::of(&table);
    let words = options.words.as_ref();
    let transcripts = words.map(|words| Transcripts::read(words, &table, &clips)).transpose()?;
    let words = transcripts.as_ref();
    let sources = source::all(&table, &clips, words, output, options, progress)?;
    let rows: Vec<&LabelRow> = table.rows().map(|(_, row)| row).collect();
    let ids: Vec<String> = rows.iter().map(|row| id_of(row)).collect();
    let of_files = sources.iter().map(|files| Reconciled::of_files(files, &ids));
    let of_words = words.map(|words| Reconciled::of_words(words, &ids));
    let reconciled: Vec<Reconciled> = of_files.chain(of_words).collect();
    let assembly = Assembly { table: &table, rows, ids: &ids, sources: &sources, words, options };
    let mut corpus = assembly.corpus(&reconciled)?;
    if options.settles_faces() && !sources.iter().any(|source| source.survey.has_faces()) {
        let (action, min_confidence) = (options.failed_faces, options.min_confidence);
        return Err(BuildError::NoFaces { path: labels.into(), action, min_confidence });
    }
    if let Some(own) = &options.label_scale {
        corpus.describe(own);
    }
    let (dataset, note) = dataset(&corpus, labels, options)?;
    corpus.notes.extend(note.map(str::to_owned));
    let writing = options.writing(dataset);
    progress.begin(Stage::Converting, feature_bytes(&corpus).saturating_mul(writing.n_passes()));
    let advance = |n_bytes| progress.advance(n_bytes);
    let io = |cause| LabelTableError::Io { path: labels.into(), cause };
    let bytes = Bytes::map(labels).map_err(io)?;
    let file_name = labels.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let info = [SourceInfo { file_name, bytes: bytes.bytes(), entry: None }];
    let written = store::write(&corpus, &info, output, &writing, &advance)
        .map_err(|cause| BuildError::of_store(labels.into(), cause))?;
    let store::Outcome { manifest, findings } = written;
    Ok(Built { dataset, manifest, reconciled, findings, n_bytes: size_on_disk(output) })
}

/// Default path of a store: `NAME.h5` or `NAME.arrow` next to the table of that name.
pub fn default_output(labels: &Path, format: Format) -> PathBuf {
    labels.with_extension(format.ending())
}

/// Checks the output before anything that takes long.
fn check_output(labels: &Path, output: &Path, options: &BuildOptions) -> Result<(), BuildError> {
    let words = options.words.iter().map(|words| &words.path);
    let mut inputs = options.features.values().chain(words).map(PathBuf::as_path).chain([labels]);
    if inputs.any(|input| same_file(input, output)) {
        return Err(BuildError::OutputIsInput { output: output.into() });
    }
    match output.exists() && !options.output.overwrite {
        true => Err(BuildError::Store(StoreError::Exists { path: output.into() })),
        false => Ok(()),
    }
}

/// The dataset, with a note if only the name of the table identifies it.
fn dataset(
    corpus: &Corpus,
    labels: &Path,
    options: &BuildOptions,
) -> Result<(Dataset, Option<&'static str>), BuildError> {
    if options.label_scale.is_some() {
        return Ok((Dataset::Own, None));
    }
    if options.dataset == Some(Dataset::Own) {
        return Err(BuildError::NoScale { path: labels.into() });
    }
    if let Some(dataset) = options.dataset.or_else(|| recognise(corpus)) {
        return Ok((dataset, None));
    }
    let stem = labels.file_stem().unwrap_or_default().to_string_lossy();
    let note =
        "dataset: inferred from the name of the table, since shapes and labels are ambiguous";
    recognise_by_name(corpus, [&*stem])
        .map(|dataset| (dataset, Some(note)))
        .ok_or_else(|| BuildError::UnknownDataset { path: labels.into() })
}

/// Bytes of all features as float32.
fn feature_bytes(corpus: &Corpus) -> u64 {
    let blocks = corpus.splits.iter().flat_map(|split| split.features.values());
    blocks.map(|block| block.shape.iter().product::<usize>() as u64 * 4).sum()
}
