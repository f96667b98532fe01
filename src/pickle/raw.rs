//! Texts as stored in a file, before decoding.

use std::borrow::Cow;

/// A text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawText<'p> {
    /// A `str`.
    Str(Cow<'p, str>),
    /// A Python 2 `str`, which is bytes.
    ByteStr(&'p [u8]),
    /// `bytes`, or an element of a NumPy bytes array without its NUL padding.
    Bytes(&'p [u8]),
    /// A `str` with halves of surrogate pairs, which are not characters: otherwise UTF-8, with three
    /// bytes per half, as written by Python's `surrogatepass`.
    Halves(Cow<'p, [u8]>),
}

impl RawText<'_> {
    /// The beginning of the text for a message, escaped where it is not text.
    pub fn shown(&self) -> String {
        // Far more than any message has; a text may be a gigabyte.
        const MOST_BYTES: usize = 1 << 10;
        match self {
            RawText::Str(text) => {
                text.get(..text.floor_char_boundary(MOST_BYTES)).unwrap_or_default().into()
            }
            RawText::ByteStr(bytes) | RawText::Bytes(bytes) => {
                let first = bytes.get(..MOST_BYTES).unwrap_or(bytes);
                match std::str::from_utf8(bytes) {
                    Ok(text) => {
                        text.get(..text.floor_char_boundary(MOST_BYTES)).unwrap_or_default().into()
                    }
                    Err(_) => first.escape_ascii().to_string(),
                }
            }
            RawText::Halves(bytes) => parts(bytes.get(..MOST_BYTES).unwrap_or(bytes)).fold(
                String::new(),
                |shown, part| match part {
                    Part::Text(text) => shown + text,
                    Part::Half(code) => shown + &format!("\\u{code:04x}"),
                },
            ),
        }
    }
}

/// A part of a text with halves of surrogate pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Characters.
    Text(&'a str),
    /// One half.
    Half(u16),
}

/// The parts of a text with halves of surrogate pairs; ends early at bytes of another encoding, which
/// the machine never produces.
pub fn parts(bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if let Some((code, after)) = half(rest) {
            rest = after;
            return Some(Part::Half(code));
        }
        let n_valid = match std::str::from_utf8(rest) {
            Ok(_) => rest.len(),
            Err(error) => error.valid_up_to(),
        };
        let (text, after) = rest.split_at_checked(n_valid).filter(|(text, _)| !text.is_empty())?;
        rest = after;
        std::str::from_utf8(text).ok().map(Part::Text)
    })
}

/// Whether bytes are UTF-8 except for halves of surrogate pairs.
pub(super) fn is_with_halves(bytes: &[u8]) -> bool {
    let n_bytes = parts(bytes).fold(0_usize, |sum, part| {
        sum.saturating_add(match part {
            Part::Text(text) => text.len(),
            Part::Half(_) => 3,
        })
    });
    n_bytes == bytes.len()
}

/// The half at the start of `bytes`, and the rest.
fn half(bytes: &[u8]) -> Option<(u16, &[u8])> {
    match bytes {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, rest @ ..] => {
            let code = 0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f);
            Some((code, rest))
        }
        _ => None,
    }
}

/// Adds a code point, which may be half of a surrogate pair, to a text; `None` beyond the last one.
pub(super) fn push(code: u32, out: &mut Vec<u8>) -> Option<()> {
    match (char::from_u32(code), code) {
        (Some(char), _) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        (None, 0xd800..=0xdfff) => {
            out.extend([0xed, 0x80 | (code >> 6 & 0x3f) as u8, 0x80 | (code & 0x3f) as u8])
        }
        (None, _) => return None,
    }
    Some(())
}

/// Bytes as latin-1 text.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// A text that may contain halves.
pub(super) fn of_bytes(bytes: Cow<'_, [u8]>) -> RawText<'_> {
    match bytes {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => RawText::Str(text.into()),
            Err(_) => RawText::Halves(bytes.into()),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => RawText::Str(text.into()),
            Err(error) => RawText::Halves(error.into_bytes().into()),
        },
    }
}

/// UCS-4 text without its NUL padding, as UTF-8 except for halves.
pub(super) fn ucs4(bytes: &[u8], big_endian: bool) -> Option<Vec<u8>> {
    let chars = bytes.chunks_exact(4);
    let last = chars.clone().rposition(|chunk| chunk.iter().any(|byte| *byte != 0));
    let n_chars = last.map_or(0, |last| last.saturating_add(1));
    let mut out = Vec::with_capacity(n_chars);
    for chunk in chars.take(n_chars) {
        let array = chunk.try_into().ok()?;
        let code = if big_endian { u32::from_be_bytes(array) } else { u32::from_le_bytes(array) };
        push(code, &mut out)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_told_from_characters() {
        let mut text = b"a\xc3\xa9".to_vec();
        push(0xd83d, &mut text).unwrap();
        push(0x1f600, &mut text).unwrap();
        push(0xdfff, &mut text).unwrap();
        assert_eq!(push(0x11_0000, &mut text), None);
        let found: Vec<Part<'_>> = parts(&text).collect();
        let expected = [Part::Text("aé"), Part::Half(0xd83d), Part::Text("😀"), Part::Half(0xdfff)];
        assert_eq!(found, expected);
        assert!(is_with_halves(&text) && !is_with_halves(b"a\xff") && is_with_halves(b""));
        assert_eq!(RawText::Halves(text.into()).shown(), "aé\\ud83d😀\\udfff");
    }
}
