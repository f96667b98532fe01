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
    /// Statistics of one sample, `[seq_len, feat_dim]` row by row. `length` is the recorded number
    /// of frames, or `None` where the source records none.
    pub fn of_sample(values: &[f32], feat_dim: usize, length: Option<i32>) -> BlockStats {
        let mut stats = BlockStats::default();
        let mut sum = 0.0_f64;
        for &value in values {
            if value.is_finite() {
                stats.n_finite += 1;
                stats.min = stats.min.min(value);
                stats.max = stats.max.max(value);
                sum += f64::from(value);
            } else if value.is_nan() {
                stats.n_nan += 1;
            } else if value > 0.0 {
                stats.n_pos_inf += 1;
            } else {
                stats.n_neg_inf += 1;
            }
        }
        if stats.n_finite > 0 {
            stats.mean = sum / stats.n_finite as f64;
            let finite = values.iter().filter(|value| value.is_finite());
            stats.m2 = finite.map(|value| (f64::from(*value) - stats.mean).powi(2)).sum();
        }
        stats.n_zero_samples = u64::from(!values.is_empty() && values.iter().all(|v| *v == 0.0));
        let length = length.map(|length| usize::try_from(length).unwrap_or(0));
        for (frame_idx, frame) in values.chunks_exact(feat_dim.max(1)).enumerate() {
            let zero = frame.iter().all(|value| *value == 0.0);
            match length {
                Some(length) if frame_idx >= length => stats.n_beyond_length += u64::from(!zero),
                _ => stats.n_zero_frames += u64::from(zero),
            }
        }
        stats
    }

    /// Adds the statistics of further samples. Merged in the same order, the result is the same to
    /// the last bit.
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
