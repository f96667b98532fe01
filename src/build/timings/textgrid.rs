//! Praat's TextGrid as text, in its long and its short form.
//!
//! Both forms have the same numbers, texts and flags in the same order; the long one has words between
//! them, which Praat itself ignores. Source: the manual of Praat, «TextGrid file formats».

use std::iter::Peekable;
use std::str::CharIndices;

use super::error::TimingsError;
use super::form::{TimedWord, TimedWords};
use crate::words::shortened;

/// Names of tiers that hold words, in lower case; aligners of several speakers write `SPEAKER - words`.
const WORDS: [&str; 2] = ["words", "word"];

/// Reads the words of a tier.
///
/// # Errors
/// It is not a TextGrid as text, or is cut; or no tier has the words.
pub(super) fn read(text: &str, tier: Option<&str>) -> Result<TimedWords, TimingsError> {
    let mut tiers = tiers(text)?;
    let place = chosen(&tiers, tier)?;
    let words = tiers.swap_remove(place).words;
    Ok(TimedWords { words, separator: " ", kind: "TextGrid", was_sorted: false })
}

/// A tier of intervals.
struct Tier {
    name: String,
    words: Vec<TimedWord>,
}

/// The place of the tier that has the words.
fn chosen(tiers: &[Tier], wanted: Option<&str>) -> Result<usize, TimingsError> {
    let wrong = |problem: String| {
        let tiers = tiers.iter().map(|tier| format!("`{}`", shortened(&tier.name)));
        TimingsError::Tier { problem, tiers: tiers.collect() }
    };
    let find = |is_it: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let all = tiers.iter().enumerate().filter(|(_, tier)| is_it(tier.name.trim()));
        all.map(|(place, _)| place).collect()
    };
    let found = match wanted {
        Some(wanted) => find(&|name| name == wanted),
        None => {
            let named = find(&|name| WORDS.contains(&&*name.to_lowercase()));
            let ending = |word: &&str| format!("- {word}");
            let of_speakers =
                |name: &str| WORDS.iter().any(|word| name.to_lowercase().ends_with(&*ending(word)));
            match (named.is_empty(), tiers.len()) {
                (false, _) => named,
                (true, 1) => vec![0],
                (true, _) => find(&of_speakers),
            }
        }
    };
    match (&found[..], wanted) {
        ([only], _) => Ok(*only),
        ([], _) if tiers.is_empty() => Err(TimingsError::Form {
            expected: "a tier of intervals",
            found: "none in the TextGrid".into(),
        }),
        ([], Some(wanted)) => Err(wrong(format!("no tier is called `{}`", shortened(wanted)))),
        ([], None) => Err(wrong("no tier is called `words`".into())),
        _ => Err(wrong("more than one tier can have the words".into())),
    }
}

/// The tiers of intervals. Those of points have no words.
fn tiers(text: &str) -> Result<Vec<Tier>, TimingsError> {
    let mut tokens = Tokens::of(text);
    tokens.header()?;
    tokens.number("the start of the TextGrid")?;
    tokens.number("the end of the TextGrid")?;
    if !tokens.flag()? {
        return Ok(Vec::new());
    }
    let n_tiers = tokens.count("the number of tiers")?;
    let mut tiers = Vec::new();
    for _ in 0..n_tiers {
        let class = tokens.text("the class of a tier")?;
        let name = tokens.text("the name of a tier")?;
        let within = format!("the tier `{}`", shortened(&name));
        tokens.number(&within)?;
        tokens.number(&within)?;
        let n_intervals = tokens.count(&within)?;
        let mut words = Vec::new();
        let is_of_intervals = class != "TextTier";
        for _ in 0..n_intervals {
            let start = tokens.number(&within)?;
            let end = if is_of_intervals { tokens.number(&within)? } else { start };
            let word = tokens.text(&within)?.trim().to_owned();
            words.push(TimedWord { word, interval: Some([start, end]) });
        }
        if is_of_intervals {
            tiers.push(Tier { name, words });
        }
    }
    // Intervals beyond a tier's own count.
    match tokens.next()? {
        None => Ok(tiers),
        beyond => Err(wrong(beyond, "the end of the last tier", "")),
    }
}

