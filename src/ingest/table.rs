//! One sample as a table of numbers, from an array or nested lists.

use crate::overflow::Overflows;
use crate::pickle::{ArrayView, NodeId, Number, Pickle, Value};

use super::dtype::SourceDtype;
use super::error::unexpected;
use super::{IngestError, Place};

/// The numbers of one sample, `[n_rows, n_cols]`.
#[derive(Clone, Copy)]
pub(super) enum Table<'p> {
    /// An array of two axes, or of length zero.
    Array(ArrayView<'p>),
    /// A list of rows, each a list of numbers or an array of one axis.
    Lists { pickle: &'p Pickle, rows: &'p [NodeId], n_cols: usize },
}

/// The expected value of one sample, for error messages.
const EXPECTED: &str = "a numeric array [seq_len, feat_dim] or a list of such rows";

impl<'p> Table<'p> {
    /// Reads the structure, checking each row once, so that reading numbers cannot fail.
    ///
    /// # Errors
    /// If the value is something else, or its rows differ in length.
    pub(super) fn new(
        pickle: &'p Pickle,
        id: NodeId,
        place: &Place,
        budget: &mut TableBudget,
    ) -> Result<Table<'p>, IngestError> {
        if let Some(array) = numeric_array(pickle, id) {
            return match array.shape() {
                // Loaders write an empty segment as a one-dimensional array.
                [0] | [_, _] => budget.take(array.len(), place).map(|()| Table::Array(array)),
                _ => Err(unexpected(place, EXPECTED, kind_of(pickle, id))),
            };
        }
        let Some(rows) = pickle.items(id) else {
            return Err(unexpected(place, EXPECTED, kind_of(pickle, id)));
        };
        let mut n_cols = None;
        for row in rows {
            let found = row_len(pickle, *row, place, budget)?;
            let first = *n_cols.get_or_insert(found);
            if first != found {
                let (expected, found) = (format!("rows of {first} numbers"), found.to_string());
                return Err(unexpected(place, expected, found));
            }
        }
        Ok(Table::Lists { pickle, rows, n_cols: n_cols.unwrap_or(0) })
    }

    /// A table whose structure was read before, with this many numbers per row.
    pub(super) fn again(pickle: &'p Pickle, id: NodeId, n_cols: usize) -> Table<'p> {
        match numeric_array(pickle, id) {
            Some(array) => Table::Array(array),
            None => Table::Lists { pickle, rows: pickle.items(id).unwrap_or_default(), n_cols },
        }
    }

    pub(super) fn n_rows(&self) -> usize {
        match self {
            Table::Array(array) => array.n_rows(),
            Table::Lists { rows, .. } => rows.len(),
        }
    }

    /// Numbers per row; `None` if the table has no axis or no rows to infer it from.
    pub(super) fn n_cols(&self) -> Option<usize> {
        match self {
            Table::Array(array) => array.shape().get(1).copied(),
            Table::Lists { rows, n_cols, .. } => (!rows.is_empty()).then_some(*n_cols),
        }
    }

    /// Element type.
    pub(super) fn dtype(&self) -> SourceDtype {
        match self {
            Table::Array(array) => SourceDtype::Array(array.dtype()),
            Table::Lists { .. } => SourceDtype::Python,
        }
    }

    pub(super) fn number(&self, row: usize, col: usize) -> Option<Number> {
        match self {
            Table::Array(array) => {
                let n_cols = array.shape().get(1).copied()?;
                array.number(row.checked_mul(n_cols)?.checked_add(col)?)
            }
            Table::Lists { pickle, rows, .. } => {
                let id = *rows.get(row)?;
                match (pickle.array(id), pickle.items(id)) {
                    (Some(array), _) => array.number(col),
                    (None, Some(items)) => pickle.number(*items.get(col)?),
                    (None, None) => None,
                }
            }
        }
    }

    /// Copies one row as float32; the rest of `out` becomes zero. Returns the finite values that became
    /// infinite.
    pub(super) fn read_f32(&self, row: usize, out: &mut [f32]) -> Overflows {
        if let Table::Array(array) = self {
            return array.read_f32(row, out);
        }
        let mut overflows = Overflows::default();
        for (col, value) in out.iter_mut().enumerate() {
            let number = self.number(row, col).unwrap_or(Number::Int(0));
            *value = number.to_f32();
            if let Some(wide) = number.overflow_of(*value) {
                overflows.push(col, wide);
            }
        }
        overflows
    }
}

