//! Removes what some sequence lacks.

use std::collections::HashSet;

use super::super::sequence::SequenceSet;
use crate::csd::video_of;

/// Keeps the entries of videos that all sequences have.
///
/// Like the SDK, this removes a video by prefix: what begins like a removed video goes from all sequences,
/// so that `abc` goes with `ab`.
pub fn unify(mut dataset: SequenceSet) -> SequenceSet {
    let of = |sequence: &super::super::CsdSequence| -> HashSet<String> {
        sequence.keys().iter().map(|key| video_of(key).to_owned()).collect()
    };
    let videos: Vec<HashSet<String>> = dataset.sequences.iter().map(of).collect();
    let everywhere = |video: &str| videos.iter().all(|of| of.contains(video));
    let removed: HashSet<&str> =
        videos.iter().flatten().map(String::as_str).filter(|video| !everywhere(video)).collect();
    for sequence in &mut dataset.sequences {
        sequence.retain(|key| !removed.iter().any(|video| key.starts_with(video)));
    }
    dataset
}

/// Keeps the keys that all sequences have.
pub fn hard_unify(mut dataset: SequenceSet) -> SequenceSet {
    let keys: Vec<HashSet<String>> =
        dataset.sequences.iter().map(|it| it.keys().iter().cloned().collect()).collect();
    for sequence in &mut dataset.sequences {
        sequence.retain(|key| keys.iter().all(|of| of.contains(key)));
    }
    dataset
}
