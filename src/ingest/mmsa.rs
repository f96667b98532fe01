//! The MMSA layout: `{split: {key: array or list}}`.

use std::collections::BTreeMap;

use ndarray::Array3;

use crate::corpus::{Corpus, CorpusSplit, Modality, RegressionLabels, SplitName};
use crate::pickle::{ArrayView, NodeId, Pickle};

use super::column::{Column, shown};
use super::features::{described, numeric, stacked, unexpected};
use super::{IngestError, Layout, Place, detect};

/// Keys that become something in the corpus, besides those of `LABEL_KEYS`.
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

/// Labels of one modality alone, as CH-SIMS has them.
const LABEL_KEYS: [(Modality, &str); 3] = [
    (Modality::Text, "regression_labels_T"),
    (Modality::Audio, "regression_labels_A"),
    (Modality::Vision, "regression_labels_V"),
];

/// Reads all splits.
///
/// # Errors
/// As [`super::read`].
pub(super) fn read(pickle: &Pickle) -> Result<Corpus<'_>, IngestError> {
    let root = pickle.root();
    let Some(entries) = pickle.entries(root) else {
        let found = pickle.value(root).type_name();
        return Err(unexpected(&Place::new(""), "a dict of splits", found));
    };
    let mut splits = BTreeMap::new();
    let mut notes = Vec::new();
    for (key, value) in entries {
        let key = pickle.str(*key).unwrap_or("(not text)".into());
        let Some(name) = detect::split_name(&key) else {
            notes.push(format!("key `{key}` is no split and is not stored"));
            continue;
        };
        if key != name.name() {
            notes.push(format!("split `{key}` is called `{name}`"));
        }
        let mut reader = SplitReader { pickle, split: *value, key: &key, notes: &mut notes };
        if splits.insert(name, reader.read(name)?).is_some() {
            return Err(IngestError::DuplicateSplit { place: Place::new(key) });
        }
    }
    if splits.is_empty() {
        return Err(IngestError::Missing {
            place: Place::new("train"),
            reason: "the file has none of the splits",
        });
    }
    Ok(Corpus { layout: Layout::Mmsa.name(), splits: splits.into_values().collect(), notes })
}

struct SplitReader<'p, 'n> {
    pickle: &'p Pickle,
    split: NodeId,
    /// The split's name in the file.
    key: &'n str,
    notes: &'n mut Vec<String>,
}

