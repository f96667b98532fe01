//! The trainer's commands in a build without libtorch: they explain how to get one.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::Failure;

#[derive(Subcommand)]
pub enum TrainerCommand {
    /// Compute the text features of a store (not in this build)
    Encode(Rest),
    /// Train a model on a store (not in this build)
    Train(Rest),
    /// Go on with a run that was stopped (not in this build)
    Resume(Rest),
    /// Do a run again and compare every digest (not in this build)
    Repeat(Rest),
    /// Evaluate a checkpoint on a store (not in this build)
    Eval(Rest),
    /// Write a checkpoint's predictions (not in this build)
    Predict(Rest),
    /// Compare the predictions of two runs (not in this build)
    Compare(Rest),
    /// Write a run's weights for other programs (not in this build)
    ExportWeights(Rest),
    /// Train the models of the paper's tables and figures (not in this build)
    Reproduce(Rest),
    /// List the models that can be trained (not in this build)
    Models(Rest),
    /// List the devices that training can use (not in this build)
    Devices(Rest),
}

#[derive(Args)]
pub struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// Reports that this build has no trainer.
pub fn elsewhere(command: TrainerCommand) -> Result<ExitCode, Failure> {
    let name = match command {
        TrainerCommand::Encode(_) => "encode",
        TrainerCommand::Train(_) => "train",
        TrainerCommand::Resume(_) => "resume",
        TrainerCommand::Repeat(_) => "repeat",
        TrainerCommand::Eval(_) => "eval",
        TrainerCommand::Predict(_) => "predict",
        TrainerCommand::Compare(_) => "compare",
        TrainerCommand::ExportWeights(_) => "export-weights",
        TrainerCommand::Reproduce(_) => "reproduce",
        TrainerCommand::Models(_) => "models",
        TrainerCommand::Devices(_) => "devices",
    };
    let problem = format!("`{name}` is not in this build: it was made without libtorch");
    Err(Failure::new(problem)
        .hint("build it with the cargo feature `train`, which is on by default"))
}