/// What a TextGrid consists of.
#[derive(Debug)]
enum Token {
    Number(f64),
    Text(String),
    /// `<exists>` or another one.
    Flag(String),
}

/// The numbers, texts and flags of a file. Everything else only explains them.
struct Tokens<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    line: usize,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Tokens<'a> {
        Tokens { text, rest: text.char_indices().peekable(), line: 1 }
    }

    fn step(&mut self) -> Option<(usize, char)> {
        let next = self.rest.next();
        self.line += usize::from(next.is_some_and(|(_, c)| c == '\n'));
        next
    }

    /// The next token, with its line.
    fn next(&mut self) -> Result<Option<(usize, Token)>, TimingsError> {
        while let Some((start, first)) = self.step() {
            let line = self.line;
            match first {
                _ if first.is_whitespace() => {}
                '!' => while self.step().is_some_and(|(_, c)| c != '\n') {},
                '"' => return Ok(Some((line, Token::Text(self.quoted(line)?)))),
                _ => {
                    let word = self.word(start);
                    let number = || word.parse().ok().filter(|number: &f64| number.is_finite());
                    if let Some(flag) = word.strip_prefix('<') {
                        return Ok(Some((line, Token::Flag(flag.trim_end_matches('>').into()))));
                    }
                    if let Some(number) = number() {
                        return Ok(Some((line, Token::Number(number))));
                    }
                }
            }
        }
        Ok(None)
    }

    /// A word that begins at `start`, up to a blank.
    fn word(&mut self, start: usize) -> &'a str {
        let mut end = self.text.len();
        while let Some((place, c)) = self.rest.peek().copied() {
            if c.is_whitespace() {
                end = place;
                break;
            }
            self.step();
        }
        self.text.get(start..end).unwrap_or_default()
    }

    /// A text up to its closing quote; two quotes are one within it.
    fn quoted(&mut self, line: usize) -> Result<String, TimingsError> {
        let mut text = String::new();
        while let Some((_, c)) = self.step() {
            match (c, self.rest.peek()) {
                ('"', Some((_, '"'))) => {
                    self.step();
                    text.push('"');
                }
                ('"', _) => return Ok(text),
                _ => text.push(c),
            }
        }
        Err(TimingsError::Cut { within: format!("the text that begins in line {line}") })
    }

    fn header(&mut self) -> Result<(), TimingsError> {
        let mut is_text = |expected: &str| {
            let next = self.next()?;
            Ok::<_, TimingsError>(
                matches!(next, Some((_, Token::Text(text))) if text.starts_with(expected)),
            )
        };
        if is_text("ooTextFile")? && is_text("TextGrid")? {
            return Ok(());
        }
        let found = match self.text.as_bytes() {
            start if start.starts_with(b"ooBinaryFile") => "a binary one".into(),
            start if start.starts_with(b"\"Praat chronological") => "a chronological one".into(),
            _ => {
                let first = self.text.lines().next().unwrap_or_default();
                format!("`{}` in its first line", shortened(first.trim()))
            }
        };
        Err(TimingsError::Form { expected: "a TextGrid that Praat saved as text", found })
    }

    fn number(&mut self, what: &str) -> Result<f64, TimingsError> {
        match self.next()? {
            Some((_, Token::Number(number))) => Ok(number),
            other => Err(wrong(other, "a number", what)),
        }
    }

    fn count(&mut self, what: &str) -> Result<usize, TimingsError> {
        match self.next()? {
            Some((_, Token::Number(number))) if number >= 0.0 && number.fract() == 0.0 => {
                Ok(number as usize)
            }
            other => Err(wrong(other, "a count", what)),
        }
    }

    fn text(&mut self, what: &str) -> Result<String, TimingsError> {
        match self.next()? {
            Some((_, Token::Text(text))) => Ok(text),
            other => Err(wrong(other, "a text in quotes", what)),
        }
    }

    /// Whether there are tiers.
    fn flag(&mut self) -> Result<bool, TimingsError> {
        match self.next()? {
            Some((_, Token::Flag(flag))) => Ok(flag == "exists"),
            other => Err(wrong(other, "`<exists>`", "the TextGrid")),
        }
    }
}

