//! The MMSA layout, `{split: {key: array or list}}`: CMU-MOSI, CMU-MOSEI and CH-SIMS as published by
//! thuiar/MMSA:README.md, the output of thuiar/MMSA-FET:src/MSA_FET/dataset.py, and custom files of
//! thuiar/Self-MM:data/DataPre.py, which have lists instead of arrays.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::column::Dtype;
use crate::corpus::scale::CLASSES_ALONE;
use crate::corpus::{
    Corpus, CorpusSplit, Layout, Modality, NarrowedLabel, RegressionLabels, SplitName,
};
use crate::pickle::{ArrayView, NodeId, Pickle};

use super::column::{Column, NO_CLASS};
use super::dtype::SourceDtype;
use super::log::Log;
use super::splits::{note_left_out, splits};
use super::table::kind_of;
use super::{IngestError, IngestOptions, Place, SourceFile, features, padding, sentiment, tokens};

/// Keys that are used in the corpus, besides those of `LABEL_KEYS`.
const KNOWN_KEYS: [&str; 12] = [
    "id",
    "raw_text",
    "annotations",
    "text",
    "audio",
    "vision",
    "text_bert",
    "text_lengths",
    "audio_lengths",
    "vision_lengths",
    "regression_labels",
    "classification_labels",
];

/// Labels of single modalities, as in CH-SIMS.
const LABEL_KEYS: [(Modality, &str); 3] = [
    (Modality::Text, "regression_labels_T"),
    (Modality::Audio, "regression_labels_A"),
    (Modality::Vision, "regression_labels_V"),
];

