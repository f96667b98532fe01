//! Features of audio files: the 33 columns of CH-SIMS, computed as librosa computes them, without Python.
//!
//! The released code that made the features of CH-SIMS (MMSA, `data/getFeature.py` of 2020) calls
//! librosa with its defaults: mono at 22,050 Hz, then per 512 samples the rate of zero crossings, 20 MFCC on
//! the mel scale of HTK, and 12 chroma of a constant-Q transform. This module does the same; `cargo xtask interop
//! --audio` compares it with librosa 0.11.
//!
//! It knows neither datasets nor stores: a file becomes an array.

mod chroma;
mod crossing;
mod decode;
mod error;
mod extract;
mod kaiser;
mod mfcc;
mod resample;
mod sizes;
mod spectrum;
mod stage;
#[cfg(test)]
mod tests;
mod tuning;
mod wav;

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;

pub use decode::{Signal, decode};
pub use error::{AudioCause, AudioError};
pub use extract::Extractor;
pub use sizes::{HOP, N_COLUMNS, RATE};

use crate::progress::{Progress, Stage};

/// Names of the columns, those of `schemas/features/librosa-33.toml`. `chroma_cqt_0` is the pitch class C.
///
/// The first is what it says: the share of neighbouring samples of different sign, in [0, 1]. The released
/// code keeps it in a variable `f0` (MMSA, `data/getFeature.py`), and the paper of CH-SIMS calls it
/// the logarithm of F0; neither estimates a fundamental frequency.
pub const COLUMNS: [&str; N_COLUMNS] = [
    "zero_crossing_rate",
    "mfcc_0",
    "mfcc_1",
    "mfcc_2",
    "mfcc_3",
    "mfcc_4",
    "mfcc_5",
    "mfcc_6",
    "mfcc_7",
    "mfcc_8",
    "mfcc_9",
    "mfcc_10",
    "mfcc_11",
    "mfcc_12",
    "mfcc_13",
    "mfcc_14",
    "mfcc_15",
    "mfcc_16",
    "mfcc_17",
    "mfcc_18",
    "mfcc_19",
    "chroma_cqt_0",
    "chroma_cqt_1",
    "chroma_cqt_2",
    "chroma_cqt_3",
    "chroma_cqt_4",
    "chroma_cqt_5",
    "chroma_cqt_6",
    "chroma_cqt_7",
    "chroma_cqt_8",
    "chroma_cqt_9",
    "chroma_cqt_10",
    "chroma_cqt_11",
];

/// Endings of the names of files that [`folder`] takes, in lower case.
pub const ENDINGS: [&str; 11] =
    ["wav", "wave", "aif", "aiff", "flac", "mp3", "ogg", "oga", "m4a", "mp4", "aac"];

/// Limits on a file.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioOptions {
    /// Longer audio is refused, in seconds. Memory is about 1 MB per second at 48 kHz.
    pub max_seconds: f64,
}

impl Default for AudioOptions {
    /// Half an hour.
    fn default() -> Self {
        AudioOptions { max_seconds: 1800.0 }
    }
}

/// The features of a file, `[frame, column]`: a frame per 512 samples at 22,050 Hz, the first around the
/// start of the audio; the columns are [`COLUMNS`].
///
/// # Errors
/// The file cannot be read as audio, is longer than the limit, or has no samples or such as are not finite.
pub fn features(path: &Path, options: &AudioOptions) -> Result<Array2<f32>, AudioError> {
    of_file(&Extractor::new(), path, options)
}

/// The features of several files in parallel, in the order of `paths`; see [`features`] for each. Progress
/// counts the bytes of the files.
pub fn clips(
    paths: &[PathBuf],
    options: &AudioOptions,
    progress: &dyn Progress,
) -> Vec<Result<Array2<f32>, AudioError>> {
    // A file that cannot be found has no bytes; reading it gives the reason.
    let size = |path: &PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
    progress.begin(Stage::Extracting, paths.iter().map(size).sum());
    let extractor = Extractor::new();
    let of_clip = |path: &PathBuf| {
        let found = of_file(&extractor, path, options);
        progress.advance(size(path));
        found
    };
    paths.par_iter().map(of_clip).collect()
}

/// A file with its features, or with the reason why it has none.
pub type Clip = (PathBuf, Result<Array2<f32>, AudioError>);

/// The features of all audio files in a folder and the folders below it, by [`ENDINGS`], sorted by path.
///
/// # Errors
/// A folder cannot be listed.
pub fn folder(
    folder: &Path,
    options: &AudioOptions,
    progress: &dyn Progress,
) -> Result<Vec<Clip>, AudioError> {
    let mut paths = Vec::new();
    list(folder, &mut paths)?;
    paths.sort();
    let found = clips(&paths, options, progress);
    Ok(paths.into_iter().zip(found).collect())
}

fn of_file(
    extractor: &Extractor,
    path: &Path,
    options: &AudioOptions,
) -> Result<Array2<f32>, AudioError> {
    match decode(path, options.max_seconds) {
        Ok(signal) => Ok(extractor.features(&signal.samples, signal.rate)),
        Err(cause) => Err(AudioError { path: path.into(), cause }),
    }
}

/// Adds the audio files of a folder and of those below it. Links to folders are not followed, as they may
/// lead back.
fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), AudioError> {
    let failed = |cause| AudioError { path: folder.into(), cause: AudioCause::List(cause) };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            list(&path, paths)?;
        } else if is_audio(&path) {
            paths.push(path);
        }
    }
    Ok(())
}

fn is_audio(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}
