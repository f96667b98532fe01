//! `cargo xtask bench align`: aligning computational sequences of the size of CMU-MOSEI, compared with the
//! CMU SDK on a tenth of the videos.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::convert::{build_program, program};
use super::measure::{measure, median};
use crate::run::{output, root, run};
use crate::test::sdk_package;

/// Videos of CMU-MOSEI, and those that the SDK aligns.
const N_VIDEOS: usize = 3228;
const N_PEER_VIDEOS: usize = 323;

const N_TURNS: usize = 3;

/// Prints times per row of all sequences, and their ratio.
pub fn align(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("`bench align` takes no arguments".into());
    }
    build_program()?;
    sdk_package()?;
    let (all, some) = (sequences("align", N_VIDEOS)?, sequences("align-tenth", N_PEER_VIDEOS)?);
    let (n_rows, n_peer_rows) = (rows(&all)?, rows(&some)?);
    let (mut ours, mut theirs, mut peak_kib) = (Vec::new(), Vec::new(), 0);
    for turn in 1..=N_TURNS {
        eprintln!("bench: turn {turn} of {N_TURNS}");
        let text = output(script().arg("time").arg(&some))?;
        theirs.push(number(&text)? / n_peer_rows);
        let store = all.join("store.h5");
        let cost = measure(&mut ours_of(&all, &store)?)?;
        ours.push(cost.seconds / n_rows);
        peak_kib = peak_kib.max(cost.peak_kib);
        let _ = fs::remove_file(&store);
        run(&mut Command::new("sync"))?;
    }
    let ratio = median(ours.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours));
    let line = |name: &str, n_videos: usize, n: f64, each: f64| {
        println!("{name:<12} {n_videos:>5} videos {n:>10.0} rows {:>8.2} µs per row", each * 1e6);
    };
    line("SDK 0.0.6", N_PEER_VIDEOS, n_peer_rows, median(theirs.iter().copied()));
    line("almt-data", N_VIDEOS, n_rows, median(ours.iter().copied()));
    println!("anonymous memory of almt-data: {:.1} MiB", peak_kib as f64 / 1024.0);
    println!("«SDK» takes {ratio:.0} times as long per row");
    Ok(())
}

/// The folder of the sequences of so many videos, written once.
fn sequences(name: &str, n_videos: usize) -> Result<PathBuf, String> {
    let folder = root().join("bench").join(name);
    if !folder.join("rows").exists() {
        eprintln!("bench: writing {}", folder.display());
        let n_rows = output(script().arg("make").arg(&folder).arg(n_videos.to_string()))?;
        fs::write(folder.join("rows"), n_rows).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

fn rows(folder: &Path) -> Result<f64, String> {
    let text = fs::read_to_string(folder.join("rows")).map_err(|error| error.to_string())?;
    number(&text)
}

fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is no number"))
}

fn script() -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root().join(".python-sdk"));
    command.arg(root().join("xtask/peer/align.py"));
    command
}

/// As the SDK's steps in the script: to the words, by the mean, then to the labels.
fn ours_of(folder: &Path, store: &Path) -> Result<Command, String> {
    let file = |name: &str| folder.join(format!("{name}.csd"));
    let mut command = Command::new(program()?);
    command.arg("align").arg("--reference").arg(file("words")).arg("--labels").arg(file("labels"));
    for name in ["audio", "vision"] {
        command.arg("--sequence").arg(format!("{name}={}", file(name).display()));
    }
    command.args(["--folds", "none", "--dataset", "mosei", "--no-sync", "--output"]).arg(store);
    // Aligned features are on the same disk as everything else.
    command.env("TMPDIR", root().join("bench"));
    Ok(command)
}
