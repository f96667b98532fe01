//! Which executable does the commands that need libtorch.

use std::process::ExitCode;

use super::Failure;
use super::train::{self, TrainerCommand};

/// What does the work of the commands that need libtorch.
///
/// To load libtorch takes a third of a second, which every call of a program that is linked to it
/// pays. So `almt-data` itself is not: [`ELSEWHERE`] hands such commands to the executable
/// `almt-data-train` beside it, which is the same program with [`HERE`] in its place.
#[derive(Debug, Clone, Copy)]
pub struct Trainer(fn(TrainerCommand) -> Result<ExitCode, Failure>);

/// The trainer of the executable that is linked to libtorch.
#[cfg(feature = "train")]
pub const HERE: Trainer = Trainer(train::run);

/// The trainer of the executable that is not.
pub const ELSEWHERE: Trainer = Trainer(train::elsewhere);

impl Trainer {
    /// Does a command.
    pub(super) fn run(self, command: TrainerCommand) -> Result<ExitCode, Failure> {
        (self.0)(command)
    }
}
