//! Summary statistics of a store's features.

use super::{Store, StoreError};
use crate::corpus::check::BlockReading;
use crate::corpus::column::ColumnKind;
use crate::corpus::known::KnownFeatures;
use crate::corpus::summary::{BlockSummary, LengthSource, Summary};
use crate::corpus::{Modality, SplitName};
use crate::progress::{Progress, Stage};

impl Store {
    /// Reads all features; returns each block's moments, zeros and sample lengths.
    ///
    /// # Errors
    /// A column cannot be read or differs from its digest.
    pub fn summary(&self, progress: &dyn Progress) -> Result<Summary, StoreError> {
        let manifest = self.manifest();
        let total = self.path().metadata().map_or(0, |meta| meta.len());
        progress.begin(Stage::Reading, total);
        let mut blocks = Vec::new();
        for split in &manifest.splits {
            for modality in Modality::ALL {
                blocks.extend(self.block_summary(split.name, modality, progress)?);
            }
        }
        let (dataset, digest) = (manifest.title().to_owned(), manifest.digest.clone());
        let features = KnownFeatures::of(manifest);
        Ok(Summary { path: self.path().into(), dataset, digest, features, blocks })
    }

    fn block_summary(
        &self,
        split: SplitName,
        modality: Modality,
        progress: &dyn Progress,
    ) -> Result<Option<BlockSummary>, StoreError> {
        let Some(column) = self.manifest().column(&ColumnKind::Features(modality).of(split)) else {
            return Ok(None);
        };
        let Ok(shape) = <[usize; 3]>::try_from(column.shape.as_slice()) else { return Ok(None) };
        let recorded = self.lengths(split, modality)?;
        let mut reading = BlockReading::default();
        self.feature_pieces(split, modality, |values| {
            reading.take(values, shape, recorded.as_deref());
            progress.advance(size_of_val(values) as u64);
            Ok::<_, StoreError>(())
        })?;
        let lengths = match recorded {
            Some(lengths) => Some((LengthSource::Recorded, as_counts(&lengths))),
            None if modality == Modality::Text => self.n_tokens(split)?,
            None => None,
        };
        Ok(Some(BlockSummary::new(split, modality, shape, &reading, lengths)))
    }

    /// Token counts from the masks of `text_bert`, `[n_samples, 3, seq_len]`.
    fn n_tokens(&self, split: SplitName) -> Result<Option<(LengthSource, Vec<u32>)>, StoreError> {
        let tokens = self.numbers::<i32>(&ColumnKind::TextBert.of(split))?;
        Ok(tokens.map(|tokens| {
            let rows = tokens.outer_iter();
            let counts = rows.map(|row| {
                let mask = row.outer_iter().nth(1);
                mask.map_or(0, |mask| mask.iter().filter(|value| **value == 1).count() as u32)
            });
            (LengthSource::Mask, counts.collect())
        }))
    }
}

fn as_counts(lengths: &[i32]) -> Vec<u32> {
    lengths.iter().map(|length| u32::try_from(*length).unwrap_or(0)).collect()
}
