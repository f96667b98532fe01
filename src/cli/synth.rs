//! `almt-data synth`: writes a small, learnable pickle in the MMSA layout.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Failure, output};
use crate::corpus::Dataset;
use crate::synth::{self, SynthOptions};
use crate::words::human_bytes;

/// Write a synthetic pickle in the MMSA layout, learnable from all three modalities
#[derive(Args)]
pub struct SynthArgs {
    /// Dataset to imitate (shapes, types and label grid): mosi, mosei, sims or simsv2
    #[arg(long, default_value = "mosi", hide_possible_values = true)]
    dataset: Dataset,
    /// Give each modality its own length, as in the unaligned files of CMU-MOSI and CMU-MOSEI; always
    /// so for CH-SIMS
    #[arg(long)]
    unaligned: bool,
    /// Give each modality information that the others lack: text half of the label's variance, audio
    /// and vision a quarter each. Half of the audio and vision features, and about half of their
    /// frames, are distractors [default: each modality has all the information]
    #[arg(long)]
    complementary: bool,
    /// Training segments; validation gets a quarter of that, test a half
    #[arg(long, default_value_t = 192, value_parser = super::number::within::<u32>(4, 100_000))]
    samples: u32,
    /// Random seed
    #[arg(long, default_value_t = 1, value_parser = super::number::from::<u64>(0))]
    seed: u64,
    /// Output pickle [default: `DATASET.pkl` in the current folder]
    #[arg(short, long, value_name = "PICKLE")]
    output: Option<PathBuf>,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
}

/// A pickle that was written.
#[derive(Serialize)]
pub struct SynthReport {
    #[serde(serialize_with = "output::path")]
    output: PathBuf,
    dataset: Dataset,
    n_bytes: u64,
}

/// Writes one pickle.
pub fn run(args: SynthArgs) -> Result<SynthReport, Failure> {
    let dataset = args.dataset;
    let output = args.output.unwrap_or_else(|| format!("{dataset}.pkl").into());
    let options = SynthOptions {
        dataset,
        unaligned: args.unaligned,
        complementary: args.complementary,
        n_train: args.samples as usize,
        seed: args.seed,
        overwrite: args.overwrite,
    };
    let n_bytes = synth::synth(&output, &options)?.n_bytes;
    Ok(SynthReport { output, dataset, n_bytes })
}

/// Writes one pickle, and prints where.
pub fn synth(args: SynthArgs) -> Result<ExitCode, Failure> {
    let SynthReport { output, dataset, n_bytes } = run(args)?;
    let (title, size) = (dataset.title(), human_bytes(n_bytes));
    outln!("{}  {title} shapes, synthetic, {size}", output.display());
    Ok(ExitCode::SUCCESS)
}
