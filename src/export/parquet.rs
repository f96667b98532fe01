//! A folder of Parquet files, partitioned by split in Hive style.
//!
//! ```text
//! NAME.parquet/
//!   split=train/part-0.parquet
//!   split=valid/part-0.parquet
//!   split=test/part-0.parquet
//! ```
//!
//! A row is a segment; columns have the names of the store's. A column of several axes is a list of its
//! values in order; its extents per segment are in each file's metadata under `almt_data.shapes`, next
//! to `almt_data.dataset` and the store's `almt_data.digest`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use polars::error::PolarsError;
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::*;
use polars_parquet::write::{KeyValue, schema_to_metadata_key};

use super::tables::{Table, Values};
use super::{ExportError, PARQUET_FILE, PARQUET_FOLDER};
use crate::corpus::SplitName;
use crate::corpus::column::Column as StoreColumn;
use crate::store::{Content, FeatureReader, Store};

/// Bytes of a row group's values. Writing one takes a few times as much memory.
const GROUP_BYTES: usize = 32 << 20;

/// Writes the whole store into an empty folder, a row group at a time. `advance` receives the bytes of
/// every stretch done.
///
/// # Errors
/// The store cannot be read or differs from its digests, the folder cannot be written to, or a
/// column has no or too many values per segment.
pub fn parquet(store: &Store, folder: &Path, advance: &dyn Fn(u64)) -> Result<(), ExportError> {
    for split in &store.manifest().splits {
        let folder = folder.join(format!("{PARQUET_FOLDER}{}", split.name));
        fs::create_dir(&folder)?;
        let mut file = BufWriter::new(File::create_new(folder.join(PARQUET_FILE))?);
        write_split(store, split.name, &mut file, advance)?;
        file.flush()?;
    }
    Ok(())
}

/// Source of a column's values.
enum Source {
    Whole(Content),
    Features(Box<FeatureReader>),
}

fn write_split<W: Write>(
    store: &Store,
    split: SplitName,
    out: W,
    advance: &dyn Fn(u64),
) -> Result<(), ExportError> {
    let mut columns = Vec::new();
    let mut schema = Schema::with_capacity(0);
    for column in store.manifest().columns_of(split) {
        let values = match column.modality() {
            Some(modality) => Source::Features(Box::new(store.feature_reader(split, modality)?)),
            None => Source::Whole(store.content(column)?),
        };
        schema.with_column(column.name().into(), dtype(column, &values)?);
        columns.push((column, values));
    }
    let n_samples = store.ids(split).len();
    let row_bytes: usize =
        columns.iter().map(|(column, values)| sample_bytes(column, values)).sum();
    let n_rows = (GROUP_BYTES / row_bytes.max(1)).clamp(1, n_samples.max(1));
    let mut writer = begin(out, &schema, metadata(store, split))?;
    for start in (0..n_samples).step_by(n_rows) {
        let rows = start..(start + n_rows).min(n_samples);
        let mut group = Vec::new();
        for (column, values) in &mut columns {
            let (name, width) = (column.name().into(), width(column));
            let places = rows.start * width..rows.end * width;
            let flat = match values {
                Source::Features(reader) => {
                    let values = reader.next(rows.len())?;
                    advance(size_of_val(&*values) as u64);
                    Float32Chunked::from_vec(name, values).into_series()
                }
                Source::Whole(Content::Texts(all)) => Series::new(name, &all[rows.clone()]),
                Source::Whole(Content::F32(all)) => Series::new(name, &all[places]),
                Source::Whole(Content::I32(all)) => Series::new(name, &all[places]),
                Source::Whole(Content::I8(all)) => Series::new(name, &all[places]),
            };
            group.push(Column::from(match column.sample_shape() {
                [] => flat,
                _ => flat.reshape_array(&[
                    ReshapeDimension::Infer,
                    ReshapeDimension::new(width as i64),
                ])?,
            }));
        }
        writer.write_batch(&DataFrame::new(rows.len(), group)?)?;
    }
    writer.finish()?;
    Ok(())
}

