//! The command line: one file per subcommand, each of which parses, calls the library and prints.
//!
//! [`main`] is the program, and [`run`] the same for any arguments. [`call()`] runs a data command within
//! another program: it prints nothing, and returns what the command reports.
//!
//! Data go to standard output, talk goes to standard error. Exit codes: 0 done, 1 bad data or a
//! failed run, 2 the call was wrong.

#[macro_use]
mod output;

mod advice;
mod align;
mod build;
mod call;
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
mod made;
mod manual;
mod number;
mod packed;
mod progress;
mod report;
mod runs;
mod scale;
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
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use advice::hint;
pub use call::{call, opening};
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
    Align(Box<align::AlignArgs>),
    Build(build::BuildArgs),
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

/// Reads arguments, of which the first is the program's name. A request for help is an error, too.
fn parse(arguments: &[OsString]) -> Result<Command, clap::Error> {
    let mut command = number::take_negative(Cli::command());
    let matches = command.try_get_matches_from_mut(arguments).map_err(without_misleading_tip)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok(cli.command)
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
    run(std::env::args_os(), trainer)
}

/// Runs the program on arguments of which the first is its name, so that a process with arguments of
/// its own can be the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>, trainer: Trainer) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    dispatch(&arguments, trainer).unwrap_or_else(|failure| {
        failure.print();
        failure.code().into()
    })
}

fn dispatch(arguments: &[OsString], trainer: Trainer) -> Result<ExitCode, Failure> {
    if complete::answer(Cli::command, arguments)? {
        return Ok(ExitCode::SUCCESS);
    }
    match parse(arguments)? {
        Command::Convert(args) => convert::convert(args),
        Command::Align(args) => align::align(*args),
        Command::Build(args) => build::build(args),
        Command::Copy(args) => copy::copy(args),
        Command::Validate(args) => validate::validate(args),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Stats(args) => stats::stats(args),
        Command::Labels(args) => labels::labels(args),
        Command::Split(args) => split::split(args),
        Command::Scan(args) => Ok(scan::scan(args)),
        Command::Trainer(command) => trainer.run(*command, arguments.get(1..).unwrap_or_default()),
        Command::Report(args) => report::report(args),
        Command::Export(args) => export::export(args),
        Command::Synth(args) => synth::synth(args),
        Command::Schema(args) => schema::schema(args),
        Command::Manual(args) => manual::manual(args, Cli::command()),
    }
}
