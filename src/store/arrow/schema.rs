//! Columns as Arrow fields, and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_ipc::{Precision, Type};
use arrow_schema::{DataType, Field, Schema};

use crate::corpus::column::{Column, Dtype};

/// Number of buffers that a column has in a batch. The last one holds the values, or the bytes of
/// texts, preceded by their offsets; the others would mark absent values, and are empty.
pub(super) fn n_buffers(column: &Column) -> usize {
    match column.dtype {
        Dtype::String => 3,
        Dtype::Float32 | Dtype::Float16 | Dtype::Int32 | Dtype::Int8 => {
            if column.shape.len() == 1 {
                2
            } else {
                3
            }
        }
    }
}

/// Schema of one split's file; `None` if a column has extents that Arrow lacks.
pub(super) fn schema(columns: &[Column]) -> Option<Schema> {
    let fields: Option<Vec<Field>> = columns.iter().map(field).collect();
    Some(Schema::new(fields?))
}

/// A column as the field of an Arrow table, with the extension type `arrow.fixed_shape_tensor` where a
/// sample has axes; `None` if a column has extents that Arrow lacks.
pub fn field(column: &Column) -> Option<Field> {
    let value = match column.dtype {
        Dtype::String => DataType::Utf8,
        Dtype::Float32 => DataType::Float32,
        Dtype::Float16 => DataType::Float16,
        Dtype::Int32 => DataType::Int32,
        Dtype::Int8 => DataType::Int8,
    };
    let name = column.name();
    if column.shape.len() == 1 {
        return Some(Field::new(name, value, false));
    }
    let n_values = i32::try_from(column.sample_len()?).ok()?;
    let item = Arc::new(Field::new("item", value, false));
    let metadata = HashMap::from([
        ("ARROW:extension:name".into(), "arrow.fixed_shape_tensor".into()),
        ("ARROW:extension:metadata".into(), format!("{{\"shape\":{:?}}}", column.sample_shape())),
    ]);
    let list = Field::new(name, DataType::FixedSizeList(item, n_values), false);
    Some(list.with_metadata(metadata))
}

/// Whether a field of a file matches a column.
pub(super) fn is_field_of(field: &arrow_ipc::Field<'_>, column: &Column) -> bool {
    if field.name() != Some(column.name()) {
        return false;
    }
    if column.shape.len() == 1 {
        return dtype(field) == Some(column.dtype);
    }
    let n_values = field.type_as_fixed_size_list().map(|list| i64::from(list.listSize()));
    let item = field.children().and_then(|all| (all.len() == 1).then(|| all.get(0)));
    n_values == column.sample_len().and_then(|n_values| i64::try_from(n_values).ok())
        && item.is_some_and(|item| dtype(&item) == Some(column.dtype))
}

/// The type of a field; `None` if no column has it.
fn dtype(field: &arrow_ipc::Field<'_>) -> Option<Dtype> {
    match field.type_type() {
        Type::Utf8 => Some(Dtype::String),
        Type::FloatingPoint => match field.type_as_floating_point()?.precision() {
            Precision::SINGLE => Some(Dtype::Float32),
            Precision::HALF => Some(Dtype::Float16),
            _ => None,
        },
        Type::Int => {
            let int = field.type_as_int()?;
            match (int.is_signed(), int.bitWidth()) {
                (true, 32) => Some(Dtype::Int32),
                (true, 8) => Some(Dtype::Int8),
                _ => None,
            }
        }
        _ => None,
    }
}
