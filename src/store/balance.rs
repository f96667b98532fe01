//! Number of a store's segments per label class.

use super::{Store, StoreError};
use crate::corpus::balance::{Balance, ClassCount, count, count_named};
use crate::corpus::column::ColumnKind;
use crate::corpus::label::LabelScale;

impl Store {
    /// The segments per label class and split. A binning scheme that the store lacks is left out.
    ///
    /// # Errors
    /// The store has no labels, or they cannot be read.
    pub fn balance(&self) -> Result<Balance, StoreError> {
        let manifest = self.manifest();
        Ok(Balance {
            path: self.path().into(),
            dataset: manifest.title().to_owned(),
            digest: manifest.digest.clone(),
            classes: self.classes()?,
        })
    }

    /// Reads each split's bins.
    fn classes(&self) -> Result<Vec<ClassCount>, StoreError> {
        let manifest = self.manifest();
        let named = match manifest.scale() {
            LabelScale::Own(own) if own.is_unordered() => Some(own),
            _ => None,
        };
        let kind = match named {
            Some(_) => ColumnKind::ClassificationLabels,
            None => ColumnKind::RegressionLabels,
        };
        let has_labels = |split| manifest.column(&kind.clone().of(split)).is_some();
        // Without labels, counts would all read as zero.
        if let Some(first) = manifest.splits.first()
            && !manifest.splits.iter().any(|split| has_labels(split.name))
        {
            return Err(StoreError::NoLabels { path: self.path().into(), split: first.name });
        }
        let scale = manifest.scale();
        let mut counts = Vec::new();
        for split in &manifest.splits {
            if let Some(own) = named
                && let Some(classes) = self.numbers::<i32>(&kind.clone().of(split.name))?
            {
                let classes: Vec<i32> = classes.into_iter().collect();
                counts.extend(count_named(split.name, own.classes(), &classes));
            }
            for bins in scale.bins().iter() {
                let id = ColumnKind::Bins(*bins).of(split.name);
                if let Some(classes) = self.numbers::<i8>(&id)? {
                    let classes: Vec<i8> = classes.into_iter().collect();
                    counts.extend(count(split.name, scale, *bins, &classes));
                }
            }
        }
        Ok(counts)
    }
}
