//! A store's segments, as needed to draw splits.

use super::{Store, StoreError};
use crate::corpus::SplitName;
use crate::corpus::column::ColumnKind;
use crate::corpus::draw::Drawable;
use crate::corpus::label::LabelScale;

impl Store {
    /// Segments of the given splits, in order, with their overall labels, or their classes if these
    /// have no values.
    ///
    /// # Errors
    /// The labels are absent or cannot be read.
    pub fn drawable(&self, names: &[SplitName]) -> Result<Vec<Drawable>, StoreError> {
        let mut segments = Vec::new();
        for split in self.manifest().splits.iter().filter(|split| names.contains(&split.name)) {
            let labels = match self.manifest().scale() {
                LabelScale::Own(own) if own.is_unordered() => self.needed_classes(split.name)?,
                _ => self.needed_labels(split.name)?,
            };
            let rows = split.ids.iter().zip(labels);
            segments.extend(rows.map(|(id, label)| Drawable { id: id.clone(), label }));
        }
        Ok(segments)
    }

    /// The classes of a split as numbers, `[n_samples]`.
    fn needed_classes(&self, split: SplitName) -> Result<Vec<f32>, StoreError> {
        let classes = self.numbers::<i32>(&ColumnKind::ClassificationLabels.of(split))?;
        let unlabelled = || StoreError::NoLabels { path: self.path().into(), split };
        // There are far fewer classes than integers in float32.
        Ok(classes.ok_or_else(unlabelled)?.into_iter().map(|class| class as f32).collect())
    }
}
