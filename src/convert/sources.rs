//! Opens the files of one source and identifies their dataset.

use std::path::{Path, PathBuf};

use super::error::ConvertError;
use super::folder::{SplitFiles, split_files};
use super::options::ConvertOptions;
use crate::corpus::spec::{recognise, recognise_by_name};
use crate::corpus::{Corpus, Dataset};
use crate::ingest::SourceFile;
use crate::packed::{PickleFile, refuse_store};
use crate::paths::same_file;
use crate::progress::Progress;
use crate::store::{EntryInfo, SourceInfo};

/// The files of one source.
pub(super) struct Sources {
    /// The source's name in messages: its only file, the folder, or the first of several files.
    pub(super) path: PathBuf,
    pub(super) files: Vec<PickleFile>,
    /// Pickles of the folder that are not a split.
    pub(super) skipped: Vec<PathBuf>,
}

impl Sources {
    /// Opens the files, or those of the folder, to be converted to `output`, if known.
    pub(super) fn open(
        sources: &[PathBuf],
        output: Option<&Path>,
        options: &ConvertOptions,
        progress: &dyn Progress,
    ) -> Result<Sources, ConvertError> {
        let first = sources.first().ok_or(ConvertError::NoSource)?;
        let SplitFiles { splits: paths, others: skipped } = match sources {
            [folder] if folder.is_dir() => split_files(folder)?,
            paths => SplitFiles { splits: paths.to_vec(), others: Vec::new() },
        };
        skipped.iter().for_each(|path| progress.skip(path));
        if let Some(split) = options.source.split.filter(|_| paths.len() > 1) {
            return Err(ConvertError::SplitOfSeveral { split, n_files: paths.len() });
        }
        // Checked first: a store's default output has the store's own name.
        paths.iter().try_for_each(|path| refuse_store(path))?;
        let open = |path: &PathBuf| PickleFile::open(path, &options.opening, progress);
        if let Some(output) = output
            && let Some(path) = paths.iter().find(|path| same_file(path, output))
        {
            open(path)?;
            return Err(ConvertError::OutputIsInput { output: output.into() });
        }
        let files = paths.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Sources { path: first.clone(), files, skipped })
    }

    /// The files as input of a layout.
    pub(super) fn to_read(&self) -> Vec<SourceFile<'_>> {
        self.files.iter().map(|file| SourceFile::new(&file.pickle, file.stem())).collect()
    }

    /// The files as sources in a store's manifest.
    pub(super) fn to_record(&self) -> Vec<SourceInfo<'_>> {
        self.files.iter().map(info).collect()
    }
}

fn info(file: &PickleFile) -> SourceInfo<'_> {
    let file_name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = file.outer.as_ref().map_or(file.pickle.bytes(), |outer| outer.bytes());
    let entry = file
        .outer
        .as_ref()
        .map(|outer| EntryInfo { name: outer.entry().to_owned(), bytes: file.pickle.bytes() });
    SourceInfo { file_name, bytes, entry }
}

/// The dataset of a corpus, with a note if only a file name identifies it.
pub(super) fn recognised(
    corpus: &Corpus,
    files: &[SourceFile<'_>],
) -> (Option<Dataset>, Option<&'static str>) {
    if let Some(dataset) = recognise(corpus) {
        return (Some(dataset), None);
    }
    let dataset = recognise_by_name(corpus, files.iter().map(|file| &*file.stem));
    let note = "dataset: inferred from the file name, since shapes and labels are ambiguous";
    (dataset, dataset.map(|_| note))
}
