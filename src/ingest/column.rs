//! Columns with one value per sample, whether they come as an array or a list.

use crate::pickle::{ArrayView, NodeId, Number, Pickle, Value};

use super::{IngestError, Place, samples};

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
    /// If the value is neither an array nor a list, an array has more than one element per
    /// sample, or the number of samples is another.
    pub(super) fn new(
        pickle: &'p Pickle,
        id: NodeId,
        place: &Place,
        n_samples: Option<usize>,
    ) -> Result<Column<'p>, IngestError> {
        let unexpected = |expected: String, found: String| {
            Err(IngestError::Unexpected { place: place.clone(), expected, found })
        };
        let (source, found) = match (pickle.array(id), pickle.items(id)) {
            (Some(array), _) => {
                if array.shape().is_empty() || !array.shape().iter().skip(1).all(|len| *len == 1) {
                    let found = format!("shape {:?}", array.shape());
                    return unexpected("one value per sample".into(), found);
                }
                (Source::Array(array), array.n_rows())
            }
            (None, Some(items)) => (Source::List(items), items.len()),
            (None, None) => {
                let found = pickle.value(id).type_name().into();
                return unexpected("an array or a list".into(), found);
            }
        };
        if n_samples.is_some_and(|expected| expected != found) {
            return unexpected(samples(n_samples.unwrap_or(0)), samples(found));
        }
        Ok(Column { pickle, source, n_samples: found })
    }

    /// Element type of an array; a list has none.
    pub(super) fn dtype(&self) -> Option<String> {
        match self.source {
            Source::Array(array) => Some(array.dtype().to_string()),
            Source::List(_) => None,
        }
    }

    /// The column as text.
    ///
    /// # Errors
    /// If a value is no text.
    pub(super) fn texts(&self, place: &Place) -> Result<Vec<String>, IngestError> {
        let mut budget = TextBudget::new(self.pickle);
        let mut texts = Vec::new();
        for row in 0..self.n_samples {
            let text = self.text(row).ok_or_else(|| self.wrong(place, "text", row))?;
            budget.take(&text, &place.at(row))?;
            texts.push(text);
        }
        Ok(texts)
    }

    /// The column as the nearest float32 values.
    ///
    /// # Errors
    /// If a value is no number.
    pub(super) fn floats(&self, place: &Place) -> Result<Vec<f32>, IngestError> {
        self.collect(place, "a number", |column, row| column.number(row).map(Number::to_f32))
    }

    /// The column as integers.
    ///
    /// # Errors
    /// If a value is not exactly a 32-bit integer.
    pub(super) fn integers(&self, place: &Place) -> Result<Vec<i32>, IngestError> {
        self.collect(place, "a 32-bit integer", |column, row| column.number(row)?.to_i32())
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
        IngestError::Unexpected {
            place: place.at(row),
            expected: expected.into(),
            found: self.found(row),
        }
    }

    fn text(&self, row: usize) -> Option<String> {
        match self.source {
            Source::Array(array) => {
                let nested = || array.object(row).and_then(|id| self.only_array(id)?.text(0));
                array.text(row).or_else(nested)
            }
            Source::List(items) => {
                let id = *items.get(row)?;
                self.pickle.text(id).or_else(|| self.only_array(id)?.text(0))
            }
        }
    }

    fn number(&self, row: usize) -> Option<Number> {
        let of = |id| self.pickle.number(id).or_else(|| self.only_array(id)?.number(0));
        match self.source {
            Source::Array(array) => array.number(row).or_else(|| array.object(row).and_then(of)),
            Source::List(items) => of(*items.get(row)?),
        }
    }

    /// A value that is an array of one element, as some sources wrap ids and labels.
    fn only_array(&self, id: NodeId) -> Option<ArrayView<'p>> {
        self.pickle.array(id).filter(|array| array.len() == 1)
    }

    fn found(&self, row: usize) -> String {
        let id = match self.source {
            Source::Array(array) => match array.object(row) {
                Some(id) => id,
                None => {
                    return match array.number(row) {
                        Some(number) => shown(number),
                        None => array.dtype().to_string(),
                    };
                }
            },
            Source::List(items) => match items.get(row) {
                Some(id) => *id,
                None => return "nothing".into(),
            },
        };
        match (self.pickle.number(id), self.pickle.value(id)) {
            (Some(number), _) => shown(number),
            (None, Value::Array(_)) => match self.pickle.array(id) {
                Some(array) => format!("{} {:?}", array.dtype(), array.shape()),
                None => "array".into(),
            },
            (None, value) => value.type_name().into(),
        }
    }
}

/// How much text may still be taken from a source.
///
/// A pickle can mention one long text a million times; spelled out, that would fill any memory.
pub(super) struct TextBudget {
    n_bytes_left: u64,
}

impl TextBudget {
    /// The budget of one column: real ones mention label words often, but nothing long.
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
        self.n_bytes_left = left.ok_or_else(|| IngestError::Unexpected {
            place: place.clone(),
            expected: "texts that mostly differ".into(),
            found: "far more text than the file has bytes".into(),
        })?;
        Ok(())
    }
}

/// A number in an error message.
pub(super) fn shown(number: Number) -> String {
    match number {
        Number::Int(value) => value.to_string(),
        Number::Float(value) => value.to_string(),
    }
}
