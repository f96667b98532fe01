//! Rows of a computational sequence: all of an entry, or those of one clip of a video.

use std::cmp::Ordering;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::error::FrameError;
use super::form::{FrameTimes, Frames};
use crate::csd::{CsdEntry, FeatureType, SequenceFile};

/// Rows of an entry.
#[derive(Debug, Clone)]
pub struct EntryRows {
    /// The open file.
    pub file: Arc<SequenceFile>,
    /// The entry.
    pub entry: String,
    /// The part of the entry's time that is meant; `None` for all of it.
    pub part: Option<EntryPart>,
}

/// A part of an entry's time.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryPart {
    /// Rows outside of which none belongs to it.
    pub rows: Range<usize>,
    /// Start and end in seconds. Rows belong to it whose middle lies between them.
    pub interval: [f64; 2],
}

impl EntryPart {
    /// The part between two times of an entry with these intervals.
    pub fn of(intervals: &[[f64; 2]], interval: [f64; 2]) -> EntryPart {
        let is_within = |times: &[f64; 2]| is_within(times, interval);
        let first = intervals.iter().position(is_within).unwrap_or(0);
        let end = intervals.iter().rposition(is_within).map_or(first, |last| last + 1);
        EntryPart { rows: first..end, interval }
    }
}

/// Whether the middle of a row lies in an interval.
fn is_within([start, end]: &[f64; 2], [from, to]: [f64; 2]) -> bool {
    let middle = start + (end - start) / 2.0;
    (from..to).contains(&middle)
}

impl EntryRows {
    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The rows in order of start, with times from the start of the part.
    ///
    /// # Errors
    /// The rows cannot be read, or a time is not finite or ends before it starts.
    pub fn read(&self) -> Result<CsdEntry, FrameError> {
        let (read, first) = match &self.part {
            None => (self.file.entry(&self.entry)?, 0),
            Some(part) if part.rows.is_empty() => return Err(FrameError::NoFrames),
            Some(part) => (self.file.rows(&self.entry, part.rows.clone())?, part.rows.start),
        };
        let CsdEntry { mut intervals, features } = read;
        let is_time =
            |[start, end]: &[f64; 2]| start.is_finite() && end.is_finite() && start <= end;
        if let Some(row) = intervals.iter().position(|times| !is_time(times)) {
            let ([start, end], entry) = (intervals[row], self.entry.clone());
            return Err(FrameError::RowTime { entry, row: first + row, start, end });
        }
        let mut kept: Vec<usize> = (0..intervals.len()).collect();
        let mut shift = 0.0;
        if let Some(EntryPart { interval, .. }) = &self.part {
            kept.retain(|row| is_within(&intervals[*row], *interval));
            shift = interval[0];
        }
        let start = |row: usize| intervals[row][0];
        kept.sort_by(|one, next| start(*one).partial_cmp(&start(*next)).unwrap_or(Ordering::Equal));
        let is_all = kept.iter().copied().eq(0..intervals.len());
        let features = if is_all { features } else { features.select(&kept) };
        intervals = kept.iter().map(|row| intervals[*row].map(|time| time - shift)).collect();
        Ok(CsdEntry { intervals, features })
    }

    /// The rows as frames.
    ///
    /// # Errors
    /// Same as [`EntryRows::read`]; also if they are text, or there is none.
    pub fn frames(&self) -> Result<Frames, FrameError> {
        let CsdEntry { intervals, features } = self.read()?;
        let dtype = match features.dtype() {
            FeatureType::Float32 => "float32",
            _ => "float64",
        };
        let expected = "numbers";
        let values = features.into_float64();
        let values = values.ok_or(FrameError::Form { expected, found: "text".into() })?;
        let names = self.file.metadata().dimension_names();
        let names = names.filter(|names| names.len() == values.ncols());
        super::checked(Frames {
            values,
            kind: "computational sequence",
            dtype,
            names: names.map(|names| names.into_iter().map(str::to_owned).collect()),
            faces: None,
            times: Some(FrameTimes { intervals, origin: "intervals of the sequence" }),
            has_counted_header: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_belongs_where_its_middle_lies() {
        let intervals = [[0.0, 1.0], [1.0, 2.0], [2.0, 4.0], [4.0, 5.0]];
        let rows = |interval| EntryPart::of(&intervals, interval).rows;
        assert_eq!(rows([0.0, 1.5]), 0..1);
        assert_eq!(rows([1.5, 3.0]), 1..2);
        assert_eq!(rows([1.4, 3.1]), 1..3);
        assert_eq!(rows([9.0, 10.0]), 0..0);
        // Rows that are not in order lie between the first and the last.
        let mixed = [[4.0, 5.0], [0.0, 1.0], [1.0, 2.0], [3.0, 4.0]];
        assert_eq!(EntryPart::of(&mixed, [0.0, 1.9]).rows, 1..3);
    }
}
