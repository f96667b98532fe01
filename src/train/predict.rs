//! A model's predictions for a split outside training.

use tch::{Device, Tensor};

use super::checkpoint::Checkpoint;
use super::config::ModelConfig;
use super::data::TrainingSplit;
use super::memory::Work;
use super::network::Network;
use super::within::within;
use super::{DataError, TrainError};
use crate::corpus::Modality;
use crate::model::contract::Pass;
use crate::model::{Sequence, Trace};
use crate::run::metrics::{self, Metrics};
use crate::run::predictions::Prediction;

/// Samples per forward pass outside training. All callers on a device use the same number, because
/// another one may change the last bits of a prediction.
pub(super) fn predict_batch(device: Device) -> usize {
    match device {
        // Larger passes take little longer there.
        Device::Cuda(_) => 256,
        _ => 64,
    }
}

/// Predictions for all samples of a split, in order and in units of the label, `[n_samples]`.
///
/// # Errors
/// The features cannot be read, or libtorch fails.
pub fn predict(network: &Network, split: &TrainingSplit) -> Result<Vec<f32>, TrainError> {
    let order: Vec<usize> = (0..split.n_samples()).collect();
    let n_batch = predict_batch(split.device());
    let n_samples = n_batch.min(split.n_samples());
    let pred = within(Work::Prediction { n_samples }, || {
        let _guard = tch::no_grad_guard();
        let mut parts = Vec::new();
        split.each_batch(&order, n_batch, |batch| {
            let mut trace = Trace::default();
            let mut pass = Pass::evaluation(&mut trace);
            parts.push(network.forward(&batch, false, &mut pass)?.pred);
            Ok(())
        })?;
        let pred = Tensor::cat(&parts, 0).flatten(0, -1).to_device(Device::Cpu);
        let outputs = Vec::<f32>::try_from(pred)?;
        let label = |output| split.map().map_or(output, |map| map.from_model(output));
        Ok(outputs.into_iter().map(label).collect::<Vec<f32>>())
    })?;
    if pred.len() != split.n_samples() {
        let (expected, found) = (split.n_samples(), pred.len());
        let column = "prediction";
        return Err(DataError::Count { split: split.name(), column, expected, found }.into());
    }
    Ok(pred)
}

/// Metrics and predictions of a checkpoint on one split.
///
/// # Errors
/// The split's shapes do not match the model, or libtorch fails.
pub fn evaluate(
    checkpoint: &Checkpoint,
    split: &TrainingSplit,
) -> Result<(Metrics, Vec<Prediction>), TrainError> {
    let labels: Vec<Option<f32>> = split.labels().iter().copied().map(Some).collect();
    let rows = predictions_of(checkpoint, split, &labels)?;
    let pred: Vec<f32> = rows.iter().map(|row| row.prediction).collect();
    Ok((metrics::evaluate(checkpoint.info.scale(), &pred, split.labels()), rows))
}

/// A checkpoint's predictions on one split, next to the labels of the labelled samples.
///
/// # Errors
/// Same as [`evaluate`].
pub fn predictions_of(
    checkpoint: &Checkpoint,
    split: &TrainingSplit,
    labels: &[Option<f32>],
) -> Result<Vec<Prediction>, TrainError> {
    check_shapes(split, &checkpoint.info.config)?;
    let pred = predict(&checkpoint.network, split)?;
    let rows = split.ids().iter().zip(labels).zip(pred);
    let rows = rows.map(|((id, label), prediction)| Prediction {
        id: id.clone(),
        split: split.name(),
        label: *label,
        prediction,
        is_cut: false,
    });
    Ok(rows.collect())
}

/// Compares the extents of a split with those of a model.
///
/// # Errors
/// They differ.
pub(super) fn check_shapes(split: &TrainingSplit, config: &ModelConfig) -> Result<(), TrainError> {
    for (modality, expected) in &config.inputs.0 {
        let found = match (*modality, &config.bert) {
            (Modality::Text, Some(bert)) => {
                split.n_tokens().map(|seq_len| Sequence { seq_len, feat_dim: bert.hidden_size })
            }
            _ => split.sequences().get(modality).copied(),
        };
        // Modalities that the model does not use may be present.
        if found != Some(*expected) {
            let show = |sequence: Option<Sequence>| match sequence {
                Some(sequence) => format!("[{}, {}]", sequence.seq_len, sequence.feat_dim),
                None => "none".into(),
            };
            let (expected, found) = (show(Some(*expected)), show(found));
            let (split, modality) = (split.name(), *modality);
            return Err(DataError::Shape { split, modality, expected, found }.into());
        }
    }
    Ok(())
}
