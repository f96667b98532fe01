//! Input of the checks: cheap facts, which a conversion gathers anyway, and details, which take another
//! reading of everything.

use std::collections::BTreeMap;

use ndarray::Array3;
use rayon::prelude::*;

use super::super::label::Bins;
use super::super::labels::LabelTable;
use super::super::names::{Allowed, FeatureNames};
use super::super::stats::BlockStats;
use super::super::{Modality, SplitName};
use super::N_EXAMPLES;

/// Facts about one split.
pub struct SplitFacts {
    /// The split.
    pub name: SplitName,
    /// Segment ids, in order.
    pub ids: Vec<String>,
    /// Overall regression labels, `[n_samples]`; empty if absent.
    pub labels: Vec<f32>,
    /// Class labels, `[n_samples]`, if any.
    pub classes: Option<Vec<i32>>,
    /// Strengths of emotions, `[n_samples, 6]` in row-major order, if any.
    pub emotions: Option<Vec<f32>>,
    /// Label words, `[n_samples]`, if any.
    pub annotations: Option<Vec<String>>,
    /// Shape and statistics per modality.
    pub blocks: BTreeMap<Modality, BlockFacts>,
    /// Whether there are transcripts or tokens, which an encoder could read.
    pub has_words: bool,
}

impl SplitFacts {
    /// Whether its samples are labelled, if it has any.
    pub fn is_labelled(&self) -> bool {
        self.ids.is_empty() || !self.labels.is_empty()
    }
}

/// Facts about one feature block.
pub struct BlockFacts {
    /// `[n_samples, seq_len, feat_dim]`.
    pub shape: [usize; 3],
    /// Recorded lengths, `[n_samples]`, if any.
    pub lengths: Option<Vec<i32>>,
    /// Statistics over all samples.
    pub stats: BlockStats,
}

/// Evidence from a full reading. Rules whose evidence is absent find nothing.
#[derive(Default)]
pub struct Evidence<'a> {
    /// Per split.
    pub details: BTreeMap<SplitName, SplitDetail>,
    /// The published labels.
    pub expected: Option<&'a LabelTable>,
}

/// Evidence from a full reading of one split.
#[derive(Default)]
pub struct SplitDetail {
    /// Transcripts, `[n_samples]`, if any.
    pub raw_text: Option<Vec<String>>,
    /// BERT input, `[n_samples, 3, seq_len]`: token ids, mask, segment ids.
    pub tokens: Option<Array3<i32>>,
    /// Recorded numbers of tokens, `[n_samples]`, if any.
    pub text_lengths: Option<Vec<i32>>,
    /// Stored classes by binning scheme, `[n_samples]` each.
    pub bins: BTreeMap<Bins, Vec<i8>>,
    /// Unimodal labels, `[n_samples]` each.
    pub labels_by_modality: BTreeMap<Modality, Vec<f32>>,
    /// Row details per modality.
    pub blocks: BTreeMap<Modality, BlockDetail>,
}

/// Details about the rows of one feature block. Row lists hold only the first few.
#[derive(Debug, Clone, Default)]
pub struct BlockDetail {
    /// Digest of each row, `[n_samples]`; `None` for an all-zero row.
    pub digests: Vec<Option<RowDigest>>,
    /// Minimum and maximum of each feature over the nonzero frames within the recorded length,
    /// `[feat_dim]`.
    pub ranges: Vec<[f32; 2]>,
    /// Number of those frames.
    pub n_frames: u64,
    /// Number of those frames in each row, `[n_samples]`.
    pub row_frames: Vec<u32>,
    /// Number of zeros.
    pub n_zero: u64,
    /// Number of values beyond [`EXTREME`] in magnitude.
    pub n_extreme: u64,
    /// Rows with values beyond [`EXTREME`].
    pub extreme_rows: Vec<usize>,
    /// Rows with values that are not finite.
    pub nonfinite_rows: Vec<usize>,
    /// Rows with nonzero frames beyond the length.
    pub beyond_rows: Vec<usize>,
    /// All-zero rows.
    pub zero_rows: Vec<usize>,
    /// The features whose names rule out some values, in order.
    pub claims: Vec<Claim>,
}

/// A feature whose name rules out some values, and the values of that kind that it has nevertheless, in
/// the nonzero frames within the recorded length.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Which feature, counted from 0.
    pub feature: usize,
    /// Its name.
    pub name: String,
    /// What the name allows.
    pub allowed: Allowed,
    /// Number of other values.
    pub n_outside: u64,
    /// The first row that has one, and the value.
    pub first: Option<(usize, f32)>,
}

impl Claim {
    /// What the names of a block's features say, before any value was read.
    fn all(names: &FeatureNames) -> Vec<Claim> {
        let claim = |(feature, name): (usize, &String)| {
            let allowed = Allowed::of(name, names.values)?;
            let name = name.trim().to_owned();
            Some(Claim { feature, name, allowed, n_outside: 0, first: None })
        };
        names.names.iter().enumerate().filter_map(claim).collect()
    }
}

/// The first half of the BLAKE3 of a row's values: long enough to rule out collisions.
pub type RowDigest = [u8; 16];

/// Features beyond this magnitude are extreme. Audits of public files report far smaller ones: up to
/// 500, a pitch in Hz.
pub const EXTREME: f32 = 1e4;

/// A feature block being read a few rows at a time.
#[derive(Debug, Clone, Default)]
pub struct BlockReading {
    /// Statistics over the rows so far.
    pub stats: BlockStats,
    /// Details about the rows so far.
    pub detail: BlockDetail,
}

