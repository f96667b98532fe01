//! The frames of one clip, from a file of any known kind.
//!
//! ```text
//! csd      rows of a computational sequence
//! csv      tables of text: OpenFace's, or any of numbers
//! npy      NumPy arrays
//! mat      MATLAB files of version 5; mat73 those of version 7.3, which are HDF5
//! sound    audio, of which features are computed
//! numbers  numbers of any type and byte order, as float64
//! form     what every reader returns
//! choice   which variable of a file has the features
//! error    why a file has no frames
//! ```
//!
//! This module knows files. It must not know clips, tables of labels or stores. A new kind is a variant of
//! [`FileKind`] and a reader that returns [`Frames`].

mod choice;
mod csd;
mod csv;
mod error;
mod form;
mod mat;
mod mat73;
mod npy;
mod numbers;
mod sound;

use std::path::Path;

pub use csd::{EntryPart, EntryRows};
pub use error::FrameError;
pub(super) use form::MOST_VALUES;
pub use form::{Face, FrameTimes, Frames};

use crate::audio;
use crate::corpus::Modality;
use crate::map::Bytes;

/// Kind of a feature file, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A table of text, a line per frame.
    Table,
    /// A NumPy array, `[n_frames, feat_dim]`.
    Npy,
    /// A MATLAB file with such an array.
    Mat,
    /// An audio file, whose features are computed as those of CH-SIMS were.
    Sound,
}

impl FileKind {
    /// The extensions that a modality can have, for messages.
    pub fn endings(modality: Modality) -> String {
        let sound: &[&str] = if modality == Modality::Audio { &audio::ENDINGS } else { &[] };
        let endings = ["csv", "tsv", "npy", "mat"].iter().chain(sound);
        endings.map(|ending| format!(".{ending}")).collect::<Vec<String>>().join(", ")
    }

    /// The kind of a file's extension; `None` if it has no features of the modality.
    pub fn of_name(path: &Path, modality: Modality) -> Option<FileKind> {
        let ending = path.extension()?.to_string_lossy().to_ascii_lowercase();
        match &*ending {
            "csv" | "tsv" => Some(FileKind::Table),
            "npy" => Some(FileKind::Npy),
            "mat" => Some(FileKind::Mat),
            _ if modality == Modality::Audio && audio::ENDINGS.contains(&&*ending) => {
                Some(FileKind::Sound)
            }
            _ => None,
        }
    }
}

/// Bytes of a file and its digest, besides its frames.
pub struct ReadFile {
    /// The frames.
    pub frames: Frames,
    /// Size in bytes.
    pub n_bytes: u64,
    /// BLAKE3 of the file.
    pub blake3: ::blake3::Hash,
}

/// Reads the frames of the file at `path`.
///
/// # Errors
/// The file cannot be read, or is not of its kind, cut or damaged; it has no frames, or more values than
/// one clip may have.
pub fn read(path: &Path, kind: FileKind) -> Result<Frames, FrameError> {
    of_bytes(&open(path)?, path, kind)
}

/// Like [`read`], with the file's digest.
///
/// # Errors
/// Same as [`read`].
pub fn read_with_digest(path: &Path, kind: FileKind) -> Result<ReadFile, FrameError> {
    let bytes = open(path)?;
    let frames = of_bytes(&bytes, path, kind)?;
    let bytes = bytes.bytes();
    Ok(ReadFile { frames, n_bytes: bytes.len() as u64, blake3: ::blake3::hash(bytes) })
}

fn open(path: &Path) -> Result<Bytes, FrameError> {
    Bytes::map(path).map_err(FrameError::Io)
}

fn of_bytes(bytes: &Bytes, path: &Path, kind: FileKind) -> Result<Frames, FrameError> {
    let bytes = bytes.bytes();
    if bytes.is_empty() {
        return Err(FrameError::Empty);
    }
    let frames = match kind {
        FileKind::Table => csv::read(bytes),
        FileKind::Npy => npy::read(bytes),
        FileKind::Mat if mat73::is_hdf5(bytes) => mat73::read(bytes, path),
        FileKind::Mat => mat::read(bytes),
        FileKind::Sound => sound::read(path),
    }?;
    checked(frames)
}

/// Refuses what has no values.
fn checked(frames: Frames) -> Result<Frames, FrameError> {
    match frames.values.dim() {
        (0, _) => Err(FrameError::NoFrames),
        (_, 0) => Err(FrameError::NoFeatures),
        _ => Ok(frames),
    }
}
