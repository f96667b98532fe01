//! MulT, the Multimodal Transformer.
//!
//! Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", ACL 2019, as in
//! thuiar/MMSA `models/singleTask/MULT.py`; parameter names are the same.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::configuration::Configuration;
use super::contract::{At, Batch, Losses, Model, ModelError, Needs, Outputs, Pass, Task};
use super::form::Form;
use super::inputs::letter;
use super::layers::{Conv, CrossmodalEncoder, CrossmodalSizes, Init, Linear};
use super::registry::Inputs;
use crate::corpus::Modality;

/// Sizes that do not depend on the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultSpec {
    /// Features that each modality is projected to.
    pub dim: i64,
    /// Attention heads.
    pub heads: i64,
    /// Layers between two modalities; the encoders after them have at least three.
    pub layers: i64,
    /// Kernel size of the convolution over text; likewise for audio and vision.
    pub text_kernel: i64,
    /// See `text_kernel`.
    pub audio_kernel: i64,
    /// See `text_kernel`.
    pub vision_kernel: i64,
    /// Whether steps cannot attend to later ones.
    pub attention_mask: bool,
    /// Whether steps have position embeddings, as in the paper and its authors' code.
    pub position_embedding: bool,
    /// Dropout rate of text features.
    pub text_dropout: f64,
    /// Dropout rate of attention weights.
    pub attention_dropout: f64,
    /// Dropout rate of attention weights towards audio.
    pub audio_attention_dropout: f64,
    /// Dropout rate of attention weights towards vision.
    pub vision_attention_dropout: f64,
    /// Dropout rate of hidden features in feed-forward blocks.
    pub relu_dropout: f64,
    /// Dropout rate of each block's output, before it is added.
    pub residual_dropout: f64,
    /// Dropout rate of the encoders' input.
    pub embed_dropout: f64,
    /// Dropout rate before the output.
    pub output_dropout: f64,
}

impl MultSpec {
    fn kernel(&self, modality: Modality) -> i64 {
        match modality {
            Modality::Text => self.text_kernel,
            Modality::Audio => self.audio_kernel,
            Modality::Vision => self.vision_kernel,
        }
    }
}

impl Configuration for MultSpec {
    const SOURCE: &str = "Tsai et al., ACL 2019; code https://github.com/thuiar/MMSA a94e65d (MIT)";
    const NEEDS: Needs = Needs::ALL;
    const TASK: Task = Task::L1;
    // The released encoders carry a number of the format of their weights.
    const IDLE_BUFFERS: &[(&str, f64)] = &[
        ("trans_l_with_a.version", 2.0),
        ("trans_l_with_v.version", 2.0),
        ("trans_a_with_l.version", 2.0),
        ("trans_a_with_v.version", 2.0),
        ("trans_v_with_l.version", 2.0),
        ("trans_v_with_a.version", 2.0),
        ("trans_l_mem.version", 2.0),
        ("trans_a_mem.version", 2.0),
        ("trans_v_mem.version", 2.0),
    ];

    fn sizes(&self) -> Vec<i64> {
        vec![self.dim, self.heads, self.text_kernel, self.audio_kernel, self.vision_kernel]
    }

    fn depths(&self) -> Vec<i64> {
        vec![self.layers]
    }

    fn rates(&self) -> Vec<f64> {
        vec![
            self.text_dropout,
            self.attention_dropout,
            self.audio_attention_dropout,
            self.vision_attention_dropout,
            self.relu_dropout,
            self.residual_dropout,
            self.embed_dropout,
            self.output_dropout,
        ]
    }

