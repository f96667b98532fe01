//! Several runs that differ in their seed, and what they come to together.

use std::io;
use std::path::Path;

use polars::prelude::*;
use serde::Serialize;

use super::record::RunResult;
use crate::corpus::Dataset;
use crate::export::{ExportError, table_parquet};
use crate::mean::mean_std;
use crate::{paper, publish};

/// One metric over several runs, each at the epoch that its validation split chose.
#[derive(Debug, Clone, Serialize)]
pub struct Spread {
    /// Name of the metric.
    pub metric: String,
    /// Runs that have it as a number.
    pub n_runs: usize,
    /// Mean on the test split.
    pub mean: f64,
    /// Sample standard deviation (with n - 1); NaN of a single run.
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// What the paper reports of ALMT, where it reports this metric.
    pub paper: Option<f64>,
}

/// Summarises the test metrics of runs; empty where there is no test split.
pub fn spread(dataset: Dataset, results: &[RunResult]) -> Vec<Spread> {
    let paper = paper::almt(dataset);
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

/// Writes a table of [`Spread`] whole or not at all.
pub type Write = fn(&Path, &[Spread]) -> io::Result<()>;

/// The files of a sweep's table, which hold the same.
pub const SUMMARIES: [(&str, Write); 2] =
    [("summary.csv", write_csv), ("summary.parquet", write_parquet)];

/// Rows as CSV with the names of their fields on top.
///
/// # Errors
/// A row is no list of simple values.
pub fn csv<R: Serialize>(rows: &[R]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

fn write_csv(path: &Path, spread: &[Spread]) -> io::Result<()> {
    publish::write(path, &csv(spread)?)
}

fn write_parquet(path: &Path, spread: &[Spread]) -> io::Result<()> {
    let mut bytes = Vec::new();
    table_parquet(&frame(spread)?, &mut bytes)?;
    publish::write(path, &bytes)
}

/// A data frame with a row for each and the fields of [`Spread`] as columns.
///
/// # Errors
/// None that figures can lead to.
pub fn frame(spread: &[Spread]) -> Result<DataFrame, ExportError> {
    fn column<T>(spread: &[Spread], value: fn(&Spread) -> T) -> Vec<T> {
        spread.iter().map(value).collect()
    }
    Ok(df!(
        "metric" => spread.iter().map(|row| &*row.metric).collect::<Vec<&str>>(),
        "n_runs" => column(spread, |row| row.n_runs as u64),
        "mean" => column(spread, |row| row.mean),
        "std" => column(spread, |row| row.std),
        "min" => column(spread, |row| row.min),
        "max" => column(spread, |row| row.max),
        "paper" => column(spread, |row| row.paper),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_has_metrics_of_the_dataset_only() {
        for (dataset, n_metrics) in [
            (Dataset::Mosi, 8),
            (Dataset::Mosei, 8),
            (Dataset::Sims, 6),
            // The paper does not report on it.
            (Dataset::Simsv2, 0),
        ] {
            let known = super::super::metrics::names(dataset.bin_scheme());
            assert_eq!(paper::almt(dataset).len(), n_metrics);
            assert!(paper::almt(dataset).keys().all(|name| known.contains(&&**name)), "{dataset}");
        }
    }
}
