//! Segments of a video joined.

use super::super::collect::{entries_of, joined};
use super::super::error::AlignError;
use super::super::sequence::{CsdSequence, SequenceSet};
use super::unify::hard_unify;
use crate::csd::video_of;

/// Joins the segments of each video that all sequences have, in order of their numbers. Videos keep the
/// order in which their first segment stands.
///
/// As in the SDK, this does not restore what was aligned: rows over a border, clipped, are there twice, and
/// rows in no segment are not.
///
/// # Errors
/// A segment cannot be read, or segments of a video cannot be joined.
pub fn revert(dataset: SequenceSet) -> Result<SequenceSet, AlignError> {
    let dataset = hard_unify(dataset);
    let sequences = dataset.sequences.iter().map(join_all);
    Ok(SequenceSet { sequences: sequences.collect::<Result<_, _>>()? })
}

fn join_all(sequence: &CsdSequence) -> Result<CsdSequence, AlignError> {
    let mut reverted = CsdSequence::new(sequence.name());
    let mut entries = entries_of(sequence);
    let mut videos = Vec::new();
    for key in sequence.keys() {
        let video = video_of(key);
        let Some(mut keys) = entries.remove(video) else { continue };
        keys.sort_by_key(|key| number(key));
        videos.push((video.to_owned(), joined(sequence, video, &keys)?));
    }
    reverted.extend(videos);
    Ok(reverted)
}

/// The number of a segment; what has none comes first.
fn number(key: &str) -> Option<u64> {
    key.strip_suffix(']')?.rsplit_once('[')?.1.parse().ok()
}
