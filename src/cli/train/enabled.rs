//! Runs the commands that need libtorch, here or in the executable that is linked to it.

mod again;
mod cache;
mod compare;
mod devices;
mod encode;
mod eval;
mod export_weights;
mod fit;
mod jobs;
mod models;
mod reproduce;
mod show;

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use clap::Subcommand;

use crate::chain::chain;
use crate::cli::Failure;
use crate::train::memory::Work;
use crate::train::within::within;

#[derive(Subcommand)]
pub enum TrainerCommand {
    Encode(encode::EncodeArgs),
    Train(Box<fit::TrainArgs>),
    Resume(again::ResumeArgs),
    Repeat(again::RepeatArgs),
    Eval(eval::EvalArgs),
    Predict(eval::PredictArgs),
    Compare(compare::CompareArgs),
    ExportWeights(export_weights::ExportWeightsArgs),
    Reproduce(reproduce::ReproduceArgs),
    Models(models::ModelsArgs),
    Devices(devices::DevicesArgs),
}

/// Runs a command in the executable that is linked to libtorch.
pub fn run(command: TrainerCommand) -> Result<ExitCode, Failure> {
    jobs::follow_parent()?;
    crate::train::prepare_process()?;
    // Errors about batches are more specific, further in.
    within(Work::Model, || Ok(dispatch(command)))?
}

fn dispatch(command: TrainerCommand) -> Result<ExitCode, Failure> {
    match command {
        TrainerCommand::Encode(args) => encode::encode(args),
        TrainerCommand::Train(args) => fit::train(*args),
        TrainerCommand::Resume(args) => again::resume(&args),
        TrainerCommand::Repeat(args) => again::repeat(&args),
        TrainerCommand::Eval(args) => eval::eval(args),
        TrainerCommand::Predict(args) => eval::predict(args),
        TrainerCommand::Compare(args) => compare::compare(args),
        TrainerCommand::ExportWeights(args) => export_weights::export_weights(args),
        TrainerCommand::Reproduce(args) => reproduce::reproduce(args),
        TrainerCommand::Models(args) => models::models(args),
        TrainerCommand::Devices(args) => Ok(devices::devices(&args)),
    }
}

/// Continues as the neighbouring executable that is linked to libtorch; returns only on failure.
pub fn elsewhere(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    use std::os::unix::process::CommandExt;
    let this = std::env::current_exe().map_err(|error| Failure::new(chain(&error)))?;
    let trainer = this.with_file_name("almt-data-train");
    let mut command = Command::new(&trainer);
    // Spinning time of a waiting thread. The default exceeds the system's time slices, so that next to
    // other work most of the time would be spent spinning.
    if ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"].iter().all(|name| std::env::var_os(name).is_none()) {
        command.env("GOMP_SPINCOUNT", "30000");
    }
    let error = command.args(arguments).exec();
    Err(Failure::at(&trainer, format!("cannot start the trainer: {}", chain(&error)))
        .hint("`cargo install --path .` puts it beside `almt-data`; keep the two together"))
}
