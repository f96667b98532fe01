//! Decodes texts that are bytes, without guessing.
//!
//! A `str` is text. Bytes are text if they are UTF-8, which is noted, or in the encoding that the user
//! chose. Everything else is refused, with its count, places and appearance.

use std::collections::BTreeMap;

use crate::advice::SourceAdvice;
use crate::corpus::Corpus;
use crate::encoding::Encoding;
use crate::name::named;
use crate::pickle::{Part, RawText, parts};

use super::{IngestError, Place};

/// Treatment of values that are not texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextErrors {
    /// Refuse them.
    #[default]
    Refuse,
    /// Substitute U+FFFD, counted in the notes; adjacent halves of a surrogate pair become the
    /// character that they form.
    Replace,
}

impl TextErrors {
    /// All treatments.
    pub const ALL: [TextErrors; 2] = [TextErrors::Refuse, TextErrors::Replace];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TextErrors::Refuse => "refuse",
            TextErrors::Replace => "replace",
        }
    }
}

named!(TextErrors);

/// How to read texts.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextPolicy {
    /// Encoding of texts that are bytes but not UTF-8.
    pub encoding: Option<Encoding>,
    /// Whether to read bytes that are valid UTF-8 as UTF-8 anyway, for files merged from several
    /// sources.
    pub utf8_first: bool,
    /// Treatment of values that are not texts.
    pub errors: TextErrors,
}

/// Counts over all texts of one source: conversions and problems.
#[derive(Debug, Default)]
pub(super) struct Texts {
    policy: TextPolicy,
    columns: BTreeMap<String, Column>,
}

/// Counts of one column over all splits.
#[derive(Debug, Default)]
struct Column {
    n_texts: usize,
    /// Bytes that are UTF-8 and were read as UTF-8.
    n_utf8: usize,
    /// Bytes decoded with the chosen encoding.
    n_decoded: usize,
    /// The ones that are also UTF-8 and not just ASCII.
    n_both: usize,
    /// Texts spelled like Python bytes, and the first of them.
    n_literal: usize,
    literal: String,
    /// Texts with replacements, and the number of replacements.
    n_replaced: usize,
    n_replacements: usize,
    /// UTF-8 bytes that are not just ASCII.
    n_utf8_wide: usize,
    /// Texts that began with a byte order mark.
    n_marked: usize,
    /// Joined surrogate pairs.
    n_joined: usize,
    bytes: Problem,
    halves: Problem,
}

/// Texts refused for one reason.
#[derive(Debug, Default)]
struct Problem {
    n_texts: usize,
    /// Counts by split, or by its equivalent in the source.
    by_split: BTreeMap<String, usize>,
    /// The first few, with their places.
    examples: Vec<String>,
    /// The first of them, to show what they look like.
    sample: Vec<u8>,
    /// Number of UTF-16 texts, and the variant.
    n_utf16: usize,
    utf16: Option<Encoding>,
}

/// Location of a text, worded for messages.
pub(super) struct TextPlace<'a> {
    /// The place of its row.
    pub(super) place: &'a Place,
    /// The text's segment, if known.
    pub(super) id: Option<&'a str>,
}

impl<'a> TextPlace<'a> {
    /// The place of an id itself.
    pub(super) fn of(place: &'a Place) -> TextPlace<'a> {
        TextPlace { place, id: None }
    }
}

/// Number of texts to list.
const MOST_NAMED: usize = 3;
/// Bytes examined to detect an encoding.
const MOST_SAMPLE: usize = 1 << 20;

impl Texts {
    pub(super) fn new(policy: TextPolicy) -> Texts {
        Texts { policy, columns: BTreeMap::new() }
    }

