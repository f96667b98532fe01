//! Self-MM, Self-supervised Multi-task Multimodal sentiment analysis.
//!
//! Yu et al., "Learning Modality-Specific Representations with Self-Supervised Multi-Task Learning for
//! Multimodal Sentiment Analysis", AAAI 2021, as in thuiar/MMSA `models/multiTask/SELF_MM.py` and
//! `trains/multiTask/SELF_MM.py`; parameter names are the same.

mod labels;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use self::labels::{FUSION, Memory, OwnTask};
use super::configuration::Configuration;
use super::contract::{At, Batch, Losses, Model, ModelError, Need, Needs, Outputs, Pass, Task};
use super::form::Form;
use super::layers::{Init, Linear, Lstm};
use super::registry::Inputs;
use crate::corpus::Modality;

/// Sizes that do not depend on the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfMmSpec {
    /// Width of the LSTM over audio.
    pub audio_hidden: i64,
    /// Width of the LSTM over vision.
    pub vision_hidden: i64,
    /// Output width for audio.
    pub audio_out: i64,
    /// Output width for vision.
    pub vision_out: i64,
    /// Width of the multimodal head.
    pub post_fusion: i64,
    /// Width of the text head.
    pub post_text: i64,
    /// Width of the audio head.
    pub post_audio: i64,
    /// Width of the vision head.
    pub post_vision: i64,
    /// The largest label magnitude.
    pub largest_label: f64,
    /// Dropout rate of the last state of the LSTM over audio.
    pub audio_dropout: f64,
    /// Dropout rate of the last state of the LSTM over vision.
    pub vision_dropout: f64,
    /// Dropout rate before the multimodal head.
    pub post_fusion_dropout: f64,
    /// Dropout rate before the text head.
    pub post_text_dropout: f64,
    /// Dropout rate before the audio head.
    pub post_audio_dropout: f64,
    /// Dropout rate before the vision head.
    pub post_vision_dropout: f64,
}

impl Configuration for SelfMmSpec {
    const SOURCE: &str = "Yu et al., AAAI 2021; code https://github.com/thuiar/MMSA a94e65d (MIT)";
    const NEEDS: Needs =
        Needs { audio: Need::Used, vision: Need::Used, lengths: true, ..Needs::TEXT };
    const TASK: Task = Task::L1;
    const ENCODER_NAME: Option<&str> = Some("text_model.model");

    fn sizes(&self) -> Vec<i64> {
        vec![
            self.audio_hidden,
            self.vision_hidden,
            self.audio_out,
            self.vision_out,
            self.post_fusion,
            self.post_text,
            self.post_audio,
            self.post_vision,
        ]
    }

    fn rates(&self) -> Vec<f64> {
        vec![
            self.audio_dropout,
            self.vision_dropout,
            self.post_fusion_dropout,
            self.post_text_dropout,
            self.post_audio_dropout,
            self.post_vision_dropout,
        ]
    }

    fn problem(&self, _: &Inputs) -> Option<String> {
        (!self.largest_label.is_finite() || self.largest_label <= 0.0).then(|| {
            format!("largest_label: expected a number above 0, found {}", self.largest_label)
        })
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, _: Form) -> Box<dyn Model> {
        let text = inputs.feat_dim(Modality::Text);
        let mut n_fused = text;
        let mut encoders = Vec::new();
        for (modality, name, hidden, n_out, rate) in [
            (Modality::Audio, "audio_model", self.audio_hidden, self.audio_out, self.audio_dropout),
            (
                Modality::Vision,
                "video_model",
                self.vision_hidden,
                self.vision_out,
                self.vision_dropout,
            ),
        ] {
            let Some(sequence) = inputs.sequence(modality) else { continue };
            let init = init.sub(name);
            encoders.push(FrameEncoder {
                modality,
                rnn: Lstm::new(&init.sub("rnn"), sequence.feat_dim, hidden),
                linear: Linear::new(&init.sub("linear_1"), hidden, n_out, true),
                dropout: rate,
            });
            n_fused += n_out;
        }
        let head = |task: OwnTask, n_in, width, dropout| {
            let linear = |idx, n_in, n_out| {
                Linear::new(
                    &init.sub(&format!("post_{}_layer_{idx}", task.released)),
                    n_in,
                    n_out,
                    true,
                )
            };
            Head {
                task,
                layers: [linear(1, n_in, width), linear(2, width, width), linear(3, width, 1)],
                dropout,
            }
        };
        let mut heads = vec![
            head(FUSION, n_fused, self.post_fusion, self.post_fusion_dropout),
            head(labels::TEXT, text, self.post_text, self.post_text_dropout),
        ];
        for encoder in &encoders {
            heads.push(match encoder.modality {
                Modality::Audio => {
                    head(labels::AUDIO, self.audio_out, self.post_audio, self.post_audio_dropout)
                }
                _ => head(
                    labels::VISION,
                    self.vision_out,
                    self.post_vision,
                    self.post_vision_dropout,
                ),
            });
        }
        let widths = heads.iter().map(|head| (head.task, head.width())).collect();
        Box::new(SelfMm { encoders, heads, memory: Memory::new(widths, self.largest_label) })
    }
}

