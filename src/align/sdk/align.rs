//! A segment per row of the reference.

use std::collections::HashMap;

use rayon::prelude::*;

use super::super::collect::{check_times, collect, entries_of};
use super::super::error::AlignError;
use super::super::sequence::{CsdSequence, SequenceSet};
use super::collapse::{Collapse, collapse};
use super::unify::unify;
use crate::csd::{CsdEntry, video_of};
use crate::intervals::{EPSILON, Sweep};

/// Aligns all sequences to one: row `i` of video `VIDEO` of the reference becomes the segment `VIDEO[i]`,
/// with the rows of each sequence that meet it.
///
/// - A row of the reference of less than [`EPSILON`] makes no segment, and uses up its number.
/// - A row over a border of two segments is in both.
/// - The reference contributes its own row. It is not sorted: `i` counts its rows as stored.
/// - A sequence with nothing in a segment has no such key.
///
/// Without functions, rows stay as they are, clipped to the segment; with them, they become one. Videos
/// are aligned in parallel.
///
/// # Errors
/// There is no such reference, or it was aligned before; entries cannot be read or joined; a time is not
/// finite; several rows of text are to become one.
pub fn align(
    dataset: SequenceSet,
    reference: &str,
    functions: &[Collapse],
) -> Result<SequenceSet, AlignError> {
    dataset.get(reference)?;
    let dataset = unify(dataset);
    let keys = dataset.get(reference)?.keys();
    if let Some(key) = keys.iter().find(|key| video_of(key) != key.as_str()) {
        let (sequence, key) = (reference.to_owned(), key.clone());
        return Err(AlignError::Bracketed { sequence, key });
    }
    let entries: Vec<HashMap<&str, Vec<&str>>> = dataset.sequences.iter().map(entries_of).collect();
    let aligned: Vec<Result<Vec<Segments>, AlignError>> = keys
        .par_iter()
        .map(|video| {
            let video = Video { name: video, dataset: &dataset, reference, functions };
            video.align(&entries)
        })
        .collect();
    let mut sequences: Vec<CsdSequence> =
        dataset.sequences.iter().map(|sequence| CsdSequence::new(sequence.name())).collect();
    for video in aligned {
        for (sequence, segments) in sequences.iter_mut().zip(video?) {
            sequence.extend(segments);
        }
    }
    Ok(SequenceSet { sequences })
}

/// Segments of a video in one sequence, in order.
type Segments = Vec<(String, CsdEntry)>;

/// A video to align.
struct Video<'a> {
    name: &'a str,
    dataset: &'a SequenceSet,
    reference: &'a str,
    functions: &'a [Collapse],
}

impl Video<'_> {
    fn align(&self, entries: &[HashMap<&str, Vec<&str>>]) -> Result<Vec<Segments>, AlignError> {
        let reference = self.dataset.get(self.reference)?.read(self.name)?;
        check_times(self.reference, self.name, &reference.intervals)?;
        let sequences = self.dataset.sequences.iter().zip(entries);
        sequences
            .map(|(sequence, entries)| match sequence.name() == self.reference {
                true => self.of_reference(&reference),
                false => {
                    let keys = entries.get(self.name).map(Vec::as_slice).unwrap_or_default();
                    let rows = collect(sequence, self.name, keys)?;
                    self.of_other(sequence.name(), &reference, &rows)
                }
            })
            .collect()
    }

    fn of_reference(&self, reference: &CsdEntry) -> Result<Segments, AlignError> {
        long_rows(reference)
            .map(|(row, interval)| {
                self.segment(self.reference, row, &[interval], reference.features.select(&[row]))
            })
            .collect()
    }

    fn of_other(
        &self,
        sequence: &str,
        reference: &CsdEntry,
        rows: &CsdEntry,
    ) -> Result<Segments, AlignError> {
        let mut sweep = Sweep::new(&rows.intervals);
        let segments = long_rows(reference).filter_map(|(row, interval)| {
            let (meeting, clipped) = sweep.meeting(interval);
            let has_rows = !meeting.is_empty();
            has_rows.then(|| self.segment(sequence, row, &clipped, rows.features.select(&meeting)))
        });
        segments.collect()
    }

    fn segment(
        &self,
        sequence: &str,
        row: usize,
        intervals: &[[f64; 2]],
        features: crate::csd::Features,
    ) -> Result<(String, CsdEntry), AlignError> {
        let key = format!("{}[{row}]", self.name);
        if self.functions.is_empty() {
            return Ok((key, CsdEntry { intervals: intervals.to_vec(), features }));
        }
        let (intervals, features) = collapse(intervals, &features, self.functions);
        match features.n_rows() {
            1 => Ok((key, CsdEntry { intervals, features })),
            n_rows => Err(AlignError::Dimension { sequence: sequence.into(), key, n_rows }),
        }
    }
}

/// Rows of the reference that make a segment, with their numbers.
fn long_rows(reference: &CsdEntry) -> impl Iterator<Item = (usize, [f64; 2])> {
    let rows = reference.intervals.iter().copied().enumerate();
    rows.filter(|(_, [start, end])| (start - end).abs() >= EPSILON)
}
