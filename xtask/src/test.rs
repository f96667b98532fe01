//! `cargo xtask test`: set-up and every test of the workspace.

use crate::run::{cargo, run};
use crate::setup::{Variant, setup};

/// Sets up and runs the tests; `args` go to `cargo test`.
pub fn test(args: &[String]) -> Result<(), String> {
    setup(Variant::Cpu)?;
    run(cargo().args(["test", "--workspace"]).args(args))
}
