//! Reads the files of a modality once, for what has to be known of all clips before the first is stored:
//! how long they are, and which cannot be read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;

use super::faces::{self, FaceCount};
use super::frames::{self, FrameError};
use super::locate::ClipFile;
use super::options::Reading;
use crate::chain::chain;
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
    pub(super) n_bytes: u64,
    pub(super) blake3: blake3::Hash,
    /// Digest of the names of the columns, if they have some.
    names: Option<blake3::Hash>,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnusableFile {
    pub(super) path: PathBuf,
    /// The reason, on one line.
    pub(super) reason: String,
}

/// What is known of the files of one modality, by the place of the clip in the table.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) clips: BTreeMap<usize, Surveyed>,
    pub(super) unusable: BTreeMap<usize, UnusableFile>,
}

/// Reads all files of a modality, several at a time.
pub(super) fn survey(
    files: &BTreeMap<usize, ClipFile>,
    reading: &Reading,
    progress: &dyn Progress,
) -> Survey {
    let read = |(clip, file): (&usize, &ClipFile)| {
        let surveyed = one(file, reading);
        progress.advance(file.path.metadata().map_or(0, |meta| meta.len()));
        (*clip, surveyed)
    };
    let all: Vec<(usize, Result<Surveyed, FrameError>)> = files.par_iter().map(read).collect();
    let mut survey = Survey::default();
    for (clip, surveyed) in all {
        match surveyed {
            Ok(surveyed) => _ = survey.clips.insert(clip, surveyed),
            Err(error) => survey.exclude(clip, files, chain(&error)),
        }
    }
    survey.exclude_unlike(files);
    survey
}

fn one(file: &ClipFile, reading: &Reading) -> Result<Surveyed, FrameError> {
    let mut read = frames::read_with_digest(&file.path, file.kind)?;
    let faces = faces::settle(&mut read.frames, reading)?;
    let (n_frames, feat_dim) = read.frames.values.dim();
    Ok(Surveyed {
        n_frames,
        feat_dim,
        kind: read.frames.kind,
        dtype: read.frames.dtype,
        faces,
        n_bytes: read.n_bytes,
        blake3: read.blake3,
        names: read.frames.names.map(|names| blake3::hash(names.join("\n").as_bytes())),
    })
}

impl Survey {
    fn exclude(&mut self, clip: usize, files: &BTreeMap<usize, ClipFile>, reason: String) {
        if let Some(file) = files.get(&clip) {
            self.unusable.insert(clip, UnusableFile { path: file.path.clone(), reason });
        }
    }

    /// Excludes files with other features than most.
    fn exclude_unlike(&mut self, files: &BTreeMap<usize, ClipFile>) {
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
            self.exclude(clip, files, format!("{found} features, and most files have {most}"));
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
            let reason = "its columns have other names than those of most files".to_owned();
            self.exclude(clip, files, reason);
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
