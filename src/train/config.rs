//! The part of a run's configuration that defines its model.

use serde::{Deserialize, Serialize};

use crate::corpus::Modality;
use crate::model::configuration::DEEPEST;
use crate::model::form::Placement;
use crate::model::registry::{Inputs, ModelSpec};
use crate::model::{AlmtConfig, BertConfig, Form, almt};

/// A model, its inputs, and the text encoder in front of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ModelConfigFile")]
pub struct ModelConfig {
    /// The model.
    pub spec: ModelSpec,
    /// Its input features; for text, the encoder's output if there is an encoder.
    pub inputs: Inputs,
    /// The text encoder, if part of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bert: Option<BertConfig>,
}

/// A configuration as stored in files. Older versions stored only ALMT's.
#[derive(Deserialize)]
struct ModelConfigFile {
    spec: Option<ModelSpec>,
    inputs: Option<Inputs>,
    model: Option<AlmtConfig>,
    bert: Option<BertConfig>,
}

impl TryFrom<ModelConfigFile> for ModelConfig {
    type Error = &'static str;

    fn try_from(file: ModelConfigFile) -> Result<ModelConfig, &'static str> {
        let ModelConfigFile { spec, inputs, model, bert } = file;
        match (spec, inputs, model) {
            (Some(spec), Some(inputs), None) => Ok(ModelConfig { spec, inputs, bert }),
            (None, None, Some(AlmtConfig { sizes, text, audio, vision, variant })) => {
                let all = [
                    (Modality::Text, Some(text)),
                    (Modality::Audio, audio),
                    (Modality::Vision, vision),
                ];
                let inputs = all.into_iter().filter_map(|(modality, it)| Some((modality, it?)));
                let spec = ModelSpec::Almt(almt::AlmtSpec { sizes, variant });
                Ok(ModelConfig { spec, inputs: Inputs(inputs.collect()), bert })
            }
            _ => Err("it describes no model, or two"),
        }
    }
}

impl ModelConfig {
    /// Why the configuration is impossible, in a sentence.
    pub fn problem(&self) -> Option<String> {
        if let Some(bert) = &self.bert {
            let text = self.inputs.sequence(Modality::Text);
            let fits = text.is_some_and(|text| {
                text.feat_dim == bert.hidden_size && text.seq_len <= bert.max_position_embeddings
            });
            if !fits {
                return Some("the text encoder gives other features than the model takes".into());
            }
            if bert.num_hidden_layers > DEEPEST {
                return Some(format!("{} layers of a text encoder", bert.num_hidden_layers));
            }
            if let Some(problem) = bert.problem() {
                return Some(problem);
            }
        }
        self.spec.problem(&self.inputs)
    }

    /// The model's form at a placement: the requested one, or else the fastest.
    ///
    /// # Errors
    /// The available forms, if the requested one is not among them.
    pub fn form(&self, asked: Option<Form>, place: Placement) -> Result<Form, Vec<Form>> {
        let forms = self.spec.forms(&self.inputs);
        let found = match asked {
            Some(form) => form.checked(forms, place),
            None => Form::fastest(forms, place),
        };
        let all = || forms.iter().filter_map(|form| form.checked(forms, place)).collect();
        found.ok_or_else(all)
    }

    /// ALMT's configuration; `None` for another model.
    pub fn almt(&self) -> Option<AlmtConfig> {
        match &self.spec {
            ModelSpec::Almt(config) => config.with_inputs(&self.inputs.0),
            _ => None,
        }
    }
}
