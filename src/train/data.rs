//! The samples of a run, on its device.

use std::collections::BTreeMap;

use ndarray::Array3;
use tch::{Device, Tensor};

use super::TrainError;
use crate::corpus::{Modality, SplitName};
use crate::model::{Input, Sequence};

/// One split, ready to be cut into batches.
#[derive(Debug)]
pub struct TrainingSplit {
    name: SplitName,
    ids: Vec<String>,
    labels: Vec<f32>,
    targets: Tensor,
    features: BTreeMap<Modality, Tensor>,
}

impl TrainingSplit {
    /// Moves a split to the device. `labels` is `[n_samples]`, features are
    /// `[n_samples, seq_len, feat_dim]`.
    ///
    /// # Errors
    /// The columns differ in length, the split is empty, text is absent, or a value is not finite.
    pub fn new(
        name: SplitName,
        ids: Vec<String>,
        labels: Vec<f32>,
        features: BTreeMap<Modality, Array3<f32>>,
        device: Device,
    ) -> Result<TrainingSplit, TrainError> {
        if ids.is_empty() {
            return Err(TrainError::EmptySplit { split: name });
        }
        let columns = features.iter().map(|(modality, array)| (modality.name(), array.dim().0));
        for (column, found) in columns.chain([("regression_labels", labels.len())]) {
            if found != ids.len() {
                let expected = ids.len();
                return Err(TrainError::Count { split: name, column, expected, found });
            }
        }
        let label_problem = labels.iter().filter(|label| !label.is_finite()).count();
        if label_problem > 0 {
            let column = "regression_labels";
            return Err(TrainError::NonFinite { split: name, column, n_values: label_problem });
        }
        let mut tensors = BTreeMap::new();
        for (modality, array) in features {
            let n_values = array.iter().filter(|value| !value.is_finite()).count();
            if n_values > 0 {
                let column = modality.name();
                return Err(TrainError::NonFinite { split: name, column, n_values });
            }
            let shape: Vec<i64> = array.shape().iter().map(|extent| *extent as i64).collect();
            let values = array.as_standard_layout();
            let slice = values.as_slice().unwrap_or_default();
            tensors.insert(modality, Tensor::from_slice(slice).view(&*shape).to_device(device));
        }
        if !tensors.contains_key(&Modality::Text) {
            return Err(TrainError::NoText);
        }
        let targets = Tensor::from_slice(&labels).view([-1, 1]).to_device(device);
        Ok(TrainingSplit { name, ids, labels, targets, features: tensors })
    }

    /// Which split.
    pub fn name(&self) -> SplitName {
        self.name
    }

    /// Segment ids, in order.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Labels, `[n_samples]`.
    pub fn labels(&self) -> &[f32] {
        &self.labels
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.ids.len()
    }

    /// Where the samples lie.
    pub fn device(&self) -> Device {
        self.targets.device()
    }

    /// Extents per modality.
    pub fn sequences(&self) -> BTreeMap<Modality, Sequence> {
        let extents = |tensor: &Tensor| {
            let size = tensor.size();
            Sequence { seq_len: size[1], feat_dim: size[2] }
        };
        self.features.iter().map(|(modality, tensor)| (*modality, extents(tensor))).collect()
    }

    /// The samples at `indices` (`[batch]`, int64, on the device), and their labels `[batch, 1]`.
    pub fn batch(&self, indices: &Tensor) -> (Input, Tensor) {
        let pick =
            |modality| self.features.get(&modality).map(|tensor| tensor.index_select(0, indices));
        let input = Input {
            // Its presence was checked when the split was made.
            text: pick(Modality::Text).unwrap_or_default(),
            audio: pick(Modality::Audio),
            vision: pick(Modality::Vision),
        };
        (input, self.targets.index_select(0, indices))
    }
}