    /// Decodes a text; for a refused one, returns a printable form until all are counted.
    pub(super) fn take(&mut self, raw: RawText<'_>, at: &TextPlace<'_>) -> String {
        let TextPolicy { encoding, errors, utf8_first } = self.policy;
        let (split, name) = at.place.path.rsplit_once('/').unwrap_or(("", &at.place.path));
        if !self.columns.contains_key(name) {
            self.columns.insert(name.to_owned(), Column::default());
        }
        let Some(column) = self.columns.get_mut(name) else { return String::new() };
        column.n_texts = column.n_texts.saturating_add(1);
        let bytes = match raw {
            RawText::Str(text) => {
                column.note_literal(&text);
                return column.unmarked(text.into_owned());
            }
            RawText::Halves(bytes) => return column.halves(&bytes, errors, split, at),
            // Python 2 wrote every plain `str` as bytes; ASCII needs no decoding.
            RawText::ByteStr(bytes) if bytes.is_ascii() && encoding.is_none() => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                column.note_literal(&text);
                return text;
            }
            RawText::ByteStr(bytes) | RawText::Bytes(bytes) => bytes,
        };
        let is_utf8 = || std::str::from_utf8(bytes).is_ok();
        let encoding = encoding.filter(|_| !(utf8_first && is_utf8()));
        let used = encoding.unwrap_or(Encoding::UTF_8);
        // Other encodings can decode it as well, with zeros among its letters.
        let utf16 = Encoding::of_utf16(bytes).filter(|utf16| *utf16 != used);
        let decoded = if utf16.is_some() { Err(0) } else { used.decode(bytes) };
        match decoded {
            Ok(text) => {
                let is_said = encoding.is_some_and(|all| all != Encoding::UTF_8);
                let is_changed = is_said && text.as_bytes() != bytes;
                let is_utf8 = is_changed && std::str::from_utf8(bytes).is_ok();
                column.n_decoded = column.n_decoded.saturating_add(is_changed.into());
                column.n_both = column.n_both.saturating_add(is_utf8.into());
                column.n_utf8 = column.n_utf8.saturating_add((!is_changed).into());
                let is_wide = !is_changed && !bytes.is_ascii();
                column.n_utf8_wide = column.n_utf8_wide.saturating_add(is_wide.into());
                column.unmarked(text)
            }
            Err(_) if errors == TextErrors::Replace && utf16.is_none() => {
                let (text, n_replacements) = used.decode_lossy(bytes);
                column.note_replaced(n_replacements);
                text
            }
            Err(place) => {
                column.bytes.add(split, at, || format!("byte {place}"));
                column.bytes.n_utf16 = column.bytes.n_utf16.saturating_add(utf16.is_some().into());
                column.bytes.utf16 = column.bytes.utf16.or(utf16);
                let n_left = MOST_SAMPLE.saturating_sub(column.bytes.sample.len());
                let piece = bytes.get(..bytes.len().min(n_left)).unwrap_or_default();
                column.bytes.sample.extend_from_slice(piece);
                column.bytes.sample.push(b'\n');
                String::from_utf8_lossy(bytes).into_owned()
            }
        }
    }

    /// The conversions, one sentence each.
    ///
    /// # Errors
    /// Some texts are refused.
    pub(super) fn finish(&self) -> Result<Vec<String>, IngestError> {
        for (name, column) in &self.columns {
            column.check(name, self.policy.encoding)?;
        }
        let mut notes = Vec::new();
        for (name, column) in &self.columns {
            column.note(name, self.policy.encoding, &mut notes);
        }
        let n_bytes: usize =
            self.columns.values().map(|all| all.n_decoded + all.n_utf8_wide + all.n_replaced).sum();
        if let Some(encoding) = self.policy.encoding.filter(|_| n_bytes == 0) {
            notes.push(format!(
                "`--text-encoding {}` changed nothing: no text of the source is bytes beyond ASCII",
                encoding.label()
            ));
        }
        Ok(notes)
    }
}

impl Column {
    /// A text without its byte order mark.
    fn unmarked(&mut self, text: String) -> String {
        match text.strip_prefix('\u{feff}') {
            None => text,
            Some(rest) => {
                self.n_marked = self.n_marked.saturating_add(1);
                rest.to_owned()
            }
        }
    }

