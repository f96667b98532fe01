//! The samples of a modality, read from the files of their clips.

use std::sync::Arc;

use ndarray::{Array2, Axis, s};

use super::faces;
use super::frames;
use super::locate::ClipFile;
use super::options::{Cut, Reading};
use crate::advice::Advise;
use crate::chain::chain;
use crate::corpus::{RowError, Rows, absent};
use crate::overflow::Overflows;

/// A clip, and what its file had when it was surveyed.
#[derive(Debug, Clone)]
pub(super) struct ClipRow {
    pub(super) file: ClipFile,
    pub(super) n_frames: usize,
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
        let path = clip.file.path.display();
        let failed = |problem: String| Reread(format!("{path}: {problem}"));
        let read = frames::read(&clip.file.path, clip.file.kind);
        let mut frames = read.map_err(|error| failed(chain(&error)))?;
        faces::settle(&mut frames, &self.reading).map_err(|error| failed(chain(&error)))?;
        if frames.values.dim() != (clip.n_frames, self.feat_dim) {
            return Err(failed("the file was changed meanwhile".into()).into());
        }
        let frames = pooled(frames.values, self.reading.pool);
        let seq_len = out.len().checked_div(self.feat_dim).unwrap_or(0);
        let n_kept = frames.nrows().min(seq_len);
        let frames = match self.reading.cut {
            Cut::End => frames.slice(s![..n_kept, ..]),
            Cut::Start => frames.slice(s![frames.nrows() - n_kept.., ..]),
        };
        Ok(narrow(frames.iter().copied(), out))
    }
}

/// Frames after pooling.
pub(super) fn n_pooled(n_frames: usize, pool: usize) -> usize {
    n_frames.div_ceil(pool.max(1))
}

/// The mean of every `pool` consecutive frames, and of those that are left at the end.
fn pooled(frames: Array2<f64>, pool: usize) -> Array2<f64> {
    if pool <= 1 {
        return frames;
    }
    let mut means = Array2::zeros((n_pooled(frames.nrows(), pool), frames.ncols()));
    for (group, mut mean) in frames.axis_chunks_iter(Axis(0), pool).zip(means.outer_iter_mut()) {
        if let Some(found) = group.mean_axis(Axis(0)) {
            mean.assign(&found);
        }
    }
    means
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
    use ndarray::arr2;

    use super::*;

    #[test]
    fn the_last_group_of_frames_is_averaged_too() {
        let frames = arr2(&[[1.0, 0.0], [3.0, 2.0], [5.0, 7.0]]);
        assert_eq!(pooled(frames.clone(), 2), arr2(&[[2.0, 1.0], [5.0, 7.0]]));
        assert_eq!(pooled(frames.clone(), 1), frames);
        assert_eq!(pooled(frames, 9), arr2(&[[3.0, 3.0]]));
        assert_eq!((n_pooled(6, 5), n_pooled(5, 5), n_pooled(0, 5)), (2, 1, 0));
    }

    #[test]
    fn what_float32_cannot_hold_is_told() {
        let mut out = [9.0; 4];
        let overflows = narrow([1.0, -1e39, f64::INFINITY].into_iter(), &mut out);
        assert_eq!(out, [1.0, f32::NEG_INFINITY, f32::INFINITY, 0.0]);
        assert_eq!((overflows.len(), overflows.get(1)), (1, Some(-1e39)));
    }
}
