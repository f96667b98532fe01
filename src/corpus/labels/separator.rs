//! Detects a table's field separator and unclosed quotes.

/// A separator, and the start of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Separator {
    pub(super) byte: u8,
    /// Bytes before the first line, if Excel's separator line precedes it.
    pub(super) start: usize,
}

const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A table's separator, detected from its first lines: the one with the most known column names, then
/// with equal numbers of fields per line, then with the most fields.
pub(super) fn of(text: &str, is_known: &dyn Fn(&str) -> bool) -> Separator {
    if let Some(told) = told(text) {
        return told;
    }
    let score = |byte: u8| {
        const N_LINES: usize = 20;
        let lines: Vec<csv::StringRecord> =
            reader(text, byte).into_records().take(N_LINES).flatten().collect();
        let first = lines.first().map_or(0, csv::StringRecord::len);
        let n_known = lines.first().map_or(0, |names| names.iter().filter(|n| is_known(n)).count());
        let is_even = first > 1 && lines.iter().all(|line| line.len() == first);
        (n_known, is_even, first)
    };
    // The last of equal candidates is chosen, and a comma is the most common one.
    let best = SEPARATORS.into_iter().rev().max_by_key(|byte| score(*byte));
    Separator { byte: best.unwrap_or(b','), start: 0 }
}

/// A first line such as `sep=;`, which Excel reads.
fn told(text: &str) -> Option<Separator> {
    let rest = text.strip_prefix("sep=")?;
    let byte = rest.bytes().next().filter(|byte| SEPARATORS.contains(byte))?;
    let end = rest.get(1..)?;
    let after = end.strip_prefix("\r\n").or(end.strip_prefix('\n')).or(end.strip_prefix('\r'))?;
    Some(Separator { byte, start: text.len().saturating_sub(after.len()) })
}

/// A reader of the table's lines, with any number of fields per line.
pub(super) fn reader(text: &str, separator: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// Start of a quoted field without a closing quote. CSV readers treat the rest of the file as that
/// field, and silently lose its rows.
pub(super) fn open_quote(text: &str, separator: u8) -> Option<usize> {
    let mut opened = None;
    let mut is_start = true;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((place, byte)) = bytes.next() {
        match (opened, byte) {
            // A doubled quote is a quote within the field.
            (Some(_), b'"') if bytes.peek().is_some_and(|(_, next)| *next == b'"') => {
                bytes.next();
            }
            (Some(_), b'"') => opened = None,
            (None, b'"') if is_start => opened = Some(place),
            _ => {}
        }
        is_start = opened.is_none() && (byte == separator || matches!(byte, b'\n' | b'\r'));
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    fn separator(text: &str) -> char {
        char::from(of(text, &|name| ["id", "label", "text"].contains(&name)).byte)
    }

    #[test]
    fn the_separator_is_told_from_names_and_even_lines() {
        assert_eq!(separator("id,label\na_1,2\n"), ',');
        assert_eq!(separator("id;label;text\na_1;2,5;\"well, yes, no\"\n"), ';');
        assert_eq!(separator("id\tlabel\na_1\t2,5\n"), '\t');
        assert_eq!(separator("0,5;1,5;a;1;2,25\n0,5;1;b;2;2\n"), ';');
        assert_eq!(separator("id|label|text\na_1|2|well, yes, no\n"), '|');
        assert_eq!(separator("a_1\n"), ',');
        assert_eq!(of("sep=;\r\nx;y\r\n", &|_| false), Separator { byte: b';', start: 7 });
    }

    #[test]
    fn quotes_that_do_not_end_are_found() {
        assert_eq!(open_quote("id,text\na,\"x \"\"y\"\" \nz\"\nb,5\" tall\n", b','), None);
        assert_eq!(open_quote("id,text\na,\"x\nb,y\n", b','), Some(10));
        assert_eq!(open_quote("\"\"", b','), None);
    }
}