/// Reads all splits.
///
/// # Errors
/// Same as [`super::read`].
pub(super) fn read(
    files: &[SourceFile<'_>],
    options: &IngestOptions,
    log: &mut Log,
) -> Result<Corpus, IngestError> {
    let mut ragged = BTreeSet::new();
    let mut read = Vec::new();
    for split in splits(files, options, log)? {
        let mut reader = SplitReader {
            pickle: split.pickle,
            split: split.value,
            key: &split.key,
            ragged: &mut ragged,
            narrowed: Vec::new(),
            log: &mut *log,
        };
        read.push(reader.read(split.name)?);
    }
    note_classes_alone(&read, log);
    padding::settle(&mut read, &ragged, log)?;
    Ok(Corpus {
        layout: Layout::Mmsa.name(),
        splits: read,
        notes: Vec::new(),
        feature_names: BTreeMap::new(),
        build: None,
    })
}

/// Notes the splits that have class labels and no regression labels.
fn note_classes_alone(splits: &[CorpusSplit], log: &mut Log) {
    let is_alone = |split: &&CorpusSplit| {
        split.regression_labels.overall.is_none() && split.classification_labels.is_some()
    };
    let alone: Vec<&str> = splits.iter().filter(is_alone).map(|split| split.name.name()).collect();
    match alone.len() {
        0 => {}
        n if n == splits.len() => log.note(format!(
            "{CLASSES_ALONE}: the store can be predicted on, not trained on"
        )),
        _ => log.note(format!(
            "labels: class labels and no regression labels in {}: such a split can be predicted on, \
             neither trained nor evaluated on",
            alone.join(" and ")
        )),
    }
}

struct SplitReader<'p, 'n> {
    pickle: &'p Pickle,
    split: NodeId,
    /// The split's name in the file.
    key: &'n str,
    /// Modalities whose samples are unpadded in the file.
    ragged: &'n mut BTreeSet<Modality>,
    /// Labels that change when converted to float32.
    narrowed: Vec<NarrowedLabel>,
    log: &'n mut Log,
}

impl<'p> SplitReader<'p, '_> {
    fn read(&mut self, name: SplitName) -> Result<CorpusSplit, IngestError> {
        let is_known = |key: &str| {
            KNOWN_KEYS.contains(&key) || LABEL_KEYS.iter().any(|(_, known)| *known == key)
        };
        note_left_out(self.pickle, self.split, self.key, is_known, self.log)?;
        let ids = {
            let place = self.place("id");
            let id = self.pickle.get(self.split, "id").ok_or_else(|| IngestError::Missing {
                place: place.clone(),
                reason: "every sample needs its id",
            })?;
            self.log.map(&place, kind_of(self.pickle, id), "id");
            Column::new(self.pickle, id, &place, None)?.ids(&place, self.log)?
        };
        let n_samples = ids.len();
        let mut emotion_labels = None;
        let overall = match self.labels_with_emotions(n_samples)? {
            Some(labels) => {
                self.narrowed.extend(labels.narrowed);
                emotion_labels = labels.emotions;
                labels.sentiment
            }
            None => self.labels("regression_labels", n_samples)?,
        };
        let classes = self.classes(n_samples)?;
        let mut by_modality = BTreeMap::new();
        for (modality, key) in LABEL_KEYS {
            if let Some(labels) = self.labels(key, n_samples)? {
                by_modality.insert(modality, labels);
            }
        }
        let mut blocks = BTreeMap::new();
        let mut lengths = BTreeMap::new();
        for modality in Modality::ALL {
            let recorded = self.integers(&format!("{modality}_lengths"), n_samples)?;
            let id = self.pickle.get(self.split, modality.name());
            let mut own = None;
            if let Some(id) = id {
                let place = self.place(modality.name());
                self.log.map(&place, kind_of(self.pickle, id), modality.name());
                let found = features::read(self.pickle, id, &place, n_samples)?;
                self.log.note_types(modality.name(), &found.dtypes, Dtype::Float32);
                blocks.insert(modality, found.block);
                own = found.lengths;
            }
            if let Some(values) = self.lengths(modality, recorded, own) {
                lengths.insert(modality, values);
            }
        }
        Ok(CorpusSplit {
            name,
            raw_text: self.texts("raw_text", &ids)?,
            annotations: self.texts("annotations", &ids)?,
            features: blocks,
            text_bert: self.text_bert(n_samples)?,
            words: None,
            lengths,
            regression_labels: RegressionLabels { overall, by_modality },
            classification_labels: classes,
            emotion_labels,
            intervals: None,
            narrowed_labels: std::mem::take(&mut self.narrowed),
            ids,
        })
    }

    /// The recorded lengths, which are never recomputed, or else those of unpadded samples.
    fn lengths(
        &mut self,
        modality: Modality,
        recorded: Option<Vec<i32>>,
        own: Option<Vec<i32>>,
    ) -> Option<Vec<i32>> {
        let Some(own) = own else { return recorded };
        self.ragged.insert(modality);
        self.log.note(format!(
            "{modality}: samples of different lengths were padded with zeros at the back"
        ));
        let Some(recorded) = recorded else { return Some(own) };
        let n_unlike = recorded.iter().zip(&own).filter(|(one, other)| one != other).count();
        if n_unlike > 0 {
            self.log.note(format!(
                "{}/{modality}_lengths: {n_unlike} recorded lengths, which were kept, differ from \
                 the numbers of frames",
                self.key
            ));
        }
        Some(recorded)
    }

    fn place(&self, key: &str) -> Place {
        Place::new(format!("{}/{key}", self.key))
    }

    fn column(
        &mut self,
        key: &str,
        n_samples: usize,
    ) -> Result<Option<(Column<'p>, Place)>, IngestError> {
        let Some(id) = self.pickle.get(self.split, key) else { return Ok(None) };
        let place = self.place(key);
        let column = Column::new(self.pickle, id, &place, Some(n_samples))?;
        if column.is_missing() {
            self.log
                .note(format!("{}: None or NaN of every sample, which is not stored", place.path));
            return Ok(None);
        }
        self.log.map(&place, kind_of(self.pickle, id), key);
        Ok(Some((column, place)))
    }

    /// A column of labels as float32, NaN for samples without one, with a note if the source has another
    /// type.
    fn labels(&mut self, key: &str, n_samples: usize) -> Result<Option<Vec<f32>>, IngestError> {
        let Some((column, place)) = self.column(key, n_samples)? else { return Ok(None) };
        let dtype = column.dtype().unwrap_or(SourceDtype::Python);
        self.log.note_type(key, dtype, Dtype::Float32);
        let (wide, n_none) = column.labels(&place)?;
        if n_none > 0 {
            self.log.note(format!(
                "{}: {n_none} samples have None as their label, stored as NaN",
                place.path
            ));
        }
        let narrow: Vec<f32> = wide.iter().map(|wide| *wide as f32).collect();
        let both = wide.iter().zip(&narrow).enumerate();
        self.narrowed.extend(
            both.filter_map(|(row, (wide, narrow))| NarrowedLabel::of(key, row, *wide, *narrow)),
        );
        Ok(Some(narrow))
    }

    /// A column as int32, with a note if the source has another type.
    fn integers(&mut self, key: &str, n_samples: usize) -> Result<Option<Vec<i32>>, IngestError> {
        let Some((column, place)) = self.column(key, n_samples)? else { return Ok(None) };
        // A Python integer has no width that could change.
        if let Some(dtype) = column.dtype() {
            self.log.note_type(key, dtype, Dtype::Int32);
        }
        column.integers(&place).map(Some)
    }

    /// The labels, if they are the sentiment and emotions, as in the CMU SDK.
    fn labels_with_emotions(
        &mut self,
        n_samples: usize,
    ) -> Result<Option<sentiment::Labels>, IngestError> {
        const KEY: &str = "regression_labels";
        let Some(id) = self.pickle.get(self.split, KEY) else { return Ok(None) };
        let place = self.place(KEY);
        let is_wide = |array: ArrayView<'_>| array.row_len() > 1;
        if !self.pickle.array(id).is_some_and(is_wide) {
            return Ok(None);
        }
        self.log.map(&place, kind_of(self.pickle, id), KEY);
        sentiment::column(self.pickle, id, &place, n_samples, self.log).map(Some)
    }

    /// Class labels; -1 for segments without one, such as those without a regression label.
    fn classes(&mut self, n_samples: usize) -> Result<Option<Vec<i32>>, IngestError> {
        let key = "classification_labels";
        let Some((column, place)) = self.column(key, n_samples)? else { return Ok(None) };
        if let Some(dtype) = column.dtype() {
            self.log.note_type(key, dtype, Dtype::Int32);
        }
        let (classes, n_missing) = column.classes(&place)?;
        if n_missing > 0 {
            self.log.note(format!(
                "{}: {n_missing} samples have None or NaN as their class, stored as {NO_CLASS}",
                place.path
            ));
        }
        Ok(Some(classes))
    }

    fn texts(&mut self, key: &str, ids: &[String]) -> Result<Option<Vec<String>>, IngestError> {
        let Some((column, place)) = self.column(key, ids.len())? else { return Ok(None) };
        column.texts_or_none(&place, ids, self.log).map(Some)
    }

    fn text_bert(&mut self, n_samples: usize) -> Result<Option<ndarray::Array3<i32>>, IngestError> {
        let Some(id) = self.pickle.get(self.split, "text_bert") else { return Ok(None) };
        let place = self.place("text_bert");
        self.log.map(&place, kind_of(self.pickle, id), "text_bert");
        let values = tokens::read(self.pickle, id, &place, n_samples, self.log)?;
        self.log.note_type("text_bert", tokens::dtype(self.pickle, id), Dtype::Int32);
        Ok(Some(values))
    }
}
