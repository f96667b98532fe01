//! Number of a store's segments per label class.

use super::{Store, StoreError};
use crate::corpus::balance::{Balance, ClassCount, count};
use crate::corpus::column::ColumnKind;

impl Store {
    /// The segments per label class and split. A binning scheme that the store lacks is left out.
    ///
    /// # Errors
    /// The store has no labels, or they cannot be read.
    pub fn balance(&self) -> Result<Balance, StoreError> {
        let manifest = self.manifest();
        Ok(Balance {
            path: self.path().into(),
            dataset: manifest.dataset.title(),
            digest: manifest.digest.clone(),
            classes: self.classes()?,
        })
    }

    /// Reads each split's bins.
    fn classes(&self) -> Result<Vec<ClassCount>, StoreError> {
        let manifest = self.manifest();
        let has_labels = |split| manifest.column(&ColumnKind::RegressionLabels.of(split)).is_some();
        // Without labels, counts would all read as zero.
        if let Some(first) = manifest.splits.first()
            && !manifest.splits.iter().any(|split| has_labels(split.name))
        {
            return Err(StoreError::NoLabels { path: self.path().into(), split: first.name });
        }
        let scheme = manifest.dataset.bin_scheme();
        let mut counts = Vec::new();
        for split in &manifest.splits {
            for bins in scheme.bins() {
                let id = ColumnKind::Bins(*bins).of(split.name);
                if let Some(classes) = self.numbers::<i8>(&id)? {
                    let classes: Vec<i8> = classes.into_iter().collect();
                    counts.extend(count(split.name, scheme, *bins, &classes));
                }
            }
        }
        Ok(counts)
    }
}
