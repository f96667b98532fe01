//! Parameter counts of models, by module (Table 8).

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use tch::{Device, nn};

use crate::model::{Almt, AlmtConfig, Form, Init};

/// The model's modules in data order, by their names in the released code, with descriptions.
const MODULES: [(&str, &str); 8] = [
    ("proj_l", "language embedding"),
    ("proj_a", "audio embedding"),
    ("proj_v", "visual embedding"),
    ("l_encoder", "language encoder"),
    ("h_hyper", "hyper-modality start"),
    ("h_hyper_layer", "AHL"),
    ("fusion_layer", "fusion"),
    ("regression_layer", "regression"),
];

/// Parameter counts of one model.
#[derive(Debug, Clone)]
pub struct ModelSize {
    /// The model.
    pub name: String,
    /// Parameter counts by module for ALMT; the total for other models.
    pub modules: BTreeMap<&'static str, usize>,
}

/// Stands for all modules of another model.
const ALL: &str = "all";

/// Parameter count of one module of one model.
#[derive(Debug, Clone, Serialize)]
pub struct SizeLine {
    /// The model.
    pub model: String,
    /// The module's name in the released code.
    pub module: &'static str,
    /// Its parameter count.
    pub n_parameters: usize,
}

impl ModelSize {
    /// Counts the parameters of a model, which is built for this.
    pub fn of(name: &str, config: &AlmtConfig) -> ModelSize {
        let vars = nn::VarStore::new(Device::Cpu);
        Almt::new(&Init::new(vars.root(), 0), config, Form::Reference);
        let mut modules = BTreeMap::new();
        for (path, variable) in vars.variables() {
            let first = path.split('.').next().unwrap_or_default();
            if let Some((module, _)) = MODULES.iter().find(|(module, _)| *module == first) {
                *modules.entry(*module).or_insert(0) += variable.numel();
            }
        }
        ModelSize { name: name.into(), modules }
    }

    /// Another model with a known total.
    pub fn whole(name: &str, n_parameters: i64) -> ModelSize {
        let modules = [(ALL, usize::try_from(n_parameters).unwrap_or(0))];
        ModelSize { name: name.into(), modules: modules.into() }
    }

    /// Parameter count of the whole model.
    pub fn total(&self) -> usize {
        self.modules.values().sum()
    }

    /// A table of models, with one column per module.
    pub fn markdown(models: &[ModelSize]) -> String {
        let mut text = String::from("| model | all |");
        MODULES.iter().for_each(|(_, meaning)| text.push_str(&format!(" {meaning} |")));
        text.push_str(&format!("\n{}|\n", "|---".repeat(MODULES.len() + 2)));
        for model in models {
            let _ = write!(text, "| {} | {} |", model.name, model.total());
            for (module, _) in MODULES {
                let count = model.modules.get(module);
                let _ = write!(text, " {} |", count.map_or(String::new(), usize::to_string));
            }
            text.push('\n');
        }
        text
    }

    /// One line per model and module.
    pub fn lines(models: &[ModelSize]) -> Vec<SizeLine> {
        let lines = models.iter().flat_map(|model| {
            model.modules.iter().map(|(module, n_parameters)| SizeLine {
                model: model.name.clone(),
                module,
                n_parameters: *n_parameters,
            })
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Dataset, Modality};
    use crate::model::Sequence;
    use crate::model::registry::ModelSpec;
    use crate::run::preset::Preset;

    /// The paper's 2.50 M, on CMU-MOSI with 50 steps of every modality.
    #[test]
    fn the_published_model_has_the_papers_number_of_parameters() {
        let sequence = |feat_dim| Sequence { seq_len: 50, feat_dim };
        let inputs = [
            (Modality::Text, sequence(768)),
            (Modality::Audio, sequence(5)),
            (Modality::Vision, sequence(20)),
        ];
        let ModelSpec::Almt(config) = Preset::of(Dataset::Mosi).model else { panic!() };
        let config = config.with_inputs(&inputs.into()).unwrap();
        let size = ModelSize::of("ALMT", &config);
        assert_eq!(size.total(), 2_504_449);
        assert_eq!(size.modules.len(), MODULES.len());
        let line = ModelSize::markdown(&[size]).lines().nth(2).unwrap().to_owned();
        assert!(line.starts_with("| ALMT | 2504449 | "), "{line}");
    }
}
