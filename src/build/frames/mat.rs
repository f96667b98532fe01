//! MATLAB files of version 5, whose variables may be deflated one by one.
//!
//! Only matrices of real numbers are read. The crates that read such files inflate without a limit, and
//! some of them panic on types that they do not know.

use std::io::Read;

use flate2::read::ZlibDecoder;
use ndarray::{Array2, ShapeBuilder};

use super::choice::{Variable, choose};
use super::error::FrameError;
use super::form::{Frames, n_values};
use super::numbers::NumberType;

/// Bytes of the file's header.
const HEADER: usize = 128;

/// Bytes that precede a variable's values: its type, extents and name, which has at most 63 letters.
const MOST_HEAD: usize = 1 << 12;

/// Types of elements.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

const EXPECTED: &str = "a MATLAB file of version 5 or 7.3";

/// Reads the matrix of features.
///
/// # Errors
/// The file is not one of this version, is damaged, or has no such matrix.
pub(super) fn read(bytes: &[u8]) -> Result<Frames, FrameError> {
    let is_big_endian = byte_order(bytes)?;
    let mut found = Vec::new();
    let mut at = HEADER;
    while at < bytes.len() {
        let tag = Tag::of(bytes.get(at..).unwrap_or_default(), is_big_endian)?;
        let start = at.saturating_add(tag.n_before);
        let Some(content) = bytes.get(start..start.saturating_add(tag.n_bytes)) else {
            let found = bytes.len().saturating_sub(start) as u64;
            return Err(FrameError::Cut { found, expected: tag.n_bytes as u64 });
        };
        let (variable, head) = match tag.kind {
            MATRIX => head(content, is_big_endian)?,
            COMPRESSED => {
                let start = inflated(content, MOST_HEAD)?;
                head(matrix_of(&start, is_big_endian)?, is_big_endian)?
            }
            _ => (None, Head::default()),
        };
        if let Some(variable) = variable {
            found.push((variable, head, content, tag.kind == COMPRESSED));
        }
        // Compressed elements are not padded to eight bytes, others are.
        let end = start.saturating_add(tag.n_bytes);
        at = if tag.kind == COMPRESSED { end } else { end.next_multiple_of(8) };
    }
    let (variables, rest): (Vec<Variable>, Vec<_>) = found
        .into_iter()
        .map(|(variable, head, content, is_packed)| (variable, (head, content, is_packed)))
        .unzip();
    let chosen = choose(&variables)?;
    let (head, content, is_packed) = rest.into_iter().nth(chosen).ok_or(FrameError::NoFrames)?;
    match is_packed {
        false => values(content, &head, is_big_endian),
        true => {
            let [n_rows, n_cols] = head.extents;
            // Two tags and eight bytes for every value: no more is inflated.
            let most = n_values(n_rows, n_cols)?.saturating_mul(8);
            let most = most.saturating_add(head.n_bytes).saturating_add(32);
            let inflated = inflated(content, most)?;
            values(matrix_of(&inflated, is_big_endian)?, &head, is_big_endian)
        }
    }
}

/// Whether numbers have their most significant byte first.
fn byte_order(bytes: &[u8]) -> Result<bool, FrameError> {
    let other = |found: &str| FrameError::Form { expected: EXPECTED, found: found.into() };
    match bytes.get(124..HEADER) {
        Some([0x00, 0x01, b'I', b'M']) => Ok(false),
        Some([0x01, 0x00, b'M', b'I']) => Ok(true),
        Some(_) => Err(other("another file")),
        None => Err(other("a shorter file")),
    }
}

/// Type and size of an element.
struct Tag {
    kind: u32,
    n_bytes: usize,
    /// Bytes of the tag; small elements are a part of it.
    n_before: usize,
    /// Bytes with padding, of an element within a variable.
    n_padded: usize,
}

