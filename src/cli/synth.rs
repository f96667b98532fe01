//! `almt-data synth`: a small pickle in the MMSA layout, with something to learn in it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::corpus::Dataset;
use crate::synth::{self, SynthOptions};
use crate::words::human_bytes;

/// Write a synthetic pickle in the MMSA layout, learnable from all three modalities
#[derive(Args)]
pub struct SynthArgs {
    /// Dataset whose shapes, types and label grid it has: mosi, mosei, sims or simsv2
    #[arg(long, default_value = "mosi", hide_possible_values = true)]
    dataset: Dataset,
    /// Each modality at its own rate, as the unaligned files of CMU-MOSI and CMU-MOSEI have them;
    /// those of CH-SIMS always have
    #[arg(long)]
    unaligned: bool,
    /// Each modality carries a part of the label that the others lack: text half of its variance,
    /// audio and vision a quarter each. Half of the features of audio and vision, and about half of
    /// their frames, are distractors that carry none [default: each modality carries all of it]
    #[arg(long)]
    complementary: bool,
    /// Segments in the training split; validation has a quarter, test a half of it
    #[arg(long, default_value_t = 192, value_parser = super::number::within::<u32>(4, 100_000))]
    samples: u32,
    /// Seed of all values
    #[arg(long, default_value_t = 1, value_parser = super::number::from::<u64>(0))]
    seed: u64,
    /// Where the pickle goes; the default is `DATASET.pkl` in the current folder
    #[arg(short, long, value_name = "PICKLE")]
    output: Option<PathBuf>,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
}

/// Writes one pickle.
pub fn synth(args: SynthArgs) -> Result<ExitCode, Failure> {
    let output = args.output.unwrap_or_else(|| format!("{}.pkl", args.dataset).into());
    let options = SynthOptions {
        dataset: args.dataset,
        unaligned: args.unaligned,
        complementary: args.complementary,
        n_train: args.samples as usize,
        seed: args.seed,
        overwrite: args.overwrite,
    };
    let written = synth::synth(&output, &options)?;
    outln!(
        "{}  {} shapes, synthetic, {}",
        output.display(),
        args.dataset.title(),
        human_bytes(written.n_bytes)
    );
    Ok(ExitCode::SUCCESS)
}
