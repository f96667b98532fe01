//! ALMT as a model of the registry.

use super::{Almt, AlmtConfig, AlmtSpec, Input};
use crate::corpus::Modality;
use crate::model::configuration::Configuration;
use crate::model::contract::{
    At, Batch, Can, Losses, Model, ModelError, Needs, Outputs, Pass, Task,
};
use crate::model::form::Form;
use crate::model::registry::Inputs;
use crate::model::{ENCODER, Init};

impl Configuration for AlmtSpec {
    const SOURCE: &str =
        "Zhang et al., EMNLP 2023; code https://github.com/Haoyu-ha/ALMT da94610 (MIT)";
    const NEEDS: Needs = Needs::TEXT;
    const TASK: Task = Task::Mse;
    const PREFIX: &str = "";
    const ENCODER_NAME: Option<&str> = Some(ENCODER);
    const NESTED: &[(&str, &str)] = &[
        ("embedding", "variant.embedding"),
        ("hyper_modality", "variant.hyper_modality"),
        ("guides", "variant.guides"),
        ("fusion", "variant.fusion"),
        ("fusion_query", "variant.fusion_query"),
    ];

    fn sizes(&self) -> Vec<i64> {
        let sizes = &self.sizes;
        vec![
            sizes.token_len,
            sizes.token_dim,
            sizes.embedding_heads,
            sizes.embedding_mlp_dim,
            sizes.language_heads,
            sizes.language_mlp_dim,
            sizes.ahl_heads,
            sizes.ahl_dim_head,
            sizes.fusion_heads,
            sizes.fusion_mlp_dim,
            sizes.dim_head,
            // Combined width of all heads, and of the tensor that a variant uses for fusion.
            sizes.embedding_heads.saturating_mul(sizes.dim_head),
            sizes.language_heads.saturating_mul(sizes.dim_head),
            sizes.fusion_heads.saturating_mul(sizes.dim_head),
            sizes.ahl_heads.saturating_mul(sizes.ahl_dim_head),
            sizes.token_dim.saturating_add(1).saturating_pow(2),
        ]
    }

    fn depths(&self) -> Vec<i64> {
        vec![self.sizes.embedding_depth, self.sizes.ahl_depth, self.sizes.fusion_depth]
    }

    fn problem(&self, inputs: &Inputs) -> Option<String> {
        let config = self.with_inputs(&inputs.0)?;
        config.variant.conflict(&config)
    }

    fn forms(&self, inputs: &Inputs) -> &'static [Form] {
        self.with_inputs(&inputs.0).map_or(&[], |config| config.forms())
    }

    fn build(&self, init: &Init<'_>, inputs: &Inputs, form: Form) -> Box<dyn Model> {
        let config = self.with_inputs(&inputs.0).expect("its problem would be the missing text");
        Box::new(Almt::new(init, &config, form))
    }
}

impl Almt {
    /// The model of a configuration with existing parameters, by name.
    pub fn given(
        parameters: &std::collections::BTreeMap<String, tch::Tensor>,
        config: &AlmtConfig,
        form: Form,
    ) -> Almt {
        Almt::new(&Init::given(parameters), config, form)
    }
}

impl Model for Almt {
    fn forward(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Outputs, ModelError> {
        let some = |modality| batch.features.get(&modality).map(tch::Tensor::shallow_clone);
        let input = Input {
            text: batch.features(Modality::Text)?.shallow_clone(),
            audio: some(Modality::Audio),
            vision: some(Modality::Vision),
        };
        Ok(Outputs::of(Almt::forward(self, &input, pass.trace)))
    }

    fn loss(&self, _: At<'_>, outputs: &Outputs, batch: &Batch) -> Losses {
        Losses::mse(outputs, batch)
    }

    fn can(&self) -> Can {
        Can { be_recorded: true, be_stacked: self.form == Form::Batched }
    }
}
