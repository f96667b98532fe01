//! Reads the files of a modality once, for what has to be known of all clips before the first is stored:
//! how long they are, and which cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rayon::prelude::*;

use super::clip_frames::ClipFrames;
use super::faces::{self, FaceCount};
use super::file::{UnusableFile, reason};
use super::frames::FrameError;
use super::options::Reading;
use super::steps;
use super::transcripts::{ClipWords, Transcripts};
use crate::progress::Progress;

/// What is known of one clip.
#[derive(Debug, Clone)]
pub(super) struct Surveyed {
    /// Frames after those without a face are settled, before pooling.
    pub(super) n_frames: usize,
    pub(super) feat_dim: usize,
    pub(super) kind: &'static str,
    pub(super) dtype: &'static str,
    pub(super) faces: Option<FaceCount>,
    /// Size and BLAKE3 of the clip's own file, if it has one.
    pub(super) digest: Option<(u64, blake3::Hash)>,
    /// Source of the times of the frames.
    pub(super) times: Option<&'static str>,
    /// Indices of words at whose time there is no frame.
    pub(super) without_frames: BTreeSet<usize>,
    /// Digest of the names of the columns, if they have some.
    names: Option<blake3::Hash>,
    /// Whether the file has a header that only counts the columns.
    pub(super) has_counted_header: bool,
}

impl Surveyed {
    /// Whether the columns have names.
    pub(super) fn has_names(&self) -> bool {
        self.names.is_some()
    }
}

/// What is known of the files of one modality, by the place of the clip in the table.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) clips: BTreeMap<usize, Surveyed>,
    pub(super) unusable: BTreeMap<usize, UnusableFile>,
    /// Names of the features, if all files have them.
    pub(super) names: Option<Vec<String>>,
    /// A file whose frames have unknown times, which steps by word need.
    pub(super) without_times: Option<PathBuf>,
}

/// Reads all files of a modality, several at a time. With `words`, clips will have steps by word.
pub(super) fn survey(
    files: &BTreeMap<usize, ClipFrames>,
    reading: &Reading,
    words: Option<&Transcripts>,
    progress: &dyn Progress,
) -> Survey {
    let read = |(clip, file): (&usize, &ClipFrames)| {
        let words = words.and_then(|words| words.clips.get(clip));
        let surveyed = one(file, reading, words);
        if file.is_file() {
            progress.advance(file.path().metadata().map_or(0, |meta| meta.len()));
        }
        (*clip, surveyed)
    };
    let all: Vec<(usize, Result<_, FrameError>)> = files.par_iter().map(read).collect();
    let mut survey = Survey::default();
    let mut names = BTreeMap::new();
    for (clip, surveyed) in all {
        match surveyed {
            Ok((surveyed, of_clip)) => {
                if let (Some(digest), Some(of_clip)) = (surveyed.names, of_clip) {
                    names.entry(*digest.as_bytes()).or_insert(of_clip);
                }
                survey.clips.insert(clip, surveyed);
            }
            Err(error) => {
                if let (FrameError::NoTimes, Some(file)) = (&error, files.get(&clip)) {
                    survey.without_times.get_or_insert(file.path().to_owned());
                }
                survey.exclude(clip, files, |file| reason(&error, file.path()));
            }
        }
    }
    survey.exclude_unlike(files);
    let mut digests = survey.clips.values().map(|clip| clip.names);
    let first = digests.next().flatten();
    if let Some(digest) = first.filter(|_| digests.all(|digest| digest == first)) {
        survey.names = names.remove(digest.as_bytes());
    }
    survey
}

/// What is known of a clip, and the names of its features.
fn one(
    file: &ClipFrames,
    reading: &Reading,
    words: Option<&ClipWords>,
) -> Result<(Surveyed, Option<Vec<String>>), FrameError> {
    let mut read = file.read_with_digest()?;
    let faces = faces::settle(&mut read.frames, reading)?;
    let without_frames = match (words, reading.by_word) {
        (Some(words), Some(_)) => {
            steps::without_frames(&steps::times(&read.frames, reading)?.intervals, &words.words)
        }
        _ => BTreeSet::new(),
    };
    let (n_frames, feat_dim) = read.frames.values.dim();
    let names = read.frames.names;
    let surveyed = Surveyed {
        n_frames,
        feat_dim,
        kind: read.frames.kind,
        dtype: read.frames.dtype,
        faces,
        digest: read.digest,
        times: read.frames.times.map(|times| times.origin),
        without_frames,
        names: names.as_ref().map(|names| blake3::hash(names.join("\n").as_bytes())),
        has_counted_header: read.frames.has_counted_header,
    };
    Ok((surveyed, names))
}

impl Survey {
    fn exclude(
        &mut self,
        clip: usize,
        files: &BTreeMap<usize, ClipFrames>,
        reason: impl Fn(&ClipFrames) -> String,
    ) {
        if let Some(file) = files.get(&clip) {
            let (path, reason) = (file.path().to_owned(), reason(file));
            self.unusable.insert(clip, UnusableFile { path, reason });
        }
    }

    /// Whether a file tells frames with a face from those without.
    pub(super) fn has_faces(&self) -> bool {
        self.clips.values().any(|clip| clip.faces.is_some())
    }

    /// The clips that have a usable file.
    pub(super) fn usable(&self) -> BTreeSet<usize> {
        self.clips.keys().copied().collect()
    }

    /// Excludes files with other features than most.
    fn exclude_unlike(&mut self, files: &BTreeMap<usize, ClipFrames>) {
        let feat_dim = most(self.clips.values().map(|clip| clip.feat_dim));
        let n_unlike = |clip: &Surveyed| Some(clip.feat_dim) != feat_dim;
        let unlike: Vec<(usize, usize)> = self
            .clips
            .iter()
            .filter(|(_, surveyed)| n_unlike(surveyed))
            .map(|(clip, surveyed)| (*clip, surveyed.feat_dim))
            .collect();
        for (clip, found) in unlike {
            self.clips.remove(&clip);
            let most = feat_dim.unwrap_or(0);
            let reason = |_: &ClipFrames| format!("{found} features, and most files have {most}");
            self.exclude(clip, files, reason);
        }
        let names = most(self.clips.values().filter_map(|clip| clip.names));
        let unlike: Vec<usize> = self
            .clips
            .iter()
            .filter(|(_, surveyed)| surveyed.names.is_some() && surveyed.names != names)
            .map(|(clip, _)| *clip)
            .collect();
        for clip in unlike {
            self.clips.remove(&clip);
            let reason = "its columns have other names than those of most files";
            self.exclude(clip, files, |_| reason.into());
        }
    }
}

/// The most frequent value; the first of several.
fn most<T: PartialEq>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: Vec<(T, usize)> = Vec::new();
    for value in values {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, n)) => *n = n.saturating_add(1),
            None => counts.push((value, 1)),
        }
    }
    let most = counts.iter().map(|(_, n)| *n).max()?;
    counts.into_iter().find(|(_, n)| *n == most).map(|(value, _)| value)
}
