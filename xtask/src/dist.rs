//! `cargo xtask dist`: builds the contents of a release in the folder `dist`: an archive of the programs,
//! and the wheels of the Python packages.

use std::fs;
use std::process::Command;

use crate::run::{cargo, output, root, run};
use crate::setup::{clear, setup};
use crate::wheel::wheel;

/// Files of the repository to include.
const TEXTS: [&str; 3] = ["LICENSE", "README.md", "CHANGELOG.md"];

/// Builds the programs, lets them write man pages and completions, and packs everything.
pub fn dist() -> Result<(), String> {
    setup()?;
    let dist = root().join("dist");
    let built = dist.join("almt-data");
    clear(&built)?;
    // This builds the release profile and puts both programs into one folder, wherever this checkout's
    // target folder is.
    run(cargo()
        .args(["install", "--locked", "--no-track", "--path", "."])
        .arg("--root")
        .arg(&built))?;
    let program = built.join("bin/almt-data");
    run(Command::new(&program).arg("manual").arg(built.join("share")))?;
    for name in TEXTS {
        let to = built.join(name);
        fs::copy(root().join(name), &to)
            .map_err(|error| format!("cannot write {}: {error}", to.display()))?;
    }
    let version = output(Command::new(&program).arg("--version"))?;
    let version = version.trim().replace(' ', "-");
    let name = format!("{version}-{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let archive = dist.join(format!("{name}.tar.gz"));
    // Neither times nor users, so that equal files give equal archives.
    run(Command::new("tar")
        .args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"])
        .arg(format!("--transform=s,^almt-data,{name},"))
        .args(["--create", "--gzip", "--directory"])
        .arg(&dist)
        .arg("--file")
        .arg(&archive)
        .arg("almt-data"))?;
    println!("{}", built.display());
    println!("{}", archive.display());
    wheel()
}