/// The error for another token than the expected one, or for the end of the file.
fn wrong(found: Option<(usize, Token)>, expected: &'static str, within: &str) -> TimingsError {
    match found {
        None => TimingsError::Cut { within: within.into() },
        Some((line, token)) => TimingsError::Line {
            line,
            expected,
            found: match token {
                Token::Number(number) => format!("the number {number}"),
                Token::Text(text) => format!("the text `{}`", shortened(&text)),
                Token::Flag(flag) => format!("`<{}>`", shortened(&flag)),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = r#"File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 2.5 
tiers? <exists> 
size = 3 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "words" ! the tier of words
        xmin = 0 
        xmax = 2.5 
        intervals: size = 2 
        intervals [1]:
            xmin = 0 
            xmax = 1.25 
            text = "say ""x"" 3" 
        intervals [2]:
            xmin = 1.25 
            xmax = 2.5 
            text = "" 
    item [2]:
        class = "TextTier" 
        name = "clicks" 
        xmin = 0 
        xmax = 2.5 
        points: size = 1 
        points [1]:
            number = 0.5 
            mark = "click" 
    item [3]:
        class = "IntervalTier" 
        name = "phones" 
        xmin = 0 
        xmax = 2.5 
        intervals: size = 0 
"#;

    const SHORT: &str = "File type = \"ooTextFile\"\r\n\"TextGrid\"\r\n\r\n0\r\n2.5\r\n<exists>\r\n1\r\n\
                         \"IntervalTier\"\r\n\"MFA - words\"\r\n0\r\n2.5\r\n2\r\n0\r\n1.25\r\n\
                         \"say \"\"x\"\" 3\"\r\n1.25\r\n2.5\r\n\"\"\r\n";

    #[test]
    fn both_forms_have_the_same_words() {
        let word = |word: &str, interval| TimedWord { word: word.into(), interval: Some(interval) };
        let expected = [word("say \"x\" 3", [0.0, 1.25]), word("", [1.25, 2.5])];
        assert_eq!(read(LONG, None).unwrap().words, expected);
        assert_eq!(read(SHORT, None).unwrap().words, expected);
        assert_eq!(read(SHORT, Some("MFA - words")).unwrap().words, expected);
    }

    #[test]
    fn the_tier_of_words_is_found_by_name() {
        let of = |text: &str, tier| read(text, tier).unwrap_err().to_string();
        assert_eq!(of(LONG, Some("word")), "no tier is called `word`: `words`, `phones`");
        let other = LONG.replace("\"words\"", "\"ORT\"");
        assert_eq!(of(&other, None), "no tier is called `words`: `ORT`, `phones`");
        assert_eq!(read(&other, Some("ORT")).unwrap().words.len(), 2);
        let speakers = LONG.replace("\"words\"", "\"A - words\"").replace("phones", "B - words");
        assert!(of(&speakers, None).starts_with("more than one tier can have the words: `A - "));
        let none = SHORT.replace("<exists>", "<absent>");
        assert_eq!(of(&none, None), "expected a tier of intervals, found none in the TextGrid");
    }

    #[test]
    fn what_is_no_textgrid_is_said_with_its_place() {
        let of = |text: &str| read(text, None).unwrap_err().to_string();
        let cut = LONG.split("text = \"\"").next().unwrap();
        assert_eq!(of(cut), "is cut: it ends within the tier `words`");
        let open = &SHORT[..SHORT.find("3\"").unwrap()];
        assert_eq!(of(open), "is cut: it ends within the text that begins in line 15");
        let swapped = SHORT.replace("0\r\n1.25", "\"a\"\r\n1.25");
        assert_eq!(of(&swapped), "line 13: expected a number, found the text `a`");
        let binary = of("ooBinaryFile\u{8}TextGrid");
        assert_eq!(binary, "expected a TextGrid that Praat saved as text, found a binary one");
        assert!(of("# notes\n").ends_with("found `# notes` in its first line"));
        let more = format!("{SHORT}2.5\r\n3\r\n\"lost\"\r\n");
        assert!(of(&more).ends_with("expected the end of the last tier, found the number 2.5"));
        let half = SHORT.replace("\r\n2\r\n", "\r\n1.5\r\n");
        assert_eq!(of(&half), "line 12: expected a count, found the number 1.5");
    }
}
