//! A table of results next to the paper's: Markdown for people, typed columns for programs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::{all_metrics, headline, left_out, shown};
use crate::corpus::Dataset;
use crate::export::{self, Values};
use crate::report::chart::{Axis, Chart};
use crate::report::figure::{Figure, Mark};
use crate::run::seeds::{self, Spread};

/// The results of one experiment.
#[derive(Debug, Clone)]
pub struct ExperimentTable {
    /// Name of the experiment.
    pub experiment: String,
    /// Its title.
    pub title: String,
    /// Whether its page has all metrics, instead of only those of the paper's ablations.
    pub all_metrics: bool,
    /// The setting that its rows differ in, if they form a picture.
    pub axis: Option<String>,
    /// Origin of the figures, in a sentence or two.
    pub about: String,
    /// The models.
    pub rows: Vec<TableRow>,
}

/// One model of an experiment.
#[derive(Debug, Clone)]
pub struct TableRow {
    /// The paper's name for it.
    pub name: String,
    /// Its result.
    pub outcome: RowOutcome,
    /// The paper's results for a model without results here.
    pub paper: BTreeMap<String, f64>,
}

/// Result of a model.
#[derive(Debug, Clone)]
pub enum RowOutcome {
    /// Metrics over its runs; empty without a test split.
    Measured(Vec<Spread>),
    /// The model is impossible for these data, for this reason.
    LeftOut(String),
}

impl RowOutcome {
    /// Its metrics; empty without results.
    pub fn metrics(&self) -> &[Spread] {
        match self {
            RowOutcome::Measured(metrics) => metrics,
            RowOutcome::LeftOut(_) => &[],
        }
    }
}

impl ExperimentTable {
    /// The table for programs, with one row per model and metric: the experiment, the model, and the
    /// fields of [`Spread`].
    pub fn for_programs(&self) -> export::Table {
        let (mut rows, mut all) = (Vec::new(), Vec::new());
        for TableRow { name, outcome, .. } in &self.rows {
            all.extend_from_slice(outcome.metrics());
            rows.resize(all.len(), Some(name.clone()));
        }
        let experiments = vec![Some(self.experiment.clone()); rows.len()];
        let mut table = export::Table::default()
            .with("experiment", Values::Text(experiments))
            .with("row", Values::Text(rows));
        for (name, values) in seeds::table(&all).columns() {
            table.push(name, values.clone());
        }
        table
    }

