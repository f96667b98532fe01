//! Traces a model's intermediate values per sample, and averages its attention.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::TrainError;
use super::checkpoint::Checkpoint;
use super::data::TrainingSplit;
use super::memory::Work;
use super::predict::{check_shapes, predict_batch};
use super::within::within;
use crate::corpus::Modality;
use crate::model::Trace;
use crate::model::contract::{Batch, Pass};
use crate::run::attention::{AttentionMap, AttentionRecord};

/// The guided modalities, with the names in a [`Trace`] of their weights and of their contributions.
const GUIDED: [(Modality, &str, &str); 2] =
    [(Modality::Audio, "alpha", "ahl_audio"), (Modality::Vision, "beta", "ahl_vision")];

/// Passes `see` the samples at the indices `order` in batches, with the model's intermediate values by
/// name.
///
/// # Errors
/// The split's shapes do not match the model, the features cannot be read, libtorch fails, or any error
/// of `see`.
pub fn each_trace(
    checkpoint: &Checkpoint,
    split: &TrainingSplit,
    order: &[usize],
    mut see: impl FnMut(&Batch, BTreeMap<String, Tensor>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    check_shapes(split, &checkpoint.info.config)?;
    let n_batch = predict_batch(split.device());
    let n_samples = n_batch.min(order.len());
    let network = checkpoint.traced();
    within(Work::Prediction { n_samples }, || {
        let _guard = tch::no_grad_guard();
        split.each_batch(order, n_batch, |batch| {
            let mut trace = Trace::keep();
            let mut pass = Pass::evaluation(&mut trace);
            let _ = network.forward(&batch, false, &mut pass)?;
            see(&batch, trace.into_values())
        })
    })
}

/// A model's mean attention on a split; `None` for a model without language guidance.
///
/// # Errors
/// Same as [`each_trace`].
pub fn average(
    checkpoint: &Checkpoint,
    split: &TrainingSplit,
) -> Result<Option<AttentionRecord>, TrainError> {
    let Some(layer) = checkpoint.almt().and_then(|almt| almt.last_guided()) else {
        return Ok(None);
    };
    let order: Vec<usize> = (0..split.n_samples()).collect();
    // Sums of weights over heads and samples, and of lengths over samples.
    let mut sums: BTreeMap<Modality, (Tensor, f64)> = BTreeMap::new();
    each_trace(checkpoint, split, &order, |_, values| {
        for (modality, weights, part) in GUIDED {
            let Some(weights) = values.get(&format!("{weights}_{layer}")) else { continue };
            let weights =
                weights.mean_dim(1, false, Kind::Double).sum_dim_intlist(0, false, Kind::Double);
            let shift = values.get(&format!("{part}_{layer}")).map_or(f64::NAN, |part| {
                let lengths = part.square().sum_dim_intlist(-1, false, Kind::Double).sqrt();
                lengths.mean_dim(-1, false, None).sum(None).double_value(&[])
            });
            let sum = sums.entry(modality).or_insert_with(|| (weights.zeros_like(), 0.0));
            sum.0 += weights;
            sum.1 += shift;
        }
        Ok(())
    })?;
    let n_samples = split.n_samples();
    let maps = sums.into_iter().map(|(modality, (weights, shift))| {
        let weights = rows(&(weights / n_samples as f64))?;
        Ok(AttentionMap { modality, weights, shift: shift / n_samples as f64 })
    });
    let maps = maps.collect::<Result<_, TrainError>>()?;
    Ok(Some(AttentionRecord { split: split.name(), n_samples, layer, maps }))
}

/// The rows of a two-dimensional tensor.
///
/// # Errors
/// The tensor has another number of axes.
pub fn rows(tensor: &Tensor) -> Result<Vec<Vec<f64>>, TrainError> {
    let tensor = tensor.to_kind(Kind::Double).to_device(Device::Cpu);
    Ok(Vec::<Vec<f64>>::try_from(tensor)?)
}
