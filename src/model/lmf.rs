//! LMF, Low-rank Multimodal Fusion.
//!
//! Liu et al., "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors", ACL 2018, as in
//! thuiar/MMSA `models/singleTask/LMF.py`; parameter names are the same.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::configuration::Configuration;
use super::contract::{At, Batch, Can, Losses, Model, ModelError, Needs, Outputs, Pass, Task};
use super::form::Form;
use super::layers::{Init, SubnetSizes, Subnets, with_one_before};
use super::registry::Inputs;

/// Sizes that do not depend on the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmfSpec {
    /// Width of the LSTM over text; the fused text vector has twice this width.
    pub text_hidden: i64,
    /// Width of audio.
    pub audio_hidden: i64,
    /// Width of vision.
    pub vision_hidden: i64,
    /// Rank of the fusion.
    pub rank: i64,
    /// Whether to average audio and vision only over the steps before their padding, or over all, as
    /// released.
    #[serde(default)]
    pub over_lengths: bool,
    /// Dropout rate of the normed audio features.
    pub audio_dropout: f64,
    /// Dropout rate of the normed visual features.
    pub vision_dropout: f64,
}

impl Configuration for LmfSpec {
    const SOURCE: &str = "Liu et al., ACL 2018; code https://github.com/thuiar/MMSA a94e65d (MIT)";
    const NEEDS: Needs = Needs::ALL;
    const TASK: Task = Task::L1;

    fn sizes(&self) -> Vec<i64> {
        let LmfSpec { text_hidden, audio_hidden, vision_hidden, rank, .. } = *self;
        vec![text_hidden, audio_hidden, vision_hidden, rank]
    }

    fn problem(&self, _: &Inputs) -> Option<String> {
        let width = self.text_hidden;
        (width < 2).then(|| format!("text_hidden: expected 2 or more, found {width}"))
    }

    fn needs(&self) -> Needs {
        Needs { lengths: self.over_lengths, means: !self.over_lengths, ..Self::NEEDS }
    }

    fn rates(&self) -> Vec<f64> {
        vec![self.audio_dropout, self.vision_dropout]
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, _: Form) -> Box<dyn Model> {
        let text_out = self.text_hidden / 2;
        // Xavier's rule includes the rank in both fans.
        let factor = |name, width: i64| {
            let std = (2.0 / ((1 + width + self.rank) as f32)).sqrt();
            init.scaled_normal(name, &[self.rank, 1 + width, 1], std)
        };
        Box::new(Lmf {
            factors: [
                factor("audio_factor", self.audio_hidden),
                factor("video_factor", self.vision_hidden),
                factor("text_factor", text_out),
            ],
            weights: init.scaled_normal(
                "fusion_weights",
                &[1, self.rank],
                (2.0 / (self.rank as f32 + 1.0)).sqrt(),
            ),
            bias: init.constant("fusion_bias", &[1, 1], 0.0),
            subnets: Subnets::new(
                init,
                inputs,
                SubnetSizes {
                    text_hidden: self.text_hidden,
                    text_out,
                    audio: (self.audio_hidden, self.audio_dropout),
                    vision: (self.vision_hidden, self.vision_dropout),
                    over_lengths: self.over_lengths,
                },
            ),
        })
    }
}

#[derive(Debug)]
struct Lmf {
    /// For audio, vision and text, `[rank, 1 + width, 1]`.
    factors: [Tensor; 3],
    /// `[1, rank]`.
    weights: Tensor,
    /// `[1, 1]`.
    bias: Tensor,
    subnets: Subnets,
}

impl Model for Lmf {
    /// Multiplies each (1, h) by its factor, then takes the product over the modalities and a weighted
    /// sum over the rank.
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        let [audio, vision, text] = self.subnets.forward(batch, pass)?;
        let [a, v, t] = &self.factors;
        let projected = |x: &Tensor, factor: &Tensor| with_one_before(x).matmul(factor);
        // `[rank, batch, 1]` to `[batch, rank]`.
        let fused = projected(&audio, a) * projected(&vision, v) * projected(&text, t);
        let fused = fused.squeeze_dim(2).transpose(0, 1);
        let pred = fused.matmul(&self.weights.transpose(0, 1)) + &self.bias;
        Ok(Outputs::of(pred)
            .with("audio", audio)
            .with("vision", vision)
            .with("text", text)
            .with("fusion", fused))
    }

    fn loss(&self, _: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        Losses::l1(outputs, batch)
    }

    fn can(&self) -> Can {
        Can { be_recorded: true, be_stacked: false }
    }
}
