//! ALMT in whichever form it was built, and what its attention looks at.

use tch::Tensor;

use super::reference::{Almt, HyperLayer, Input};
use super::{AlmtConfig, EmbeddingKind, FusionKind, FusionQuery, HyperModalityKind};
use crate::corpus::Modality;
use crate::model::form::Form;
use crate::model::trace::Trace;

impl AlmtConfig {
    /// The forms that such a model has: the batched one is of the published model alone.
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
    /// The last layer that is guided by language, counted from 1, whose weights the paper's Figures
    /// 4 and 5 show; `None` without hyper-modality learning.
    pub fn last_guided(&self) -> Option<usize> {
        let layers = &self.hyper.as_ref()?.layers;
        layers.iter().rposition(|layer| matches!(layer, HyperLayer::Guided(_))).map(|idx| idx + 1)
    }

    /// `alpha` of audio or `beta` of vision (Eq. 3 and 4) of the last guided layer, `[batch, heads,
    /// T, T]`, for tokens that need not be those of the model's own embeddings: language `h_l` of
    /// the layer's scale and `H_m^1` of the modality, both `[batch, T, d]`. `None` for what the
    /// model does not have.
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

    /// How much the tokens of the embedding of audio or vision attend to each of `frames` `[batch,
    /// seq_len, feat_dim]` in its last layer, `[batch, heads, T, seq_len]`. What is missing in a row
    /// to 1 they attend to themselves. `None` for what the model does not have.
    pub fn frame_attention(&self, modality: Modality, frames: &Tensor) -> Option<Tensor> {
        match modality {
            Modality::Text => None,
            Modality::Audio => self.embed_a.as_ref()?.attention(frames),
            Modality::Vision => self.embed_v.as_ref()?.attention(frames),
        }
    }

    /// Predicted sentiment, `[batch, 1]`; in the batched form with the parameters and features of several
    /// models, which have these as a further first axis, `[S, batch, 1]`.
    ///
    /// The batched form leaves no [trace](Form::traced).
    pub fn forward(&self, input: &Input, trace: &mut Trace) -> Tensor {
        match self.form {
            Form::Batched => self.forward_batched(input),
            Form::Reference | Form::Absorbed | Form::Native => self.forward_by_module(input, trace),
        }
    }
}
