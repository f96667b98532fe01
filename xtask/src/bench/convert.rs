//! `cargo xtask bench convert [--scale N]`: conversion compared with plain Python, `cp`, and SHA-256
//! alone.
//!
//! The file has the shapes and types of unaligned CMU-MOSI: 548 MB with float32 text and float64
//! audio and vision; with `--scale`, N times as many segments.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::measure::{Cost, measure, median};
use crate::run::{build_folder, cargo, root, run};
use crate::setup::setup;
use crate::test::python_packages;

/// Turns at the default size; larger files only measure memory, which does not vary.
const N_TURNS: usize = 5;

/// Training segments for which `synth` makes 2199 in all, as in CMU-MOSI.
const N_TRAIN: usize = 1257;

struct Contender {
    name: &'static str,
    /// The files that it writes, removed before each turn so that every turn writes new ones.
    output: PathBuf,
    commands: Vec<Command>,
    costs: Vec<Cost>,
}

/// Prints one table.
pub fn convert(args: &[String]) -> Result<(), String> {
    let scale = match args {
        [] => 1,
        [flag, number] if flag == "--scale" => number
            .parse::<usize>()
            .ok()
            .filter(|scale| (1..=70).contains(scale))
            .ok_or("`--scale` takes a number from 1 to 70")?,
        _ => return Err("`bench convert` takes only `--scale N`".into()),
    };
    build_program()?;
    python_packages()?;
    let folder = root().join("bench");
    let program = program()?;
    let pickle = mosi_pickle(&folder, scale)?;
    let mut contenders = contenders(&program, &pickle, &folder, scale);
    let n_turns = if scale == 1 { N_TURNS } else { 1 };
    for turn in 1..=n_turns {
        for contender in &mut contenders {
            eprintln!("bench: turn {turn} of {n_turns}: {}", contender.name);
            let cost = take_turn(contender)?;
            contender.costs.push(cost);
        }
    }
    report(&pickle, &contenders)
}

/// Builds the program in the form to measure.
pub fn build_program() -> Result<(), String> {
    setup()?;
    run(cargo().args(["build", "--release"]))
}

/// A pickle with the shapes and types of unaligned CMU-MOSI and `scale` times as many segments.
pub fn mosi_pickle(folder: &Path, scale: usize) -> Result<PathBuf, String> {
    fs::create_dir_all(folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    let pickle = folder.join(format!("mosi-{scale}.pkl"));
    if !pickle.exists() {
        eprintln!("bench: writing {}", pickle.display());
        let samples = (N_TRAIN * scale).to_string();
        let args = ["synth", "--dataset", "mosi", "--unaligned", "--samples", &samples];
        run(Command::new(program()?).args(args).arg("--output").arg(&pickle))?;
    }
    Ok(pickle)
}

/// The release build, wherever cargo puts it.
pub fn program() -> Result<PathBuf, String> {
    Ok(build_folder("release")?.join("almt-data"))
}

fn contenders(program: &Path, pickle: &Path, folder: &Path, scale: usize) -> Vec<Contender> {
    let contender = |name, output: &str, commands: &dyn Fn(&Path) -> Vec<Command>| {
        let output = folder.join(output);
        let commands = commands(&output);
        Contender { name, output, commands, costs: Vec::new() }
    };
    let cp = |output: &Path| {
        let mut command = Command::new("cp");
        command.arg(pickle).arg(output);
        command
    };
    let ours = |output: &Path, flags: &[&str]| {
        let mut command = Command::new(program);
        command.arg("convert").arg(pickle).arg("--output").arg(output).args(flags);
        command
    };
    let mut all = vec![
        contender("cp", "copy.pkl", &|output| vec![cp(output)]),
        contender("almt-data convert --no-sync", "ours.h5", &|output| {
            vec![ours(output, &["--no-sync"])]
        }),
        contender("cp; sync", "copy.pkl", &|output| {
            let mut sync = Command::new("sync");
            sync.arg(output);
            vec![cp(output), sync]
        }),
        contender("almt-data convert", "ours.h5", &|output| vec![ours(output, &[])]),
        contender("sha256sum", "none", &|_| {
            let mut command = Command::new("python3");
            let script = "import hashlib, sys\nwith open(sys.argv[1], 'rb') as file:\n    \
                          hashlib.file_digest(file, 'sha256')";
            command.args(["-c", script]).arg(pickle);
            vec![command]
        }),
    ];
    // At ten times the size, Python needs as many gigabytes as the file has.
    if scale == 1 {
        all.push(contender("Python: pickle.load, check, h5py", "python.h5", &|output| {
            let mut command = Command::new("python3");
            command.env("PYTHONPATH", root().join(".python"));
            command.arg(root().join("xtask/peer/convert.py")).arg(pickle).arg(output);
            vec![command]
        }));
    }
    all
}

fn take_turn(contender: &mut Contender) -> Result<Cost, String> {
    let mut total = Cost::default();
    for command in &mut contender.commands {
        let cost = measure(command)?;
        total.seconds += cost.seconds;
        total.peak_kib = total.peak_kib.max(cost.peak_kib);
    }
    // Removed and synced outside the measured time, so that no turn pays for the previous one.
    let _ = fs::remove_file(&contender.output);
    run(&mut Command::new("sync"))?;
    Ok(total)
}

fn report(pickle: &Path, contenders: &[Contender]) -> Result<(), String> {
    let size = pickle.metadata().map_err(|error| error.to_string())?.len();
    let n_turns = contenders.first().map_or(0, |contender| contender.costs.len());
    println!("{}: {:.0} MB, median of {n_turns} turns", pickle.display(), size as f64 / 1e6);
    println!("{:<34} {:>8} {:>8} {:>14}", "", "seconds", "least", "anonymous MiB");
    for contender in contenders {
        let seconds = contender.costs.iter().map(|cost| cost.seconds);
        let least = seconds.clone().fold(f64::INFINITY, f64::min);
        let peak = contender.costs.iter().map(|cost| cost.peak_kib).max().unwrap_or(0);
        let (median, mib) = (median(seconds), peak as f64 / 1024.0);
        println!("{:<34} {median:>8.2} {least:>8.2} {mib:>14.1}", contender.name);
    }
    println!();
    ratio(contenders, "almt-data convert --no-sync", "cp");
    ratio(contenders, "almt-data convert", "cp; sync");
    ratio(contenders, "sha256sum", "cp");
    ratio(contenders, "Python: pickle.load, check, h5py", "almt-data convert --no-sync");
    Ok(())
}

/// The median over turns of the time of `one` relative to `other` in the same turn.
fn ratio(contenders: &[Contender], one: &str, other: &str) {
    let find = |name| contenders.iter().find(|contender| contender.name == name);
    if let (Some(a), Some(b)) = (find(one), find(other)) {
        let ratios = a.costs.iter().zip(&b.costs).map(|(a, b)| a.seconds / b.seconds);
        println!("«{one}» takes {:.2} times as long as «{other}»", median(ratios));
    }
}
