//! Columns with one value per sample, from an array or a list.

use crate::pickle::{ArrayView, NodeId, Number, Pickle, RawText, Value};

use super::dtype::SourceDtype;
use super::error::unexpected;
use super::log::Log;
use super::table::{described, kind_of, shown};
use super::texts::{TextPlace, Texts};
use super::{IngestError, Place, samples};

/// Marks a missing class, as in bins.
pub(super) const NO_CLASS: i32 = -1;

/// One value per sample.
#[derive(Clone, Copy)]
pub(super) struct Column<'p> {
    pickle: &'p Pickle,
    source: Source<'p>,
    n_samples: usize,
}

#[derive(Clone, Copy)]
enum Source<'p> {
    Array(ArrayView<'p>),
    List(&'p [NodeId]),
}

impl<'p> Column<'p> {
    /// A column of `[n_samples]`, `[n_samples, 1]` or the like; `n_samples` is checked if given.
    ///
    /// # Errors
    /// If the value is neither an array nor a list, an array has more than one element per sample, or
    /// the number of samples differs.
    pub(super) fn new(
        pickle: &'p Pickle,
        id: NodeId,
        place: &Place,
        n_samples: Option<usize>,
    ) -> Result<Column<'p>, IngestError> {
        let (source, found) = match (pickle.array(id), pickle.items(id)) {
            (Some(array), _) => {
                if array.shape().is_empty() || !array.shape().iter().skip(1).all(|len| *len == 1) {
                    return Err(unexpected(place, "one value per sample", described(array)));
                }
                (Source::Array(array), array.n_rows())
            }
            (None, Some(items)) => (Source::List(items), items.len()),
            (None, None) => {
                return Err(unexpected(place, "an array or a list", kind_of(pickle, id)));
            }
        };
        if n_samples.is_some_and(|expected| expected != found) {
            return Err(unexpected(place, samples(n_samples.unwrap_or(0)), samples(found)));
        }
        Ok(Column { pickle, source, n_samples: found })
    }

    /// Whether every sample's value is None or NaN: the column exists in name only.
    pub(super) fn is_missing(&self) -> bool {
        self.n_samples > 0 && (0..self.n_samples).all(|row| self.is_missing_at(row))
    }

    /// Whether a sample's value is None or NaN.
    fn is_missing_at(&self, row: usize) -> bool {
        self.is_none_at(row)
            || matches!(self.number(row), Some(Number::Float(value)) if value.is_nan())
    }

    /// Whether a sample's value is None, alone or as the only item of a list or an array.
    fn is_none_at(&self, row: usize) -> bool {
        let value = match self.source {
            Source::Array(array) => array.object(row),
            Source::List(items) => items.get(row).copied(),
        };
        let only = |id| match (self.pickle.array(id), self.pickle.items(id)) {
            (Some(array), _) if array.len() == 1 => array.object(0),
            (None, Some([only])) => Some(*only),
            _ => None,
        };
        let is_none = |id| matches!(self.pickle.value(id), Some(Value::None));
        value.is_some_and(|id| is_none(id) || only(id).is_some_and(is_none))
    }

    /// Element type of a numeric array; `None` for a list or an array of objects.
    pub(super) fn dtype(&self) -> Option<SourceDtype> {
        match self.source {
            Source::Array(array) if array.dtype().is_numeric() => {
                Some(SourceDtype::Array(array.dtype()))
            }
            Source::Array(_) | Source::List(_) => None,
        }
    }

    /// The column as ids, which are integers in some sources.
    ///
    /// # Errors
    /// If a value is neither text nor an integer.
    pub(super) fn ids(&self, place: &Place, log: &mut Log) -> Result<Vec<String>, IngestError> {
        let integer = |row| match self.number(row) {
            Some(Number::Int(number)) => Some(number.to_string()),
            _ => None,
        };
        if self.n_samples > 0
            && let Some(ids) = (0..self.n_samples).map(integer).collect()
        {
            log.note("id: integers in the source were read as text");
            return Ok(ids);
        }
        self.texts(place, &[], &mut log.texts)
    }

    /// Like [`Column::texts`], but samples may lack a text.
    ///
    /// # Errors
    /// Same as [`Column::texts`].
    pub(super) fn texts_or_none(
        &self,
        place: &Place,
        ids: &[String],
        log: &mut Log,
    ) -> Result<Vec<String>, IngestError> {
        let n_missing = (0..self.n_samples).filter(|row| self.is_missing_at(*row)).count();
        if n_missing > 0 {
            log.note(format!(
                "{}: {n_missing} samples have None or NaN in place of text, stored as an empty \
                 text",
                place.path
            ));
        }
        self.texts(place, ids, &mut log.texts)
    }

    /// The column as text; `ids` are the sample ids, if known. Bad texts are refused only after all are
    /// read.
    ///
    /// # Errors
    /// If a value is not a text.
    pub(super) fn texts(
        &self,
        place: &Place,
        ids: &[String],
        log: &mut Texts,
    ) -> Result<Vec<String>, IngestError> {
        let mut budget = TextBudget::new(self.pickle);
        let mut texts = Vec::new();
        for row in 0..self.n_samples {
            // Ids have to be complete: a sample without one cannot be named.
            if !ids.is_empty() && self.is_missing_at(row) {
                texts.push(String::new());
                continue;
            }
            let raw = self.text(row).ok_or_else(|| self.wrong(place, "text", row))?;
            let id = ids.get(row).map(String::as_str);
            let text = log.take(raw, &TextPlace { place: &place.at(row), id });
            budget.take(&text, &place.at(row))?;
            texts.push(text);
        }
        Ok(texts)
    }

    /// The column as labels, NaN for samples without one, and the number of those that have None.
    ///
    /// # Errors
    /// If a value is neither a number nor None.
    pub(super) fn labels(&self, place: &Place) -> Result<(Vec<f64>, usize), IngestError> {
        let n_none = (0..self.n_samples).filter(|row| self.is_none_at(*row)).count();
        let label = |column: &Column<'p>, row| match column.is_none_at(row) {
            true => Some(f64::NAN),
            false => column.number(row).map(Number::to_f64),
        };
        Ok((self.collect(place, "a number", label)?, n_none))
    }

    /// The column as integers.
    ///
    /// # Errors
    /// If a value is not exactly a 32-bit integer.
    pub(super) fn integers(&self, place: &Place) -> Result<Vec<i32>, IngestError> {
        self.collect(place, "a 32-bit integer", |column, row| column.number(row)?.to_i32())
    }

    /// The column as class labels, and the number of samples without one.
    ///
    /// # Errors
    /// If a value is neither a 32-bit integer nor None or NaN.
    pub(super) fn classes(&self, place: &Place) -> Result<(Vec<i32>, usize), IngestError> {
        let mut n_missing = 0_usize;
        let read = |row| match self.is_missing_at(row) {
            true => {
                n_missing = n_missing.saturating_add(1);
                Ok(NO_CLASS)
            }
            false => {
                let class = self.number(row).and_then(Number::to_i32);
                class.ok_or_else(|| self.wrong(place, "a 32-bit integer", row))
            }
        };
        let classes = (0..self.n_samples).map(read).collect::<Result<_, _>>()?;
        Ok((classes, n_missing))
    }

    fn collect<T>(
        &self,
        place: &Place,
        expected: &str,
        read: impl Fn(&Column<'p>, usize) -> Option<T>,
    ) -> Result<Vec<T>, IngestError> {
        let value = |row| read(self, row).ok_or_else(|| self.wrong(place, expected, row));
        (0..self.n_samples).map(value).collect()
    }

    fn wrong(&self, place: &Place, expected: &str, row: usize) -> IngestError {
        unexpected(&place.at(row), expected, self.found(row))
    }

    fn text(&self, row: usize) -> Option<RawText<'p>> {
        match self.source {
            Source::Array(array) => {
                let nested = || array.object(row).and_then(|id| text_of(self.pickle, id));
                array.raw_text(row).or_else(nested)
            }
            Source::List(items) => text_of(self.pickle, *items.get(row)?),
        }
    }

    fn number(&self, row: usize) -> Option<Number> {
        match self.source {
            Source::Array(array) => {
                let nested = || array.object(row).and_then(|id| number_of(self.pickle, id));
                array.number(row).or_else(nested)
            }
            Source::List(items) => number_of(self.pickle, *items.get(row)?),
        }
    }

    fn found(&self, row: usize) -> String {
        let id = match self.source {
            Source::Array(array) => match (array.object(row), array.number(row)) {
                (Some(id), _) => id,
                (None, Some(number)) => return shown(number),
                (None, None) => return array.dtype().to_string(),
            },
            Source::List(items) => match items.get(row) {
                Some(id) => *id,
                None => return "nothing".into(),
            },
        };
        kind_of(self.pickle, id)
    }
}