/// A small table as the bytes of a Parquet file.
///
/// # Errors
/// Never for a valid table.
pub fn table_parquet(table: &Table) -> Result<Vec<u8>, ExportError> {
    let column = |(name, values): &(String, Values)| {
        let name = name.as_str().into();
        match values {
            Values::Text(values) => Column::new(name, values),
            Values::Bool(values) => Column::new(name, values),
            Values::Int8(values) => Column::new(name, values),
            Values::Int64(values) => Column::new(name, values),
            Values::Uint64(values) => Column::new(name, values),
            Values::Float32(values) => Column::new(name, values),
            Values::Float64(values) => Column::new(name, values),
        }
    };
    let frame = DataFrame::new(table.n_rows(), table.columns().iter().map(column).collect())?;
    let mut bytes = Vec::new();
    let mut writer = begin(&mut bytes, frame.schema(), vec![])?;
    writer.write_batch(&frame)?;
    writer.finish()?;
    Ok(bytes)
}

impl From<PolarsError> for ExportError {
    fn from(error: PolarsError) -> ExportError {
        ExportError::Write(match error {
            PolarsError::IO { error, .. } => std::io::Error::new(error.kind(), error),
            other => std::io::Error::other(other),
        })
    }
}

/// Begins a Parquet file that is written by row groups, with metadata entries.
fn begin<W: Write>(
    out: W,
    schema: &Schema,
    entries: Vec<(String, String)>,
) -> PolarsResult<BatchedWriter<W>> {
    // By default, Polars names its texts string views, which much of pyarrow cannot compare.
    let arrow = schema_to_metadata_key(&schema.to_arrow(CompatLevel::oldest()));
    let entries = entries.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) });
    let metadata = KeyValueMetadata::Static([arrow].into_iter().chain(entries).collect());
    ParquetWriter::new(out).with_key_value_metadata(Some(metadata)).batched(schema)
}

fn dtype(column: &StoreColumn, values: &Source) -> Result<DataType, ExportError> {
    let value = match values {
        Source::Whole(Content::Texts(_)) => DataType::String,
        Source::Whole(Content::F32(_)) | Source::Features(_) => DataType::Float32,
        Source::Whole(Content::I32(_)) => DataType::Int32,
        Source::Whole(Content::I8(_)) => DataType::Int8,
    };
    if column.sample_shape().is_empty() {
        return Ok(value);
    }
    let width = width(column);
    if width == 0 || i32::try_from(width).is_err() {
        let problem = "Parquet cannot hold lists of no values, nor of more than 2^31";
        return Err(ExportError::Unfit { place: column.id.to_string(), problem });
    }
    Ok(DataType::Array(Box::new(value), width))
}

/// Values per sample.
fn width(column: &StoreColumn) -> usize {
    column.sample_len().unwrap_or(usize::MAX)
}

/// Bytes per sample, with the average size of texts.
fn sample_bytes(column: &StoreColumn, values: &Source) -> usize {
    match values {
        Source::Whole(Content::Texts(texts)) => {
            texts.iter().map(String::len).sum::<usize>() / texts.len().max(1)
        }
        Source::Whole(Content::I8(_)) => width(column),
        _ => width(column).saturating_mul(4),
    }
}

/// A file's metadata: description of the store, and the extents of multi-dimensional columns.
fn metadata(store: &Store, split: SplitName) -> Vec<(String, String)> {
    let manifest = store.manifest();
    let shapes: BTreeMap<&str, &[usize]> = manifest
        .columns_of(split)
        .map(|column| (column.name(), column.sample_shape()))
        .filter(|(_, shape)| !shape.is_empty())
        .collect();
    let entries = [
        ("dataset", manifest.dataset.name().to_owned()),
        ("digest", manifest.digest.clone()),
        ("shapes", serde_json::json!(shapes).to_string()),
    ];
    entries.map(|(name, value)| (format!("almt_data.{name}"), value)).into()
}
