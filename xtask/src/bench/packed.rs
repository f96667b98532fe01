//! `cargo xtask bench packed`: conversion of compressed pickles compared with that of the plain one,
//! and with `zcat` or `xzcat` piped to `pickle.load`.
//!
//! The file is that of `bench convert`, 548 MB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::convert::{build_program, mosi_pickle, program};
use super::measure::{Cost, measure, median};
use crate::run::{root, run};
use crate::test::python_packages;

const N_TURNS: usize = 3;

/// Extension, packing command, unpacking command.
const WAYS: [(&str, &[&str], &str); 2] =
    [("gz", &["gzip", "-6"], "zcat"), ("xz", &["xz", "-3", "-T2"], "xzcat")];

/// Prints a table and the ratios.
pub fn packed(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("`bench packed` takes no arguments".into());
    }
    build_program()?;
    python_packages()?;
    let folder = root().join("bench");
    let plain = mosi_pickle(&folder, 1)?;
    let mut rows: Vec<(String, Vec<Cost>)> = vec![("convert, plain".into(), Vec::new())];
    let mut files = Vec::new();
    for (ending, pack, unpack) in WAYS {
        files.push((pack_as(&plain, ending, pack)?, unpack));
        rows.push((format!("convert, .{ending}"), Vec::new()));
        rows.push((format!("{unpack} | pickle.load"), Vec::new()));
    }
    for turn in 1..=N_TURNS {
        eprintln!("bench: turn {turn} of {N_TURNS}");
        let mut costs = vec![convert(&plain, &folder)?];
        for (file, unpack) in &files {
            costs.push(convert(file, &folder)?);
            costs.push(load(file, unpack)?);
        }
        for ((_, all), cost) in rows.iter_mut().zip(costs) {
            all.push(cost);
        }
    }
    println!("{:<24} {:>8} {:>14}", "", "seconds", "anonymous MiB");
    for (name, costs) in &rows {
        let seconds = median(costs.iter().map(|cost| cost.seconds));
        let peak = costs.iter().map(|cost| cost.peak_kib).max().unwrap_or(0);
        println!("{name:<24} {seconds:>8.2} {:>14.1}", peak as f64 / 1024.0);
    }
    for ((ending, ..), pair) in WAYS.iter().zip(rows.get(1..).unwrap_or_default().chunks(2)) {
        if let [(_, ours), (_, theirs)] = pair {
            let ratios = ours.iter().zip(theirs).map(|(a, b)| a.seconds / b.seconds);
            println!("«convert, .{ending}» takes {:.2} times as long", median(ratios));
        }
    }
    Ok(())
}

/// The packed file, created once.
fn pack_as(plain: &Path, ending: &str, pack: &[&str]) -> Result<PathBuf, String> {
    let mut name = plain.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    let packed = PathBuf::from(name);
    if !packed.exists() {
        eprintln!("bench: writing {}", packed.display());
        let [program, flags @ ..] = pack else { return Err("no program".into()) };
        run(Command::new(program).args(flags).arg("--keep").arg(plain))?;
    }
    Ok(packed)
}

fn convert(file: &Path, folder: &Path) -> Result<Cost, String> {
    let output = folder.join("packed.h5");
    let mut command = Command::new(program()?);
    command.arg("convert").arg(file).arg("--output").arg(&output).arg("--no-sync");
    // Unpacked data are on the same disk as everything else.
    let cost = measure(command.env("TMPDIR", folder))?;
    let _ = fs::remove_file(&output);
    run(&mut Command::new("sync"))?;
    Ok(cost)
}

fn load(file: &Path, unpack: &str) -> Result<Cost, String> {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root().join(".python"));
    measure(command.arg(root().join("xtask/peer/packed.py")).arg(unpack).arg(file))
}
