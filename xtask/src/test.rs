//! `cargo xtask test`: runs the set-up and all tests of the workspace.

use crate::run::{PACKAGES, cargo, pip, root, run};
use crate::setup::setup;
use crate::wheel;

/// Sets up and runs the tests; `args` are passed to `cargo test`.
pub fn test(args: &[String]) -> Result<(), String> {
    setup()?;
    python_packages()?;
    // With this variable set, a test that needs Python fails instead of being skipped.
    run(cargo()
        .arg("test")
        .args(PACKAGES)
        .arg("--no-fail-fast")
        .args(args)
        // Idle threads of one program do not keep the processor from the others that run beside it.
        .env("OMP_WAIT_POLICY", "passive")
        .env("ALMT_DATA_TEST_PYTHON", "1"))?;
    // A filter is for the tests in Rust.
    if args.is_empty() { wheel::tests(&[]) } else { Ok(()) }
}

/// Packages for tests that compare with Python itself.
pub fn python_packages() -> Result<(), String> {
    let names =
        ["numpy", "h5py", "pyarrow", "jsonschema", "duckdb", "pandas", "matplotlib", "tensorboard"];
    packages(".python", "test-python", &names, "500 MB")?;
    packages(".python-numpy1", "test-python-numpy1", &["numpy"], "80 MB")
}

/// What builds and tests the Python package.
pub fn wheel_packages() -> Result<(), String> {
    packages(".python-wheel", "wheel", &["maturin", "auditwheel", "mypy", "pytest"], "90 MB")
}

/// PyTorch with all dependencies, 4 GB, for comparisons outside the tests.
pub fn torch_packages() -> Result<(), String> {
    packages(".python-torch", "torch", &["torch", "numpy"], "4.7 GB")
}

/// Only MMSA: of its dependencies, its data loader needs just NumPy and PyTorch.
pub fn mmsa_package() -> Result<(), String> {
    packages_with(".python-mmsa", "mmsa", &["MMSA"], "1 MB", &["--no-deps"])
}

/// What MMSA's metrics need.
pub fn sklearn_package() -> Result<(), String> {
    packages(".python-sklearn", "sklearn", &["sklearn"], "220 MB")
}

/// Dependencies of MMSA's MAG-BERT besides PyTorch.
pub fn transformers_package() -> Result<(), String> {
    packages(".python-transformers", "transformers", &["transformers"], "220 MB")
}

/// Only for comparing audio features.
pub fn librosa_package() -> Result<(), String> {
    packages(".python-librosa", "librosa", &["librosa", "soundfile.py"], "480 MB")
}

/// A copy of the CMU SDK, only for comparing speed.
pub fn sdk_package() -> Result<(), String> {
    packages(".python-sdk", "sdk", &["mmsdk"], "130 MB")
}

fn packages(folder: &str, requirements: &str, names: &[&str], size: &str) -> Result<(), String> {
    packages_with(folder, requirements, names, size, &[])
}

/// Installs the packages of a requirements file into a folder, unless already installed.
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
