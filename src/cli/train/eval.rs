//! `almt-data eval` and `almt-data predict`: apply a checkpoint to a store.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;

use super::cache::CacheArgs;
use super::devices::{DeviceArgs, ThreadsArgs};
use super::fit::model_name;
use super::show::say;
use crate::chain::chain;
use crate::cli::target::{self, check_output};
use crate::cli::{Failure, number, runs, stores, wrong_call};
use crate::corpus::label::LabelScale;
use crate::corpus::{Dataset, SplitName};
use crate::model::Residual;
use crate::model::registry::ModelSpec;
use crate::run::confusion::Confusion;
use crate::run::predictions::{self, Prediction};
use crate::run::record::FittedLength;
use crate::store::Store;
use crate::train::corrupt::{Corruption, Corruptions};
use crate::trainer::evaluation::{
    self, EvaluationOptions, PredictedSplit, Predictions, WeightSource,
};
use crate::trainer::texts;

/// Evaluate a checkpoint on one split of a store
#[derive(Args)]
pub struct EvalArgs {
    /// The same as `--checkpoint`
    #[arg(value_name = "RUN", conflicts_with = "checkpoint")]
    run: Option<PathBuf>,
    /// Store made by `almt-data convert` [default: the one that the run was trained on; for weights that
    /// belong to no run, the only one in the current folder]
    #[arg(long)]
    store: Option<PathBuf>,
    /// Run folder, or its `best.safetensors`
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Text-encoder folder, if it has moved since training
    #[arg(long, value_name = "FOLDER")]
    bert: Option<PathBuf>,
    /// Split to evaluate
    #[arg(long, default_value = "test", value_parser = SplitName::from_usual)]
    split: SplitName,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Corrupt the inputs first; repeatable. MODALITY:noise=S adds Gaussian noise of S standard
    /// deviations of the sample, MODALITY:drop=P drops each frame with probability P,
    /// MODALITY:missing=P drops the whole modality of a sample, text:mask=P hides each word
    #[arg(long, value_name = "audio:noise=0.5")]
    corrupt: Vec<Corruption>,
    /// Random seed for `--corrupt`
    #[arg(long, default_value_t = 1, requires = "corrupt", value_name = "SEED", value_parser = number::from::<u64>(0))]
    corrupt_seed: u64,
    /// Truncate samples that are longer than the model was trained on; the number is reported
    #[arg(long)]
    fit_lengths: bool,
    /// Continue even if the features differ from those of training (names, order, text encoder, pooling), or
    /// if most texts or tokens do not belong to the vocabulary of the model's text encoder
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Write the predictions of a checkpoint, one row per segment, or print those of texts
#[derive(Args)]
pub struct PredictArgs {
    /// The same as `--checkpoint`
    #[arg(value_name = "RUN", conflicts_with_all = ["checkpoint", "weights"])]
    run: Option<PathBuf>,
    /// Store made by `almt-data convert` [default: the one that the run was trained on; for weights that
    /// belong to no run, the only one in the current folder]
    #[arg(long)]
    store: Option<PathBuf>,
    /// Run folder, or its `best.safetensors`
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Predict this text, with a model of text alone; repeatable. Prints one line per text: the prediction,
    /// its class, and the text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    #[arg(conflicts_with_all = ["store", "weights", "split", "output", "fit_lengths"])]
    text: Vec<String>,
    /// Weights of a released model (PyTorch) as a safetensors file
    #[arg(long, value_name = "FILE", requires = "preset", conflicts_with = "checkpoint")]
    weights: Option<PathBuf>,
    /// Model of `--weights`; `almt-data models` lists them
    #[arg(long, value_name = "NAME", requires = "weights", value_parser = model_name)]
    #[arg(default_value = ModelSpec::NAMES[0])]
    model: String,
    /// Model size for `--weights`: mosi, mosei, sims or simsv2
    #[arg(long, hide_possible_values = true)]
    preset: Option<Dataset>,
    /// Residual of ALMT for `--weights`, as in `almt-data train`: released or paper
    #[arg(long, default_value = "released")]
    residual: Residual,
    /// Text-encoder folder, if it has moved since training, if `--weights` has an encoder, or if `--text` has
    /// to be encoded as the texts of the training store were
    #[arg(long, value_name = "FOLDER")]
    bert: Option<PathBuf>,
    /// Split to predict; repeatable [default: test]
    #[arg(long, value_parser = SplitName::from_usual)]
    split: Vec<SplitName>,
    /// Output file, Parquet if it ends in .parquet, otherwise CSV, with columns id, split, label,
    /// prediction, and the class of both for every binning scheme [default: a table on a terminal, CSV
    /// to a pipe]
    #[arg(short, long, value_parser = target::named(target::PREDICTIONS))]
    output: Option<PathBuf>,
    /// Overwrite existing output
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// Truncate samples that are longer than the model was trained on; the number is reported
    #[arg(long)]
    fit_lengths: bool,
    /// Continue even if the features differ from those of training (names, order, text encoder, pooling), or
    /// if most texts or tokens do not belong to the vocabulary of the model's text encoder
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

fn no_run<A: Args>(command: &'static str) -> Failure {
    let problem = format!("the run is missing, such as `{command} runs/mosi-seed1`");
    wrong_call::<A>(command, ErrorKind::MissingRequiredArgument, &problem)
}

/// Evaluates one checkpoint.
pub fn eval(args: EvalArgs) -> Result<ExitCode, Failure> {
    let Some(path) = args.checkpoint.or(args.run) else {
        return Err(no_run::<EvalArgs>("almt-data eval"));
    };
    let path = runs::checkpoint(&path)?;
    let store = Store::open(&stores::of_run(args.store, &path)?)?;
    let device = args.device.open()?;
    let options = EvaluationOptions {
        encoder: args.bert,
        corruptions: Corruptions { list: args.corrupt, seed: args.corrupt_seed },
        fit_lengths: args.fit_lengths,
        force: args.force,
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
        found.title(),
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
    // The one with the most classes contains the counts of the others.
    if let Some(finest) = found.confusion.iter().max_by_key(|matrix| matrix.classes.len()) {
        print_confusion(finest);
    }
    if let Some(problem) = found.degenerate {
        outln!("warning: {problem}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a confusion matrix.
fn print_confusion(Confusion { bins, classes, counts }: &Confusion) {
    let first = classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
    let width = first.max(4);
    outln!("\n{bins}: rows are labels, columns predictions");
    let row = |name: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("  {cell:>width$}")).collect();
        outln!("  {name:>first$}{cells}");
    };
    row("", classes);
    for (name, counts) in classes.iter().zip(counts) {
        row(name, &counts.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
}

/// Writes the predictions of one checkpoint.
pub fn predict(args: PredictArgs) -> Result<ExitCode, Failure> {
    let checkpoint = |path: &PathBuf| runs::checkpoint(path);
    let weights = match (args.checkpoint.as_ref().or(args.run.as_ref()), &args.weights) {
        (Some(path), _) => WeightSource::Checkpoint(checkpoint(path)?),
        (None, Some(path)) => WeightSource::Released {
            path: checkpoint(path)?,
            model: args.model,
            preset: args.preset,
            residual: args.residual,
        },
        (None, None) => {
            return Err(no_run::<PredictArgs>("almt-data predict"));
        }
    };
    if !args.text.is_empty() {
        let device = args.device.open()?;
        let options = EvaluationOptions {
            encoder: args.bert,
            force: args.force,
            n_threads: args.threads.threads,
            cache: args.cache.options(),
            ..EvaluationOptions::default()
        };
        let path = weights.path();
        let found = texts::predict_texts(&args.text, path, device, &options, &mut say)?;
        print_texts(&args.text, &found);
        return Ok(ExitCode::SUCCESS);
    }
    let store = stores::of_run(args.store, weights.path())?;
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
        force: args.force,
        n_threads: args.threads.threads,
        cache: args.cache.options(),
        ..EvaluationOptions::default()
    };
    let found = evaluation::predict(store, &weights, &splits, device, &options, &mut say)?;
    let scale = found.scale();
    let Predictions { rows, splits, .. } = &found;
    let Some(output) = &args.output else {
        return print_predictions(scale, rows, splits);
    };
    let write = match output.extension().is_some_and(|ending| ending == "parquet") {
        true => predictions::write_parquet,
        false => predictions::write,
    };
    write(output, scale, rows).map_err(|error| Failure::io(output, "write", &error))?;
    outln!("{}  {} predictions", output.display(), rows.len());
    for PredictedSplit { split, lengths, degenerate } in splits {
        print_lengths(*split, lengths);
        if let Some(problem) = degenerate {
            outln!("  warning: {split}: {problem}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a line per text: the prediction, its class in the scheme with the most classes, and the text.
fn print_texts(texts: &[String], found: &Predictions) {
    let scale = found.scale();
    let bins = scale.finest();
    let names = bins.map(|bins| scale.class_names(bins)).unwrap_or_default();
    for (text, Prediction { prediction, .. }) in texts.iter().zip(&found.rows) {
        let class = bins.and_then(|bins| usize::try_from(scale.class(bins, *prediction)).ok());
        let class = class.and_then(|class| names.get(class).map(|name| &**name));
        let class = class.unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        outln!("{prediction:>8.4}  {class}  {text}");
    }
}

/// Prints predictions: a table on a terminal, otherwise the same CSV as in a file; notes go to standard
/// error.
fn print_predictions(
    scale: LabelScale<'_>,
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
        predictions::write_to(&mut csv, scale, rows)
            .map_err(|error| Failure::new(chain(&error)))?;
        crate::cli::output::write(format_args!("{}", String::from_utf8_lossy(&csv)));
    }
    for PredictedSplit { split, lengths, degenerate } in splits {
        lengths.iter().for_each(|length| errln!("{split}/{length}"));
        if let Some(problem) = degenerate {
            errln!("warning: {split}: {problem}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reports what was padded or cut.
fn print_lengths(split: SplitName, lengths: &[FittedLength]) {
    lengths.iter().for_each(|length| outln!("  {split}/{length}"));
}
