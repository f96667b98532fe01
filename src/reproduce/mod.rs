//! The paper's experiments: the models that each compares, and their results next to the paper's
//! figures. This module knows neither stores nor the command line; it defines what to train, analyses
//! the trained models, and writes tables and pictures of the results.
//!
//! `attention`, `noise`, `representation` and `convergence` are Figures 4 to 7, with `distance` and
//! `tsne` as their tools; `table` covers all experiments that train several models, `size` Table 8.
//! `choice` selects experiments by name.

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

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub use attention::{AttentionLine, AverageAttention};
pub use choice::ExperimentChoice;
pub use convergence::{Convergence, ConvergenceLine, ModelEpochs};
pub use distance::{distances, mmd_squared, silhouette};
pub use representation::{GapLine, MapPoint, Representations, draw_segments, representations_page};
pub use robustness::RobustnessPoint;
pub use size::{ModelSize, PaperSize};
pub use table::{ExperimentTable, RowOutcome, TableRow};
pub use tsne::tsne;

use crate::corpus::label::LabelScale;
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
    /// Its title.
    pub title: String,
    /// Kind of result.
    #[serde(default)]
    pub kind: ExperimentKind,
    /// Its datasets; empty means all.
    #[serde(default)]
    pub datasets: Vec<Dataset>,
    /// Whether its table has all metrics, instead of only those of the paper's ablations.
    #[serde(default)]
    pub all_metrics: bool,
    /// The numeric setting that its models differ in, if any: the axis of a picture.
    #[serde(default)]
    pub axis: Option<String>,
    /// The paper's table of sizes, by its names of the models.
    #[serde(default)]
    pub paper_sizes: BTreeMap<String, PaperSize>,
    /// The models; empty if it trains none.
    #[serde(rename = "row", default)]
    pub rows: Vec<Row>,
}

/// Kind of an experiment's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExperimentKind {
    /// A table of metrics.
    #[default]
    Metrics,
    /// Parameter counts of all experiments' models.
    Sizes,
    /// Mean attention of language over the test split.
    Attention,
    /// Attention that remains when noise is added.
    Noise,
    /// Representations of segments within the model, and their distances.
    Representations,
    /// The error over the epochs.
    Convergence,
    /// The error on corrupted inputs.
    Robustness,
}

impl ExperimentKind {
    /// Whether it needs the test split, beyond a run's metrics.
    pub fn needs_test(self) -> bool {
        match self {
            ExperimentKind::Attention
            | ExperimentKind::Noise
            | ExperimentKind::Representations
            | ExperimentKind::Robustness => true,
            ExperimentKind::Metrics | ExperimentKind::Sizes | ExperimentKind::Convergence => false,
        }
    }

    /// Whether it analyses the runs of one model.
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
    /// The paper's name for it.
    pub name: String,
    /// The model's name in the registry, if it is not ALMT.
    #[serde(default)]
    pub model: Option<String>,
    /// Why the model is unavailable here.
    #[serde(default)]
    pub missing: Option<String>,
    /// Changes to the published model, for [`Preset::set`].
    #[serde(default)]
    pub set: Vec<String>,
    /// Modalities that are left out.
    #[serde(default)]
    pub without: Vec<Modality>,
    /// The paper's results, per dataset and metric.
    #[serde(default)]
    pub paper: BTreeMap<Dataset, BTreeMap<String, f64>>,
}

/// The metrics of the paper's ablations: the dataset's finest accuracy, and the error.
pub fn headline(dataset: Dataset) -> Vec<Cow<'static, str>> {
    let finest = LabelScale::published(dataset).and_then(metrics::finest_accuracy);
    finest.into_iter().chain([metrics::MAE]).map(|metric| metric.id).collect()
}

/// All metrics of a published dataset.
fn all_metrics(dataset: Dataset) -> Vec<Cow<'static, str>> {
    LabelScale::published(dataset).map_or_else(Vec::new, metrics::names)
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

    /// The models of all experiments that are unavailable here, with the reasons, as the end of a page.
    pub fn unavailable() -> String {
        let rows = Experiment::all().iter().flat_map(|experiment| &experiment.rows);
        let models: BTreeMap<&str, &str> =
            rows.filter_map(|row| Some((&*row.name, row.missing.as_deref()?))).collect();
        left_out(models.into_iter())
    }

    /// Its model, if it analyses one model's runs; `None` for a table.
    pub fn only_model(&self) -> Option<&Row> {
        self.rows.first().filter(|_| self.kind.is_about_one_model())
    }

    /// Whether it includes a dataset.
    pub fn is_about(&self, dataset: Dataset) -> bool {
        self.datasets.is_empty() || self.datasets.contains(&dataset)
    }
}

impl Row {
    /// The published recipe that the row changes: `preset` for ALMT; other models use their own, with
    /// `n_epochs` if given. Runs are on text features, except those of models that work inside a text
    /// encoder, which train one if `has_encoder`.
    ///
    /// # Errors
    /// The model does not exist.
    pub fn base(
        &self,
        preset: &Preset,
        dataset: Dataset,
        n_epochs: Option<usize>,
        has_encoder: bool,
    ) -> Result<Preset, String> {
        let Some(model) = &self.model else { return Ok(preset.clone()) };
        let unknown = || format!("unknown model `{model}`");
        let mut own = Preset::published(model, dataset).ok_or_else(unknown)?;
        own.training.epochs = n_epochs.unwrap_or(own.training.epochs);
        match has_encoder && own.model.needs().pooler {
            true => encoder::add_groups(&mut own),
            false => encoder::remove_groups(&mut own),
        }
        Ok(own)
    }

    /// A recipe with the row's changes applied.
    ///
    /// # Errors
    /// A change is invalid.
    pub fn hyper_parameters(&self, base: &Preset) -> Result<Preset, String> {
        let mut changed = base.clone();
        self.set.iter().try_for_each(|assignment| changed.set(assignment))?;
        Ok(changed)
    }

    /// Folder name for the row's runs. Rows with the same model share it, across experiments, so that
    /// it is trained only once.
    pub fn folder(&self, preset: &Preset) -> Result<String, String> {
        if let Some(model) = &self.model {
            return Ok(model.clone());
        }
        let mut parts: Vec<String> =
            self.without.iter().map(|modality| format!("without-{modality}")).collect();
        // Changes without effect give the published model under another name.
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

/// A list of the models that are left out, with the reasons, as the end of a page; empty without any.
fn left_out<'a>(models: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let lines: String = models.map(|(name, reason)| format!("- {name}: {reason}\n")).collect();
    match lines.is_empty() {
        true => lines,
        false => format!("\nLeft out:\n\n{lines}"),
    }
}

/// A mean over seeds with its deviation, if available.
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
                    let base = row.base(&Preset::of(dataset), dataset, None, false).unwrap();
                    row.hyper_parameters(&base).unwrap();
                }
                // Trained rows use ALMT, or an unchanged model.
                assert!(row.model.is_none() || (row.set.is_empty() && row.without.is_empty()));
                for (dataset, figures) in &row.paper {
                    let known = all_metrics(*dataset);
                    assert!(
                        figures.keys().all(|name| known.iter().any(|known| known == name)),
                        "{}",
                        row.name
                    );
                    let has_all =
                        headline(*dataset).iter().all(|name| figures.contains_key(&**name));
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
