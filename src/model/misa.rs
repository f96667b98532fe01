//! MISA, Modality-Invariant and -Specific Representations.
//!
//! Hazarika et al., "MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment
//! Analysis", ACM Multimedia 2020, as in thuiar/MMSA `models/singleTask/MISA.py`; parameter names are
//! the same.

use serde::{Deserialize, Serialize};
use tch::{Reduction, Tensor};

use super::configuration::Configuration;
use super::contract::{At, Batch, Losses, Model, ModelError, Needs, Outputs, Pass, Task};
use super::form::Form;
use super::layers::{
    BiLstm, Init, LayerNorm, Linear, MultiheadAttention, central_moment_discrepancy, mean_of,
    overlap,
};
use super::registry::Inputs;
use crate::corpus::Modality;

/// Sizes that do not depend on the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MisaSpec {
    /// Width of all representations.
    pub hidden: i64,
    /// Attention heads among the representations.
    pub heads: i64,
    /// Hidden width of the following feed-forward block.
    pub feed_forward: i64,
    /// Weight of the similarity loss of the shared representations.
    pub sim_weight: f64,
    /// Weight of the difference loss between shared and private representations.
    pub diff_weight: f64,
    /// Weight of the reconstruction loss.
    pub recon_weight: f64,
    /// Whether to truncate audio and vision to the number of tokens, as released, or to read them to
    /// their own end.
    pub cut_to_text: bool,
    /// Dropout rate before the output.
    pub dropout: f64,
    /// Dropout rate in the attention among representations.
    pub transformer_dropout: f64,
}

impl Configuration for MisaSpec {
    const SOURCE: &str =
        "Hazarika et al., ACM MM 2020; code https://github.com/thuiar/MMSA a94e65d (MIT)";
    const NEEDS: Needs = Needs { lengths: true, ..Needs::ALL };
    const TASK: Task = Task::Mse;
    const ENCODER_NAME: Option<&str> = Some("bertmodel.model");

    fn sizes(&self) -> Vec<i64> {
        vec![self.hidden, self.heads, self.feed_forward]
    }

    fn rates(&self) -> Vec<f64> {
        vec![self.dropout, self.transformer_dropout]
    }

    fn problem(&self, _: &Inputs) -> Option<String> {
        (self.hidden % self.heads != 0).then(|| {
            format!("hidden: {} is not a multiple of the {} heads", self.hidden, self.heads)
        })
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, _: Form) -> Box<dyn Model> {
        let hidden = self.hidden;
        let linear = |name: &str, n_in, n_out| Linear::new(&init.sub(name), n_in, n_out, true);
        let norm = |name: &str, dim| LayerNorm::new(&init.sub(name), dim, EPS);
        let text_dim = inputs.feat_dim(Modality::Text);
        // The released code also has these unused maps.
        let _unused = (
            norm("tlayer_norm", 2 * text_dim),
            linear("sp_discriminator.sp_discriminator_layer_1", hidden, 4),
        );
        let own = |modality: Modality| {
            let (m, number) = match modality {
                Modality::Text => ("t", 1),
                Modality::Vision => ("v", 1),
                Modality::Audio => ("a", 3),
            };
            let dim = inputs.feat_dim(modality);
            let recurrent = (modality != Modality::Text).then(|| Recurrent {
                first: BiLstm::new(&init.sub(&format!("{m}rnn1")), dim, dim),
                norm: norm(&format!("{m}layer_norm"), 2 * dim),
                second: BiLstm::new(&init.sub(&format!("{m}rnn2")), 2 * dim, dim),
            });
            let width = if modality == Modality::Text { dim } else { 4 * dim };
            OfModality {
                recurrent,
                project: linear(&format!("project_{m}.project_{m}"), width, hidden),
                norm: norm(&format!("project_{m}.project_{m}_layer_norm"), hidden),
                private: linear(&format!("private_{m}.private_{m}_{number}"), hidden, hidden),
                reconstruct: linear(&format!("recon_{m}.recon_{m}_1"), hidden, hidden),
            }
        };
        let layer = init.sub("transformer_encoder.layers.0");
        let attention = layer.sub("self_attn");
        let out = Linear {
            bias: Some(attention.sub("out_proj").constant("bias", &[hidden], 0.0)),
            ..Linear::new(&attention.sub("out_proj"), hidden, hidden, false)
        };
        Box::new(Misa {
            modalities: ORDER.map(own),
            shared: linear("shared.shared_1", hidden, hidden),
            attention: MultiheadAttention::new(&attention, hidden, self.heads, out),
            feed_forward: [
                Linear::new(&layer.sub("linear1"), hidden, self.feed_forward, true),
                Linear::new(&layer.sub("linear2"), self.feed_forward, hidden, true),
            ],
            norms: ["norm1", "norm2"].map(|name| LayerNorm::new(&layer.sub(name), hidden, EPS)),
            fusion: [
                linear("fusion.fusion_layer_1", 6 * hidden, 3 * hidden),
                linear("fusion.fusion_layer_3", 3 * hidden, 1),
            ],
            spec: self.clone(),
        })
    }
}

/// The order in which the released code joins modalities.
const ORDER: [Modality; 3] = [Modality::Text, Modality::Vision, Modality::Audio];

/// PyTorch's default.
const EPS: f64 = 1e-5;

/// Number of moments that compare the shared representations.
const N_MOMENTS: i64 = 5;

