//! `cargo xtask interop --mmsa` and `--torch`: reads the program's exports with the programs they are
//! for; `--audio` compares audio features with librosa. Not part of the tests, because it needs PyTorch or
//! librosa.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{build_folder, cargo, output, root, run};
use crate::setup::setup;
use crate::test::{librosa_package, mmsa_package, torch_packages};
use crate::wheel::installed;

/// Dataset, alignment of its file, and the options for `synth`.
const CASES: [(&str, &str, &[&str]); 4] = [
    ("mosi", "unaligned", &["--unaligned"]),
    ("mosi", "aligned", &[]),
    ("mosei", "unaligned", &["--unaligned"]),
    ("sims", "unaligned", &[]),
];

/// Largest difference between two predictions of the same weights, due to rounding of sums.
const TOLERANCE: f32 = 1e-5;

/// The program, and a working folder.
struct Place {
    program: PathBuf,
    folder: PathBuf,
}

impl Place {
    /// Builds the program as started by `cargo run`.
    fn new() -> Result<Place, String> {
        setup()?;
        run(cargo().arg("build"))?;
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let program = this.with_file_name("almt-data");
        let folder = root().join("bench/interop");
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        Ok(Place { program, folder })
    }

    fn call(&self, args: &[&str]) -> Result<(), String> {
        output(Command::new(&self.program).args(args).current_dir(&self.folder)).map(|_| ())
    }

    /// Creates `source.pkl` and `store.h5`.
    fn store(&self, dataset: &str, flags: &[&str]) -> Result<(), String> {
        let synth = ["synth", "--dataset", dataset, "--samples", "64", "-o", "source.pkl"];
        self.call(&[&synth[..], flags, &["--overwrite"]].concat())?;
        self.call(&["convert", "source.pkl", "-o", "store.h5", "--overwrite", "--dataset", dataset])
    }

    /// A script next to this crate, with PyTorch.
    fn script(&self, name: &str, python: &Path) -> Command {
        let mut command = Command::new(python);
        command.env("PYTHONPATH", root().join(".python-torch")).current_dir(&self.folder);
        command.arg(root().join("xtask/peer").join(name));
        command
    }
}

/// Converts and exports, and reads the result with MMSA's data loader.
pub fn mmsa() -> Result<(), String> {
    torch_packages()?;
    mmsa_package()?;
    let place = Place::new()?;
    // With our package, whose guard the loader runs in.
    let python = installed()?;
    for (dataset, alignment, flags) in CASES {
        place.store(dataset, flags)?;
        let export = ["export", "store.h5", "--to", "mmsa-pickle", "-o", "export.pkl"];
        place.call(&[&export[..], &["--overwrite"]].concat())?;
        let mut check = place.script("mmsa.py", &python);
        check.arg(root().join(".python-mmsa"));
        run(check.args([dataset, alignment, "source.pkl", "export.pkl"]))?;
    }
    Ok(())
}

/// Computes audio features of synthetic clips, and compares them with librosa's.
pub fn audio() -> Result<(), String> {
    let clips = audio_clips()?;
    output(audio_example()?.arg("0").args(&clips))?;
    run(librosa().arg("compare").arg(audio_folder()))
}

fn audio_folder() -> PathBuf {
    root().join("bench/audio")
}

/// The clips that librosa's features are computed of, written once more.
pub fn audio_clips() -> Result<Vec<PathBuf>, String> {
    setup()?;
    run(cargo().args(["build", "--release", "--example", "audio"]))?;
    librosa_package()?;
    let folder = audio_folder();
    run(librosa().arg("make").arg(&folder))?;
    let entries = fs::read_dir(&folder)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    let mut clips: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    clips.retain(|path| path.extension().is_some_and(|ending| ending == "wav"));
    clips.sort();
    Ok(clips)
}

/// The example that computes features of files, from the release build.
pub fn audio_example() -> Result<Command, String> {
    Ok(Command::new(build_folder("release")?.join("examples/audio")))
}

/// The script that calls librosa, on one thread.
pub fn librosa() -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root().join(".python-librosa"));
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"] {
        command.env(name, "1");
    }
    command.arg(root().join("xtask/peer/audio.py"));
    command
}

/// Trains, then loads the exported weights strictly in PyTorch and predicts with them.
pub fn torch() -> Result<(), String> {
    torch_packages()?;
    let place = Place::new()?;
    let sizes = root().join("fixtures/golden/param_counts.json");
    for (dataset, alignment, flags) in CASES {
        place.store(dataset, flags)?;
        let train = ["train", "--store", "store.h5", "--epochs", "2", "--lr", "1e-3"];
        place.call(&[&train[..], &["--out", "run", "--overwrite"]].concat())?;
        place.call(&["export-weights", "run", "--to", "released", "--overwrite"])?;
        let predict = ["predict", "--store", "store.h5", "--checkpoint", "run/best.safetensors"];
        place.call(&[&predict[..], &["-o", "predictions.csv", "--overwrite"]].concat())?;
        place.call(&["export", "store.h5", "--to", "npz", "-o", "export.npz", "--overwrite"])?;
        let mut strict = place.script("almt.py", Path::new("python3"));
        strict.arg("strict").arg(&sizes).arg(dataset);
        let found = output(strict.args(["run/released.safetensors", "export.npz"]))?;
        let found: Vec<f32> = numbers(found.trim().trim_matches(['[', ']']).split(", "))?;
        let expected = predictions(&place.folder.join("predictions.csv"))?;
        if found.is_empty() || found.len() != expected.len() {
            let (found, expected) = (found.len(), expected.len());
            return Err(format!("{dataset}: {expected} predictions, {found} of PyTorch"));
        }
        let pairs = found.iter().zip(&expected);
        let largest = pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        println!(
            "{dataset:<6} {alignment:<10} {} predictions, largest difference {largest:.1e}",
            found.len()
        );
        // A NaN must not pass either.
        if !found.iter().chain(&expected).all(|value| value.is_finite()) || largest > TOLERANCE {
            return Err(format!("{dataset}: PyTorch predicts something else than `predict`"));
        }
    }
    Ok(())
}

/// The column `prediction` of a file written by `predict` for a synthetic store, whose ids contain no
/// commas.
fn predictions(path: &Path) -> Result<Vec<f32>, String> {
    let text =
        fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    numbers(text.lines().skip(1).map(|line| line.split(',').nth(3).unwrap_or_default()))
}

fn numbers<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<f32>, String> {
    texts.map(|text| text.parse().map_err(|_| format!("`{text}` is not a number"))).collect()
}
