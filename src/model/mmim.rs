//! MMIM, MultiModal InfoMax.
//!
//! Han et al., "Improving Multimodal Fusion with Hierarchical Mutual Information Maximization for
//! Multimodal Sentiment Analysis", EMNLP 2021, as in thuiar/MMSA `models/singleTask/MMIM.py` and
//! `trains/singleTask/MMIM.py`; parameter names are the same.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::configuration::Configuration;
use super::contract::{At, Batch, Losses, Model, ModelError, Needs, Outputs, Pass, Task};
use super::form::Form;
use super::layers::{BiLstm, Init, Linear};
use super::registry::Inputs;
use super::trace::Trace;
use crate::corpus::Modality;

/// The phase that trains the estimates of mutual information.
const ESTIMATES: &str = "mi";

/// Sizes that do not depend on the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MmimSpec {
    /// Width per direction of the LSTM over audio.
    pub audio_hidden: i64,
    /// Width per direction of the LSTM over vision.
    pub vision_hidden: i64,
    /// Output width for audio.
    pub audio_out: i64,
    /// Output width for vision.
    pub vision_out: i64,
    /// Width of the fusion.
    pub fusion_hidden: i64,
    /// Weight of the contrastive loss between the fusion and each modality.
    pub alpha: f64,
    /// Weight of the mutual information between text and audio or vision.
    pub beta: f64,
    /// Dropout rate before the fusion.
    pub fusion_dropout: f64,
}

impl Configuration for MmimSpec {
    const SOURCE: &str =
        "Han et al., EMNLP 2021; code https://github.com/thuiar/MMSA a94e65d (MIT)";
    const NEEDS: Needs = Needs { lengths: true, ..Needs::ALL };
    const TASK: Task = Task::L1;
    const ENCODER_NAME: Option<&str> = Some("bertmodel.model");

    fn sizes(&self) -> Vec<i64> {
        let MmimSpec { audio_hidden, vision_hidden, audio_out, vision_out, fusion_hidden, .. } =
            self;
        vec![*audio_hidden, *vision_hidden, *audio_out, *vision_out, *fusion_hidden]
    }

    fn problem(&self, _: &Inputs) -> Option<String> {
        // The entropy is of projections to a quarter of the width.
        let widths = [("audio_out", self.audio_out), ("vision_out", self.vision_out)];
        let (name, width) = widths.into_iter().find(|(_, width)| *width < 4)?;
        Some(format!("{name}: expected 4 or more, found {width}"))
    }

    fn rates(&self) -> Vec<f64> {
        vec![self.fusion_dropout]
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, _: Form) -> Box<dyn Model> {
        // The released trainer reinitialises all matrices by Xavier's rule for the normal distribution.
        let linear = |name: &str, n_in: i64, n_out: i64| {
            let init = init.sub(name);
            let std = (2.0 / (n_in + n_out) as f32).sqrt();
            Linear {
                weight: init.scaled_normal("weight", &[n_out, n_in], std),
                bias: Some(init.uniform("bias", &[n_out], 1.0 / (n_in as f32).sqrt())),
            }
        };
        let text = inputs.feat_dim(Modality::Text);
        let of_frames = |modality, name: &str, hidden, n_out| FrameEncoder {
            modality,
            rnn: BiLstm::xavier(
                &init.sub(&format!("{name}.rnn")),
                inputs.feat_dim(modality),
                hidden,
            ),
            linear: linear(&format!("{name}.linear_1"), 2 * hidden, n_out),
        };
        let estimate = |modality, name: &str, positive, negative, width: i64| {
            let pair = |part: &str| {
                [
                    linear(&format!("{name}.{part}.0"), text, width),
                    linear(&format!("{name}.{part}.2"), width, width),
                ]
            };
            Estimate {
                modality,
                mean: pair("mlp_mu"),
                log_variance: pair("mlp_logvar"),
                project: linear(&format!("{name}.entropy_prj.0"), width, width / 4),
                names: [positive, negative],
                before: None,
            }
        };
        let n_fused = text + self.audio_out + self.vision_out;
        let contrast =
            |name: &str, width| linear(&format!("{name}.net"), self.fusion_hidden, width);
        Box::new(Mmim {
            vision: of_frames(Modality::Vision, "visual_enc", self.vision_hidden, self.vision_out),
            audio: of_frames(Modality::Audio, "acoustic_enc", self.audio_hidden, self.audio_out),
            of_vision: estimate(Modality::Vision, "mi_tv", "tv_pos", "tv_neg", self.vision_out),
            of_audio: estimate(Modality::Audio, "mi_ta", "ta_pos", "ta_neg", self.audio_out),
            fusion: [
                linear("fusion_prj.linear_1", n_fused, self.fusion_hidden),
                linear("fusion_prj.linear_2", self.fusion_hidden, self.fusion_hidden),
                linear("fusion_prj.linear_3", self.fusion_hidden, 1),
            ],
            contrasts: [
                contrast("cpc_zt", text),
                contrast("cpc_zv", self.vision_out),
                contrast("cpc_za", self.audio_out),
            ],
            spec: self.clone(),
        })
    }
}

