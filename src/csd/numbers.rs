//! Values of one dataset, of any type that a sequence may have.

use std::ops::Range;

use ::hdf5::Dataset;
use ::hdf5::types::{
    FixedAscii, FixedUnicode, FloatSize, TypeDescriptor, VarLenAscii, VarLenUnicode,
};
use ndarray::Array2;

use super::dtype::FeatureType;
use super::entry::{Features, Texts};

/// Widest string of fixed width that is read, in bytes. Words of the CMU datasets take 7 to 17.
const MOST_WIDTH: usize = 4096;

/// Strings of variable length that are read at once.
const PIECE_STRINGS: usize = 256;

/// Bytes of all strings of variable length of one entry: several may share the bytes of one in the file.
const MOST_STRING_BYTES: usize = 1 << 30;

/// Integers beyond this lose digits as float64.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Problem of a dataset, to follow its place; or the library's error.
pub(super) enum Unread {
    Problem(String),
    Library(::hdf5::Error),
}

impl From<::hdf5::Error> for Unread {
    fn from(error: ::hdf5::Error) -> Unread {
        Unread::Library(error)
    }
}

/// The type of a dataset's values, and bytes of one of them in the file.
pub(super) fn type_of(dataset: &Dataset) -> Result<(FeatureType, usize), Unread> {
    let dtype = dataset.dtype()?;
    let n_bytes = dtype.size();
    let descriptor = dtype.to_descriptor();
    let known = match &descriptor {
        Ok(TypeDescriptor::Float(FloatSize::U8) | TypeDescriptor::Integer(_))
        | Ok(TypeDescriptor::Unsigned(_)) => FeatureType::Float64,
        Ok(TypeDescriptor::Float(_)) => FeatureType::Float32,
        Ok(TypeDescriptor::FixedAscii(width) | TypeDescriptor::FixedUnicode(width)) => {
            if *width > MOST_WIDTH {
                let problem =
                    format!("strings of {width} bytes, more than the limit of {MOST_WIDTH}");
                return Err(Unread::Problem(problem));
            }
            FeatureType::Text { width: *width }
        }
        Ok(TypeDescriptor::VarLenAscii | TypeDescriptor::VarLenUnicode) => {
            FeatureType::Text { width: 0 }
        }
        Ok(other) => {
            return Err(Unread::Problem(format!("expected numbers or strings, found {other}")));
        }
        Err(_) => {
            return Err(Unread::Problem("expected numbers or strings, found another type".into()));
        }
    };
    Ok((known, n_bytes))
}

/// All values of a dataset, `[n_rows, feat_dim]`; further axes are joined with the second.
pub(super) fn read(dataset: &Dataset, shape: [usize; 2]) -> Result<Features, Unread> {
    let descriptor = dataset.dtype()?.to_descriptor()?;
    let lost = |_| Unread::Problem("has another number of values than its shape".into());
    Ok(match descriptor {
        TypeDescriptor::Float(FloatSize::U8) => {
            let values = dataset.read_raw::<f64>()?;
            Features::Float64(Array2::from_shape_vec(shape, values).map_err(lost)?)
        }
        TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_) => {
            let values = dataset.read_raw::<f64>()?;
            if let Some(value) = values.iter().find(|value| value.abs() > MOST_EXACT) {
                let problem = format!("the integer {value} is too large for float64");
                return Err(Unread::Problem(problem));
            }
            Features::Float64(Array2::from_shape_vec(shape, values).map_err(lost)?)
        }
        TypeDescriptor::Float(_) => {
            let values = dataset.read_raw::<f32>()?;
            Features::Float32(Array2::from_shape_vec(shape, values).map_err(lost)?)
        }
        _ => {
            let (width, values) = strings(dataset)?;
            let values = Array2::from_shape_vec(shape, values).map_err(lost)?;
            Features::Text(Texts { width, values })
        }
    })
}

