//! The text forms of protocol 0: quoted strings, escaped text, decimal integers; and two's complement
//! integers of any size.

use super::raw;

/// The bytes of a quoted Python 2 string literal.
pub(super) fn unquote(line: &[u8]) -> Option<Vec<u8>> {
    let (quote, rest) = line.split_first()?;
    let (last, inner) = rest.split_last()?;
    if !matches!(quote, b'\'' | b'"') || last != quote {
        return None;
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let escape = bytes.next()?;
        match escape {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'a' => out.push(0x07),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'v' => out.push(0x0b),
            b'\\' | b'\'' | b'"' => out.push(escape),
            b'x' => {
                let high = hex_digit(bytes.next()?)?;
                let low = hex_digit(bytes.next()?)?;
                out.push(high << 4 | low);
            }
            b'0'..=b'7' => {
                let mut code = u32::from(escape - b'0');
                for _ in 0..2 {
                    let Some(digit) = bytes.next_if(|byte| matches!(byte, b'0'..=b'7')) else {
                        break;
                    };
                    code = code << 3 | u32::from(digit - b'0');
                }
                // Three octal digits can exceed a byte; Python keeps the low eight bits.
                out.push((code & 0xff) as u8);
            }
            // Python keeps the backslash of an unknown escape.
            other => out.extend([b'\\', other]),
        }
    }
    Some(out)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// The text of a line in Python's `raw-unicode-escape` encoding: latin-1, with `\uXXXX` and
/// `\UXXXXXXXX` if an odd number of backslashes precedes the letter.
///
/// Half of a surrogate pair, which Python accepts too, becomes three bytes, so the text is then not
/// UTF-8.
pub(super) fn raw_unicode(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        let n_backslashes = rest.iter().take_while(|byte| **byte == b'\\').count();
        if n_backslashes == 0 {
            raw::push((*byte).into(), &mut out)?;
            rest = after;
            continue;
        }
        let (backslashes, after) = rest.split_at_checked(n_backslashes)?;
        let escaped = n_backslashes % 2 == 1 && matches!(after.first(), Some(b'u' | b'U'));
        out.extend(backslashes.iter().skip(usize::from(escaped)));
        rest = if escaped { push_escape(after, &mut out)? } else { after };
    }
    Some(out)
}

/// Reads one escape, starting at its letter, and joins the two halves of a surrogate pair, which narrow
/// builds of Python 2 wrote.
fn push_escape<'a>(bytes: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (code, rest) = escape_code(bytes)?;
    if let Some((low, after)) = low_half(rest).filter(|_| (0xd800..0xdc00).contains(&code)) {
        raw::push(0x10000 + ((code - 0xd800) << 10) + low, out)?;
        return Some(after);
    }
    raw::push(code, out)?;
    Some(rest)
}

/// The escaped lower half of a surrogate pair, as an offset from the first lower half.
fn low_half(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (code, rest) = escape_code(bytes.strip_prefix(b"\\")?)?;
    let low = code.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((low, rest))
}

fn escape_code(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (letter, rest) = bytes.split_first()?;
    let n_digits = if *letter == b'u' { 4 } else { 8 };
    let (digits, rest) = rest.split_at_checked(n_digits)?;
    let digit =
        |code: u32, byte: &u8| code.checked_mul(16)?.checked_add(char::from(*byte).to_digit(16)?);
    Some((digits.iter().try_fold(0, digit)?, rest))
}

/// The number on a line, unless malformed or beyond all floats, as in Python.
pub(super) fn float(line: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(line).ok()?.parse().ok()?;
    let is_digits = line.iter().any(u8::is_ascii_digit);
    Some(value).filter(|value| value.is_finite() || !is_digits)
}

/// The shortest little-endian two's complement bytes of a decimal integer with an optional sign.
pub(super) fn decimal(line: &[u8]) -> Option<Vec<u8>> {
    let (negative, digits) = match line.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, line),
    };
    if digits.is_empty() {
        return None;
    }
    // Uses 32-bit limbs and groups of nine digits, so that long numbers take no noticeable time.
    let mut limbs: Vec<u32> = Vec::new();
    for group in digits.chunks(9) {
        let (mut factor, mut carry) = (1_u64, 0_u64);
        for digit in group {
            factor *= 10;
            carry = carry * 10 + u64::from(char::from(*digit).to_digit(10)?);
        }
        for limb in &mut limbs {
            let sum = u64::from(*limb) * factor + carry;
            *limb = (sum & u64::from(u32::MAX)) as u32;
            carry = sum >> 32;
        }
        if carry != 0 {
            limbs.push(carry as u32);
        }
    }
    let mut bytes: Vec<u8> = limbs.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut bytes {
            (*byte, carry) = (!*byte).overflowing_add(carry.into());
        }
    }
    let len = trim_sign(&bytes).len();
    bytes.truncate(len);
    Some(bytes)
}

/// Removes most significant bytes that only repeat the sign.
pub(super) fn trim_sign(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., next, last] = bytes {
        let sign = if next & 0x80 == 0 { 0 } else { 0xff };
        if *last != sign {
            break;
        }
        bytes = bytes.get(..rest.len() + 1).unwrap_or(bytes);
    }
    bytes
}

/// The integer with these two's complement bytes, if it fits.
pub(super) fn small_integer(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = if negative { [0xff; 8] } else { [0; 8] };
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_escapes() {
        assert_eq!(unquote(br"'a\x41\101\n\\\'\q'").unwrap(), b"aAA\n\\'\\q");
        for bad in [&b"'a"[..], b"'", b"", b"abc", b"'a\"", br"'\x4'", br"'\'"] {
            assert_eq!(unquote(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn unicode_escapes() {
        let text = |line| String::from_utf8(raw_unicode(line).unwrap()).unwrap();
        assert_eq!(text(b"a\\u00e9\xe9\\\\u0041"), "aéé\\\\u0041");
        assert_eq!(text(br"\ud83d\ude00\U0001f600"), "😀😀");
        assert_eq!(text(br"\n"), "\\n");
        assert_eq!(raw_unicode(br"\ud83d\u0041").unwrap(), b"\xed\xa0\xbdA");
        assert_eq!(raw_unicode(br"\ude00").unwrap(), b"\xed\xb8\x80");
        for bad in [&br"\u12"[..], br"\ud83d\u12", br"\U00110000", br"\uzzzz"] {
            assert_eq!(raw_unicode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn floats() {
        assert_eq!(float(b"-1.5e3"), Some(-1500.0));
        assert_eq!(float(b"-inf"), Some(f64::NEG_INFINITY));
        for bad in [&b"1e400"[..], b"", b" 1", b"1_0", b"0x1p3", b"1.5 "] {
            assert_eq!(float(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn integers_of_any_size() {
        for value in [0, 1, -1, 127, 128, -128, -129, 255, 256, i64::MAX, i64::MIN] {
            let bytes = decimal(value.to_string().as_bytes()).unwrap();
            assert_eq!(small_integer(&bytes), Some(value), "{value}");
        }
        assert_eq!(decimal(b"9223372036854775808").map(|bytes| bytes.len()), Some(9));
        assert_eq!(small_integer(&decimal(b"9223372036854775808").unwrap()), None);
        assert_eq!(trim_sign(&[5, 0, 0]), [5]);
        assert_eq!(decimal(b"-"), None);
        assert_eq!(decimal(b"1x"), None);
        assert_eq!(
            decimal(b"1000000000000000000000").unwrap(),
            [0, 0, 0xa0, 0xde, 0xc5, 0xad, 0xc9, 0x35, 0x36]
        );
    }
}