/// An LSTM in both directions over audio or vision.
#[derive(Debug)]
struct FrameEncoder {
    modality: Modality,
    rnn: BiLstm,
    linear: Linear,
}

impl FrameEncoder {
    /// `[batch, n_out]`.
    fn forward(&self, batch: &Batch, trace: &mut Trace) -> Result<Tensor, ModelError> {
        let lengths = batch.lengths(self.modality)?;
        let (_, last) = self.rnn.run(batch.features(self.modality)?, lengths);
        let joined = Tensor::cat(&last, 1);
        let encoded = self.linear.forward(&joined);
        trace.record_in(self.modality.name(), "last", &joined);
        trace.record_in(self.modality.name(), "encoded", &encoded);
        Ok(encoded)
    }
}

/// Estimates the mutual information of text and another modality.
#[derive(Debug)]
struct Estimate {
    modality: Modality,
    mean: [Linear; 2],
    log_variance: [Linear; 2],
    project: Linear,
    /// Names in the outputs of the projections of positive and negative samples.
    names: [&'static str; 2],
    /// The previous batch's projections, in this epoch.
    before: Option<[Tensor; 2]>,
}

impl Estimate {
    /// The log-likelihood of `other` `[batch, width]` given `text` `[batch, d_l]`, a scalar up to a
    /// constant; as released, without the variance in its normalisation.
    fn log_likelihood(&self, text: &Tensor, other: &Tensor, trace: &mut Trace) -> Tensor {
        let map = |[first, second]: &[Linear; 2]| second.forward(&first.forward(text).relu());
        let (mean, log_variance) = (map(&self.mean), map(&self.log_variance));
        trace.record_in(self.modality.name(), "mean", &mean);
        trace.record_in(self.modality.name(), "log_variance", &log_variance);
        let exponent: Tensor = (mean - other).square() / (2.0 * log_variance.exp());
        -exponent.sum_dim_intlist([1_i64].as_slice(), false, Kind::Float).mean(Kind::Float)
    }

    /// Projections of the positive and the negative samples of `other` `[batch, width]`.
    fn sides(&self, other: &Tensor, target: &Tensor, trace: &mut Trace) -> [Tensor; 2] {
        let projected = self.project.forward(other).tanh();
        trace.record_in(self.modality.name(), "projected", &projected);
        let target = target.view([-1]);
        [target.gt(0.0), target.lt(0.0)]
            .map(|is_of_side| projected.index_select(0, &is_of_side.nonzero().view([-1])))
    }

    /// The entropy of the projections in this batch and the previous one; `None` if there are too few
    /// for a covariance with a determinant, for which the released code returns NaN. A side whose projections
    /// are all the same counts as 0, also NaN there.
    fn entropy(&self, outputs: &Outputs) -> Option<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (idx, name) in self.names.into_iter().enumerate() {
            let own = &outputs.parts[name];
            let all = match &self.before {
                Some(before) => Tensor::cat(&[&before[idx], own], 0),
                None => own.shallow_clone(),
            };
            let (n_samples, width) = all.size2().ok()?;
            if n_samples <= width {
                return None;
            }
            let centred = &all - all.mean_dim(0, true, Kind::Float);
            let covariance: Tensor = centred.tr().matmul(&centred) / n_samples as f64;
            // Projections that do not differ but by rounding have no entropy that could be learned from.
            let least = width as f64 * LEAST_VARIANCE.ln();
            let has_inverse = tch::no_grad(|| covariance.logdet().gt(least));
            let identity = Tensor::eye(width, (covariance.kind(), covariance.device()));
            let term: Tensor = 0.25 * covariance.where_self(&has_inverse, &identity).logdet();
            sum = Some(sum.map_or_else(|| term.shallow_clone(), |sum| sum + &term));
        }
        sum
    }
}

/// Geometric mean of the variances of projections below which they differ by rounding alone.
const LEAST_VARIANCE: f64 = 1e-12;

