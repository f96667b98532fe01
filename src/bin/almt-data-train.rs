//! The part of the program that is linked to libtorch: `almt-data` hands `encode`,
//! `train` and `eval` to it.

use std::process::ExitCode;

fn main() -> ExitCode {
    almt_data::cli::main(almt_data::cli::HERE)
}
