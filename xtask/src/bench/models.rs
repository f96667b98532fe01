//! `cargo xtask bench models`: a training step of each MMSA model, compared with MMSA's own in eager
//! PyTorch.
//!
//! Both train the published configuration for CMU-MOSI on the same synthetic file, on two threads, one
//! after the other. Text features replace the text encoder's output; only MAG-BERT, which is part of
//! its encoder, has one, a small random BERT. The peer is `xtask/peer/models.py`, which is first
//! compared with the golden files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::convert::{build_program, program};
use super::measure::{measure, measure_with_output, median};
use super::train::train_seconds;
use crate::run::{root, run};
use crate::test::{mmsa_package, torch_packages, transformers_package};

/// Threads of both.
const N_THREADS: usize = 2;

/// A model and its data.
struct Case {
    model: &'static str,
    /// Whether its published configuration requires aligned files.
    aligned: bool,
    /// As published; the peer requires it.
    batch_size: usize,
    /// A multiple of the samples per optimizer step, so that neither side has a remainder.
    n_samples: usize,
    /// The first one is a warm-up and does not count. Few enough to avoid early stopping.
    n_epochs: usize,
}

/// Steps take milliseconds, so there are more epochs.
const QUICK: Case = Case { model: "", aligned: false, batch_size: 0, n_samples: 256, n_epochs: 8 };

/// Steps take long.
const SLOW: Case = Case { n_epochs: 3, ..QUICK };

const CASES: [Case; 8] = [
    Case { model: "tfn", batch_size: 32, ..QUICK },
    Case { model: "lmf", batch_size: 64, ..QUICK },
    Case { model: "mfm", batch_size: 64, aligned: true, ..SLOW },
    // One optimizer step per epoch, after eight batches of seconds each.
    Case { model: "mult", batch_size: 16, n_samples: 128, n_epochs: 2, ..SLOW },
    Case { model: "misa", batch_size: 16, ..QUICK },
    Case { model: "mag_bert", batch_size: 32, aligned: true, ..SLOW },
    Case { model: "self_mm", batch_size: 16, ..QUICK },
    Case { model: "mmim", batch_size: 32, ..QUICK },
];

/// Time and memory of a run: seconds per batch, and peak memory.
struct Took {
    seconds: f64,
    kib: u64,
}

/// Prints one table; `args` name the models; all if empty.
pub fn models(args: &[String]) -> Result<(), String> {
    let is_known = |name: &String| CASES.iter().any(|case| case.model == name);
    if let Some(name) = args.iter().find(|name| !is_known(name)) {
        let known = CASES.map(|case| case.model).join(", ");
        return Err(format!("`bench models` has no model `{name}`\n  hint: it has {known}"));
    }
    build_program()?;
    torch_packages()?;
    mmsa_package()?;
    transformers_package()?;
    let folder = root().join("bench");
    fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    let cases: Vec<&Case> = CASES
        .iter()
        .filter(|case| args.is_empty() || args.iter().any(|name| name == case.model))
        .collect();
    for case in &cases {
        let golden = root().join("fixtures/golden");
        run(peer("check").arg(mmsa()).arg(case.model).arg(golden))?;
    }
    println!(
        "{:<10} {:>12} {:>12} {:>16} {:>10} {:>10}",
        "", "ours s/step", "MMSA s/step", "PyTorch / ours", "ours MiB", "MMSA MiB"
    );
    for case in cases {
        let files = Files::of(&folder, case)?;
        let ours = ours(&folder, case, &files)?;
        let theirs = theirs(case, &files)?;
        let ratio = theirs.seconds / ours.seconds;
        let [mib, their_mib] = [&ours, &theirs].map(|took| took.kib as f64 / 1024.0);
        println!(
            "{:<10} {:>12.4} {:>12.4} {ratio:>16.1} {mib:>10.0} {their_mib:>10.0}",
            case.model, ours.seconds, theirs.seconds
        );
    }
    Ok(())
}

/// Input of both sides of a case.
struct Files {
    pickle: PathBuf,
    store: PathBuf,
    /// The text encoder of MAG-BERT.
    bert: Option<PathBuf>,
}

