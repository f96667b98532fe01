//! A corpus without some of its segments, whose features still lie in their source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::Axis;

use super::{
    Corpus, CorpusSplit, FeatureBlock, NarrowedLabel, RegressionLabels, RowError, Rows, SplitName,
    absent,
};
use crate::overflow::Overflows;
use crate::words::counted;

impl Corpus {
    /// The unlabelled segments of splits that have labels, by index.
    pub fn unlabelled(&self) -> BTreeMap<SplitName, BTreeSet<usize>> {
        let of_split = |split: &CorpusSplit| {
            let labels = split.regression_labels.overall.iter().flatten().enumerate();
            let places = labels.filter(|(_, label)| !label.is_finite()).map(|(idx, _)| idx);
            let places: BTreeSet<usize> = places.collect();
            let has_labels = places.len() < split.ids.len();
            (split.name, if has_labels { places } else { BTreeSet::new() })
        };
        self.splits.iter().map(of_split).filter(|(_, places)| !places.is_empty()).collect()
    }

    /// The same corpus without the unlabelled segments of splits that have labels; notes name them.
    pub fn without_unlabelled(&self) -> Corpus {
        let unlabelled = self.unlabelled();
        let mut corpus = self.without(&unlabelled);
        for (name, places) in &unlabelled {
            let ids = self.splits.iter().filter(|split| split.name == *name);
            let ids = ids.flat_map(|split| places.iter().filter_map(|idx| split.ids.get(*idx)));
            corpus.notes.push(unlabelled_note(*name, ids.map(String::as_str)));
        }
        corpus
    }

    /// The same corpus without the segments in `left_out`, given by split and index.
    pub fn without(&self, left_out: &BTreeMap<SplitName, BTreeSet<usize>>) -> Corpus {
        let none = BTreeSet::new();
        let split = |split| of_split(split, left_out.get(&split.name).unwrap_or(&none));
        Corpus {
            layout: self.layout,
            splits: self.splits.iter().map(split).collect(),
            notes: self.notes.clone(),
            feature_names: self.feature_names.clone(),
            build: self.build.clone(),
        }
    }
}

/// A note that names the unlabelled segments that are left out of a split.
pub fn unlabelled_note<'a>(split: SplitName, ids: impl Iterator<Item = &'a str>) -> String {
    let ids: Vec<&str> = ids.collect();
    let segments = counted(ids.len(), "segment without a label is", "segments without a label are");
    format!("{split}: {segments} not stored: {}", ids.join(", "))
}

fn of_split(split: &CorpusSplit, left_out: &BTreeSet<usize>) -> CorpusSplit {
    let kept: Arc<[usize]> = (0..split.ids.len()).filter(|idx| !left_out.contains(idx)).collect();
    let block = |block: &FeatureBlock| {
        let [_, seq_len, feat_dim] = block.shape;
        FeatureBlock {
            shape: [kept.len(), seq_len, feat_dim],
            rows: Arc::new(Kept { rows: Arc::clone(&block.rows), kept: Arc::clone(&kept) }),
        }
    };
    let labels = &split.regression_labels;
    CorpusSplit {
        name: split.name,
        ids: of(&split.ids, &kept),
        raw_text: split.raw_text.as_ref().map(|texts| of(texts, &kept)),
        annotations: split.annotations.as_ref().map(|words| of(words, &kept)),
        features: split.features.iter().map(|(modality, all)| (*modality, block(all))).collect(),
        text_bert: split.text_bert.as_ref().map(|tokens| tokens.select(Axis(0), &kept)),
        words: split.words.as_ref().map(|words| words.select(Axis(0), &kept)),
        lengths: split.lengths.iter().map(|(modality, all)| (*modality, of(all, &kept))).collect(),
        regression_labels: RegressionLabels {
            overall: labels.overall.as_ref().map(|all| of(all, &kept)),
            by_modality: labels
                .by_modality
                .iter()
                .map(|(modality, all)| (*modality, of(all, &kept)))
                .collect(),
        },
        classification_labels: split.classification_labels.as_ref().map(|all| of(all, &kept)),
        emotion_labels: split.emotion_labels.as_ref().map(|all| all.select(Axis(0), &kept)),
        intervals: split.intervals.as_ref().map(|all| of(all, &kept)),
        narrowed_labels: split
            .narrowed_labels
            .iter()
            .filter_map(|label| {
                let row = kept.binary_search(&label.row).ok()?;
                Some(NarrowedLabel { row, ..label.clone() })
            })
            .collect(),
    }
}

/// The entries of a column at `kept`.
fn of<T: Clone>(column: &[T], kept: &[usize]) -> Vec<T> {
    kept.iter().filter_map(|idx| column.get(*idx)).cloned().collect()
}

/// Some samples of a block.
struct Kept {
    rows: Arc<dyn Rows>,
    kept: Arc<[usize]>,
}

impl Rows for Kept {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        let idx = self.kept.get(sample_idx).ok_or_else(|| absent(sample_idx))?;
        self.rows.read(*idx, out)
    }
}
