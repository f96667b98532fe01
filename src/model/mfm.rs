//! MFM, the Multimodal Factorization Model.
//!
//! Tsai et al., "Learning Factorized Multimodal Representations", ICLR 2019, as in thuiar/MMSA
//! `models/singleTask/MFM.py`; parameter names are the same. Read from top to bottom: sizes, the memory
//! fusion network that reads all modalities, an encoder and a decoder for one, the whole.

use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

use super::configuration::Configuration;
use super::contract::{At, Batch, Losses, Model, ModelError, Needs, Outputs, Pass, Task};
use super::form::Form;
use super::inputs::letter;
use super::layers::{Init, Linear, Lstm, lstm_step, maximum_mean_discrepancy, pool_to};
use super::registry::Inputs;
use crate::corpus::Modality;

/// A size, or a weight, per modality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EachModality<T> {
    /// For text.
    pub text: T,
    /// For audio.
    pub audio: T,
    /// For vision.
    pub vision: T,
}

impl<T: Copy> EachModality<T> {
    fn of(&self, modality: Modality) -> T {
        match modality {
            Modality::Text => self.text,
            Modality::Audio => self.audio,
            Modality::Vision => self.vision,
        }
    }

    fn all(&self) -> [T; 3] {
        [self.text, self.audio, self.vision]
    }
}

/// Sizes that do not depend on the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfmSpec {
    /// LSTM widths of the memory fusion network.
    pub hidden: EachModality<i64>,
    /// Width of its memory.
    pub memory: i64,
    /// Hidden widths of its attention, of the map after it, and of its two gates.
    pub attention_hidden: [i64; 2],
    /// See `attention_hidden`.
    pub gate_hidden: [i64; 2],
    /// Hidden width of an unused head.
    pub unused_hidden: i64,
    /// Width of the multimodal factor, before and after its map.
    pub zy: i64,
    /// See `zy`.
    pub fy: i64,
    /// Widths of the unimodal factors, before their maps.
    pub z: EachModality<i64>,
    /// Their widths after the maps.
    pub f: EachModality<i64>,
    /// Weight of the discrepancy between factors and normal noise.
    pub mmd_weight: f64,
    /// Weights of the reconstruction losses.
    pub reconstruction_weights: EachModality<f64>,
    /// Dropout rates in the maps of the unimodal factors.
    pub z_dropout: EachModality<f64>,
    /// Dropout rate in the map of the multimodal factor.
    pub zy_dropout: f64,
    /// Dropout rate in the head.
    pub fy_dropout: f64,
    /// Dropout rates in the attention of the memory fusion network.
    pub attention_dropout: [f64; 2],
    /// Dropout rates in its gates.
    pub gate_dropout: [f64; 2],
}

impl Configuration for MfmSpec {
    const SOURCE: &str =
        "Tsai et al., ICLR 2019; code https://github.com/thuiar/MMSA a94e65d (MIT)";
    const NEEDS: Needs = Needs::ALL;
    const TASK: Task = Task::L1;

    fn sizes(&self) -> Vec<i64> {
        let MfmSpec { hidden, memory, unused_hidden, zy, fy, z, f, .. } = self;
        let mut sizes = vec![*memory, *unused_hidden, *zy, *fy];
        sizes.extend(self.attention_hidden.iter().chain(&self.gate_hidden));
        sizes.extend([hidden, z, f].into_iter().flat_map(EachModality::all));
        sizes
    }

    fn rates(&self) -> Vec<f64> {
        let mut rates = vec![self.zy_dropout, self.fy_dropout];
        rates.extend(self.attention_dropout.iter().chain(&self.gate_dropout));
        rates.extend(self.z_dropout.all());
        rates
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, _: Form) -> Box<dyn Model> {
        let linear = |name: &str, n_in, n_out| Linear::new(&init.sub(name), n_in, n_out, true);
        let pair = |name: &str, n_in, n_out| {
            [
                linear(&format!("{name}_fc1"), n_in, n_out),
                linear(&format!("{name}_fc2"), n_out, n_out),
            ]
        };
        let of_modality = |modality: Modality| {
            let (n_in, z, f) =
                (inputs.feat_dim(modality), self.z.of(modality), self.f.of(modality));
            let letter = letter(modality);
            let [encoder, decoder] =
                ["encoder", "decoder"].map(|part| init.sub(&format!("{part}_{letter}")));
            let width = self.fy + f;
            OfModality {
                encoder: Lstm::cell(&encoder.sub("lstm"), n_in, z),
                to_z: Linear::new(&encoder.sub("fc1"), z, z, true),
                to_f: pair(&format!("z{letter}_to_f{letter}"), z, f),
                decoder: Lstm::cell(&decoder.sub("lstm"), width, width),
                reconstruct: Linear::new(&decoder.sub("fc1"), width, n_in, true),
                dropout: self.z_dropout.of(modality),
                weight: self.reconstruction_weights.of(modality),
            }
        };
        let n_fused = self.hidden.all().iter().sum::<i64>() + self.memory;
        Box::new(Mfm {
            fusion: MemoryFusion::new(&init.sub("mfn_encoder"), inputs, self),
            to_zy: linear("last_to_zy_fc1", n_fused, self.zy),
            to_fy: pair("zy_to_fy", self.zy, self.fy),
            head: [linear("fy_to_y_fc1", self.fy, self.fy), linear("fy_to_y_fc2", self.fy, 1)],
            modalities: Modality::ALL.map(of_modality),
            spec: self.clone(),
        })
    }
}

