//! The command line: one file per subcommand, each of which parses, calls the library and prints.
//!
//! Data go to standard output, talk goes to standard error. Exit codes: 0 done, 1 bad data or a
//! failed run, 2 the call was wrong.

#[macro_use]
mod output;

mod advice;
mod chart;
mod closed;
mod complete;
mod convert;
mod copy;
mod export;
mod failure;
mod form;
mod inspect;
mod labels;
mod limits;
mod manual;
mod number;
mod packed;
mod progress;
mod report;
mod runs;
mod scan;
mod schema;
mod split;
mod stats;
mod stores;
mod synth;
mod target;
mod texts;
#[cfg_attr(feature = "train", path = "train/enabled.rs")]
#[cfg_attr(not(feature = "train"), path = "train/disabled.rs")]
mod train;
mod trainer;
mod validate;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use advice::hint;
pub use failure::Failure;
use failure::{cannot_write, wrong_call};
pub use trainer::ELSEWHERE;
#[cfg(feature = "train")]
pub use trainer::HERE;
pub use trainer::Trainer;

#[cfg(feature = "train")]
use crate::paths::{same_file, size_on_disk};

/// Convert, validate and inspect the feature files of CMU-MOSI, CMU-MOSEI and CH-SIMS, and train and
/// evaluate ALMT and eight other models on them
#[derive(Parser)]
#[command(name = "almt-data", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Convert(convert::ConvertArgs),
    Copy(copy::CopyArgs),
    Validate(validate::ValidateArgs),
    Inspect(inspect::InspectArgs),
    Stats(stats::StatsArgs),
    Labels(labels::LabelsArgs),
    Split(split::SplitArgs),
    Scan(scan::ScanArgs),
    #[command(flatten)]
    Trainer(Box<train::TrainerCommand>),
    Report(report::ReportArgs),
    Export(export::ExportArgs),
    Synth(synth::SynthArgs),
    Schema(schema::SchemaArgs),
    Manual(manual::ManualArgs),
}

/// Reads the process's arguments, or ends the program with what is wrong with them.
fn parse() -> Cli {
    let mut command = number::take_negative(Cli::command());
    let matches = command
        .try_get_matches_from_mut(std::env::args_os())
        .unwrap_or_else(|error| without_misleading_tip(error).exit());
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

/// Removes clap's tip to pass an unknown option as a value: a file with such a name is what nobody means.
fn without_misleading_tip(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::StyledStrs(mut tips)) = error.remove(ContextKind::Suggested) {
        tips.retain(|tip| !tip.to_string().contains("as a value, use"));
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
    error
}

/// Runs the program on the process's arguments, in the executable that `trainer` belongs to.
pub fn main(trainer: Trainer) -> ExitCode {
    complete::answer(Cli::command);
    let outcome = match parse().command {
        Command::Convert(args) => convert::convert(args),
        Command::Copy(args) => copy::copy(args),
        Command::Validate(args) => validate::validate(args),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Stats(args) => stats::stats(args),
        Command::Labels(args) => labels::labels(args),
        Command::Split(args) => split::split(args),
        Command::Scan(args) => Ok(scan::scan(args)),
        Command::Trainer(command) => trainer.run(*command),
        Command::Report(args) => report::report(args),
        Command::Export(args) => export::export(args),
        Command::Synth(args) => synth::synth(args),
        Command::Schema(args) => schema::schema(args),
        Command::Manual(args) => manual::manual(args, Cli::command()),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {}", failure.message());
            ExitCode::FAILURE
        }
    }
}