impl Tag {
    fn of(bytes: &[u8], is_big_endian: bool) -> Result<Tag, FrameError> {
        let word = |at: usize| -> Option<u32> {
            let word: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
            Some(if is_big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
        };
        let cut = FrameError::Cut { found: bytes.len() as u64, expected: 8 };
        let Some((first, second)) = word(0).zip(word(4)) else { return Err(cut) };
        let small = (first >> 16) as usize;
        if small > 0 {
            return Ok(Tag {
                kind: first & 0xffff,
                n_bytes: small.min(4),
                n_before: 4,
                n_padded: 8,
            });
        }
        let n_bytes = second as usize;
        let n_padded = n_bytes.saturating_add(8).next_multiple_of(8);
        Ok(Tag { kind: first, n_bytes, n_before: 8, n_padded })
    }
}

/// What precedes the values of a matrix.
#[derive(Debug, Default)]
struct Head {
    extents: [u64; 2],
    /// Type of the matrix in MATLAB, which may store its values in fewer bytes.
    dtype: &'static str,
    /// Bytes before the values' tag.
    n_bytes: usize,
}

/// The content of the matrix that a compressed element holds, as far as it is inflated.
fn matrix_of(inflated: &[u8], is_big_endian: bool) -> Result<&[u8], FrameError> {
    let tag = Tag::of(inflated, is_big_endian)?;
    match tag.kind {
        MATRIX => Ok(inflated.get(tag.n_before..).unwrap_or_default()),
        kind => Err(FrameError::Form {
            expected: "a variable",
            found: format!("a compressed element of type {kind}"),
        }),
    }
}

/// The first bytes of a compressed element, `most` at the most.
fn inflated(bytes: &[u8], most: usize) -> Result<Vec<u8>, FrameError> {
    let mut found = Vec::new();
    let mut decoder = ZlibDecoder::new(bytes).take(most as u64);
    match decoder.read_to_end(&mut found) {
        Ok(_) => Ok(found),
        // What is damaged after the start is found where all of it is read.
        Err(_) if found.len() >= 64 => Ok(found),
        Err(error) => Err(FrameError::Io(error)),
    }
}

/// The variable that a matrix is, and where its values begin; `None` without a name, as for data that
/// belong to objects.
fn head(content: &[u8], is_big_endian: bool) -> Result<(Option<Variable>, Head), FrameError> {
    let mut at = 0;
    let mut next = || -> Result<&[u8], FrameError> {
        let rest = content.get(at..).unwrap_or_default();
        let tag = Tag::of(rest, is_big_endian)?;
        let element = rest.get(tag.n_before..tag.n_before.saturating_add(tag.n_bytes));
        at = at.saturating_add(tag.n_padded);
        let expected = tag.n_bytes as u64;
        element.ok_or(FrameError::Cut { found: rest.len() as u64, expected })
    };
    let word = |bytes: &[u8; 4]| match is_big_endian {
        true => u32::from_be_bytes(*bytes),
        false => u32::from_le_bytes(*bytes),
    };
    let flags = next()?.first_chunk::<4>().map(word).unwrap_or_default();
    let (class, is_complex) = (flags & 0xff, flags & 0x0800 != 0);
    // Objects of a class, such as tables, have no extents here.
    if !(1..=15).contains(&class) {
        return Ok((None, Head::default()));
    }
    let (extents, _) = next()?.as_chunks::<4>();
    let extents: Vec<u64> = extents.iter().map(|extent| u64::from(word(extent))).collect();
    let name = String::from_utf8_lossy(next()?).into_owned();
    let is_numeric = (6..=15).contains(&class) && !is_complex;
    let what = match (class, is_complex) {
        (1, _) => "a cell array".to_owned(),
        (2, _) => "a struct".to_owned(),
        (4, _) => "text".to_owned(),
        (5, _) => "a sparse matrix".to_owned(),
        (6..=15, true) => "complex numbers".to_owned(),
        (6..=15, false) => format!("numbers {extents:?}"),
        _ => "an object".to_owned(),
    };
    let matrix = <[u64; 2]>::try_from(extents).ok();
    let is_matrix = is_numeric && matrix.is_some();
    let variable = (!name.is_empty()).then_some(Variable { name, what, is_matrix });
    let dtype = match class {
        6 => "float64",
        7 => "float32",
        _ => "integers",
    };
    Ok((variable, Head { extents: matrix.unwrap_or_default(), dtype, n_bytes: at }))
}

/// The values of a matrix, which lie column by column.
fn values(content: &[u8], head: &Head, is_big_endian: bool) -> Result<Frames, FrameError> {
    let rest = content.get(head.n_bytes..).unwrap_or_default();
    let tag = Tag::of(rest, is_big_endian)?;
    let kind = match tag.kind {
        1 => NumberType::Int8,
        2 => NumberType::Uint8,
        3 => NumberType::Int16,
        4 => NumberType::Uint16,
        5 => NumberType::Int32,
        6 => NumberType::Uint32,
        7 => NumberType::Float32,
        9 => NumberType::Float64,
        12 => NumberType::Int64,
        13 => NumberType::Uint64,
        kind => {
            let found = format!("values of type {kind}");
            return Err(FrameError::Form { expected: "numbers", found });
        }
    };
    let [n_rows, n_cols] = head.extents;
    let n_bytes = n_values(n_rows, n_cols)?.saturating_mul(kind.n_bytes());
    let found = rest.get(tag.n_before..tag.n_before.saturating_add(n_bytes));
    let found = found.filter(|_| tag.n_bytes == n_bytes).ok_or(FrameError::Cut {
        found: rest.len().saturating_sub(tag.n_before).min(tag.n_bytes) as u64,
        expected: n_bytes as u64,
    })?;
    let extents = (n_rows as usize, n_cols as usize).f();
    let values = Array2::from_shape_vec(extents, kind.decode(found, is_big_endian));
    let values = values
        .map_err(|error| FrameError::Form { expected: "a matrix", found: error.to_string() })?;
    Ok(Frames {
        values,
        kind: "MATLAB matrix",
        dtype: head.dtype,
        names: None,
        faces: None,
        times: None,
        has_counted_header: false,
    })
}
