//! What is trained: ALMT on text features, or with its text encoder in the loop.

use std::collections::BTreeMap;

use tch::{Tensor, nn};

use super::TrainError;
use super::checkpoint::ModelConfig;
use super::data::Batch;
use super::weights::Tensors;
use crate::corpus::Modality;
use crate::model::{Almt, AlmtWithBert, BertConfig, Dropout, Init, Sequence, Tokens, Trace};
use crate::run::settings::TrainSettings;

/// A model with its parameters.
#[derive(Debug)]
pub enum Network {
    /// Text comes as features.
    Features(Box<Almt>),
    /// Text comes as tokens.
    Bert(Box<AlmtWithBert>),
}

impl Network {
    /// Adds the parameters of a model below the root of `vars`, with the initial values of `seed`;
    /// those of an encoder are zero.
    pub fn new(vars: &nn::VarStore, config: &ModelConfig, seed: u64) -> Network {
        Network::build(&Init::new(vars.root(), seed), config)
    }

    /// A model whose parameters are there, by name.
    pub fn given(parameters: &Tensors, config: &ModelConfig) -> Network {
        Network::build(&Init::given(parameters), config)
    }

    fn build(init: &Init<'_>, config: &ModelConfig) -> Network {
        match config.with_bert() {
            None => Network::Features(Box::new(Almt::new(init, &config.model))),
            Some(both) => Network::Bert(Box::new(AlmtWithBert::new(init, &both))),
        }
    }

    /// ALMT, with or without an encoder before it.
    pub fn almt(&self) -> &Almt {
        match self {
            Network::Features(almt) => almt,
            Network::Bert(both) => both.almt(),
        }
    }

    /// Predicted sentiment, `[batch, 1]`. `dropout` is the encoder's, in training.
    ///
    /// # Errors
    /// The batch has no tokens and the model needs them.
    pub fn forward(&self, batch: &Batch, dropout: Option<Dropout>) -> Result<Tensor, TrainError> {
        self.forward_traced(batch, dropout, &mut Trace::default())
    }

    /// As [`forward`](Network::forward), and what `trace` keeps on the way.
    ///
    /// # Errors
    /// The batch has no tokens and the model needs them.
    pub fn forward_traced(
        &self,
        batch: &Batch,
        dropout: Option<Dropout>,
        trace: &mut Trace,
    ) -> Result<Tensor, TrainError> {
        match self {
            Network::Features(almt) => Ok(almt.forward(&batch.input, trace)),
            Network::Bert(both) => {
                let tokens = batch.tokens.as_ref().ok_or(TrainError::NoTokens)?;
                let tokens = Tokens::of_text_bert(tokens);
                let part = |x: &Option<Tensor>| x.as_ref().map(Tensor::shallow_clone);
                let (audio, vision) = (part(&batch.input.audio), part(&batch.input.vision));
                Ok(both.forward(&tokens, audio, vision, dropout, trace))
            }
        }
    }
}

/// The configuration of a run's model for the inputs of its training split.
///
/// # Errors
/// There is no text, or no model of such sizes.
pub fn config_for(
    settings: &TrainSettings,
    sequences: &BTreeMap<Modality, Sequence>,
    n_tokens: Option<i64>,
    bert: Option<BertConfig>,
) -> Result<ModelConfig, TrainError> {
    let mut sequences = sequences.clone();
    if let Some(bert) = &bert {
        let seq_len = n_tokens.ok_or(TrainError::NoTokens)?;
        sequences.insert(Modality::Text, Sequence { seq_len, feat_dim: bert.hidden_size });
    }
    let model = settings.hyper_parameters.config(&sequences).ok_or(TrainError::NoText)?;
    if let Some(problem) = model.variant.conflict(&model) {
        return Err(TrainError::Variant { problem });
    }
    let text = model.text;
    let config = ModelConfig { model, bert };
    config.n_parameters().map(|_| config).ok_or(TrainError::Sizes { text })
}
