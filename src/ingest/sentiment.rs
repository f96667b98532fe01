//! Labels of the CMU SDK: the sentiment, six emotions, or both.

use ndarray::Array2;

use crate::corpus::NarrowedLabel;
use crate::corpus::column::Dtype;
use crate::pickle::{NodeId, Number, Pickle, Value};

use super::column::number_of;
use super::dtype::SourceDtype;
use super::error::unexpected;
use super::log::Log;
use super::table::{kind_of, numeric_array, per_sample};
use super::{IngestError, Place, samples};

/// CMU-MOSEI: happy, sad, anger, surprise, disgust, fear.
const N_EMOTIONS: usize = 6;

const EXPECTED: &str = "labels [n_samples, 1, 1] (sentiment), [n_samples, 1, 6] (emotions) or \
                        [n_samples, 1, 7] (both)";

/// The labels of a split.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// `[n_samples]`.
    pub(super) sentiment: Option<Vec<f32>>,
    /// `[n_samples, 6]`.
    pub(super) emotions: Option<Array2<f32>>,
    /// Labels that change when converted to float32.
    pub(super) narrowed: Vec<NarrowedLabel>,
}

/// The labels of one sample: one, six or seven numbers; empty if the source has None.
pub(super) struct One(Vec<f64>);

/// Labels of a split from an array `[n_samples, 1, n_labels]` or similar, or from a list with each
/// sample's labels.
///
/// # Errors
/// If the value is neither, or the number of samples or a sample's number of labels differs.
pub(super) fn column(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    n_samples: usize,
    log: &mut Log,
) -> Result<Labels, IngestError> {
    let objects = pickle.array(id).filter(|array| array.object(0).is_some());
    let objects = objects.filter(|array| array.shape().len() > 1);
    let Some(array) = objects.or_else(|| numeric_array(pickle, id)) else {
        let Some(ids) = per_sample(pickle, id) else {
            return Err(unexpected(place, EXPECTED, kind_of(pickle, id)));
        };
        if ids.len() != n_samples {
            return Err(unexpected(place, samples(n_samples), samples(ids.len())));
        }
        let rows = ids.iter().enumerate();
        let labels = rows.map(|(row, id)| one(pickle, *id, &place.at(row), log));
        return settle(labels.collect::<Result<_, _>>()?, place, log);
    };
    let n_labels = array.row_len();
    let is_empty = array.shape() == [0] || (n_samples == 0 && array.n_rows() == 0);
    if array.shape().is_empty() || !is_empty && !is_known(array.shape().get(1..), n_labels) {
        return Err(unexpected(place, EXPECTED, kind_of(pickle, id)));
    }
    if array.n_rows() != n_samples {
        return Err(unexpected(place, samples(n_samples), samples(array.n_rows())));
    }
    log.note_type("labels", SourceDtype::Array(array.dtype()), Dtype::Float32);
    let number = |row: usize, idx: usize| match (array.number(idx), array.object(idx)) {
        (Some(number), _) => Ok(number.to_f64()),
        (None, Some(id)) if matches!(pickle.value(id), Some(Value::None)) => Ok(f64::NAN),
        (None, Some(id)) => match number_of(pickle, id) {
            Some(number) => Ok(number.to_f64()),
            None => Err(unexpected(&place.at(row), "numbers", kind_of(pickle, id))),
        },
        (None, None) => Ok(f64::NAN),
    };
    let row = |row: usize| {
        let first = row.saturating_mul(n_labels);
        let labels = (first..first.saturating_add(n_labels)).map(|idx| number(row, idx));
        labels.collect::<Result<_, _>>().map(One)
    };
    settle((0..n_samples).map(row).collect::<Result<_, _>>()?, place, log)
}

