//! All sizes of ALMT, what it is fed and where it differs from the published model, without a tensor:
//! whoever reads the settings of a run needs no libtorch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::variant::{
    EmbeddingKind, FusionKind, FusionQuery, HyperModalityKind, LOW_RANK, Variant,
};
use crate::name::named;

/// What an AHL layer adds its shift to. Paper and released code differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Residual {
    /// `H_j = LN4(H_{j-1}) + shift_j`, what the released code computes.
    Released,
    /// `H_j = H_{j-1} + shift_j`, Eq. 5 of the paper.
    Paper,
}

impl Residual {
    /// Both readings.
    pub const ALL: [Residual; 2] = [Residual::Released, Residual::Paper];

    /// The name on the command line and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Residual::Released => "released",
            Residual::Paper => "paper",
        }
    }
}

named!(Residual);

/// Extents of the input of one modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Number of steps.
    pub seq_len: i64,
    /// Features per step.
    pub feat_dim: i64,
}

/// Sizes of the model that do not depend on its input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlmtSizes {
    /// Tokens per modality, `T`.
    pub token_len: i64,
    /// Width of a token, `d`.
    pub token_dim: i64,
    /// Layers of each modality embedding.
    pub embedding_depth: i64,
    /// Attention heads of the modality embeddings.
    pub embedding_heads: i64,
    /// Feed-forward width of the modality embeddings.
    pub embedding_mlp_dim: i64,
    /// Attention heads of the language encoder.
    pub language_heads: i64,
    /// Feed-forward width of the language encoder.
    pub language_mlp_dim: i64,
    /// Layers of hyper-modality learning; the language encoder has one fewer.
    pub ahl_depth: i64,
    /// Attention heads of hyper-modality learning.
    pub ahl_heads: i64,
    /// Width of one of them, `d_k`.
    pub ahl_dim_head: i64,
    /// Layers of the fusion transformer.
    pub fusion_depth: i64,
    /// Attention heads of the fusion transformer.
    pub fusion_heads: i64,
    /// Feed-forward width of the fusion transformer.
    pub fusion_mlp_dim: i64,
    /// Width of one attention head everywhere but in hyper-modality learning.
    pub dim_head: i64,
    /// Epsilon of every layer norm.
    pub layer_norm_eps: f64,
    /// What an AHL layer adds its shift to.
    pub residual: Residual,
}

#[cfg(all(test, feature = "train"))]
impl AlmtSizes {
    /// Sizes that tests need not wait for.
    pub(in crate::model) fn small() -> AlmtSizes {
        AlmtSizes {
            token_len: 4,
            token_dim: 16,
            embedding_depth: 1,
            embedding_heads: 2,
            embedding_mlp_dim: 10,
            language_heads: 2,
            language_mlp_dim: 10,
            ahl_depth: 3,
            ahl_heads: 2,
            ahl_dim_head: 8,
            fusion_depth: 1,
            fusion_heads: 2,
            fusion_mlp_dim: 10,
            dim_head: 6,
            layer_norm_eps: 1e-5,
            residual: Residual::Released,
        }
    }
}

/// All sizes of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlmtConfig {
    /// Sizes that do not depend on the input.
    pub sizes: AlmtSizes,
    /// Language input.
    pub text: Sequence,
    /// Audio input, if there is any.
    pub audio: Option<Sequence>,
    /// Visual input, if there is any.
    pub vision: Option<Sequence>,
    /// Where the model differs from the published one.
    #[serde(default, skip_serializing_if = "Variant::is_published")]
    pub variant: Variant,
}

