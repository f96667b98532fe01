//! Failures of commands and invalid calls, worded for users.

use std::fmt;
use std::io;
use std::path::Path;

use clap::Args;
use clap::error::ErrorKind;
use serde::{Serialize, Serializer};

use super::advice::hint;
use crate::advice::{Advise, StoreAdvice};
use crate::chain::{chain, failed};

/// A command's failure, worded for users.
///
/// The first line is the cause with file and place, all others are hints. An invalid call is described
/// by clap, with the usage of the command.
#[derive(Debug)]
pub struct Failure {
    /// All lines but the hints; all lines of an invalid call.
    text: String,
    hints: Vec<String>,
    /// An invalid call, which clap prints in its own style; or a request for help, which it answers.
    call: Option<clap::Error>,
}

impl Failure {
    /// A failure with its cause in words, without a hint.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { text: message.into(), hints: Vec::new(), call: None }
    }

    /// A failure in one file.
    pub(super) fn at(path: &Path, problem: impl Into<String>) -> Failure {
        Failure::new(format!("{}: {}", path.display(), problem.into()))
    }

    /// A file that the system denies; `action` was attempted.
    pub(super) fn io(path: &Path, action: &str, error: &io::Error) -> Failure {
        Failure::at(path, failed(action, error))
    }

    /// Adds a hint on a separate line.
    pub fn hint(mut self, hint: impl fmt::Display) -> Failure {
        self.hints.push(hint.to_string());
        self
    }

    /// Adds the hints for an error's advice.
    pub(super) fn advised(self, error: &impl Advise) -> Failure {
        error.advice().iter().fold(self, |failure, advice| failure.hint(hint(advice)))
    }

    /// The cause; of an invalid call with what is missing or possible, in one line.
    pub fn message(&self) -> String {
        let mut lines = self.text.lines();
        let first = lines.next().unwrap_or_default();
        let more = lines.map_while(|line| line.strip_prefix("  ")).map(str::trim);
        let more: Vec<&str> = more.filter(|line| !line.starts_with("tip: ")).collect();
        match more.is_empty() || self.call.is_none() {
            true => first.into(),
            false => format!("{} {}", first.trim_end(), more.join(", ")),
        }
    }

    /// Possible fixes, best first; of an invalid call, what it may have meant.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The program's exit code: 2 after an invalid call, otherwise 1.
    pub fn code(&self) -> u8 {
        match &self.call {
            // Help is a failure only on the way to the terminal.
            Some(error) if !error.use_stderr() => 0,
            Some(_) => 2,
            None => 1,
        }
    }

    /// Prints all lines for users of the program.
    pub(super) fn print(&self) {
        match &self.call {
            // Who closed the terminal needs no description of the call.
            Some(error) => drop(error.print()),
            None => errln!("error: {self}"),
        }
    }
}

/// All lines, as the program prints them after `error: `.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.call {
            // Its text contains the tips.
            Some(_) => Ok(()),
            None => self.hints.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}")),
        }
    }
}

impl std::error::Error for Failure {}

/// All lines as one text, like the failures in the reports on stores.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An invalid call.
impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Failure {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let tips = text.lines().filter_map(|line| line.strip_prefix("  tip: "));
        Failure {
            hints: tips.map(String::from).collect(),
            text: text.to_owned(),
            call: Some(error),
        }
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

/// The failure of a call that is invalid for a reason unknown to clap.
pub(super) fn wrong_call<A: Args>(
    command: &'static str,
    kind: ErrorKind,
    problem: &str,
) -> Failure {
    A::augment_args(clap::Command::new(command)).error(kind, problem).into()
}
