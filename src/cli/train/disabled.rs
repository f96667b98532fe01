//! The trainer's commands in a build without libtorch: they explain how to get one.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::Failure;

#[derive(Subcommand)]
pub enum TrainerCommand {
    /// Compute the text features of a store (needs the trainer)
    Encode(Rest),
    /// Train a model on a store (needs the trainer)
    Train(Rest),
    /// Go on with a run that was stopped (needs the trainer)
    Resume(Rest),
    /// Do a run again and compare every digest (needs the trainer)
    Repeat(Rest),
    /// Evaluate a checkpoint on a store (needs the trainer)
    Eval(Rest),
    /// Write a checkpoint's predictions (needs the trainer)
    Predict(Rest),
    /// Compare the predictions of two runs (needs the trainer)
    Compare(Rest),
    /// Write a run's weights for other programs (needs the trainer)
    ExportWeights(Rest),
    /// Train the models of the paper's tables and figures (needs the trainer)
    Reproduce(Rest),
    /// List the models that can be trained (needs the trainer)
    Models(Rest),
    /// List the devices that training can use (needs the trainer)
    Devices(Rest),
}

/// Any arguments, also `--help`: only a build with the trainer knows what they mean.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

/// Reports that this build has no trainer.
pub fn elsewhere(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    let name = arguments.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    let problem = format!("`{name}` is not in this build: it was made without libtorch");
    Err(Failure::new(problem)
        .hint("build it with the cargo feature `train`, which is on by default"))
}
