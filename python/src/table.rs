//! Arrow streams of columns, by the Arrow C stream interface, without a copy of numbers.

use std::sync::Arc;

use almt_data::corpus::column::{Column, Dtype};
use almt_data::store::arrow_field;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchIterator, StringArray, make_array};
use arrow_buffer::Buffer;
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType, Schema};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::memory::{Block, buffer};

/// Memory of a numeric column.
pub struct Numbers {
    /// The column.
    pub column: Column,
    /// Its memory, in order along the axis of samples.
    pub blocks: Vec<Py<Block>>,
}

/// A column of a table.
pub enum Part {
    /// Numbers.
    Numbers(Numbers),
    /// Texts.
    Texts(Column, Vec<String>),
}

impl Part {
    fn column(&self) -> &Column {
        match self {
            Part::Numbers(numbers) => &numbers.column,
            Part::Texts(column, _) => column,
        }
    }
}

/// A stream of the columns, with the batches of the one that has most.
pub fn stream(py: Python<'_>, parts: Vec<Part>) -> PyResult<Bound<'_, PyCapsule>> {
    let failed = |error: ArrowError| PyValueError::new_err(error.to_string());
    let fields = parts.iter().map(|part| {
        let column = part.column();
        arrow_field(column).ok_or_else(|| {
            PyValueError::new_err(format!("`{}` is too wide for Arrow", column.name()))
        })
    });
    let schema = Arc::new(Schema::new(fields.collect::<PyResult<Vec<_>>>()?));
    let n_rows = |block: &Block, column: &Column| {
        let row_bytes = column.sample_len().unwrap_or(0) * column.dtype.n_bytes();
        block.len().checked_div(row_bytes).unwrap_or(0)
    };
    let sizes = parts.iter().filter_map(|part| match part {
        Part::Numbers(Numbers { column, blocks }) => {
            Some(blocks.iter().map(|block| n_rows(block.get(), column)).collect::<Vec<usize>>())
        }
        Part::Texts(..) => None,
    });
    let n_samples = parts.first().map_or(0, |part| part.column().n_samples());
    let sizes = sizes.max_by_key(Vec::len).unwrap_or_else(|| vec![n_samples]);
    let mut batches = Vec::new();
    let mut start = 0;
    for (batch_idx, len) in sizes.iter().copied().enumerate() {
        let arrays = parts.iter().zip(schema.fields()).map(|(part, field)| match part {
            Part::Texts(_, texts) => {
                let texts = texts.get(start..start + len).unwrap_or_default();
                Ok(Arc::new(StringArray::from_iter_values(texts)) as ArrayRef)
            }
            Part::Numbers(Numbers { column, blocks }) => {
                let block =
                    blocks.get(batch_idx).filter(|block| n_rows(block.get(), column) == len);
                let block = block.ok_or_else(|| {
                    PyValueError::new_err("the columns have batches of different sizes")
                })?;
                numbers(buffer(py, block), field.data_type(), column, len).map_err(failed)
            }
        });
        let arrays = arrays.collect::<PyResult<Vec<_>>>()?;
        batches.push(RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(failed)?);
        start += len;
    }
    let batches = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
    let stream = FFI_ArrowArrayStream::new(Box::new(batches));
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

fn numbers(
    values: Buffer,
    data_type: &DataType,
    column: &Column,
    n_samples: usize,
) -> Result<ArrayRef, ArrowError> {
    let value_type = match column.dtype {
        Dtype::Float32 => DataType::Float32,
        Dtype::Float16 => DataType::Float16,
        Dtype::Int32 => DataType::Int32,
        Dtype::Int8 => DataType::Int8,
        Dtype::String => DataType::Utf8,
    };
    let n_values = n_samples * column.sample_len().unwrap_or(0);
    let flat = ArrayData::builder(value_type).len(n_values).add_buffer(values).build()?;
    if column.shape.len() == 1 {
        return Ok(make_array(flat));
    }
    let list = ArrayData::builder(data_type.clone()).len(n_samples).add_child_data(flat).build()?;
    Ok(make_array(list))
}