    /// A text with halves of surrogate pairs.
    fn halves(
        &mut self,
        bytes: &[u8],
        errors: TextErrors,
        split: &str,
        at: &TextPlace<'_>,
    ) -> String {
        let mut text = String::new();
        let mut n_joined = 0_usize;
        let mut n_replacements = 0_usize;
        let mut first = None;
        let mut pieces = parts(bytes).peekable();
        while let Some(piece) = pieces.next() {
            let code = match piece {
                Part::Text(piece) => {
                    text.push_str(piece);
                    continue;
                }
                Part::Half(code) => code,
            };
            first.get_or_insert_with(|| {
                format!("character {}, \\u{code:04x}", text.chars().count().saturating_add(1))
            });
            let pair = match pieces.peek() {
                Some(Part::Half(low)) => char::decode_utf16([code, *low]).next(),
                _ => None,
            };
            match pair {
                Some(Ok(char)) => {
                    pieces.next();
                    n_joined = n_joined.saturating_add(1);
                    text.push(char);
                }
                _ => {
                    n_replacements = n_replacements.saturating_add(1);
                    text.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
        match errors {
            TextErrors::Refuse => self.halves.add(split, at, || first.unwrap_or_default()),
            TextErrors::Replace => {
                self.n_joined = self.n_joined.saturating_add(n_joined);
                if n_replacements > 0 {
                    self.note_replaced(n_replacements);
                }
            }
        }
        text
    }

    /// `str(text)` of bytes in Python 3 is `b'…'`, which is now text and stays text.
    fn note_literal(&mut self, text: &str) {
        let quoted = ["b'", "b\""].iter().any(|start| {
            let rest = text.strip_prefix(start);
            rest.is_some_and(|rest| rest.ends_with(|c| start.ends_with(c)))
        });
        if quoted {
            if self.n_literal == 0 {
                self.literal = text.chars().take(40).collect();
            }
            self.n_literal = self.n_literal.saturating_add(1);
        }
    }

    fn note_replaced(&mut self, n_replacements: usize) {
        self.n_replaced = self.n_replaced.saturating_add(1);
        self.n_replacements = self.n_replacements.saturating_add(n_replacements);
    }

    fn check(&self, name: &str, encoding: Option<Encoding>) -> Result<(), IngestError> {
        let used = encoding.unwrap_or(Encoding::UTF_8);
        if self.bytes.n_texts > 0 {
            let all_utf16 = self.bytes.utf16.filter(|_| self.bytes.n_utf16 == self.bytes.n_texts);
            let likely = match all_utf16 {
                Some(utf16) => utf16,
                None => Encoding::guess([&*self.bytes.sample]),
            };
            let is_read = || likely.decode(&self.bytes.sample).is_ok();
            let fits = likely != used && (all_utf16.is_some() || is_read());
            let label = || likely.label().to_owned();
            let looks_like = format!("they look like {likely}");
            let (looks, advice) = match (fits, encoding) {
                // Some of the rows have one encoding, some the other.
                (true, Some(told)) if likely == Encoding::UTF_8 => (
                    format!("they are {likely}"),
                    SourceAdvice::DecodeBoth {
                        encoding: told.label().to_owned(),
                        other: told.to_string(),
                    },
                ),
                (true, None) if self.n_utf8_wide > 0 => (
                    format!("{looks_like}, and {} others are UTF-8", self.n_utf8_wide),
                    SourceAdvice::DecodeBoth { encoding: label(), other: likely.to_string() },
                ),
                (true, None) => (looks_like, SourceAdvice::Decode { encoding: label() }),
                (true, Some(_)) => {
                    (looks_like, SourceAdvice::DecodeOtherwise { encoding: label() })
                }
                (false, _) => (
                    "no one encoding that is tried fits them all".to_owned(),
                    SourceAdvice::ReplaceBytes,
                ),
            };
            let reason = format!("bytes that are not {used}");
            return Err(self.bytes.error(name, self.n_texts, &reason, &looks, advice));
        }
        if self.halves.n_texts > 0 {
            return Err(self.halves.error(
                name,
                self.n_texts,
                "text with half a surrogate pair",
                "a lone surrogate is not a character",
                SourceAdvice::ReplaceHalves,
            ));
        }
        Ok(())
    }

    fn note(&self, name: &str, encoding: Option<Encoding>, notes: &mut Vec<String>) {
        if self.n_utf8 > 0 {
            notes.push(format!("{name}: bytes of UTF-8 -> text, {}", times(self.n_utf8)));
        }
        if let Some(encoding) = encoding.filter(|_| self.n_decoded > 0) {
            let both = match self.n_both {
                0 => String::new(),
                n_both => format!(
                    "; {n_both} of them could be UTF-8 too, as which `--text-encoding utf-8,{}` reads \
                     them",
                    encoding.label()
                ),
            };
            notes.push(format!(
                "{name}: bytes of {encoding} (`--text-encoding`) -> text, {}{both}",
                times(self.n_decoded)
            ));
        }
        if self.n_marked > 0 {
            notes.push(format!(
                "{name}: a byte order mark at the start of the text was taken off, {}",
                times(self.n_marked)
            ));
        }
        if self.n_joined > 0 {
            notes.push(format!(
                "{name}: two halves of a surrogate pair became one character, {}",
                times(self.n_joined)
            ));
        }
        if self.n_replaced > 0 {
            notes.push(format!(
                "{name}: U+FFFD in place of invalid characters, {} in {} (`--text-errors replace`)",
                times(self.n_replacements),
                texts(self.n_replaced)
            ));
        }
        if self.n_literal > 0 {
            let verb = if self.n_literal == 1 { "is" } else { "are" };
            notes.push(format!(
                "{name}: {} {verb} spelled like bytes of Python, kept as found, such as {}",
                texts(self.n_literal),
                self.literal
            ));
        }
    }
}

impl Problem {
    fn add(&mut self, split: &str, at: &TextPlace<'_>, what: impl FnOnce() -> String) {
        self.n_texts = self.n_texts.saturating_add(1);
        let in_split = self.by_split.entry(split.to_owned()).or_default();
        *in_split = in_split.saturating_add(1);
        if self.examples.len() < MOST_NAMED {
            let row = at.place.row.map_or(String::new(), |row| format!("row {row}, "));
            let place = format!("{}, {row}{}", at.place.path, what());
            self.examples.push(match at.id {
                Some(id) => format!("{id} ({place})"),
                None => place,
            });
        }
    }

    fn error(
        &self,
        name: &str,
        n_texts: usize,
        reason: &str,
        looks: &str,
        advice: SourceAdvice,
    ) -> IngestError {
        let splits: Vec<String> =
            self.by_split.iter().map(|(split, n)| format!("{n} in {split}")).collect();
        let splits = match splits.len() {
            0 | 1 => String::new(),
            _ => format!(" ({})", splits.join(", ")),
        };
        IngestError::Text {
            column: name.to_owned(),
            problem: format!(
                "{} of {}{splits} {} {reason}, such as {}: {looks}",
                self.n_texts,
                texts(n_texts),
                if self.n_texts == 1 { "is" } else { "are" },
                self.examples.join("; ")
            ),
            advice,
        }
    }
}

/// Refuses ids with NUL characters, which HDF5 would truncate: everything is joined by id, so ids must
/// not change.
///
/// # Errors
/// An id contains one.
pub(super) fn check_ids(corpus: &Corpus) -> Result<(), IngestError> {
    let all = corpus
        .splits
        .iter()
        .flat_map(|split| split.ids.iter().enumerate().map(move |(row, id)| (split.name, row, id)));
    let with_nul: Vec<_> = all.filter(|(.., id)| id.contains('\0')).collect();
    let Some((split, row, id)) = with_nul.first() else { return Ok(()) };
    let n_ids = with_nul.len();
    Err(IngestError::Text {
        column: "id".into(),
        problem: format!(
            "ids with a NUL character, which no store can hold: {n_ids}, first in {split}, row \
             {row}: {id:?}"
        ),
        advice: SourceAdvice::MendIds,
    })
}

/// Formats a number of occurrences.
fn times(n: usize) -> String {
    if n == 1 { "once".into() } else { format!("{n} times") }
}

/// Formats a number of texts.
fn texts(n: usize) -> String {
    if n == 1 { "1 text".into() } else { format!("{n} texts") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(
        policy: TextPolicy,
        raw: &[RawText<'_>],
    ) -> (Vec<String>, Result<Vec<String>, IngestError>) {
        let mut texts = Texts::new(policy);
        let place = Place::new("train/raw_text");
        let read = raw.iter().enumerate().map(|(row, raw)| {
            texts.take(raw.clone(), &TextPlace { place: &place.at(row), id: Some("a_1") })
        });
        (read.collect(), texts.finish())
    }

    fn message(policy: TextPolicy, raw: &[RawText<'_>]) -> (String, String) {
        let error = taken(policy, raw).1.unwrap_err();
        let IngestError::Text { advice, .. } = &error else { panic!("{error}") };
        (error.to_string(), crate::cli::hint(&advice.clone().into()))
    }

    const REPLACE: TextPolicy =
        TextPolicy { encoding: None, utf8_first: false, errors: TextErrors::Replace };

    #[test]
    fn bytes_are_utf8_or_as_the_user_says_or_refused() {
        let quotes = RawText::Bytes(b"it\x92s \x93great\x94");
        let (error, hint) =
            message(TextPolicy::default(), &[RawText::Str("a".into()), quotes.clone()]);
        assert!(
            error.starts_with("`raw_text`: 1 of 2 texts is bytes that are not UTF-8"),
            "{error}"
        );
        assert!(
            error.contains("a_1 (train/raw_text, row 1, byte 2): they look like windows-1252"),
            "{error}"
        );
        assert!(hint.starts_with("`--text-encoding windows-1252` decodes them"), "{hint}");
        let policy = TextPolicy { encoding: "cp1252".parse().ok(), ..TextPolicy::default() };
        let (texts, notes) = taken(policy, &[quotes.clone(), RawText::ByteStr("é".as_bytes())]);
        assert_eq!(texts, ["it’s “great”", "Ã©"]);
        let notes = notes.unwrap();
        assert!(notes[0].contains("2 times; 1 of them could be UTF-8 too"), "{notes:?}");
        let (texts, notes) = taken(TextPolicy::default(), &[RawText::ByteStr("é".as_bytes())]);
        assert_eq!(
            (&*texts[0], &*notes.unwrap()[0]),
            ("é", "raw_text: bytes of UTF-8 -> text, once")
        );
        let (error, hint) = message(policy, &[RawText::Bytes(b"a\x81")]);
        assert!(error.contains("1 of 1 text is bytes that are not windows-1252"), "{error}");
        assert!(hint.contains("--text-errors replace"), "{hint}");
        let (texts, notes) = taken(REPLACE, &[quotes]);
        assert_eq!(texts, ["it\u{fffd}s \u{fffd}great\u{fffd}"]);
        assert!(notes.unwrap()[0].contains("3 times in 1 text ("));
        let (_, notes) = taken(policy, &[RawText::Str("a".into())]);
        assert!(notes.unwrap()[0].contains("changed nothing"));
    }

    #[test]
    fn halves_are_refused_or_replaced_and_literals_are_kept() {
        let halves = RawText::Halves(b"a \xed\xa0\xbd b".to_vec().into());
        let (error, hint) = message(TextPolicy::default(), std::slice::from_ref(&halves));
        assert!(error.contains("row 0, character 3, \\ud83d"), "{error}");
        assert!(hint.contains("--text-errors replace"), "{hint}");
        let pair = RawText::Halves(b"\xed\xa0\xbd\xed\xb8\x80".to_vec().into());
        let (texts, notes) = taken(REPLACE, &[halves, pair]);
        assert_eq!(texts, ["a \u{fffd} b", "😀"]);
        assert_eq!(notes.unwrap().len(), 2);
        let literal = RawText::Str("b'i liked it'".into());
        let (texts, notes) = taken(TextPolicy::default(), &[literal, RawText::Str("b'a".into())]);
        assert_eq!(texts[0], "b'i liked it'");
        assert!(notes.unwrap()[0].contains("1 text is spelled like bytes"));
    }
}
