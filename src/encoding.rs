//! Text encodings other than UTF-8: by name, and detected from bytes.
//!
//! Nothing here decides to decode: callers learn which encoding bytes resemble, and choose one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};

/// An encoding of the Encoding Standard, which browsers follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

/// Python's names that the Encoding Standard lacks.
const PYTHON_NAMES: [(&str, &str); 11] = [
    ("latin-1", "windows-1252"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("ms936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("euckr", "euc-kr"),
    ("eucjp", "euc-jp"),
    ("utf-16-le", "utf-16le"),
    ("utf-16-be", "utf-16be"),
    ("mac-roman", "macintosh"),
];

/// Names suggested for an unknown one.
const PROPOSED: [&str; 20] = [
    "utf-8",
    "gbk",
    "gb18030",
    "big5",
    "latin1",
    "windows-1252",
    "windows-1250",
    "windows-1251",
    "windows-1253",
    "windows-1254",
    "windows-1256",
    "iso-8859-2",
    "iso-8859-15",
    "koi8-r",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "utf-16le",
    "utf-16be",
    "macintosh",
];

/// Names of ASCII, which the Encoding Standard has for windows-1252. Other programs refuse any byte beyond
/// ASCII under them.
const ASCII_NAMES: [&str; 4] = ["ascii", "us-ascii", "ansi-x3.4-1968", "646"];

/// A name that is not used as an encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownEncoding {
    /// The name is unknown.
    #[error("`{found}` is not a known encoding; similar names are: {}", .nearest.join(", "))]
    Unknown {
        /// The given name.
        found: String,
        /// Names with the most similar spelling.
        nearest: Vec<&'static str>,
    },
    /// The name of ASCII.
    #[error(
        "`{found}` has no bytes beyond ASCII, and those of ASCII need no encoding; for English texts \
         with other bytes it is often windows-1252"
    )]
    Ascii {
        /// The given name.
        found: String,
    },
}

impl Encoding {
    /// UTF-8, which needs no decoding.
    pub const UTF_8: Encoding = Encoding(encoding_rs::UTF_8);
    /// UTF-16 with the least significant byte first.
    pub const UTF_16LE: Encoding = Encoding(encoding_rs::UTF_16LE);
    /// UTF-16 with the most significant byte first.
    pub const UTF_16BE: Encoding = Encoding(encoding_rs::UTF_16BE);

    /// The name in the Encoding Standard.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The name for the command line.
    pub fn label(self) -> String {
        self.name().to_ascii_lowercase()
    }

    /// Decodes bytes to text.
    ///
    /// # Errors
    /// Some of them are invalid; the error is the offset of the first.
    pub fn decode(self, bytes: &[u8]) -> Result<String, usize> {
        let mut decoder = self.0.new_decoder_without_bom_handling();
        let capacity =
            decoder.max_utf8_buffer_length_without_replacement(bytes.len()).ok_or(0_usize)?;
        let mut text = String::with_capacity(capacity);
        let (result, n_read) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
        match result {
            encoding_rs::DecoderResult::InputEmpty => match self.first_control(&text) {
                None => Ok(text),
                Some(place) => Err(place),
            },
            encoding_rs::DecoderResult::Malformed(len, n_after) => {
                Err(n_read.saturating_sub(usize::from(len)).saturating_sub(usize::from(n_after)))
            }
            encoding_rs::DecoderResult::OutputFull => Err(n_read),
        }
    }

    /// Like [`Encoding::decode`], with U+FFFD for invalid bytes, and their number.
    pub fn decode_lossy(self, bytes: &[u8]) -> (String, usize) {
        if let Ok(text) = self.decode(bytes) {
            return (text, 0);
        }
        let text = self.0.decode_without_bom_handling(bytes).0;
        let is_control = |c: char| self.0.is_single_byte() && is_c1(c);
        let text: String = text
            .chars()
            .map(|c| if is_control(c) { char::REPLACEMENT_CHARACTER } else { c })
            .collect();
        let n_replaced = text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
        (text, n_replaced)
    }

    /// The first byte that the Encoding Standard decodes to a control character because the code page
    /// leaves it unassigned, as reported by Python's decoders.
    fn first_control(self, text: &str) -> Option<usize> {
        self.0.is_single_byte().then(|| text.chars().position(is_c1)).flatten()
    }

    /// UTF-16, detected by its byte order mark, or by the zeros next to mostly English letters.
    pub fn of_utf16(bytes: &[u8]) -> Option<Encoding> {
        const FEWEST_PAIRS: usize = 2;
        match bytes {
            [0xff, 0xfe, ..] => return Some(Encoding::UTF_16LE),
            [0xfe, 0xff, ..] => return Some(Encoding::UTF_16BE),
            _ => {}
        }
        let (pairs, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() || pairs.len() < FEWEST_PAIRS {
            return None;
        }
        let mostly = |is_letter: fn(&[u8; 2]) -> bool| {
            pairs.iter().filter(|pair| is_letter(pair)).count() > pairs.len() / 2
        };
        if mostly(|[letter, zero]| *letter != 0 && *zero == 0) {
            return Some(Encoding::UTF_16LE);
        }
        mostly(|[zero, letter]| *letter != 0 && *zero == 0).then_some(Encoding::UTF_16BE)
    }

    /// The text of a file that another program may have saved: UTF-8, or what its byte order mark tells,
    /// as Windows programs save it, without the mark. `None` for anything else.
    pub fn text_of_file(bytes: &[u8]) -> Option<Cow<'_, str>> {
        let utf16 = |encoding: Encoding| encoding.decode(bytes.get(2..)?).ok().map(Cow::Owned);
        match bytes {
            [0xff, 0xfe, ..] => utf16(Encoding::UTF_16LE),
            [0xfe, 0xff, ..] => utf16(Encoding::UTF_16BE),
            _ => {
                let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
                std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
            }
        }
    }

