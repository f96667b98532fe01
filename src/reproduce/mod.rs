//! The paper's experiments: which models each compares, and what they come to beside the paper's own
//! figures. This module knows neither stores nor the command line; it says what to train, looks into
//! what was trained, and makes tables and pictures of the results.
//!
//! `attention`, `noise`, `representation` and `convergence` are Figures 4 to 7, with `distance` and
//! `tsne` as their tools; `table` is all that trains several models, `size` Table 8. `choice` says by name
//! which of them are meant.

mod attention;
mod choice;
mod convergence;
mod distance;
pub mod noise;
mod representation;
mod robustness;
mod size;
mod table;
mod tsne;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub use attention::{AttentionLine, AverageAttention};
pub use choice::ExperimentChoice;
pub use convergence::{Convergence, ConvergenceLine, ModelEpochs};
pub use distance::{distances, mmd_squared, silhouette};
pub use representation::{GapLine, MapPoint, Representations, draw_segments, representations_page};
pub use robustness::RobustnessPoint;
pub use size::ModelSize;
pub use table::{ExperimentTable, RowOutcome, TableRow};
pub use tsne::tsne;

use crate::corpus::{Dataset, Modality};
use crate::run::metrics;
use crate::run::preset::Preset;
use crate::train::encoder;

/// An experiment of `schemas/paper/experiments.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The name on the command line.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// What comes of its models.
    #[serde(default)]
    pub kind: ExperimentKind,
    /// The datasets that it is about; empty means all.
    #[serde(default)]
    pub datasets: Vec<Dataset>,
    /// Whether its table has all metrics, and not those of the paper's ablations alone.
    #[serde(default)]
    pub all_metrics: bool,
    /// What its models differ in, where that is a number: the axis of a picture.
    #[serde(default)]
    pub axis: Option<String>,
    /// The models; none where it trains nothing.
    #[serde(rename = "row", default)]
    pub rows: Vec<Row>,
}

/// What comes of the models of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExperimentKind {
    /// A table of their metrics.
    #[default]
    Metrics,
    /// Numbers of parameters, of the models of all experiments.
    Sizes,
    /// What language attends to, on average over the test split.
    Attention,
    /// How much of that is left when noise is added.
    Noise,
    /// What the model makes of segments on the way, and how far apart that is.
    Representations,
    /// The error over the epochs.
    Convergence,
    /// The error on inputs made worse.
    Robustness,
}

impl ExperimentKind {
    /// Whether it looks at the test split, beyond the metrics that a run has of it.
    pub fn needs_test(self) -> bool {
        match self {
            ExperimentKind::Attention
            | ExperimentKind::Noise
            | ExperimentKind::Representations
            | ExperimentKind::Robustness => true,
            ExperimentKind::Metrics | ExperimentKind::Sizes | ExperimentKind::Convergence => false,
        }
    }

    /// Whether it looks into the runs of one model.
    fn is_about_one_model(self) -> bool {
        match self {
            ExperimentKind::Metrics | ExperimentKind::Sizes | ExperimentKind::Convergence => false,
            ExperimentKind::Attention
            | ExperimentKind::Noise
            | ExperimentKind::Representations
            | ExperimentKind::Robustness => true,
        }
    }
}

/// One model of an experiment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// As the paper calls it.
    pub name: String,
    /// The model, by its name in the registry, where it is not ALMT.
    #[serde(default)]
    pub model: Option<String>,
    /// Why there is no such model here.
    #[serde(default)]
    pub missing: Option<String>,
    /// Changes to the published model, as [`Preset::set`] takes them.
    #[serde(default)]
    pub set: Vec<String>,
    /// Modalities that it does not see.
    #[serde(default)]
    pub without: Vec<Modality>,
    /// What the paper reports of it, per dataset and metric.
    #[serde(default)]
    pub paper: BTreeMap<Dataset, BTreeMap<String, f64>>,
}

/// The metrics that the paper's ablations report: the finest accuracy of the dataset, and the error.
pub fn headline(dataset: Dataset) -> [&'static str; 2] {
    [metrics::finest_accuracy(dataset.bin_scheme()).id, metrics::MAE.id]
}

