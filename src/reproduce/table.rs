//! A table of results beside the paper's: for people as Markdown, for programs as a data frame.

use std::fmt::Write;

use polars::prelude::{Column, DataFrame};

use super::headline;
use crate::corpus::Dataset;
use crate::export::ExportError;
use crate::train::seeds::{Spread, frame};

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

impl Table {
    /// The table as a data frame, a row per model and metric: the experiment, the model, and the
    /// fields of [`Spread`].
    ///
    /// # Errors
    /// None that results can lead to.
    pub fn frame(&self) -> Result<DataFrame, ExportError> {
        let empty: &[Spread] = &[];
        let mut all = self.named(frame(empty)?, "")?;
        for (row, spread) in &self.rows {
            if let Ok(spread) = spread {
                all.vstack_mut_owned(self.named(frame(spread)?, row)?)?;
            }
        }
        Ok(all)
    }

    /// Puts the experiment and the model before other columns.
    fn named(&self, mut frame: DataFrame, row: &str) -> Result<DataFrame, ExportError> {
        let n_rows = frame.height();
        for (place, name, value) in [(0, "experiment", &*self.experiment), (1, "row", row)] {
            frame.insert_column(place, Column::new(name.into(), vec![value; n_rows]))?;
        }
        Ok(frame)
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