/// The labels of one sample: a number, one, six or seven numbers, or None.
///
/// # Errors
/// If the value is anything else.
pub(super) fn one(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    log: &mut Log,
) -> Result<One, IngestError> {
    let wrong = || unexpected(place, "labels [1, 1], [1, 6] or [1, 7]", kind_of(pickle, id));
    if matches!(pickle.value(id), Some(Value::None)) {
        return Ok(One(Vec::new()));
    }
    if let Some(number) = pickle.number(id) {
        return Ok(One(vec![number.to_f64()]));
    }
    if let Some(array) = numeric_array(pickle, id) {
        if !is_known(Some(array.shape()), array.len()) {
            return Err(wrong());
        }
        log.note_type("labels", SourceDtype::Array(array.dtype()), Dtype::Float32);
        let numbers = (0..array.len()).map(|idx| array.number(idx).map(Number::to_f64));
        return numbers.collect::<Option<_>>().map(One).ok_or_else(wrong);
    }
    // A list may be nested like the array.
    let items = match pickle.items(id) {
        Some([only]) => pickle.items(*only).or(pickle.items(id)),
        other => other,
    };
    let numbers = items.unwrap_or_default().iter().map(|item| pickle.number(*item));
    let numbers: Option<Vec<f64>> = numbers.map(|number| number.map(Number::to_f64)).collect();
    match numbers {
        Some(numbers) if is_known(Some(&[numbers.len()]), numbers.len()) => Ok(One(numbers)),
        _ => Err(wrong()),
    }
}

/// The columns of a split. A sentiment that no sample has is not a column.
///
/// # Errors
/// If samples differ in their number of labels.
pub(super) fn settle(
    labels: Vec<One>,
    place: &Place,
    log: &mut Log,
) -> Result<Labels, IngestError> {
    let Some(n_labels) = labels.iter().map(|one| one.0.len()).find(|len| *len > 0) else {
        if !labels.is_empty() {
            log.note(format!("{}: None of every sample, which is not stored", place.path));
            return Ok(Labels::default());
        }
        return Ok(Labels { sentiment: Some(Vec::new()), ..Labels::default() });
    };
    let n_samples = labels.len();
    let mut values = Vec::with_capacity(n_samples.saturating_mul(n_labels));
    let mut n_none = 0_usize;
    for (row, One(one)) in labels.into_iter().enumerate() {
        match one.len() {
            0 => {
                n_none = n_none.saturating_add(1);
                values.resize(values.len().saturating_add(n_labels), f64::NAN);
            }
            len if len == n_labels => values.extend(one),
            len => {
                let (expected, found) = (n_labels.to_string(), len.to_string());
                return Err(unexpected(&place.at(row), expected + " labels, as before", found));
            }
        }
    }
    if n_none > 0 {
        log.note(format!(
            "{}: {n_none} samples have None as their label, stored as NaN",
            place.path
        ));
    }
    let has_sentiment = n_labels != N_EMOTIONS;
    let narrowed = values.iter().enumerate().filter_map(|(idx, wide)| {
        let is_sentiment = has_sentiment && idx.checked_rem(n_labels) == Some(0);
        let column = if is_sentiment { "regression_labels" } else { "emotion_labels" };
        NarrowedLabel::of(column, idx.checked_div(n_labels)?, *wide, *wide as f32)
    });
    let narrowed = narrowed.collect();
    let values: Vec<f32> = values.into_iter().map(|wide| wide as f32).collect();
    let sentiment: Vec<f32> = match has_sentiment {
        true => values.iter().step_by(n_labels).copied().collect(),
        false => Vec::new(),
    };
    let is_missing = sentiment.iter().all(|label| label.is_nan());
    if has_sentiment && is_missing {
        log.note(format!("{}: NaN of every sample, which is not stored", place.path));
    }
    let emotions = (n_labels >= N_EMOTIONS).then(|| {
        let first = n_labels.saturating_sub(N_EMOTIONS);
        Array2::from_shape_fn((n_samples, N_EMOTIONS), |(row, emotion)| {
            let idx = row.saturating_mul(n_labels).saturating_add(first).saturating_add(emotion);
            values.get(idx).copied().unwrap_or(f32::NAN)
        })
    });
    if emotions.is_some() {
        log.note(
            "labels: the six emotions are stored as `emotion_labels`; nothing is trained on them",
        );
    }
    if !has_sentiment {
        log.note(
            "labels: the source has emotions and no sentiment: the store can be predicted on, not \
             trained on",
        );
    }
    Ok(Labels { sentiment: (!is_missing).then_some(sentiment), emotions, narrowed })
}

/// Whether one sample's axes can hold one, six or seven labels, and not, say, 4 emotions of 2 classes.
fn is_known(axes: Option<&[usize]>, n_labels: usize) -> bool {
    const SENTIMENT_AND_EMOTIONS: usize = N_EMOTIONS + 1;
    let mut wide = axes.unwrap_or(&[]).iter().filter(|len| **len != 1);
    match n_labels {
        1 => true,
        N_EMOTIONS | SENTIMENT_AND_EMOTIONS => wide.next().is_some() && wide.next().is_none(),
        _ => false,
    }
}
