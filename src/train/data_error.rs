//! Why samples cannot be trained on.

use crate::advice::{Advice, Advise, TrainerAdvice};
use crate::corpus::{Modality, RowError, SplitName};
use crate::model::TokenError;

/// Why samples cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// There is no text to guide the other modalities.
    #[error("the text modality is absent, which every model reads")]
    NoText,
    /// There are no tokens for the text encoder.
    #[error("no tokens for the text encoder: the store has no `text_bert`")]
    NoTokens,
    /// There are no texts for the tokenizer.
    #[error("{split}/raw_text: the store has no texts to make tokens of")]
    NoTexts {
        /// Which split.
        split: SplitName,
    },
    /// Tokens that the text encoder does not know.
    #[error("{split}/text_bert")]
    Tokens {
        /// Which split.
        split: SplitName,
        /// What is wrong.
        #[source]
        cause: TokenError,
    },
    /// A split that is needed has no samples.
    #[error("split `{split}` is absent or empty, and it is needed here")]
    EmptySplit {
        /// Which split.
        split: SplitName,
    },
    /// Columns of a split differ in length.
    #[error("{split}/{column}: expected {expected} samples, found {found}")]
    Count {
        /// Which split.
        split: SplitName,
        /// Which column.
        column: &'static str,
        /// As many as there are ids.
        expected: usize,
        /// As many as there are.
        found: usize,
    },
    /// Values that would make every weight NaN.
    #[error(
        "{split}/{column}: {n_values} {} not finite",
        if *n_values == 1 { "value is" } else { "values are" }
    )]
    NonFinite {
        /// Which split.
        split: SplitName,
        /// Which column.
        column: &'static str,
        /// How many.
        n_values: usize,
    },
    /// Labels that are no numbers, among others that are.
    #[error("{split}: labels that are NaN or infinite: {n_samples}")]
    NoLabel {
        /// Which split.
        split: SplitName,
        /// How many.
        n_samples: usize,
    },
    /// The input is not what the model was built for.
    #[error("{split}/{modality}: the model expects {expected}, found {found}")]
    Shape {
        /// Which split.
        split: SplitName,
        /// Which modality.
        modality: Modality,
        /// `[seq_len, feat_dim]` of the model, or that it uses none.
        expected: String,
        /// `[seq_len, feat_dim]` of the data, or that there are none.
        found: String,
    },
    /// Features that cannot be read.
    #[error("{split}")]
    Features {
        /// Which split.
        split: SplitName,
        /// What the store says.
        #[source]
        cause: RowError,
    },
}

impl Advise for DataError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            DataError::Tokens { cause, .. } => return cause.advice(),
            DataError::Features { cause, .. } => return cause.advice(),
            DataError::NoText => TrainerAdvice::EncodeText,
            DataError::NoTokens => TrainerAdvice::MakeTokens,
            DataError::NonFinite { .. } => TrainerAdvice::ConvertFinite,
            DataError::NoLabel { .. } => TrainerAdvice::DropUnlabelled,
            DataError::NoTexts { .. }
            | DataError::EmptySplit { .. }
            | DataError::Count { .. }
            | DataError::Shape { .. } => return Vec::new(),
        };
        vec![advice.into()]
    }
}
