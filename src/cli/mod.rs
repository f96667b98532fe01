//! The command line: one file per subcommand, each of which parses, calls the library and prints.
//!
//! Data go to standard output, talk goes to standard error. Exit codes: 0 done, 1 bad data or a
//! failed run, 2 the call was wrong.

#[macro_use]
mod output;

mod convert;
mod copy;
#[cfg_attr(feature = "train", path = "encode/enabled.rs")]
#[cfg_attr(not(feature = "train"), path = "encode/disabled.rs")]
mod encode;
mod export;
mod form;
mod inspect;
mod limits;
mod progress;
mod scan;
mod schema;
mod split;
mod stats;
mod synth;
#[cfg_attr(feature = "train", path = "train/enabled.rs")]
#[cfg_attr(not(feature = "train"), path = "train/disabled.rs")]
mod train;
mod validate;

use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::pickle::PickleError;

/// Convert, validate and inspect the feature files of CMU-MOSI, CMU-MOSEI and CH-SIMS, and train
/// ALMT on them.
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
    Split(split::SplitArgs),
    Scan(scan::ScanArgs),
    Encode(encode::EncodeArgs),
    Train(train::TrainArgs),
    Eval(train::EvalArgs),
    Export(export::ExportArgs),
    Synth(synth::SynthArgs),
    Schema(schema::SchemaArgs),
}

/// What does the work of the commands that need libtorch.
///
/// To load libtorch takes a third of a second, which every call of a program that is linked to it
/// pays. So `almt-data` itself is not: [`ELSEWHERE`] hands such commands to the executable
/// `almt-data-train` beside it, which is the same program with [`HERE`] in its place.
#[derive(Clone, Copy)]
pub struct Trainer {
    train: fn(train::TrainArgs) -> Result<ExitCode, Failure>,
    eval: fn(train::EvalArgs) -> Result<ExitCode, Failure>,
}

/// All commands that need libtorch: those of the trainer, and `encode`.
#[derive(Clone, Copy)]
pub struct Linked {
    trainer: Trainer,
    encode: fn(encode::EncodeArgs) -> Result<ExitCode, Failure>,
}

/// The commands in the executable that is linked to libtorch.
#[cfg(feature = "train")]
pub const HERE: Linked = Linked { trainer: train::HERE, encode: encode::here };

/// The commands in the executable that is not.
pub const ELSEWHERE: Linked = Linked { trainer: train::ELSEWHERE, encode: encode::elsewhere };

/// Goes on as the executable beside this one that is linked to libtorch; returns only on failure.
#[cfg(feature = "train")]
fn hand_over() -> Result<ExitCode, Failure> {
    use std::os::unix::process::CommandExt;
    let this = std::env::current_exe().map_err(|error| Failure::new(error.to_string()))?;
    let linked = this.with_file_name("almt-data-train");
    let error = std::process::Command::new(&linked).args(std::env::args_os().skip(1)).exec();
    Err(Failure::at(&linked, format!("cannot start the program: {error}"))
        .hint("`cargo install --path .` puts it beside `almt-data`; keep the two together"))
}

/// A run that failed, in words for the user.
///
/// The first line is the cause with file and place, further lines are hints.
#[derive(Debug)]
pub struct Failure {
    message: String,
}

impl Failure {
    /// A failure in one file.
    fn at(path: &Path, problem: impl std::fmt::Display) -> Failure {
        Failure { message: format!("{}: {problem}", path.display()) }
    }

    fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into() }
    }

    /// Adds advice on a line of its own.
    fn hint(mut self, hint: impl std::fmt::Display) -> Failure {
        self.message.push_str(&format!("\n  hint: {hint}"));
        self
    }
}

/// The failure to read a pickle, with its hint.
fn pickle_failure(path: &Path, error: &PickleError) -> Failure {
    let failure = Failure::at(path, error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Failure {
        Failure::new(error.to_string())
    }
}

/// Ends the program as clap does after a call that it cannot make sense of.
fn wrong_call<A: Args>(command: &'static str, kind: ErrorKind, problem: &str) -> ! {
    A::augment_args(clap::Command::new(command)).error(kind, problem).exit()
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Bytes of a file, or of all files in a folder.
fn size_on_disk(path: &Path) -> u64 {
    let Ok(entries) = path.read_dir() else {
        return path.metadata().map_or(0, |meta| meta.len());
    };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

/// Runs the program on the process's arguments, in the executable that `linked` belongs to.
pub fn main(linked: Linked) -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Convert(args) => convert::convert(args),
        Command::Copy(args) => copy::copy(args),
        Command::Validate(args) => validate::validate(args),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Stats(args) => stats::stats(args),
        Command::Split(args) => split::split(args),
        Command::Scan(args) => Ok(scan::scan(args)),
        Command::Encode(args) => (linked.encode)(args),
        Command::Train(args) => (linked.trainer.train)(args),
        Command::Eval(args) => (linked.trainer.eval)(args),
        Command::Export(args) => export::export(args),
        Command::Synth(args) => synth::synth(args),
        Command::Schema(args) => schema::schema(args),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            ExitCode::FAILURE
        }
    }
}
