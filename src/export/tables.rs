//! Small tables, such as counts of label classes.

use std::io::{Cursor, Write};

use polars::prelude::*;

use super::ExportError;
use super::parquet::begin;
use crate::corpus::balance::ClassCount;

/// The counts as a data frame, a row each, with the fields of [`ClassCount`] as columns.
///
/// # Errors
/// None that counts can lead to.
pub fn class_table(classes: &[ClassCount]) -> Result<DataFrame, ExportError> {
    fn column<T>(classes: &[ClassCount], value: fn(&ClassCount) -> T) -> Vec<T> {
        classes.iter().map(value).collect()
    }
    Ok(df!(
        "split" => column(classes, |class| class.split.name()),
        "bins" => column(classes, |class| class.bins),
        "class" => column(classes, |class| class.class),
        "labels" => column(classes, |class| class.labels),
        "count" => column(classes, |class| class.count),
        "share" => column(classes, |class| class.share),
    )?)
}

/// Writes the table as CSV.
///
/// # Errors
/// `out` cannot be written to.
pub fn classes_csv<W: Write>(classes: &[ClassCount], out: W) -> Result<(), ExportError> {
    table_csv(&mut class_table(classes)?, out)
}

/// Writes the table as Parquet.
///
/// # Errors
/// `out` cannot be written to.
pub fn classes_parquet<W: Write>(classes: &[ClassCount], out: W) -> Result<(), ExportError> {
    table_parquet(&class_table(classes)?, out)
}

/// Writes a table that fits in memory as CSV.
///
/// # Errors
/// `out` cannot be written to.
pub fn table_csv<W: Write>(table: &mut DataFrame, out: W) -> Result<(), ExportError> {
    Ok(CsvWriter::new(out).finish(table)?)
}

/// The table of a CSV file, with the types that its values have.
///
/// # Errors
/// It is no CSV file.
pub fn csv_table(csv: Vec<u8>) -> Result<DataFrame, ExportError> {
    let options = CsvReadOptions::default().with_infer_schema_length(None);
    Ok(options.into_reader_with_file_handle(Cursor::new(csv)).finish()?)
}

/// Writes a table that fits in memory as Parquet.
///
/// # Errors
/// `out` cannot be written to.
pub fn table_parquet<W: Write>(table: &DataFrame, out: W) -> Result<(), ExportError> {
    let mut writer = begin(out, table.schema(), vec![])?;
    writer.write_batch(table)?;
    writer.finish()?;
    Ok(())
}
