//! ALMT in any of its forms, and its attention weights.

use tch::Tensor;

use super::reference::{Almt, HyperLayer, Input};
use super::{AlmtConfig, EmbeddingKind, FusionKind, FusionQuery, HyperModalityKind};
use crate::corpus::Modality;
use crate::model::form::Form;
use crate::model::trace::Trace;

impl AlmtConfig {
    /// The forms that this model has; only the published model has the batched one.
    pub fn forms(&self) -> &'static [Form] {
        let variant = &self.variant;
        let is_published = self.has_hyper_modality()
            && self.sizes.embedding_depth == 1
            && variant.embedding == EmbeddingKind::Transformer
            && variant.hyper_modality == HyperModalityKind::Adaptive
            && (1..=self.sizes.ahl_depth).all(|layer| variant.is_guided(layer))
            && variant.fusion == FusionKind::Transformer
            && variant.fusion_query == FusionQuery::Language;
        match is_published {
            true => &Form::ALL,
            false => &[Form::Reference, Form::Absorbed, Form::Native],
        }
    }
}

impl Almt {
    /// The last layer guided by language, counted from 1, whose weights the paper's Figures 4 and 5
    /// show; `None` without hyper-modality learning.
    pub fn last_guided(&self) -> Option<usize> {
        let layers = &self.hyper.as_ref()?.layers;
        layers.iter().rposition(|layer| matches!(layer, HyperLayer::Guided(_))).map(|idx| idx + 1)
    }

    /// `alpha` of audio or `beta` of vision (Eq. 3 and 4) of the last guided layer, `[batch, heads, T,
    /// T]`, for tokens that need not come from the model's own embeddings: language `h_l` of the
    /// layer's scale and `H_m^1` of the modality, both `[batch, T, d]`. `None` for parts that the model
    /// lacks.
    pub fn guided_attention(
        &self,
        modality: Modality,
        h_l: &Tensor,
        h_m: &Tensor,
    ) -> Option<Tensor> {
        match self.hyper.as_ref()?.layers.get(self.last_guided()? - 1)? {
            HyperLayer::Guided(layer) => layer.attention(modality, h_l, h_m),
            HyperLayer::Unguided(_) => None,
        }
    }

    /// Attention of the audio or vision embedding's tokens to each of `frames` `[batch, seq_len,
    /// feat_dim]` in its last layer, `[batch, heads, T, seq_len]`. The difference between a row's sum
    /// and 1 is attention to the tokens themselves. `None` for parts that the model lacks.
    pub fn frame_attention(&self, modality: Modality, frames: &Tensor) -> Option<Tensor> {
        match modality {
            Modality::Text => None,
            Modality::Audio => self.embed_a.as_ref()?.attention(frames),
            Modality::Vision => self.embed_v.as_ref()?.attention(frames),
        }
    }

    /// Predicted sentiment, `[batch, 1]`; in the batched form with parameters and features of several
    /// models, which have an additional first axis for these, `[S, batch, 1]`.
    ///
    /// The batched form does not record a [trace](Form::traced).
    pub fn forward(&self, input: &Input, trace: &mut Trace) -> Tensor {
        match self.form {
            Form::Batched => self.forward_batched(input),
            Form::Reference | Form::Absorbed | Form::Native => self.forward_by_module(input, trace),
        }
    }
}
