//! Feature columns as blocks that are read sample by sample.

use std::collections::BTreeSet;

use crate::corpus::{FeatureBlock, Rows};
use crate::overflow::Overflows;
use crate::pickle::{ArrayView, NodeId, Pickle};

use super::error::unexpected;
use super::table::{Table, TableBudget, described, kind_of, numeric_array, per_sample};
use super::{IngestError, Place, samples};

/// The samples of one array, `[n_samples, seq_len, feat_dim]`.
struct Stacked<'p>(ArrayView<'p>);

impl Rows for Stacked<'_> {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Overflows {
        self.0.read_f32(sample_idx, out)
    }
}

/// One table per sample, `[seq_len, feat_dim]` of its own length.
struct Ragged<'p> {
    tables: Vec<Table<'p>>,
    feat_dim: usize,
}

impl Rows for Ragged<'_> {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Overflows {
        let mut overflows = Overflows::default();
        out.fill(0.0);
        let Some(table) = self.tables.get(sample_idx) else { return overflows };
        if self.feat_dim == 0 {
            return overflows;
        }
        let frames = out.chunks_mut(self.feat_dim).take(table.n_rows()).enumerate();
        for (frame_idx, frame) in frames {
            let start = frame_idx.saturating_mul(self.feat_dim);
            overflows.append(start, table.read_f32(frame_idx, frame));
        }
        overflows
    }
}

/// A feature column.
pub(super) struct Features<'p> {
    pub(super) block: FeatureBlock<'p>,
    /// Frames of each sample, where the samples have lengths of their own.
    pub(super) lengths: Option<Vec<i32>>,
}

/// A block over one array of all samples, or over one table per sample.
///
/// # Errors
/// If the value is neither, has another number of samples, or its samples differ in their number
/// of features or in dtype.
pub(super) fn read<'p>(
    pickle: &'p Pickle,
    id: NodeId,
    place: &Place,
    n_samples: usize,
) -> Result<Features<'p>, IngestError> {
    let expected = "a numeric array [n_samples, seq_len, feat_dim] or a list of arrays";
    if let Some(array) = numeric_array(pickle, id) {
        let [found_samples, seq_len, feat_dim] = *array.shape() else {
            return Err(unexpected(place, expected, described(array)));
        };
        if found_samples != n_samples {
            return Err(unexpected(place, samples(n_samples), samples(found_samples)));
        }
        let block = FeatureBlock {
            shape: [n_samples, seq_len, feat_dim],
            source_dtype: array.dtype().to_string(),
            rows: Box::new(Stacked(array)),
        };
        return Ok(Features { block, lengths: None });
    }
    let Some(ids) = per_sample(pickle, id) else {
        return Err(unexpected(place, expected, kind_of(pickle, id)));
    };
    if ids.len() != n_samples {
        return Err(unexpected(place, samples(n_samples), samples(ids.len())));
    }
    let mut features = ragged(pickle, &ids, place)?;
    // Samples of one length were padded already: how many frames are real is not said by it.
    features.lengths = features.lengths.filter(|lengths| {
        lengths.iter().any(|length| usize::try_from(*length) != Ok(features.block.shape[1]))
    });
    Ok(features)
}

/// A block over one table per sample, with the length of each.
///
/// # Errors
/// If a value is no table, or the samples differ in their number of features or in dtype.
pub(super) fn ragged<'p>(
    pickle: &'p Pickle,
    ids: &[NodeId],
    place: &Place,
) -> Result<Features<'p>, IngestError> {
    let mut budget = TableBudget::new(pickle);
    let mut tables = Vec::with_capacity(ids.len());
    let mut lengths = Vec::with_capacity(ids.len());
    let mut common: Option<(usize, BTreeSet<String>)> = None;
    for (row, id) in ids.iter().enumerate() {
        let place = place.at(row);
        let table = Table::new(pickle, *id, &place, &mut budget)?;
        if let Some(feat_dim) = table.n_cols() {
            let dtype = table.dtype();
            let (dim, dtypes) = common.get_or_insert_with(|| (feat_dim, BTreeSet::new()));
            if *dim != feat_dim {
                let expected = format!("{dim} features, as before");
                return Err(unexpected(&place, expected, kind_of(pickle, *id)));
            }
            dtypes.insert(dtype);
        }
        lengths.push(table.n_rows());
        tables.push(table);
    }
    let Some((feat_dim, dtypes)) = common else {
        return Err(unexpected(place, "at least one sample with frames", "none"));
    };
    // Each sample is read as what it is.
    let source_dtype = dtypes.into_iter().collect::<Vec<_>>().join(" and ");
    let seq_len = padded_len(&lengths, feat_dim, place)?;
    let rows = Box::new(Ragged { tables, feat_dim });
    let block = FeatureBlock { shape: [ids.len(), seq_len, feat_dim], source_dtype, rows };
    let lengths = lengths.into_iter().map(|length| i32::try_from(length).ok()).collect();
    let lengths: Option<Vec<i32>> = lengths;
    match lengths {
        Some(lengths) => Ok(Features { block, lengths: Some(lengths) }),
        None => Err(unexpected(place, "lengths of 32 bits", format!("{seq_len} frames"))),
    }
}

/// The length of the longest sample, to which all are padded.
///
/// # Errors
/// If padding would make far more frames than a dataset has, or far more numbers than the samples
/// have: one very long sample among many empty ones.
pub(super) fn padded_len(
    lengths: &[usize],
    feat_dim: usize,
    place: &Place,
) -> Result<usize, IngestError> {
    // The largest known file, the training split of CMU-MOSEI, has under five million.
    const MOST_FRAMES: usize = 1 << 25;
    // Samples of known files have a tenth of the longest one's frames on average.
    const MOST_PER_NUMBER: usize = 256;
    const ALWAYS_ALLOWED: usize = 1 << 24;
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let total = lengths.iter().fold(0_usize, |total, length| total.saturating_add(*length));
    let allowed = total
        .saturating_mul(feat_dim)
        .saturating_mul(MOST_PER_NUMBER)
        .saturating_add(ALWAYS_ALLOWED);
    let padded = lengths.len().saturating_mul(longest);
    if padded <= MOST_FRAMES && padded.saturating_mul(feat_dim) <= allowed {
        return Ok(longest);
    }
    let found = format!("{} samples of up to {longest} frames", lengths.len());
    Err(unexpected(place, "samples of similar length", found))
}
