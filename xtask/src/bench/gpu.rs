//! `cargo xtask bench gpu`: training on a GPU compared with PyTorch. `xtask/peer/gpu.py` does all the
//! work, and can be run alone on a machine without Rust.

use std::process::Command;

use super::convert::{build_program, program};
use crate::run::{root, run};
use crate::test::torch_packages;

/// Prints one table; `args` are passed to the script.
pub fn gpu(args: &[String]) -> Result<(), String> {
    build_program()?;
    let mut bench = Command::new("python3");
    let mut has_torch = Command::new("python3");
    has_torch.args(["-c", "import torch; assert torch.__version__.startswith('2.11.')"]);
    if !has_torch.output().is_ok_and(|output| output.status.success()) {
        torch_packages()?;
        bench.env("PYTHONPATH", root().join(".python-torch"));
    }
    run(bench.arg(root().join("xtask/peer/gpu.py")).arg(program()?).args(args))
}
