//! BERT input (token ids, mask and segment ids), with its axes in either order.

use ndarray::Array3;

use crate::pickle::{ArrayView, NodeId, Number, Pickle};

use super::dtype::SourceDtype;
use super::error::unexpected;
use super::features::padded_len;
use super::log::Log;
use super::table::{Table, TableBudget, described, exact_i32, kind_of, numeric_array, per_sample};
use super::{IngestError, Place, samples};

/// Token ids, mask, segment ids.
const N_PARTS: usize = 3;

/// The tokens of a split, before the axis order is known.
enum Tokens<'p> {
    Stacked(ArrayView<'p>),
    Tables(Vec<Table<'p>>),
}

impl Tokens<'_> {
    fn n_samples(&self) -> usize {
        match self {
            Tokens::Stacked(array) => array.n_rows(),
            Tokens::Tables(tables) => tables.len(),
        }
    }

    /// The last two extents of one sample.
    fn extents(&self, row: usize) -> [usize; 2] {
        match self {
            Tokens::Stacked(array) => match *array.shape() {
                [_, rows, cols] => [rows, cols],
                _ => [0, 0],
            },
            Tokens::Tables(tables) => tables
                .get(row)
                .map_or([0, 0], |table| [table.n_rows(), table.n_cols().unwrap_or(0)]),
        }
    }

    fn number(&self, row: usize, idx: [usize; 2]) -> Option<Number> {
        let [first, second] = idx;
        match self {
            Tokens::Stacked(array) => {
                let [_, n_rows, n_cols] = *array.shape() else { return None };
                let row = row.checked_mul(n_rows)?.checked_add(first)?;
                array.number(row.checked_mul(n_cols)?.checked_add(second)?)
            }
            Tokens::Tables(tables) => tables.get(row)?.number(first, second),
        }
    }

    /// Whether masks and segment ids are 0 or 1 if the parts lie on the given axis.
    fn fits(&self, axis: Axis) -> bool {
        let is_flag =
            |number: Option<Number>| matches!(number.and_then(Number::to_i32), Some(0 | 1));
        (0..self.n_samples()).all(|row| {
            let [n_rows, n_cols] = self.extents(row);
            let (n_parts, seq_len) = axis.split(n_rows, n_cols);
            n_parts == N_PARTS
                && (1..N_PARTS).all(|part| {
                    (0..seq_len).all(|step| is_flag(self.number(row, axis.index(part, step))))
                })
        })
    }
}

/// The axis of a sample that holds the three parts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Axis {
    /// `[3, seq_len]`, as published by MMSA.
    First,
    /// `[seq_len, 3]`, as written by thuiar/Self-MM:data/DataPre.py.
    Last,
}

impl Axis {
    /// Number of parts and of steps.
    fn split(self, n_rows: usize, n_cols: usize) -> (usize, usize) {
        match self {
            Axis::First => (n_rows, n_cols),
            Axis::Last => (n_cols, n_rows),
        }
    }

    fn index(self, part: usize, step: usize) -> [usize; 2] {
        match self {
            Axis::First => [part, step],
            Axis::Last => [step, part],
        }
    }
}

/// Reads tokens as `[n_samples, 3, seq_len]`, zero-padded at the back if samples differ in length.
///
/// # Errors
/// If the value is not an array or list of that many samples, neither axis of a sample has the three
/// parts, or a number is not a 32-bit integer.
pub(super) fn read(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    n_samples: usize,
    log: &mut Log,
) -> Result<Array3<i32>, IngestError> {
    let expected = format!("a numeric array [{n_samples}, 3, seq_len]");
    let tokens = open(pickle, id, place, &expected)?;
    if tokens.n_samples() != n_samples {
        return Err(unexpected(place, samples(n_samples), samples(tokens.n_samples())));
    }
    let is_possible = |axis: Axis| {
        (0..n_samples).all(|row| {
            let [n_rows, n_cols] = tokens.extents(row);
            axis.split(n_rows, n_cols).0 == N_PARTS
        })
    };
    let axis = match (is_possible(Axis::First), is_possible(Axis::Last)) {
        (true, false) => Axis::First,
        (false, true) => Axis::Last,
        (false, false) => return Err(unexpected(place, expected, kind_of(pickle, id))),
        // Three steps of three parts: only one interpretation has masks of 0 and 1.
        (true, true) if !tokens.fits(Axis::First) && tokens.fits(Axis::Last) => Axis::Last,
        (true, true) => Axis::First,
    };
    if axis == Axis::Last {
        log.note("text_bert: [n_samples, seq_len, 3] -> [n_samples, 3, seq_len]");
    }
    let lens: Vec<usize> = (0..n_samples)
        .map(|row| {
            let [n_rows, n_cols] = tokens.extents(row);
            axis.split(n_rows, n_cols).1
        })
        .collect();
    let seq_len = padded_len(&lens, N_PARTS, place)?;
    if lens.iter().any(|len| *len != seq_len) {
        log.note("text_bert: samples are padded with zeros at the back");
    }
    let mut values = Array3::zeros((n_samples, N_PARTS, seq_len));
    for ((row, part, step), value) in values.indexed_iter_mut() {
        if lens.get(row).is_some_and(|len| step < *len) {
            *value = exact_i32(tokens.number(row, axis.index(part, step)), &place.at(row))?;
        }
    }
    Ok(values)
}

fn open<'p>(
    pickle: &'p Pickle,
    id: NodeId,
    place: &Place,
    expected: &str,
) -> Result<Tokens<'p>, IngestError> {
    if let Some(array) = numeric_array(pickle, id) {
        return match array.shape() {
            [_, _, _] => Ok(Tokens::Stacked(array)),
            _ => Err(unexpected(place, expected, described(array))),
        };
    }
    let Some(ids) = per_sample(pickle, id) else {
        return Err(unexpected(place, expected, kind_of(pickle, id)));
    };
    let mut budget = TableBudget::new(pickle);
    let tables = ids
        .iter()
        .enumerate()
        .map(|(row, id)| Table::new(pickle, *id, &place.at(row), &mut budget))
        .collect::<Result<_, _>>()?;
    Ok(Tokens::Tables(tables))
}

/// Element type of the tokens, for notes.
pub(super) fn dtype(pickle: &Pickle, id: NodeId) -> SourceDtype {
    let array = numeric_array(pickle, id).or_else(|| {
        per_sample(pickle, id)?.first().and_then(|first| numeric_array(pickle, *first))
    });
    array.map_or(SourceDtype::Python, |array| SourceDtype::Array(array.dtype()))
}
