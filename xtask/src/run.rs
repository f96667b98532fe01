//! The repository's folder, and running other programs in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's root folder.
pub fn root() -> PathBuf {
    let mut dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    dir.pop();
    dir
}

/// Where the builds of a profile are: `debug` or `release`.
pub fn build_folder(profile: &str) -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = this.parent().and_then(Path::parent).ok_or("no target folder")?;
    Ok(target.join(profile))
}

/// What the tests are built of. The module for Python has no test in Rust, but its dependencies then have
/// the same features in its wheel as here, and are compiled once.
pub const PACKAGES: [&str; 6] =
    ["--package", "almt-data", "--package", "almt-data-python", "--package", "xtask"];

/// A `cargo` call in the root folder, with the cargo that runs this task.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // The inner cargo reads the repository's own configuration; these two would name this package.
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_PKG_NAME");
    command
}

/// A call of the user's own pip that prints only errors: it installs into folders of this repository,
/// so neither conflicting system packages nor root privileges matter.
pub fn pip(task: &str) -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", task, "--quiet", "--disable-pip-version-check"]);
    if task == "install" {
        pip.args(["--no-warn-conflicts", "--no-warn-script-location", "--upgrade"]);
    }
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    // pip reports on standard output; a task's standard output belongs to its own results.
    pip.stdout(Stdio::from(std::io::stderr()));
    pip
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    let status = command.status().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
}

/// Runs a command to its end and returns what it printed.
pub fn output(command: &mut Command) -> Result<String, String> {
    let shown = show(command);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("`{shown}` failed ({})", output.status)),
    }
}

/// The command as a person would type it.
pub fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
