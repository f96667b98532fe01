//! Features of some rows of a store, as read by the trainer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::TrainerError;
use super::extents::{Extents, Fitted, fit_features};
use crate::corpus::column::{ColumnKind, Dtype};
use crate::corpus::plan::StoreRow;
use crate::corpus::{Modality, RowError, SplitName};
use crate::model::Sequence;
use crate::store::{Store, StoreError};
use crate::train::data::FeatureRows;

/// Features of a split's samples, fitted to the target lengths.
pub(super) struct StoreRows {
    store: Arc<Store>,
    rows: Vec<StoreRow>,
    sequences: BTreeMap<Modality, Sequence>,
    /// Number of steps in the store.
    n_steps: BTreeMap<(SplitName, Modality), usize>,
    fitted: Arc<Fitted>,
}

impl StoreRows {
    pub(super) fn new(
        store: Arc<Store>,
        rows: Vec<StoreRow>,
        modalities: &[Modality],
        extents: &Extents,
        fitted: Arc<Fitted>,
    ) -> Result<StoreRows, TrainerError> {
        let (mut sequences, mut n_steps) = (BTreeMap::new(), BTreeMap::new());
        for modality in modalities {
            for split in SplitName::ALL {
                if rows.iter().any(|row| row.split == split) {
                    let (wanted, n_found) = extents.of(&store, split, *modality)?;
                    sequences.insert(*modality, wanted);
                    n_steps.insert((split, *modality), n_found);
                    fitted.met(*modality, n_found, wanted.seq_len as usize);
                }
            }
        }
        Ok(StoreRows { store, rows, sequences, n_steps, fitted })
    }

    /// Values per sample in the store, and with the target number of steps.
    fn row_lens(&self, split: SplitName, modality: Modality) -> (usize, usize) {
        let Sequence { seq_len, feat_dim } = self.sequences[&modality];
        let n_steps = self.n_steps.get(&(split, modality)).copied().unwrap_or(0);
        (n_steps * feat_dim as usize, (seq_len * feat_dim) as usize)
    }
}

impl FeatureRows for StoreRows {
    fn sequences(&self) -> BTreeMap<Modality, Sequence> {
        self.sequences.clone()
    }

    fn is_half(&self, modality: Modality) -> bool {
        let is_half = |split: SplitName| {
            let id = ColumnKind::Features(modality).of(split);
            let column = self.store.manifest().column(&id);
            column.is_some_and(|column| column.dtype == Dtype::Float16)
        };
        self.rows.iter().all(|row| is_half(row.split))
    }

    fn read_all(
        &self,
        modality: Modality,
        take: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), RowError> {
        for split in SplitName::ALL {
            let mut wanted: BTreeMap<usize, usize> = BTreeMap::new();
            for (sample_idx, row) in self.rows.iter().enumerate() {
                if row.split == split {
                    wanted.insert(row.row_idx, sample_idx);
                }
            }
            if wanted.is_empty() {
                continue;
            }
            let (n_found, n_wanted) = self.row_lens(split, modality);
            let mut fitted = vec![0.0; n_wanted];
            let mut row_idx = 0;
            self.store.feature_pieces::<StoreError>(split, modality, |values| {
                for row in values.chunks_exact(n_found.max(1)) {
                    if let Some(sample_idx) = wanted.get(&row_idx) {
                        if n_found == n_wanted {
                            take(*sample_idx, row);
                        } else {
                            let beyond = row.get(n_wanted..).unwrap_or_default();
                            if beyond.iter().any(|value| *value != 0.0) {
                                self.fitted.cut(modality, *sample_idx);
                            }
                            fit_features(row, &mut fitted);
                            take(*sample_idx, &fitted);
                        }
                    }
                    row_idx += 1;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn read(&self, modality: Modality, sample_idx: usize, out: &mut [f32]) -> Result<(), RowError> {
        let row = self.rows[sample_idx];
        let (n_found, n_wanted) = self.row_lens(row.split, modality);
        if n_found == n_wanted {
            return Ok(self.store.sample(row.split, modality, row.row_idx, out)?);
        }
        let mut values = vec![0.0; n_found];
        self.store.sample(row.split, modality, row.row_idx, &mut values)?;
        fit_features(&values, out);
        Ok(())
    }
}