impl AlmtConfig {
    /// Number of trainable parameters; `None` where a size is not positive, the number does not fit
    /// or the variant cannot be, so that sizes from a file can be compared with the file before anything is allocated.
    pub fn n_parameters(&self) -> Option<i64> {
        if self.variant.conflict(self).is_some() {
            return None;
        }
        let c = &self.sizes;
        let (tokens, d) = (c.token_len, c.token_dim);
        let sizes = [
            tokens,
            d,
            c.embedding_depth,
            c.embedding_heads,
            c.embedding_mlp_dim,
            c.language_heads,
            c.language_mlp_dim,
            c.ahl_depth,
            c.ahl_heads,
            c.ahl_dim_head,
            c.fusion_depth,
            c.fusion_heads,
            c.fusion_mlp_dim,
            c.dim_head,
        ];
        let sequences = || [Some(self.text), self.audio, self.vision].into_iter().flatten();
        let extents = sequences().flat_map(|sequence| [sequence.seq_len, sequence.feat_dim]);
        // No size of a real model comes near this; below it, no product here leaves 128 bits.
        const LARGEST: i64 = 1 << 24;
        if !sizes.into_iter().chain(extents).all(|size| (1..=LARGEST).contains(&size)) {
            return None;
        }
        let linear = |n_in: i128, n_out: i128| (n_in + 1) * n_out;
        let d = i128::from(d);
        let tokens = i128::from(tokens);
        let layer = |heads: i64, mlp: i64| {
            let (inner, mlp) = (i128::from(heads) * i128::from(c.dim_head), i128::from(mlp));
            // Four norms, queries, keys and values without bias, output, feed-forward.
            4 * 2 * d + 3 * d * inner + linear(inner, d) + linear(d, mlp) + linear(mlp, d)
        };
        let embedding = |sequence: Sequence| {
            let (seq_len, feat_dim) = (i128::from(sequence.seq_len), i128::from(sequence.feat_dim));
            let layers =
                i128::from(c.embedding_depth) * layer(c.embedding_heads, c.embedding_mlp_dim);
            linear(feat_dim, d)
                + seq_len * d
                + match self.variant.embedding {
                    EmbeddingKind::Transformer => 2 * tokens * d + layers,
                    EmbeddingKind::Projection => 0,
                }
        };
        let tokens = i128::from(self.n_language_tokens());
        let language =
            tokens * d + i128::from(c.ahl_depth - 1) * layer(c.language_heads, c.language_mlp_dim);
        let n_branches = i128::from(self.audio.is_some()) + i128::from(self.vision.is_some());
        let inner = i128::from(c.ahl_heads) * i128::from(c.ahl_dim_head);
        let branches = n_branches * (2 * d + 2 * d * inner);
        let guided = 2 * 2 * d + d * inner + branches + linear(inner, d);
        let mlp = i128::from(c.language_mlp_dim);
        let unguided = 2 * d + linear(d, mlp) + linear(mlp, d);
        let hyper = match self.has_hyper_modality() {
            true if self.variant.hyper_modality == HyperModalityKind::Adaptive => {
                let n_guided = match &self.variant.guides {
                    Some(guides) => guides.len() as i128,
                    None => i128::from(c.ahl_depth),
                };
                let n_unguided = i128::from(c.ahl_depth) - n_guided;
                tokens * d + n_guided * guided + n_unguided * unguided
            }
            _ => 0,
        };
        let (n_source, n_target) = self.fusion_tokens();
        let fusion_layer = layer(c.fusion_heads, c.fusion_mlp_dim);
        let fusion = self.fusion_parameters(fusion_layer, n_source.into(), n_target.into());
        let embeddings: i128 = sequences().map(embedding).sum();
        i64::try_from(embeddings + language + hyper + fusion + linear(d, 1)).ok()
    }

    /// Number of parameters of the fusion.
    fn fusion_parameters(&self, layer: i128, n_source: i128, n_target: i128) -> i128 {
        let dim = i128::from(self.sizes.token_dim);
        let linear = |n_in: i128| (n_in + 1) * dim;
        match self.variant.fusion {
            FusionKind::Transformer => {
                (n_source + 1 + n_target + 1) * dim
                    + dim
                    + i128::from(self.sizes.fusion_depth) * layer
            }
            FusionKind::Concatenation => linear(2 * dim),
            FusionKind::Addition => 0,
            FusionKind::Gru => 6 * linear(dim),
            FusionKind::Tensor => linear((dim + 1) * (dim + 1)),
            FusionKind::LowRank => i128::from(LOW_RANK) * 2 * linear(dim) + dim,
        }
    }

    /// Tokens of a modality after its embedding.
    fn n_tokens(&self, input: Sequence) -> i64 {
        match self.variant.embedding {
            EmbeddingKind::Transformer => self.sizes.token_len,
            EmbeddingKind::Projection => input.seq_len,
        }
    }

    pub(super) fn n_language_tokens(&self) -> i64 {
        self.n_tokens(self.text)
    }

    /// Tokens of the fusion's source and of its target.
    pub(super) fn fusion_tokens(&self) -> (i64, i64) {
        let language = self.n_language_tokens();
        let hyper = match self.variant.hyper_modality {
            HyperModalityKind::Concatenated if self.has_hyper_modality() => {
                let inputs = [self.audio, self.vision].into_iter().flatten();
                inputs.map(|input| self.n_tokens(input)).sum()
            }
            _ => language,
        };
        match self.variant.fusion_query {
            FusionQuery::Language => (hyper, language),
            FusionQuery::Hyper => (language, hyper),
        }
    }

    /// Whether hyper-modality learning has anything to learn from.
    pub fn has_hyper_modality(&self) -> bool {
        self.audio.is_some() || self.vision.is_some()
    }
}
