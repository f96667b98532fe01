//! Why a file has no frames.

use std::io;

use crate::audio::AudioCause;
use crate::chain::{Said, tried};
use crate::csd::CsdError;

/// Why a file has no frames. Its path precedes the message.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The file system refused.
    #[error("{}", tried("read", .0))]
    Io(#[source] io::Error),
    /// No features could be computed of the audio.
    #[error(transparent)]
    Audio(#[from] AudioCause),
    /// Rows of a computational sequence cannot be read.
    #[error(transparent)]
    Sequence(#[from] CsdError),
    /// A time of a row that is NaN or infinite, or an end before the start.
    #[error("row {row} of `{entry}` is not in time: {start} to {end} s")]
    RowTime {
        /// The entry.
        entry: String,
        /// The row, from 0.
        row: usize,
        /// Its start.
        start: f64,
        /// Its end.
        end: f64,
    },
    /// The times of frames are unknown, which steps by word need.
    #[error("the times of its frames are unknown")]
    NoTimes,
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file has no line or row of numbers.
    #[error("it has no frames")]
    NoFrames,
    /// The file has frames of no values.
    #[error("its frames have no features")]
    NoFeatures,
    /// No frame has a face, and the others were to replace those without one.
    #[error("no frame of it has a face")]
    NoFace,
    /// The file is shorter than it says.
    #[error("is cut: {found} of {expected} bytes are there")]
    Cut {
        /// Bytes of values that are there.
        found: u64,
        /// Bytes of values according to the header.
        expected: u64,
    },
    /// More values than one clip may have.
    #[error("[{}, {}] are more than the {limit} values that a clip may have", .shape[0], .shape[1])]
    TooLarge {
        /// The array's extents.
        shape: [u64; 2],
        /// The limit.
        limit: usize,
    },
    /// Compressed data that unpack to more than the file says.
    #[error("{place} unpacks to more than the {limit} bytes that it should have")]
    Bomb {
        /// What unpacks.
        place: String,
        /// Its size according to the file.
        limit: u64,
    },
    /// A line of a table with more or fewer fields than the first one.
    #[error("line {line}: expected {expected} fields, as in the first line, found {found}")]
    Fields {
        /// Line of the file, from 1.
        line: u64,
        /// Fields of the first line.
        expected: usize,
        /// Fields of this line.
        found: usize,
    },
    /// A field of a table that is not a number.
    #[error("line {line}, column {column}: expected a number, found `{found}`")]
    Number {
        /// Line of the file, from 1.
        line: u64,
        /// Name of the column in backticks, or its number from 1.
        column: String,
        /// The field.
        found: String,
    },
    /// A first line that counts the columns, which may be a header or a frame.
    #[error(
        "line {line} counts the columns (0, 1, 2, …), and may be their header or a frame: name the \
         columns, or write the frame with decimals (`0.0`)"
    )]
    CountedLine {
        /// Line of the file, from 1.
        line: u64,
    },
    /// A first line without a number of a frame or a name of a column, in which values may be missing.
    #[error(
        "line {line} (`{found}`) may be names of columns or a frame that lacks values: write `nan` for \
         a missing value, or give the columns other names"
    )]
    MissingOrName {
        /// Line of the file, from 1.
        line: u64,
        /// The line.
        found: String,
    },
    /// Several faces of one frame, each in a line of its own.
    #[error("line {line}: a second face of frame {frame}, and features are those of one")]
    SecondFace {
        /// Line of the file, from 1.
        line: u64,
        /// The frame as numbered in the file.
        frame: String,
    },
    /// Text that is not UTF-8.
    #[error("it is not text in UTF-8")]
    NotText,
    /// Another form than the reader expects.
    #[error("expected {expected}, found {found}")]
    Form {
        /// What was expected.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The HDF5 library failed.
    #[error("is damaged")]
    Hdf5(#[source] Said),
}
