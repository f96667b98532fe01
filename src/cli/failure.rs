//! Why a command failed or was called wrongly, in words for the user.

use std::io;
use std::path::Path;

use clap::Args;
use clap::error::ErrorKind;

use super::advice::hint;
use crate::advice::{Advise, StoreAdvice};
use crate::chain::{chain, failed};

/// A run that failed, in words for the user.
///
/// The first line is the cause with file and place, further lines are hints.
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

    /// A file that the system keeps; `action` is what was tried.
    pub(super) fn io(path: &Path, action: &str, error: &io::Error) -> Failure {
        Failure::at(path, failed(action, error))
    }

    /// Adds advice on a line of its own.
    pub(super) fn hint(mut self, hint: impl std::fmt::Display) -> Failure {
        self.message.push_str(&format!("\n  hint: {hint}"));
        self
    }

    /// Adds what an error advises.
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

/// The failure to write an output.
pub(super) fn cannot_write(output: &Path, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::at(output, "already exists").hint(hint(&StoreAdvice::Overwrite.into()))
        }
        _ => Failure::io(output, "write", &error),
    }
}

/// Ends the program as clap does after a call that it cannot make sense of.
pub(super) fn wrong_call<A: Args>(command: &'static str, kind: ErrorKind, problem: &str) -> ! {
    A::augment_args(clap::Command::new(command)).error(kind, problem).exit()
}
