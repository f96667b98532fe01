//! The published metrics, their intervals, comparisons of two runs, and the trainer's order of samples.

use almt_data::corpus::Dataset;
use almt_data::corpus::label::LabelScale;
use almt_data::corpus::scale::OwnScale;
use almt_data::progress::Progress;
use almt_data::run::interval::{Resampling, intervals};
use almt_data::run::{compare as runs, metrics as published};
use almt_data::seed::shuffled;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::calls::observed;
use crate::memory::no_memory;

/// Metrics by their names in MMSA. Predictions and labels are the bytes of float32 values.
#[pyfunction]
pub fn metrics<'py>(
    py: Python<'py>,
    predictions: &[u8],
    labels: &[u8],
    dataset: Labelled,
) -> PyResult<Bound<'py, PyDict>> {
    let own = own(&dataset)?;
    let scale = scale_of(&dataset, own.as_ref())?;
    let [predictions, labels] = pair(predictions, labels)?;
    let found = py.detach(|| published::evaluate(scale, &predictions, &labels));
    let dict = PyDict::new(py);
    found.iter().try_for_each(|(name, value)| dict.set_item(name, value))?;
    Ok(dict)
}

/// Metrics with their confidence intervals over resampled segments: value, lower and upper end.
#[pyfunction]
pub fn bootstrap<'py>(
    py: Python<'py>,
    predictions: &[u8],
    labels: &[u8],
    dataset: Labelled,
    resamples: usize,
    seed: u64,
    level: f64,
) -> PyResult<Bound<'py, PyDict>> {
    let own = own(&dataset)?;
    let scale = scale_of(&dataset, own.as_ref())?;
    let [predictions, labels] = pair(predictions, labels)?;
    if !(0.0..1.0).contains(&level) || level == 0.0 {
        return Err(PyValueError::new_err(format!("level must be between 0 and 1, found {level}")));
    }
    let found = observed(py, None, |observer| {
        let rounds =
            Resampling { n_rounds: resamples, seed, before_round: &|| observer.advance(1) };
        intervals(scale, &labels, &predictions, level, &rounds)
    })?;
    let dict = PyDict::new(py);
    for each in found {
        dict.set_item(&*each.metric, (each.value, each.interval[0], each.interval[1]))?;
    }
    Ok(dict)
}

/// Differences of two runs as JSON, like those of `almt-data compare --json`.
#[pyfunction]
pub fn compare(
    py: Python<'_>,
    a: &[u8],
    b: &[u8],
    labels: &[u8],
    dataset: Labelled,
    resamples: usize,
    seed: u64,
) -> PyResult<String> {
    let own = own(&dataset)?;
    let scale = scale_of(&dataset, own.as_ref())?;
    let [a, labels] = pair(a, labels)?;
    let b = values(b)?;
    if b.len() != labels.len() {
        return Err(lengths(b.len(), labels.len()));
    }
    let found = observed(py, None, |observer| {
        let rounds =
            Resampling { n_rounds: resamples, seed, before_round: &|| observer.advance(1) };
        runs::compare(scale, &labels, &a, &b, &rounds)
    })?;
    serde_json::to_string(&found).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The order in which an epoch of the trainer reads its samples. Epochs count from 1.
#[pyfunction]
pub fn order(py: Python<'_>, seed: u64, epoch: usize, n_samples: usize) -> PyResult<Vec<usize>> {
    // What the library then takes, and ends the process without.
    Vec::<usize>::new().try_reserve_exact(n_samples).map_err(no_memory)?;
    Ok(py.detach(|| shuffled(seed, epoch, 0, n_samples)))
}

/// The name of a dataset, and the description of its labels as JSON if it is one's own.
type Labelled = (String, Option<String>);

/// The description of one's own labels, in the JSON of a store's manifest.
fn own((_, scale): &Labelled) -> PyResult<Option<OwnScale>> {
    let own = scale.as_deref().map(serde_json::from_str).transpose();
    own.map_err(|error| PyValueError::new_err(format!("not a label scale: {error}")))
}

/// The scale of a published dataset, or that of one's own.
fn scale_of<'a>((dataset, _): &Labelled, own: Option<&'a OwnScale>) -> PyResult<LabelScale<'a>> {
    match own {
        Some(own) => Ok(LabelScale::Own(own)),
        None => {
            let dataset: Dataset =
                dataset.parse().map_err(|error| PyValueError::new_err(format!("{error}")))?;
            Ok(LabelScale::of(dataset, None))
        }
    }
}

fn pair(predictions: &[u8], labels: &[u8]) -> PyResult<[Vec<f32>; 2]> {
    let [predictions, labels] = [values(predictions)?, values(labels)?];
    match predictions.len() == labels.len() {
        true => Ok([predictions, labels]),
        false => Err(lengths(predictions.len(), labels.len())),
    }
}

fn values(bytes: &[u8]) -> PyResult<Vec<f32>> {
    let (values, rest) = bytes.as_chunks::<4>();
    match rest.is_empty() {
        true => Ok(values.iter().map(|value| f32::from_ne_bytes(*value)).collect()),
        false => Err(PyValueError::new_err("the bytes are not float32 values")),
    }
}

fn lengths(n_predictions: usize, n_labels: usize) -> PyErr {
    PyValueError::new_err(format!("{n_predictions} predictions for {n_labels} labels"))
}
