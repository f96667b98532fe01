//! `almt-data eval` and `almt-data predict`: what a checkpoint makes of a store.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::cache::CacheArgs;
use super::devices::{DeviceArgs, ThreadsArgs};
use super::show::say;
use crate::cli::target::{self, check_output};
use crate::cli::{Failure, number, runs};
use crate::corpus::{Dataset, SplitName};
use crate::model::Residual;
use crate::run::predictions;
use crate::run::record::FittedLength;
use crate::store::Store;
use crate::train::corrupt::{Corruption, Corruptions};
use crate::trainer::evaluation::{
    self, EvaluationOptions, PredictedSplit, Predictions, WeightSource,
};

/// Evaluate a checkpoint on one split of a store
#[derive(Args)]
pub struct EvalArgs {
    /// Store made by `almt-data convert`
    #[arg(long)]
    store: PathBuf,
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
    /// Store made by `almt-data convert`
    #[arg(long)]
    store: PathBuf,
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
    /// the class of both in every bin
    #[arg(short, long, value_parser = target::named(target::PREDICTIONS))]
    output: PathBuf,
    /// Replace an existing output
    #[arg(long)]
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
    let store = Store::open(&args.store)?;
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
    let inputs = runs::inputs(weights.path()).into_iter().chain([args.store.clone()]);
    check_output(&args.output, args.overwrite, inputs)?;
    let splits = if args.split.is_empty() { vec![SplitName::Test] } else { args.split };
    let store = Store::open(&args.store)?;
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
    let write = match args.output.extension().is_some_and(|ending| ending == "parquet") {
        true => predictions::write_parquet,
        false => predictions::write,
    };
    write(&args.output, dataset.bin_scheme(), &rows)
        .map_err(|error| Failure::io(&args.output, "write", &error))?;
    outln!("{}  {} predictions", args.output.display(), rows.len());
    for PredictedSplit { split, lengths, degenerate } in splits {
        print_lengths(split, &lengths);
        if let Some(problem) = degenerate {
            outln!("  warning: {split}: {problem}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what was padded or cut.
fn print_lengths(split: SplitName, lengths: &[FittedLength]) {
    lengths.iter().for_each(|length| outln!("  {split}/{length}"));
}