/// How well `fused` `[batch, fusion_hidden]` distinguishes a modality's samples, `[batch, width]`: its
/// contrastive predictive coding (Oord et al., 2018), a scalar.
fn contrast(
    net: &Linear,
    (modality, own): (Modality, &Tensor),
    fused: &Tensor,
    trace: &mut Trace,
) -> Tensor {
    // A text that is all zeros has no direction: it stays zero, where the released code has NaN.
    let unit = |x: &Tensor| {
        let norm = x.norm_scalaropt_dim(2, [1_i64].as_slice(), true);
        x / norm.masked_fill(&norm.eq(0.0), 1.0)
    };
    let predicted = net.forward(fused);
    trace.record_in(modality.name(), "predicted", &predicted);
    let (own, predicted) = (unit(own), unit(&predicted));
    let positive = (&own * &predicted).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
    let all = own.matmul(&predicted.tr()).logsumexp([1_i64].as_slice(), false);
    let loss = -(positive - all).mean(Kind::Float);
    trace.record_in(modality.name(), "contrast", &loss);
    loss
}

#[derive(Debug)]
struct Mmim {
    vision: FrameEncoder,
    audio: FrameEncoder,
    of_vision: Estimate,
    of_audio: Estimate,
    fusion: [Linear; 3],
    /// For text, vision and audio.
    contrasts: [Linear; 3],
    spec: MmimSpec,
}

impl Model for Mmim {
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        // The token [CLS].
        let text = batch.features(Modality::Text)?.select(1, 0);
        let audio = self.audio.forward(batch, pass.trace)?;
        let vision = self.vision.forward(batch, pass.trace)?;
        let joined = Tensor::cat(&[&text, &audio, &vision], 1);
        let joined = pass.dropout("fusion", &joined, self.spec.fusion_dropout);
        let [first, second, third] = &self.fusion;
        let hidden = first.forward(&joined);
        pass.trace.record("hidden", &hidden);
        let fused = second.forward(&hidden.tanh());
        pass.trace.record("fused", &fused);
        let fused = fused.tanh();
        let outputs = Outputs::of(third.forward(&fused));
        let Some(at) = pass.at else { return Ok(outputs) };
        let likelihood = self.of_vision.log_likelihood(&text, &vision, pass.trace)
            + self.of_audio.log_likelihood(&text, &audio, pass.trace);
        let outputs = outputs.with("lld", likelihood);
        if at.phase == ESTIMATES {
            return Ok(outputs);
        }
        let [of_text, of_vision, of_audio] = &self.contrasts;
        let nce = contrast(of_text, (Modality::Text, &text), &fused, pass.trace)
            + contrast(of_vision, (Modality::Vision, &vision), &fused, pass.trace)
            + contrast(of_audio, (Modality::Audio, &audio), &fused, pass.trace);
        let mut outputs = outputs.with("nce", nce);
        for (estimate, other) in [(&self.of_vision, &vision), (&self.of_audio, &audio)] {
            let sides = estimate.sides(other, &batch.target, pass.trace);
            for (name, side) in estimate.names.into_iter().zip(sides) {
                outputs = outputs.with(name, side);
            }
        }
        Ok(outputs
            .with("text", text)
            .with("audio", audio)
            .with("vision", vision)
            .with("fusion", fused))
    }

    fn loss(&self, at: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        let part = |name: &str| &outputs.parts[name];
        if at.phase == ESTIMATES {
            return Losses::of("lld", -part("lld"));
        }
        let losses = Losses::l1(outputs, batch)
            .with("nce", self.spec.alpha * part("nce"))
            .with("lld", -self.spec.beta * part("lld"));
        // As released: waits for two batches of memory, although only one is stored.
        let entropies = (at.step > 1)
            .then(|| [&self.of_vision, &self.of_audio].map(|estimate| estimate.entropy(outputs)));
        match entropies {
            Some([Some(vision), Some(audio)]) => {
                losses.with("entropy", -self.spec.beta * (vision + audio))
            }
            _ => losses,
        }
    }

    fn after_step(&mut self, outputs: &Outputs, _: &Batch, at: At<'_>) {
        for estimate in [&mut self.of_vision, &mut self.of_audio] {
            // The memory restarts in each epoch, so none is left between two.
            let is_last = at.step + 1 == at.n_steps;
            let sides = || estimate.names.map(|name| outputs.parts[name].detach());
            estimate.before = (at.phase != ESTIMATES && !is_last).then(sides);
        }
    }
}
