//! MAG-BERT, a Multimodal Adaptation Gate inside BERT.
//!
//! Rahman et al., "Integrating Multimodal Information in Large Pretrained Transformers", ACL 2020, as
//! in thuiar/MMSA `models/singleTask/BERT_MAG.py`; parameter names are the same.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::configuration::Configuration;
use super::contract::{At, Batch, Losses, Model, ModelError, Need, Needs, Outputs, Pass, Task};
use super::form::Form;
use super::layers::{Init, LayerNorm, Linear, pool_to};
use super::registry::Inputs;
use super::trace::Trace;
use crate::corpus::Modality;

/// Settings that do not depend on the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MagBertSpec {
    /// Maximum shift of a word by audio and vision, relative to its length.
    pub beta_shift: f64,
    /// Dropout rate of the shifted words.
    pub dropout: f64,
    /// Dropout rate of the pooled text before the output.
    pub classifier_dropout: f64,
}

impl Configuration for MagBertSpec {
    const SOURCE: &str =
        "Rahman et al., ACL 2020; code https://github.com/thuiar/MMSA a94e65d (MIT)";
    const NEEDS: Needs =
        Needs { audio: Need::Used, vision: Need::Used, pooler: true, ..Needs::TEXT };
    const TASK: Task = Task::L1;
    const ENCODER_NAME: Option<&str> = Some("model.bert");

    fn sizes(&self) -> Vec<i64> {
        Vec::new()
    }

    fn rates(&self) -> Vec<f64> {
        vec![self.dropout, self.classifier_dropout]
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, _: Form) -> Box<dyn Model> {
        let width = inputs.feat_dim(Modality::Text);
        // BERT's initialisation.
        let linear = |name: &str, n_in, n_out| {
            let init = init.sub(name);
            Linear {
                weight: init.scaled_normal("weight", &[n_out, n_in], 0.02),
                bias: Some(init.constant("bias", &[n_out], 0.0)),
            }
        };
        let shift = |(modality, letter): (Modality, &str)| {
            let dim = inputs.sequence(modality)?.feat_dim;
            Some(Shift {
                modality,
                gate: linear(&format!("model.bert.MAG.W_h{letter}"), dim + width, width),
                map: linear(&format!("model.bert.MAG.W_{letter}"), dim, width),
            })
        };
        let shifts = [(Modality::Vision, "v"), (Modality::Audio, "a")];
        Box::new(MagBert {
            shifts: shifts.into_iter().filter_map(shift).collect(),
            norm: LayerNorm::new(&init.sub("model.bert.MAG.LayerNorm"), width, 1e-5),
            classifier: linear("model.classifier", width, 1),
            spec: self.clone(),
        })
    }
}

/// Shift of words by one modality.
#[derive(Debug)]
struct Shift {
    modality: Modality,
    gate: Linear,
    map: Linear,
}

#[derive(Debug)]
struct MagBert {
    shifts: Vec<Shift>,
    norm: LayerNorm,
    classifier: Linear,
    spec: MagBertSpec,
}

impl MagBert {
    /// Words `[batch, seq_len, d_l]`, shifted by the accompanying audio and vision; `features` are
    /// `[batch, seq_len, feat_dim]` for each of [`shifts`](MagBert::shifts).
    fn shifted(&self, words: &Tensor, features: &[Tensor], trace: &mut Trace) -> Tensor {
        let shift = |(shift, x): (&Shift, &Tensor)| {
            let gate = shift.gate.forward(&Tensor::cat(&[x, words], 2));
            let map = shift.map.forward(x);
            trace.record_in(shift.modality.name(), "gate", &gate);
            trace.record_in(shift.modality.name(), "map", &map);
            gate.relu() * map
        };
        let all = self.shifts.iter().zip(features).map(shift).reduce(|sum, shift| sum + shift);
        let Some(shift) = all else { return self.norm.forward(words) };
        // At 0 there is no direction; PyTorch's norm has a zero gradient there as well.
        let length = |x: &Tensor| x.norm_scalaropt_dim(2, [2_i64].as_slice(), true);
        let of_shift = length(&shift);
        let of_shift = of_shift.where_self(&of_shift.not_equal(0.0), &of_shift.ones_like());
        let share = length(words) / (of_shift + 1e-6) * self.spec.beta_shift;
        let alpha = share.clamp_max(1.0);
        for (name, value) in [("shift", &shift), ("share", &share), ("alpha", &alpha)] {
            trace.record(name, value);
        }
        self.norm.forward(&(alpha * shift + words))
    }
}

impl Model for MagBert {
    fn adapt(
        &self,
        embedded: Tensor,
        batch: &Batch,
        pass: &mut Pass<'_>,
    ) -> Result<Tensor, ModelError> {
        let seq_len = embedded.size()[1];
        let mut features = Vec::new();
        for shift in &self.shifts {
            features.push(pool_to(batch.features(shift.modality)?, seq_len));
        }
        let shifted = self.shifted(&embedded, &features, pass.trace);
        pass.trace.record("shifted", &shifted);
        Ok(pass.dropout("mag", &shifted, self.spec.dropout))
    }

    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        let pooled = batch.pooled.as_ref();
        let pooled = pooled.ok_or(ModelError::Absent { what: "a text encoder with a pooler" })?;
        pass.trace.record("pooled", pooled);
        let dropped = pass.dropout("classifier", pooled, self.spec.classifier_dropout);
        Ok(Outputs::of(self.classifier.forward(&dropped)))
    }

    fn loss(&self, _: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        Losses::l1(outputs, batch)
    }
}
