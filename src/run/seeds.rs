//! Summarises several runs that differ in their seed.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::folder;
use super::record::RunResult;
use crate::corpus::Dataset;
use crate::export::{Table, Values, csv_of};
use crate::mean::mean_std;
use crate::{paper, publish};

/// One metric over several runs, each at its selected epoch.
#[derive(Debug, Clone, Serialize)]
pub struct Spread {
    /// Name of the metric.
    pub metric: String,
    /// Number of runs in which it is a number.
    pub n_runs: usize,
    /// Mean on the test split.
    pub mean: f64,
    /// Sample standard deviation (with n - 1); NaN for a single run.
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// The paper's value, if the model is ALMT and the paper reports this metric.
    pub paper: Option<f64>,
}

/// Summarises the test metrics of a model's runs; empty without a test split.
pub fn spread(model: &str, dataset: Dataset, results: &[RunResult]) -> Vec<Spread> {
    let paper = paper::of(model, dataset);
    let first = results.first().and_then(|result| result.selected.test.as_ref());
    let names = first.into_iter().flat_map(super::metrics::Metrics::iter).map(|(name, _)| name);
    names
        .map(|name| {
            let values: Vec<f64> = results
                .iter()
                .filter_map(|result| result.selected.test.as_ref())
                .map(|test| test.get(name))
                .collect();
            let (n_runs, mean, std) = mean_std(values.iter().copied());
            Spread {
                metric: name.into(),
                n_runs,
                mean,
                std,
                min: values.iter().copied().fold(f64::NAN, f64::min),
                max: values.iter().copied().fold(f64::NAN, f64::max),
                paper: paper.get(name).copied(),
            }
        })
        .collect()
}

/// Writes a table of [`Spread`] atomically.
pub type Write = fn(&Path, &[Spread]) -> io::Result<()>;

/// The files of a sweep's table, with the same content.
pub const SUMMARIES: &[(&str, Write)] = &[
    (folder::SUMMARY_CSV, write_csv),
    #[cfg(feature = "parquet")]
    (folder::SUMMARY_PARQUET, write_parquet),
];

fn write_csv(path: &Path, spread: &[Spread]) -> io::Result<()> {
    publish::write(path, &csv_of(spread)?)
}

#[cfg(feature = "parquet")]
fn write_parquet(path: &Path, spread: &[Spread]) -> io::Result<()> {
    publish::write(path, &crate::export::table_parquet(&table(spread))?)
}

/// A table with one row per metric and the fields of [`Spread`] as columns.
pub fn table(spread: &[Spread]) -> Table {
    type Number = fn(&Spread) -> Option<f64>;
    const NUMBERS: [(&str, Number); 5] = [
        ("mean", |row| Some(row.mean)),
        ("std", |row| Some(row.std)),
        ("min", |row| Some(row.min)),
        ("max", |row| Some(row.max)),
        ("paper", |row| row.paper),
    ];
    let metrics = spread.iter().map(|row| Some(row.metric.clone())).collect();
    let n_runs = spread.iter().map(|row| row.n_runs as u64).collect();
    let mut table = Table::default()
        .with("metric", Values::Text(metrics))
        .with("n_runs", Values::Uint64(n_runs));
    for (name, number) in NUMBERS {
        table.push(name, Values::Float64(spread.iter().map(number).collect()));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::label::LabelScale;

    #[test]
    fn the_paper_has_metrics_of_the_dataset_only() {
        for (dataset, n_metrics) in [
            (Dataset::Mosi, 8),
            (Dataset::Mosei, 8),
            (Dataset::Sims, 6),
            // The paper does not include it.
            (Dataset::Simsv2, 0),
        ] {
            let scale = LabelScale::published(dataset).unwrap();
            let known = crate::run::metrics::names(scale);
            assert_eq!(paper::almt(dataset).len(), n_metrics);
            assert!(
                paper::almt(dataset).keys().all(|name| known.iter().any(|known| known == name)),
                "{dataset}"
            );
        }
    }
}
