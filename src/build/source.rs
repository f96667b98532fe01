//! The files of each modality, found and read once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::clips::{Clips, id_of};
use super::error::BuildError;
use super::locate::{Located, locate};
use super::options::BuildOptions;
use super::survey::{Survey, survey};
use crate::corpus::Modality;
use crate::corpus::labels::LabelTable;
use crate::paths::{same_file, size_on_disk};
use crate::progress::{Progress, Stage};

/// The files of one modality.
pub(super) struct ModalityFiles {
    pub(super) modality: Modality,
    pub(super) folder: PathBuf,
    pub(super) located: Located,
    pub(super) survey: Survey,
}

/// Finds and reads the files of all modalities.
pub(super) fn all(
    table: &LabelTable,
    output: &Path,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<Vec<ModalityFiles>, BuildError> {
    let clips = Clips::of(table);
    let first_id = table.rows().next().map(|(_, row)| id_of(row)).unwrap_or_default();
    let mut located = BTreeMap::new();
    for (modality, folder) in &options.features {
        if folder.is_file() {
            return Err(BuildError::NotAFolder { path: folder.clone(), modality: *modality });
        }
        located.insert(*modality, locate(folder, *modality, &clips, &first_id)?);
    }
    let files = || located.values().flat_map(|located| located.files.values());
    if files().any(|file| same_file(&file.path, output)) {
        return Err(BuildError::OutputIsInput { output: output.into() });
    }
    let n_bytes = files().map(|file| size_on_disk(&file.path)).sum();
    if !located.is_empty() {
        progress.begin(Stage::Reading, n_bytes);
    }
    let source = |(modality, located): (Modality, Located)| {
        let folder = options.features.get(&modality).cloned().unwrap_or_default();
        let survey = survey(&located.files, &options.reading(modality), progress);
        ModalityFiles { modality, folder, located, survey }
    };
    Ok(located.into_iter().map(source).collect())
}
