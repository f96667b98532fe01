//! JSON of Whisper (`word_timestamps`), of programs that write like it, and of WhisperX: words lie in
//! `segments[].words[]`, or else in `word_segments` or `words`.

use serde::Deserialize;

use super::error::TimingsError;
use super::form::{TimedWord, TimedWords};
use crate::words::{plural, shortened};

/// The file.
#[derive(Deserialize)]
struct Transcript {
    #[serde(default)]
    segments: Vec<Segment>,
    #[serde(default)]
    word_segments: Vec<Word>,
    #[serde(default)]
    words: Vec<Word>,
    language: Option<String>,
}

#[derive(Deserialize)]
struct Segment {
    text: Option<String>,
    #[serde(default)]
    words: Vec<Word>,
}

/// A word. WhisperX writes no times of those that it could not align, such as numbers.
#[derive(Deserialize)]
struct Word {
    #[serde(alias = "text")]
    word: String,
    start: Option<f64>,
    end: Option<f64>,
}

/// Languages whose words have no blanks between them.
const WITHOUT_BLANKS: [&str; 8] =
    ["zh", "ja", "yue", "th", "chinese", "japanese", "cantonese", "thai"];

/// Reads a transcript.
///
/// # Errors
/// It is not JSON of this form, or its words have no times.
pub(super) fn read(text: &str) -> Result<TimedWords, TimingsError> {
    const EXPECTED: &str = "words with `start` and `end` in `segments[].words[]`, `word_segments` or \
                            `words`, as Whisper writes with `word_timestamps`";
    let transcript: Transcript = serde_json::from_str(text).map_err(|error| {
        let problem = error.to_string();
        match error.classify() {
            serde_json::error::Category::Data => {
                TimingsError::Form { expected: EXPECTED, found: shortened(&problem) }
            }
            _ => TimingsError::Json(problem),
        }
    })?;
    let Transcript { segments, word_segments, words, language } = transcript;
    let n_segments = segments.len();
    let has_words = |segment: &Segment| !segment.words.is_empty();
    let has_text =
        |segment: &Segment| segment.text.as_ref().is_some_and(|text| !text.trim().is_empty());
    let lacks_words = |segment: &&Segment| !has_words(segment) && has_text(segment);
    let n_without = segments.iter().filter(lacks_words).count();
    if segments.iter().any(has_words) && n_without > 0 {
        let found =
            format!("{} of {n_segments} with text and without words", plural(n_without, "segment"));
        return Err(TimingsError::Form { expected: EXPECTED, found });
    }
    let of_segments: Vec<Word> = segments.into_iter().flat_map(|segment| segment.words).collect();
    let found = [of_segments, word_segments, words].into_iter().find(|words| !words.is_empty());
    let Some(found) = found else {
        let found = match n_segments {
            0 => "none of them".to_owned(),
            n => format!("{} without words", plural(n, "segment")),
        };
        return Err(TimingsError::Form { expected: EXPECTED, found });
    };
    // Whisper's own words begin with the blanks of the text.
    let has_blanks = found.iter().any(|word| word.word.starts_with(char::is_whitespace));
    let language = language.unwrap_or_default().to_lowercase();
    let is_joined = !has_blanks && WITHOUT_BLANKS.contains(&&*language);
    let word = |Word { word, start, end }: Word| TimedWord {
        word: word.trim().to_owned(),
        interval: start.zip(end).map(|(start, end)| [start, end]),
    };
    Ok(TimedWords {
        words: found.into_iter().map(word).collect(),
        separator: if is_joined { "" } else { " " },
        kind: "Whisper JSON",
        was_sorted: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, Option<[f64; 2]>)> {
        let all = read(text).unwrap().words;
        all.into_iter().map(|word| (word.word, word.interval)).collect()
    }

    #[test]
    fn words_lie_in_any_of_their_places() {
        let expected = [("the".to_owned(), Some([0.5, 0.75])), ("2014".to_owned(), None)];
        let list =
            r#"[{"word": " the", "start": 0.5, "end": 0.75, "probability": 1}, {"word": "2014"}]"#;
        for text in [
            format!(
                r#"{{"text": "x", "segments": [{{"id": 0, "words": {list}}}, {{"id": 1, "text": null}}]}}"#
            ),
            format!(r#"{{"segments": [], "word_segments": {list}}}"#),
            format!(r#"{{"words": {list}, "language": "en"}}"#),
        ] {
            assert_eq!(words(&text), expected, "{text}");
        }
    }

    #[test]
    fn chinese_has_no_blanks() {
        let text = |language: &str| {
            format!(
                r#"{{"language": "{language}", "words": [{{"word": "我", "start": 0, "end": 1}}]}}"#
            )
        };
        assert_eq!(read(&text("zh")).unwrap().separator, "");
        assert_eq!(read(&text("en")).unwrap().separator, " ");
    }

    #[test]
    fn a_transcript_without_words_is_told_from_other_json() {
        let of = |text| read(text).unwrap_err().to_string();
        assert!(of(r#"{"segments": [{"text": "x"}]}"#).ends_with("found 1 segment without words"));
        let some = r#"{"segments": [{"text": "x"}, {"text": "y", "words": [{"word": "y"}]}]}"#;
        assert!(of(some).ends_with("found 1 segment of 2 with text and without words"));
        assert!(of("{}").ends_with("found none of them"));
        assert!(of("[1]").contains("expected words with `start` and `end`"));
        assert!(of(r#"{"words": [{"word": "x", "start": NaN}]}"#).starts_with("is not valid JSON"));
        assert!(of(r#"{"words": ["#).starts_with("is not valid JSON: EOF"));
    }
}
