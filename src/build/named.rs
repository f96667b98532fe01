//! Names of the features of a modality: those in its files, or of a known set.

use std::collections::BTreeMap;

use super::error::BuildError;
use super::options::{FailedFacesAction, Reading};
use super::source::ModalityFiles;
use crate::corpus::Modality;
use crate::corpus::features::{FeatureSet, NamedSet};
use crate::corpus::names::{FeatureNames, FeatureValues};
use crate::intervals::Pooling;

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
    let mut sets = FeatureSet::likely(modality, names.len(), None);
    let set = sets.find(|set| set.names == *names).map(|set| set.name.to_owned());
    Ok(Some(FeatureNames { set, values: values(source, reading), names: names.clone() }))
}

/// Whether steps are frames or means over several.
fn values(source: &ModalityFiles, reading: &Reading) -> FeatureValues {
    let has_faces = || source.survey.clips.values().any(|clip| clip.faces.is_some());
    match reading.by_word.map(|by| by.pooling) {
        Some(Pooling::Overlap | Pooling::Mean) => FeatureValues::Averaged,
        None if reading.pool > 1 => FeatureValues::Averaged,
        _ if reading.failed_faces == FailedFacesAction::Interpolate && has_faces() => {
            FeatureValues::Averaged
        }
        _ => FeatureValues::Frames,
    }
}
