//! The CMU SDK's "processed" layout, `{split: {vision, audio, text, labels, id}}`: `mosi_data.pkl`,
//! `mosei_senti_data.pkl` and their `_noalign` variants
//! (yaohungt/Multimodal-Transformer:src/dataset.py), and the files of
//! pliang279/MultiBench:datasets/affect/get_data.py.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::column::Dtype;
use crate::corpus::{Corpus, CorpusSplit, Layout, Modality, RegressionLabels};
use crate::pickle::NodeId;

use super::ids::{self, RawId};
use super::log::Log;
use super::splits::{Split, note_left_out, splits};
use super::table::kind_of;
use super::{IngestError, IngestOptions, Place, SourceFile, features, padding, sentiment};

const KNOWN_KEYS: [&str; 5] = ["vision", "audio", "text", "labels", "id"];

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
    let mut raw_ids = Vec::new();
    for split in splits(files, options, log)? {
        let (columns, ids) = read_split(&split, &mut ragged, log)?;
        read.push(columns);
        raw_ids.push(ids);
    }
    for (split, ids) in read.iter_mut().zip(ids::settle(raw_ids, log)) {
        split.ids = ids;
    }
    padding::settle(&mut read, &ragged, log)?;
    Ok(Corpus {
        layout: Layout::Sdk.name(),
        splits: read,
        notes: Vec::new(),
        feature_names: BTreeMap::new(),
        build: None,
    })
}

/// Reads one split. Its ids are spelled once all splits are known.
fn read_split(
    split: &Split<'_>,
    ragged: &mut BTreeSet<Modality>,
    log: &mut Log,
) -> Result<(CorpusSplit, Vec<RawId>), IngestError> {
    let Split { name, pickle, .. } = *split;
    note_left_out(pickle, split.value, &split.key, |key| KNOWN_KEYS.contains(&key), log)?;
    let (id, place) = needed(split, "id", "every sample needs its id")?;
    log.map(&place, kind_of(pickle, id), "id");
    let ids = ids::column(pickle, id, &place, &mut log.texts)?;
    let n_samples = ids.len();
    let (id, place) = needed(split, "labels", "training and evaluation need them")?;
    log.map(&place, kind_of(pickle, id), "regression_labels");
    let labels = sentiment::column(pickle, id, &place, n_samples, log)?;
    let mut blocks = BTreeMap::new();
    let mut lengths = BTreeMap::new();
    for modality in Modality::ALL {
        let Some(id) = pickle.get(split.value, modality.name()) else { continue };
        let place = Place::new(format!("{}/{modality}", split.key));
        log.map(&place, kind_of(pickle, id), modality.name());
        let found = features::read(pickle, id, &place, n_samples)?;
        log.note_types(modality.name(), &found.dtypes, Dtype::Float32);
        if let Some(own) = found.lengths {
            ragged.insert(modality);
            lengths.insert(modality, own);
            log.note(format!(
                "{modality}: samples of different lengths were padded with zeros at the back"
            ));
        }
        blocks.insert(modality, found.block);
    }
    let columns = CorpusSplit {
        name,
        ids: vec![String::new(); n_samples],
        raw_text: None,
        annotations: None,
        features: blocks,
        text_bert: None,
        words: None,
        lengths,
        regression_labels: RegressionLabels {
            overall: labels.sentiment,
            by_modality: BTreeMap::new(),
        },
        classification_labels: None,
        emotion_labels: labels.emotions,
        intervals: None,
        narrowed_labels: labels.narrowed,
    };
    Ok((columns, ids))
}

fn needed(
    split: &Split<'_>,
    key: &str,
    reason: &'static str,
) -> Result<(NodeId, Place), IngestError> {
    let place = Place::new(format!("{}/{key}", split.key));
    match split.pickle.get(split.value, key) {
        Some(id) => Ok((id, place)),
        None => Err(IngestError::Missing { place, reason }),
    }
}
