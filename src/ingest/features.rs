//! Feature columns as blocks that are read sample by sample.

use std::sync::Arc;

use crate::chain::chain;
use crate::corpus::{CorpusSplit, FeatureBlock, Modality, RowError, Rows, absent};
use crate::overflow::Overflows;
use crate::pickle::{NodeId, Pickle, SharedArray};

use super::dtype::SourceDtype;
use super::error::unexpected;
use super::table::{Table, TableBudget, described, kind_of, numeric_array, per_sample};
use super::{IngestError, Place, samples};

/// The samples of one array, `[n_samples, seq_len, feat_dim]`.
struct Stacked(SharedArray);

impl Rows for Stacked {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        let array = self.0.view();
        if sample_idx >= array.n_rows() {
            return Err(absent(sample_idx));
        }
        Ok(array.read_f32(sample_idx, out))
    }
}

/// One table per sample, `[seq_len, feat_dim]`, each of its own length.
struct Ragged {
    pickle: Pickle,
    /// The samples, each a table whose structure was validated.
    ids: Vec<NodeId>,
    feat_dim: usize,
}

impl Rows for Ragged {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        let id = *self.ids.get(sample_idx).ok_or_else(|| absent(sample_idx))?;
        let table = Table::again(&self.pickle, id, self.feat_dim);
        let mut overflows = Overflows::default();
        out.fill(0.0);
        if self.feat_dim == 0 {
            return Ok(overflows);
        }
        let frames = out.chunks_mut(self.feat_dim).take(table.n_rows()).enumerate();
        for (frame_idx, frame) in frames {
            let start = frame_idx.saturating_mul(self.feat_dim);
            overflows.append(start, table.read_f32(frame_idx, frame));
        }
        Ok(overflows)
    }
}

/// A feature column.
pub(super) struct Features {
    pub(super) block: FeatureBlock,
    /// Distinct types of its numbers.
    pub(super) dtypes: Vec<SourceDtype>,
    /// Frames per sample, if the samples differ in length.
    pub(super) lengths: Option<Vec<i32>>,
}

/// Reads one sample of a split's modality into `out`, `[seq_len, feat_dim]`.
///
/// # Errors
/// It cannot be read.
pub(super) fn sample(
    split: &CorpusSplit,
    modality: Modality,
    block: &FeatureBlock,
    sample_idx: usize,
    out: &mut [f32],
) -> Result<(), IngestError> {
    let read = block.rows.read(sample_idx, out);
    read.map(|_| ()).map_err(|cause| IngestError::Unreadable {
        place: Place::new(format!("{}/{modality}", split.name)).at(sample_idx),
        problem: chain(&cause),
    })
}

/// A block over one array with all samples, or over one table per sample.
///
/// # Errors
/// If the value is neither, the number of samples differs, or its samples differ in their number of
/// features or in dtype.
pub(super) fn read(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    n_samples: usize,
) -> Result<Features, IngestError> {
    let expected = "a numeric array [n_samples, seq_len, feat_dim] or a list of arrays";
    if let Some(array) = numeric_array(pickle, id) {
        let [found_samples, seq_len, feat_dim] = *array.shape() else {
            return Err(unexpected(place, expected, described(array)));
        };
        if found_samples != n_samples {
            return Err(unexpected(place, samples(n_samples), samples(found_samples)));
        }
        let rows = Arc::new(Stacked(array.share()));
        let block = FeatureBlock { shape: [n_samples, seq_len, feat_dim], rows };
        let dtype = SourceDtype::Array(array.dtype());
        return Ok(Features { block, dtypes: vec![dtype], lengths: None });
    }
    let Some(ids) = per_sample(pickle, id) else {
        return Err(unexpected(place, expected, kind_of(pickle, id)));
    };
    if ids.len() != n_samples {
        return Err(unexpected(place, samples(n_samples), samples(ids.len())));
    }
    let mut features = ragged(pickle, &ids, place)?;
    // Samples of equal length were padded before: their real lengths are unknown.
    features.lengths = features.lengths.filter(|lengths| {
        lengths.iter().any(|length| usize::try_from(*length) != Ok(features.block.shape[1]))
    });
    Ok(features)
}

/// A block over one table per sample, with the length of each.
///
/// # Errors
/// If a value is not a table, or the samples differ in their number of features or in dtype.
pub(super) fn ragged(
    pickle: &Pickle,
    ids: &[NodeId],
    place: &Place,
) -> Result<Features, IngestError> {
    let mut budget = TableBudget::new(pickle);
    let mut lengths = Vec::with_capacity(ids.len());
    let mut common: Option<usize> = None;
    // Each sample is read in its own type.
    let mut dtypes = Vec::new();
    for (row, id) in ids.iter().enumerate() {
        let place = place.at(row);
        let table = Table::new(pickle, *id, &place, &mut budget)?;
        if let Some(feat_dim) = table.n_cols() {
            let dtype = table.dtype();
            let dim = *common.get_or_insert(feat_dim);
            if dim != feat_dim {
                let expected = format!("{dim} features, as before");
                return Err(unexpected(&place, expected, kind_of(pickle, *id)));
            }
            if !dtypes.contains(&dtype) {
                dtypes.push(dtype);
            }
        }
        lengths.push(table.n_rows());
    }
    let Some(feat_dim) = common else {
        return Err(unexpected(place, "at least one sample with frames", "none"));
    };
    let seq_len = padded_len(&lengths, feat_dim, place)?;
    let shape = [ids.len(), seq_len, feat_dim];
    let rows = Ragged { pickle: pickle.clone(), ids: ids.to_vec(), feat_dim };
    let block = FeatureBlock { shape, rows: Arc::new(rows) };
    let lengths = lengths.into_iter().map(|length| i32::try_from(length).ok()).collect();
    let lengths: Option<Vec<i32>> = lengths;
    match lengths {
        Some(lengths) => Ok(Features { block, dtypes, lengths: Some(lengths) }),
        None => Err(unexpected(place, "lengths of 32 bits", format!("{seq_len} frames"))),
    }
}

/// The length of the longest sample, to which all are padded.
///
/// # Errors
/// If padding would create far more frames than a dataset has, or far more numbers than the samples
/// have: one very long sample among many empty ones.
pub(super) fn padded_len(
    lengths: &[usize],
    feat_dim: usize,
    place: &Place,
) -> Result<usize, IngestError> {
    // The largest known file, the training split of CMU-MOSEI, has under five million.
    const MOST_FRAMES: usize = 1 << 25;
    // Samples of known files average a tenth of the longest one's frames.
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