impl Files {
    /// Creates the missing files.
    fn of(folder: &Path, case: &Case) -> Result<Files, String> {
        let alignment = if case.aligned { "aligned" } else { "unaligned" };
        let name = format!("models-{alignment}-{}", case.n_samples);
        let pickle = folder.join(&name).with_extension("pkl");
        let store = folder.join(&name).with_extension("h5");
        if !store.exists() {
            let mut synth = Command::new(program()?);
            synth.args(["synth", "--dataset", "mosi", "--overwrite"]);
            synth.args(["--samples", &case.n_samples.to_string()]);
            if !case.aligned {
                synth.arg("--unaligned");
            }
            measure(synth.arg("--output").arg(&pickle))?;
            let mut convert = Command::new(program()?);
            convert.arg("convert").arg(&pickle).arg("--output").arg(&store);
            measure(convert.args(["--dataset", "mosi"]))?;
        }
        let bert = match case.model {
            "mag_bert" => {
                let bert = folder.join("models-bert");
                if !bert.join("model.safetensors").exists() {
                    run(peer("bert").arg(&bert))?;
                }
                Some(bert)
            }
            _ => None,
        };
        Ok(Files { pickle, store, bert })
    }
}

/// Cost of `almt-data train`.
fn ours(folder: &Path, case: &Case, files: &Files) -> Result<Took, String> {
    let out = folder.join("models-run");
    let _ = fs::remove_dir_all(&out);
    let mut command = Command::new(program()?);
    command.arg("train").arg("--store").arg(&files.store).arg("--out").arg(&out);
    command.args(["--model", case.model, "--batch-size", &case.batch_size.to_string()]);
    command.args(["--epochs", &case.n_epochs.to_string(), "--threads", &N_THREADS.to_string()]);
    command.args(["--device", "cpu"]);
    if let Some(bert) = &files.bert {
        command.args(["--text", "bert", "--bert"]).arg(bert);
    }
    let (cost, _) = measure_with_output(&mut command)?;
    let log = out.join("metrics.jsonl");
    let text =
        fs::read_to_string(&log).map_err(|e| format!("cannot read {}: {e}", log.display()))?;
    let n_batches = case.n_samples / case.batch_size;
    let seconds = text.lines().filter_map(train_seconds);
    let seconds: Vec<f64> = seconds.map(|seconds| seconds / n_batches as f64).collect();
    took(case, &seconds, cost.peak_kib)
}

/// Cost of MMSA's own trainer.
fn theirs(case: &Case, files: &Files) -> Result<Took, String> {
    let mut command = peer("step");
    command.arg(mmsa()).arg(case.model).arg(&files.pickle);
    command.args([case.batch_size, case.n_epochs, N_THREADS].map(|number| number.to_string()));
    command.args(&files.bert);
    let (cost, output) = measure_with_output(&mut command)?;
    let numbers = output.trim().trim_matches(['[', ']']).split(", ");
    let seconds: Vec<f64> = numbers.filter_map(|number| number.parse().ok()).collect();
    took(case, &seconds, cost.peak_kib)
}

/// The median of all epochs but the first.
fn took(case: &Case, seconds: &[f64], kib: u64) -> Result<Took, String> {
    match seconds {
        [_, rest @ ..] if seconds.len() == case.n_epochs => {
            Ok(Took { seconds: median(rest.iter().copied()), kib })
        }
        _ => Err(format!(
            "{}: expected the times of {} epochs, found {seconds:?}",
            case.model, case.n_epochs
        )),
    }
}

/// The folder of the MMSA package.
fn mmsa() -> PathBuf {
    root().join(".python-mmsa")
}

/// A call of the peer, without the warnings and progress of its libraries.
fn peer(what: &str) -> Command {
    let folders = [".python-torch", ".python-transformers"].map(|folder| root().join(folder));
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", std::env::join_paths(folders).unwrap_or_default());
    command.envs([("TQDM_DISABLE", "1"), ("TRANSFORMERS_VERBOSITY", "error")]);
    command.args(["-W", "ignore"]).arg(root().join("xtask/peer/models.py")).arg(what);
    command
}
