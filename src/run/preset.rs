//! Hyper-parameters per model and dataset, from `schemas/presets/MODEL/DATASET.toml`: the model and its
//! training.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::recipe::{self, ClipOver, Group, Moments, Phase, UpdateRule};
use super::record::LOSS;
use super::schedule::Schedule;
use crate::corpus::Dataset;
use crate::model::registry::ModelSpec;

/// What an epoch does with batches that are left over when gradients of several are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Remainder {
    /// A step is taken along their gradients.
    #[default]
    Step,
    /// Their gradients are dropped, as trainers do that begin each epoch with none.
    Drop,
}

impl Remainder {
    fn is_default(&self) -> bool {
        *self == Remainder::default()
    }
}

/// How long a model is trained, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training split, at most.
    pub epochs: usize,
    /// Samples per batch; the last one of an epoch may have fewer.
    pub batch_size: usize,
    /// Batches whose gradients are added up for a step.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub accumulate: usize,
    /// Whether each epoch passes over the samples in an order of its own, drawn from the seed, and not in
    /// that of the split.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub shuffle: bool,
    /// What becomes of batches that are left over at the end of an epoch.
    #[serde(default, skip_serializing_if = "Remainder::is_default")]
    pub remainder: Remainder,
    /// The metric of the validation split that chooses the epoch, or `loss`.
    #[serde(default = "mae", skip_serializing_if = "is_mae")]
    pub select: String,
    /// Decimals that the loss on the validation split is rounded to before anything goes by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_decimals: Option<u32>,
    /// Epochs without a better one after which a run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Parameters that keep their initial values, by what their names begin with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untrained: Vec<String>,
    /// Whether parameters without a gradient have one of zero from the second epoch on, so that weight decay
    /// moves them, as in PyTorch before 2.0.
    #[serde(default, skip_serializing_if = "is_no")]
    pub zero_gradients: bool,
}

impl Training {
    /// Number of steps in an epoch over `n_samples` samples.
    pub fn steps_per_epoch(&self, n_samples: usize) -> usize {
        let n_batches = n_samples.div_ceil(self.batch_size.max(1));
        let accumulate = self.accumulate.max(1);
        match self.remainder {
            Remainder::Step => n_batches.div_ceil(accumulate),
            Remainder::Drop => n_batches / accumulate,
        }
    }

    /// The validation loss, rounded for all decisions based on it.
    pub fn rounded(&self, loss: f64) -> f64 {
        match self.loss_decimals.and_then(|decimals| i32::try_from(decimals).ok()) {
            Some(decimals) => {
                (loss * 10.0_f64.powi(decimals)).round_ties_even() / 10.0_f64.powi(decimals)
            }
            None => loss,
        }
    }
}

fn yes() -> bool {
    true
}

fn is_yes(it: &bool) -> bool {
    *it
}

fn is_no(it: &bool) -> bool {
    !*it
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

fn mae() -> String {
    "MAE".into()
}

fn is_mae(name: &str) -> bool {
    name == "MAE"
}

/// All hyper-parameters of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Preset {
    /// The model: its `kind`, and the sizes that its presets have.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub model: ModelSpec,
    /// How long it is trained, and on what.
    pub training: Training,
    /// What an epoch consists of, in order.
    #[serde(rename = "phase")]
    pub phases: Vec<Phase>,
}

/// A preset as stored in files. Those of older versions are always for ALMT, with its rate under
/// `[training]` and its variant next to the model.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PresetFile {
    model: toml::Table,
    training: toml::Table,
    variant: Option<toml::Value>,
    phase: Option<Vec<Phase>>,
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Preset, D::Error> {
        PresetFile::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl TryFrom<PresetFile> for Preset {
    type Error = toml::de::Error;

    fn try_from(file: PresetFile) -> Result<Preset, toml::de::Error> {
        let PresetFile { mut model, mut training, variant, phase } = file;
        if !model.contains_key("kind") {
            model.insert("kind".into(), "almt".into());
        }
        model.extend(variant.map(|variant| ("variant".to_owned(), variant)));
        let phases = match phase {
            Some(phases) => phases,
            None => vec![phase_of_older_version(&mut training)?],
        };
        let training: Training = training.try_into()?;
        let Training { epochs, batch_size, accumulate, patience, .. } = &training;
        let counts = [
            ("epochs", Some(epochs)),
            ("batch_size", Some(batch_size)),
            ("accumulate", Some(accumulate)),
            ("patience", patience.as_ref()),
        ];
        let zero = counts.iter().find(|(_, count)| count.is_some_and(|count| *count == 0));
        let problem = zero
            .map(|(name, _)| format!("{name}: expected a whole number above 0, found 0"))
            .or_else(|| recipe::problem(&phases));
        match problem {
            Some(problem) => Err(toml::de::Error::custom(problem)),
            None => Ok(Preset { model: model.try_into()?, training, phases }),
        }
    }
}

/// ALMT's only phase, from an older version's table.
fn phase_of_older_version(training: &mut toml::Table) -> Result<Phase, toml::de::Error> {
    #[derive(Deserialize)]
    struct Rates {
        lr: f64,
        weight_decay: f64,
        schedule: Option<String>,
    }
    let names = ["lr", "weight_decay", "schedule"];
    let rates: toml::Table = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), training.remove(*name)?)))
        .collect();
    let Rates { lr, weight_decay, schedule } = rates.try_into()?;
    let schedule = match schedule.as_deref() {
        None => Schedule::WarmupCosine {},
        Some(name) => name.parse().map_err(toml::de::Error::custom)?,
    };
    Ok(Phase {
        name: "main".into(),
        optimizer: UpdateRule::AdamW(Moments::default()),
        clip_norm: None,
        clip_over: ClipOver::Phase,
        clip_value: None,
        share: 1.0,
        schedule,
        groups: vec![Group {
            name: "rest".into(),
            prefixes: vec![],
            suffixes: vec![],
            except: vec![],
            optional: false,
            lr,
            weight_decay,
        }],
    })
}

