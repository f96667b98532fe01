//! Fits samples to the model's length of each modality. Shorter samples are padded with zeros at the
//! end, as in a store of that length; longer ones are cut if requested.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, ArrayView2, s};

use super::error::{StoreProblem, TrainerError};
use crate::corpus::column::ColumnKind;
use crate::corpus::{Modality, SplitName};
use crate::model::Sequence;
use crate::run::record::FittedLength;
use crate::store::Store;
use crate::train::config::ModelConfig;

/// Target lengths of all samples.
pub struct Extents {
    wanted: BTreeMap<Modality, Sequence>,
    n_tokens: Option<usize>,
    model: Option<Model>,
}

/// The model that requires them; if `None`, they are those of the store's longest split.
struct Model {
    checkpoint: PathBuf,
    may_cut: bool,
}

impl Extents {
    /// The maximum over all splits of a store.
    pub fn longest(store: &Store) -> Extents {
        let mut wanted: BTreeMap<Modality, Sequence> = BTreeMap::new();
        for modality in Modality::ALL {
            for (_, found) in of_splits(store, modality) {
                let longest = wanted.entry(modality).or_insert(found);
                longest.seq_len = longest.seq_len.max(found.seq_len);
            }
        }
        let n_tokens = splits_with_tokens(store).map(|(_, n_tokens)| n_tokens).max();
        Extents { wanted, n_tokens, model: None }
    }

    /// The extents of a checkpoint's model.
    pub fn of_model(checkpoint: &Path, config: &ModelConfig, may_cut: bool) -> Extents {
        let mut wanted = config.inputs.0.clone();
        let mut n_tokens = None;
        if config.bert.is_some() {
            let text = wanted.remove(&Modality::Text);
            n_tokens = text.and_then(|text| usize::try_from(text.seq_len).ok());
        }
        Extents { wanted, n_tokens, model: Some(Model { checkpoint: checkpoint.into(), may_cut }) }
    }

    /// Number of tokens per text, if the store has tokens.
    pub fn n_tokens(&self) -> Option<usize> {
        self.n_tokens
    }

    /// Extents per modality.
    pub fn wanted(&self) -> &BTreeMap<Modality, Sequence> {
        &self.wanted
    }

    /// Target and current extents of a split's modality.
    ///
    /// # Errors
    /// The split lacks the modality, or its features have another width.
    pub fn of(
        &self,
        store: &Store,
        split: SplitName,
        modality: Modality,
    ) -> Result<(Sequence, usize), TrainerError> {
        let found = extents(store, split, modality).ok_or_else(|| {
            let model = self.model.as_ref().map(|model| model.checkpoint.clone());
            let id = ColumnKind::Features(modality).of(split);
            TrainerError::unfit(store.path(), StoreProblem::Absent { id, model })
        })?;
        let wanted = self.wanted.get(&modality).copied().unwrap_or(found);
        if wanted.feat_dim == found.feat_dim {
            return Ok((wanted, usize::try_from(found.seq_len).unwrap_or(0)));
        }
        let cause = match &self.model {
            Some(model) => {
                let model = model.checkpoint.clone();
                StoreProblem::OtherThanModel { split, modality, found, wanted, model }
            }
            None => {
                let other =
                    of_splits(store, modality).find(|(_, it)| it.feat_dim != found.feat_dim);
                let (other, wanted) = other.unwrap_or((split, wanted));
                StoreProblem::OtherThanSplit { split, modality, found, other, wanted }
            }
        };
        Err(TrainerError::unfit(store.path(), cause))
    }

    /// Notes about a store whose splits differ in length, if these determine the model's lengths.
    pub fn notes(&self, store: &Store, modalities: &[Modality], with_tokens: bool) -> Vec<String> {
        if self.model.is_some() {
            return vec![];
        }
        let lengths = |modality: Modality| -> Vec<(SplitName, i64)> {
            match with_tokens && modality == Modality::Text {
                true => splits_with_tokens(store).map(|(split, n)| (split, n as i64)).collect(),
                false => of_splits(store, modality).map(|(name, it)| (name, it.seq_len)).collect(),
            }
        };
        let note = |modality: &Modality| {
            let lengths = lengths(*modality);
            let longest = lengths.iter().map(|(_, length)| *length).max()?;
            let shown: Vec<String> =
                lengths.iter().map(|(split, length)| format!("{split} {length}")).collect();
            lengths.iter().any(|(_, length)| *length != longest).then(|| {
                format!(
                    "{modality}: the splits differ in length ({}): all are padded with zeros to \
                     {longest} steps",
                    shown.join(", ")
                )
            })
        };
        modalities.iter().filter_map(note).collect()
    }

    /// Fits the tokens of a text, `[3, n_tokens]`, to the target length. A truncated text keeps its
    /// last token, `[SEP]`.
    pub fn fit_tokens(
        &self,
        sample_idx: usize,
        tokens: ArrayView2<'_, i32>,
        pad_id: i32,
        fitted: &Fitted,
    ) -> Array2<i32> {
        let n_found = tokens.dim().1;
        let n_wanted = self.n_tokens.unwrap_or(n_found);
        let mut out = Array2::zeros((3, n_wanted));
        out.row_mut(0).fill(pad_id);
        let n_kept = n_found.min(n_wanted);
        out.slice_mut(s![.., ..n_kept]).assign(&tokens.slice(s![.., ..n_kept]));
        let n_own = tokens.row(1).iter().rposition(|mask| *mask != 0).map_or(0, |last| last + 1);
        if n_own > n_wanted && n_wanted > 0 {
            out[[0, n_wanted - 1]] = tokens[[0, n_own - 1]];
            fitted.cut(Modality::Text, sample_idx);
        }
        fitted.met(Modality::Text, n_found, n_wanted);
        out
    }

