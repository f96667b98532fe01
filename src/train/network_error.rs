//! Why there is no network to train.

use crate::advice::{Advice, Advise};
use crate::model::Form;
use crate::model::contract::ModelError;
use crate::pretrained::PretrainedError;
use crate::run::recipe::RecipeError;

/// Why there is no network to train.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The settings ask for a model that cannot be.
    #[error("no such model: {problem}")]
    NoModel {
        /// Why, in a sentence.
        problem: String,
    },
    /// The model has no such form here.
    #[error(
        "{} here: of this model and at this precision, there {} {}",
        match asked {
            Some(form) => format!("no form `{form}`"),
            None => "no form".into(),
        },
        if forms.len() == 1 { "is" } else { "are" },
        match &**forms {
            [] => "none".into(),
            forms => forms.iter().map(|form| form.name()).collect::<Vec<_>>().join(", "),
        }
    )]
    NoForm {
        /// What was asked for.
        asked: Option<Form>,
        /// What there is.
        forms: Vec<Form>,
    },
    /// The recipe does not fit the model.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A model that cannot be computed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A text encoder that cannot be used.
    #[error(transparent)]
    Encoder(#[from] PretrainedError),
}

impl Advise for NetworkError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            NetworkError::Encoder(error) => error.advice(),
            NetworkError::NoModel { .. }
            | NetworkError::NoForm { .. }
            | NetworkError::Recipe(_)
            | NetworkError::Model(_) => Vec::new(),
        }
    }
}
