//! Words and when they are spoken, from a file of any known kind.
//!
//! ```text
//! textgrid  Praat's TextGrid, in its long and short form
//! ctm       time-marked conversations: a word per line
//! whisper   JSON of Whisper and WhisperX
//! form      what every reader returns
//! error     why a file has no words
//! ```
//!
//! This module knows files. It must not know clips, tables of labels or stores.

mod ctm;
mod error;
mod form;
mod textgrid;
mod whisper;

use std::collections::BTreeMap;
use std::path::Path;

pub use error::TimingsError;
pub use form::{TimedWord, TimedWords};

use crate::encoding::Encoding;
use crate::map::Bytes;

/// Kind of a file of word timings, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimingsKind {
    /// Praat's.
    TextGrid,
    /// A word per line, of one or several recordings.
    Ctm,
    /// JSON of Whisper or WhisperX.
    Whisper,
}

impl TimingsKind {
    /// The extensions of all kinds, for messages.
    pub const ENDINGS: &str = ".TextGrid, .ctm, .json";

    /// The kind of a file's extension.
    pub fn of_name(path: &Path) -> Option<TimingsKind> {
        let ending = path.extension()?.to_string_lossy().to_ascii_lowercase();
        match &*ending {
            "textgrid" => Some(TimingsKind::TextGrid),
            "ctm" => Some(TimingsKind::Ctm),
            "json" => Some(TimingsKind::Whisper),
            _ => None,
        }
    }
}

/// Words of a file, and what identifies the file.
#[derive(Debug, Clone)]
pub struct ReadTimings {
    /// The words.
    pub words: TimedWords,
    /// Size in bytes.
    pub n_bytes: u64,
    /// BLAKE3 of the file.
    pub blake3: blake3::Hash,
}

/// Reads the words of the file at `path`, which is about one recording. Of a TextGrid, they are in the
/// tier of this name; without a name, in the one that is called after words, or in the only one.
///
/// # Errors
/// The file cannot be read, or is not of its kind or cut; it has no words, several recordings, or no
/// tier of words; a word ends before it starts.
pub fn read(
    path: &Path,
    kind: TimingsKind,
    tier: Option<&str>,
) -> Result<ReadTimings, TimingsError> {
    let bytes = open(path)?;
    let text = text(&bytes)?;
    let words = match kind {
        TimingsKind::TextGrid => textgrid::read(&text, tier)?,
        TimingsKind::Ctm => ctm::read_one(&text)?,
        TimingsKind::Whisper => whisper::read(&text)?,
    };
    words.check()?;
    let bytes = bytes.bytes();
    Ok(ReadTimings { words, n_bytes: bytes.len() as u64, blake3: blake3::hash(bytes) })
}

/// Reads the words of all recordings of a CTM file, by the name of the recording.
///
/// # Errors
/// Same as [`read`].
pub fn read_all(path: &Path) -> Result<BTreeMap<String, ReadTimings>, TimingsError> {
    let bytes = open(path)?;
    let all = ctm::read(&text(&bytes)?)?;
    let blake3 = blake3::hash(bytes.bytes());
    let n_bytes = bytes.bytes().len() as u64;
    all.into_iter()
        .map(|(recording, words)| {
            words.check()?;
            Ok((recording, ReadTimings { words, n_bytes, blake3 }))
        })
        .collect()
}

fn open(path: &Path) -> Result<Bytes, TimingsError> {
    Bytes::map(path).map_err(TimingsError::Io)
}

fn text(bytes: &Bytes) -> Result<std::borrow::Cow<'_, str>, TimingsError> {
    match bytes.bytes() {
        [] => Err(TimingsError::Empty),
        bytes => Encoding::text_of_file(bytes).ok_or(TimingsError::NotText),
    }
}