    /// Refuses samples that were cut without a request to do so.
    pub fn check_cut(
        &self,
        store: &Store,
        split: SplitName,
        n_samples: usize,
        fitted: &[FittedLength],
    ) -> Result<(), TrainerError> {
        let Some(model) = self.model.as_ref().filter(|model| !model.may_cut) else { return Ok(()) };
        let Some(first) = fitted.iter().find(|length| length.n_cut > 0) else { return Ok(()) };
        let FittedLength { modality, store_steps, model_steps, n_cut } = *first;
        let cause = StoreProblem::TooLong {
            split,
            modality,
            store_steps,
            model_steps,
            n_longer: n_cut,
            n_samples,
            model: model.checkpoint.clone(),
        };
        Err(TrainerError::unfit(store.path(), cause))
    }
}

/// Extents of a split's modality.
fn extents(store: &Store, split: SplitName, modality: Modality) -> Option<Sequence> {
    let column = store.manifest().column(&ColumnKind::Features(modality).of(split))?;
    let &[_, seq_len, feat_dim] = &*column.shape else { return None };
    Some(Sequence { seq_len: seq_len as i64, feat_dim: feat_dim as i64 })
}

fn of_splits(store: &Store, modality: Modality) -> impl Iterator<Item = (SplitName, Sequence)> {
    let filled = SplitName::ALL.into_iter().filter(|split| !store.ids(*split).is_empty());
    filled.filter_map(move |split| Some((split, extents(store, split, modality)?)))
}

fn splits_with_tokens(store: &Store) -> impl Iterator<Item = (SplitName, usize)> {
    SplitName::ALL.into_iter().filter_map(|split| {
        let column = store.manifest().column(&ColumnKind::TextBert.of(split))?;
        Some((split, *column.shape.get(2)?))
    })
}

/// Fits values `[seq_len, feat_dim]` to another length: pads with zeros or truncates.
pub fn fit_features(values: &[f32], out: &mut [f32]) {
    let n_kept = values.len().min(out.len());
    out[..n_kept].copy_from_slice(&values[..n_kept]);
    out[n_kept..].fill(0.0);
}

/// Records changed lengths while a split is read.
#[derive(Default)]
pub struct Fitted(Mutex<BTreeMap<Modality, Length>>);

#[derive(Default)]
struct Length {
    store_steps: usize,
    model_steps: usize,
    cut: BTreeSet<usize>,
}

impl Fitted {
    fn of<T>(&self, modality: Modality, change: impl FnOnce(&mut Length) -> T) -> T {
        let mut lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(lengths.entry(modality).or_default())
    }

    /// Records a sample's length in the store and its target length.
    pub fn met(&self, modality: Modality, store_steps: usize, model_steps: usize) {
        self.of(modality, |length| {
            length.store_steps = length.store_steps.max(store_steps);
            length.model_steps = model_steps;
        });
    }

    /// Records a sample that lost nonzero values.
    pub fn cut(&self, modality: Modality, sample_idx: usize) {
        self.of(modality, |length| length.cut.insert(sample_idx));
    }

    /// All modalities with changed lengths.
    pub fn lengths(&self) -> Vec<FittedLength> {
        let lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = lengths.iter().filter(|(_, it)| it.store_steps != it.model_steps);
        let record = |(modality, length): (&Modality, &Length)| FittedLength {
            modality: *modality,
            store_steps: length.store_steps,
            model_steps: length.model_steps,
            n_cut: length.cut.len(),
        };
        changed.map(record).collect()
    }

    /// Samples that lost nonzero values.
    pub fn cut_samples(&self) -> BTreeSet<usize> {
        let lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lengths.values().flat_map(|length| length.cut.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn for_tokens(n_tokens: usize) -> Extents {
        Extents { wanted: BTreeMap::new(), n_tokens: Some(n_tokens), model: None }
    }

    #[test]
    fn a_text_that_is_cut_keeps_its_last_token_and_a_short_one_is_padded() {
        let tokens = array![[101, 7, 8, 102, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]];
        let fitted = Fitted::default();
        let longer = for_tokens(6).fit_tokens(0, tokens.view(), 0, &fitted);
        assert_eq!(longer.row(0).to_vec(), [101, 7, 8, 102, 0, 0]);
        assert_eq!(longer.row(1).to_vec(), [1, 1, 1, 1, 0, 0]);
        // Only padding is removed.
        let same = for_tokens(4).fit_tokens(0, tokens.view(), 0, &fitted);
        assert_eq!(same.row(0).to_vec(), [101, 7, 8, 102]);
        assert!(fitted.cut_samples().is_empty());
        let cut = for_tokens(3).fit_tokens(0, tokens.view(), 0, &fitted);
        assert_eq!(cut.row(0).to_vec(), [101, 7, 102]);
        assert_eq!(cut.row(1).to_vec(), [1, 1, 1]);
        let lengths = fitted.lengths();
        assert_eq!((lengths[0].store_steps, lengths[0].model_steps, lengths[0].n_cut), (5, 3, 1));
    }

    #[test]
    fn features_are_padded_and_cut_at_their_end() {
        let mut out = [9.0; 6];
        fit_features(&[1.0, 2.0, 3.0, 4.0], &mut out);
        assert_eq!(out, [1.0, 2.0, 3.0, 4.0, 0.0, 0.0]);
        fit_features(&[1.0; 8], &mut out);
        assert_eq!(out, [1.0; 6]);
    }
}