/// An LSTM over audio or vision.
#[derive(Debug)]
struct FrameEncoder {
    modality: Modality,
    rnn: Lstm,
    linear: Linear,
    dropout: f64,
}

/// Three linear maps, the first two with a ReLU, to a prediction.
#[derive(Debug)]
struct Head {
    task: OwnTask,
    layers: [Linear; 3],
    dropout: f64,
}

impl Head {
    /// Features after the first map.
    fn width(&self) -> i64 {
        self.layers[0].weight().size()[0]
    }

    /// The features to remember, `[batch, width]`, and the prediction, `[batch, 1]`.
    fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> (Tensor, Tensor) {
        let [first, second, third] = &self.layers;
        let dropped = pass.dropout(self.task.name, x, self.dropout);
        let features = first.forward(&dropped).relu();
        let pred = third.forward(&second.forward(&features).relu());
        (features, pred)
    }
}

#[derive(Debug)]
struct SelfMm {
    encoders: Vec<FrameEncoder>,
    /// The multimodal head first.
    heads: Vec<Head>,
    memory: Memory,
}

impl Model for SelfMm {
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        // The token [CLS]; the others are not used here.
        let mut vectors = vec![batch.features(Modality::Text)?.select(1, 0)];
        for encoder in &self.encoders {
            let lengths = batch.lengths(encoder.modality)?;
            let last = encoder.rnn.last_of(batch.features(encoder.modality)?, lengths);
            let dropped = pass.dropout(encoder.modality.name(), &last, encoder.dropout);
            vectors.push(encoder.linear.forward(&dropped));
        }
        vectors.insert(0, Tensor::cat(&vectors, 1));
        let mut of_heads = self.heads.iter().zip(&vectors).map(|(head, x)| head.forward(x, pass));
        let Some((features, pred)) = of_heads.next() else {
            return Err(ModelError::Absent { what: "features" });
        };
        let mut outputs = Outputs::of(pred).with(FUSION.features, features);
        for (head, (features, pred)) in self.heads.iter().skip(1).zip(of_heads) {
            outputs = outputs.with(head.task.features, features).with(head.task.name, pred);
        }
        Ok(outputs)
    }

    fn loss(&self, _: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        let mut losses = Losses::l1(outputs, batch);
        for head in self.heads.iter().skip(1) {
            let own = self.memory.labels_of(head.task, &batch.samples);
            // The other head already learns what all modalities share with the label.
            let weights = (&own - &batch.target).abs().tanh();
            let error = (&outputs.parts[head.task.name] - own).abs();
            losses = losses.with(head.task.name, (weights * error).mean(Kind::Float));
        }
        losses
    }

    fn begin(&mut self, targets: &Tensor) {
        self.memory.begin(targets);
    }

    fn after_step(&mut self, outputs: &Outputs, batch: &Batch, at: At<'_>) {
        let features = |task: OwnTask| outputs.parts[task.features].detach();
        if at.epoch > 1 {
            self.memory.update_labels(&features, &batch.samples, &batch.target, at.epoch);
        }
        self.memory.update_features(&features, &batch.samples);
    }

    fn memory(&self) -> BTreeMap<String, Tensor> {
        self.memory.all()
    }
}
