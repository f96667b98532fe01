//! A pass over all features that counts the values which a store cannot hold unchanged and averages the
//! others; their means may replace them.
//!
//! It reads a few samples at a time: before writing if a policy requires it, or after a refusal, so
//! that the message covers everything.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::StoreError;
use super::copy::Unread;
use super::policy::{Action, Policies};
use super::seen::{Seen, Unusual};
use crate::corpus::column::ColumnKind;
use crate::corpus::values::ValueKind;
use crate::corpus::{Corpus, FeatureBlock, Modality, SplitName};
use crate::overflow::Overflows;

/// Number of samples whose findings are in memory before they are summed.
const ROUND_ROWS: usize = 512;

/// One feature block of many.
pub(super) struct BlockOf<'a> {
    pub(super) split: SplitName,
    pub(super) modality: Modality,
    pub(super) block: &'a FeatureBlock,
    pub(super) lengths: Option<&'a [i32]>,
    /// Ids of its samples.
    pub(super) ids: &'a [String],
}

/// The feature blocks of a corpus.
pub(super) fn blocks<'a>(corpus: &'a Corpus) -> Vec<BlockOf<'a>> {
    let of_split = |split: &'a crate::corpus::CorpusSplit| {
        split.features.iter().map(|(modality, block)| BlockOf {
            split: split.name,
            modality: *modality,
            block,
            lengths: split.lengths.get(modality).map(Vec::as_slice),
            ids: &split.ids,
        })
    };
    corpus.splits.iter().flat_map(of_split).collect()
}

/// The mean of one feature.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    sum: f64,
    pub(super) n_values: u64,
}

impl Mean {
    /// The mean; 0 if there are no values.
    pub(super) fn value(self) -> f32 {
        if self.n_values == 0 { 0.0 } else { (self.sum / self.n_values as f64) as f32 }
    }
}

/// The values in all columns that a store cannot hold unchanged.
#[derive(Default)]
pub(super) struct Census {
    pub(super) columns: BTreeMap<(SplitName, Modality), Seen>,
    /// Mean of each feature of a modality over the training split, or over all splits if there is no
    /// training split: of the ordinary values in frames within the recorded length or, if no length is
    /// recorded, in frames that are not all zero.
    pub(super) means: BTreeMap<Modality, Vec<Mean>>,
}

impl Census {
    /// Reads all features. Magnitudes from `limit` on are beyond the stored type; means are computed if
    /// `with_means`. `advance` receives the bytes of every stretch done.
    ///
    /// # Errors
    /// A sample cannot be read.
    pub(super) fn of(
        blocks: &[BlockOf<'_>],
        limit: f32,
        with_means: bool,
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<Census, StoreError> {
        let has_train = blocks.iter().any(|of| of.split == SplitName::Train);
        let mut census = Census::default();
        for of in blocks {
            let in_means = with_means && (of.split == SplitName::Train || !has_train);
            let [n_samples, seq_len, feat_dim] = of.block.shape;
            let mut seen = Seen::default();
            let mut means = vec![Mean::default(); if in_means { feat_dim } else { 0 }];
            for start in (0..n_samples).step_by(ROUND_ROWS) {
                let end = n_samples.min(start + ROUND_ROWS);
                let rows: Vec<Result<_, Unread>> = (start..end)
                    .into_par_iter()
                    .map_init(
                        || vec![0.0_f32; seq_len * feat_dim],
                        |values, sample_idx| of.row(sample_idx, values, limit, in_means),
                    )
                    .collect();
                for (idx, row) in rows.into_iter().enumerate() {
                    let (unusual, sums) = row.map_err(|unread| {
                        let column = ColumnKind::Features(of.modality).of(of.split);
                        StoreError::unreadable(column, unread, of.ids)
                    })?;
                    if let Some(unusual) = unusual {
                        seen.add(start + idx, &unusual);
                    }
                    for (mean, sum) in means.iter_mut().zip(sums) {
                        mean.sum += sum.sum;
                        mean.n_values += sum.n_values;
                    }
                }
                advance(((end - start) * seq_len * feat_dim * size_of::<f32>()) as u64);
            }
            census.columns.insert((of.split, of.modality), seen);
            let all = census.means.entry(of.modality).or_default();
            all.resize(all.len().max(means.len()), Mean::default());
            for (all, mean) in all.iter_mut().zip(means) {
                all.sum += mean.sum;
                all.n_values += mean.n_values;
            }
        }
        Ok(census)
    }

    /// Samples of each split with a value that `policies` treat with this action.
    pub(super) fn rows(
        &self,
        policies: Policies,
        action: Action,
    ) -> BTreeMap<SplitName, BTreeSet<usize>> {
        let mut rows: BTreeMap<SplitName, BTreeSet<usize>> = BTreeMap::new();
        for ((split, _), seen) in &self.columns {
            for seen in seen.treated(policies, action).0.into_values() {
                rows.entry(*split).or_default().extend(seen.rows);
            }
        }
        rows
    }
}

impl BlockOf<'_> {
    /// The unusual values of one sample, and the sums of the rest if wanted.
    fn row(
        &self,
        sample_idx: usize,
        values: &mut [f32],
        limit: f32,
        in_means: bool,
    ) -> Result<(Option<Unusual>, Vec<Mean>), Unread> {
        let read = self.block.rows.read(sample_idx, values);
        let overflows = read.map_err(|cause| Unread { sample_idx, cause })?;
        let unusual = unusual_in(values, limit, &overflows);
        let mut sums = Vec::new();
        if in_means {
            let feat_dim = self.block.shape[2];
            sums.resize(feat_dim, Mean::default());
            let length = self.lengths.and_then(|lengths| lengths.get(sample_idx));
            let n_frames =
                length.map_or(usize::MAX, |length| usize::try_from(*length).unwrap_or(0));
            let frames = values.chunks(feat_dim.max(1)).take(n_frames);
            let is_real =
                |frame: &&[f32]| length.is_some() || frame.iter().any(|value| *value != 0.0);
            for frame in frames.filter(is_real) {
                for (sum, value) in sums.iter_mut().zip(frame) {
                    if value.abs() < limit {
                        sum.sum += f64::from(*value);
                        sum.n_values += 1;
                    }
                }
            }
        }
        Ok((unusual, sums))
    }
}

fn unusual_in(values: &[f32], limit: f32, overflows: &Overflows) -> Option<Unusual> {
    // Branch-free: most samples end here.
    if values.iter().fold(true, |all, value| all & (value.abs() < limit)) {
        return None;
    }
    let mut unusual = Unusual::default();
    for (idx, value) in values.iter().enumerate() {
        if let Some((kind, source)) = ValueKind::of(*value, limit, || overflows.get(idx)) {
            unusual.add(kind, source, false);
        }
    }
    Some(unusual)
}
