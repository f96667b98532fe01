//! MATLAB files of version 7.3, which are HDF5 files after 512 bytes of text.
//!
//! The library inflates a chunk to whatever it unpacks to, so that every chunk is inflated here first,
//! without keeping it, up to the size that the file states.

use std::io::{self, Read};
use std::path::Path;

use flate2::read::ZlibDecoder;
use hdf5::dataset::Layout;
use hdf5::filters::Filter;
use hdf5::types::{FixedAscii, FloatSize, TypeDescriptor};
use hdf5::{Dataset, File, LinkType};

use super::choice::{Variable, choose};
use super::error::FrameError;
use super::form::{Frames, MOST_VALUES, n_values};
use crate::chain::Said;

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Bytes of text that MATLAB writes before the HDF5 file.
const USER_BLOCK: usize = 512;

/// The attribute with the type of a variable in MATLAB.
const CLASS: &str = "MATLAB_class";

/// The most bytes that deflate makes of one.
const MOST_INFLATED: u64 = 1032;

/// Whether these bytes are such a file.
pub(super) fn is_hdf5(bytes: &[u8]) -> bool {
    [0, USER_BLOCK].iter().any(|at| bytes.get(*at..).is_some_and(|all| all.starts_with(SIGNATURE)))
}

/// Reads the matrix of features from the file at `path`, which has these bytes.
///
/// # Errors
/// The file is damaged, has no such matrix, or its matrix unpacks to more than it states.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Frames, FrameError> {
    hdf5::silence_errors(true);
    let file = File::with_options().with_fapl(|access| access.file_locking(false)).open(path);
    let file = file.map_err(failed)?;
    let mut names = Vec::new();
    // A link to another file would have that opened, too.
    file.iter_visit_default(|name, link| {
        if link.link_type == LinkType::Hard && !name.starts_with('#') {
            names.push(name.to_owned());
        }
        Ok(())
    })
    .map_err(failed)?;
    let found: Vec<(Variable, Option<Dataset>)> =
        names.into_iter().map(|name| variable(&file, name)).collect();
    let (variables, mut datasets): (Vec<Variable>, Vec<Option<Dataset>>) =
        found.into_iter().unzip();
    let chosen = choose(&variables)?;
    let dataset = datasets.get_mut(chosen).and_then(Option::take).ok_or(FrameError::NoFrames)?;
    check(&dataset, bytes)?;
    let dtype = match dataset.dtype().and_then(|kind| kind.to_descriptor()).map_err(failed)? {
        TypeDescriptor::Float(FloatSize::U8) => "float64",
        TypeDescriptor::Float(_) => "float32",
        _ => "integers",
    };
    let values = dataset.read_2d::<f64>().map_err(failed)?;
    // MATLAB's matrices lie column by column, which HDF5 calls an array of columns.
    let values = values.reversed_axes();
    Ok(Frames {
        values,
        kind: "MATLAB matrix",
        dtype,
        names: None,
        faces: None,
        times: None,
        has_counted_header: false,
    })
}

fn failed(error: hdf5::Error) -> FrameError {
    FrameError::Hdf5(Said(error.to_string()))
}

/// A variable, and its dataset if it has one.
fn variable(file: &File, name: String) -> (Variable, Option<Dataset>) {
    let Ok(dataset) = file.dataset(&name) else {
        return (Variable { name, what: "a struct".into(), is_matrix: false }, None);
    };
    let class = dataset.attr(CLASS).and_then(|class| class.read_scalar::<FixedAscii<32>>());
    let class = class.map(|class| class.to_string()).unwrap_or_default();
    let is_numeric = ["double", "single", "logical"].contains(&&*class) || class.contains("int");
    let what = match (&*class, is_numeric) {
        ("", _) => "no variable of MATLAB".to_owned(),
        ("char", _) => "text".to_owned(),
        (_, true) => format!("numbers {:?}", dataset.shape().iter().rev().collect::<Vec<_>>()),
        (other, false) => other.to_owned(),
    };
    let is_matrix = is_numeric && dataset.ndim() == 2 && is_real(&dataset);
    (Variable { name, what, is_matrix }, Some(dataset))
}

