//! The `almt-data` program: see the library's [`almt_data::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    almt_data::cli::main(almt_data::cli::ELSEWHERE)
}
