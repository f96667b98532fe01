//! Reads features in order, in steps of any number of samples.

use half::f16;

use super::digest::{self, Feature};
use super::{FeatureDtype, Store, StoreError};
use crate::corpus::column::{Column, ColumnKind};
use crate::corpus::{Modality, SplitName};

/// Sequential reader of a feature block, for formats that take all blocks side by side.
pub struct FeatureReader {
    store: Store,
    column: Column,
    row_len: usize,
    hasher: blake3::Hasher,
    /// Samples read from the store.
    n_read: usize,
    /// Values read but not yet requested.
    ahead: Vec<f32>,
}

impl Store {
    /// Reads the features of one modality in steps chosen by the caller.
    ///
    /// # Errors
    /// The store has no such features.
    pub fn feature_reader(
        &self,
        split: SplitName,
        modality: Modality,
    ) -> Result<FeatureReader, StoreError> {
        let column = self.column(&ColumnKind::Features(modality).of(split))?;
        let [_, seq_len, feat_dim] = self.shape3(column)?;
        Ok(FeatureReader {
            store: self.clone(),
            column: column.clone(),
            row_len: seq_len * feat_dim,
            hasher: blake3::Hasher::new(),
            n_read: 0,
            ahead: Vec::new(),
        })
    }
}

impl FeatureReader {
    /// The next samples, `[n_samples, seq_len, feat_dim]` in row-major order; fewer at the end.
    ///
    /// # Errors
    /// The features cannot be read, or, detected only with the last of them, differ from their digest.
    pub fn next(&mut self, n_samples: usize) -> Result<Vec<f32>, StoreError> {
        let n_all = self.column.n_samples();
        let wanted = n_samples.min(n_all).saturating_mul(self.row_len);
        while self.ahead.len() < wanted && self.n_read < n_all {
            match self.store.feature_dtype(&self.column)? {
                FeatureDtype::Float32 => self.read::<f32>()?,
                FeatureDtype::Float16 => self.read::<f16>()?,
            }
            if self.n_read == n_all {
                self.store.compare_digest(&self.column, &digest::finish(&self.hasher))?;
            }
        }
        let rest = self.ahead.split_off(wanted.min(self.ahead.len()));
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    fn read<T: Feature>(&mut self) -> Result<(), StoreError> {
        let values = self.store.piece::<T>(&self.column, self.n_read)?;
        digest::update(&mut self.hasher, &values);
        self.n_read += values.len() / self.row_len.max(1);
        self.ahead.extend_from_slice(&T::widen(&values));
        Ok(())
    }
}