    fn problem(&self, inputs: &Inputs) -> Option<String> {
        if self.dim % self.heads != 0 {
            return Some(format!(
                "dim: {} is not a multiple of the {} heads",
                self.dim, self.heads
            ));
        }
        Modality::ALL.into_iter().find_map(|modality| {
            let kernel = self.kernel(modality);
            let seq_len = inputs.sequence(modality)?.seq_len;
            (kernel > seq_len).then(|| {
                format!("{modality}_kernel: a convolution over {kernel} steps, of which there are {seq_len}")
            })
        })
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, _: Form) -> Box<dyn Model> {
        let encoder = |place: &str, dim, layers, attention_dropout| {
            let sizes = CrossmodalSizes {
                dim,
                heads: self.heads,
                layers,
                attention_dropout,
                relu_dropout: self.relu_dropout,
                residual_dropout: self.residual_dropout,
                embed_dropout: self.embed_dropout,
                is_masked: self.attention_mask,
                has_positions: self.position_embedding,
            };
            CrossmodalEncoder::new(init, place, sizes)
        };
        let branch = |target: Modality| {
            let n_in = inputs.feat_dim(target);
            let own = letter(target);
            let sources = sources(target).map(|source| {
                let rate = match (target, source) {
                    (Modality::Text, Modality::Audio) | (Modality::Vision, Modality::Audio) => {
                        self.audio_attention_dropout
                    }
                    (Modality::Text, Modality::Vision) | (Modality::Audio, Modality::Vision) => {
                        self.vision_attention_dropout
                    }
                    _ => self.attention_dropout,
                };
                let place = format!("trans_{own}_with_{}", letter(source));
                (source, encoder(&place, self.dim, self.layers, rate))
            });
            let conv = init.sub(&format!("proj_{own}"));
            let conv = Conv::new(&conv, n_in, self.dim, self.kernel(target));
            Branch {
                modality: target,
                // As released: features that already have this width stay unchanged, and the
                // convolution is unused.
                conv: (n_in != self.dim).then_some(conv),
                sources,
                memory: encoder(
                    &format!("trans_{own}_mem"),
                    2 * self.dim,
                    self.layers.max(3),
                    self.attention_dropout,
                ),
            }
        };
        let width = 6 * self.dim;
        let linear = |name: &str, n_out| Linear::new(&init.sub(name), width, n_out, true);
        Box::new(Mult {
            branches: Modality::ALL.map(branch),
            residual: [linear("proj1", width), linear("proj2", width)],
            out: linear("out_layer", 1),
            text_dropout: self.text_dropout,
            output_dropout: self.output_dropout,
        })
    }
}

/// The modalities that another one attends to, in the order in which the results are concatenated.
fn sources(target: Modality) -> [Modality; 2] {
    match target {
        Modality::Text => [Modality::Audio, Modality::Vision],
        Modality::Audio => [Modality::Text, Modality::Vision],
        Modality::Vision => [Modality::Text, Modality::Audio],
    }
}

/// One modality, and its attention to the others.
#[derive(Debug)]
struct Branch {
    modality: Modality,
    conv: Option<Conv>,
    sources: [(Modality, CrossmodalEncoder); 2],
    memory: CrossmodalEncoder,
}

#[derive(Debug)]
struct Mult {
    branches: [Branch; 3],
    residual: [Linear; 2],
    out: Linear,
    text_dropout: f64,
    output_dropout: f64,
}

impl Model for Mult {
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        let mut projected = Vec::new();
        for branch in &self.branches {
            let features = batch.features(branch.modality)?;
            let features = match branch.modality {
                Modality::Text => pass.dropout("text", features, self.text_dropout),
                _ => features.shallow_clone(),
            };
            let conv = branch.conv.as_ref();
            let x = conv.map_or_else(|| features.shallow_clone(), |conv| conv.forward(&features));
            pass.trace.record_in(branch.modality.name(), "projected", &x);
            projected.push((branch.modality, x));
        }
        let of = |modality: Modality| {
            let own = projected.iter().find(|(it, _)| *it == modality);
            own.map(|(_, x)| x).expect("every modality has a branch")
        };
        let last = self.branches.each_ref().map(|branch| {
            let gathered = branch.sources.each_ref().map(|(source, encoder)| {
                encoder.forward(of(branch.modality), Some(of(*source)), pass)
            });
            let all = branch.memory.forward(&Tensor::cat(&gathered, 2), None, pass);
            all.select(1, -1)
        });
        let joined = Tensor::cat(&last, 1);
        let [first, second] = &self.residual;
        let hidden = first.forward(&joined);
        pass.trace.record("hidden", &hidden);
        let hidden = pass.dropout("output", &hidden.relu(), self.output_dropout);
        let added = second.forward(&hidden);
        pass.trace.record("added", &added);
        let pred = self.out.forward(&(added + &joined));
        let [text, audio, vision] = last;
        Ok(Outputs::of(pred)
            .with("text", text)
            .with("audio", audio)
            .with("vision", vision)
            .with("fusion", joined))
    }

    fn loss(&self, _: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        Losses::l1(outputs, batch)
    }
}
