//! Failures of commands and invalid calls, worded for users.

use std::io;
use std::path::Path;

use clap::Args;
use clap::error::ErrorKind;

use super::advice::hint;
use crate::advice::{Advise, StoreAdvice};
use crate::chain::{chain, failed};

/// A command's failure, worded for users.
///
/// The first line is the cause with file and place, all others are hints.
#[derive(Debug)]
pub struct Failure {
    message: String,
}

impl Failure {
    /// A failure in one file.
    pub(super) fn at(path: &Path, problem: impl Into<String>) -> Failure {
        Failure { message: format!("{}: {}", path.display(), problem.into()) }
    }

    pub(super) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into() }
    }

    /// A file that the system denies; `action` was attempted.
    pub(super) fn io(path: &Path, action: &str, error: &io::Error) -> Failure {
        Failure::at(path, failed(action, error))
    }

    /// Adds a hint on a separate line.
    pub(super) fn hint(mut self, hint: impl std::fmt::Display) -> Failure {
        self.message.push_str(&format!("\n  hint: {hint}"));
        self
    }

    /// Adds the hints for an error's advice.
    pub(super) fn advised(self, error: &impl Advise) -> Failure {
        error.advice().iter().fold(self, |failure, advice| failure.hint(hint(advice)))
    }

    /// All lines.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

/// An error that names its file.
impl<E: Advise + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::new(chain(&error)).advised(&error)
    }
}

/// The failure to write an output file.
pub(super) fn cannot_write(output: &Path, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::at(output, "already exists").hint(hint(&StoreAdvice::Overwrite.into()))
        }
        _ => Failure::io(output, "write", &error),
    }
}

/// Exits like clap after an invalid call.
pub(super) fn wrong_call<A: Args>(command: &'static str, kind: ErrorKind, problem: &str) -> ! {
    A::augment_args(clap::Command::new(command)).error(kind, problem).exit()
}
