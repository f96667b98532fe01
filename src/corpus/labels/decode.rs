//! Decodes a table's bytes to text, by its own marks or the user's choice.

use std::borrow::Cow;
use std::path::Path;

use super::error::LabelTableError;
use crate::advice::{Advice, TableAdvice};
use crate::encoding::Encoding;

/// Files mistaken for tables: their first bytes, description, and how to make a table of them.
const OTHER_KINDS: [(&[u8], &str, Advice); 11] = [
    (
        b"PK\x03\x04",
        "a zip file, as Excel's .xlsx are",
        outside(
            "in Excel, «Save As» with the type «CSV UTF-8» makes a table of text; in Python, \
         `pandas.read_excel(PATH).to_csv(\"labels.csv\", index=False)`",
        ),
    ),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "a workbook of old Excel (.xls)",
        outside(
            "in Excel, «Save As» with the type «CSV UTF-8» makes a table of text; in Python, \
         `pandas.read_excel(PATH).to_csv(\"labels.csv\", index=False)`",
        ),
    ),
    (
        b"PAR1",
        "a Parquet file",
        outside(
            "in Python, `pandas.read_parquet(PATH).to_csv(\"labels.csv\", index=False)` makes a table \
         of text",
        ),
    ),
    (
        b"ARROW1",
        "an Arrow or Feather file",
        outside(
            "in Python, `pandas.read_feather(PATH).to_csv(\"labels.csv\", index=False)` makes a table \
         of text",
        ),
    ),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", Advice::Table(TableAdvice::StoreIsNoTable)),
    (
        b"SQLite format 3\0",
        "an SQLite database",
        outside("write the table that has the labels as CSV, with a line of names first"),
    ),
    (
        b"\x1f\x8b",
        "a file compressed by gzip",
        outside("unpack it with `gunzip`, and name what comes out"),
    ),
    (
        b"version https://git-lfs",
        "a Git LFS pointer",
        outside(
            "the real file was not fetched: run `git lfs pull` in the repository that it came from",
        ),
    ),
    (
        b"<",
        "a web page, or XML",
        outside("a download that asks to log in leaves such a file; open the link in a browser"),
    ),
    (
        b"{",
        "JSON",
        outside(
            "in Python, `pandas.read_json(PATH).to_csv(\"labels.csv\", index=False)` makes a table of \
         text",
        ),
    ),
    (
        b"[",
        "JSON",
        outside(
            "in Python, `pandas.read_json(PATH).to_csv(\"labels.csv\", index=False)` makes a table of \
         text",
        ),
    ),
];

/// A pickle, by its first two bytes.
const PICKLE: (&str, Advice) = (
    "a pickle",
    outside(
        "labels within a pickle are converted with it; a table of labels is text, such as \
         `label.csv`",
    ),
);

const fn outside(words: &'static str) -> Advice {
    Advice::Outside(Cow::Borrowed(words))
}

/// The text of a table, without a byte order mark.
///
/// # Errors
/// The file is of another kind, or some bytes are not text in the encoding in use.
pub(super) fn text<'a>(
    bytes: &'a [u8],
    path: &Path,
    told: Option<Encoding>,
) -> Result<Cow<'a, str>, LabelTableError> {
    let kind =
        |what, advice| LabelTableError::Kind { path: path.into(), what, advice: Box::new(advice) };
    let start = bytes.trim_ascii_start();
    if let Some((_, what, advice)) = OTHER_KINDS.iter().find(|(magic, ..)| start.starts_with(magic))
    {
        return Err(kind(what, advice.clone()));
    }
    if matches!(bytes, [0x80, 2..=5, ..]) {
        return Err(kind(PICKLE.0, PICKLE.1));
    }
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Err(kind("text in UTF-32", outside("save it as UTF-8")));
    }
    let (marked, rest) = byte_order_mark(bytes);
    if let (Some(expected), Some(found)) = (told, marked)
        && expected != found
    {
        return Err(LabelTableError::ByteOrderMark { path: path.into(), expected, found });
    }
    let encoding = told.or(marked).unwrap_or(Encoding::UTF_8);
    if encoding == Encoding::UTF_8
        && let Ok(text) = std::str::from_utf8(rest)
    {
        // UTF-16 without its mark is valid UTF-8 if all letters are English.
        return match zero_side(rest) {
            None => Ok(text.into()),
            Some(likely) => Err(wrong(rest, path, encoding, 0, likely)),
        };
    }
    encoding.decode(rest).map(Cow::Owned).map_err(|place| {
        let likely = match zero_side(rest) {
            Some(likely) => likely,
            None if std::str::from_utf8(rest).is_ok() => Encoding::UTF_8,
            None => Encoding::guess(
                rest.split(|byte| *byte == b'\n').filter(|line| std::str::from_utf8(line).is_err()),
            ),
        };
        wrong(rest, path, encoding, place, likely)
    })
}

fn wrong(
    bytes: &[u8],
    path: &Path,
    expected: Encoding,
    place: usize,
    likely: Encoding,
) -> LabelTableError {
    let fits = likely != expected && likely.decode(bytes).is_ok();
    let (looks, advice) = match fits {
        true => (
            format!("they look like {likely}"),
            TableAdvice::DecodeTable { encoding: likely.label().to_owned() },
        ),
        false => {
            ("no encoding that is tried fits the whole file".to_owned(), TableAdvice::MendTable)
        }
    };
    let before = expected.decode_lossy(bytes.get(..place).unwrap_or(bytes)).0;
    LabelTableError::Encoding {
        path: path.into(),
        line: line_of(before.as_bytes(), before.len()),
        expected,
        looks,
        advice: Box::new(advice),
    }
}

/// The encoding of a byte order mark, and the bytes after it.
fn byte_order_mark(bytes: &[u8]) -> (Option<Encoding>, &[u8]) {
    let marks: [(&[u8], Encoding); 3] = [
        (b"\xef\xbb\xbf", Encoding::UTF_8),
        (b"\xff\xfe", Encoding::UTF_16LE),
        (b"\xfe\xff", Encoding::UTF_16BE),
    ];
    let found =
        marks.iter().find_map(|(mark, encoding)| Some((*encoding, bytes.strip_prefix(*mark)?)));
    found.map_or((None, bytes), |(encoding, rest)| (Some(encoding), rest))
}

/// UTF-16 without a byte order mark, detected from the zeros next to its first letters.
fn zero_side(bytes: &[u8]) -> Option<Encoding> {
    match bytes {
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(Encoding::UTF_16LE),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(Encoding::UTF_16BE),
        _ => None,
    }
}

/// Line number of an offset, from 1; lines end in LF, CR LF or, on old systems, CR.
pub(super) fn line_of(bytes: &[u8], place: usize) -> usize {
    let mut line = 1_usize;
    let mut before = bytes.get(..place).unwrap_or(bytes).iter().peekable();
    while let Some(byte) = before.next() {
        let is_end = match byte {
            b'\n' => true,
            b'\r' => before.peek() != Some(&&b'\n'),
            _ => false,
        };
        line = line.saturating_add(usize::from(is_end));
    }
    line
}
