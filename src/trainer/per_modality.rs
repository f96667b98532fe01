//! Optional model inputs per modality: each sample's number of steps before padding, and unimodal
//! labels.

use std::collections::BTreeMap;

use ndarray::Array3;

use super::error::TrainerError;
use crate::corpus::column::ColumnKind;
use crate::corpus::plan::StoreRow;
use crate::corpus::{Modality, RowError, SplitName};
use crate::model::contract::Needs;
use crate::store::Store;
use crate::train::data::FeatureRows;

/// Values for each sample of a split.
pub(super) struct PerModality {
    /// Steps before the padding, from the store or the token mask, `[n_samples]`.
    steps: BTreeMap<Modality, Vec<i32>>,
    /// Unimodal labels, `[n_samples]`.
    pub labels: BTreeMap<Modality, Vec<f32>>,
}

impl PerModality {
    /// Reads the required values for some rows; `tokens`, if given, are those of their texts,
    /// `[n_samples, 3, seq_len]`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn read(
        store: &Store,
        rows: &[StoreRow],
        modalities: &[Modality],
        needs: &Needs,
        tokens: Option<&Array3<i32>>,
    ) -> Result<PerModality, TrainerError> {
        let (mut steps, mut labels) = (BTreeMap::new(), BTreeMap::new());
        for modality in modalities {
            if needs.lengths {
                let found = match (modality, tokens) {
                    (Modality::Text, Some(tokens)) => Some(unmasked(tokens)),
                    _ => of_rows(rows, |split| {
                        Ok(store.numbers::<i32>(&ColumnKind::Lengths(*modality).of(split))?)
                    })?,
                };
                steps.extend(found.map(|found| (*modality, found)));
            }
            if needs.unimodal_labels {
                let found = of_rows(rows, |split| {
                    Ok(store
                        .numbers::<f32>(&ColumnKind::RegressionLabelsOf(*modality).of(split))?)
                })?;
                labels.extend(found.map(|found| (*modality, found)));
            }
        }
        Ok(PerModality { steps, labels })
    }

    /// Each sample's steps before the padding, at least 1 and at most the features' length: as recorded
    /// in the store, or else up to the last nonzero step.
    ///
    /// # Errors
    /// The features cannot be read.
    pub(super) fn lengths(
        &self,
        rows: &dyn FeatureRows,
        n_samples: usize,
    ) -> Result<BTreeMap<Modality, Vec<i32>>, RowError> {
        let mut lengths = BTreeMap::new();
        for (modality, sequence) in rows.sequences() {
            let mut of_samples = match self.steps.get(&modality) {
                Some(steps) => steps.clone(),
                None => {
                    let mut counted = vec![0; n_samples];
                    let feat_dim = usize::try_from(sequence.feat_dim).unwrap_or(0).max(1);
                    rows.read_all(modality, &mut |sample_idx, values| {
                        let mut frames = values.chunks(feat_dim);
                        let last = frames.rposition(|frame| frame.iter().any(|it| *it != 0.0));
                        counted[sample_idx] = last.map_or(0, |idx| idx as i32 + 1);
                    })?;
                    counted
                }
            };
            let most = i32::try_from(sequence.seq_len).unwrap_or(i32::MAX).max(1);
            of_samples.iter_mut().for_each(|steps| *steps = (*steps).clamp(1, most));
            lengths.insert(modality, of_samples);
        }
        if let Some(steps) = self.steps.get(&Modality::Text) {
            lengths.entry(Modality::Text).or_insert_with(|| steps.clone());
        }
        Ok(lengths)
    }
}

/// Number of tokens per text that are not padding, `[n_samples]`.
fn unmasked(tokens: &Array3<i32>) -> Vec<i32> {
    let texts = tokens.outer_iter();
    texts.map(|text| text.row(1).iter().filter(|mask| **mask != 0).count().max(1) as i32).collect()
}

/// Each row's value from a column `[n_segments]` of its split; `None` if a split lacks the column.
fn of_rows<T: Copy>(
    rows: &[StoreRow],
    column: impl Fn(SplitName) -> Result<Option<ndarray::ArrayD<T>>, TrainerError>,
) -> Result<Option<Vec<T>>, TrainerError> {
    let mut columns = BTreeMap::new();
    for split in SplitName::ALL {
        if rows.iter().any(|row| row.split == split) {
            let Some(values) = column(split)? else { return Ok(None) };
            columns.insert(split, values);
        }
    }
    let value = |row: &StoreRow| columns[&row.split].as_slice()?.get(row.row_idx).copied();
    Ok(rows.iter().map(value).collect())
}