/// Some rows of a dataset of this shape. Only these are unpacked of floats in two axes; of others, all
/// rows are read.
pub(super) fn read_rows(
    dataset: &Dataset,
    shape: [usize; 2],
    rows: Range<usize>,
) -> Result<Features, Unread> {
    let descriptor = dataset.dtype()?.to_descriptor()?;
    Ok(match descriptor {
        TypeDescriptor::Float(FloatSize::U8) if dataset.ndim() == 2 => {
            Features::Float64(dataset.read_slice((rows, ..))?)
        }
        TypeDescriptor::Float(_) if dataset.ndim() == 2 => {
            Features::Float32(dataset.read_slice((rows, ..))?)
        }
        _ => read(dataset, shape)?.select(&rows.collect::<Vec<usize>>()),
    })
}

/// Width in bytes and all strings of a dataset.
pub(super) fn strings(dataset: &Dataset) -> Result<(usize, Vec<String>), Unread> {
    let descriptor = dataset.dtype()?.to_descriptor()?;
    let (width, bytes) = match descriptor {
        TypeDescriptor::FixedAscii(width) => (width, fixed(dataset, width, false)?),
        TypeDescriptor::FixedUnicode(width) => (width, fixed(dataset, width, true)?),
        TypeDescriptor::VarLenAscii => {
            let bytes = variable::<VarLenAscii>(dataset, VarLenAscii::as_bytes)?;
            (bytes.iter().map(Vec::len).max().unwrap_or(1).max(1), bytes)
        }
        TypeDescriptor::VarLenUnicode => {
            let bytes = variable::<VarLenUnicode>(dataset, |text| text.as_bytes())?;
            (bytes.iter().map(Vec::len).max().unwrap_or(1).max(1), bytes)
        }
        other => return Err(Unread::Problem(format!("expected strings, found {other}"))),
    };
    let texts = bytes.into_iter().enumerate().map(|(idx, bytes)| {
        String::from_utf8(bytes)
            .map_err(|_| Unread::Problem(format!("value {idx} is not text in UTF-8")))
    });
    Ok((width, texts.collect::<Result<_, _>>()?))
}

/// Strings of fixed width. The library converts them to the next larger of a few widths, because a width
/// is part of a type.
fn fixed(dataset: &Dataset, width: usize, is_unicode: bool) -> ::hdf5::Result<Vec<Vec<u8>>> {
    macro_rules! by_width {
        ($($most:literal)*) => {
            match width {
                $(..=$most => match is_unicode {
                    true => all::<FixedUnicode<$most>>(dataset, FixedUnicode::as_bytes),
                    false => all::<FixedAscii<$most>>(dataset, FixedAscii::as_bytes),
                },)*
                // `type_of` refuses wider ones.
                _ => Err("strings are wider than the limit".into()),
            }
        };
    }
    by_width!(8 16 32 64 128 256 512 1024 2048 4096)
}

fn all<T: ::hdf5::H5Type>(
    dataset: &Dataset,
    bytes: impl Fn(&T) -> &[u8],
) -> ::hdf5::Result<Vec<Vec<u8>>> {
    Ok(dataset.read_raw::<T>()?.iter().map(|text| bytes(text).to_vec()).collect())
}

/// Strings of variable length, a piece at a time.
fn variable<T: ::hdf5::H5Type>(
    dataset: &Dataset,
    bytes: impl Fn(&T) -> &[u8],
) -> Result<Vec<Vec<u8>>, Unread> {
    let shape = dataset.shape();
    let mut texts = Vec::new();
    let mut n_bytes = 0;
    let mut add = |part: &[T]| {
        for text in part {
            n_bytes += bytes(text).len();
            texts.push(bytes(text).to_vec());
        }
        match n_bytes > MOST_STRING_BYTES {
            true => Err(Unread::Problem(format!(
                "its strings have more than the limit of {MOST_STRING_BYTES} bytes"
            ))),
            false => Ok(()),
        }
    };
    match *shape {
        [n_rows, feat_dim] if feat_dim > 0 => {
            let step = (PIECE_STRINGS / feat_dim).max(1);
            for start in (0..n_rows).step_by(step) {
                let end = (start + step).min(n_rows);
                let part: Array2<T> = dataset.read_slice((start..end, ..))?;
                add(&part.into_raw_vec_and_offset().0)?;
            }
        }
        _ => add(&dataset.read_raw::<T>()?)?,
    }
    Ok(texts)
}