    /// The encoding that these bytes resemble: UTF-8 if all are valid, otherwise a guess, since short
    /// texts contain little evidence.
    pub fn guess<'a>(texts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>) -> Encoding {
        // More bytes would take long without adding evidence.
        const MOST_BYTES: usize = 1 << 20;
        let texts = texts.into_iter();
        if texts.clone().all(|text| std::str::from_utf8(text).is_ok()) {
            return Encoding::UTF_8;
        }
        if let Some(utf16) = texts.clone().next().and_then(Encoding::of_utf16) {
            return utf16;
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        let mut n_left = MOST_BYTES;
        for text in texts {
            let part = text.get(..text.len().min(n_left)).unwrap_or_default();
            detector.feed(part, false);
            detector.feed(b"\n", false);
            n_left = n_left.saturating_sub(part.len());
        }
        detector.feed(b"", true);
        Encoding(detector.guess(None, Utf8Detection::Deny))
    }
}

/// Control characters that texts never contain, at positions that code pages leave unassigned.
fn is_c1(c: char) -> bool {
    ('\u{80}'..='\u{9f}').contains(&c)
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(found: &str) -> Result<Encoding, UnknownEncoding> {
        let name = found.trim().to_ascii_lowercase();
        let dashed = name.replace('_', "-");
        if ASCII_NAMES.contains(&&*dashed) {
            return Err(UnknownEncoding::Ascii { found: found.into() });
        }
        let of_python = PYTHON_NAMES.iter().find(|(known, _)| *known == dashed);
        let names = [of_python.map_or("", |(_, name)| *name), &name, &dashed];
        let known = names.iter().find_map(|name| {
            encoding_rs::Encoding::for_label_no_replacement(name.as_bytes())
                .filter(|encoding| *encoding != encoding_rs::X_USER_DEFINED)
        });
        known.map(Encoding).ok_or_else(|| {
            let mut nearest = PROPOSED;
            nearest.sort_by_key(|known| strsim::damerau_levenshtein(known, &dashed));
            let nearest = nearest.into_iter().take(4).collect();
            UnknownEncoding::Unknown { found: found.into(), nearest }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Encoding {
        name.parse().unwrap()
    }

    #[test]
    fn names_of_the_standard_and_of_python_are_known() {
        for (name, expected) in [
            ("gbk", "GBK"),
            ("cp936", "GBK"),
            ("GB18030", "gb18030"),
            ("latin-1", "windows-1252"),
            ("cp1252", "windows-1252"),
            ("utf_8", "UTF-8"),
            ("utf_16_le", "UTF-16LE"),
            ("Shift-JIS", "Shift_JIS"),
        ] {
            assert_eq!(named(name).name(), expected, "{name}");
        }
        let Err(UnknownEncoding::Unknown { nearest, .. }) = "gkb".parse::<Encoding>() else {
            panic!()
        };
        assert_eq!(nearest[0], "gbk");
        assert!("x-user-defined".parse::<Encoding>().is_err());
    }

    /// As in Python: in the Encoding Standard, it is a name of windows-1252.
    #[test]
    fn ascii_decodes_nothing() {
        for name in ["ascii", "ASCII", "us-ascii", "ANSI_X3.4-1968"] {
            let error = name.parse::<Encoding>().unwrap_err();
            assert!(matches!(error, UnknownEncoding::Ascii { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn what_is_no_character_is_told_with_its_place() {
        assert_eq!(named("gbk").decode(&[0xc4, 0xe3, 0xba, 0xc3]).unwrap(), "你好");
        assert_eq!(named("gbk").decode(b"ab\xff!"), Err(2));
        assert_eq!(named("gbk").decode(b"ab\xc4"), Err(2));
        assert_eq!(named("cp1252").decode(b"it\x92s").unwrap(), "it’s");
        assert_eq!(named("cp1252").decode(b"a\x81b"), Err(1));
        assert_eq!(named("cp1252").decode_lossy(b"a\x81b"), ("a\u{fffd}b".into(), 1));
        assert_eq!(Encoding::UTF_8.decode(b"caf\xe9"), Err(3));
        assert_eq!(Encoding::UTF_8.decode_lossy(b"caf\xe9"), ("caf\u{fffd}".into(), 1));
    }

    #[test]
    fn bytes_look_like_what_they_are() {
        let chinese = [0xc4, 0xe3, 0xba, 0xc3, 0xa3, 0xac, 0xce, 0xd2, 0xc3, 0xc7];
        assert_eq!(Encoding::guess([&chinese[..]]).name(), "GBK");
        let english = b"it\x92s a \x93great\x94 film \x96 really";
        assert_eq!(Encoding::guess([&english[..]]).name(), "windows-1252");
    }
}
