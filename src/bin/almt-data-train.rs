//! The part of the program that is linked to libtorch: `almt-data` passes `encode`, `train` and `eval`
//! on to it.

use std::process::ExitCode;

fn main() -> ExitCode {
    almt_data::cli::main(almt_data::cli::HERE)
}
