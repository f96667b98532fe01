//! Segments padded to one length, by folds.

use ndarray::{Array3, ArrayViewMut2, s};

use super::super::error::AlignError;
use super::super::sequence::{CsdSequence, SequenceSet};
use super::unify::hard_unify;
use crate::csd::{Features, Texts, video_of};

/// The side of a segment that is padded. The other side of a longer one is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Zeros come first, and the last rows are kept: `direction=False` of the SDK.
    Front,
    /// Zeros come last, and the first rows are kept: `direction=True`.
    Back,
}

/// Segments of one sequence, stacked.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    /// `[n_segments, seq_len, feat_dim]`.
    Float64(Array3<f64>),
    /// `[n_segments, seq_len, feat_dim]`. Padding is the text `0.0`, as NumPy makes it of the SDK's zeros.
    Text(Array3<String>),
}

/// The segments of one fold.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldTensors {
    /// Keys, in the order of the first sequence.
    pub keys: Vec<String>,
    /// A tensor per sequence, in the order of the dataset.
    pub tensors: Vec<Tensor>,
}

/// Stacks the segments that all sequences have, padded to `seq_len` rows; those of `non_sequences` stay as
/// they are. Each fold lists videos; without folds, all segments are one. Segments of no fold are left out.
///
/// # Errors
/// A segment cannot be read; segments of `non_sequences` differ in length, or segments in width; a
/// sequence has both text and numbers.
pub fn tensors(
    dataset: SequenceSet,
    seq_len: usize,
    non_sequences: &[&str],
    padding: Padding,
    folds: Option<&[Vec<String>]>,
) -> Result<Vec<FoldTensors>, AlignError> {
    let dataset = hard_unify(dataset);
    let keys = dataset.sequences.first().map(CsdSequence::keys).unwrap_or_default();
    let fold_of = |key: &str| match folds {
        None => Some(0),
        Some(folds) => folds.iter().position(|fold| fold.iter().any(|it| it == video_of(key))),
    };
    let n_folds = folds.map_or(1, <[_]>::len);
    let fold = |idx: usize| {
        let keys: Vec<String> =
            keys.iter().filter(|key| fold_of(key) == Some(idx)).cloned().collect();
        let tensors = dataset.sequences.iter().map(|sequence| {
            let padded = !non_sequences.contains(&sequence.name());
            stack(sequence, &keys, padded.then_some((seq_len, padding)))
        });
        let tensors = tensors.collect::<Result<_, AlignError>>()?;
        Ok(FoldTensors { keys, tensors })
    };
    (0..n_folds).map(fold).collect()
}

fn stack(
    sequence: &CsdSequence,
    keys: &[String],
    padded: Option<(usize, Padding)>,
) -> Result<Tensor, AlignError> {
    let entries = keys.iter().map(|key| sequence.read(key)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = entries.first() else { return Ok(Tensor::Float64(Array3::zeros((0, 0, 0)))) };
    let [n_rows, feat_dim] = first.features.shape();
    let seq_len = padded.map_or(n_rows, |(seq_len, _)| seq_len);
    let padding = padded.map_or(Padding::Back, |(_, padding)| padding);
    for (key, entry) in keys.iter().zip(&entries) {
        let [found, width] = entry.features.shape();
        let (found, expected) = match padded {
            None if found != n_rows => (found, n_rows),
            _ if width != feat_dim => (width, feat_dim),
            _ => continue,
        };
        let (sequence, key) = (sequence.name().to_owned(), key.clone());
        return Err(AlignError::Lengths { sequence, key, found, expected });
    }
    let wrong = |key: &str, expected| AlignError::Type {
        sequence: sequence.name().into(),
        key: key.into(),
        expected,
    };
    let shape = (entries.len(), seq_len, feat_dim);
    if let Features::Text(_) = first.features {
        let mut all = Array3::from_elem(shape, "0.0".to_owned());
        for ((key, entry), slot) in keys.iter().zip(&entries).zip(all.outer_iter_mut()) {
            let Some(Texts { values, .. }) = entry.features.as_text() else {
                return Err(wrong(key, "text, as in the segments before it"));
            };
            place(values.view(), slot, padding);
        }
        return Ok(Tensor::Text(all));
    }
    let mut all = Array3::zeros(shape);
    for ((key, entry), slot) in keys.iter().zip(&entries).zip(all.outer_iter_mut()) {
        let values = entry.features.to_float64();
        let values = values.ok_or_else(|| wrong(key, "numbers, as in the segments before it"))?;
        place(values.view(), slot, padding);
    }
    Ok(Tensor::Float64(all))
}

/// Copies the rows that fit to their side.
fn place<T: Clone>(
    values: ndarray::ArrayView2<'_, T>,
    mut slot: ArrayViewMut2<'_, T>,
    padding: Padding,
) {
    let (n_rows, seq_len) = (values.nrows(), slot.nrows());
    let n_kept = n_rows.min(seq_len);
    match padding {
        Padding::Front => slot
            .slice_mut(s![seq_len - n_kept.., ..])
            .assign(&values.slice(s![n_rows - n_kept.., ..])),
        Padding::Back => slot.slice_mut(s![..n_kept, ..]).assign(&values.slice(s![..n_kept, ..])),
    }
}
