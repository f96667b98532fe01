//! Summary of a feature block: moments, zeros, and sample lengths.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::check::BlockReading;
use super::known::KnownFeatures;
use super::{Modality, SplitName};

/// What `stats --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// Name of the dataset.
    pub dataset: String,
    /// Digest of the store's content.
    pub digest: String,
    /// What is known of the features of each modality; one entry per likely set of one without names.
    pub features: Vec<KnownFeatures>,
    /// One entry per split and modality.
    pub blocks: Vec<BlockSummary>,
}

impl Summary {
    /// The JSON Schema of a summary.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Summary)
    }
}

/// A feature block `[n_samples, seq_len, feat_dim]` in numbers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BlockSummary {
    /// Which split.
    pub split: SplitName,
    /// Which modality.
    pub modality: Modality,
    /// `[n_samples, seq_len, feat_dim]`.
    pub shape: [usize; 3],
    /// Mean of the finite values, padding included.
    pub mean: f64,
    /// Population standard deviation of the finite values, padding included.
    pub std: f64,
    /// Smallest finite value; absent where there is none.
    pub min: Option<f32>,
    /// Largest finite value; absent where there is none.
    pub max: Option<f32>,
    /// Values that are NaN or infinite.
    pub n_nonfinite: u64,
    /// Share of values that are zero, in [0, 1], padding included.
    pub zero_share: f64,
    /// Samples that are all zero.
    pub n_zero_samples: u64,
    /// How long the samples are.
    pub lengths: LengthSummary,
}

/// Where the lengths of a block come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LengthSource {
    /// The store has them.
    Recorded,
    /// The mask of the tokens.
    Mask,
    /// Frames that are not all zero, as nothing else is known.
    Frames,
}

impl LengthSource {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            LengthSource::Recorded => "as recorded",
            LengthSource::Mask => "from the token mask",
            LengthSource::Frames => "frames that are not all zero",
        }
    }
}

/// The distribution of lengths, in frames.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LengthSummary {
    /// Where they come from.
    pub source: LengthSource,
    /// The shortest, the quantiles 5%, 25%, 50%, 75% and 95%, and the longest: the nearest sample's
    /// value each. Empty without samples.
    pub quantiles: Vec<u32>,
    /// Lengths that one class of the histogram takes in.
    pub class_width: u64,
    /// Samples by length, class by class from length 0 on, until `seq_len` is in one.
    pub histogram: Vec<u32>,
}

/// The probabilities of [`LengthSummary::quantiles`].
pub const QUANTILES: [f64; 7] = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0];

/// Maximum number of classes in a histogram of lengths. All have equal width; otherwise the histogram
/// would look jagged.
const MOST_CLASSES: usize = 40;

impl LengthSummary {
    /// Summarises the lengths of samples of at most `seq_len` frames.
    pub fn new(source: LengthSource, lengths: &[u32], seq_len: usize) -> LengthSummary {
        let mut sorted = lengths.to_vec();
        sorted.sort_unstable();
        let quantile = |share: &f64| {
            let last = sorted.len().saturating_sub(1);
            sorted.get((share * last as f64).round() as usize).copied()
        };
        let n_lengths = seq_len.saturating_add(1);
        let class_width = n_lengths.div_ceil(MOST_CLASSES);
        let mut histogram = vec![0; n_lengths.div_ceil(class_width)];
        for length in lengths {
            let class = (*length as usize / class_width).min(histogram.len() - 1);
            histogram[class] += 1;
        }
        let quantiles = QUANTILES.iter().filter_map(quantile).collect();
        LengthSummary { source, quantiles, class_width: class_width as u64, histogram }
    }
}

impl BlockSummary {
    /// Summarises a block that was read completely. `lengths` are the store's, in one form or another.
    pub fn new(
        split: SplitName,
        modality: Modality,
        shape: [usize; 3],
        BlockReading { stats, detail }: &BlockReading,
        lengths: Option<(LengthSource, Vec<u32>)>,
    ) -> BlockSummary {
        let n_values = stats.n_finite + stats.n_nonfinite();
        let any = stats.n_finite > 0;
        let (source, lengths) =
            lengths.unwrap_or_else(|| (LengthSource::Frames, detail.row_frames.clone()));
        BlockSummary {
            split,
            modality,
            shape,
            mean: stats.mean,
            std: stats.std(),
            min: any.then_some(stats.min),
            max: any.then_some(stats.max),
            n_nonfinite: stats.n_nonfinite(),
            zero_share: detail.n_zero as f64 / (n_values as f64).max(1.0),
            n_zero_samples: stats.n_zero_samples,
            lengths: LengthSummary::new(source, &lengths, shape[1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_in_one_class_and_quantiles_are_lengths_of_samples() {
        let lengths: Vec<u32> = (0..=100).collect();
        let summary = LengthSummary::new(LengthSource::Mask, &lengths, 100);
        assert_eq!(summary.quantiles, [0, 5, 25, 50, 75, 95, 100]);
        assert_eq!((summary.histogram.len(), summary.histogram.iter().sum::<u32>()), (34, 101));
        assert!(summary.histogram[..33].iter().all(|count| *count == 3));
        let none = LengthSummary::new(LengthSource::Mask, &[], 0);
        assert_eq!((none.quantiles.len(), none.histogram), (0, vec![0]));
    }
}
