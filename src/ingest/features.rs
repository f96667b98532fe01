//! Feature arrays as blocks that are read sample by sample.

use crate::corpus::{FeatureBlock, Rows};
use crate::pickle::{ArrayView, NodeId, Pickle};

use super::{IngestError, Place, samples};

/// The samples of one array, `[n_samples, seq_len, feat_dim]`.
struct Stacked<'p>(ArrayView<'p>);

impl Rows for Stacked<'_> {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> usize {
        self.0.read_f32(sample_idx, out)
    }
}

/// One array per sample, `[seq_len, feat_dim]` of its own length.
struct Ragged<'p>(Vec<ArrayView<'p>>);

impl Rows for Ragged<'_> {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> usize {
        out.fill(0.0);
        let Some(array) = self.0.get(sample_idx) else { return 0 };
        let mut n_overflows = 0;
        let row_len = array.row_len();
        if row_len == 0 {
            return 0;
        }
        for (frame_idx, frame) in out.chunks_mut(row_len).take(array.n_rows()).enumerate() {
            n_overflows += array.read_f32(frame_idx, frame);
        }
        n_overflows
    }
}

/// A block over one array of all samples.
///
/// # Errors
/// If the value is no numeric array of three axes, or has another number of samples.
pub(super) fn stacked<'p>(
    pickle: &'p Pickle,
    id: NodeId,
    place: &Place,
    n_samples: usize,
) -> Result<FeatureBlock<'p>, IngestError> {
    let expected = "a numeric array [n_samples, seq_len, feat_dim]";
    let array = numeric(pickle, id, place, expected)?;
    let [found_samples, seq_len, feat_dim] = *array.shape() else {
        return Err(unexpected(place, expected, described(array)));
    };
    if found_samples != n_samples {
        return Err(unexpected(place, samples(n_samples), samples(found_samples)));
    }
    Ok(FeatureBlock {
        shape: [n_samples, seq_len, feat_dim],
        source_dtype: array.dtype().to_string(),
        rows: Box::new(Stacked(array)),
    })
}

/// A block over one array per sample, and the length of each sample.
///
/// # Errors
/// If a value is no numeric array of two axes (or one of length zero), or the samples differ in
/// their number of features or in dtype.
pub(super) fn ragged<'p>(
    pickle: &'p Pickle,
    ids: &[NodeId],
    place: &Place,
) -> Result<(FeatureBlock<'p>, Vec<usize>), IngestError> {
    let expected = "a numeric array [seq_len, feat_dim]";
    let mut arrays = Vec::with_capacity(ids.len());
    let mut lengths = Vec::with_capacity(ids.len());
    let mut common: Option<(usize, String)> = None;
    for (row, id) in ids.iter().enumerate() {
        let place = place.at(row);
        let array = numeric(pickle, *id, &place, expected)?;
        let length = match *array.shape() {
            // Loaders write an empty segment as an array of one axis.
            [0] => 0,
            [length, feat_dim] => {
                let dtype = array.dtype().to_string();
                let (dim, first_dtype) = common.get_or_insert_with(|| (feat_dim, dtype.clone()));
                if (*dim, &*first_dtype) != (feat_dim, &dtype) {
                    let expected = format!("{first_dtype} with {dim} features, as before");
                    return Err(unexpected(&place, expected, described(array)));
                }
                length
            }
            _ => return Err(unexpected(&place, expected, described(array))),
        };
        arrays.push(array);
        lengths.push(length);
    }
    let Some((feat_dim, source_dtype)) = common else {
        return Err(unexpected(place, "at least one sample with frames", "none"));
    };
    let seq_len = padded_len(&lengths, place)?;
    let shape = [ids.len(), seq_len, feat_dim];
    Ok((FeatureBlock { shape, source_dtype, rows: Box::new(Ragged(arrays)) }, lengths))
}

/// The length of the longest sample, to which all are padded.
///
/// # Errors
/// If padding would make far more frames than a dataset has: one very long sample among many
/// empty ones.
pub(super) fn padded_len(lengths: &[usize], place: &Place) -> Result<usize, IngestError> {
    // The largest known file, the training split of CMU-MOSEI, has under five million.
    const MOST_FRAMES: usize = 1 << 25;
    let longest = lengths.iter().copied().max().unwrap_or(0);
    match lengths.len().checked_mul(longest) {
        Some(n_frames) if n_frames <= MOST_FRAMES => Ok(longest),
        _ => {
            let found = format!("{} samples of up to {longest} frames", lengths.len());
            Err(unexpected(place, "samples of similar length", found))
        }
    }
}

/// A numeric array.
///
/// # Errors
/// If the value is anything else.
pub(super) fn numeric<'p>(
    pickle: &'p Pickle,
    id: NodeId,
    place: &Place,
    expected: &str,
) -> Result<ArrayView<'p>, IngestError> {
    match pickle.array(id) {
        Some(array) if array.dtype().is_numeric() => Ok(array),
        Some(array) => Err(unexpected(place, expected, described(array))),
        None => Err(unexpected(place, expected, pickle.value(id).type_name())),
    }
}

/// Dtype and shape in an error message.
pub(super) fn described(array: ArrayView<'_>) -> String {
    format!("{} {:?}", array.dtype(), array.shape())
}

/// Shorthand for the most common error.
pub(super) fn unexpected(
    place: &Place,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> IngestError {
    IngestError::Unexpected { place: place.clone(), expected: expected.into(), found: found.into() }
}
