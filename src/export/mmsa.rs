//! The pickle that MMSA, Self-MM and ALMT load: `{split: {key: array or list}}`.
//!
//! Keys, shapes and containers are those of the published files (thuiar/MMSA `README.md`), types those
//! of the store: float32 features and regression labels, int64 tokens and classes, lists of integers
//! for lengths, lists of texts.

use std::io::Write;

use super::ExportError;
use crate::corpus::column::ColumnKind;
use crate::corpus::{Modality, SplitName};
use crate::pickle::{ArrayDtype, Writer};
use crate::store::Store;

/// Writes the whole store as one pickle, a few samples at a time. `advance` receives the bytes of every
/// stretch done.
///
/// # Errors
/// The store cannot be read or differs from its digests, or `out` cannot be written to.
pub fn mmsa_pickle<W: Write>(
    store: &Store,
    out: W,
    advance: &dyn Fn(u64),
) -> Result<W, ExportError> {
    let mut export = Export { store, writer: Writer::new(out)?, advance };
    export.writer.begin_dict()?;
    for split in &store.manifest().splits {
        export.writer.key(split.name.name())?;
        export.writer.begin_dict()?;
        export.split(split.name)?;
        export.writer.end_dict()?;
    }
    export.writer.end_dict()?;
    Ok(export.writer.finish()?)
}

struct Export<'a, W: Write> {
    store: &'a Store,
    writer: Writer<W>,
    advance: &'a dyn Fn(u64),
}

impl<W: Write> Export<'_, W> {
    fn split(&mut self, split: SplitName) -> Result<(), ExportError> {
        for kind in [ColumnKind::RawText, ColumnKind::Id, ColumnKind::Annotations] {
            let id = kind.of(split);
            if let Some(texts) = self.store.strings(&id)? {
                self.writer.key(id.kind.name())?;
                self.writer.str_list(texts)?;
            }
        }
        for modality in Modality::ALL {
            self.features(split, modality)?;
        }
        // `words` is the store's addition for sources in the MISA layout.
        for kind in [ColumnKind::TextBert, ColumnKind::Words, ColumnKind::ClassificationLabels] {
            let id = kind.of(split);
            if let Some(values) = self.store.numbers::<i32>(&id)? {
                let wide: Vec<i64> = values.iter().copied().map(i64::from).collect();
                self.writer.key(id.kind.name())?;
                self.writer.array_i64(values.shape(), &wide)?;
            }
        }
        for modality in Modality::ALL {
            if let Some(lengths) = self.store.lengths(split, modality)? {
                self.writer.key(ColumnKind::Lengths(modality).name())?;
                self.writer.int_list(lengths.into_iter().map(i64::from))?;
            }
        }
        let of_modalities = Modality::ALL.map(ColumnKind::RegressionLabelsOf);
        for kind in std::iter::once(ColumnKind::RegressionLabels).chain(of_modalities) {
            let id = kind.of(split);
            if let Some(values) = self.store.numbers::<f32>(&id)? {
                self.writer.key(id.kind.name())?;
                self.writer.array_f32(values.shape(), values.as_slice().unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn features(&mut self, split: SplitName, modality: Modality) -> Result<(), ExportError> {
        let id = ColumnKind::Features(modality).of(split);
        let Some(column) = self.store.manifest().column(&id) else { return Ok(()) };
        self.writer.key(id.kind.name())?;
        self.writer.begin_array(ArrayDtype::F32, &column.shape)?;
        let Export { store, writer, advance } = self;
        store.feature_pieces(split, modality, |values| {
            writer.elements_f32(values)?;
            advance(size_of_val(values) as u64);
            Ok::<_, ExportError>(())
        })
    }
}
