//! Runs the program like a user, and reports everything on a mismatch.

#[cfg(target_os = "linux")]
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
#[cfg(target_os = "linux")]
use std::sync::OnceLock;

/// The hints of an error, as the program words them.
pub fn hint(error: &impl almt_data::advice::Advise) -> String {
    error.advice().iter().map(almt_data::cli::hint).collect::<Vec<_>>().join("\n")
}

/// What one call of the program did.
pub struct Call {
    shown: String,
    output: Output,
}

impl Call {
    /// Runs a command to its end.
    pub fn of(mut command: Command) -> Call {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        let shown = format!("almt-data {}", words.join(" "));
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
        Call { shown, output: output.expect("the program starts") }
    }

    pub fn code(&self) -> i32 {
        self.output
            .status
            .code()
            .unwrap_or_else(|| panic!("killed by a signal\n{}", self.explain()))
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub fn explain(&self) -> String {
        let (out, err) = (self.stdout(), self.stderr());
        format!("$ {}\n{}\n-- stdout\n{out}-- stderr\n{err}", self.shown, self.output.status)
    }

    /// Asserts success.
    pub fn ok(self) -> Call {
        assert_eq!(self.code(), 0, "{}", self.explain());
        self
    }

    /// Asserts exit code 1 and a cause on one line that has all of `parts`; hints may follow, and what
    /// was said of the run before it failed may come first.
    pub fn fails_with(self, parts: &[&str]) -> Call {
        assert_eq!(self.code(), 1, "{}", self.explain());
        let err = self.stderr();
        let mut lines = err.lines().skip_while(|line| !line.starts_with("error: "));
        let cause = lines.next().unwrap_or_else(|| panic!("no cause\n{}", self.explain()));
        for part in parts {
            assert!(cause.contains(part), "`{part}` is not in the cause\n{}", self.explain());
        }
        assert!(lines.all(|line| line.starts_with("  ")), "{}", self.explain());
        assert!(!err.contains("panicked"), "{}", self.explain());
        self
    }

    /// Asserts a hint below the cause that has `part`.
    pub fn hints_at(self, part: &str) -> Call {
        let err = self.stderr();
        let mut hints = err.lines().filter(|line| line.starts_with("  hint: "));
        assert!(hints.any(|hint| hint.contains(part)), "no hint has `{part}`\n{}", self.explain());
        self
    }
}

/// A call of the program in `folder`, without its output.
pub fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_almt-data"));
    command.args(args).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    // Tests run side by side: threads that wait must not keep the others from working.
    command.env("OMP_WAIT_POLICY", "passive");
    command
}

/// Calls the program in `folder`.
pub fn almt(folder: &Path, args: &[&str]) -> Call {
    Call::of(program(folder, args))
}

/// Names of all files in a folder, hidden ones too.
pub fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A file of real data, which the project itself must not hold; `None`, and a word about it, where
/// it is not there.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no real data ({name})");
    None
}

/// Runs a script of `tests/` with the Python packages that `cargo xtask test` brings; `None` where
/// they are not there, which is allowed only for a bare `cargo test`.
pub fn python(script: &str, args: &[&Path]) -> Option<String> {
    python_with(".python", script, args)
}

/// As [`python`], with the last NumPy of version 1 and no other package.
pub fn python_numpy1(script: &str, args: &[&Path]) -> Option<String> {
    python_with(".python-numpy1", script, args)
}

fn python_with(folder: &str, script: &str, args: &[&Path]) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join(folder);
    if !packages.join("numpy").exists() {
        let required = std::env::var_os("ALMT_DATA_TEST_PYTHON").is_some();
        assert!(!required, "the Python packages of the tests are not in {}", packages.display());
        println!("skipped: no {folder} (`cargo xtask test` brings it)");
        return None;
    }
    let output = Command::new("python3")
        .env("PYTHONPATH", &packages)
        .arg(root.join("tests").join(script))
        .args(args)
        .output()
        .expect("python3 starts");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed\n{err}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A synthetic dataset, converted: `NAME.pkl` and `NAME.h5` in `folder`.
pub fn synthetic_store(folder: &Path, dataset: &str, samples: &str) -> PathBuf {
    almt(folder, &["synth", "--dataset", dataset, "--samples", samples]).ok();
    almt(folder, &["convert", &format!("{dataset}.pkl")]).ok();
    folder.join(format!("{dataset}.h5"))
}

/// Has a call fail at an exact moment, as `faults.c` says: `faults` are its variables.
#[cfg(target_os = "linux")]
pub fn with_faults(mut command: Command, faults: &[(&str, &str)]) -> Command {
    static LIBRARY: OnceLock<(tempfile::TempDir, OsString)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("faults.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
        assert!(compiler.status().expect("a C compiler").success());
        (folder, library.into_os_string())
    });
    command.env("LD_PRELOAD", library).envs(faults.iter().copied());
    command
}

/// Runs a call to its end, and says how many calls that change files it made, and the most memory
/// that it asked for at once.
#[cfg(target_os = "linux")]
pub fn counted(command: Command, folder: &Path) -> [u64; 2] {
    let counts = folder.join("counts");
    let path = counts.to_str().unwrap();
    assert!(with_faults(command, &[("ALMT_FAULT_COUNT", path)]).status().unwrap().success());
    let text = std::fs::read_to_string(&counts).unwrap();
    std::fs::remove_file(&counts).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    [(); 2].map(|()| numbers.next().unwrap())
}

/// Runs a call that ends by its own hand, as `fault` says.
#[cfg(target_os = "linux")]
pub fn killed(command: Command, fault: (&str, &str)) {
    use std::os::unix::process::ExitStatusExt;
    let status = with_faults(command, &[fault]).status().unwrap();
    assert_eq!(status.signal(), Some(9), "{fault:?} was not reached: {status}");
}
