//! Frames in which OpenFace found no face: which they are, and what becomes of them.

use ndarray::{Array2, Axis};

use super::frames::{FrameError, Frames};
use super::options::{FailedFacesAction, Reading};

/// Number of frames of a file, and of those without a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FaceCount {
    pub(super) n_frames: u64,
    pub(super) n_failed: u64,
}

/// Applies the policy for frames without a face. The count is `None` if the file has no faces.
///
/// # Errors
/// No frame has a face, and the policy needs one.
pub(super) fn settle(
    frames: &mut Frames,
    reading: &Reading,
) -> Result<Option<FaceCount>, FrameError> {
    let Some(faces) = frames.faces.take() else { return Ok(None) };
    let is_good: Vec<bool> = faces
        .iter()
        .map(|face| face.is_success && face.confidence >= reading.min_confidence)
        .collect();
    let n_failed = is_good.iter().filter(|is_good| !**is_good).count();
    let count = FaceCount { n_frames: is_good.len() as u64, n_failed: n_failed as u64 };
    let is_needed =
        matches!(reading.failed_faces, FailedFacesAction::Interpolate | FailedFacesAction::Drop);
    if is_needed && n_failed == is_good.len() {
        return Err(FrameError::NoFace);
    }
    match reading.failed_faces {
        _ if n_failed == 0 => {}
        FailedFacesAction::Keep => {}
        FailedFacesAction::Zero => {
            let rows = frames.values.outer_iter_mut().zip(&is_good);
            rows.filter(|(_, is_good)| !**is_good).for_each(|(mut row, _)| row.fill(0.0));
        }
        FailedFacesAction::Interpolate => interpolate(&mut frames.values, &is_good),
        FailedFacesAction::Drop => {
            let good = is_good.iter().enumerate().filter(|(_, is_good)| **is_good);
            let good: Vec<usize> = good.map(|(idx, _)| idx).collect();
            frames.values = frames.values.select(Axis(0), &good);
            if let Some(times) = &mut frames.times {
                let kept = good.iter().filter_map(|frame| times.intervals.get(*frame).copied());
                times.intervals = kept.collect();
            }
        }
    }
    Ok(Some(count))
}

/// Replaces the rows that are not good by those between the nearest good ones.
fn interpolate(values: &mut Array2<f64>, is_good: &[bool]) {
    let mut before = None;
    let mut at = 0;
    while at < is_good.len() {
        if is_good[at] {
            before = Some(at);
            at += 1;
            continue;
        }
        let after = is_good[at..].iter().position(|good| *good).map(|n| at + n);
        let end = after.unwrap_or(is_good.len());
        for idx in at..end {
            let row = match (before, after) {
                (Some(before), Some(after)) => {
                    let share = (idx - before) as f64 / (after - before) as f64;
                    &values.row(before) * (1.0 - share) + &values.row(after) * share
                }
                (Some(only), None) | (None, Some(only)) => values.row(only).to_owned(),
                (None, None) => continue,
            };
            values.row_mut(idx).assign(&row);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;
    use crate::build::frames::{Face, FrameTimes};
    use crate::build::options::Cut;

    fn settled(action: FailedFacesAction) -> (Array2<f64>, Option<FaceCount>) {
        let face = |is_success, confidence| Face { is_success, confidence };
        let faces = vec![
            face(false, 0.9),
            face(true, 0.9),
            face(true, 0.1),
            face(false, 0.0),
            face(true, 0.5),
            face(false, 0.0),
        ];
        let mut frames = Frames {
            values: arr2(&[[9.0], [1.0], [9.0], [9.0], [4.0], [9.0]]),
            kind: "OpenFace CSV",
            dtype: "decimals",
            names: None,
            faces: Some(faces),
            times: Some(FrameTimes::at_rate(6, 1.0)),
            has_counted_header: false,
        };
        let reading = Reading {
            pool: 1,
            cut: Cut::End,
            failed_faces: action,
            min_confidence: 0.5,
            frame_rate: None,
            by_word: None,
        };
        let count = settle(&mut frames, &reading).unwrap();
        assert_eq!(frames.times.unwrap().intervals.len(), frames.values.nrows());
        (frames.values, count)
    }

    #[test]
    fn frames_without_a_face_follow_the_policy() {
        let column = |values: &[f64]| Array2::from_shape_vec((values.len(), 1), values.to_vec());
        for (action, expected) in [
            (FailedFacesAction::Keep, vec![9.0, 1.0, 9.0, 9.0, 4.0, 9.0]),
            (FailedFacesAction::Zero, vec![0.0, 1.0, 0.0, 0.0, 4.0, 0.0]),
            (FailedFacesAction::Interpolate, vec![1.0, 1.0, 2.0, 3.0, 4.0, 4.0]),
            (FailedFacesAction::Drop, vec![1.0, 4.0]),
        ] {
            let (values, count) = settled(action);
            assert_eq!(values, column(&expected).unwrap(), "{action}");
            assert_eq!(count, Some(FaceCount { n_frames: 6, n_failed: 4 }), "{action}");
        }
    }
}