/// Two layers of LSTM over audio or vision.
#[derive(Debug)]
struct Recurrent {
    first: BiLstm,
    norm: LayerNorm,
    second: BiLstm,
}

impl Recurrent {
    /// The last states of both layers, `[batch, 4 feat_dim]`, from `[batch, seq_len, feat_dim]`.
    fn forward(&self, x: &Tensor, lengths: &Tensor) -> Tensor {
        let (all, first) = self.first.run(x, lengths);
        let (_, second) = self.second.run(&self.norm.forward(&all), lengths);
        Tensor::cat(&[&first[0], &second[0], &first[1], &second[1]], 1)
    }
}

#[derive(Debug)]
struct OfModality {
    recurrent: Option<Recurrent>,
    project: Linear,
    norm: LayerNorm,
    private: Linear,
    reconstruct: Linear,
}

#[derive(Debug)]
struct Misa {
    /// In [`ORDER`].
    modalities: [OfModality; 3],
    shared: Linear,
    attention: MultiheadAttention,
    feed_forward: [Linear; 2],
    norms: [LayerNorm; 2],
    fusion: [Linear; 2],
    spec: MisaSpec,
}

/// Names of the outputs' parts, in [`ORDER`].
const ORIGINALS: [&str; 3] = ["t_orig", "v_orig", "a_orig"];
const PRIVATE: [&str; 3] = ["private_t", "private_v", "private_a"];
const SHARED: [&str; 3] = ["shared_t", "shared_v", "shared_a"];
const RECONSTRUCTED: [&str; 3] = ["t_recon", "v_recon", "a_recon"];

impl Misa {
    /// The transformer layer among representations `[batch, 6, hidden]`.
    fn among(&self, x: &Tensor, pass: &Pass<'_>) -> Tensor {
        let drop = |place: &str, x: &Tensor| {
            pass.dropout(&format!("transformer/{place}"), x, self.spec.transformer_dropout)
        };
        let on_weights = |weights: Tensor| drop("weights", &weights);
        let attended = self.attention.forward(x, x, x, None, &on_weights);
        let x = self.norms[0].forward(&(x + drop("attention", &attended)));
        let hidden = drop("relu", &self.feed_forward[0].forward(&x).relu());
        let added = drop("feed_forward", &self.feed_forward[1].forward(&hidden));
        self.norms[1].forward(&(x + added))
    }
}

impl Model for Misa {
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        let text = batch.features(Modality::Text)?;
        let lengths = batch.lengths(Modality::Text)?;
        let mut parts: Vec<(&'static str, Tensor)> = Vec::new();
        let (mut private, mut shared) = (Vec::new(), Vec::new());
        for (idx, (modality, own)) in ORDER.into_iter().zip(&self.modalities).enumerate() {
            let utterance = match &own.recurrent {
                None => mean_of(text, lengths),
                Some(recurrent) => {
                    let x = batch.features(modality)?;
                    let lengths = match self.spec.cut_to_text {
                        true => lengths.clamp_max(x.size()[1]),
                        false => batch.lengths(modality)?.shallow_clone(),
                    };
                    recurrent.forward(x, &lengths)
                }
            };
            let original = own.norm.forward(&own.project.forward(&utterance).relu());
            let of_private = own.private.forward(&original).sigmoid();
            let of_shared = self.shared.forward(&original).sigmoid();
            let reconstructed = own.reconstruct.forward(&(&of_private + &of_shared));
            parts.extend([
                (ORIGINALS[idx], original),
                (PRIVATE[idx], of_private.shallow_clone()),
                (SHARED[idx], of_shared.shallow_clone()),
                (RECONSTRUCTED[idx], reconstructed),
            ]);
            private.push(of_private);
            shared.push(of_shared);
        }
        private.append(&mut shared);
        let among = self.among(&Tensor::stack(&private, 1), pass);
        let joined = among.flatten(1, 2);
        let hidden = pass.dropout("fusion", &self.fusion[0].forward(&joined), self.spec.dropout);
        let outputs = Outputs::of(self.fusion[1].forward(&hidden.relu()));
        Ok(parts.into_iter().fold(outputs, |outputs, (name, part)| outputs.with(name, part)))
    }

    fn loss(&self, _: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        let part = |name: &str| &outputs.parts[name];
        let of_each = PRIVATE.into_iter().zip(SHARED).chain([
            ("private_a", "private_t"),
            ("private_a", "private_v"),
            ("private_t", "private_v"),
        ]);
        let difference: Tensor = of_each.map(|(one, other)| overlap(part(one), part(other))).sum();
        let pairs = [("shared_t", "shared_v"), ("shared_t", "shared_a"), ("shared_a", "shared_v")];
        let similarity: Tensor = pairs
            .map(|(one, other)| central_moment_discrepancy(part(one), part(other), N_MOMENTS))
            .into_iter()
            .sum();
        let reconstruction: Tensor = RECONSTRUCTED
            .into_iter()
            .zip(ORIGINALS)
            .map(|(found, original)| part(found).mse_loss(part(original), Reduction::Mean))
            .sum();
        Losses::mse(outputs, batch)
            .with("diff", self.spec.diff_weight * difference)
            .with("cmd", self.spec.sim_weight / 3.0 * similarity)
            .with("recon", self.spec.recon_weight / 3.0 * reconstruction)
    }
}