/// A text, or the single text of an array or list, as some sources wrap ids.
pub(super) fn text_of(pickle: &Pickle, id: NodeId) -> Option<RawText<'_>> {
    match (pickle.array(id), pickle.items(id)) {
        (Some(array), _) if array.len() == 1 => array.raw_text(0),
        (None, Some([only])) => pickle.raw_text(*only),
        _ => pickle.raw_text(id),
    }
}

/// A number, or the single number of an array or list, as some sources wrap labels.
pub(super) fn number_of(pickle: &Pickle, id: NodeId) -> Option<Number> {
    match (pickle.array(id), pickle.items(id)) {
        (Some(array), _) if array.len() == 1 => array.number(0),
        (None, Some([only])) => pickle.number(*only),
        _ => pickle.number(id),
    }
}

/// Amount of text that may still be read from a source.
///
/// A pickle can mention one long text a million times; expanding it would exhaust memory.
pub(super) struct TextBudget {
    n_bytes_left: u64,
}

impl TextBudget {
    /// The budget of one column: real columns repeat label words often, but nothing long.
    pub(super) fn new(pickle: &Pickle) -> TextBudget {
        // Bytes of repeated short texts; 22,856 label words take under 200 kB.
        const REPEATED: u64 = 64 << 20;
        TextBudget {
            n_bytes_left: (pickle.len() as u64).saturating_mul(2).saturating_add(REPEATED),
        }
    }

    /// Takes one text.
    ///
    /// # Errors
    /// If the budget is spent.
    pub(super) fn take(&mut self, text: &str, place: &Place) -> Result<(), IngestError> {
        let left = self.n_bytes_left.checked_sub(text.len() as u64);
        self.n_bytes_left = left.ok_or_else(|| {
            unexpected(place, "texts that mostly differ", "far more text than the file has bytes")
        })?;
        Ok(())
    }
}
