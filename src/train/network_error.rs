//! Why a network cannot be built.

use crate::advice::{Advice, Advise};
use crate::model::Form;
use crate::model::contract::ModelError;
use crate::pretrained::PretrainedError;
use crate::run::recipe::RecipeError;

/// Why a network cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The settings describe an impossible model.
    #[error("the model is impossible: {problem}")]
    NoModel {
        /// The reason, in a sentence.
        problem: String,
    },
    /// The form is not available for this model here.
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
        /// The requested form.
        asked: Option<Form>,
        /// The available forms.
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
