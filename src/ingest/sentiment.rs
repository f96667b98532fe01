//! Sentiment labels, alone or followed by six emotions.

use crate::pickle::{ArrayView, NodeId, Pickle};

use super::error::unexpected;
use super::log::Log;
use super::table::{kind_of, numeric_array, per_sample};
use super::{IngestError, Place, samples};

/// CMU-MOSEI labels: sentiment, happy, sad, anger, surprise, disgust, fear.
const SENTIMENT_AND_EMOTIONS: usize = 7;

/// Labels of a split, `[n_samples]`, from an array `[n_samples, 1, 1]`, `[n_samples, 1, 7]` or
/// the like, or from a list of labels.
///
/// # Errors
/// If the value is neither, has another number of samples, or one has another number of labels.
pub(super) fn column(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    n_samples: usize,
    log: &mut Log,
) -> Result<Vec<f32>, IngestError> {
    let expected = "labels [n_samples, 1, 1] or [n_samples, 1, 7]";
    if let Some(array) = numeric_array(pickle, id) {
        let n_labels = array.row_len();
        let is_empty = array.shape() == [0] || (n_samples == 0 && array.n_rows() == 0);
        if array.shape().is_empty() || !is_empty && !is_known(array.shape().get(1..), n_labels) {
            return Err(unexpected(place, expected, kind_of(pickle, id)));
        }
        if array.n_rows() != n_samples {
            return Err(unexpected(place, samples(n_samples), samples(array.n_rows())));
        }
        note_emotions(n_labels, log);
        log.note_type("labels", &array.dtype().to_string(), "float32");
        return (0..n_samples)
            .map(|row| {
                let number = row.checked_mul(n_labels).and_then(|idx| array.number(idx));
                let wrong = || unexpected(&place.at(row), expected, "nothing");
                number.map(|number| number.to_f32()).ok_or_else(wrong)
            })
            .collect();
    }
    let Some(ids) = per_sample(pickle, id) else {
        return Err(unexpected(place, expected, kind_of(pickle, id)));
    };
    if ids.len() != n_samples {
        return Err(unexpected(place, samples(n_samples), samples(ids.len())));
    }
    ids.iter().enumerate().map(|(row, id)| one(pickle, *id, &place.at(row), log)).collect()
}

/// The label of one sample: a number, or the first of one or seven.
///
/// # Errors
/// If the value is anything else.
pub(super) fn one(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    log: &mut Log,
) -> Result<f32, IngestError> {
    let wrong = || unexpected(place, "a label [1, 1] or [1, 7]", kind_of(pickle, id));
    if let Some(number) = pickle.number(id) {
        return Ok(number.to_f32());
    }
    if let Some(array) = numeric_array(pickle, id) {
        if !is_known(Some(array.shape()), array.len()) {
            return Err(wrong());
        }
        note_emotions(array.len(), log);
        log.note_type("labels", &array.dtype().to_string(), "float32");
        return first(array).ok_or_else(wrong);
    }
    // A list may be nested as the array is.
    let items = match pickle.items(id) {
        Some([only]) => pickle.items(*only).or(pickle.items(id)),
        other => other,
    };
    match items {
        Some([sentiment, rest @ ..]) if [0, SENTIMENT_AND_EMOTIONS - 1].contains(&rest.len()) => {
            note_emotions(rest.len().saturating_add(1), log);
            pickle.number(*sentiment).map(|number| number.to_f32()).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// Whether the axes of one sample are those of one or seven labels, and not, say, 4 emotions of 2
/// classes.
fn is_known(axes: Option<&[usize]>, n_labels: usize) -> bool {
    let mut wide = axes.unwrap_or(&[]).iter().filter(|len| **len != 1);
    match n_labels {
        1 => true,
        SENTIMENT_AND_EMOTIONS => wide.next().is_some() && wide.next().is_none(),
        _ => false,
    }
}

fn first(array: ArrayView<'_>) -> Option<f32> {
    array.number(0).map(|number| number.to_f32())
}

fn note_emotions(n_labels: usize, log: &mut Log) {
    if n_labels == SENTIMENT_AND_EMOTIONS {
        log.note("labels: the six emotions beside the sentiment are not stored");
    }
}
