//! Where the frames of a clip are.

use std::path::{Path, PathBuf};

use super::frames::{self, EntryRows, FileKind, FrameError, Frames};

/// Where the frames of a clip are.
#[derive(Debug, Clone)]
pub(super) enum ClipFrames {
    /// In a file of its own.
    File {
        /// The file.
        path: PathBuf,
        /// Its kind.
        kind: FileKind,
    },
    /// In rows of a computational sequence.
    Rows(EntryRows),
}

/// Frames, and what identifies the file of their own, if they have one.
pub(super) struct ReadFrames {
    pub(super) frames: Frames,
    pub(super) digest: Option<(u64, blake3::Hash)>,
}

impl ClipFrames {
    /// The file.
    pub(super) fn path(&self) -> &Path {
        match self {
            ClipFrames::File { path, .. } => path,
            ClipFrames::Rows(rows) => rows.path(),
        }
    }

    /// Whether it is a file of its own.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, ClipFrames::File { .. })
    }

    /// Reads the frames.
    ///
    /// # Errors
    /// The file cannot be read, or has no such frames.
    pub(super) fn read(&self) -> Result<Frames, FrameError> {
        match self {
            ClipFrames::File { path, kind } => frames::read(path, *kind),
            ClipFrames::Rows(rows) => rows.frames(),
        }
    }

    /// Like [`ClipFrames::read`], with the digest of a file.
    ///
    /// # Errors
    /// Same as [`ClipFrames::read`].
    pub(super) fn read_with_digest(&self) -> Result<ReadFrames, FrameError> {
        match self {
            ClipFrames::File { path, kind } => {
                let read = frames::read_with_digest(path, *kind)?;
                Ok(ReadFrames { frames: read.frames, digest: Some((read.n_bytes, read.blake3)) })
            }
            ClipFrames::Rows(rows) => Ok(ReadFrames { frames: rows.frames()?, digest: None }),
        }
    }
}
