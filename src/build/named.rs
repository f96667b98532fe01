//! Names of the features of a modality: those in its files, or of a known set, and what is told of files without.

use std::collections::BTreeMap;

use super::error::BuildError;
use super::options::{FailedFacesAction, Reading};
use super::reconcile::first;
use super::source::ModalityFiles;
use super::survey::Surveyed;
use crate::corpus::Modality;
use crate::corpus::features::{FeatureSet, NamedSet};
use crate::corpus::names::{FeatureNames, FeatureValues};
use crate::intervals::Pooling;
use crate::words::{count, plural};

/// The names of a modality's features; `None` if neither its files nor an option have some.
///
/// # Errors
/// The named set is of another number of features, or of other names than those in the files.
pub(super) fn names(
    source: &ModalityFiles,
    reading: &Reading,
    feat_dim: usize,
    given: &BTreeMap<Modality, NamedSet>,
) -> Result<Option<FeatureNames>, BuildError> {
    let modality = source.modality;
    let in_files = source.survey.names.as_ref();
    if let Some(given) = given.get(&modality) {
        let (set, expected) = (given.set.name, given.set.width);
        if feat_dim != expected {
            return Err(BuildError::OtherFeatures { modality, set, expected, found: feat_dim });
        }
        let pairs = given.set.names.iter().zip(in_files.into_iter().flatten()).enumerate();
        for (idx, (expected, found)) in pairs {
            if expected != found {
                let (expected, found) = (expected.clone(), found.clone());
                return Err(BuildError::OtherNames {
                    modality,
                    set,
                    number: idx + 1,
                    expected,
                    found,
                });
            }
        }
        let values = match given.values {
            FeatureValues::Frames => values(source, reading),
            other => other,
        };
        return Ok(Some(FeatureNames { values, ..given.names() }));
    }
    let Some(names) = in_files else { return Ok(None) };
    Ok(Some(FeatureSet::named(modality, names.clone(), values(source, reading))))
}

/// What was made of first lines that do not name all columns, in sentences. With `is_named`, an option names the
/// features; with `settles_faces`, options say what becomes of frames without a face.
pub(super) fn header_notes(
    source: &ModalityFiles,
    is_named: bool,
    settles_faces: bool,
) -> Vec<String> {
    let ModalityFiles { modality, survey, located, .. } = source;
    let paths = |is_such: fn(&Surveyed) -> bool| -> Vec<String> {
        let clips = survey.clips.iter().filter(|(_, clip)| is_such(clip));
        let files = clips.filter_map(|(clip, _)| located.of_clips.get(clip));
        files.map(|file| file.path().display().to_string()).collect()
    };
    let mut notes = Vec::new();
    let n_without_faces = survey.clips.values().filter(|clip| clip.faces.is_none()).count();
    if settles_faces && survey.has_faces() && n_without_faces > 0 {
        notes.push(format!(
            "{modality}: {} of {} {} not say which frames have a face: all were kept",
            count(n_without_faces),
            plural(survey.clips.len(), "file"),
            if n_without_faces == 1 { "does" } else { "do" }
        ));
    }
    let counting = paths(|clip| clip.has_counted_header);
    if !counting.is_empty() {
        notes.push(format!(
            "{modality}: the first line of {} counts the columns, and was read as a header ({})",
            plural(counting.len(), "file"),
            first(counting.iter().map(String::as_str))
        ));
    }
    let (unnamed, n_files) = (paths(|clip| !clip.has_names()), survey.clips.len());
    if !is_named && !unnamed.is_empty() && unnamed.len() < n_files {
        notes.push(format!(
            "{modality}: names of features are not recorded, as {} of {} {} none ({})",
            count(unnamed.len()),
            plural(n_files, "file"),
            if unnamed.len() == 1 { "has" } else { "have" },
            first(unnamed.iter().map(String::as_str))
        ));
    }
    notes
}

/// Whether steps are frames or means over several.
fn values(source: &ModalityFiles, reading: &Reading) -> FeatureValues {
    match reading.by_word.map(|by| by.pooling) {
        Some(Pooling::Overlap | Pooling::Mean) => FeatureValues::Averaged,
        None if reading.pool > 1 => FeatureValues::Averaged,
        _ if reading.failed_faces == FailedFacesAction::Interpolate
            && source.survey.has_faces() =>
        {
            FeatureValues::Averaged
        }
        _ => FeatureValues::Frames,
    }
}
