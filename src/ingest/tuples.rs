//! Splits that are lists of samples, each a tuple of features, label and segment.

use std::collections::BTreeMap;

use ndarray::Array2;

use crate::corpus::column::Dtype;
use crate::corpus::{CorpusSplit, Modality, RegressionLabels, SplitName};
use crate::pickle::{NodeId, Pickle};

use super::column::{TextBudget, text_of};
use super::dtype::in_words;
use super::error::unexpected;
use super::features::{padded_len, ragged};
use super::ids::{self, RawId};
use super::log::Log;
use super::table::{exact_i32, kind_of, numeric};
use super::texts::{TextPlace, Texts};
use super::{IngestError, Place, sentiment};

/// The parts of one sample.
pub(super) struct Item {
    pub(super) vision: NodeId,
    pub(super) audio: NodeId,
    /// Words as text.
    pub(super) words: NodeId,
    /// Words as indices, if the layout has them.
    pub(super) indices: Option<NodeId>,
    /// Recorded numbers of frames (vision, audio), if the layout has them.
    pub(super) lengths: Option<[NodeId; 2]>,
    pub(super) label: NodeId,
    pub(super) segment: NodeId,
}

/// Reads the split `name`, whose samples are listed at `place`; its ids are spelled once all splits are
/// known.
///
/// # Errors
/// If a sample does not match its layout.
pub(super) fn read_split(
    pickle: &Pickle,
    name: SplitName,
    items: &[Item],
    log: &mut Log,
) -> Result<(CorpusSplit, Vec<RawId>), IngestError> {
    let place = |key: &str| Place::new(format!("{name}/{key}"));
    let mut features = BTreeMap::new();
    let mut lengths = BTreeMap::new();
    for (modality, key, part) in [
        (Modality::Audio, "acoustic", (|item: &Item| item.audio) as fn(&Item) -> NodeId),
        (Modality::Vision, "visual", |item| item.vision),
    ] {
        let ids: Vec<NodeId> = items.iter().map(part).collect();
        let found = ragged(pickle, &ids, &place(key))?;
        let [n_samples, seq_len, feat_dim] = found.block.shape;
        let dtypes = in_words(&found.dtypes);
        let kind = format!("{n_samples} of {dtypes} [up to {seq_len}, {feat_dim}]");
        log.map(&place(key), kind, modality.name());
        let frames = found.lengths.unwrap_or_default();
        log.note(format!(
            "{name}/{modality}: samples of {} to {seq_len} frames are padded with zeros at the \
             back",
            frames.iter().min().unwrap_or(&0),
        ));
        log.note_types(modality.name(), &found.dtypes, Dtype::Float32);
        features.insert(modality, found.block);
        lengths.insert(modality, recorded(pickle, items, modality, frames, log, name)?);
    }
    let words = words(pickle, items, &place("words"))?;
    if words.is_some() {
        log.map(&place("words"), format!("{} lists of indices", items.len()), "words");
        log.note("words: indices into a vocabulary that is not in the file");
    }
    let rows = || items.iter().enumerate();
    let mut budget = TextBudget::new(pickle);
    let ids = raw_ids(pickle, name, items, log)?;
    let raw_text = rows()
        .map(|(row, item)| {
            let place = place("words").at(row);
            let at = TextPlace { place: &place, id: ids.get(row).map(RawId::name) };
            transcript(pickle, item.words, &at, &mut budget, &mut log.texts)
        })
        .collect::<Result<_, _>>()?;
    log.map(&place("words as text"), format!("{} lists of str", items.len()), "raw_text");
    let labels = rows()
        .map(|(row, item)| sentiment::one(pickle, item.label, &place("label").at(row), log))
        .collect::<Result<Vec<_>, _>>()?;
    let labels = sentiment::settle(labels, &place("label"), log)?;
    log.map(&place("label"), format!("{} labels", items.len()), "regression_labels");
    log.map(&place("segment"), format!("{} ids", items.len()), "id");
    let split = CorpusSplit {
        name,
        ids: vec![String::new(); items.len()],
        raw_text: Some(raw_text),
        annotations: None,
        features,
        text_bert: None,
        words,
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
    Ok((split, ids))
}

/// The recorded lengths, which are never recomputed, or else the numbers of frames.
fn recorded(
    pickle: &Pickle,
    items: &[Item],
    modality: Modality,
    frames: Vec<i32>,
    log: &mut Log,
    name: SplitName,
) -> Result<Vec<i32>, IngestError> {
    let mut lengths = Vec::with_capacity(frames.len());
    let mut n_unlike = 0_usize;
    for (row, (item, n_frames)) in items.iter().zip(frames).enumerate() {
        let length = match item.lengths {
            None => n_frames,
            Some([vision, audio]) => {
                let id = if modality == Modality::Audio { audio } else { vision };
                let place = Place::new(format!("{name}/{modality} length")).at(row);
                exact_i32(pickle.number(id), &place)?
            }
        };
        n_unlike = n_unlike.saturating_add(usize::from(length != n_frames));
        lengths.push(length);
    }
    if n_unlike > 0 {
        log.note(format!(
            "{name}/{modality}_lengths: {n_unlike} recorded lengths, which were kept, differ from \
             the numbers of frames"
        ));
    }
    Ok(lengths)
}

/// The samples' ids. A sample without one is called `SPLIT#ROW`, which is noted.
fn raw_ids(
    pickle: &Pickle,
    name: SplitName,
    items: &[Item],
    log: &mut Log,
) -> Result<Vec<RawId>, IngestError> {
    let mut budget = TextBudget::new(pickle);
    let mut n_made = 0_usize;
    let mut raw_ids = Vec::with_capacity(items.len());
    for (row, item) in items.iter().enumerate() {
        let place = Place::new(format!("{name}/segment")).at(row);
        let id = ids::one(pickle, item.segment, &place, &mut log.texts).unwrap_or_else(|| {
            n_made = n_made.saturating_add(1);
            RawId::new(format!("{name}#{row}"))
        });
        id.take_from(&mut budget, &place)?;
        raw_ids.push(id);
    }
    if n_made > 0 {
        log.note(format!(
            "{name}/id: {n_made} segments that have no name in the source are called `{name}#ROW`"
        ));
    }
    Ok(raw_ids)
}

/// Word indices, `[n_samples, seq_len]`, zero-padded at the back; `None` if no sample has any.
///
/// # Errors
/// If a sample's indices are neither an integer array nor an empty list.
fn words(
    pickle: &Pickle,
    items: &[Item],
    place: &Place,
) -> Result<Option<Array2<i32>>, IngestError> {
    let expected = "an integer array [seq_len]";
    let mut rows = Vec::with_capacity(items.len());
    for (row, item) in items.iter().enumerate() {
        let place = place.at(row);
        // MMIM leaves an empty list in place of MISA's indices.
        let id = item.indices.filter(|id| pickle.items(*id) != Some(&[]));
        let Some(id) = id else {
            rows.push(None);
            continue;
        };
        let array = numeric(pickle, id, &place, expected)?;
        if array.shape().len() != 1 {
            return Err(unexpected(&place, expected, kind_of(pickle, id)));
        }
        rows.push(Some((array, place)));
    }
    if rows.iter().all(Option::is_none) {
        return Ok(None);
    }
    let lengths: Vec<usize> =
        rows.iter().map(|row| row.as_ref().map_or(0, |(array, _)| array.len())).collect();
    let seq_len = padded_len(&lengths, 1, place)?;
    let mut words = Array2::zeros((rows.len(), seq_len));
    for (mut target, row) in words.outer_iter_mut().zip(rows) {
        let Some((array, place)) = row else { continue };
        for (idx, target) in target.iter_mut().take(array.len()).enumerate() {
            *target = exact_i32(array.number(idx), &place)?;
        }
    }
    Ok(Some(words))
}

/// The words of a sample, joined by spaces, from a list or an array of words, or the text itself.
fn transcript(
    pickle: &Pickle,
    id: NodeId,
    at: &TextPlace<'_>,
    budget: &mut TextBudget,
    log: &mut Texts,
) -> Result<String, IngestError> {
    let place = at.place;
    let words = match (pickle.raw_text(id), pickle.array(id), pickle.items(id)) {
        (Some(text), ..) => vec![Some(text)],
        (None, Some(array), _) if array.shape().len() <= 1 => (0..array.len())
            .map(|idx| array.raw_text(idx).or_else(|| text_of(pickle, array.object(idx)?)))
            .collect(),
        (None, None, Some(words)) => words.iter().map(|id| text_of(pickle, *id)).collect(),
        _ => return Err(unexpected(place, "a list of words", kind_of(pickle, id))),
    };
    let mut transcript = String::new();
    for (idx, word) in words.into_iter().enumerate() {
        let no_text = || unexpected(place, "words that are text", kind_of(pickle, id));
        let word = log.take(word.ok_or_else(no_text)?, at);
        budget.take(&word, place)?;
        if idx > 0 {
            transcript.push(' ');
        }
        transcript += &word;
    }
    Ok(transcript)
}
