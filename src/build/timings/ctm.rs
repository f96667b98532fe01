//! Time-marked conversations (CTM), as NIST's tools and Kaldi write them: a line per word,
//! `RECORDING CHANNEL START DURATION WORD [CONFIDENCE]`. Remarks begin with `;;`.

use std::collections::{BTreeMap, BTreeSet};

use super::error::TimingsError;
use super::form::{TimedWord, TimedWords};
use crate::words::shortened;

const EXPECTED: &str = "RECORDING CHANNEL START DURATION WORD";

/// Recordings that a message names.
const MOST_NAMED: usize = 3;

/// The words of one recording.
#[derive(Default)]
struct Recording {
    /// In the order of the file.
    words: Vec<TimedWord>,
    /// The channel of each.
    channels: Vec<String>,
}

impl Recording {
    /// The words in order of time: of all channels together, or of one channel after another where the file has them
    /// so, as NIST's tools sort them.
    fn in_order(mut self) -> TimedWords {
        let start = |word: &TimedWord| word.interval.map_or(0.0, |[start, _]| start);
        let is_sorted =
            |words: &[TimedWord]| words.is_sorted_by(|one, next| start(one) <= start(next));
        let n_words = self.words.len();
        let is_by_channel = self.channels.chunk_by(|one, next| one == next).count()
            == self.channels.iter().collect::<BTreeSet<_>>().len();
        let lengths: Vec<usize> = match is_by_channel && !is_sorted(&self.words) {
            true => self.channels.chunk_by(|one, next| one == next).map(<[String]>::len).collect(),
            false => vec![n_words],
        };
        let (mut was_sorted, mut rest) = (false, &mut *self.words);
        for length in lengths {
            let (words, after) = rest.split_at_mut(length);
            if !is_sorted(words) {
                was_sorted = true;
                words.sort_by(|one, next| start(one).total_cmp(&start(next)));
            }
            rest = after;
        }
        TimedWords { words: self.words, separator: " ", kind: "CTM", was_sorted }
    }
}

/// The words of each recording, in order of time: lines are records with times of their own, and editing and joining
/// files puts them in any order.
///
/// # Errors
/// A line has too few fields, a time is not a number, or a duration is negative.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, TimedWords>, TimingsError> {
    let mut all: BTreeMap<String, Recording> = BTreeMap::new();
    for (idx, content) in text.lines().enumerate() {
        let content = content.trim();
        if content.is_empty() || content.starts_with(";;") {
            continue;
        }
        let line = idx + 1;
        let wrong = |expected, found: &str| TimingsError::Line {
            line,
            expected,
            found: format!("`{}`", shortened(found)),
        };
        let fields: Vec<&str> = content.split_whitespace().collect();
        let [recording, channel, start, duration, word, ..] = fields[..] else {
            return Err(wrong(EXPECTED, content));
        };
        let number = |field: &str| field.parse::<f64>().ok().filter(|value| value.is_finite());
        let start = number(start).ok_or_else(|| wrong("a start in seconds", start))?;
        let n_seconds = number(duration).filter(|n_seconds| *n_seconds >= 0.0);
        let n_seconds =
            n_seconds.ok_or_else(|| wrong("a duration in seconds, not below 0", duration))?;
        let word = TimedWord { word: word.into(), interval: Some([start, start + n_seconds]) };
        let Recording { words, channels } = all.entry(recording.into()).or_default();
        channels.push(channel.into());
        words.push(word);
    }
    match all.is_empty() {
        true => Err(TimingsError::NoWords),
        false => Ok(all.into_iter().map(|(name, words)| (name, words.in_order())).collect()),
    }
}

/// The words of the only recording.
///
/// # Errors
/// Same as [`read`]; also if there are several recordings.
pub(super) fn read_one(text: &str) -> Result<TimedWords, TimingsError> {
    let all = read(text)?;
    let mut names: Vec<String> =
        all.keys().take(MOST_NAMED).map(|name| format!("`{}`", shortened(name))).collect();
    if all.len() > MOST_NAMED {
        names.push("…".into());
    }
    let mut rest = all.into_values();
    match (rest.next(), rest.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(TimingsError::Recordings { recordings: names }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_words_of_their_recording() {
        let all = read(";; remark\na_1 1 0.5 0.25 the 0.9\n\nb_2 A 0 1 x\na_1 1 0.75 0 <eps>\n");
        let all = all.unwrap();
        let word = |word: &str, interval| TimedWord { word: word.into(), interval: Some(interval) };
        assert_eq!(all["a_1"].words, [word("the", [0.5, 0.75]), word("<eps>", [0.75, 0.75])]);
        assert_eq!(all["b_2"].words, [word("x", [0.0, 1.0])]);
    }

    #[test]
    fn words_are_in_order_of_time_or_by_channel() {
        let of = |text: &str| {
            let all = read_one(text).unwrap();
            let words: Vec<String> = all.words.into_iter().map(|word| word.word).collect();
            (words.join(" "), all.was_sorted)
        };
        assert_eq!(of("a 1 2 1 c\na 1 0 1 a\na 1 1 1 b\n"), ("a b c".into(), true));
        // Equal starts keep their order.
        assert_eq!(of("a 1 0 0 x\na 1 0 1 a\na 1 1 1 b\n"), ("x a b".into(), false));
        // NIST sorts by channel first; others write both channels by time.
        assert_eq!(of("a A 0 1 a\na A 2 1 c\na B 1 1 b\n"), ("a c b".into(), false));
        assert_eq!(of("a A 0 1 a\na B 1 1 b\na A 2 1 c\n"), ("a b c".into(), false));
        assert_eq!(of("a A 2 1 c\na B 1 1 b\na A 0 1 a\n"), ("a b c".into(), true));
        let mixed = "a A 0.0 1 one\na B 0.5 1 two\na A 1.0 1 three\na B 0.2 1 zero\n";
        assert_eq!(of(mixed), ("one zero two three".into(), true));
        assert_eq!(of("a A 1 1 b\na A 0 1 a\na B 0.5 1 c\n"), ("a b c".into(), true));
    }

    #[test]
    fn a_problem_has_its_line() {
        let of = |text| read_one(text).unwrap_err().to_string();
        assert_eq!(
            of("a 1 0 1 x\na 1 1 -0.5 y\n"),
            "line 2: expected a duration in seconds, not below 0, found `-0.5`"
        );
        assert_eq!(of("a 1 x 1 y\n"), "line 1: expected a start in seconds, found `x`");
        assert_eq!(of("a 1 0 1\n"), format!("line 1: expected {EXPECTED}, found `a 1 0 1`"));
        assert_eq!(of(";; nothing\n"), "it has no words");
        let several = of("a 1 0 1 x\nb 1 0 1 x\n");
        assert_eq!(several, "expected the words of one recording, found those of `a`, `b`");
    }
}
