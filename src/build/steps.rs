//! The steps of a clip: its frames, the mean of several of them, or one step per word.

use std::collections::BTreeSet;

use ndarray::{Array2, Axis};

use super::frames::{FrameError, FrameTimes, Frames};
use super::options::{ByWord, Reading};
use super::timings::TimedWord;
use crate::intervals::{Sweep, pool};

/// When the frames of a clip are: at the rate that was given, or as the file has it.
///
/// # Errors
/// That is unknown.
pub(super) fn times(frames: &Frames, reading: &Reading) -> Result<FrameTimes, FrameError> {
    let at_rate = |rate| FrameTimes::at_rate(frames.values.nrows(), rate);
    let times = reading.frame_rate.map(at_rate).or_else(|| frames.times.clone());
    times.ok_or(FrameError::NoTimes)
}

/// Indices of the words at whose time there is no frame, or whose time is not known. Frames have `times`,
/// in order of start.
pub(super) fn without_frames(times: &[[f64; 2]], words: &[TimedWord]) -> BTreeSet<usize> {
    let mut sweep = Sweep::new(times);
    let mut has_none = |word: &TimedWord| {
        word.interval.is_none_or(|interval| sweep.meeting(interval).0.is_empty())
    };
    let all = words.iter().enumerate();
    all.filter(|(_, word)| has_none(word)).map(|(idx, _)| idx).collect()
}

/// One step per word, from the frames of `[n_frames, feat_dim]`, which have `times`: `[n_words, feat_dim]`.
/// Words without a frame are zeros.
pub(super) fn by_word(
    frames: &Array2<f64>,
    times: &[[f64; 2]],
    words: &[Option<[f64; 2]>],
    by: ByWord,
) -> Array2<f64> {
    let mut steps = Array2::zeros((words.len(), frames.ncols()));
    let known = words.iter().enumerate().filter_map(|(idx, word)| Some((idx, (*word)?)));
    let (places, intervals): (Vec<usize>, Vec<[f64; 2]>) = known.unzip();
    let pooled = pool(frames.view(), times, &intervals, by.pooling, by.values);
    for (place, values) in places.into_iter().zip(pooled) {
        if let Some(values) = values {
            steps.row_mut(place).assign(&values);
        }
    }
    steps
}

/// Number of steps, each of which is of `n_pooled` frames.
pub(super) fn n_steps(n_frames: usize, n_pooled: usize) -> usize {
    n_frames.div_ceil(n_pooled.max(1))
}

/// The mean of every `n_pooled` consecutive frames, and of those that are left at the end.
pub(super) fn means(frames: Array2<f64>, n_pooled: usize) -> Array2<f64> {
    if n_pooled <= 1 {
        return frames;
    }
    let mut means = Array2::zeros((n_steps(frames.nrows(), n_pooled), frames.ncols()));
    let groups = frames.axis_chunks_iter(Axis(0), n_pooled);
    for (group, mut mean) in groups.zip(means.outer_iter_mut()) {
        if let Some(found) = group.mean_axis(Axis(0)) {
            mean.assign(&found);
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;
    use crate::intervals::{Pooling, Values};

    #[test]
    fn the_last_group_of_frames_is_averaged_too() {
        let frames = arr2(&[[1.0, 0.0], [3.0, 2.0], [5.0, 7.0]]);
        assert_eq!(means(frames.clone(), 2), arr2(&[[2.0, 1.0], [5.0, 7.0]]));
        assert_eq!(means(frames.clone(), 1), frames);
        assert_eq!(means(frames, 9), arr2(&[[3.0, 3.0]]));
        assert_eq!((n_steps(6, 5), n_steps(5, 5), n_steps(0, 5)), (2, 1, 0));
    }

    #[test]
    fn a_word_has_the_frames_of_its_time() {
        let frames = arr2(&[[1.0], [3.0], [5.0], [f64::NAN]]);
        let times = FrameTimes::at_rate(4, 2.0).intervals;
        let by = ByWord { pooling: Pooling::Overlap, values: Values::Finite };
        // Half of the second frame, the third one, nothing, no time at all.
        let words = [Some([0.75, 1.5]), Some([9.0, 9.5]), None, Some([0.0, 0.5])];
        let steps = by_word(&frames, &times, &words, by);
        let expected = (3.0 * 0.25 + 5.0 * 0.5) / 0.75;
        assert!((steps[[0, 0]] - expected).abs() < 1e-12, "{steps}");
        assert_eq!(steps.column(0).to_vec()[1..], [0.0, 0.0, 1.0]);
        let word =
            |interval: &Option<[f64; 2]>| TimedWord { word: "x".into(), interval: *interval };
        let words: Vec<TimedWord> = words.iter().map(word).collect();
        assert_eq!(without_frames(&times, &words), BTreeSet::from([1, 2]));
    }
}
