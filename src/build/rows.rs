//! The samples of a modality, read from the files of their clips.

use std::sync::Arc;

use ndarray::s;

use super::clip_frames::ClipFrames;
use super::faces;
use super::file::reason;
use super::options::{Cut, Reading};
use super::steps;
use crate::advice::Advise;
use crate::corpus::{RowError, Rows, absent};
use crate::overflow::Overflows;

/// A clip, and what its file had when it was surveyed.
#[derive(Debug, Clone)]
pub(super) struct ClipRow {
    pub(super) file: ClipFrames,
    pub(super) n_frames: usize,
    /// Start and end of each word that is a step, if steps are words.
    pub(super) words: Option<Arc<[Option<[f64; 2]>]>>,
}

/// The samples of one modality in one split.
pub(super) struct ClipRows {
    pub(super) clips: Arc<[ClipRow]>,
    pub(super) reading: Reading,
    pub(super) feat_dim: usize,
}

/// Why the frames of a clip were not read again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reread(String);

impl Advise for Reread {}

impl Rows for ClipRows {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        let clip = self.clips.get(sample_idx).ok_or_else(|| absent(sample_idx))?;
        let path = clip.file.path();
        let failed = |problem: String| Reread(format!("{}: {problem}", path.display()));
        let read = clip.file.read();
        let mut frames = read.map_err(|error| failed(reason(&error, path)))?;
        let settled = faces::settle(&mut frames, &self.reading);
        settled.map_err(|error| failed(reason(&error, path)))?;
        if frames.values.dim() != (clip.n_frames, self.feat_dim) {
            return Err(failed("the file was changed meanwhile".into()).into());
        }
        let frames = match (&clip.words, self.reading.by_word) {
            (Some(words), Some(by)) => {
                let times = steps::times(&frames, &self.reading);
                let times = times.map_err(|error| failed(reason(&error, path)))?.intervals;
                steps::by_word(&frames.values, &times, words, by)
            }
            _ => steps::means(frames.values, self.reading.pool),
        };
        let seq_len = out.len().checked_div(self.feat_dim).unwrap_or(0);
        let n_kept = frames.nrows().min(seq_len);
        let frames = match self.reading.cut {
            Cut::End => frames.slice(s![..n_kept, ..]),
            Cut::Start => frames.slice(s![frames.nrows() - n_kept.., ..]),
        };
        Ok(narrow(frames.iter().copied(), out))
    }
}

/// Copies values as float32, and zeros after them.
fn narrow(values: impl Iterator<Item = f64>, out: &mut [f32]) -> Overflows {
    let mut overflows = Overflows::default();
    out.fill(0.0);
    for (idx, (value, out)) in values.zip(out).enumerate() {
        *out = value as f32;
        if out.is_infinite() && value.is_finite() {
            overflows.push(idx, value);
        }
    }
    overflows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_float32_cannot_hold_is_told() {
        let mut out = [9.0; 4];
        let overflows = narrow([1.0, -1e39, f64::INFINITY].into_iter(), &mut out);
        assert_eq!(out, [1.0, f32::NEG_INFINITY, f32::INFINITY, 0.0]);
        assert_eq!((overflows.len(), overflows.get(1)), (1, Some(-1e39)));
    }
}
