//! `almt-data encode` in a build without libtorch: it says how to get one.

use std::process::ExitCode;

use clap::Args;

use crate::cli::Failure;

/// Compute the text features of a store (not in this build)
#[derive(Args)]
pub struct EncodeArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// Says that this build has no encoder.
pub fn elsewhere(_: EncodeArgs) -> Result<ExitCode, Failure> {
    Err(Failure::new("`encode` is not in this build: it was made without libtorch")
        .hint("build it with the cargo feature `train`, which is on by default"))
}
