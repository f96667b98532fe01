//! One CSV file (RFC 4180) with one line per segment: everything except features, tokens and words.

use std::io::Write;

use ::csv::{Error, ErrorKind, QuoteStyle, Terminator, WriterBuilder};

use super::ExportError;
use crate::store::{Content, Store};

/// Writes all splits in order; columns that a split lacks are empty.
///
/// Numbers are the shortest that parse to the same float32. Texts that are not numbers are quoted, so
/// that an empty text differs from an absent one.
///
/// # Errors
/// The store cannot be read or differs from its digests, or `out` cannot be written to.
pub fn csv<W: Write>(store: &Store, out: W) -> Result<(), ExportError> {
    let splits = store.manifest().splits.iter().map(|split| split.name);
    let mut names: Vec<&str> = Vec::new();
    for column in splits.clone().flat_map(|split| store.manifest().columns_of(split)) {
        if column.shape.len() == 1 && !names.contains(&column.name()) {
            names.push(column.name());
        }
    }
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .quote_style(QuoteStyle::NonNumeric)
        .from_writer(out);
    // The split follows the id, the first column of every split.
    let (first, rest) = names.split_at(names.len().min(1));
    let header = first.iter().copied().chain(["split"]).chain(rest.iter().copied());
    writer.write_record(header).map_err(io_error)?;
    for split in splits {
        let mut contents = Vec::new();
        for name in &names {
            let column = store.manifest().columns_of(split).find(|column| column.name() == *name);
            contents.push(column.map(|column| store.content(column)).transpose()?);
        }
        for row_idx in 0..store.ids(split).len() {
            let mut fields = contents.iter().map(|content| match content {
                Some(content) => field(content, row_idx),
                None => String::new(),
            });
            writer
                .write_record(fields.next().into_iter().chain([split.to_string()]).chain(fields))
                .map_err(io_error)?;
        }
    }
    Ok(writer.flush()?)
}

fn field(content: &Content, row_idx: usize) -> String {
    match content {
        Content::Texts(all) => all.get(row_idx).cloned(),
        Content::F32(all) => all.get(row_idx).map(f32::to_string),
        Content::I32(all) => all.get(row_idx).map(i32::to_string),
        Content::I8(all) => all.get(row_idx).map(i8::to_string),
    }
    .unwrap_or_default()
}

fn io_error(error: Error) -> std::io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}
