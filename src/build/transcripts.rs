//! The words of each clip, and when they are spoken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::clips::{Clips, id_of};
use super::entries::locate_entries;
use super::error::BuildError;
use super::file::{UnusableFile, digest, reason};
use super::frames::{EntryRows, FrameError};
use super::locate::{Located, locate};
use super::options::WordOptions;
use super::part::ClipPart;
use super::timings::{self, ReadTimings, TimedWord, TimedWords, TimingsError, TimingsKind};
use crate::chain::chain;
use crate::corpus::labels::LabelTable;
use crate::csd;
use crate::intervals::Pauses;

/// The words of one clip.
#[derive(Debug, Clone)]
pub(super) struct ClipWords {
    /// Pauses are among them if they are kept.
    pub(super) words: Vec<TimedWord>,
    separator: &'static str,
    pub(super) kind: &'static str,
    /// Whether the file has them in another order than that of time.
    pub(super) was_sorted: bool,
    /// Pauses that were left out.
    pub(super) n_pauses: usize,
    pub(super) n_bytes: u64,
    pub(super) blake3: blake3::Hash,
}

/// The words of all clips, by the place of the clip in the table.
#[derive(Debug)]
pub(super) struct Transcripts {
    /// The folder or file.
    pub(super) path: PathBuf,
    pub(super) clips: BTreeMap<usize, ClipWords>,
    pub(super) unusable: BTreeMap<usize, UnusableFile>,
    pub(super) surplus: Vec<String>,
    /// Whether one file has the words of all clips.
    pub(super) is_one_file: bool,
}

impl Transcripts {
    /// Finds and reads the words of all clips.
    ///
    /// # Errors
    /// The folder or the only file cannot be read, nothing in it belongs to a clip, or two parts of it to
    /// the same one.
    pub(super) fn read(
        options: &WordOptions,
        table: &LabelTable,
        clips: &Clips,
    ) -> Result<Transcripts, BuildError> {
        let path = &options.path;
        let first_id = table.rows().next().map(|(_, row)| id_of(row)).unwrap_or_default();
        match path.is_file() {
            false => {
                let kind = |path: &Path| Some((path.to_owned(), TimingsKind::of_name(path)?));
                let located = locate(path, ClipPart::Words, clips, &first_id, kind)?;
                let tier = options.tier.as_deref();
                let read = |(path, kind): &(PathBuf, TimingsKind)| {
                    (path.clone(), timings::read(path, *kind, tier))
                };
                Transcripts::of(located, read, options, false)
            }
            true if csd::is_name(path) => {
                let located = locate_entries(path, table, clips, &first_id)?;
                let (n_bytes, blake3) = digest(path)?;
                let read = |rows: &EntryRows| {
                    let words = of_rows(rows);
                    (path.clone(), words.map(|words| ReadTimings { words, n_bytes, blake3 }))
                };
                Transcripts::of(located, read, options, true)
            }
            true if TimingsKind::of_name(path) == Some(TimingsKind::Ctm) => {
                let located = of_ctm(path, clips, &first_id)?;
                let read = |words: &ReadTimings| (path.clone(), Ok(words.clone()));
                Transcripts::of(located, read, options, true)
            }
            true => Err(BuildError::NotAFolder { path: path.clone(), part: ClipPart::Words }),
        }
    }

    fn of<S: Sync>(
        located: Located<S>,
        read: impl Fn(&S) -> (PathBuf, Result<ReadTimings, TimingsError>) + Sync,
        options: &WordOptions,
        is_one_file: bool,
    ) -> Result<Transcripts, BuildError> {
        let Located { of_clips, surplus } = located;
        let one = |(clip, source): (&usize, &S)| (*clip, read(source));
        let all: Vec<_> = of_clips.par_iter().map(one).collect();
        let (mut clips, mut unusable) = (BTreeMap::new(), BTreeMap::new());
        let mut without_tier = None;
        for (clip, (path, words)) in all {
            match words {
                Ok(words) => _ = clips.insert(clip, ClipWords::of(words, options.pauses)),
                Err(cause) => {
                    let reason = chain(&cause);
                    unusable.insert(clip, UnusableFile { path: path.clone(), reason });
                    if matches!(cause, TimingsError::Tier { .. }) {
                        without_tier.get_or_insert((path, cause));
                    }
                }
            }
        }
        match without_tier.filter(|_| clips.is_empty()) {
            Some((path, cause)) => Err(BuildError::Words { path, cause }),
            None => {
                let path = options.path.clone();
                Ok(Transcripts { path, clips, unusable, surplus, is_one_file })
            }
        }
    }

    /// The clips that have words.
    pub(super) fn usable(&self) -> BTreeSet<usize> {
        self.clips.keys().copied().collect()
    }
}

impl ClipWords {
    fn of(read: ReadTimings, pauses: Pauses) -> ClipWords {
        let ReadTimings { words, n_bytes, blake3 } = read;
        let TimedWords { mut words, separator, kind, was_sorted } = words;
        let n_all = words.len();
        if pauses == Pauses::Drop {
            words.retain(|word| !word.is_pause());
        }
        let n_pauses = n_all - words.len();
        ClipWords { words, separator, kind, was_sorted, n_pauses, n_bytes, blake3 }
    }

    /// The words with these indices as a text, without pauses.
    pub(super) fn text(&self, kept: impl Iterator<Item = usize>) -> String {
        let spoken = kept.filter_map(|idx| self.words.get(idx)).filter(|word| !word.is_pause());
        let spoken: Vec<&str> = spoken.map(|word| &*word.word).collect();
        spoken.join(self.separator)
    }

    /// Whether a text has the same words, ignoring case, blanks and punctuation.
    pub(super) fn are_of(&self, text: &str) -> bool {
        let letters = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        letters(&self.text(0..self.words.len())) == letters(text)
    }
}

/// The words of the recordings of a CTM file.
fn of_ctm(path: &Path, clips: &Clips, first_id: &str) -> Result<Located<ReadTimings>, BuildError> {
    let unread = |cause: TimingsError| BuildError::Words { path: path.into(), cause };
    let mut located = Located { of_clips: BTreeMap::new(), surplus: Vec::new() };
    let mut found: BTreeMap<usize, String> = BTreeMap::new();
    for (recording, words) in timings::read_all(path).map_err(unread)? {
        match clips.find(&recording) {
            Some(clip) => {
                if let Some(first) = found.insert(clip, recording.clone()) {
                    let (path, first) = (path.join(recording), path.join(first));
                    return Err(BuildError::Twice { path, first });
                }
                located.of_clips.insert(clip, words);
            }
            None => located.surplus.push(recording),
        }
    }
    located.entries_of(path, first_id)
}

/// The words in rows of a computational sequence.
fn of_rows(rows: &EntryRows) -> Result<TimedWords, TimingsError> {
    let unread = |error: FrameError| TimingsError::Rows(reason(&error, rows.path()));
    let read = rows.read().map_err(unread)?;
    let Some(texts) = read.features.as_text() else {
        return Err(TimingsError::Form { expected: "words", found: "numbers".into() });
    };
    let words = texts.values.rows().into_iter().zip(&read.intervals);
    let words = words.map(|(texts, interval)| TimedWord {
        word: texts.first().map(|word| word.trim().to_owned()).unwrap_or_default(),
        interval: Some(*interval),
    });
    let words = TimedWords {
        words: words.collect(),
        separator: " ",
        kind: "computational sequence",
        was_sorted: false,
    };
    words.check()?;
    Ok(words)
}