/// The memory fusion network (Zadeh et al., AAAI 2018): an LSTM per modality, and a memory that attends
/// to their previous and current cells.
#[derive(Debug)]
struct MemoryFusion {
    cells: [Lstm; 3],
    attention: [Linear; 2],
    proposal: [Linear; 2],
    keep: [Linear; 2],
    update: [Linear; 2],
    memory: i64,
    attention_dropout: [f64; 2],
    gate_dropout: [f64; 2],
}

impl MemoryFusion {
    fn new(init: &Init<'_>, inputs: &Inputs, spec: &MfmSpec) -> MemoryFusion {
        let cell = |modality| {
            let init = init.sub(&format!("lstm_{}", letter(modality)));
            Lstm::cell(&init, inputs.feat_dim(modality), spec.hidden.of(modality))
        };
        let pair = |name: &str, n_in, hidden, n_out| {
            let linear = |idx, n_in, n_out| {
                Linear::new(&init.sub(&format!("{name}_fc{idx}")), n_in, n_out, true)
            };
            [linear(1, n_in, hidden), linear(2, hidden, n_out)]
        };
        let n_hidden = spec.hidden.all().iter().sum::<i64>();
        let (n_cells, memory) = (2 * n_hidden, spec.memory);
        let [of_attention, of_proposal] = spec.attention_hidden;
        let [of_keep, of_update] = spec.gate_hidden;
        // The released code also has this unused head.
        let _unused = pair("out", n_hidden + memory, spec.unused_hidden, 1);
        MemoryFusion {
            cells: Modality::ALL.map(cell),
            attention: pair("att1", n_cells, of_attention, n_cells),
            proposal: pair("att2", n_cells, of_proposal, memory),
            keep: pair("gamma1", n_cells + memory, of_keep, memory),
            update: pair("gamma2", n_cells + memory, of_update, memory),
            memory,
            attention_dropout: spec.attention_dropout,
            gate_dropout: spec.gate_dropout,
        }
    }

    /// `[batch, seq_len, feat_dim]` of each modality to the last hidden states and the memory, `[batch,
    /// sum of widths]`.
    fn forward(&self, features: &[Tensor; 3], pass: &mut Pass<'_>) -> Tensor {
        let batch = features[0].size()[0];
        let mut states = [0, 1, 2].map(|idx| self.cells[idx].start(&features[idx], batch));
        let gates = [0, 1, 2].map(|idx| self.cells[idx].gates(&features[idx]).unbind(1));
        let options = (features[0].kind(), features[0].device());
        let mut memory = Tensor::zeros([batch, self.memory], options);
        let cells = |states: &[(Tensor, Tensor); 3]| {
            let cells: Vec<&Tensor> = states.iter().map(|(_, cell)| cell).collect();
            Tensor::cat(&cells, 1)
        };
        let mut before = cells(&states);
        let [text, audio, vision] = &gates;
        for (step, ((text, audio), vision)) in text.iter().zip(audio).zip(vision).enumerate() {
            let gates = [text, audio, vision];
            states = [0, 1, 2].map(|idx| self.cells[idx].step(gates[idx], &states[idx]));
            for (modality, (hidden, cell)) in Modality::ALL.into_iter().zip(&states) {
                pass.trace.record_step(modality.name(), "hidden", step, hidden);
                pass.trace.record_step(modality.name(), "cell", step, cell);
            }
            let mut map = |name: &str, [first, second]: &[Linear; 2], x: &Tensor, rate| {
                let hidden = first.forward(x);
                let dropped = pass.dropout(&format!("mfn/{step}/{name}"), &hidden.relu(), rate);
                let mapped = second.forward(&dropped);
                pass.trace.record_step(name, "fc1", step, &hidden);
                pass.trace.record_step(name, "fc2", step, &mapped);
                mapped
            };
            let now = cells(&states);
            let both = Tensor::cat(&[&before, &now], 1);
            let [of_attention, of_proposal] = self.attention_dropout;
            let [of_keep, of_update] = self.gate_dropout;
            let attention = map("att1", &self.attention, &both, of_attention);
            let attended = attention.softmax(1, Kind::Float) * both;
            let proposal = map("att2", &self.proposal, &attended, of_proposal).tanh();
            let with_memory = Tensor::cat(&[&attended, &memory], 1);
            let keep = map("gamma1", &self.keep, &with_memory, of_keep).sigmoid();
            let update = map("gamma2", &self.update, &with_memory, of_update).sigmoid();
            memory = keep * memory + update * proposal;
            before = now;
        }
        let [(text, _), (audio, _), (vision, _)] = &states;
        Tensor::cat(&[text, audio, vision, &memory], 1)
    }
}

