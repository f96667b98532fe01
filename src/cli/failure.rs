//! Why a command failed or was called wrongly, in words for the user.

use std::path::Path;

use clap::Args;
use clap::error::ErrorKind;

use crate::export::ExportError;
use crate::pickle::PickleError;

/// A run that failed, in words for the user.
///
/// The first line is the cause with file and place, further lines are hints.
#[derive(Debug)]
pub struct Failure {
    pub(super) message: String,
}

impl Failure {
    /// A failure in one file.
    pub(super) fn at(path: &Path, problem: impl std::fmt::Display) -> Failure {
        Failure { message: format!("{}: {problem}", path.display()) }
    }

    pub(super) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into() }
    }

    /// Adds advice on a line of its own.
    pub(super) fn hint(mut self, hint: impl std::fmt::Display) -> Failure {
        self.message.push_str(&format!("\n  hint: {hint}"));
        self
    }
}

/// The failure to read a pickle, with its hint.
pub(super) fn pickle_failure(path: &Path, error: &PickleError) -> Failure {
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

impl From<crate::run::RunError> for Failure {
    fn from(error: crate::run::RunError) -> Failure {
        Failure::new(error.to_string())
    }
}

/// The failure to write an output.
pub(super) fn cannot_write(output: &Path, error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::at(output, "exists already").hint("`--overwrite` replaces it")
        }
        _ => Failure::at(output, format!("cannot write: {error}")),
    }
}

/// The failure to export a store.
pub(super) fn export_failure(output: &Path, error: ExportError) -> Failure {
    match error {
        ExportError::Store(error) => error.into(),
        ExportError::Write(error) => cannot_write(output, error),
        ExportError::Unfit { .. } | ExportError::NoParquet => Failure::at(output, error),
    }
}

/// Ends the program as clap does after a call that it cannot make sense of.
pub(super) fn wrong_call<A: Args>(command: &'static str, kind: ErrorKind, problem: &str) -> ! {
    A::augment_args(clap::Command::new(command)).error(kind, problem).exit()
}
