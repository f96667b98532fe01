//! `cargo xtask test`: set-up and every test of the workspace.

use crate::run::{cargo, pip, root, run};
use crate::setup::setup;

/// Sets up and runs the tests; `args` go to `cargo test`.
pub fn test(args: &[String]) -> Result<(), String> {
    setup()?;
    python_packages()?;
    // With this variable set, a test that needs Python fails where it would be skipped.
    run(cargo()
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(args)
        .env("ALMT_DATA_TEST_PYTHON", "1"))
}

/// Tests compare with what Python itself reads: these folders hold the packages for that.
pub fn python_packages() -> Result<(), String> {
    let names = ["numpy", "h5py", "pyarrow", "jsonschema", "duckdb", "pandas", "tensorboard"];
    packages(".python", "test-python", &names, "500 MB")?;
    packages(".python-numpy1", "test-python-numpy1", &["numpy"], "80 MB")
}

/// PyTorch with everything that it needs, 4 GB, for what is compared with it outside the tests.
pub fn torch_packages() -> Result<(), String> {
    packages(".python-torch", "torch", &["torch", "numpy"], "4.7 GB")
}

/// MMSA alone: of what it asks for, its data loader needs only NumPy and PyTorch.
pub fn mmsa_package() -> Result<(), String> {
    packages_with(".python-mmsa", "mmsa", &["MMSA"], "1 MB", &["--no-deps"])
}

/// What MMSA's MAG-BERT is built of, beside PyTorch.
pub fn transformers_package() -> Result<(), String> {
    packages(".python-transformers", "transformers", &["transformers"], "220 MB")
}

fn packages(folder: &str, requirements: &str, names: &[&str], size: &str) -> Result<(), String> {
    packages_with(folder, requirements, names, size, &[])
}

/// Installs the packages of a requirements file into a folder that does not have them yet.
fn packages_with(
    folder: &str,
    requirements: &str,
    names: &[&str],
    size: &str,
    flags: &[&str],
) -> Result<(), String> {
    let place = root().join(folder);
    if names.iter().all(|name| place.join(name).exists()) {
        return Ok(());
    }
    eprintln!("setup: downloading {} into {folder} ({size} on disk)", names.join(", "));
    let mut pip = pip("install");
    pip.args(flags)
        .arg("--target")
        .arg(&place)
        .arg("--requirement")
        .arg(root().join(format!("xtask/requirements/{requirements}.txt")));
    run(&mut pip)
}
