//! Rows of a video from all its entries, sorted by start.

use std::collections::HashMap;

use super::error::AlignError;
use super::sequence::Sequence;
use crate::csd::{Entry, Features, video_of};

/// Keys of each video, in stored order.
pub(super) fn entries_of(sequence: &Sequence) -> HashMap<&str, Vec<&str>> {
    let mut entries: HashMap<&str, Vec<&str>> = HashMap::new();
    for key in sequence.keys() {
        entries.entry(video_of(key)).or_default().push(key);
    }
    entries
}

/// The rows of the given entries of one video, joined in this order and then sorted by start; rows of
/// equal start keep their order.
pub(super) fn collect(
    sequence: &Sequence,
    video: &str,
    keys: &[&str],
) -> Result<Entry, AlignError> {
    let entries = keys.iter().map(|key| sequence.read(key)).collect::<Result<Vec<_>, _>>()?;
    let intervals: Vec<[f64; 2]> =
        entries.iter().flat_map(|entry| entry.intervals.iter().copied()).collect();
    check_times(sequence.name(), video, &intervals)?;
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    order.sort_by(|one, next| intervals[*one][0].total_cmp(&intervals[*next][0]));
    let parts: Vec<&Features> = entries.iter().map(|entry| &entry.features).collect();
    let features = Features::join(&parts).map_err(|cause| AlignError::Mixed {
        sequence: sequence.name().into(),
        video: video.into(),
        cause,
    })?;
    Ok(Entry {
        intervals: order.iter().map(|row| intervals[*row]).collect(),
        features: features.select(&order),
    })
}

/// Refuses times that cannot be compared.
pub(super) fn check_times(
    sequence: &str,
    video: &str,
    intervals: &[[f64; 2]],
) -> Result<(), AlignError> {
    let is_finite = |[start, end]: &[f64; 2]| start.is_finite() && end.is_finite();
    match intervals.iter().position(|interval| !is_finite(interval)) {
        None => Ok(()),
        Some(row) => {
            let [start, end] = intervals[row];
            let (sequence, video) = (sequence.to_owned(), video.to_owned());
            Err(AlignError::Time { sequence, video, row, start, end })
        }
    }
}
