//! The trained network: a registered model on text features, or behind a text encoder.

use std::collections::BTreeMap;

use tch::{Tensor, nn};

use super::weights::Tensors;
use super::{DataError, NetworkError, TrainError};
use crate::corpus::Modality;
use crate::model::configuration::{Size, shapes_of};
use crate::model::contract::{At, Batch, Can, Losses, Model, Outputs, Pass};
use crate::model::registry::{Inputs, ModelSpec};
use crate::model::{Bert, BertConfig, ENCODER, Form, Init, Sequence, Tokens};
use crate::run::settings::TrainSettings;

use super::config::ModelConfig;

/// A model, and the text encoder in front of it if text comes as tokens.
#[derive(Debug)]
pub struct Network {
    model: Box<dyn Model>,
    encoder: Option<Bert>,
}

impl Network {
    /// Adds a model's parameters below the root of `vars`, with the initial values of `seed`; an
    /// encoder's are zero.
    pub fn new(vars: &nn::VarStore, config: &ModelConfig, form: Form, seed: u64) -> Network {
        Network::build(&Init::new(vars.root(), seed), config, form)
    }

    /// A model with existing parameters, by name.
    pub fn given(parameters: &Tensors, config: &ModelConfig, form: Form) -> Network {
        Network::build(&Init::given(parameters), config, form)
    }

    /// A model whose parameters come from `init`.
    pub fn build(init: &Init<'_>, config: &ModelConfig, form: Form) -> Network {
        Network {
            encoder: config.bert.as_ref().map(|bert| match config.spec.needs().pooler {
                true => Bert::with_pooler(&init.sub(ENCODER), bert),
                false => Bert::new(&init.sub(ENCODER), bert),
            }),
            model: config.spec.build(init, &config.inputs, form),
        }
    }

    /// The trainer's shortcuts that it allows.
    pub fn can(&self) -> Can {
        let own = self.model.can();
        Can { be_stacked: own.be_stacked && self.encoder.is_none(), ..own }
    }

    /// Its outputs for a batch. In training, an encoder uses dropout if `trains_encoder`.
    ///
    /// # Errors
    /// The batch lacks an input of the model.
    pub fn forward(
        &self,
        batch: &Batch,
        trains_encoder: bool,
        pass: &mut Pass<'_>,
    ) -> Result<Outputs, TrainError> {
        let Some(encoder) = &self.encoder else { return Ok(self.model.forward(batch, pass)?) };
        let tokens = batch.tokens.as_ref().ok_or(DataError::NoTokens)?;
        let dropout = pass.dropout.filter(|_| trains_encoder);
        let read = Tokens::of_text_bert(tokens);
        let embedded = encoder.embed(&read, dropout);
        pass.trace.record("embeddings", &embedded);
        let embedded = self.model.adapt(embedded, batch, pass)?;
        let text = encoder.encode(&embedded, &read.mask, dropout, pass.trace);
        let pooled = encoder.pool(&text);
        let copied = |all: &BTreeMap<Modality, Tensor>| -> BTreeMap<Modality, Tensor> {
            all.iter().map(|(modality, tensor)| (*modality, tensor.shallow_clone())).collect()
        };
        let mut features = copied(&batch.features);
        features.insert(Modality::Text, text);
        let batch = Batch {
            features,
            tokens: Some(tokens.shallow_clone()),
            pooled,
            lengths: copied(&batch.lengths),
            target: batch.target.shallow_clone(),
            unimodal_labels: copied(&batch.unimodal_labels),
            samples: batch.samples.shallow_clone(),
        };
        Ok(self.model.forward(&batch, pass)?)
    }

    /// The loss of a phase.
    pub fn loss(&self, at: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        self.model.loss(at, outputs, batch)
    }

    /// The model itself.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// The model itself, to notify it of steps.
    pub fn model_mut(&mut self) -> &mut dyn Model {
        &mut *self.model
    }
}

impl ModelConfig {
    /// Its number of values, including its encoder; `None` for an impossible model.
    pub fn size(&self) -> Option<Size> {
        if self.problem().is_some() {
            return None;
        }
        Size::of(|init| {
            let _network = Network::build(init, self, Form::Reference);
        })
    }
}

impl ModelConfig {
    /// The shape of each parameter and buffer by name, including those of its encoder; `None` for an
    /// impossible model.
    pub fn shapes(&self) -> Option<BTreeMap<String, Vec<i64>>> {
        if self.problem().is_some() {
            return None;
        }
        Some(shapes_of(|init| {
            let _network = Network::build(init, self, Form::Reference);
        }))
    }
}

/// Configuration of a run's model for the inputs of its training split.
///
/// # Errors
/// A required modality is absent, or a model of these sizes is impossible.
pub fn config_for(
    settings: &TrainSettings,
    sequences: &BTreeMap<Modality, Sequence>,
    n_tokens: Option<i64>,
    bert: Option<BertConfig>,
) -> Result<ModelConfig, TrainError> {
    let mut inputs = sequences.clone();
    if let Some(bert) = &bert {
        let seq_len = n_tokens.ok_or(DataError::NoTokens)?;
        inputs.insert(Modality::Text, Sequence { seq_len, feat_dim: bert.hidden_size });
    }
    let spec: ModelSpec = settings.hyper_parameters.model.clone();
    let config = ModelConfig { spec, inputs: Inputs(inputs), bert };
    match config.problem() {
        Some(problem) => Err(NetworkError::NoModel { problem }.into()),
        None => Ok(config),
    }
}
