//! `cargo xtask test`: set-up and every test of the workspace.

use std::process::{Command, Stdio};

use crate::run::{cargo, root, run};
use crate::setup::{Variant, setup};

/// Sets up and runs the tests; `args` go to `cargo test`.
pub fn test(args: &[String]) -> Result<(), String> {
    setup(Variant::Cpu)?;
    python_packages()?;
    // With this variable set, a test that needs Python fails where it would be skipped.
    run(cargo().args(["test", "--workspace"]).args(args).env("ALMT_DATA_TEST_PYTHON", "1"))
}

/// Tests compare with what Python itself reads: `.python` holds the packages for that.
pub fn python_packages() -> Result<(), String> {
    let place = root().join(".python");
    if place.join("h5py").exists() && place.join("numpy").exists() {
        return Ok(());
    }
    eprintln!("test: fetching numpy and h5py");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"])
        .arg("--target")
        .arg(&place)
        .arg("--requirement")
        .arg(root().join("xtask/requirements/test-python.txt"))
        .stdout(Stdio::from(std::io::stderr()));
    run(&mut pip)
}
