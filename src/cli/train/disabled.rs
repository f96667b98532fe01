//! `almt-data train` and `eval` in a build without libtorch: they say how to get one.

use clap::Args;

use crate::cli::{Failure, Trainer};

/// Train ALMT on a store (not in this build)
#[derive(Args)]
pub struct TrainArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// Evaluate a checkpoint on a store (not in this build)
#[derive(Args)]
pub struct EvalArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// Says that this build has no trainer.
pub const ELSEWHERE: Trainer =
    Trainer { train: |_| Err(no_trainer("train")), eval: |_| Err(no_trainer("eval")) };

fn no_trainer(command: &str) -> Failure {
    Failure::new(format!("`{command}` is not in this build: it was made without libtorch"))
        .hint("build it with the cargo feature `train`, which is on by default")
}
