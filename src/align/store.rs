//! From files of sequences to a store, in one call.

use std::path::{Path, PathBuf};

use super::files::Files;
use super::gathered::Gathered;
use super::homes::{FoldsChoice, Homes};
use super::options::{AlignInputs, Mode};
use super::overlap::by_overlap;
use super::recipes::by_sdk;
use super::store_error::AlignedStoreError;
use crate::corpus::Dataset;
use crate::corpus::check::Finding;
use crate::corpus::manifest::Manifest;
use crate::corpus::scale::OwnScale;
use crate::corpus::spec::recognise;
use crate::map::Bytes;
use crate::paths::{same_file, size_on_disk};
use crate::progress::{Progress, Stage};
use crate::store::{
    self, NonFinite, OnOverflow, OutputOptions, SourceInfo, StoreError, WriteOptions,
};

/// Options for making a store of sequences.
#[derive(Debug, Clone)]
pub struct AlignedStoreOptions {
    /// How to align.
    pub mode: Mode,
    /// The dataset; `None` to infer it from its videos or labels.
    pub dataset: Option<Dataset>,
    /// What the labels are, of a dataset of one's own, which the store is then of.
    pub label_scale: Option<OwnScale>,
    /// Which video belongs to which split.
    pub folds: FoldsChoice,
    /// Whether to leave out unlabelled segments of splits that have labels.
    pub drop_unlabelled: bool,
    /// Policy for values that are NaN or infinite.
    pub on_nonfinite: NonFinite,
    /// Policy for finite values beyond the range of `dtype`.
    pub on_overflow: OnOverflow,
    /// Element type of the features in the store.
    pub dtype: store::FeatureDtype,
    /// Form of the store.
    pub output: OutputOptions,
}

impl Default for AlignedStoreOptions {
    fn default() -> AlignedStoreOptions {
        AlignedStoreOptions {
            mode: Mode::default(),
            dataset: None,
            label_scale: None,
            folds: FoldsChoice::Standard,
            drop_unlabelled: false,
            on_nonfinite: NonFinite::Loaders,
            on_overflow: OnOverflow::Error,
            dtype: store::FeatureDtype::Float32,
            output: OutputOptions::default(),
        }
    }
}

/// A store made of sequences.
#[derive(Debug)]
pub struct AlignedStore {
    /// The dataset.
    pub dataset: Dataset,
    /// The store's manifest. Its notes record all options and everything left out.
    pub manifest: Manifest,
    /// Findings of the data checks, errors first.
    pub findings: Vec<Finding>,
    /// Size of the store on disk, in bytes.
    pub n_bytes: u64,
}

/// Aligns sequences and writes their segments to a store at `output`, which appears only when complete.
///
/// Memory holds one video per thread (of [`Mode::Sdk`], all segments); aligned features wait in a file
/// without a name in the folder for temporary files.
///
/// # Errors
/// A file cannot be read, sequences do not fit together, no video is in all of them, the dataset or the
/// folds are unknown, a value is not allowed by the policies, or the store cannot be written. Nothing is
/// left behind then.
pub fn build(
    inputs: &AlignInputs,
    output: &Path,
    options: &AlignedStoreOptions,
    progress: &dyn Progress,
) -> Result<AlignedStore, AlignedStoreError> {
    let paths = [&inputs.reference, &inputs.labels].into_iter().chain(inputs.sequences.values());
    let paths: Vec<&PathBuf> = paths.chain(&inputs.vectors).collect();
    if paths.iter().any(|path| same_file(path, output)) {
        return Err(StoreError::OutputIsInput { path: output.into() }.into());
    }
    if output.exists() && !options.output.overwrite {
        return Err(StoreError::Exists { path: output.into() }.into());
    }
    let told = match &options.label_scale {
        Some(own) if own.is_unordered() => {
            return Err(AlignedStoreError::NamedClasses { path: inputs.labels.clone() });
        }
        Some(_) => Some(Dataset::Own),
        None if options.dataset == Some(Dataset::Own) => {
            return Err(AlignedStoreError::NoScale { path: inputs.labels.clone() });
        }
        None => options.dataset,
    };
    let files = Files::open(inputs)?;
    progress.begin(Stage::Aligning, files.n_bytes());
    let mut gathered = Gathered::new(&options.mode)?;
    let videos = files.common_videos(&mut gathered.notes)?;
    let homes = Homes::of(&options.folds, told, &videos)?;
    match &options.mode {
        Mode::Overlap(policies) => {
            by_overlap(&files, inputs, policies, &videos, progress, &mut gathered)?;
        }
        Mode::Sdk { recipe, .. } => by_sdk(&files, *recipe, &videos, progress, &mut gathered)?,
    }
    let widths = gathered.spools.iter().map(|(modality, (_, width))| (*modality, *width)).collect();
    let mut corpus = gathered.corpus(&options.mode, &homes)?;
    corpus.feature_names = files.feature_names(&options.mode, &widths, inputs.vectors.is_some());
    if options.drop_unlabelled {
        corpus = corpus.without_unlabelled();
    }
    let dataset = told.or(homes.dataset).or_else(|| recognise(&corpus));
    let dataset =
        dataset.ok_or_else(|| AlignedStoreError::UnknownDataset { path: inputs.labels.clone() })?;
    let bytes = paths
        .iter()
        .map(|path| {
            let io = |cause| StoreError::Io { path: path.to_path_buf(), action: "read", cause };
            Bytes::map(path).map_err(io)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<SourceInfo<'_>> = paths
        .iter()
        .zip(&bytes)
        .map(|(path, bytes)| SourceInfo {
            file_name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: bytes.bytes(),
            entry: None,
        })
        .collect();
    let writing = WriteOptions {
        dataset,
        label_scale: options.label_scale.clone(),
        on_nonfinite: options.on_nonfinite,
        on_overflow: options.on_overflow,
        dtype: options.dtype,
        output: options.output.clone(),
    };
    let blocks = corpus.splits.iter().flat_map(|split| split.features.values());
    let n_bytes: u64 = blocks.map(|it| it.shape.iter().product::<usize>() as u64 * 4).sum();
    progress.begin(Stage::Converting, n_bytes * writing.n_passes());
    let advance = |n_bytes| progress.advance(n_bytes);
    let store::Outcome { manifest, findings } =
        store::write(&corpus, &sources, output, &writing, &advance)?;
    Ok(AlignedStore { dataset, manifest, findings, n_bytes: size_on_disk(output) })
}
