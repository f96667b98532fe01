//! Aligned segments on their way to a store: features in files, all else in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use ndarray::Array2;

use super::files::listed;
use super::homes::Homes;
use super::options::{Cut, Mode, Recipe, fitting};
use super::spool::{Spool, SpooledRows};
use super::store_error::AlignedStoreError;
use super::timed::Segment;
use crate::corpus::manifest::ALIGNED_BY;
use crate::corpus::segment::video_of;
use crate::corpus::{
    Corpus, CorpusSplit, FeatureBlock, Modality, NarrowedLabel, RegressionLabels, SplitName,
};
use crate::words::plural;

/// Layout of a store that was made of computational sequences.
const SEQUENCES: &str = "csd";

/// Segments, with their features in files.
pub(super) struct Gathered {
    ids: Vec<String>,
    texts: Vec<Option<String>>,
    labels: Vec<Vec<f64>>,
    intervals: Vec<Option<[f64; 2]>>,
    pub(super) spools: BTreeMap<Modality, (Spool, usize)>,
    pub(super) notes: Vec<String>,
}

impl Gathered {
    pub(super) fn new(mode: &Mode) -> Result<Gathered, AlignedStoreError> {
        let json = serde_json::to_string(mode)
            .map_err(|cause| AlignedStoreError::Spool { cause: std::io::Error::other(cause) })?;
        Ok(Gathered {
            ids: Vec::new(),
            texts: Vec::new(),
            labels: Vec::new(),
            intervals: Vec::new(),
            spools: BTreeMap::new(),
            notes: vec![format!("{ALIGNED_BY}{json}")],
        })
    }

    pub(super) fn push(&mut self, segment: Segment) -> Result<(), AlignedStoreError> {
        let spool = |cause| AlignedStoreError::Spool { cause };
        for (modality, rows) in &segment.rows {
            let (to, feat_dim) = match self.spools.entry(*modality) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert((Spool::new().map_err(spool)?, rows.ncols())),
            };
            if rows.ncols() != *feat_dim {
                let (expected, found) = (*feat_dim, rows.ncols());
                let (modality, id) = (*modality, segment.id.clone());
                return Err(AlignedStoreError::Width { modality, id, expected, found });
            }
            to.push(rows).map_err(spool)?;
        }
        self.ids.push(segment.id);
        self.texts.push(segment.text);
        self.labels.push(segment.label);
        self.intervals.push(segment.interval);
        Ok(())
    }

    pub(super) fn corpus(self, mode: &Mode, homes: &Homes) -> Result<Corpus, AlignedStoreError> {
        let (max_len, keeps_last) = match mode {
            Mode::Overlap(options) => (&options.max_len, options.cut == Cut::Front),
            Mode::Sdk { recipe, max_len } => {
                let has_text = self.texts.iter().any(Option::is_some);
                let recipe = recipe.unwrap_or(fitting(has_text));
                (max_len, recipe == Recipe::Examples)
            }
        };
        let mut notes = self.notes;
        let mut spooled = BTreeMap::new();
        for (modality, (spool, feat_dim)) in self.spools {
            let lengths: Vec<usize> = spool.lengths().collect();
            let longest = lengths.iter().copied().max().unwrap_or_default();
            let seq_len = max_len.get(&modality).map_or(longest, |most| longest.min(*most));
            let n_cut = lengths.iter().filter(|len| **len > seq_len).count();
            if n_cut > 0 {
                let kept = if keeps_last { "last" } else { "first" };
                notes.push(format!(
                    "{modality}: {} cut to the {kept} {}",
                    plural(n_cut, "segment"),
                    plural(seq_len, "row")
                ));
            }
            let all = Arc::new(spool.finish().map_err(|cause| AlignedStoreError::Spool { cause })?);
            spooled.insert(modality, (all, lengths, seq_len, feat_dim));
        }
        let mut by_split: BTreeMap<SplitName, Vec<usize>> = BTreeMap::new();
        let mut no_fold = Vec::new();
        for (idx, id) in self.ids.iter().enumerate() {
            match homes.split_of(video_of(id)) {
                Some(split) => by_split.entry(split).or_default().push(idx),
                None => no_fold.push(&**id),
            }
        }
        if !no_fold.is_empty() {
            notes.push(format!(
                "{} of videos in no fold, left out: {}",
                plural(no_fold.len(), "segment"),
                listed(&no_fold)
            ));
        }
        if by_split.is_empty() {
            return Err(AlignedStoreError::NoSegment { n_segments: self.ids.len() });
        }
        notes.extend(homes.note.clone());
        let n_labels = self.labels.first().map_or(0, Vec::len);
        if ![1, 7].contains(&n_labels) {
            notes.push(format!(
                "labels: the first of {} is stored, the others are left out",
                plural(n_labels, "column")
            ));
        }
        let split = |(name, segments): (SplitName, Vec<usize>)| {
            let features = spooled.iter().map(|(modality, (all, _, seq_len, feat_dim))| {
                let rows = SpooledRows {
                    all: all.clone(),
                    segments: segments.clone(),
                    seq_len: *seq_len,
                    feat_dim: *feat_dim,
                    keeps_last,
                };
                let shape = [segments.len(), *seq_len, *feat_dim];
                (*modality, FeatureBlock { shape, rows: Arc::new(rows) })
            });
            let lengths = spooled.iter().map(|(modality, (_, lengths, seq_len, _))| {
                let of =
                    |idx: &usize| i32::try_from(lengths[*idx].min(*seq_len)).unwrap_or(i32::MAX);
                (*modality, segments.iter().map(of).collect())
            });
            let (labels, narrowed_labels) = labels_of(&self.labels, &segments);
            let texts = segments.iter().map(|idx| self.texts[*idx].clone());
            CorpusSplit {
                name,
                ids: segments.iter().map(|idx| self.ids[*idx].clone()).collect(),
                raw_text: texts.collect(),
                annotations: None,
                features: features.collect(),
                text_bert: None,
                words: None,
                lengths: lengths.collect(),
                regression_labels: RegressionLabels {
                    overall: Some(labels.column(0).to_vec()),
                    by_modality: BTreeMap::new(),
                },
                classification_labels: None,
                emotion_labels: (n_labels == 7)
                    .then(|| labels.slice(ndarray::s![.., 1..]).to_owned()),
                intervals: segments.iter().map(|idx| self.intervals[*idx]).collect(),
                narrowed_labels,
            }
        };
        let splits = by_split.into_iter().map(split).collect();
        Ok(Corpus { layout: SEQUENCES, splits, notes, feature_names: BTreeMap::new(), build: None })
    }
}

/// Labels of segments as float32, and those that this changes.
fn labels_of(all: &[Vec<f64>], segments: &[usize]) -> (Array2<f32>, Vec<NarrowedLabel>) {
    let n_labels = segments.first().map_or(1, |idx| all[*idx].len().max(1));
    let mut narrowed = Vec::new();
    let labels = Array2::from_shape_fn((segments.len(), n_labels), |(row, column)| {
        let wide = all[segments[row]].get(column).copied().unwrap_or(f64::NAN);
        let name = if column == 0 { "regression_labels" } else { "emotion_labels" };
        narrowed.extend(NarrowedLabel::of(name, row, wide, wide as f32));
        wide as f32
    });
    (labels, narrowed)
}
