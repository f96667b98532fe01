//! One-pass statistics of a feature block.

use serde::{Deserialize, Serialize};

/// Counts and moments of one feature block `[n_samples, seq_len, feat_dim]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockStats {
    /// Number of finite values.
    pub n_finite: u64,
    /// Smallest finite value.
    pub min: f32,
    /// Largest finite value.
    pub max: f32,
    /// Mean of the finite values.
    pub mean: f64,
    /// Sum of squared deviations of the finite values from their mean.
    m2: f64,
    /// Values that are not a number.
    pub n_nan: u64,
    /// Values of positive infinity.
    pub n_pos_inf: u64,
    /// Values of negative infinity.
    pub n_neg_inf: u64,
    /// Samples in which every value is zero.
    pub n_zero_samples: u64,
    /// Frames within the recorded length in which every value is zero.
    pub n_zero_frames: u64,
    /// Frames at or beyond the recorded length that are not all zero.
    pub n_beyond_length: u64,
}

impl Default for BlockStats {
    fn default() -> Self {
        BlockStats {
            n_finite: 0,
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
            mean: 0.0,
            m2: 0.0,
            n_nan: 0,
            n_pos_inf: 0,
            n_neg_inf: 0,
            n_zero_samples: 0,
            n_zero_frames: 0,
            n_beyond_length: 0,
        }
    }
}

impl BlockStats {
    /// Statistics of one sample, `[seq_len, feat_dim]` in row-major order. `length` is the recorded
    /// number of frames, if any.
    pub fn of_sample(values: &[f32], feat_dim: usize, length: Option<i32>) -> BlockStats {
        let mut stats = match moments_of_finite(values) {
            Some(stats) => stats,
            None => moments(values),
        };
        let length = length.map(|length| usize::try_from(length).unwrap_or(0));
        let mut any = false;
        for (frame_idx, frame) in values.chunks(feat_dim.max(1)).enumerate() {
            let zero = is_zero(frame);
            any |= !zero;
            match length {
                Some(length) if frame_idx >= length => stats.n_beyond_length += u64::from(!zero),
                _ => stats.n_zero_frames += u64::from(zero),
            }
        }
        stats.n_zero_samples = u64::from(!values.is_empty() && !any);
        stats
    }

    /// Adds the statistics of further samples. Merging in the same order gives bit-identical results.
    pub fn merge(&mut self, other: &BlockStats) {
        if other.n_finite > 0 {
            let (n_self, n_other) = (self.n_finite as f64, other.n_finite as f64);
            let n = n_self + n_other;
            let delta = other.mean - self.mean;
            self.mean += delta * n_other / n;
            self.m2 += other.m2 + delta * delta * n_self * n_other / n;
        }
        self.n_finite += other.n_finite;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.n_nan += other.n_nan;
        self.n_pos_inf += other.n_pos_inf;
        self.n_neg_inf += other.n_neg_inf;
        self.n_zero_samples += other.n_zero_samples;
        self.n_zero_frames += other.n_zero_frames;
        self.n_beyond_length += other.n_beyond_length;
    }

    /// Population standard deviation of the finite values.
    pub fn std(&self) -> f64 {
        if self.n_finite == 0 { 0.0 } else { (self.m2 / self.n_finite as f64).sqrt() }
    }

    /// Number of values that are NaN or infinite.
    pub fn n_nonfinite(&self) -> u64 {
        self.n_nan + self.n_pos_inf + self.n_neg_inf
    }
}

/// Number of values that [`moments_of_finite`] processes per step: enough for the compiler to
/// vectorise. Sums use this order on every machine.
const LANES: usize = 16;

/// Extremes and moments of finite values; `None` if one is not finite.
fn moments_of_finite(values: &[f32]) -> Option<BlockStats> {
    let Some(first) = values.first() else { return Some(BlockStats::default()) };
    // Deviations from the first value: a mean that is large relative to the deviation then costs no
    // digits.
    let shift = f64::from(*first);
    let (mut min, mut max) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (mut sum, mut squares) = ([0.0_f64; LANES], [0.0_f64; LANES]);
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut tail = [*first; LANES];
    tail[..rest.len()].copy_from_slice(rest);
    // The tail is padded with the first value, which changes no extreme and adds zero.
    for chunk in chunks.iter().chain([&tail]) {
        for lane in 0..LANES {
            let value = chunk[lane];
            min[lane] = if value < min[lane] { value } else { min[lane] };
            max[lane] = if value > max[lane] { value } else { max[lane] };
            let deviation = f64::from(value) - shift;
            sum[lane] += deviation;
            squares[lane] += deviation * deviation;
        }
    }
    let n = values.len() as f64;
    let (sum, squares): (f64, f64) = (sum.iter().sum(), squares.iter().sum());
    // Sums of finite float32 values, and of their squares, are finite in float64; other sums are not.
    if !squares.is_finite() {
        return None;
    }
    Some(BlockStats {
        n_finite: values.len() as u64,
        min: min.into_iter().fold(f32::INFINITY, f32::min),
        max: max.into_iter().fold(f32::NEG_INFINITY, f32::max),
        mean: shift + sum / n,
        m2: (squares - sum * sum / n).max(0.0),
        ..BlockStats::default()
    })
}

/// Like [`moments_of_finite`], for values of which some are not finite; those are counted.
fn moments(values: &[f32]) -> BlockStats {
    let finite: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let mut stats = moments_of_finite(&finite).unwrap_or_default();
    let count = |wanted: fn(f32) -> bool| values.iter().filter(|value| wanted(**value)).count();
    stats.n_nan = count(f32::is_nan) as u64;
    stats.n_pos_inf = count(|value| value == f32::INFINITY) as u64;
    stats.n_neg_inf = count(|value| value == f32::NEG_INFINITY) as u64;
    stats
}

fn is_zero(frame: &[f32]) -> bool {
    // All bits except the sign, of all values at once: branch-free.
    frame.iter().fold(0, |bits, value| bits | value.to_bits() << 1) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_moments_are_those_of_the_whole() {
        let values: Vec<f32> = (0..60).map(|i| (i * i % 17) as f32 - 4.0).collect();
        let mut merged = BlockStats::default();
        for sample in values.chunks(20) {
            merged.merge(&BlockStats::of_sample(sample, 5, None));
        }
        let whole = BlockStats::of_sample(&values, 5, None);
        assert_eq!((merged.min, merged.max, merged.n_finite), (whole.min, whole.max, 60));
        assert!((merged.mean - whole.mean).abs() < 1e-12);
        assert!((merged.std() - whole.std()).abs() < 1e-12);
    }

    #[test]
    fn frames_are_counted_on_their_side_of_the_length() {
        let values = [1.0, 2.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0];
        let stats = BlockStats::of_sample(&values, 2, Some(2));
        assert_eq!((stats.n_zero_frames, stats.n_beyond_length), (1, 1));
        assert_eq!(BlockStats::of_sample(&values, 2, None).n_zero_frames, 2);
    }

    #[test]
    fn values_that_are_not_finite_stay_out_of_the_moments() {
        let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2.0];
        let stats = BlockStats::of_sample(&values, 1, None);
        assert_eq!((stats.n_nan, stats.n_pos_inf, stats.n_neg_inf), (1, 1, 1));
        assert_eq!((stats.mean, stats.min, stats.max), (2.0, 2.0, 2.0));
    }
}
