//! Selects the executable for commands that need libtorch.

use std::process::ExitCode;

use super::Failure;
use super::train::{self, TrainerCommand};

/// Runs the commands that need libtorch.
///
/// Loading libtorch takes a third of a second in every call of a program linked to it. So `almt-data`
/// itself is not: [`ELSEWHERE`] passes such commands on to the neighbouring executable
/// `almt-data-train`, which is the same program with [`HERE`] instead.
#[derive(Debug, Clone, Copy)]
pub struct Trainer(fn(TrainerCommand) -> Result<ExitCode, Failure>);

/// The trainer of the executable linked to libtorch.
#[cfg(feature = "train")]
pub const HERE: Trainer = Trainer(train::run);

/// The trainer of the executable without libtorch.
pub const ELSEWHERE: Trainer = Trainer(train::elsewhere);

impl Trainer {
    /// Runs a command.
    pub(super) fn run(self, command: TrainerCommand) -> Result<ExitCode, Failure> {
        (self.0)(command)
    }
}