impl BlockReading {
    /// A reading that compares values with what the names of their features allow.
    pub fn of_named(names: Option<&FeatureNames>) -> BlockReading {
        let mut reading = BlockReading::default();
        reading.detail.claims = names.map_or_else(Vec::new, Claim::all);
        reading
    }

    /// Adds the next rows of a block of the given shape, `[n_rows, seq_len, feat_dim]` in row-major
    /// order. `lengths` are the recorded ones of the whole block, `[n_samples]`.
    pub fn take(&mut self, values: &[f32], shape: [usize; 3], lengths: Option<&[i32]>) {
        let [_, seq_len, feat_dim] = shape;
        let n_before = self.detail.digests.len();
        let claims = &self.detail.claims;
        let rows: Vec<(BlockStats, RowDetail)> = values
            .par_chunks(seq_len.saturating_mul(feat_dim).max(1))
            .enumerate()
            .map(|(row, values)| {
                let length = lengths.and_then(|lengths| lengths.get(n_before + row)).copied();
                let stats = BlockStats::of_sample(values, feat_dim, length);
                let detail = RowDetail::of_sample(values, feat_dim, length, &stats, claims);
                (stats, detail)
            })
            .collect();
        for (stats, detail) in rows {
            self.stats.merge(&stats);
            self.detail.push(detail);
        }
    }
}

/// Details about one row.
#[derive(Debug)]
struct RowDetail {
    is_zero: bool,
    is_finite: bool,
    is_beyond: bool,
    digest: Option<RowDigest>,
    ranges: Vec<[f32; 2]>,
    n_frames: u32,
    n_zero: u64,
    n_extreme: u64,
    /// For each claim, the number of values that it rules out, and the first of them.
    outside: Vec<(u64, f32)>,
}

impl RowDetail {
    /// Examines one row, `[seq_len, feat_dim]`, given its recorded length and statistics.
    fn of_sample(
        values: &[f32],
        feat_dim: usize,
        length: Option<i32>,
        stats: &BlockStats,
        claims: &[Claim],
    ) -> RowDetail {
        let mut outside = vec![(0, 0.0); claims.len()];
        let mut ranges = vec![NO_VALUE; feat_dim];
        let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
        let mut n_frames = 0;
        for frame in values.chunks(feat_dim.max(1)).take(length) {
            if frame.iter().all(|value| *value == 0.0) {
                continue;
            }
            n_frames += 1;
            for ([low, high], value) in ranges.iter_mut().zip(frame) {
                *low = low.min(*value);
                *high = high.max(*value);
            }
            for ((n_outside, first), claim) in outside.iter_mut().zip(claims) {
                let value = frame.get(claim.feature).copied().unwrap_or_default();
                if !claim.allowed.contains(value) {
                    *first = if *n_outside == 0 { value } else { *first };
                    *n_outside += 1;
                }
            }
        }
        let count = |wanted: fn(&f32) -> bool| values.iter().filter(|value| wanted(value)).count();
        RowDetail {
            is_zero: stats.n_zero_samples > 0,
            is_finite: stats.n_nonfinite() == 0,
            is_beyond: stats.n_beyond_length > 0,
            digest: (stats.n_zero_samples == 0).then(|| digest(values)),
            ranges,
            n_frames,
            n_zero: count(|value| *value == 0.0) as u64,
            n_extreme: count(|value| value.is_finite() && value.abs() > EXTREME) as u64,
            outside,
        }
    }
}

impl BlockDetail {
    /// Adds the next row.
    fn push(&mut self, row: RowDetail) {
        let row_idx = self.digests.len();
        let note = |rows: &mut Vec<usize>, seen: bool| {
            if seen && rows.len() < N_EXAMPLES {
                rows.push(row_idx);
            }
        };
        note(&mut self.extreme_rows, row.n_extreme > 0);
        note(&mut self.nonfinite_rows, !row.is_finite);
        note(&mut self.beyond_rows, row.is_beyond);
        note(&mut self.zero_rows, row.is_zero);
        for (claim, (n_outside, value)) in self.claims.iter_mut().zip(row.outside) {
            claim.n_outside += n_outside;
            if n_outside > 0 {
                claim.first.get_or_insert((row_idx, value));
            }
        }
        self.ranges.resize(row.ranges.len(), NO_VALUE);
        for ([low, high], [row_low, row_high]) in self.ranges.iter_mut().zip(row.ranges) {
            *low = low.min(row_low);
            *high = high.max(row_high);
        }
        self.digests.push(row.digest);
        self.row_frames.push(row.n_frames);
        self.n_frames += u64::from(row.n_frames);
        self.n_zero += row.n_zero;
        self.n_extreme += row.n_extreme;
    }
}

/// The range of no values.
const NO_VALUE: [f32; 2] = [f32::INFINITY, f32::NEG_INFINITY];

fn digest(values: &[f32]) -> RowDigest {
    let whole = blake3::hash(bytemuck::cast_slice(values));
    let mut first = RowDigest::default();
    first.copy_from_slice(&whole.as_bytes()[..size_of::<RowDigest>()]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_frames_beyond_the_length_stay_out_of_the_ranges() {
        let values = [1.0, 5.0, 0.0, 0.0, 2.0, 5.0, 9.0, 9.0];
        let mut reading = BlockReading::default();
        reading.take(&values, [1, 4, 2], Some(&[3]));
        let block = reading.detail;
        assert_eq!(block.ranges, [[1.0, 2.0], [5.0, 5.0]]);
        assert_eq!((block.n_frames, block.n_zero, block.beyond_rows), (2, 2, vec![0]));
    }
}
