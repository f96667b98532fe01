//! Parameter counts of models, by module (Table 8).

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
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
    /// What the paper reports of it, if it does.
    pub paper: Option<PaperSize>,
}

/// What the paper's table of sizes reports of a model on CMU-MOSI.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperSize {
    /// Its number of parameters, rounded to 10,000.
    pub parameters: u64,
    /// Its accuracy over seven classes.
    #[serde(rename = "Mult_acc_7")]
    pub acc_7: f64,
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
    /// The paper's parameter count of the whole model.
    pub paper_parameters: Option<u64>,
    /// The paper's accuracy over seven classes on CMU-MOSI.
    #[serde(rename = "paper_Mult_acc_7")]
    pub paper_acc_7: Option<f64>,
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
        ModelSize { name: name.into(), modules, paper: None }
    }

    /// Another model with a known total.
    pub fn whole(name: &str, n_parameters: i64) -> ModelSize {
        let modules = [(ALL, usize::try_from(n_parameters).unwrap_or(0))];
        ModelSize { name: name.into(), modules: modules.into(), paper: None }
    }

    /// Parameter count of the whole model.
    pub fn total(&self) -> usize {
        self.modules.values().sum()
    }

    /// A table of models beside the paper's figures, with one column per module.
    pub fn markdown(models: &[ModelSize]) -> String {
        let mut text = String::from("| model | all | paper | paper, Mult_acc_7 |");
        MODULES.iter().for_each(|(_, meaning)| text.push_str(&format!(" {meaning} |")));
        text.push_str(&format!("\n{}|\n", "|---".repeat(MODULES.len() + 4)));
        for model in models {
            let _ = write!(text, "| {} | {} |", model.name, model.total());
            let _ = match model.paper {
                Some(PaperSize { parameters, acc_7 }) => {
                    write!(text, " {parameters} | {acc_7:.4} |")
                }
                None => write!(text, "  |  |"),
            };
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
                paper_parameters: model.paper.map(|paper| paper.parameters),
                paper_acc_7: model.paper.map(|paper| paper.acc_7),
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
    use crate::reproduce::Experiment;
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
        let experiments = Experiment::all().iter();
        let sizes: Vec<_> = experiments.flat_map(|it| &it.paper_sizes).collect();
        assert_eq!(sizes.len(), 4);
        let paper = sizes.iter().find(|(name, _)| *name == "ALMT").map(|(_, paper)| **paper);
        let size = ModelSize { paper, ..ModelSize::of("ALMT", &config) };
        assert_eq!(size.total(), 2_504_449);
        assert_eq!(size.modules.len(), MODULES.len());
        let line = ModelSize::markdown(&[size]).lines().nth(2).unwrap().to_owned();
        assert!(line.starts_with("| ALMT | 2504449 | 2500000 | 0.4942 | "), "{line}");
    }
}
