//! What every reader of word timings returns.

use super::error::TimingsError;
use crate::words::shortened;

/// A word, and when it is spoken.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedWord {
    /// The word without surrounding blanks.
    pub word: String,
    /// Start and end in seconds; `None` if the file has no time of this word.
    pub interval: Option<[f64; 2]>,
}

/// Marks of a pause, besides a text without letters: those of Praat users, of Kaldi and of MAUS.
const PAUSES: [&str; 6] = ["sp", "sil", "<sil>", "<eps>", "<p:>", "pau"];

impl TimedWord {
    /// Whether it is a pause among the words.
    pub fn is_pause(&self) -> bool {
        let is_mark = |mark: &&str| self.word.eq_ignore_ascii_case(mark);
        self.word.is_empty() || PAUSES.iter().any(is_mark)
    }
}

/// The words of one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedWords {
    /// Pauses are among them if the file has some.
    pub words: Vec<TimedWord>,
    /// What stands between two words of a text: a blank, or nothing.
    pub separator: &'static str,
    /// Description of the file.
    pub kind: &'static str,
    /// Whether the reader put them in order of time, which the file does not have.
    pub was_sorted: bool,
}

impl TimedWords {
    /// Refuses words without any time, and times that are none.
    pub(in crate::build) fn check(&self) -> Result<(), TimingsError> {
        if self.words.iter().all(TimedWord::is_pause) {
            return Err(TimingsError::NoWords);
        }
        if self.words.iter().all(|word| word.interval.is_none()) {
            return Err(TimingsError::NoTimes);
        }
        for (idx, TimedWord { word, interval }) in self.words.iter().enumerate() {
            let Some([start, end]) = *interval else { continue };
            let (number, word) = (idx + 1, shortened(word));
            if !start.is_finite() || !end.is_finite() {
                return Err(TimingsError::Time { number, word, start, end });
            }
            if end < start {
                return Err(TimingsError::Reversed { number, word, start, end });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_told_from_words() {
        let is_pause = |word: &str| TimedWord { word: word.into(), interval: None }.is_pause();
        assert!(["", "sp", "SIL", "<eps>"].into_iter().all(is_pause));
        assert!(!["spn", "spa", "-", "a"].into_iter().any(is_pause));
    }
}