impl<'p> SplitReader<'p, '_> {
    fn read(&mut self, name: SplitName) -> Result<CorpusSplit<'p>, IngestError> {
        let Some(entries) = self.pickle.entries(self.split) else {
            let found = self.pickle.value(self.split).type_name();
            return Err(unexpected(&Place::new(self.key), "a dict", found));
        };
        self.note_left_out(entries);
        let ids = {
            let place = self.place("id");
            let id = self.pickle.get(self.split, "id").ok_or_else(|| IngestError::Missing {
                place: place.clone(),
                reason: "every sample needs its id",
            })?;
            Column::new(self.pickle, id, &place, None)?.texts(&place)?
        };
        let n_samples = ids.len();
        let overall =
            self.floats("regression_labels", n_samples)?.ok_or_else(|| IngestError::Missing {
                place: self.place("regression_labels"),
                reason: "training and evaluation need them",
            })?;
        let mut by_modality = BTreeMap::new();
        for (modality, key) in LABEL_KEYS {
            if let Some(labels) = self.floats(key, n_samples)? {
                by_modality.insert(modality, labels);
            }
        }
        let mut features = BTreeMap::new();
        let mut lengths = BTreeMap::new();
        for modality in Modality::ALL {
            if let Some(id) = self.pickle.get(self.split, modality.name()) {
                let block = stacked(self.pickle, id, &self.place(modality.name()), n_samples)?;
                if block.source_dtype != "float32" {
                    self.note_once(format!("{modality}: {} -> float32", block.source_dtype));
                }
                features.insert(modality, block);
            }
            let key = format!("{modality}_lengths");
            if let Some(values) = self.integers(&key, n_samples)? {
                lengths.insert(modality, values);
            }
        }
        Ok(CorpusSplit {
            name,
            raw_text: self.texts("raw_text", n_samples)?,
            annotations: self.texts("annotations", n_samples)?,
            features,
            text_bert: self.text_bert(n_samples)?,
            words: None,
            lengths,
            regression_labels: RegressionLabels { overall, by_modality },
            classification_labels: self.integers("classification_labels", n_samples)?,
            ids,
        })
    }

    fn place(&self, key: &str) -> Place {
        Place::new(format!("{}/{key}", self.key))
    }

    fn column(
        &self,
        key: &str,
        n_samples: usize,
    ) -> Result<Option<(Column<'p>, Place)>, IngestError> {
        let Some(id) = self.pickle.get(self.split, key) else { return Ok(None) };
        let place = self.place(key);
        Ok(Some((Column::new(self.pickle, id, &place, Some(n_samples))?, place)))
    }

    /// A column as float32, with a note where that is not the source's type.
    fn floats(&mut self, key: &str, n_samples: usize) -> Result<Option<Vec<f32>>, IngestError> {
        let Some((column, place)) = self.column(key, n_samples)? else { return Ok(None) };
        let dtype = column.dtype().unwrap_or("Python numbers".into());
        if dtype != "float32" {
            self.note_once(format!("{key}: {dtype} -> float32"));
        }
        column.floats(&place).map(Some)
    }

    /// A column as int32, with a note where that is not the source's type.
    fn integers(&mut self, key: &str, n_samples: usize) -> Result<Option<Vec<i32>>, IngestError> {
        let Some((column, place)) = self.column(key, n_samples)? else { return Ok(None) };
        // A Python integer has no width that could change.
        if let Some(dtype) = column.dtype().filter(|dtype| dtype != "int32") {
            self.note_once(format!("{key}: {dtype} -> int32"));
        }
        column.integers(&place).map(Some)
    }

    fn texts(&self, key: &str, n_samples: usize) -> Result<Option<Vec<String>>, IngestError> {
        self.column(key, n_samples)?.map(|(column, place)| column.texts(&place)).transpose()
    }

    /// Token ids, mask and segment ids as `[n_samples, 3, seq_len]`, from an array of that shape
    /// or of `[n_samples, seq_len, 3]`.
    fn text_bert(&mut self, n_samples: usize) -> Result<Option<Array3<i32>>, IngestError> {
        let Some(id) = self.pickle.get(self.split, "text_bert") else { return Ok(None) };
        let place = self.place("text_bert");
        let expected = format!("a numeric array [{n_samples}, 3, seq_len]");
        let array = numeric(self.pickle, id, &place, &expected)?;
        let (seq_len, is_last) = match *array.shape() {
            [found, 3, seq_len] if found == n_samples => (seq_len, false),
            [found, seq_len, 3] if found == n_samples => (seq_len, true),
            _ => return Err(unexpected(&place, expected, described(array))),
        };
        if is_last {
            self.note_once("text_bert: [n_samples, seq_len, 3] -> [n_samples, 3, seq_len]".into());
        }
        if array.dtype().to_string() != "int32" {
            self.note_once(format!("text_bert: {} -> int32", array.dtype()));
        }
        let mut values = Array3::zeros((n_samples, 3, seq_len));
        for ((row, part, step), value) in values.indexed_iter_mut() {
            let idx = match is_last {
                true => (row * seq_len + step) * 3 + part,
                false => (row * 3 + part) * seq_len + step,
            };
            *value = exact_i32(array, idx, &place.at(row))?;
        }
        Ok(Some(values))
    }

    fn note_left_out(&mut self, entries: &[(NodeId, NodeId)]) {
        for (key, _) in entries {
            let key = self.pickle.str(*key).unwrap_or("(not text)".into());
            let is_known =
                KNOWN_KEYS.contains(&&*key) || LABEL_KEYS.iter().any(|(_, known)| *known == key);
            if !is_known {
                self.note_once(format!("key `{key}` of the splits is not stored"));
            }
        }
    }

    /// Adds a note that concerns all splits alike.
    fn note_once(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// One element as an integer.
///
/// # Errors
/// If it is not exactly a 32-bit integer.
fn exact_i32(array: ArrayView<'_>, idx: usize, place: &Place) -> Result<i32, IngestError> {
    let number = array.number(idx);
    number.and_then(|number| number.to_i32()).ok_or_else(|| {
        unexpected(place, "a 32-bit integer", number.map_or("nothing".into(), shown))
    })
}