/// Encoder and decoder of one modality.
#[derive(Debug)]
struct OfModality {
    encoder: Lstm,
    to_z: Linear,
    to_f: [Linear; 2],
    decoder: Lstm,
    reconstruct: Linear,
    dropout: f64,
    weight: f64,
}

impl OfModality {
    /// The modality's factor before its map, `[batch, z]`, from `[batch, seq_len, feat_dim]`.
    fn encode(&self, features: &Tensor) -> Tensor {
        self.to_z.forward(&self.encoder.last(features))
    }

    /// Decodes both factors `[batch, fy + f]` to `seq_len` steps, `[batch, seq_len, feat_dim]`.
    fn decode(&self, factors: &Tensor, seq_len: i64) -> Tensor {
        let start = self.decoder.start(factors, factors.size()[0]);
        let mut state = self.decoder.step(&self.decoder.gates(factors), &start);
        // Every later step reads the hidden state twice: as its input and as its state.
        let [weight_ih, weight_hh, bias_ih, bias_hh] = self.decoder.weights();
        let (weight, bias) = (weight_ih + weight_hh, bias_ih + bias_hh);
        let mut all = vec![state.0.shallow_clone()];
        for _ in 1..seq_len {
            state = lstm_step(&state.0.linear(&weight, Some(&bias)), &state.1);
            all.push(state.0.shallow_clone());
        }
        self.reconstruct.forward(&Tensor::stack(&all, 1))
    }
}

/// A factor's map, `[batch, z]` to `[batch, f]`.
fn to_f(
    place: &str,
    [first, second]: &[Linear; 2],
    z: &Tensor,
    rate: f64,
    pass: &mut Pass<'_>,
) -> Tensor {
    let hidden = first.forward(z);
    let mapped = second.forward(&pass.dropout(place, &hidden.relu(), rate));
    pass.trace.record_in(place, "fc1", &hidden);
    pass.trace.record_in(place, "fc2", &mapped);
    mapped.relu()
}

#[derive(Debug)]
struct Mfm {
    fusion: MemoryFusion,
    to_zy: Linear,
    to_fy: [Linear; 2],
    head: [Linear; 2],
    modalities: [OfModality; 3],
    spec: MfmSpec,
}

/// Names of the outputs' parts, by modality: factor, noise, features and their reconstruction.
const FACTORS: [&str; 4] = ["zl", "za", "zv", "zy"];
const NOISES: [&str; 4] = ["noise_zl", "noise_za", "noise_zv", "noise_zy"];
const FEATURES: [&str; 3] = ["x_l", "x_a", "x_v"];
const RECONSTRUCTIONS: [&str; 3] = ["x_l_hat", "x_a_hat", "x_v_hat"];

impl Model for Mfm {
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        let seq_len = batch.features(Modality::Text)?.size()[1];
        let mut features = Vec::new();
        for modality in Modality::ALL {
            features.push(pool_to(batch.features(modality)?, seq_len));
        }
        let features: [Tensor; 3] = features.try_into().expect("there are three modalities");
        let zy = self.to_zy.forward(&self.fusion.forward(&features, pass));
        let fy = to_f("zy_to_fy", &self.to_fy, &zy, self.spec.zy_dropout, pass);
        let hidden = self.head[0].forward(&fy);
        pass.trace.record("head", &hidden);
        let hidden = pass.dropout("fy_to_y", &hidden.relu(), self.spec.fy_dropout);
        let mut outputs = Outputs::of(self.head[1].forward(&hidden));
        // The rest only affects the loss.
        if !pass.is_training() {
            return Ok(outputs);
        }
        let with_noise = |outputs: Outputs, idx: usize, z: Tensor, pass: &Pass<'_>| {
            let noise = pass.noise(FACTORS[idx], &z);
            outputs.with(NOISES[idx], noise).with(FACTORS[idx], z)
        };
        for (idx, (own, x)) in self.modalities.iter().zip(&features).enumerate() {
            let z = own.encode(x);
            let f = to_f(FACTORS[idx], &own.to_f, &z, own.dropout, pass);
            let factors = Tensor::cat(&[&fy, &f], 1);
            outputs = with_noise(outputs, idx, z, pass)
                .with(FEATURES[idx], x.shallow_clone())
                .with(RECONSTRUCTIONS[idx], own.decode(&factors, seq_len));
        }
        Ok(with_noise(outputs, 3, zy, pass))
    }

    fn loss(&self, _: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        let part = |name: &str| &outputs.parts[name];
        let of_modality = |(idx, own): (usize, &OfModality)| {
            let (x, found) = (part(FEATURES[idx]), part(RECONSTRUCTIONS[idx]));
            own.weight * found.mse_loss(x, Reduction::Mean)
        };
        let generative: Tensor = self.modalities.iter().enumerate().map(of_modality).sum();
        let discrepancy: Tensor = FACTORS
            .iter()
            .zip(NOISES)
            .map(|(z, noise)| maximum_mean_discrepancy(part(z), part(noise)))
            .sum();
        Losses::l1(outputs, batch)
            .with("reconstruction", generative)
            .with("mmd", self.spec.mmd_weight * discrepancy)
    }
}
