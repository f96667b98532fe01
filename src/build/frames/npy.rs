//! NumPy arrays, `[n_frames, feat_dim]`.

use ndarray::{Array2, ShapeBuilder};
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};

use super::error::FrameError;
use super::form::{Frames, n_values};
use super::numbers::NumberType;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header in bytes: those of plain arrays have 118. Structured types of many fields are longer,
/// and are no features.
const MOST_HEADER: usize = 1 << 14;

/// Most brackets of a header that are open at once: a plain array's has two. The parser calls itself for
/// each.
const MOST_NESTED: usize = 16;

const EXPECTED: &str = "an array of numbers, [n_frames, feat_dim]";

/// Reads an array.
///
/// # Errors
/// It is not one of numbers with two axes, or is cut.
pub(super) fn read(bytes: &[u8]) -> Result<Frames, FrameError> {
    check_header(bytes)?;
    let mut rest = bytes;
    let header = NpyHeader::from_reader(&mut rest).map_err(|error| other(error.to_string()))?;
    let (kind, is_big_endian) = number_type(&header)?;
    let [n_rows, n_cols] = *header.shape() else {
        return Err(other(format!("{} {:?}", kind.name(), header.shape())));
    };
    let n_bytes = n_values(n_rows, n_cols)?.saturating_mul(kind.n_bytes());
    let values = rest
        .get(..n_bytes)
        .ok_or(FrameError::Cut { found: rest.len() as u64, expected: n_bytes as u64 })?;
    let values = kind.decode(values, is_big_endian);
    let extents = (n_rows as usize, n_cols as usize);
    let values = match header.order() {
        Order::C => Array2::from_shape_vec(extents, values),
        Order::Fortran => Array2::from_shape_vec(extents.f(), values),
    };
    let values = values.map_err(|error| other(error.to_string()))?;
    Ok(Frames {
        values,
        kind: "NumPy array",
        dtype: kind.name(),
        names: None,
        faces: None,
        times: None,
        has_counted_header: false,
    })
}

fn other(found: String) -> FrameError {
    FrameError::Form { expected: EXPECTED, found }
}

/// Checks the length of the header, its nesting and its numbers, before a parser sees it.
fn check_header(bytes: &[u8]) -> Result<(), FrameError> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(other("a file that does not begin as NumPy arrays do".into()));
    };
    let (len, start) = match rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
        [_, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
        _ => return Err(FrameError::Cut { found: rest.len() as u64, expected: 4 }),
    };
    if len > MOST_HEADER {
        return Err(other(format!("a header of {len} bytes")));
    }
    let text = rest.get(start..).unwrap_or_default();
    let Some(text) = text.get(..len) else {
        return Err(FrameError::Cut { found: text.len() as u64, expected: len as u64 });
    };
    let mut n_open = 0_usize;
    for byte in text {
        match byte {
            b'(' | b'[' | b'{' => n_open = n_open.saturating_add(1),
            b')' | b']' | b'}' => n_open = n_open.saturating_sub(1),
            _ => {}
        }
        if n_open > MOST_NESTED {
            return Err(other("a header of many nested brackets".into()));
        }
    }
    check_numbers(text)
}

/// Checks that the product of all numbers in a header has 64 bits: the parser multiplies the extents
/// without looking.
fn check_numbers(text: &[u8]) -> Result<(), FrameError> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let words = text.split(|byte| !is_word(byte));
    let mut product = 1_u64;
    for word in words.filter(|word| word.first().is_some_and(u8::is_ascii_digit)) {
        let number = std::str::from_utf8(word).ok().and_then(|word| word.parse::<u64>().ok());
        let next = number.and_then(|number| product.checked_mul(number.max(1)));
        product =
            next.ok_or_else(|| other("a header with larger numbers than arrays have".into()))?;
    }
    Ok(())
}

/// Type and byte order of the numbers.
fn number_type(header: &NpyHeader) -> Result<(NumberType, bool), FrameError> {
    let dtype = header.dtype();
    let DType::Plain(kind) = &dtype else { return Err(other("an array of records".into())) };
    let found = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, 1) => NumberType::Bool,
        (TypeChar::Int, 1) => NumberType::Int8,
        (TypeChar::Int, 2) => NumberType::Int16,
        (TypeChar::Int, 4) => NumberType::Int32,
        (TypeChar::Int, 8) => NumberType::Int64,
        (TypeChar::Uint, 1) => NumberType::Uint8,
        (TypeChar::Uint, 2) => NumberType::Uint16,
        (TypeChar::Uint, 4) => NumberType::Uint32,
        (TypeChar::Uint, 8) => NumberType::Uint64,
        (TypeChar::Float, 2) => NumberType::Float16,
        (TypeChar::Float, 4) => NumberType::Float32,
        (TypeChar::Float, 8) => NumberType::Float64,
        _ if kind.uses_pickled_array() => {
            return Err(other("Python objects, which are not read".into()));
        }
        _ => return Err(other(format!("an array of type {}", dtype.descr()))),
    };
    Ok((found, kind.endianness() == Endianness::Big))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(header: &str, values: &[u8]) -> Vec<u8> {
        let len = u16::try_from(header.len() + 1).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &len, header.as_bytes(), b"\n", values].concat()
    }

    #[test]
    fn both_orders_of_the_axes_are_read() {
        let bytes: Vec<u8> = (1..=6_u8).collect();
        let read_as = |order: &str| {
            let header = format!("{{'descr': '|u1', 'fortran_order': {order}, 'shape': (2, 3), }}");
            read(&array(&header, &bytes)).unwrap().values
        };
        assert_eq!(read_as("False"), ndarray::arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]));
        assert_eq!(read_as("True"), ndarray::arr2(&[[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]));
    }

    #[test]
    fn what_is_no_matrix_of_numbers_is_refused() {
        let fails = |descr: &str, shape: &str, values: &[u8]| {
            let header =
                format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
            read(&array(&header, values)).unwrap_err().to_string()
        };
        assert!(fails("'|O'", "(2, 3)", b"").ends_with("Python objects, which are not read"));
        assert!(fails("'<f4'", "(6,)", &[0; 24]).ends_with("found float32 [6]"));
        assert!(fails("'<U3'", "(1, 1)", &[0; 12]).contains("an array of type"));
        assert_eq!(fails("'<f8'", "(2, 3)", &[0; 40]), "is cut: 40 of 48 bytes are there");
        let large = fails("'<f8'", "(1048576, 1048576)", b"");
        assert!(large.contains("are more than the"), "{large}");
        for shape in ["(4294967296, 4294967296)", "(0xffffffffffffffff, 2)", "(0, 1_0)"] {
            let huge = fails("'<f8'", shape, b"");
            assert!(huge.ends_with("larger numbers than arrays have"), "{huge}");
        }
        let nested = array(&"[".repeat(9000), b"");
        assert!(read(&nested).unwrap_err().to_string().contains("nested brackets"));
        assert!(read(b"\x93NUMPY\x01\0\xff").unwrap_err().to_string().starts_with("is cut"));
        assert!(read(b"text").unwrap_err().to_string().contains("does not begin"));
    }
}
