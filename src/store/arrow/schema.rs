//! Columns as Arrow fields, and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_ipc::{Precision, Type};
use arrow_schema::{DataType, Field, Schema};

use crate::corpus::SplitName;
use crate::corpus::manifest::Column;

/// The columns of one split, in order.
pub(super) fn columns_of(columns: &[Column], split: SplitName) -> impl Iterator<Item = &Column> {
    let prefix = format!("/{split}/");
    columns.iter().filter(move |column| column.path.starts_with(&prefix))
}

/// A column's name within its split.
pub(super) fn field_name(column: &Column) -> &str {
    column.path.splitn(3, '/').nth(2).unwrap_or_default()
}

/// Values of one sample in a column of numbers; `None` where they are too many to count.
pub(super) fn row_len(column: &Column) -> Option<usize> {
    column.shape.iter().skip(1).try_fold(1_usize, |all, extent| all.checked_mul(*extent))
}

/// How many buffers a column has in a batch. The last one holds the values, or the bytes of texts,
/// before which their offsets stand; the others would say which values are absent, and are empty.
pub(super) fn n_buffers(column: &Column) -> usize {
    match (column.dtype.as_str(), column.shape.len()) {
        ("string", _) => 3,
        (_, 1) => 2,
        _ => 3,
    }
}

/// The schema of one split's file; `None` where a column has a type or extents that Arrow lacks.
pub(super) fn schema(columns: &[Column]) -> Option<Schema> {
    let fields: Option<Vec<Field>> = columns.iter().map(field).collect();
    Some(Schema::new(fields?))
}

fn field(column: &Column) -> Option<Field> {
    let value = match column.dtype.as_str() {
        "string" => DataType::Utf8,
        "float32" => DataType::Float32,
        "float16" => DataType::Float16,
        "int32" => DataType::Int32,
        "int8" => DataType::Int8,
        _ => return None,
    };
    let name = field_name(column);
    if column.shape.len() == 1 {
        return Some(Field::new(name, value, false));
    }
    let n_values = i32::try_from(row_len(column)?).ok()?;
    let item = Arc::new(Field::new("item", value, false));
    let metadata = HashMap::from([
        ("ARROW:extension:name".into(), "arrow.fixed_shape_tensor".into()),
        ("ARROW:extension:metadata".into(), format!("{{\"shape\":{:?}}}", &column.shape[1..])),
    ]);
    let list = Field::new(name, DataType::FixedSizeList(item, n_values), false);
    Some(list.with_metadata(metadata))
}

/// Whether a field of a file is that of a column.
pub(super) fn is_field_of(field: &arrow_ipc::Field<'_>, column: &Column) -> bool {
    if field.name() != Some(field_name(column)) {
        return false;
    }
    if column.shape.len() == 1 {
        return dtype(field) == Some(&column.dtype);
    }
    let n_values = field.type_as_fixed_size_list().map(|list| i64::from(list.listSize()));
    let item = field.children().and_then(|all| (all.len() == 1).then(|| all.get(0)));
    n_values == row_len(column).and_then(|n_values| i64::try_from(n_values).ok())
        && item.is_some_and(|item| dtype(&item) == Some(&column.dtype))
}

fn dtype(field: &arrow_ipc::Field<'_>) -> Option<&'static str> {
    match field.type_type() {
        Type::Utf8 => Some("string"),
        Type::FloatingPoint => match field.type_as_floating_point()?.precision() {
            Precision::SINGLE => Some("float32"),
            Precision::HALF => Some("float16"),
            _ => None,
        },
        Type::Int => {
            let int = field.type_as_int()?;
            match (int.is_signed(), int.bitWidth()) {
                (true, 32) => Some("int32"),
                (true, 8) => Some("int8"),
                _ => None,
            }
        }
        _ => None,
    }
}
