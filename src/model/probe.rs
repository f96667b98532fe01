//! A model for tests only that uses the whole contract: two phases with their own losses, several
//! terms, a memory of each sample, dropout and noise, lengths, and unimodal labels. Its predictions are
//! irrelevant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

use super::configuration::Configuration;
use super::contract::{At, Batch, Losses, Model, ModelError, Need, Needs, Outputs, Pass, Task};
use super::form::Form;
use super::layers::{Init, Linear};
use super::registry::Inputs;
use crate::corpus::Modality;

/// The phase that trains a head on audio alone.
pub const HELPER: &str = "helper";

/// The table `[model]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeSpec {
    /// Width of each modality's representation.
    pub width: i64,
    /// Dropout rate of the representation.
    pub dropout: f64,
    /// Scale of the noise in one of the terms.
    pub noise: f64,
}

impl Configuration for ProbeSpec {
    const SOURCE: &str = "nobody";
    const NEEDS: Needs = Needs {
        audio: Need::Required,
        vision: Need::Ignored,
        lengths: true,
        unimodal_labels: true,
        ..Needs::TEXT
    };
    const TASK: Task = Task::L1;

    fn sizes(&self) -> Vec<i64> {
        vec![self.width]
    }

    fn rates(&self) -> Vec<f64> {
        vec![self.dropout]
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, _: Form) -> Box<dyn Model> {
        let n_in = |modality| inputs.sequence(modality).map_or(1, |it| it.feat_dim);
        let linear = |name, n_in, n_out| Linear::new(&init.sub(name), n_in, n_out, true);
        let nothing = || Tensor::zeros([0, 1], (Kind::Float, tch::Device::Cpu));
        Box::new(Probe {
            dropout: self.dropout,
            noise: self.noise,
            text: linear("text", n_in(Modality::Text), self.width),
            audio: linear("audio", n_in(Modality::Audio), self.width),
            head: linear("head", 2 * self.width, 1),
            helper: linear("helper", self.width, 1),
            remembered: nothing(),
            n_steps: nothing(),
        })
    }
}

#[derive(Debug)]
struct Probe {
    dropout: f64,
    noise: f64,
    text: Linear,
    audio: Linear,
    head: Linear,
    helper: Linear,
    /// For each training sample, initially its label, later a mean of predictions, `[n, 1]`.
    remembered: Tensor,
    /// Number of successive steps, by phase, `[2]`.
    n_steps: Tensor,
}

/// The mean of the steps before the padding, `[batch, feat_dim]`.
fn mean(batch: &Batch, modality: Modality) -> Result<Tensor, ModelError> {
    let features = batch.features(modality)?;
    let lengths = batch.lengths.get(&modality).ok_or(ModelError::Absent { what: "lengths" })?;
    let steps = Tensor::arange(features.size()[1], (Kind::Int64, features.device()));
    let lengths = lengths.view([-1, 1]);
    let is_real = steps.view([1, -1]).less_tensor(&lengths).to_kind(Kind::Float).unsqueeze(2);
    let sum = (features * is_real).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
    Ok(sum / lengths.to_kind(Kind::Float))
}

impl Model for Probe {
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        let text = self.text.forward(&mean(batch, Modality::Text)?).tanh();
        let audio = self.audio.forward(&mean(batch, Modality::Audio)?).tanh();
        let both = Tensor::cat(&[&text, &audio], 1);
        let dropped = pass.dropout("both", &both, self.dropout);
        let noise = pass.noise("both", &both) * self.noise;
        Ok(Outputs::of(self.head.forward(&dropped))
            .with("of_audio", self.helper.forward(&audio))
            .with("noisy", both - noise))
    }

    fn loss(&self, at: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        if at.phase == HELPER {
            let (pred, own) =
                (&outputs.parts["of_audio"], &batch.unimodal_labels[&Modality::Audio]);
            return Losses::of("of_audio", pred.mse_loss(own, Reduction::Mean));
        }
        let before = self.remembered.index_select(0, &batch.samples);
        Losses::l1(outputs, batch)
            .with("change", 0.3 * outputs.pred.mse_loss(&before, Reduction::Mean))
            .with("size", 0.1 * outputs.parts["noisy"].square().mean(Kind::Float))
    }

    fn begin(&mut self, targets: &Tensor) {
        self.remembered = targets.copy();
        self.n_steps = Tensor::zeros([2], (Kind::Float, targets.device()));
    }

    fn after_step(&mut self, outputs: &Outputs, batch: &Batch, at: At<'_>) {
        let is_main = i64::from(at.phase != HELPER);
        let _ = self.n_steps.get(is_main).g_add_scalar_(1.0);
        if is_main == 1 {
            let before = self.remembered.index_select(0, &batch.samples);
            let now = (before + outputs.pred.detach()) / 2.0;
            let _ = self.remembered.index_copy_(0, &batch.samples, &now);
        }
    }

    fn memory(&self) -> BTreeMap<String, Tensor> {
        [("remembered", &self.remembered), ("n_steps", &self.n_steps)]
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
            .into()
    }
}