    /// The table as Markdown: the metrics of the paper's ablations for several models, or all metrics
    /// of a single one, each with its mean and deviation next to the paper's figure.
    pub fn markdown(&self, dataset: Dataset) -> String {
        let mut text = format!("# {}\n\n{}\n\n", self.title, self.about);
        if self.has_picture() {
            let _ = writeln!(text, "![{}]({}.svg)\n", self.title, self.experiment);
        }
        match &*self.rows {
            [TableRow { outcome: RowOutcome::Measured(metrics), .. }] => {
                text.push_str(
                    "| metric | mean ± std | min | max | paper |\n|---|---|---|---|---|\n",
                );
                for metric in metrics {
                    let Spread { metric: name, min, max, .. } = metric;
                    let (ours, paper) = (mean_and_std(metric), figure(metric.paper));
                    let _ = writeln!(text, "| {name} | {ours} | {min:.4} | {max:.4} | {paper} |");
                }
            }
            rows => {
                let metrics: Vec<Cow<'static, str>> = match self.all_metrics {
                    true => all_metrics(dataset),
                    false => headline(dataset),
                };
                let heads: Vec<String> =
                    metrics.iter().map(|name| format!(" {name} | paper |")).collect();
                let _ = writeln!(text, "| model |{}", heads.concat());
                let _ = writeln!(text, "|---{}|", "|---".repeat(2 * metrics.len()));
                for TableRow { name: row, outcome, paper } in rows {
                    let cells = match outcome {
                        RowOutcome::LeftOut(_) => {
                            let cell =
                                |name: &str| format!("– | {}", figure(paper.get(name).copied()));
                            metrics.iter().map(|name| cell(name)).collect::<Vec<_>>().join(" | ")
                        }
                        RowOutcome::Measured(of_row) => {
                            let cell = |name: &str| match of_row.iter().find(|m| m.metric == name) {
                                Some(metric) => {
                                    format!("{} | {}", mean_and_std(metric), figure(metric.paper))
                                }
                                None => "no test split | ".into(),
                            };
                            metrics.iter().map(|name| cell(name)).collect::<Vec<_>>().join(" | ")
                        }
                    };
                    let _ = writeln!(text, "| {row} | {cells} |");
                }
                let reasons = rows.iter().filter_map(|row| match &row.outcome {
                    RowOutcome::LeftOut(reason) => Some((&*row.name, &**reason)),
                    RowOutcome::Measured(_) => None,
                });
                text.push_str(&left_out(reasons));
            }
        }
        text
    }

    /// Whether its rows differ in a number, and at least one has results.
    fn has_picture(&self) -> bool {
        self.axis.is_some() && self.rows.iter().any(|row| !row.outcome.metrics().is_empty())
    }

    /// The metrics of the paper's ablations against the setting that the rows differ in, with the
    /// paper's own figures if available; `None` for a table without such a setting.
    pub fn svg(&self, dataset: Dataset) -> Option<String> {
        let axis = self.axis.as_deref().filter(|_| self.has_picture())?;
        let names: Vec<&str> = self.rows.iter().map(|row| &*row.name).collect();
        let panels = headline(dataset).into_iter().map(|name| {
            let points: Vec<(f64, &Spread)> = self
                .rows
                .iter()
                .enumerate()
                .filter_map(|(idx, row)| {
                    let spread = row.outcome.metrics().iter().find(|each| each.metric == name)?;
                    Some((idx as f64, spread))
                })
                .collect();
            let ends = |spread: &Spread| {
                // A single run has no deviation.
                let std = if spread.std.is_nan() { 0.0 } else { spread.std };
                // Neither shares nor errors go below zero.
                [(spread.mean - std).max(0.0), spread.mean + std]
            };
            let values =
                points.iter().flat_map(|(_, spread)| ends(spread).into_iter().chain(spread.paper));
            let mut chart = Chart::new(Axis::classes(axis, &names), Axis::around(&name, values));
            let means: Vec<(f64, f64)> = points.iter().map(|(x, s)| (*x, s.mean)).collect();
            chart.line("valid", &means, &name);
            for (x, spread) in &points {
                let [low, high] = ends(spread);
                chart.line("whisker valid", &[(*x, low), (*x, high)], &mean_and_std(spread));
                chart.ring("valid", (*x, spread.mean), &mean_and_std(spread));
                if let Some(paper) = spread.paper {
                    chart.ring("control", (*x, paper), &format!("the paper: {paper:.4}"));
                }
            }
            (name.to_string(), chart.finish(&format!("{name} by {axis}")))
        });
        let n_runs = self.rows.iter().filter_map(|row| row.outcome.metrics().first());
        let bars = match n_runs.map(|spread| spread.n_runs).max() {
            None | Some(0 | 1) => "One run per model.".to_owned(),
            Some(n) => {
                format!("Mean of {n} runs, bars are one standard deviation (n − 1) each way.")
            }
        };
        let mut legend = vec![(Mark::Ring, "valid", "here".to_owned())];
        let mut metrics = self.rows.iter().flat_map(|row| row.outcome.metrics());
        if metrics.any(|each| each.paper.is_some()) {
            legend.push((Mark::Ring, "control", "the paper, of its own features".into()));
        }
        let figure = Figure {
            title: self.title.clone(),
            about: format!("{}, test split. {bars}", dataset.title()),
            legend,
            panels: panels.collect(),
            n_columns: 2,
        };
        Some(figure.finish())
    }
}

fn mean_and_std(metric: &Spread) -> String {
    shown(metric.mean, metric.std)
}

fn figure(paper: Option<f64>) -> String {
    paper.map_or(String::new(), |value| format!("{value:.4}"))
}
