//! What every reader of frames returns, and how much that may be.

use ndarray::Array2;

use super::error::FrameError;

/// Values that one clip may have: two hours of COVAREP have 53 million. Files are mapped or unpacked in
/// memory, 8 bytes per value.
pub(in crate::build) const MOST_VALUES: usize = 1 << 26;

/// The frames of one clip.
#[derive(Debug, PartialEq)]
pub struct Frames {
    /// `[n_frames, feat_dim]`.
    pub values: Array2<f64>,
    /// Description of the file.
    pub kind: &'static str,
    /// Type of the numbers in the file.
    pub dtype: &'static str,
    /// Names of the features, `[feat_dim]`, if the file has them.
    pub names: Option<Vec<String>>,
    /// What the file says of the face in each frame, `[n_frames]`.
    pub faces: Option<Vec<Face>>,
    /// When the frames are, if the file has that.
    pub times: Option<FrameTimes>,
    /// Whether the file has a header that only counts the columns.
    pub has_counted_header: bool,
}

/// When the frames of a clip are.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameTimes {
    /// Start and end of each frame in seconds, `[n_frames]`, in order of start.
    pub intervals: Vec<[f64; 2]>,
    /// Where that is from.
    pub origin: &'static str,
}

impl FrameTimes {
    /// Those of frames that follow one another, `rate` in a second.
    pub fn at_rate(n_frames: usize, rate: f64) -> FrameTimes {
        let interval = |frame: usize| [frame as f64 / rate, (frame + 1) as f64 / rate];
        FrameTimes { intervals: (0..n_frames).map(interval).collect(), origin: "frame rate" }
    }

    /// Those of frames that begin at `starts` and last until the next one; the last one lasts as long as
    /// the one before it, and the only one until the end.
    pub(super) fn of_starts(starts: &[f64], origin: &'static str) -> FrameTimes {
        let last = starts.last().copied().unwrap_or(0.0);
        let end = match starts {
            [.., before, last] => last + (last - before),
            _ => f64::INFINITY,
        };
        let ends = starts.iter().copied().skip(1).chain([end.max(last)]);
        let intervals = starts.iter().zip(ends).map(|(start, end)| [*start, end]).collect();
        FrameTimes { intervals, origin }
    }
}

/// What OpenFace says of the face in a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Whether a face was tracked.
    pub is_success: bool,
    /// The tracker's confidence, in [0, 1].
    pub confidence: f64,
}

/// The number of values in an array of these extents.
pub(super) fn n_values(n_rows: u64, n_cols: u64) -> Result<usize, FrameError> {
    let n_values = n_rows.checked_mul(n_cols).and_then(|n| usize::try_from(n).ok());
    match n_values {
        Some(n_values) if n_values <= MOST_VALUES => Ok(n_values),
        _ => Err(FrameError::TooLarge { shape: [n_rows, n_cols], limit: MOST_VALUES }),
    }
}
