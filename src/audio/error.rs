//! Why no features could be computed of a clip.

use std::io;
use std::path::PathBuf;

use crate::chain::{Said, tried};

/// A clip without features, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("{}", .path.display())]
pub struct AudioError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    #[source]
    pub cause: AudioCause,
}

/// Why the audio of a file cannot be read or used.
#[derive(Debug, thiserror::Error)]
pub enum AudioCause {
    /// The file cannot be opened or read.
    #[error("{}", tried("read", .0))]
    Read(#[source] io::Error),
    /// The folder cannot be listed.
    #[error("{}", tried("list", .0))]
    List(#[source] io::Error),
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is of none of the kinds that are read.
    #[error("neither WAV, AIFF, FLAC, MP3, Ogg Vorbis, AAC nor MP4")]
    Kind,
    /// The file holds only video, subtitles or nothing.
    #[error("no audio in it")]
    NoAudio,
    /// The audio is coded in a way that is not read.
    #[error("audio coded in a way that is not read")]
    Codec(#[source] Said),
    /// The header states no sampling rate, or one outside of the range.
    #[error("a sampling rate of {found} Hz; possible are {lowest} to {highest} Hz")]
    Rate {
        /// The stated rate; 0 where there is none.
        found: u32,
        /// The lowest.
        lowest: u32,
        /// The highest.
        highest: u32,
    },
    /// More channels than any microphone array, or none.
    #[error("{found} channels; possible are 1 to {limit}")]
    Channels {
        /// Number of channels.
        found: usize,
        /// Largest number.
        limit: usize,
    },
    /// Rate or number of channels changes within the file.
    #[error("sampling rate or number of channels changes after {n_samples} samples")]
    Changes {
        /// Samples read before, of each channel.
        n_samples: usize,
    },
    /// The audio ends before the length that the header states.
    #[error(
        "ends too early, after {found} samples{}: the file was cut short",
        .expected.map(|expected| format!(" of {expected}")).unwrap_or_default()
    )]
    Cut {
        /// Samples of each channel.
        found: u64,
        /// The number that the header states.
        expected: Option<u64>,
    },
    /// The audio cannot be decoded.
    #[error("damaged after {n_samples} samples")]
    Damaged {
        /// Samples decoded before, of each channel.
        n_samples: usize,
        /// The decoder's words.
        #[source]
        problem: Said,
    },
    /// The audio has no samples.
    #[error("audio without a sample")]
    NoSamples,
    /// The audio is longer than the limit.
    #[error("longer than {limit} seconds, the limit")]
    TooLong {
        /// The limit in seconds.
        limit: f64,
    },
    /// A sample is NaN or infinite.
    #[error("sample {sample_idx} is {value}")]
    NotFinite {
        /// Index of the sample, from 0.
        sample_idx: usize,
        /// Its value.
        value: f32,
    },
}