/// Numbers in a row of a list.
fn row_len(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    budget: &mut TableBudget,
) -> Result<usize, IngestError> {
    if let Some(array) = numeric_array(pickle, id).filter(|array| array.shape().len() == 1) {
        return budget.take(array.len(), place).map(|()| array.len());
    }
    let Some(items) = pickle.items(id) else {
        return Err(unexpected(place, EXPECTED, format!("a row that is {}", kind_of(pickle, id))));
    };
    budget.take(items.len(), place)?;
    match items.iter().find(|item| pickle.number(**item).is_none()) {
        None => Ok(items.len()),
        Some(item) => {
            let found = format!("a list that has {}", kind_of(pickle, *item));
            Err(unexpected(place, EXPECTED, found))
        }
    }
}

/// Total number of values that one column's samples may have.
///
/// A pickle can mention one long array a million times; copying it out would fill any disk.
pub(super) struct TableBudget {
    n_left: u64,
}

impl TableBudget {
    /// The budget of one column: every number takes at least one byte of the file, but short arrays,
    /// such as the zeros of an undetected face, are often shared.
    pub(super) fn new(pickle: &Pickle) -> TableBudget {
        TableBudget { n_left: (pickle.len() as u64).saturating_mul(4).saturating_add(1 << 24) }
    }

    /// Charges the numbers of one array or row, and the row itself.
    fn take(&mut self, n_numbers: usize, place: &Place) -> Result<(), IngestError> {
        let left = self.n_left.checked_sub((n_numbers as u64).saturating_add(1));
        self.n_left = left.ok_or_else(|| {
            unexpected(place, "arrays that mostly differ", "far more numbers than the file has")
        })?;
        Ok(())
    }
}

/// Each sample's value, from a list, a tuple or a one-dimensional array of objects.
pub(super) fn per_sample(pickle: &Pickle, id: NodeId) -> Option<Vec<NodeId>> {
    if let Some(items) = pickle.items(id) {
        return Some(items.to_vec());
    }
    let array = pickle.array(id).filter(|array| array.shape().len() == 1)?;
    (0..array.len()).map(|idx| array.object(idx)).collect()
}

/// Whether a value is text, or a list or array of texts; `None` if it is empty.
pub(super) fn is_texts(pickle: &Pickle, id: NodeId) -> Option<bool> {
    if let Some(array) = pickle.array(id) {
        let is_text = || match array.object(0) {
            Some(first) => pickle.raw_text(first).is_some(),
            None => array.raw_text(0).is_some(),
        };
        return (!array.is_empty()).then(is_text);
    }
    match pickle.items(id) {
        Some(items) => items.first().map(|first| pickle.raw_text(*first).is_some()),
        None => Some(pickle.raw_text(id).is_some()),
    }
}

/// A numeric array.
///
/// # Errors
/// If the value is anything else.
pub(super) fn numeric<'p>(
    pickle: &'p Pickle,
    id: NodeId,
    place: &Place,
    expected: &str,
) -> Result<ArrayView<'p>, IngestError> {
    numeric_array(pickle, id).ok_or_else(|| unexpected(place, expected, kind_of(pickle, id)))
}

pub(super) fn numeric_array(pickle: &Pickle, id: NodeId) -> Option<ArrayView<'_>> {
    pickle.array(id).filter(|array| array.dtype().is_numeric())
}

/// Describes a value in an error message: an array by dtype and shape, a container by size.
pub(super) fn kind_of(pickle: &Pickle, id: NodeId) -> String {
    if let Some(array) = pickle.array(id) {
        return described(array);
    }
    match pickle.value(id) {
        Some(Value::List(items)) => format!("a list of {}", items.len()),
        Some(Value::Tuple(items)) => format!("a tuple of {}", items.len()),
        Some(Value::Dict(entries)) => format!("a dict of {}", entries.len()),
        Some(Value::None) => "None".into(),
        Some(Value::BigInt(_)) => "an integer of more than 64 bits".into(),
        other => match pickle.number(id) {
            Some(number) => shown(number),
            None => format!("a {}", other.map_or("unknown value", Value::type_name)),
        },
    }
}

/// Dtype and shape for an error message.
pub(super) fn described(array: ArrayView<'_>) -> String {
    format!("{} {:?}", array.dtype(), array.shape())
}

/// A number for an error message.
pub(super) fn shown(number: Number) -> String {
    match number {
        Number::Int(value) => value.to_string(),
        Number::Float(value) => value.to_string(),
    }
}

/// A number as an integer.
///
/// # Errors
/// If it is not exactly a 32-bit integer.
pub(super) fn exact_i32(number: Option<Number>, place: &Place) -> Result<i32, IngestError> {
    number.and_then(|number| number.to_i32()).ok_or_else(|| {
        unexpected(place, "a 32-bit integer", number.map_or("nothing".into(), shown))
    })
}
