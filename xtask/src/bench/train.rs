//! `cargo xtask bench train`: a training step in each form of the model, compared with the same model
//! in plain eager PyTorch.
//!
//! All train on random features of the real shapes, batch 64, two threads, without the text encoder.
//! The peer is `xtask/peer/almt.py`, which is first compared with the golden files.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::convert::{build_program, program};
use super::measure::{measure, measure_with_output, median};
use crate::run::{root, run};
use crate::test::torch_packages;

/// Threads of both.
const N_THREADS: usize = 2;

/// Samples per step, as in the paper.
const BATCH_SIZE: usize = 64;

/// Our steps per epoch; there are [`N_EPOCHS`] epochs.
const N_STEPS: usize = 4;

/// The first one is a warm-up and does not count.
const N_EPOCHS: usize = 4;

/// Our forms, the default first, as for `train --form`.
const FORMS: [&str; 4] = ["native", "batched", "absorbed", "reference"];

/// The steps of the reference form take seconds: it has fewer epochs.
const N_REFERENCE_EPOCHS: usize = 2;

/// Steps of the peer; the first one does not count.
const N_PEER_STEPS: usize = 3;

/// Dataset names in `synth` and in the golden files.
const CASES: [&str; 3] = ["mosi", "sims", "mosei"];

/// Prints one table.
pub fn train(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("`bench train` takes no arguments".into());
    }
    build_program()?;
    torch_packages()?;
    let folder = root().join("bench");
    fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    let golden = root().join("fixtures/golden");
    run(peer("check").arg(golden.join("model_tiny_official.safetensors")))?;
    println!("{:<8} {:<10} {:>8} {:>8} {:>16}", "", "", "s/step", "MiB", "PyTorch / ours");
    for dataset in CASES {
        let (theirs, their_kib) = theirs(&folder, dataset)?;
        let row = |name: &str, seconds: f64, kib: u64| {
            let (mib, ratio) = (kib as f64 / 1024.0, theirs / seconds);
            println!("{dataset:<8} {name:<10} {seconds:>8.3} {mib:>8.0} {ratio:>16.1}");
        };
        row("PyTorch", theirs, their_kib);
        for form in FORMS {
            let (seconds, kib) = ours(&folder, dataset, form)?;
            row(form, seconds, kib);
        }
    }
    Ok(())
}

/// Seconds per step and peak memory of `almt-data train` in one form.
fn ours(folder: &Path, dataset: &str, form: &str) -> Result<(f64, u64), String> {
    let n_epochs = if form == "reference" { N_REFERENCE_EPOCHS } else { N_EPOCHS };
    let program = program()?;
    let store = folder.join(format!("train-{dataset}.h5"));
    if !store.exists() {
        let pickle = folder.join(format!("train-{dataset}.pkl"));
        let samples = (N_STEPS * BATCH_SIZE).to_string();
        let args = ["synth", "--dataset", dataset, "--unaligned", "--samples", &samples];
        measure(Command::new(&program).args(args).arg("--output").arg(&pickle))?;
        let mut convert = Command::new(&program);
        convert.arg("convert").arg(&pickle).arg("--output").arg(&store);
        measure(convert.args(["--dataset", dataset]))?;
        let _ = fs::remove_file(&pickle);
    }
    let out = folder.join("train-run");
    let _ = fs::remove_dir_all(&out);
    let mut command = Command::new(&program);
    command.arg("train").arg("--store").arg(&store).arg("--out").arg(&out);
    command.args(["--epochs", &n_epochs.to_string(), "--threads", &N_THREADS.to_string()]);
    command.args(["--device", "cpu", "--form", form]);
    let (cost, _) = measure_with_output(&mut command)?;
    let log = out.join("metrics.jsonl");
    let text =
        fs::read_to_string(&log).map_err(|e| format!("cannot read {}: {e}", log.display()))?;
    let seconds: Vec<f64> = text.lines().skip(1).filter_map(train_seconds).collect();
    if seconds.len() != n_epochs - 1 {
        return Err(format!("{}: expected {n_epochs} epochs with `train_seconds`", log.display()));
    }
    Ok((median(seconds) / N_STEPS as f64, cost.peak_kib))
}

/// The number after `"train_seconds":` in a line of JSON written by this program.
pub fn train_seconds(line: &str) -> Option<f64> {
    let (_, rest) = line.split_once("\"train_seconds\":")?;
    rest.split([',', '}']).next()?.parse().ok()
}

/// Seconds per step and peak memory of plain eager PyTorch.
fn theirs(folder: &Path, dataset: &str) -> Result<(f64, u64), String> {
    let job = folder.join(format!("train-{dataset}.json"));
    let sizes = root().join("fixtures/golden/param_counts.json");
    let script = "import json, sys; sizes, job, dataset, threads, batch, steps = sys.argv[1:]; \
                  h = json.load(open(sizes))[dataset]['hyper_parameters']; \
                  json.dump({'hyper_parameters': h, 'threads': int(threads), \
                  'batch_size': int(batch), 'steps': int(steps)}, open(job, 'w'))";
    let numbers = [N_THREADS, BATCH_SIZE, N_PEER_STEPS].map(|number| number.to_string());
    let mut write_job = Command::new("python3");
    run(write_job.args(["-c", script]).arg(&sizes).arg(&job).arg(dataset).args(numbers))?;
    let (cost, output) = measure_with_output(peer("step").arg(&job))?;
    let seconds: Vec<f64> = output
        .trim()
        .trim_matches(['[', ']'])
        .split(", ")
        .skip(1)
        .filter_map(|number| number.parse().ok())
        .collect();
    if seconds.len() != N_PEER_STEPS - 1 {
        return Err(format!("the peer printed `{output}`"));
    }
    Ok((median(seconds), cost.peak_kib))
}

fn peer(what: &str) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root().join(".python-torch"));
    command.arg(root().join("xtask/peer/almt.py")).arg(what);
    command
}
