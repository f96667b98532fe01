//! Labels of each modality alone, which Self-MM makes from those of all modalities together: a sample whose
//! features are nearer to the positive samples in one modality than in all together gets a higher label in
//! that one.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

/// What a head is trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnTask {
    /// Its prediction in the outputs, its term of the loss, and its dropout.
    pub name: &'static str,
    /// Its features in the outputs.
    pub features: &'static str,
    /// What the released code calls it.
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

/// What is remembered of one task.
#[derive(Debug)]
struct OfTask {
    task: OwnTask,
    width: i64,
    /// Of each training sample, `[n_samples, 1]`.
    labels: Tensor,
    /// `[n_samples, width]`.
    features: Tensor,
    /// Means of the features of positive and of negative samples, `[2, width]`.
    centres: Tensor,
}

/// What is remembered of all training samples.
#[derive(Debug)]
pub struct Memory {
    /// That of all modalities together first.
    tasks: Vec<OfTask>,
    largest_label: f64,
}

/// Keeps a quotient finite.
const EPS: f64 = 1e-8;

impl Memory {
    /// An empty memory of tasks with so many features each.
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

    /// The labels of all tasks begin as those of all modalities together, `[n_samples, 1]`.
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

    /// Moves the labels of some samples, by the centres as they are and the features of this step.
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

    /// Remembers the features of some samples, and takes the centres anew.
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
                // The released code has NaN where a side has no sample.
                let n_samples = weights.sum(Kind::Float).clamp_min(1.0);
                own.centres.get(side).copy_(&(sum / n_samples));
            }
        }
    }

    /// All of it, by name.
    pub fn all(&self) -> BTreeMap<String, Tensor> {
        let of_task = |own: &OfTask| {
            [("labels", &own.labels), ("features", &own.features), ("centres", &own.centres)]
                .map(|(what, tensor)| (format!("{what}_{}", own.task.name), tensor.shallow_clone()))
        };
        self.tasks.iter().flat_map(of_task).collect()
    }
}
