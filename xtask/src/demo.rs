//! `cargo xtask demo`: the whole pipeline from scratch, on a small synthetic dataset.

use std::fs;
use std::process::Command;

use crate::run::{build_folder, cargo, root, run};
use crate::setup::setup;

/// Sets up, builds, and runs synth, convert, validate, train, eval and report in the folder `demo`;
/// `args` are passed to `cargo build`.
pub fn demo(args: &[String]) -> Result<(), String> {
    setup()?;
    // Without Polars, which takes a third of a cold build and only writes Parquet.
    let features = ["--no-default-features", "--features", "train"];
    run(cargo().args(["build", "--bins"]).args(features).args(args))?;
    let is_release = args.iter().any(|arg| arg == "--release" || arg == "-r");
    let program = build_folder(if is_release { "release" } else { "debug" })?.join("almt-data");
    let folder = root().join("demo");
    fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    let steps: &[&[&str]] = &[
        &["synth", "--dataset", "mosi", "--output", "mosi.pkl", "--overwrite"],
        &["convert", "mosi.pkl", "--overwrite"],
        &["validate", "mosi.h5"],
        &[
            "train",
            "--store",
            "mosi.h5",
            "--epochs",
            "12",
            "--lr",
            "1e-3",
            "--out",
            "run",
            "--overwrite",
        ],
        &["eval", "--store", "mosi.h5", "--checkpoint", "run", "--split", "test"],
        &["report", "run", "--output", "report.html", "--overwrite"],
    ];
    for step in steps {
        eprintln!("\n$ almt-data {}", step.join(" "));
        run(Command::new(&program).args(*step).current_dir(&folder))?;
    }
    let report = folder.join("report.html");
    println!("\nOpen {} in a browser: curves, confusion matrices, errors.", report.display());
    println!("To try it on a file of your own:");
    println!("  cargo install --path {}", root().display());
    println!("  almt-data inspect YOUR.pkl");
    println!("  almt-data convert YOUR.pkl");
    println!("  almt-data validate");
    Ok(())
}
