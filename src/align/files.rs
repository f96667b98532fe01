//! The open files of a store's sequences, and what they have in common.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::error::AlignError;
use super::options::{AlignInputs, AlignOptions, Mode};
use super::sdk;
use super::sequence::{CsdSequence, SequenceSet};
use super::store_error::AlignedStoreError;
use crate::corpus::Modality;
use crate::corpus::features::FeatureSet;
use crate::corpus::names::{FeatureNames, FeatureValues};
use crate::csd::{SequenceFile, video_of};
use crate::intervals::Pooling;
use crate::words::count;

/// The open files.
pub(super) struct Files {
    pub(super) reference: CsdSequence,
    pub(super) labels: CsdSequence,
    pub(super) others: BTreeMap<Modality, CsdSequence>,
    handles: Vec<Arc<SequenceFile>>,
}

impl Files {
    pub(super) fn open(inputs: &AlignInputs) -> Result<Files, AlignedStoreError> {
        let mut handles = Vec::new();
        let mut open = |name: String, path: &Path| {
            let file = Arc::new(SequenceFile::open(path).map_err(AlignError::from)?);
            handles.push(file.clone());
            Ok::<_, AlignedStoreError>(CsdSequence::of_file(name, file))
        };
        let name = |path: &Path| path.display().to_string();
        let reference = open(name(&inputs.reference), &inputs.reference)?;
        let labels = open(name(&inputs.labels), &inputs.labels)?;
        let others = inputs
            .sequences
            .iter()
            .map(|(modality, path)| Ok((*modality, open(name(path), path)?)))
            .collect::<Result<_, AlignedStoreError>>()?;
        Ok(Files { reference, labels, others, handles })
    }

    pub(super) fn n_bytes(&self) -> u64 {
        self.handles.iter().map(|file| file.size()).sum()
    }

    fn all(&self) -> impl Iterator<Item = &CsdSequence> {
        [&self.reference, &self.labels].into_iter().chain(self.others.values())
    }

    /// Names of the features that the files have, of the modalities with these widths. With `has_vectors`, text features
    /// are not the rows of the reference.
    pub(super) fn feature_names(
        &self,
        mode: &Mode,
        widths: &BTreeMap<Modality, usize>,
        has_vectors: bool,
    ) -> BTreeMap<Modality, FeatureNames> {
        let of_pooled = match mode {
            Mode::Overlap(AlignOptions { pooling: Pooling::None | Pooling::Max, .. }) => {
                FeatureValues::Frames
            }
            Mode::Overlap(_) | Mode::Sdk { .. } => FeatureValues::Averaged,
        };
        let of_modality = |(modality, width): (&Modality, &usize)| {
            let (sequence, values) = match self.others.get(modality) {
                Some(sequence) => (sequence, of_pooled),
                None if *modality == Modality::Text && !has_vectors => {
                    (&self.reference, FeatureValues::Frames)
                }
                None => return None,
            };
            let names = sequence.dimension_names().filter(|names| names.len() == *width)?;
            Some((*modality, FeatureSet::named(*modality, names, values)))
        };
        widths.iter().filter_map(of_modality).collect()
    }

    /// Videos that all sequences have, in the order of the labels; notes name the others.
    pub(super) fn common_videos(
        &self,
        notes: &mut Vec<String>,
    ) -> Result<Vec<String>, AlignedStoreError> {
        let sets: Vec<HashSet<&str>> = self
            .all()
            .map(|sequence| sequence.keys().iter().map(|key| video_of(key)).collect())
            .collect();
        let mut all: Vec<&str> = sets.iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        for (sequence, set) in self.all().zip(&sets) {
            let absent: Vec<&str> = all.iter().filter(|it| !set.contains(*it)).copied().collect();
            if !absent.is_empty() {
                let name = sequence.name().rsplit('/').next().unwrap_or_default();
                notes.push(format!(
                    "{name}: {} not in it, and left out: {}",
                    match absent.len() {
                        1 => "1 video is".into(),
                        n => format!("{} videos are", count(n)),
                    },
                    listed(&absent)
                ));
            }
        }
        let mut seen = HashSet::new();
        let videos: Vec<String> = self
            .labels
            .keys()
            .iter()
            .map(|key| video_of(key))
            .filter(|video| sets.iter().all(|set| set.contains(video)) && seen.insert(*video))
            .map(str::to_owned)
            .collect();
        match videos.is_empty() {
            true => {
                let names = self.all().map(|sequence| sequence.name().to_owned()).collect();
                Err(AlignError::NothingInCommon { names }.into())
            }
            false => Ok(videos),
        }
    }

    /// A note on the videos that all sequences have, and that the SDK removes by a prefix of their name.
    pub(super) fn purged(&self, videos: &[String]) -> Option<String> {
        let unified = sdk::unify(SequenceSet::new(self.all().cloned()));
        let keys = unified.sequences.first().map(CsdSequence::keys).unwrap_or_default();
        let kept: HashSet<&str> = keys.iter().map(|key| video_of(key)).collect();
        let purged: Vec<&str> =
            videos.iter().map(String::as_str).filter(|video| !kept.contains(video)).collect();
        (!purged.is_empty()).then(|| {
            format!(
                "left out by the SDK, because their name begins like a video that is left out: {}",
                listed(&purged)
            )
        })
    }
}

/// The first few of several names.
pub(super) fn listed(names: &[&str]) -> String {
    const N_LISTED: usize = 10;
    let shown = names.iter().take(N_LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(N_LISTED) {
        0 => shown,
        more => format!("{shown} and {} more", count(more)),
    }
}
