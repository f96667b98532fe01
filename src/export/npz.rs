//! One NumPy archive, for `np.load(..., allow_pickle=False)`: an array `SPLIT/COLUMN` per column.

use std::io::{Seek, Write};

use npyz::{DType, TypeStr, WriteOptions, WriterBuilder};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::ExportError;
use crate::corpus::column::Column;
use crate::store::{Content, Element, Store, le_bytes};

/// Members above this size are written with 64-bit sizes: 4 GiB, minus the size of a header.
const LARGE_MEMBER: u64 = u32::MAX as u64 - (1 << 16);

/// Writes the whole store, a few samples at a time, without compression. Texts are arrays of
/// fixed-width strings, as wide as the longest. `advance` receives the bytes of every stretch done.
///
/// # Errors
/// The store cannot be read or differs from its digests, or `out` cannot be written to.
pub fn npz<W: Write + Seek>(
    store: &Store,
    out: W,
    advance: &dyn Fn(u64),
) -> Result<W, ExportError> {
    let mut archive = Archive { zip: ZipWriter::new(out) };
    for split in &store.manifest().splits {
        for column in store.manifest().columns_of(split.name) {
            match column.modality() {
                Some(modality) => {
                    archive.begin(column, "<f4", 4)?;
                    store.feature_pieces(split.name, modality, |values| {
                        archive.values(values)?;
                        advance(size_of_val(values) as u64);
                        Ok::<_, ExportError>(())
                    })?;
                }
                None => archive.whole(column, &store.content(column)?)?,
            }
        }
    }
    Ok(archive.zip.finish().map_err(std::io::Error::from)?)
}

struct Archive<W: Write + Seek> {
    zip: ZipWriter<W>,
}

impl<W: Write + Seek> Archive<W> {
    /// Begins an array whose elements have the given size in bytes.
    fn begin(
        &mut self,
        column: &Column,
        element: &str,
        element_len: u64,
    ) -> Result<(), ExportError> {
        let shape: Vec<u64> = column.shape.iter().map(|extent| *extent as u64).collect();
        let n_bytes = shape.iter().fold(element_len, |all, extent| all.saturating_mul(*extent));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(n_bytes > LARGE_MEMBER);
        let name = npyz::npz::file_name_from_array_name(&format!(
            "{}/{}",
            column.id.split, column.id.kind
        ));
        self.zip.start_file(name, options).map_err(std::io::Error::from)?;
        let element: TypeStr = element.parse().map_err(|_| ExportError::Unfit {
            place: column.id.to_string(),
            problem: "NumPy has no type for its values",
        })?;
        WriteOptions::new_header_only()
            .dtype(DType::new_scalar(element))
            .shape(&shape)
            .writer(&mut self.zip)
            .write_header_only()?;
        Ok(())
    }

    fn values<T: Element>(&mut self, values: &[T]) -> Result<(), ExportError> {
        Ok(self.zip.write_all(&le_bytes(values))?)
    }

    fn whole(&mut self, column: &Column, content: &Content) -> Result<(), ExportError> {
        match content {
            Content::Texts(texts) => {
                let longest = texts.iter().map(|text| text.chars().count()).max();
                // NumPy has no zero-width strings.
                let width = longest.unwrap_or_default().max(1);
                self.begin(column, &format!("<U{width}"), 4 * width as u64)?;
                for text in texts {
                    let chars = text.chars().map(u32::from).chain(std::iter::repeat(0));
                    let bytes: Vec<u8> = chars.take(width).flat_map(u32::to_le_bytes).collect();
                    self.zip.write_all(&bytes)?;
                }
                Ok(())
            }
            Content::F32(values) => {
                self.begin(column, "<f4", 4)?;
                self.values(values)
            }
            Content::I32(values) => {
                self.begin(column, "<i4", 4)?;
                self.values(values)
            }
            Content::I8(values) => {
                self.begin(column, "|i1", 1)?;
                self.values(values)
            }
        }
    }
}
