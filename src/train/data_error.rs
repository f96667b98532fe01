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
        /// The split.
        split: SplitName,
    },
    /// Tokens unknown to the text encoder.
    #[error("{split}/text_bert")]
    Tokens {
        /// The split.
        split: SplitName,
        /// The problem.
        #[source]
        cause: TokenError,
    },
    /// A required split has no samples.
    #[error("split `{split}` is absent or empty, and it is needed here")]
    EmptySplit {
        /// The split.
        split: SplitName,
    },
    /// Columns of a split differ in length.
    #[error("{split}/{column}: expected {expected} samples, found {found}")]
    Count {
        /// The split.
        split: SplitName,
        /// The column.
        column: &'static str,
        /// Number of ids.
        expected: usize,
        /// Number of rows.
        found: usize,
    },
    /// Values that would make every weight NaN.
    #[error(
        "{split}/{column}: {n_values} {} not finite",
        if *n_values == 1 { "value is" } else { "values are" }
    )]
    NonFinite {
        /// The split.
        split: SplitName,
        /// The column.
        column: &'static str,
        /// Number of such values.
        n_values: usize,
    },
    /// Labels that are NaN, among others that are numbers.
    #[error("{split}: labels that are NaN or infinite: {n_samples}")]
    NoLabel {
        /// The split.
        split: SplitName,
        /// Number of such labels.
        n_samples: usize,
    },
    /// The input does not match the model.
    #[error("{split}/{modality}: the model expects {expected}, found {found}")]
    Shape {
        /// The split.
        split: SplitName,
        /// The modality.
        modality: Modality,
        /// The model's `[seq_len, feat_dim]`, or that it uses none.
        expected: String,
        /// The data's `[seq_len, feat_dim]`, or that they lack the modality.
        found: String,
    },
    /// Features that cannot be read.
    #[error("{split}")]
    Features {
        /// The split.
        split: SplitName,
        /// The store's error.
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
