//! Installs libtorch into `.libtorch` and CMake into `.cmake`, the two dependencies that cargo cannot
//! download; and, for GPUs, libtorch's CUDA part into `.libtorch-cuda`, which the program loads on
//! demand.
//!
//! Both are downloaded as wheels by the user's own `pip download`, so mirrors, proxies and caches
//! configured for pip work here too. pip compares every file with the SHA-256 in `xtask/requirements`.
//! Files are unpacked next to their final place and moved there by one rename: an interrupted set-up
//! leaves only a `.part` folder, which the next one removes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{pip, root, run};

/// The wheels in `requirements` are for this interpreter tag, whatever the local Python is: they are
/// only unpacked, never imported.
const WHEEL_TAGS: &[&str] = &[
    "--python-version=3.11",
    "--implementation=cp",
    "--abi=cp311",
    "--abi=none",
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_27_x86_64",
    "--platform=manylinux_2_25_x86_64",
    "--platform=manylinux_2_18_x86_64",
    "--platform=manylinux2014_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux1_x86_64",
    "--platform=any",
];

const OLDEST_CMAKE: (u32, u32) = (3, 26);

/// Makes the repository buildable; a no-op when it already is.
pub fn setup() -> Result<(), String> {
    cmake()?;
    libtorch()
}

/// Downloads the files for using GPUs (about 3 GB); a no-op if present.
pub fn cuda() -> Result<(), String> {
    setup()?;
    let place = root().join(".libtorch-cuda");
    if place.join("lib/libtorch_cuda.so").exists() {
        return Ok(());
    }
    supported()?;
    eprintln!("setup: downloading the CUDA part of libtorch 2.11.0 (3 GB)");
    install("libtorch-cuda", &place, |_| Ok(()))
}

/// Downloads the six-layer encoder (80 MB) into `.bert/minilm`; a no-op if present.
pub fn minilm() -> Result<(), String> {
    let place = root().join(".bert/minilm");
    if place.join("model.safetensors").exists() {
        return Ok(());
    }
    eprintln!("minilm: downloading all-MiniLM-L6-v2 (80 MB)");
    install("minilm", &place, |_| Ok(()))
}

fn libtorch() -> Result<(), String> {
    let place = root().join(".libtorch");
    for name in ["LIBTORCH_USE_PYTORCH", "LIBTORCH"] {
        // `.cargo/config.toml` sets LIBTORCH to our own folder unless the user sets it.
        if std::env::var_os(name).is_some_and(|value| Path::new(&value) != place) {
            eprintln!("setup: {name} is set: using that libtorch");
            return Ok(());
        }
    }
    // The folder of an earlier set-up may lack CUDA's headers.
    if place.join("include/cuda/cuda_runtime_api.h").exists() {
        return Ok(());
    }
    supported()?;
    eprintln!("setup: downloading libtorch 2.11.0 for the CPU (550 MB)");
    install("libtorch-cpu", &place, |_| Ok(()))
}

fn cmake() -> Result<(), String> {
    let place = root().join(".cmake");
    if place.join("bin/cmake").exists() && place.join("bin/ninja").exists() {
        return Ok(());
    }
    supported()?;
    match system_cmake() {
        Some(program) => {
            eprintln!("setup: downloading Ninja (1 MB; found CMake at {})", program.display());
            install("ninja", &place, |unpacked| link_cmake(&program, unpacked))
        }
        None => {
            eprintln!("setup: downloading CMake and Ninja (30 MB; found no CMake 3.26 or later)");
            install("cmake", &place, |_| Ok(()))
        }
    }
}

/// A sufficiently new CMake on the `PATH`.
fn system_cmake() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let program =
        std::env::split_paths(&path).map(|dir| dir.join("cmake")).find(|p| p.is_file())?;
    let output = Command::new(&program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (cmake_version(&text)? >= OLDEST_CMAKE).then_some(program)
}

/// Major and minor version out of `cmake version 3.26.4`.
fn cmake_version(text: &str) -> Option<(u32, u32)> {
    let version = text.lines().next()?.strip_prefix("cmake version ")?;
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// `.cargo/config.toml` names one place for CMake, so a system CMake is reached through it.
fn link_cmake(program: &Path, unpacked: &Path) -> Result<(), String> {
    let link = unpacked.join("bin/cmake");
    std::os::unix::fs::symlink(program, &link).map_err(|error| {
        format!("cannot link {} to {}: {error}", link.display(), program.display())
    })
}

fn supported() -> Result<(), String> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(());
    }
    Err("setup fetches its files for Linux on x86-64 only\n  \
         hint: elsewhere, install CMake >= 3.26, Ninja and PyTorch 2.11, then set CMAKE and \
         LIBTORCH_USE_PYTORCH=1"
        .into())
}

/// Downloads the wheels of one requirements file, unpacks them and moves the result to `place`.
fn install(
    requirements: &str,
    place: &Path,
    finish: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let mut staging = place.as_os_str().to_owned();
    staging.push(".part");
    let staging = PathBuf::from(staging);
    clear(&staging)?;
    let outcome = download(requirements, &staging.join("wheels"))
        .and_then(|()| unpack(requirements, &staging))
        .and_then(|()| finish(&staging.join("unpacked")))
        .and_then(|()| {
            clear(place)?;
            fs::rename(staging.join("unpacked"), place)
                .map_err(|error| format!("cannot create {}: {error}", place.display()))
        });
    let cleared = clear(&staging);
    outcome.and(cleared)
}

/// Removes a folder if it exists.
pub fn clear(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn download(requirements: &str, wheels: &Path) -> Result<(), String> {
    let mut pip = pip("download");
    pip.args(["--no-deps", "--require-hashes", "--only-binary=:all:"])
        .args(WHEEL_TAGS)
        .arg("--requirement")
        .arg(root().join(format!("xtask/requirements/{requirements}.txt")))
        .arg("--dest")
        .arg(wheels);
    run(&mut pip).map_err(|error| {
        format!(
            "{error}\n  nothing was installed\n  hint: this needs `python3` with pip and a way to \
             PyPI; a mirror or proxy that pip knows will do"
        )
    })
}

fn unpack(requirements: &str, staging: &Path) -> Result<(), String> {
    let mut python = Command::new("python3");
    python.arg(root().join("xtask/unpack.py")).arg(requirements);
    python.arg(staging.join("wheels")).arg(staging.join("unpacked"));
    run(&mut python)
        .map_err(|error| format!("{error}\n  nothing was installed\n  hint: is the disk full?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmake_versions_are_read_and_compared_as_numbers() {
        assert_eq!(cmake_version("cmake version 3.25.1\n\nCMake suite"), Some((3, 25)));
        assert!(cmake_version("cmake version 3.9.0").unwrap() < OLDEST_CMAKE);
        assert!(cmake_version("cmake version 4.0.0-rc1").unwrap() >= OLDEST_CMAKE);
        assert_eq!(cmake_version("not cmake"), None);
    }
}
