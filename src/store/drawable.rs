//! A store's segments, as needed to draw splits.

use super::{Store, StoreError};
use crate::corpus::SplitName;
use crate::corpus::draw::Drawable;

impl Store {
    /// Segments of the given splits, in order, with their overall labels.
    ///
    /// # Errors
    /// The labels are absent or cannot be read.
    pub fn drawable(&self, names: &[SplitName]) -> Result<Vec<Drawable>, StoreError> {
        let mut segments = Vec::new();
        for split in self.manifest().splits.iter().filter(|split| names.contains(&split.name)) {
            let labels = self.needed_labels(split.name)?;
            let rows = split.ids.iter().zip(labels);
            segments.extend(rows.map(|(id, label)| Drawable { id: id.clone(), label }));
        }
        Ok(segments)
    }
}
