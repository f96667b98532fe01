//! `almt-data compare`: tests whether two runs differ significantly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::chain::chain;
use crate::cli::{Failure, number, runs, same_file};
use crate::corpus::SplitName;
use crate::corpus::degenerate::Degenerate;
use crate::corpus::label::LabelScale;
use crate::run::compare::{Comparison, compare as compare_predictions};
use crate::run::folder;
use crate::run::interval::Resampling;
use crate::run::predictions::{self, Prediction};
use crate::words::quoted_path;

/// Compare the predictions of two runs: bootstrap interval and permutation test
///
/// For each metric: its value for A and B, the difference B - A with a 95% bootstrap interval over the
/// segments, and p, the share of random exchanges of the two predictions of each segment that give a
/// difference at least as large. Predictions are standardized per run for the p-value of Corr.
#[derive(Args)]
pub struct CompareArgs {
    /// Run folder, or its `best.safetensors`
    run_a: PathBuf,
    /// Run folder to compare it with
    run_b: PathBuf,
    /// Split whose predictions are compared
    #[arg(long, default_value = "test", value_parser = SplitName::from_usual)]
    split: SplitName,
    /// Resamples of the bootstrap and of the permutation test
    #[arg(long, default_value_t = 10_000, value_parser = number::from::<u32>(100))]
    resamples: u32,
    /// Random seed for both
    #[arg(long, default_value_t = 1, value_parser = number::from::<u64>(0))]
    seed: u64,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Compares two runs.
pub fn compare(args: CompareArgs) -> Result<ExitCode, Failure> {
    let [a, b] = &[runs::one(&args.run_a)?, runs::one(&args.run_b)?];
    if same_file(a, b) {
        return Err(Failure::at(b, "is the same run as the other: there is nothing to compare"));
    }
    let (config_a, config_b) = (folder::read_config(a)?, folder::read_config(b)?);
    let (one, other) = (config_a.title(), config_b.title());
    if config_a.dataset != config_b.dataset {
        return Err(Failure::at(b, format!("was trained on {other}, the other run on {one}")));
    }
    let own = config_b.label_scale.as_ref().zip(config_a.label_scale.as_ref());
    let differences = own.map(|(own, other)| own.differences(other)).unwrap_or_default();
    if !differences.is_empty() {
        let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let differences = differences.join("; ");
        let problem =
            format!("was trained on labels of {other}, the other run on {one}: {differences}");
        return Err(Failure::at(b, problem));
    }
    let scale = config_a.scale();
    let (rows_a, rows_b) = (read(a, args.split, scale)?, read(b, args.split, scale)?);
    let by_id: BTreeMap<&str, &Prediction> = rows_b.iter().map(|row| (&*row.id, row)).collect();
    let mut pairs = Vec::new();
    for row in &rows_a {
        let other = by_id.get(&*row.id);
        let problem = match other {
            Some(other) => match (row.label, other.label) {
                (Some(label), Some(of_other)) if label == of_other => {
                    pairs.push((label, row.prediction, other.prediction));
                    continue;
                }
                (Some(label), Some(of_other)) => {
                    format!("has label {label} in one run and {of_other} in the other")
                }
                _ => "has no label".into(),
            },
            None => "is not among the predictions of the other run".into(),
        };
        return Err(Failure::at(b, format!("segment `{}` {problem}", row.id)));
    }
    if rows_a.len() != rows_b.len() {
        let (one, other) = (rows_a.len(), rows_b.len());
        return Err(Failure::at(b, format!("has {other} predictions, the other run {one}")));
    }
    let labels: Vec<f32> = pairs.iter().map(|pair| pair.0).collect();
    let pred_a: Vec<f32> = pairs.iter().map(|pair| pair.1).collect();
    let pred_b: Vec<f32> = pairs.iter().map(|pair| pair.2).collect();
    let resampling = Resampling::new(args.resamples as usize, args.seed);
    let found = compare_predictions(scale, &labels, &pred_a, &pred_b, &resampling);
    if config_a.store_digest != config_b.store_digest {
        errln!("warning: the runs were trained on different stores");
    }
    for (run, pred) in [(a, &pred_a), (b, &pred_b)] {
        if let Some(problem) = Degenerate::find(scale, pred, &labels) {
            errln!("warning: {}: {problem}", run.display());
        }
    }
    if args.json {
        let comparison = Comparison {
            run_a: a.clone(),
            run_b: b.clone(),
            split: args.split,
            n_segments: labels.len(),
            n_resamples: args.resamples as usize,
            seed: args.seed,
            metrics: found,
        };
        crate::cli::output::json(&comparison)?;
        return Ok(ExitCode::SUCCESS);
    }
    outln!("A {}", a.display());
    outln!("B {}", b.display());
    outln!("{} segments of {}, {} resamples", labels.len(), args.split, args.resamples);
    outln!("  {:<18} {:>8} {:>8} {:>9} {:>21} {:>8}", "", "A", "B", "B - A", "95% interval", "p");
    for each in &found {
        let [low, high] = each.interval;
        let interval = format!("[{low:+.4}, {high:+.4}]");
        outln!(
            "  {:<18} {:>8.4} {:>8.4} {:>+9.4} {interval:>21} {:>8.4}",
            each.metric,
            each.a,
            each.b,
            each.difference,
            each.p_value
        );
    }
    outln!("  each line is a separate test: correct for multiple testing before you report one");
    outln!(
        "  the interval covers the choice of segments, not of seeds: train several of each, and report their \
         deviation too"
    );
    Ok(ExitCode::SUCCESS)
}

fn read(
    folder: &Path,
    split: SplitName,
    scale: LabelScale<'_>,
) -> Result<Vec<Prediction>, Failure> {
    let path = folder.join(folder::PREDICTIONS);
    if !path.exists() && folder::is_run(folder) && !folder.join(folder::RESULT).exists() {
        return Err(Failure::at(folder, "the run is incomplete")
            .hint(format!("`almt-data resume {}` completes it", quoted_path(folder))));
    }
    let mut rows = predictions::read(&path).map_err(|error| {
        Failure::at(&path, format!("cannot read predictions: {}", chain(&error)))
    })?;
    for name in predictions::unknown_columns(&path, scale).unwrap_or_default() {
        let path = path.display();
        errln!("warning: {path}: column `{name}` is unknown and ignored");
    }
    rows.retain(|row| row.split == split);
    if rows.is_empty() {
        let problem = format!("no predictions on {split}: a run has those on valid and test");
        return Err(Failure::at(&path, problem));
    }
    Ok(rows)
}
