//! What separates the fields of a table, and whether its quotes end.

/// A separator, and where the table begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Separator {
    pub(super) byte: u8,
    /// Bytes before the first line, where Excel says the separator in a line of its own.
    pub(super) start: usize,
}

const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The separator of a table, told from its first lines: the one that makes most names of known
/// columns, then the one that makes lines of equal numbers of fields, then of the most.
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
    // The last of equal ones is taken, and a comma is the usual one.
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

/// The lines of a table, each with as many fields as it has.
pub(super) fn reader(text: &str, separator: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// Where a field in quotes begins that does not end. Readers of CSV take the rest of the file for
/// that field, and lose its rows without a word.
pub(super) fn open_quote(text: &str, separator: u8) -> Option<usize> {
    let mut opened = None;
    let mut is_start = true;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((place, byte)) = bytes.next() {
        match (opened, byte) {
            // A quote that is written twice is one within the field.
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
