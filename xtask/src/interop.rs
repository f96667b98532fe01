//! `cargo xtask interop --mmsa`: the exports, read by the programs that they are for. Not part of the
//! tests, since it takes PyTorch.

use std::fs;
use std::process::Command;

use crate::bench::release_program;
use crate::run::{root, run};
use crate::test::{mmsa_package, torch_packages};

/// Dataset, its file's alignment, and how `synth` makes it.
const CASES: [(&str, &str, &[&str]); 4] = [
    ("mosi", "unaligned", &["--unaligned"]),
    ("mosi", "aligned", &[]),
    ("mosei", "unaligned", &["--unaligned"]),
    ("sims", "unaligned", &[]),
];

/// Converts and exports, and has the data loader of MMSA read what came of it.
pub fn mmsa() -> Result<(), String> {
    torch_packages()?;
    mmsa_package()?;
    let program = release_program()?;
    let folder = root().join("bench/interop");
    fs::create_dir_all(&folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
    let call = |args: &[&str]| run(Command::new(&program).args(args).current_dir(&folder));
    for (dataset, alignment, flags) in CASES {
        let synth = ["synth", "--dataset", dataset, "--samples", "64", "-o", "source.pkl"];
        call(&[&synth[..], flags, &["--overwrite"]].concat())?;
        call(&["convert", "source.pkl", "-o", "store.h5", "--overwrite", "--dataset", dataset])?;
        let export = ["export", "store.h5", "--to", "mmsa-pickle", "-o", "export.pkl"];
        call(&[&export[..], &["--overwrite"]].concat())?;
        let mut check = Command::new("python3");
        check.env("PYTHONPATH", root().join(".python-torch")).current_dir(&folder);
        check.arg(root().join("xtask/peer/mmsa.py")).arg(root().join(".python-mmsa"));
        run(check.args([dataset, alignment, "source.pkl", "export.pkl"]))?;
    }
    Ok(())
}
