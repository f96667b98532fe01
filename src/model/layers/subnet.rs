//! The unimodal parts of TFN and LMF, before fusion (the `SubNet` and `TextSubNet` of thuiar/MMSA
//! `models/subNets/FeatureNets.py`).

use tch::Tensor;

use super::{BatchNorm, Init, Linear, Lstm, mean_of};
use crate::corpus::Modality;
use crate::model::contract::{Batch, ModelError, Pass};
use crate::model::registry::Inputs;

/// Audio or vision, averaged over all steps of the file, including padding by default: batch norm,
/// dropout, three linear maps with a ReLU each.
#[derive(Debug)]
struct Subnet {
    place: &'static str,
    norm: BatchNorm,
    layers: [Linear; 3],
    dropout: f64,
}

impl Subnet {
    /// A subnet below `place`, from `n_in` features to `hidden`.
    fn new(init: &Init<'_>, place: &'static str, n_in: i64, hidden: i64, dropout: f64) -> Subnet {
        let init = init.sub(place);
        let linear = |name, n_in| Linear::new(&init.sub(name), n_in, hidden, true);
        Subnet {
            place,
            norm: BatchNorm::new(&init.sub("norm"), n_in),
            layers: [
                linear("linear_1", n_in),
                linear("linear_2", hidden),
                linear("linear_3", hidden),
            ],
            dropout,
        }
    }

    /// `[batch, seq_len, n_in]`, or one step of means, to `[batch, hidden]`; with `lengths`, over the
    /// steps before the padding.
    fn forward(&self, frames: &Tensor, lengths: Option<&Tensor>, pass: &Pass<'_>) -> Tensor {
        let mean = match lengths {
            Some(lengths) => mean_of(frames, lengths),
            None => frames.mean_dim(1, false, frames.kind()),
        };
        let normed = self.norm.forward(&mean, pass.is_training());
        let x = pass.dropout(self.place, &normed, self.dropout);
        self.layers.iter().fold(x, |x, layer| layer.forward(&x).relu())
    }
}

/// Text: the last state of an LSTM and a linear map. The text dropout that MMSA configures is never
/// active, because a single LSTM layer has none.
#[derive(Debug)]
struct TextSubnet {
    rnn: Lstm,
    linear: Linear,
}

impl TextSubnet {
    /// A subnet `text_subnet`, from `n_in` features over `hidden` to `n_out`.
    fn new(init: &Init<'_>, n_in: i64, hidden: i64, n_out: i64) -> TextSubnet {
        let init = init.sub("text_subnet");
        TextSubnet {
            rnn: Lstm::new(&init.sub("rnn"), n_in, hidden),
            linear: Linear::new(&init.sub("linear_1"), hidden, n_out, true),
        }
    }

    /// `[batch, seq_len, n_in]` to `[batch, n_out]`.
    fn forward(&self, text: &Tensor) -> Tensor {
        self.linear.forward(&self.rnn.last(text))
    }
}

/// Widths and dropout rates of the three subnets.
#[derive(Debug, Clone, Copy)]
pub struct SubnetSizes {
    /// Width of the LSTM over text.
    pub text_hidden: i64,
    /// Output width for text.
    pub text_out: i64,
    /// Width for audio, and the dropout rate of its normed features.
    pub audio: (i64, f64),
    /// The same for vision.
    pub vision: (i64, f64),
    /// Whether to average only over the steps before the padding.
    pub over_lengths: bool,
}

/// The subnets of all modalities.
#[derive(Debug)]
pub struct Subnets {
    audio: Subnet,
    vision: Subnet,
    text: TextSubnet,
    over_lengths: bool,
}

impl Subnets {
    /// Subnets `audio_subnet`, `video_subnet` and `text_subnet` for some inputs.
    pub fn new(init: &Init<'_>, inputs: &Inputs, sizes: SubnetSizes) -> Subnets {
        let SubnetSizes { text_hidden, text_out, audio, vision, over_lengths } = sizes;
        let subnet = |place, modality, (hidden, dropout)| {
            Subnet::new(init, place, inputs.feat_dim(modality), hidden, dropout)
        };
        Subnets {
            audio: subnet("audio_subnet", Modality::Audio, audio),
            vision: subnet("video_subnet", Modality::Vision, vision),
            text: TextSubnet::new(init, inputs.feat_dim(Modality::Text), text_hidden, text_out),
            over_lengths,
        }
    }

    /// Audio, vision and text, `[batch, width]` each.
    ///
    /// # Errors
    /// The batch lacks one of them.
    pub fn forward(&self, batch: &Batch, pass: &Pass<'_>) -> Result<[Tensor; 3], ModelError> {
        let of_frames = |subnet: &Subnet, modality| {
            let lengths = self.over_lengths.then(|| batch.lengths(modality)).transpose()?;
            Ok(subnet.forward(batch.features(modality)?, lengths, pass))
        };
        Ok([
            of_frames(&self.audio, Modality::Audio)?,
            of_frames(&self.vision, Modality::Vision)?,
            self.text.forward(batch.features(Modality::Text)?),
        ])
    }
}

/// `x` `[batch, n]` with a one in front of each row, `[batch, 1 + n]`.
pub fn with_one_before(x: &Tensor) -> Tensor {
    let batch = x.size().first().copied().unwrap_or(0);
    Tensor::cat(&[x.new_ones([batch, 1], (x.kind(), x.device())), x.shallow_clone()], 1)
}
