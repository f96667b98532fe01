//! The files of each modality, found and read once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::clip_frames::ClipFrames;
use super::clips::{Clips, id_of};
use super::entries::locate_entries;
use super::error::BuildError;
use super::file::digest;
use super::frames::FileKind;
use super::locate::{Located, locate};
use super::options::BuildOptions;
use super::part::ClipPart;
use super::survey::{Survey, survey};
use super::transcripts::Transcripts;
use crate::corpus::Modality;
use crate::corpus::labels::LabelTable;
use crate::csd;
use crate::paths::{same_file, size_on_disk};
use crate::progress::{Progress, Stage};

/// The files of one modality.
pub(super) struct ModalityFiles {
    pub(super) modality: Modality,
    /// The folder, or the file with the frames of all clips.
    pub(super) path: PathBuf,
    /// Size and digest of the file with the frames of all clips.
    pub(super) digest: Option<(u64, blake3::Hash)>,
    pub(super) located: Located<ClipFrames>,
    pub(super) survey: Survey,
}

/// Finds and reads the files of all modalities.
pub(super) fn all(
    table: &LabelTable,
    clips: &Clips,
    transcripts: Option<&Transcripts>,
    output: &Path,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<Vec<ModalityFiles>, BuildError> {
    let first_id = table.rows().next().map(|(_, row)| id_of(row)).unwrap_or_default();
    let mut all = BTreeMap::new();
    for (modality, path) in &options.features {
        let (modality, part) = (*modality, ClipPart::Features(*modality));
        let located = match (path.is_file(), csd::is_name(path)) {
            (true, true) => {
                let Located { of_clips, surplus } = locate_entries(path, table, clips, &first_id)?;
                let of_clips = of_clips.into_iter().map(|(clip, it)| (clip, ClipFrames::Rows(it)));
                Located { of_clips: of_clips.collect(), surplus }
            }
            (true, false) => return Err(BuildError::NotAFolder { path: path.clone(), part }),
            (false, _) => {
                let source = |path: &Path| {
                    let kind = FileKind::of_name(path, modality)?;
                    Some(ClipFrames::File { path: path.into(), kind })
                };
                locate(path, part, clips, &first_id, source)?
            }
        };
        all.insert(modality, located);
    }
    let files = || all.values().flat_map(|located| located.of_clips.values());
    if files().any(|file| same_file(file.path(), output)) {
        return Err(BuildError::OutputIsInput { output: output.into() });
    }
    let own = files().filter(|file| file.is_file());
    let n_bytes = own.map(|file| size_on_disk(file.path())).sum();
    if !all.is_empty() {
        progress.begin(Stage::Reading, n_bytes);
    }
    let source = |(modality, located): (Modality, Located<ClipFrames>)| {
        let path = options.features.get(&modality).cloned().unwrap_or_default();
        let digest = if path.is_file() { Some(digest(&path)?) } else { None };
        let reading = options.reading(modality);
        let words = transcripts.filter(|_| reading.by_word.is_some());
        let survey = survey(&located.of_clips, &reading, words, progress);
        match survey.without_times.clone() {
            Some(path) => Err(BuildError::NoTimes { path, modality }),
            None => Ok(ModalityFiles { modality, path, digest, located, survey }),
        }
    };
    all.into_iter().map(source).collect()
}