impl Preset {
    /// A model's published hyper-parameters for a dataset; `None` for an unknown model, and for a dataset
    /// of one's own.
    pub fn published(model: &str, dataset: Dataset) -> Option<Preset> {
        let text = ModelSpec::preset(model, dataset)?;
        Some(toml::from_str(text).expect("the embedded presets are tested"))
    }

    /// The published dataset whose presets a dataset has by default: CMU-MOSI for one's own.
    pub fn usual(dataset: Dataset) -> Dataset {
        match dataset {
            Dataset::Own => Dataset::Mosi,
            published => published,
        }
    }

    /// ALMT's published hyper-parameters; those for CMU-MOSI for a dataset of one's own.
    pub fn of(dataset: Dataset) -> Preset {
        Preset::published(ModelSpec::NAMES[0], Preset::usual(dataset))
            .expect("the default model has a preset")
    }

    /// Whether every phase takes a step in an epoch over `n_samples` samples.
    pub fn has_steps(&self, n_samples: usize) -> bool {
        let batch_size = self.training.batch_size;
        let n_own = |phase: &Phase| phase.n_samples(n_samples, batch_size);
        self.phases.iter().all(|phase| self.training.steps_per_epoch(n_own(phase)) > 0)
    }

    /// Whether the validation loss affects anything, if `select` chooses the epoch.
    pub fn watches_loss(&self, select: &str) -> bool {
        select == LOSS || self.phases.iter().any(|phase| phase.schedule.watches_loss())
    }

    /// Base rate of the group with all remaining parameters, in the last phase.
    pub fn lr(&self) -> f64 {
        self.base_lrs().last().copied().unwrap_or(f64::NAN)
    }

    /// Base rate of that group in each phase.
    pub fn base_lrs(&self) -> Vec<f64> {
        let group = |phase: &Phase| phase.groups.get(phase.base()).map(|group| group.lr);
        self.phases.iter().filter_map(group).collect()
    }

    /// Sets that rate in every phase.
    pub fn set_lr(&mut self, lr: f64) {
        for phase in &mut self.phases {
            let base = phase.base();
            if let Some(group) = phase.groups.get_mut(base) {
                group.lr = lr;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_preset_for_every_dataset() {
        for model in ModelSpec::NAMES {
            for dataset in Dataset::ALL {
                let preset = Preset::published(model, dataset).unwrap();
                assert_eq!(preset.model.name(), *model);
                let text = toml::to_string(&preset).unwrap();
                assert_eq!(toml::from_str::<Preset>(&text).unwrap(), preset, "{model}, {dataset}");
            }
        }
    }

    #[cfg(feature = "train")]
    #[test]
    fn presets_hold_table_9() {
        for (dataset, fusion_depth) in [(Dataset::Mosi, 2), (Dataset::Mosei, 4), (Dataset::Sims, 4)]
        {
            let preset = Preset::of(dataset);
            let (lr, Preset { model, training, .. }) = (preset.lr(), preset);
            let ModelSpec::Almt(model) = model else { panic!("{model:?}") };
            let model = model.sizes;
            assert_eq!((model.token_len, model.token_dim, model.embedding_depth), (8, 128, 1));
            assert_eq!((model.ahl_depth, model.fusion_depth), (3, fusion_depth));
            assert_eq!((training.batch_size, training.epochs, lr), (64, 200, 1e-4));
        }
    }

    #[test]
    fn presets_of_older_versions_are_read() {
        let mut text = toml::to_string(&Preset::of(Dataset::Mosi)).unwrap();
        text = text.replace("kind = \"almt\"\n", "");
        let (head, _) = text.split_once("[[phase]]").unwrap();
        let old = format!("{head}lr = 0.0001\nweight_decay = 0.0001\n");
        assert_eq!(toml::from_str::<Preset>(&old).unwrap(), Preset::of(Dataset::Mosi));
        let constant =
            toml::from_str::<Preset>(&format!("{old}schedule = \"constant\"\n")).unwrap();
        assert_eq!(constant.phases[0].schedule, Schedule::Constant {});
        assert!(toml::from_str::<Preset>(&format!("{old}momentum = 1\n")).is_err());
    }
}