impl Experiment {
    /// All experiments, in the paper's order.
    pub fn all() -> &'static [Experiment] {
        static ALL: LazyLock<Vec<Experiment>> = LazyLock::new(|| {
            #[derive(Deserialize)]
            struct File {
                experiment: Vec<Experiment>,
            }
            let text = include_str!("../../schemas/paper/experiments.toml");
            toml::from_str::<File>(text).expect("the embedded table is tested").experiment
        });
        &ALL
    }

    /// Its model, where it looks into the runs of one; `None` of a table.
    pub fn only_model(&self) -> Option<&Row> {
        self.rows.first().filter(|_| self.kind.is_about_one_model())
    }

    /// Whether it is about a dataset.
    pub fn is_about(&self, dataset: Dataset) -> bool {
        self.datasets.is_empty() || self.datasets.contains(&dataset)
    }
}

impl Row {
    /// The published recipe that the row changes, for runs on text features: that of ALMT is `preset`, which
    /// the others have the number of epochs of where that is `n_epochs`.
    ///
    /// # Errors
    /// There is no such model.
    pub fn base(
        &self,
        preset: &Preset,
        dataset: Dataset,
        n_epochs: Option<usize>,
    ) -> Result<Preset, String> {
        let Some(model) = &self.model else { return Ok(preset.clone()) };
        let unknown = || format!("unknown model `{model}`");
        let mut own = Preset::published(model, dataset).ok_or_else(unknown)?;
        own.training.epochs = n_epochs.unwrap_or(own.training.epochs);
        encoder::remove_groups(&mut own);
        Ok(own)
    }

    /// A recipe with the row's changes.
    ///
    /// # Errors
    /// There is no such change.
    pub fn hyper_parameters(&self, base: &Preset) -> Result<Preset, String> {
        let mut changed = base.clone();
        self.set.iter().try_for_each(|assignment| changed.set(assignment))?;
        Ok(changed)
    }

    /// A name for its folder. Rows of the same model have the same, whatever their experiment, so
    /// that it is trained once.
    pub fn folder(&self, preset: &Preset) -> Result<String, String> {
        if let Some(model) = &self.model {
            return Ok(model.clone());
        }
        let mut parts: Vec<String> =
            self.without.iter().map(|modality| format!("without-{modality}")).collect();
        // What changes nothing is the published model under another name.
        for assignment in &self.set {
            let mut changed = preset.clone();
            changed.set(assignment)?;
            if changed != *preset {
                parts.push(assignment.replace(['=', '+'], "-"));
            }
        }
        Ok(if parts.is_empty() { "almt".into() } else { parts.join("-") })
    }
}

/// A mean over seeds with its deviation, if there is one.
fn shown(mean: f64, std: f64) -> String {
    match std.is_nan() {
        true => format!("{mean:.4}"),
        false => format!("{mean:.4} ± {std:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_experiment_can_be_built_and_has_the_papers_metrics() {
        assert_eq!(Experiment::all().len(), 16);
        for experiment in Experiment::all() {
            assert_eq!(experiment.rows.is_empty(), experiment.kind == ExperimentKind::Sizes);
            assert!(experiment.only_model().is_none() || experiment.rows.len() == 1);
            for row in &experiment.rows {
                for dataset in [Dataset::Mosi, Dataset::Mosei, Dataset::Sims] {
                    let base = row.base(&Preset::of(dataset), dataset, None).unwrap();
                    row.hyper_parameters(&base).unwrap();
                }
                // What is trained is ALMT, or changed in no way.
                assert!(row.model.is_none() || (row.set.is_empty() && row.without.is_empty()));
                for (dataset, figures) in &row.paper {
                    let known = metrics::names(dataset.bin_scheme());
                    assert!(figures.keys().all(|name| known.contains(&&**name)), "{}", row.name);
                    let has_all = headline(*dataset).iter().all(|name| figures.contains_key(*name));
                    assert!(has_all || experiment.all_metrics, "{}", row.name);
                }
            }
        }
    }

    #[test]
    fn one_model_has_one_folder() {
        let folder = |experiment: &str, row: &str| {
            let experiment = Experiment::all().iter().find(|e| e.name == experiment).unwrap();
            let row = experiment.rows.iter().find(|r| r.name == row).unwrap();
            row.folder(&Preset::of(Dataset::Sims)).unwrap()
        };
        assert_eq!(folder("table3", "ALMT"), "almt");
        assert_eq!(folder("fig9", "3"), "almt");
        assert_eq!(folder("fig10", "4"), "almt");
        assert_eq!(folder("table4", "w/o AHL"), folder("table6", "none"));
        assert_eq!(
            folder("table3", "w/o Audio & AHL"),
            "without-audio-hyper_modality-concatenated"
        );
        assert_eq!(folder("table6", "1, 3"), "guides-1-3");
    }
}
