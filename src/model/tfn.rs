//! TFN, the Tensor Fusion Network.
//!
//! Zadeh et al., "Tensor Fusion Network for Multimodal Sentiment Analysis", EMNLP 2017, as in
//! thuiar/MMSA `models/singleTask/TFN.py`; parameter names are the same.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::configuration::{Configuration, LARGEST};
use super::contract::{At, Batch, Can, Losses, Model, ModelError, Needs, Outputs, Pass, Task};
use super::form::Form;
use super::layers::{Init, Linear, SubnetSizes, Subnets, with_one_before};
use super::registry::Inputs;

/// Sizes that do not depend on the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TfnSpec {
    /// Width of the LSTM over text.
    pub text_hidden: i64,
    /// Width of the text vector in the fusion.
    pub text_out: i64,
    /// Width of audio.
    pub audio_hidden: i64,
    /// Width of vision.
    pub vision_hidden: i64,
    /// Width of the two layers after the fusion.
    pub post_fusion_dim: i64,
    /// Whether to average audio and vision only over the steps before their padding, or over all, as
    /// released.
    #[serde(default)]
    pub over_lengths: bool,
    /// Dropout rate of the normed audio features.
    pub audio_dropout: f64,
    /// Dropout rate of the normed visual features.
    pub vision_dropout: f64,
    /// Dropout rate of the fusion tensor.
    pub post_fusion_dropout: f64,
}

impl Configuration for TfnSpec {
    const SOURCE: &str =
        "Zadeh et al., EMNLP 2017; code https://github.com/thuiar/MMSA a94e65d (MIT)";
    const NEEDS: Needs = Needs::ALL;
    const TASK: Task = Task::L1;

    fn sizes(&self) -> Vec<i64> {
        let TfnSpec { text_hidden, text_out, audio_hidden, vision_hidden, post_fusion_dim, .. } =
            self;
        vec![*text_hidden, *text_out, *audio_hidden, *vision_hidden, *post_fusion_dim]
    }

    fn problem(&self, _: &Inputs) -> Option<String> {
        let fused = self.fused();
        (fused > LARGEST).then(|| {
            format!(
                "text_out, audio_hidden, vision_hidden: a fusion tensor of {fused} values, of which there \
                 can be {LARGEST}"
            )
        })
    }

    fn needs(&self) -> Needs {
        Needs { lengths: self.over_lengths, means: !self.over_lengths, ..Self::NEEDS }
    }

    fn rates(&self) -> Vec<f64> {
        vec![self.audio_dropout, self.vision_dropout, self.post_fusion_dropout]
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, _: Form) -> Box<dyn Model> {
        let fused = self.fused();
        let width = self.post_fusion_dim;
        let layer = |idx: usize, n_in, n_out| {
            Linear::new(&init.sub(&format!("post_fusion_layer_{idx}")), n_in, n_out, true)
        };
        Box::new(Tfn {
            subnets: Subnets::new(
                init,
                inputs,
                SubnetSizes {
                    text_hidden: self.text_hidden,
                    text_out: self.text_out,
                    audio: (self.audio_hidden, self.audio_dropout),
                    vision: (self.vision_hidden, self.vision_dropout),
                    over_lengths: self.over_lengths,
                },
            ),
            post_fusion: [layer(1, fused, width), layer(2, width, width), layer(3, width, 1)],
            dropout: self.post_fusion_dropout,
            range: init.buffer("output_range", &[1], 6.0),
            shift: init.buffer("output_shift", &[1], -3.0),
        })
    }
}

impl TfnSpec {
    /// Number of values in the fusion tensor; saturates, because sizes from a file may overflow any
    /// product.
    fn fused(&self) -> i64 {
        let widths = [self.text_out, self.audio_hidden, self.vision_hidden];
        widths.into_iter().fold(1, |all: i64, width| all.saturating_mul(width.saturating_add(1)))
    }
}

#[derive(Debug)]
struct Tfn {
    subnets: Subnets,
    post_fusion: [Linear; 3],
    dropout: f64,
    range: Tensor,
    shift: Tensor,
}

impl Model for Tfn {
    /// The outer product of (1, audio), (1, vision) and (1, text), three layers, and a sigmoid scaled
    /// to [-3, 3], whatever the range of the labels.
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        let [audio, vision, text] = self.subnets.forward(batch, pass)?;
        let [a, v, t] = [&audio, &vision, &text].map(with_one_before);
        let pairs = (a.unsqueeze(2) * v.unsqueeze(1)).flatten(1, 2);
        let fused = (pairs.unsqueeze(2) * t.unsqueeze(1)).flatten(1, 2);
        let x = pass.dropout("post_fusion", &fused, self.dropout);
        let [first, second, last] = &self.post_fusion;
        let x = second.forward(&first.forward(&x).relu()).relu();
        let pred = last.forward(&x).sigmoid() * &self.range + &self.shift;
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
