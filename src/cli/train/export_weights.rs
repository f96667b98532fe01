//! `almt-data export-weights`: exports a run's weights for other programs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tch::Device;

use crate::cli::target::check_output;
use crate::cli::{Failure, runs};
use crate::train::{TrainError, checkpoint};

/// Export the weights of a run for another program
#[derive(Args)]
pub struct ExportWeightsArgs {
    /// Run folder, or its `best.safetensors`
    run: PathBuf,
    /// Target program
    #[arg(long)]
    to: Target,
    /// Output file [default: next to the checkpoint, named after the target]
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    /// The released PyTorch model: `model.load_state_dict(safetensors.torch.load_file(FILE))`
    Released,
}

/// Exports the weights of one run.
pub fn export_weights(args: ExportWeightsArgs) -> Result<ExitCode, Failure> {
    let source = runs::checkpoint(&args.run)?;
    let Target::Released = args.to;
    let output = args.output.unwrap_or_else(|| source.with_file_name("released.safetensors"));
    check_output(&output, args.overwrite, runs::inputs(&source))?;
    let checkpoint = checkpoint::load(&source, Device::Cpu).map_err(TrainError::from)?;
    let (n_tensors, blake3) = checkpoint::export(&output, &checkpoint).map_err(TrainError::from)?;
    outln!("{}  {n_tensors} tensors, blake3 {blake3}", output.display());
    Ok(ExitCode::SUCCESS)
}
