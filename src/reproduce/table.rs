//! A table of results beside the paper's: for people as Markdown, for programs as CSV.

use std::fmt::Write;
use std::io;
use std::path::Path;

use polars::df;
use serde::Serialize;

use super::headline;
use crate::corpus::Dataset;
use crate::export::{ExportError, table_parquet};
use crate::publish;
use crate::train::seeds::Spread;

/// One metric of one model.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The experiment.
    pub experiment: String,
    /// The model, as the paper calls it.
    pub row: String,
    /// Name of the metric.
    pub metric: String,
    /// Runs that have it as a number.
    pub n_runs: usize,
    /// Mean on the test split.
    pub mean: f64,
    /// Sample standard deviation; NaN of a single run.
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// What the paper reports, where it reports this metric.
    pub paper: Option<f64>,
}

/// The results of one experiment.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name of the experiment.
    pub experiment: String,
    /// What it is about.
    pub title: String,
    /// How the figures came about, a sentence or two.
    pub about: String,
    /// Rows with their results, or with the reason why there are none.
    pub rows: Vec<(String, Result<Vec<Spread>, String>)>,
}

impl Line {
    /// Writes lines as Parquet, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_parquet(path: &Path, lines: &[Line]) -> io::Result<()> {
        fn column<T>(lines: &[Line], value: fn(&Line) -> T) -> Vec<T> {
            lines.iter().map(value).collect()
        }
        let table = df!(
            "experiment" => column(lines, |line| line.experiment.clone()),
            "row" => column(lines, |line| line.row.clone()),
            "metric" => column(lines, |line| line.metric.clone()),
            "n_runs" => column(lines, |line| line.n_runs as u64),
            "mean" => column(lines, |line| line.mean),
            "std" => column(lines, |line| line.std),
            "min" => column(lines, |line| line.min),
            "max" => column(lines, |line| line.max),
            "paper" => column(lines, |line| line.paper),
        );
        let mut bytes = Vec::new();
        table_parquet(&table.map_err(ExportError::from)?, &mut bytes)?;
        publish::write(path, &bytes)
    }
}

impl Table {
    /// One line per model and metric.
    pub fn lines(&self) -> Vec<Line> {
        let results =
            self.rows.iter().filter_map(|(row, spread)| Some((row, spread.as_ref().ok()?)));
        results
            .flat_map(|(row, spread)| spread.iter().map(move |metric| (row, metric)))
            .map(|(row, metric)| Line {
                experiment: self.experiment.clone(),
                row: row.clone(),
                metric: metric.metric.clone(),
                n_runs: metric.n_runs,
                mean: metric.mean,
                std: metric.std,
                min: metric.min,
                max: metric.max,
                paper: metric.paper,
            })
            .collect()
    }

    /// The table as Markdown: the metrics of the paper's ablations of several models, or all metrics
    /// of a single one, each with its mean and deviation beside the paper's figure.
    pub fn markdown(&self, dataset: Dataset) -> String {
        let mut text = format!("# {}\n\n{}\n\n", self.title, self.about);
        match &*self.rows {
            [(_, Ok(spread))] => {
                text.push_str(
                    "| metric | mean ± std | min | max | paper |\n|---|---|---|---|---|\n",
                );
                for metric in spread {
                    let Spread { metric: name, min, max, .. } = metric;
                    let (ours, paper) = (mean_and_std(metric), figure(metric.paper));
                    let _ = writeln!(text, "| {name} | {ours} | {min:.4} | {max:.4} | {paper} |");
                }
            }
            rows => {
                let metrics = headline(dataset);
                let [one, other] = metrics;
                let _ = writeln!(text, "| model | {one} | paper | {other} | paper |");
                text.push_str("|---|---|---|---|---|\n");
                for (row, spread) in rows {
                    let cells = match spread {
                        Err(reason) => format!("{reason} | | | "),
                        Ok(spread) => {
                            let cell = |name: &str| match spread.iter().find(|m| m.metric == name) {
                                Some(metric) => {
                                    format!("{} | {}", mean_and_std(metric), figure(metric.paper))
                                }
                                None => "no test split | ".into(),
                            };
                            metrics.map(cell).join(" | ")
                        }
                    };
                    let _ = writeln!(text, "| {row} | {cells} |");
                }
            }
        }
        text
    }
}

fn mean_and_std(metric: &Spread) -> String {
    match metric.std.is_nan() {
        true => format!("{:.4}", metric.mean),
        false => format!("{:.4} ± {:.4}", metric.mean, metric.std),
    }
}

fn figure(paper: Option<f64>) -> String {
    paper.map_or(String::new(), |value| format!("{value:.4}"))
}
