//! `almt-data eval` and `almt-data predict`: what a checkpoint makes of a store.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::cache::CacheArgs;
use super::devices::{DeviceArgs, ThreadsArgs};
use super::show::say;
use crate::chain::chain;
use crate::cli::target::{self, check_output};
use crate::cli::{Failure, number, runs, stores};
use crate::corpus::label::BinScheme;
use crate::corpus::{Dataset, SplitName};
use crate::model::Residual;
use crate::run::predictions::{self, Prediction};
use crate::run::record::FittedLength;
use crate::store::Store;
use crate::train::corrupt::{Corruption, Corruptions};
use crate::trainer::evaluation::{
    self, EvaluationOptions, PredictedSplit, Predictions, WeightSource,
};

/// Evaluate a checkpoint on one split of a store
#[derive(Args)]
pub struct EvalArgs {
    /// Store made by `almt-data convert` [default: the only one of the current folder]
    #[arg(long)]
    store: Option<PathBuf>,
    /// Run folder, or its `best.safetensors`
    #[arg(long)]
    checkpoint: PathBuf,
    /// Folder of the text encoder, where its tokenizer makes the tokens and the folder is not any
    /// more where the run found it
    #[arg(long, value_name = "FOLDER")]
    bert: Option<PathBuf>,
    /// Split to evaluate on
    #[arg(long, default_value = "test", value_parser = SplitName::from_usual)]
    split: SplitName,
    /// Print JSON in place of a table
    #[arg(long)]
    json: bool,
    /// Make the inputs worse first; may be given several times. MODALITY:noise=S adds Gaussian noise
    /// of S standard deviations of the sample, drop=P loses each frame with probability P,
    /// missing=P the whole modality of a sample, text:mask=P hides each word
    #[arg(long, value_name = "audio:noise=0.5")]
    corrupt: Vec<Corruption>,
    /// Seed of what `--corrupt` draws
    #[arg(long, default_value_t = 1, requires = "corrupt", value_name = "SEED", value_parser = number::from::<u64>(0))]
    corrupt_seed: u64,
    /// Cut samples that are longer than what the model was trained on, at their end; they are counted
    #[arg(long)]
    fit_lengths: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Write a checkpoint's predictions, a row per segment
#[derive(Args)]
pub struct PredictArgs {
    /// Store made by `almt-data convert` [default: the only one of the current folder]
    #[arg(long)]
    store: Option<PathBuf>,
    /// Run folder, or its `best.safetensors`
    #[arg(long, required_unless_present = "weights")]
    checkpoint: Option<PathBuf>,
    /// Weights of the released PyTorch model, as a safetensors file
    #[arg(long, value_name = "FILE", requires = "preset", conflicts_with = "checkpoint")]
    weights: Option<PathBuf>,
    /// Sizes of the model of `--weights`: mosi, mosei, sims or simsv2
    #[arg(long, hide_possible_values = true)]
    preset: Option<Dataset>,
    /// What an AHL layer of the model of `--weights` adds its shift to: released or paper
    #[arg(long, default_value = "released")]
    residual: Residual,
    /// Folder of the text encoder, where its tokenizer makes the tokens and the folder is not any
    /// more where the run found it
    #[arg(long, value_name = "FOLDER")]
    bert: Option<PathBuf>,
    /// Split to predict; may be given several times [default: test]
    #[arg(long, value_parser = SplitName::from_usual)]
    split: Vec<SplitName>,
    /// File to write, Parquet if it ends in .parquet, else CSV: id, split, label, prediction, and
    /// the class of both in every bin [default: a table on a terminal, CSV into a pipe]
    #[arg(short, long, value_parser = target::named(target::PREDICTIONS))]
    output: Option<PathBuf>,
    /// Replace an existing output
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// Cut samples that are longer than what the model was trained on, at their end; they are counted
    #[arg(long)]
    fit_lengths: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Evaluates one checkpoint.
pub fn eval(args: EvalArgs) -> Result<ExitCode, Failure> {
    let path = runs::checkpoint(&args.checkpoint)?;
    let store = Store::open(&stores::one(args.store)?)?;
    let device = args.device.open()?;
    let options = EvaluationOptions {
        encoder: args.bert,
        corruptions: Corruptions { list: args.corrupt, seed: args.corrupt_seed },
        fit_lengths: args.fit_lengths,
        n_threads: args.threads.threads,
        cache: args.cache.options(),
    };
    let found = evaluation::evaluate(store, &path, args.split, device, &options, &mut say)?;
    if args.json {
        crate::cli::output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    outln!(
        "{} {}, {} samples, checkpoint of epoch {}",
        found.dataset.title(),
        args.split,
        found.n_samples,
        found.epoch
    );
    if !found.corruptions.is_empty() {
        let made_worse = found.corruptions.join(", ");
        outln!("inputs made worse: {made_worse} (seed {})", args.corrupt_seed);
    }
    print_lengths(args.split, &found.lengths);
    crate::cli::output::write(format_args!("{}", found.metrics));
    if let Some(problem) = found.degenerate {
        outln!("warning: {problem}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the predictions of one checkpoint.
pub fn predict(args: PredictArgs) -> Result<ExitCode, Failure> {
    let checkpoint = |path: &PathBuf| runs::checkpoint(path);
    let weights = match (&args.checkpoint, &args.weights) {
        (Some(path), _) => WeightSource::Checkpoint(checkpoint(path)?),
        (None, Some(path)) => WeightSource::Released {
            path: checkpoint(path)?,
            preset: args.preset,
            residual: args.residual,
        },
        (None, None) => {
            return Err(Failure::new("neither `--checkpoint` nor `--weights` is given"));
        }
    };
    let store = stores::one(args.store)?;
    if let Some(output) = &args.output {
        let inputs = runs::inputs(weights.path()).into_iter().chain([store.clone()]);
        check_output(output, args.overwrite, inputs)?;
    }
    let splits = if args.split.is_empty() { vec![SplitName::Test] } else { args.split };
    let store = Store::open(&store)?;
    let device = args.device.open()?;
    let options = EvaluationOptions {
        encoder: args.bert,
        fit_lengths: args.fit_lengths,
        n_threads: args.threads.threads,
        cache: args.cache.options(),
        ..EvaluationOptions::default()
    };
    let found = evaluation::predict(store, &weights, &splits, device, &options, &mut say)?;
    let Predictions { dataset, rows, splits } = found;
    let scheme = dataset.bin_scheme();
    let Some(output) = &args.output else {
        return print_predictions(scheme, &rows, &splits);
    };
    let write = match output.extension().is_some_and(|ending| ending == "parquet") {
        true => predictions::write_parquet,
        false => predictions::write,
    };
    write(output, scheme, &rows).map_err(|error| Failure::io(output, "write", &error))?;
    outln!("{}  {} predictions", output.display(), rows.len());
    for PredictedSplit { split, lengths, degenerate } in splits {
        print_lengths(split, &lengths);
        if let Some(problem) = degenerate {
            outln!("  warning: {split}: {problem}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints predictions: to a terminal as a table, else as the CSV that a file would have, and what is to
/// be said of them to standard error.
fn print_predictions(
    scheme: BinScheme,
    rows: &[Prediction],
    splits: &[PredictedSplit],
) -> Result<ExitCode, Failure> {
    if std::io::stdout().is_terminal() {
        let width = rows.iter().map(|row| row.id.chars().count()).max().unwrap_or(0).max(2);
        outln!("{:<width$}  {:<5}  {:>8}  {:>10}", "id", "split", "label", "prediction");
        for Prediction { id, split, label, prediction, .. } in rows {
            let label = label.map_or(String::new(), |label| format!("{label:.4}"));
            outln!("{id:<width$}  {split:<5}  {label:>8}  {prediction:>10.4}");
        }
    } else {
        let mut csv = Vec::new();
        predictions::write_to(&mut csv, scheme, rows)
            .map_err(|error| Failure::new(chain(&error)))?;
        crate::cli::output::write(format_args!("{}", String::from_utf8_lossy(&csv)));
    }
    for PredictedSplit { split, lengths, degenerate } in splits {
        lengths.iter().for_each(|length| eprintln!("{split}/{length}"));
        if let Some(problem) = degenerate {
            eprintln!("warning: {split}: {problem}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what was padded or cut.
fn print_lengths(split: SplitName, lengths: &[FittedLength]) {
    lengths.iter().for_each(|length| outln!("  {split}/{length}"));
}
