//! Why a file has no words with times.

use std::io;

use crate::chain::tried;

/// Why a file has no words with times. Its path precedes the message.
#[derive(Debug, thiserror::Error)]
pub enum TimingsError {
    /// The file system refused.
    #[error("{}", tried("read", .0))]
    Io(#[source] io::Error),
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// Text of another encoding, or no text.
    #[error("it is not text in UTF-8, or in UTF-16 with a byte order mark")]
    NotText,
    /// There is nothing but pauses.
    #[error("it has no words")]
    NoWords,
    /// Words, and no time of any.
    #[error("none of its words has a start and an end")]
    NoTimes,
    /// A time that is NaN or infinite.
    #[error("the interval {start} to {end} s of word {number} (`{word}`) is not finite")]
    Time {
        /// Number of the word, from 1.
        number: usize,
        /// The word.
        word: String,
        /// Its start.
        start: f64,
        /// Its end.
        end: f64,
    },
    /// A word that ends before it starts.
    #[error("word {number} (`{word}`) ends before it starts ({start} to {end} s)")]
    Reversed {
        /// Number of the word, from 1.
        number: usize,
        /// The word.
        word: String,
        /// Its start.
        start: f64,
        /// Its end.
        end: f64,
    },
    /// A line with another content than its kind of file has there.
    #[error("line {line}: expected {expected}, found {found}")]
    Line {
        /// Line of the file, from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A file that ends within something.
    #[error("is cut: it ends within {within}")]
    Cut {
        /// What is not complete.
        within: String,
    },
    /// Another form than the kind of file has.
    #[error("expected {expected}, found {found}")]
    Form {
        /// What was expected.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A TextGrid in which no tier, or more than one, can have the words.
    #[error("{problem}: {}", tiers.join(", "))]
    Tier {
        /// What is wrong with the tiers.
        problem: String,
        /// Their names in backticks.
        tiers: Vec<String>,
    },
    /// A CTM file of one clip with several recordings.
    #[error("expected the words of one recording, found those of {}", recordings.join(", "))]
    Recordings {
        /// Their names in backticks.
        recordings: Vec<String>,
    },
    /// Rows of a computational sequence that are no words.
    #[error("{0}")]
    Rows(String),
    /// JSON that is cut or damaged.
    #[error("is not valid JSON: {0}")]
    Json(String),
}
