//! BERT's configuration, with the names of Hugging Face's `config.json`, and a check of its input
//! tokens.

use ndarray::{ArrayView3, Axis};
use serde::{Deserialize, Serialize};

use crate::advice::{Advice, Advise, TrainerAdvice};

/// Activation function of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The exact GELU.
    Gelu,
    /// GELU in its tanh approximation.
    #[serde(alias = "gelu_pytorch_tanh")]
    GeluNew,
    /// ReLU.
    Relu,
}

/// All sizes of an encoder, with the names of Hugging Face's `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Number of different tokens.
    pub vocab_size: i64,
    /// Width of a hidden state, `d_l`.
    pub hidden_size: i64,
    /// Number of layers.
    pub num_hidden_layers: i64,
    /// Attention heads of each layer.
    pub num_attention_heads: i64,
    /// Width of the feed-forward blocks.
    pub intermediate_size: i64,
    /// Number of positions, the maximum length of a sequence.
    pub max_position_embeddings: i64,
    /// Number of different segments.
    pub type_vocab_size: i64,
    /// Activation of the feed-forward blocks.
    pub hidden_act: Activation,
    /// Epsilon of every layer norm.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// The token whose embedding is not trained.
    #[serde(default)]
    pub pad_token_id: i64,
    /// Share of values dropped from hidden states in training.
    #[serde(default = "dropout_rate")]
    pub hidden_dropout_prob: f64,
    /// Share of attention weights dropped in training.
    #[serde(default = "dropout_rate")]
    pub attention_probs_dropout_prob: f64,
}

fn layer_norm_eps() -> f64 {
    1e-12
}

fn dropout_rate() -> f64 {
    0.1
}

impl BertConfig {
    /// Why an encoder is impossible, in words; `None` if it is valid.
    pub fn problem(&self) -> Option<String> {
        // Real models are far below this; within it, no product here overflows 128 bits.
        const LARGEST: i64 = 1 << 24;
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ];
        if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
            return Some(format!("`{name}`: expected 1 to {LARGEST}, found {size}"));
        }
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        if width % heads != 0 {
            return Some(format!("`hidden_size` {width} is not a multiple of the {heads} heads"));
        }
        if !(0..self.vocab_size).contains(&self.pad_token_id) {
            return Some(format!("`pad_token_id`: no token has the id {}", self.pad_token_id));
        }
        let rates = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ];
        if let Some((name, rate)) = rates.iter().find(|(_, rate)| !(0.0..1.0).contains(rate)) {
            return Some(format!("`{name}`: expected 0 to below 1, found {rate}"));
        }
        let eps = self.layer_norm_eps;
        (!eps.is_finite() || eps <= 0.0)
            .then(|| format!("`layer_norm_eps`: expected a number above 0, found {eps}"))
    }

    /// Name and shape of every parameter, layer by layer. The iterator is lazy, so a comparison with a
    /// file stops at the first absent one.
    pub fn parameters(&self) -> impl Iterator<Item = (String, Vec<i64>)> {
        let (width, inner) = (self.hidden_size, self.intermediate_size);
        let linear = |name: &str, n_in: i64, n_out: i64| {
            [(format!("{name}.weight"), vec![n_out, n_in]), (format!("{name}.bias"), vec![n_out])]
        };
        let norm = move |name: &str| {
            [(format!("{name}.weight"), vec![width]), (format!("{name}.bias"), vec![width])]
        };
        let tables = [
            ("word", self.vocab_size),
            ("position", self.max_position_embeddings),
            ("token_type", self.type_vocab_size),
        ];
        let embeddings = tables
            .map(|(name, n)| (format!("embeddings.{name}_embeddings.weight"), vec![n, width]))
            .into_iter()
            .chain(norm("embeddings.LayerNorm"));
        let layers = (0..self.num_hidden_layers).flat_map(move |idx| {
            let place = |name: &str| format!("encoder.layer.{idx}.{name}");
            [
                linear(&place("attention.self.query"), width, width),
                linear(&place("attention.self.key"), width, width),
                linear(&place("attention.self.value"), width, width),
                linear(&place("attention.output.dense"), width, width),
                norm(&place("attention.output.LayerNorm")),
                linear(&place("intermediate.dense"), width, inner),
                linear(&place("output.dense"), inner, width),
                norm(&place("output.LayerNorm")),
            ]
            .into_iter()
            .flatten()
        });
        embeddings.chain(layers)
    }

    /// Name and shape of the parameters of a pooler, which few models need.
    pub fn pooler(&self) -> [(String, Vec<i64>); 2] {
        let width = self.hidden_size;
        [
            ("pooler.dense.weight".to_owned(), vec![width, width]),
            ("pooler.dense.bias".to_owned(), vec![width]),
        ]
    }

    /// Number of parameters; `None` if a size is impossible or the number does not fit, so that sizes
    /// from a file can be compared with the file before anything is allocated.
    pub fn n_parameters(&self) -> Option<i64> {
        if self.problem().is_some() {
            return None;
        }
        let count = |config: &BertConfig| -> i128 {
            let n_values = |shape: Vec<i64>| shape.into_iter().map(i128::from).product::<i128>();
            config.parameters().map(|(_, shape)| n_values(shape)).sum()
        };
        let with_layers = |n| count(&BertConfig { num_hidden_layers: n, ..self.clone() });
        let (none, one) = (with_layers(0), with_layers(1));
        i64::try_from(none + i128::from(self.num_hidden_layers) * (one - none)).ok()
    }

    /// Whether an encoder of this configuration can read `text_bert`, `[n_samples, 3, seq_len]`.
    ///
    /// # Errors
    /// There are more steps than positions, or the encoder has no embedding for a token or segment.
    pub fn check_tokens(&self, text_bert: ArrayView3<'_, i32>) -> Result<(), TokenError> {
        let (_, n_parts, seq_len) = text_bert.dim();
        let max = self.max_position_embeddings;
        if n_parts != 3 || seq_len == 0 || i64::try_from(seq_len).map_or(true, |len| len > max) {
            return Err(TokenError::Length { shape: text_bert.shape().to_vec(), max });
        }
        for (what, part, n_known) in
            [("token", 0, self.vocab_size), ("segment", 2, self.type_vocab_size)]
        {
            let values = text_bert.index_axis(Axis(1), part);
            let unknown = |value: &i32| !(0..n_known).contains(&i64::from(*value));
            let mut values = values.indexed_iter();
            if let Some(((sample_idx, step), id)) = values.find(|(_, value)| unknown(value)) {
                let id = *id;
                return Err(TokenError::Unknown { what, id, sample_idx, step, n_known });
            }
        }
        Ok(())
    }
}

/// Why an encoder cannot read tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not the shape of an input.
    #[error(
        "expected [n_samples, 3, 1 to {max}], which is what the encoder reads, found {shape:?}"
    )]
    Length {
        /// The actual shape.
        shape: Vec<usize>,
        /// Positions of the encoder.
        max: i64,
    },
    /// The encoder has no embedding for it.
    #[error(
        "{what} {id} in sample {sample_idx}, step {step}: the encoder knows 0 to {last}",
        last = .n_known - 1
    )]
    Unknown {
        /// A token or a segment.
        what: &'static str,
        /// Its id.
        id: i32,
        /// The sample, counted from 0.
        sample_idx: usize,
        /// The step, counted from 0.
        step: usize,
        /// Number of known ids.
        n_known: i64,
    },
}

impl Advise for TokenError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            TokenError::Unknown { .. } => vec![TrainerAdvice::MakeTokensAnew.into()],
            TokenError::Length { .. } => Vec::new(),
        }
    }
}
