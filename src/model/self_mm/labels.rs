//! Self-MM's unimodal labels, generated from the multimodal ones: a sample whose features are nearer to
//! the positive samples in one modality than in the multimodal representation gets a higher label for
//! that modality.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

/// Task of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnTask {
    /// Name of its prediction in the outputs, its loss term, and its dropout.
    pub name: &'static str,
    /// Name of its features in the outputs.
    pub features: &'static str,
    /// Its name in the released code.
    pub released: &'static str,
}

/// All modalities together.
pub const FUSION: OwnTask =
    OwnTask { name: "fusion", features: "features_fusion", released: "fusion" };
/// Text alone.
pub const TEXT: OwnTask = OwnTask { name: "text", features: "features_text", released: "text" };
/// Audio alone.
pub const AUDIO: OwnTask = OwnTask { name: "audio", features: "features_audio", released: "audio" };
/// Vision alone.
pub const VISION: OwnTask =
    OwnTask { name: "vision", features: "features_vision", released: "video" };

/// Memory of one task.
#[derive(Debug)]
struct OfTask {
    task: OwnTask,
    width: i64,
    /// For each training sample, `[n_samples, 1]`.
    labels: Tensor,
    /// `[n_samples, width]`.
    features: Tensor,
    /// Means of the positive and of the negative samples' features, `[2, width]`.
    centres: Tensor,
}

/// Memory of all training samples.
#[derive(Debug)]
pub struct Memory {
    /// The multimodal task first.
    tasks: Vec<OfTask>,
    largest_label: f64,
}

/// Keeps a quotient finite.
const EPS: f64 = 1e-8;

impl Memory {
    /// An empty memory of tasks with the given feature widths.
    pub fn new(widths: Vec<(OwnTask, i64)>, largest_label: f64) -> Memory {
        let empty = || Tensor::zeros([0], (Kind::Float, tch::Device::Cpu));
        let of_task = |(task, width)| OfTask {
            task,
            width,
            labels: empty(),
            features: empty(),
            centres: empty(),
        };
        Memory { tasks: widths.into_iter().map(of_task).collect(), largest_label }
    }

    /// Initialises all tasks' labels from the multimodal ones, `[n_samples, 1]`.
    pub fn begin(&mut self, targets: &Tensor) {
        let (n_samples, options) = (targets.size()[0], (Kind::Float, targets.device()));
        for own in &mut self.tasks {
            own.labels = targets.copy();
            own.features = Tensor::zeros([n_samples, own.width], options);
            own.centres = Tensor::zeros([2, own.width], options);
        }
    }

    /// Labels of some samples, `[batch, 1]`.
    pub fn labels_of(&self, task: OwnTask, samples: &Tensor) -> Tensor {
        let own = self.tasks.iter().find(|own| own.task == task);
        own.expect("every head has a memory").labels.index_select(0, samples)
    }

    /// Updates the labels of some samples from the current centres and this step's features.
    pub fn update_labels(
        &self,
        features: &dyn Fn(OwnTask) -> Tensor,
        samples: &Tensor,
        targets: &Tensor,
        epoch: usize,
    ) {
        let distance = |own: &OfTask, side: i64| {
            let away = features(own.task) - own.centres.get(side);
            away.norm_scalaropt_dim(2, [1_i64].as_slice(), true)
        };
        let nearness = |own: &OfTask| {
            let (positive, negative) = (distance(own, 0), distance(own, 1));
            (&negative - &positive) / (positive + EPS)
        };
        let [of_all, others @ ..] = &*self.tasks else { return };
        let of_all = nearness(of_all);
        let n = epoch as f64;
        for own in others {
            let of_own = nearness(own);
            let scaled = &of_own / (&of_all + EPS) * targets;
            let shifted = targets + &of_own - &of_all;
            let new: Tensor = 0.5 * (scaled + shifted);
            let new = new.clamp(-self.largest_label, self.largest_label);
            let before = own.labels.index_select(0, samples);
            let label = (n - 1.0) / (n + 1.0) * before + 2.0 / (n + 1.0) * new;
            let _ = own.labels.shallow_clone().index_copy_(0, samples, &label);
        }
    }

    /// Stores the features of some samples, and recomputes the centres.
    pub fn update_features(&self, features: &dyn Fn(OwnTask) -> Tensor, samples: &Tensor) {
        for own in &self.tasks {
            let _ = own.features.shallow_clone().index_copy_(0, samples, &features(own.task));
            for (side, is_of_side) in [(0, own.labels.gt(0.0)), (1, own.labels.lt(0.0))] {
                let weights = is_of_side.to_kind(Kind::Float);
                let sum = (&own.features * &weights).sum_dim_intlist(
                    [0_i64].as_slice(),
                    false,
                    Kind::Float,
                );
                // The released code returns NaN if a side has no samples.
                let n_samples = weights.sum(Kind::Float).clamp_min(1.0);
                own.centres.get(side).copy_(&(sum / n_samples));
            }
        }
    }

    /// The whole memory, by name.
    pub fn all(&self) -> BTreeMap<String, Tensor> {
        let of_task = |own: &OfTask| {
            [("labels", &own.labels), ("features", &own.features), ("centres", &own.centres)]
                .map(|(what, tensor)| (format!("{what}_{}", own.task.name), tensor.shallow_clone()))
        };
        self.tasks.iter().flat_map(of_task).collect()
    }
}
