//! Selects the executable for commands that need libtorch.

use std::ffi::OsString;
use std::process::ExitCode;

use super::Failure;
use super::train::{self, TrainerCommand};

/// Runs the commands that need libtorch.
///
/// Loading libtorch takes a third of a second in every call of a program linked to it. So `almt-data`
/// itself is not: [`ELSEWHERE`] passes such commands on to the neighbouring executable
/// `almt-data-train`, which is the same program with [`HERE`] instead.
#[derive(Debug, Clone, Copy)]
pub struct Trainer(Runner);

#[derive(Debug, Clone, Copy)]
enum Runner {
    #[cfg(feature = "train")]
    Here(fn(TrainerCommand) -> Result<ExitCode, Failure>),
    Elsewhere(fn(&[OsString]) -> Result<ExitCode, Failure>),
}

/// The trainer of the executable linked to libtorch.
#[cfg(feature = "train")]
pub const HERE: Trainer = Trainer(Runner::Here(train::run));

/// The trainer of the executable without libtorch.
pub const ELSEWHERE: Trainer = Trainer::new(train::elsewhere);

impl Trainer {
    /// A trainer that is another program: `run` receives the arguments after the program's name, the
    /// first of which is the command. Without the cargo feature `train` they are passed on unread, so
    /// that the other program answers requests for help, too.
    pub const fn new(run: fn(&[OsString]) -> Result<ExitCode, Failure>) -> Trainer {
        Trainer(Runner::Elsewhere(run))
    }

    /// Runs a command, which was parsed from `arguments`.
    pub(super) fn run(
        self,
        command: TrainerCommand,
        arguments: &[OsString],
    ) -> Result<ExitCode, Failure> {
        match (self.0, command) {
            #[cfg(feature = "train")]
            (Runner::Here(run), command) => run(command),
            (Runner::Elsewhere(run), _) => run(arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str], trainer: fn(&[OsString]) -> Result<ExitCode, Failure>) -> ExitCode {
        let arguments = std::iter::once("almt-data").chain(arguments.iter().copied());
        crate::cli::run(arguments.map(OsString::from), Trainer::new(trainer))
    }

    #[test]
    fn another_program_receives_the_arguments_and_decides_the_exit_code() {
        let code = run(&["models", "--json"], |arguments| {
            assert_eq!(arguments, ["models", "--json"]);
            Ok(ExitCode::from(7))
        });
        assert_eq!(code, ExitCode::from(7));
        let code = run(&["models"], |_| Err(Failure::new("there is none")));
        assert_eq!(code, ExitCode::FAILURE);
    }

    /// Otherwise the options are known here, and clap describes them.
    #[cfg(not(feature = "train"))]
    #[test]
    fn unknown_options_and_requests_for_help_are_passed_on() {
        let code = run(&["train", "--help", "-h", "--lr=1", "a", "--", "--lr"], |arguments| {
            assert_eq!(arguments, ["train", "--help", "-h", "--lr=1", "a", "--", "--lr"]);
            Ok(ExitCode::from(7))
        });
        assert_eq!(code, ExitCode::from(7));
    }
}
