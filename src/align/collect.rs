//! Rows of a video from all its entries, sorted by start.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::error::AlignError;
use super::sequence::CsdSequence;
use crate::csd::{CsdEntry, Features, video_of};

/// Keys of each video, in stored order.
pub(super) fn entries_of(sequence: &CsdSequence) -> HashMap<&str, Vec<&str>> {
    let mut entries: HashMap<&str, Vec<&str>> = HashMap::new();
    for key in sequence.keys() {
        entries.entry(video_of(key)).or_default().push(key);
    }
    entries
}

/// The rows of the given entries of one video, joined in this order and then sorted by start; rows of
/// equal start keep their order.
pub(super) fn collect(
    sequence: &CsdSequence,
    video: &str,
    keys: &[&str],
) -> Result<CsdEntry, AlignError> {
    let entry = joined(sequence, video, keys)?;
    check_times(sequence.name(), video, &entry.intervals)?;
    if entry.intervals.is_sorted_by(|one, next| one[0] <= next[0]) {
        return Ok(entry);
    }
    let CsdEntry { intervals, features } = entry;
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    let start = |row: usize| intervals[row][0];
    order.sort_by(|one, next| start(*one).partial_cmp(&start(*next)).unwrap_or(Ordering::Equal));
    Ok(CsdEntry {
        intervals: order.iter().map(|row| intervals[*row]).collect(),
        features: features.select(&order),
    })
}

/// The rows of the given entries of one video, in this order.
pub(super) fn joined(
    sequence: &CsdSequence,
    video: &str,
    keys: &[&str],
) -> Result<CsdEntry, AlignError> {
    if let [key] = keys {
        // A long entry of a file is in memory once.
        return Ok(Arc::unwrap_or_clone(sequence.read(key)?));
    }
    let entries = keys.iter().map(|key| sequence.read(key)).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&Features> = entries.iter().map(|entry| &entry.features).collect();
    let features = Features::join(&parts).map_err(|cause| AlignError::Mixed {
        sequence: sequence.name().into(),
        video: video.into(),
        cause,
    })?;
    let intervals = entries.iter().flat_map(|entry| entry.intervals.iter().copied());
    Ok(CsdEntry { intervals: intervals.collect(), features })
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
