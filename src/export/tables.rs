//! Small tables, such as results over runs: typed columns, written as CSV and as Parquet.

use std::io;

use serde::Serialize;

#[cfg(not(feature = "parquet"))]
use super::ExportError;
use crate::corpus::balance::ClassCount;

/// A column's values, one per row.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Texts; null if absent.
    Text(Vec<Option<String>>),
    /// Booleans.
    Bool(Vec<bool>),
    /// Classes; null if absent.
    Int8(Vec<Option<i8>>),
    /// Whole numbers; null if absent.
    Int64(Vec<Option<i64>>),
    /// Counts.
    Uint64(Vec<u64>),
    /// Numbers of features, labels and predictions; null if absent.
    Float32(Vec<Option<f32>>),
    /// Metrics and measures; null if absent.
    Float64(Vec<Option<f64>>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Text(values) => values.len(),
            Values::Bool(values) => values.len(),
            Values::Int8(values) => values.len(),
            Values::Int64(values) => values.len(),
            Values::Uint64(values) => values.len(),
            Values::Float32(values) => values.len(),
            Values::Float64(values) => values.len(),
        }
    }

    /// A value in CSV, exact to the bit; empty for null.
    fn shown(&self, row: usize) -> String {
        fn number<T: std::fmt::Debug>(value: Option<T>) -> String {
            value.map_or(String::new(), |value| format!("{value:?}"))
        }
        match self {
            Values::Text(values) => values[row].clone().unwrap_or_default(),
            Values::Bool(values) => values[row].to_string(),
            Values::Int8(values) => number(values[row]),
            Values::Int64(values) => number(values[row]),
            Values::Uint64(values) => values[row].to_string(),
            Values::Float32(values) => number(values[row]),
            Values::Float64(values) => number(values[row]),
        }
    }

    /// Parses a CSV column as the first type that fits all its values.
    fn of_csv(texts: Vec<String>) -> Values {
        fn all<T: std::str::FromStr>(texts: &[String]) -> Option<Vec<Option<T>>> {
            let value = |text: &String| match text.as_str() {
                "" => Some(None),
                text => text.parse().ok().map(Some),
            };
            texts.iter().map(value).collect()
        }
        let bools = || texts.iter().map(|text| text.parse().ok()).collect::<Option<Vec<bool>>>();
        let as_texts =
            || texts.iter().map(|text| (!text.is_empty()).then(|| text.clone())).collect();
        if texts.iter().all(String::is_empty) {
            return Values::Text(as_texts());
        }
        all(&texts)
            .map(Values::Int64)
            .or_else(|| all(&texts).map(Values::Float64))
            .or_else(|| bools().map(Values::Bool))
            .unwrap_or_else(|| Values::Text(as_texts()))
    }
}

/// A table that fits in memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<(String, Values)>,
}

impl Table {
    /// Adds a column, which must have as many rows as those before it.
    pub fn push(&mut self, name: &str, values: Values) {
        debug_assert!(self.columns.is_empty() || values.len() == self.n_rows());
        self.columns.push((name.into(), values));
    }

    /// The table with one more column.
    #[must_use]
    pub fn with(mut self, name: &str, values: Values) -> Table {
        self.push(name, values);
        self
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, values)| values.len())
    }

    /// Names and values of the columns, in order.
    pub fn columns(&self) -> &[(String, Values)] {
        &self.columns
    }

    /// The table as CSV.
    ///
    /// # Errors
    /// Never for a valid table.
    pub fn csv(&self) -> io::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|(name, _)| name))?;
        for row in 0..self.n_rows() {
            writer.write_record(self.columns.iter().map(|(_, values)| values.shown(row)))?;
        }
        writer.into_inner().map_err(csv::IntoInnerError::into_error)
    }

    /// Parses a CSV file, inferring the types of its columns.
    ///
    /// # Errors
    /// The file is not CSV.
    pub fn from_csv(csv: &[u8]) -> io::Result<Table> {
        let mut reader = csv::Reader::from_reader(csv);
        let names: Vec<String> = reader.headers()?.iter().map(String::from).collect();
        let mut texts = vec![Vec::new(); names.len()];
        for record in reader.records() {
            for (column, field) in texts.iter_mut().zip(&record?) {
                column.push(field.to_owned());
            }
        }
        let columns = names.into_iter().zip(texts.into_iter().map(Values::of_csv)).collect();
        Ok(Table { columns })
    }
}

/// Rows as CSV, with a header of their field names.
///
/// # Errors
/// A row is not a list of simple values.
pub fn csv_of<R: Serialize>(rows: &[R]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// The counts as a table, one row each, with the fields of [`ClassCount`] as columns.
pub fn class_table(classes: &[ClassCount]) -> Table {
    fn column<T>(classes: &[ClassCount], value: fn(&ClassCount) -> T) -> Vec<T> {
        classes.iter().map(value).collect()
    }
    Table::default()
        .with("split", Values::Text(column(classes, |class| Some(class.split.to_string()))))
        .with("bins", Values::Text(column(classes, |class| Some(class.bins.clone()))))
        .with("class", Values::Int8(column(classes, |class| Some(class.class))))
        .with("labels", Values::Text(column(classes, |class| Some(class.labels.clone()))))
        .with("count", Values::Uint64(column(classes, |class| class.count)))
        .with("share", Values::Float64(column(classes, |class| Some(class.share))))
}

/// Whether this build writes Parquet.
pub const HAS_PARQUET: bool = cfg!(feature = "parquet");

/// A table as the bytes of a Parquet file.
///
/// # Errors
/// This build does not write Parquet.
#[cfg(not(feature = "parquet"))]
pub fn table_parquet(_: &Table) -> Result<Vec<u8>, ExportError> {
    Err(ExportError::NoParquet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_csv_get_the_type_of_their_values() {
        let csv = b"a,b,c,d,e\n1,0.5,true,,x\n,NaN,false,,\"y,z\"\n";
        let table = Table::from_csv(csv).unwrap();
        let values: Vec<&Values> = table.columns().iter().map(|(_, values)| values).collect();
        assert_eq!(values[0], &Values::Int64(vec![Some(1), None]));
        assert!(
            matches!(values[1], Values::Float64(all) if all[0] == Some(0.5) && all[1].unwrap().is_nan())
        );
        assert_eq!(values[2], &Values::Bool(vec![true, false]));
        assert_eq!(values[3], &Values::Text(vec![None; 2]));
        assert_eq!(values[4], &Values::Text(vec![Some("x".into()), Some("y,z".into())]));
        assert_eq!(table.csv().unwrap(), csv);
    }
}