/// Whether values are real numbers; complex ones are records of two.
fn is_real(dataset: &Dataset) -> bool {
    let kind = dataset.dtype().and_then(|kind| kind.to_descriptor());
    matches!(
        kind,
        Ok(TypeDescriptor::Float(_)
            | TypeDescriptor::Integer(_)
            | TypeDescriptor::Unsigned(_)
            | TypeDescriptor::Boolean)
    )
}

/// Checks that reading the dataset takes no more memory than its shape states, which is limited, and
/// that its values lie in this file.
fn check(dataset: &Dataset, bytes: &[u8]) -> Result<(), FrameError> {
    let [n_rows, n_cols] = *dataset.shape() else { return Err(FrameError::NoFrames) };
    let n_values = n_values(n_rows as u64, n_cols as u64)? as u64;
    let value_size = dataset.dtype().map_err(failed)?.size() as u64;
    let stated = n_values.saturating_mul(value_size);
    let creation = dataset.dcpl().map_err(failed)?;
    let is_elsewhere = dataset.layout() == Layout::Virtual || !creation.external().is_empty();
    if is_elsewhere {
        let found = "values in another file".to_owned();
        return Err(FrameError::Form { expected: "values in this file", found });
    }
    let stored = bytes.len() as u64;
    if stated > stored.saturating_mul(MOST_INFLATED) {
        // Values that are nowhere are zeros, of which a small file can state any number.
        return Err(FrameError::Bomb { place: "a matrix".into(), limit: stored * MOST_INFLATED });
    }
    let Some(chunk) = dataset.chunk() else { return Ok(()) };
    let chunk_values = chunk.iter().try_fold(1_u64, |all, extent| all.checked_mul(*extent as u64));
    let chunk_bytes = chunk_values.and_then(|n_values| n_values.checked_mul(value_size));
    let limit = (MOST_VALUES as u64).saturating_mul(8);
    let Some(chunk_bytes) = chunk_bytes.filter(|n_bytes| *n_bytes <= limit) else {
        let found = format!("chunks of {chunk:?}");
        return Err(FrameError::Form { expected: "chunks that fit into memory", found });
    };
    let filters = dataset.filters();
    let deflated: Vec<usize> = filters
        .iter()
        .enumerate()
        .filter(|(_, filter)| matches!(filter, Filter::Deflate(_)))
        .map(|(idx, _)| idx)
        .collect();
    let is_known = |filter: &Filter| {
        matches!(filter, Filter::Deflate(_) | Filter::Shuffle | Filter::Fletcher32)
    };
    if deflated.len() > 1 || !filters.iter().all(is_known) {
        let found = "another way of packing".to_owned();
        return Err(FrameError::Form { expected: "values that are deflated once", found });
    }
    let Some(deflated) = deflated.first() else { return Ok(()) };
    for idx in 0..dataset.num_chunks().unwrap_or(0) {
        let Some(chunk) = dataset.chunk_info(idx) else { continue };
        if chunk.disabled_filters().contains(deflated) {
            continue;
        }
        // Counted from the start of the file, with the text before the HDF5 file.
        let start = usize::try_from(chunk.addr).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(chunk.size).unwrap_or(usize::MAX));
        let packed =
            bytes.get(start..end).ok_or(FrameError::Cut { found: stored, expected: end as u64 })?;
        let mut unpacked = ZlibDecoder::new(packed).take(chunk_bytes.saturating_add(1));
        // A chunk that is damaged is found by the library.
        let n_bytes = io::copy(&mut unpacked, &mut io::sink()).unwrap_or(0);
        if n_bytes > chunk_bytes {
            return Err(FrameError::Bomb { place: format!("chunk {idx}"), limit: chunk_bytes });
        }
    }
    Ok(())
}
