//! `almt-data eval` and `almt-data predict`: what a checkpoint makes of a store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::devices::{DeviceArgs, ThreadsArgs};
use super::samples::{CacheArgs, Labels, Loaded, Samples};
use super::tokens::TokenReader;
use crate::cli::{Failure, number, runs};
use crate::corpus::degenerate::Degenerate;
use crate::corpus::{Dataset, Modality, SplitName};
use crate::model::Residual;
use crate::model::registry::{Inputs, ModelSpec};
use crate::run::predictions;
use crate::run::preset::Preset;
use crate::run::record::{Evaluation, FittedLength};
use crate::run::settings::TokenChoice;
use crate::store::Store;
use crate::train::checkpoint::{self, Checkpoint, CheckpointInfo, ModelConfig};
use crate::train::corrupt::{Corruption, Corruptions};
use crate::train::run;
use crate::train::{NetworkError, TrainError};

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
    /// Weights of the released PyTorch model as a safetensors file
    #[arg(long, value_name = "FILE", requires = "preset", conflicts_with = "checkpoint")]
    weights: Option<PathBuf>,
    /// Sizes of the model of `--weights`: mosi, mosei, sims or simsv2
    #[arg(long)]
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
    #[arg(short, long)]
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
    let mut samples = Samples::of_run(Store::open(&args.store)?, &path, &[args.split])?;
    args.threads.set();
    let device = args.device.open()?;
    let checkpoint = checkpoint::load(&path, device).map_err(TrainError::from)?;
    check_dataset(&checkpoint, &samples, &path)?;
    samples.fit_to(&path, &checkpoint.info, args.fit_lengths);
    let modalities = modalities_of(&checkpoint);
    let corruptions = Corruptions { list: args.corrupt, seed: args.corrupt_seed };
    if let Some(unseen) = corruptions.list.iter().find(|it| !modalities.contains(&it.modality)) {
        let problem = format!("`{unseen}`: the model does not see {}", unseen.modality);
        return Err(Failure::at(&path, problem));
    }
    let shown: Vec<String> = corruptions.list.iter().map(ToString::to_string).collect();
    samples.corrupt(corruptions);
    let reader = TokenReader::of_checkpoint(&path, &checkpoint.info, args.bert.as_deref())?;
    let cache = samples.cache(&args.cache, &modalities, device);
    let Loaded { split, lengths, .. } = samples.load_fitted(
        args.split,
        &modalities,
        reader.as_ref(),
        Labels::Needed,
        cache,
        device,
    )?;
    let (metrics, rows) = run::evaluate(&checkpoint, &split)?;
    let info = &checkpoint.info;
    let predicted: Vec<f32> = rows.iter().map(|row| row.prediction).collect();
    let degenerate = Degenerate::find(info.dataset.bin_scheme(), &predicted, split.labels());
    if args.json {
        crate::cli::output::json(&Evaluation {
            store: args.store,
            store_digest: samples.store().manifest().digest.clone(),
            trained_on_store_digest: info.store_digest.clone(),
            checkpoint: path,
            epoch: info.epoch,
            seed: info.seed,
            split: args.split,
            n_samples: split.n_samples(),
            corrupt_seed: (!shown.is_empty()).then_some(args.corrupt_seed),
            corruptions: shown,
            lengths,
            metrics,
            degenerate,
        })?;
    } else {
        outln!(
            "{} {}, {} samples, checkpoint of epoch {}",
            info.dataset.title(),
            args.split,
            split.n_samples(),
            info.epoch
        );
        if !shown.is_empty() {
            outln!("inputs made worse: {} (seed {})", shown.join(", "), args.corrupt_seed);
        }
        print_lengths(args.split, &lengths);
        crate::cli::output::write(format_args!("{metrics}"));
        if let Some(problem) = degenerate {
            outln!("warning: {problem}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the predictions of one checkpoint.
pub fn predict(args: PredictArgs) -> Result<ExitCode, Failure> {
    if args.output.exists() && !args.overwrite {
        return Err(Failure::at(&args.output, "exists already").hint("`--overwrite` replaces it"));
    }
    let given = args.checkpoint.as_deref().or(args.weights.as_deref());
    let path = given.map(runs::checkpoint).transpose()?;
    let splits = if args.split.is_empty() { vec![SplitName::Test] } else { args.split };
    let store = Store::open(&args.store)?;
    let mut samples = match &path {
        Some(path) => Samples::of_run(store, path, &splits)?,
        None => Samples::of(store),
    };
    args.threads.set();
    let device = args.device.open()?;
    let (path, checkpoint) = match (&path, &args.checkpoint) {
        (Some(path), Some(_)) => (path, checkpoint::load(path, device)),
        (Some(path), None) => {
            // Clap asks for it with `--weights`.
            let preset = args.preset.unwrap_or(samples.store().manifest().dataset);
            let info = released(&samples, preset, args.residual)?;
            (path, checkpoint::load_as(path, info, device))
        }
        (None, _) => {
            return Err(Failure::new("neither `--checkpoint` nor `--weights` is given"));
        }
    };
    let checkpoint = checkpoint.map_err(TrainError::from)?;
    check_dataset(&checkpoint, &samples, path)?;
    samples.fit_to(path, &checkpoint.info, args.fit_lengths);
    let modalities = modalities_of(&checkpoint);
    let reader = TokenReader::of_checkpoint(path, &checkpoint.info, args.bert.as_deref())?;
    let cache = samples.cache(&args.cache, &modalities, device);
    let scheme = checkpoint.info.dataset.bin_scheme();
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    for split in splits {
        let (reader, labels) = (reader.as_ref(), Labels::IfAny);
        let loaded = samples.load_fitted(split, &modalities, reader, labels, cache, device)?;
        let mut predicted = run::predictions_of(&checkpoint, &loaded.split, &loaded.labels)?;
        loaded.cut.iter().for_each(|idx| predicted[*idx].is_cut = true);
        let values: Vec<f32> = predicted.iter().map(|row| row.prediction).collect();
        notes.push((
            split,
            loaded.lengths,
            Degenerate::find(scheme, &values, loaded.split.labels()),
        ));
        rows.extend(predicted);
    }
    let write = match args.output.extension().is_some_and(|ending| ending == "parquet") {
        true => predictions::write_parquet,
        false => predictions::write,
    };
    write(&args.output, scheme, &rows)
        .map_err(|error| Failure::io(&args.output, "write", &error))?;
    outln!("{}  {} predictions", args.output.display(), rows.len());
    for (split, lengths, degenerate) in notes {
        print_lengths(split, &lengths);
        if let Some(problem) = degenerate {
            outln!("  warning: {split}: {problem}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The released model of a preset, for the inputs of a store.
fn released(
    samples: &Samples,
    preset: Dataset,
    residual: Residual,
) -> Result<CheckpointInfo, Failure> {
    let manifest = samples.store().manifest();
    let mut spec = Preset::of(preset).model;
    if let ModelSpec::Almt(config) = &mut spec {
        config.sizes.residual = residual;
    }
    let inputs = Inputs(samples.sequences());
    let config = ModelConfig { spec, inputs, bert: None };
    if let Some(problem) = config.problem() {
        return Err(NetworkError::NoModel { problem }.into());
    }
    let store_digest = manifest.digest.clone();
    let tokens = TokenChoice::TextBert;
    let (form, dataset) = (None, preset);
    Ok(CheckpointInfo { config, form, tokens, dataset, store_digest, seed: 0, epoch: 0 })
}

/// Says what was padded or cut.
fn print_lengths(split: SplitName, lengths: &[FittedLength]) {
    lengths.iter().for_each(|length| outln!("  {split}/{length}"));
}

fn check_dataset(checkpoint: &Checkpoint, samples: &Samples, path: &Path) -> Result<(), Failure> {
    let (expected, found) = (checkpoint.info.dataset, samples.store().manifest().dataset);
    if expected == found {
        return Ok(());
    }
    let problem = format!("was trained on {}, the store holds {}", expected.title(), found.title());
    Err(Failure::at(path, problem))
}

fn modalities_of(checkpoint: &Checkpoint) -> Vec<Modality> {
    checkpoint.info.config.inputs.0.keys().copied().collect()
}
