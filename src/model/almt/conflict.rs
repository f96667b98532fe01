//! Impossible variants of ALMT.

use super::{AlmtConfig, FusionKind, FusionQuery, HyperModalityKind, Variant};

impl Variant {
    /// Why the rest of a configuration rules out this variant, in a sentence.
    pub fn conflict(&self, config: &AlmtConfig) -> Option<String> {
        let depth = config.sizes.ahl_depth;
        if let Some(guides) = &self.guides {
            if self.hyper_modality != HyperModalityKind::Adaptive {
                return Some("without hyper-modality learning nothing can guide it".into());
            }
            // Without any guide, audio and vision would not matter: the paper reports the figures of
            // "w/o AHL" there.
            if guides.is_empty() || !guides.is_sorted_by(|one, next| one < next) {
                return Some("guides are some of the scales, in order".into());
            }
            if let Some(scale) = guides.iter().find(|scale| !(1..=depth).contains(*scale)) {
                return Some(format!("scale {scale} does not exist: `ahl_depth` is {depth}"));
            }
        }
        let without = Variant { embedding: self.embedding, ..Variant::default() };
        let needs_more = *self != without && !config.has_hyper_modality();
        if needs_more {
            return Some("without audio and vision there is nothing to fuse language with".into());
        }
        let asks = self.fusion_query != FusionQuery::Language;
        let no_transformer = "only in the fusion transformer one of the two asks the other";
        (asks && self.fusion != FusionKind::Transformer).then(|| no_transformer.into())
    }
}
