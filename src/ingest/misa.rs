//! The MISA layout: a list of `((words, visual, acoustic, actual words), label, segment)`, one
//! split per file, as MISA, BBFN and their descendants cache it.

use std::collections::BTreeMap;

use ndarray::Array2;

use crate::corpus::{Corpus, CorpusSplit, Modality, RegressionLabels, SplitName};
use crate::pickle::{NodeId, Pickle};

use super::column::{TextBudget, shown};
use super::features::{described, numeric, padded_len, ragged, unexpected};
use super::{IngestError, Layout, Options, Place, detect};

/// The parts of one sample.
struct Item {
    words: NodeId,
    vision: NodeId,
    audio: NodeId,
    actual_words: NodeId,
    label: NodeId,
    segment: NodeId,
}

/// Reads the split.
///
/// # Errors
/// As [`super::read`]; also if neither the options nor the file's name say which split it is.
pub(super) fn read<'p>(pickle: &'p Pickle, options: &Options) -> Result<Corpus<'p>, IngestError> {
    let name = options
        .split
        .or_else(|| split_of(&options.file_stem))
        .ok_or_else(|| IngestError::UnknownSplit { file_stem: options.file_stem.clone() })?;
    let mut notes = Vec::new();
    let items = items(pickle, name)?;
    let place = |key: &str| Place::new(format!("{name}/{key}"));

    let mut features = BTreeMap::new();
    let mut lengths = BTreeMap::new();
    for (modality, key, part) in [
        (Modality::Audio, "acoustic", (|item: &Item| item.audio) as fn(&Item) -> NodeId),
        (Modality::Vision, "visual", |item| item.vision),
    ] {
        let ids: Vec<NodeId> = items.iter().map(part).collect();
        let (block, frames) = ragged(pickle, &ids, &place(key))?;
        let frames: Option<Vec<i32>> =
            frames.into_iter().map(|length| i32::try_from(length).ok()).collect();
        let frames = frames.ok_or_else(|| {
            unexpected(&place(key), "lengths of 32 bits", format!("{} frames", block.shape[1]))
        })?;
        notes.push(format!(
            "{modality}: samples of {} to {} frames are padded with zeros at the back",
            frames.iter().min().unwrap_or(&0),
            block.shape[1],
        ));
        if block.source_dtype != "float32" {
            notes.push(format!("{modality}: {} -> float32", block.source_dtype));
        }
        features.insert(modality, block);
        lengths.insert(modality, frames);
    }
    notes.push(
        "audio and vision were z-normalised per sample by the loader that wrote the file, so that \
         they cannot be compared with raw features"
            .into(),
    );
    let words = words(pickle, &items, &place("words"))?;
    notes.push("words: indices into a vocabulary that is not in the file".into());

    let rows = || items.iter().enumerate();
    let mut budget = TextBudget::new(pickle);
    let ids = rows()
        .map(|(row, item)| {
            let place = place("segment").at(row);
            let id = text(pickle, item.segment, &place)?;
            budget.take(&id, &place).map(|()| id)
        })
        .collect::<Result<_, _>>()?;
    let mut budget = TextBudget::new(pickle);
    let raw_text = rows()
        .map(|(row, item)| {
            transcript(pickle, item.actual_words, &place("actual_words").at(row), &mut budget)
        })
        .collect::<Result<_, _>>()?;
    let overall = rows()
        .map(|(row, item)| sentiment(pickle, item.label, &place("label").at(row), &mut notes))
        .collect::<Result<_, _>>()?;
    let split = CorpusSplit {
        name,
        ids,
        raw_text: Some(raw_text),
        annotations: None,
        features,
        text_bert: None,
        words: Some(words),
        lengths,
        regression_labels: RegressionLabels { overall, by_modality: BTreeMap::new() },
        classification_labels: None,
    };
    Ok(Corpus { layout: Layout::Misa.name(), splits: vec![split], notes })
}

/// The split that a file name mentions as a word of its own.
fn split_of(file_stem: &str) -> Option<SplitName> {
    let stem = file_stem.to_lowercase();
    let mut names = stem.split(|char: char| !char.is_alphanumeric()).filter_map(detect::split_name);
    let first = names.next()?;
    names.all(|name| name == first).then_some(first)
}

fn items(pickle: &Pickle, name: SplitName) -> Result<Vec<Item>, IngestError> {
    let place = Place::new(name.name());
    let Some(list) = pickle.items(pickle.root()) else {
        let found = pickle.value(pickle.root()).type_name();
        return Err(unexpected(&place, "a list of samples", found));
    };
    let parse = |(row, id): (usize, &NodeId)| {
        let expected = "((words, visual, acoustic, actual words), label, segment)";
        let wrong = || {
            let found = match pickle.items(*id) {
                Some(parts) => format!("{} parts", parts.len()),
                None => pickle.value(*id).type_name().into(),
            };
            unexpected(&place.at(row), expected, found)
        };
        let Some([features, label, segment]) = pickle.items(*id) else { return Err(wrong()) };
        let Some([words, vision, audio, actual_words]) = pickle.items(*features) else {
            return Err(wrong());
        };
        Ok(Item {
            words: *words,
            vision: *vision,
            audio: *audio,
            actual_words: *actual_words,
            label: *label,
            segment: *segment,
        })
    };
    list.iter().enumerate().map(parse).collect()
}

/// Word indices, `[n_samples, seq_len]`, zero-padded at the back.
fn words(pickle: &Pickle, items: &[Item], place: &Place) -> Result<Array2<i32>, IngestError> {
    let expected = "an integer array [seq_len]";
    let mut rows = Vec::with_capacity(items.len());
    for (row, item) in items.iter().enumerate() {
        let place = place.at(row);
        let array = numeric(pickle, item.words, &place, expected)?;
        if array.shape().len() != 1 {
            return Err(unexpected(&place, expected, described(array)));
        }
        let value = |idx| {
            let number = array.number(idx);
            number.and_then(|number| number.to_i32()).ok_or_else(|| {
                unexpected(&place, "a 32-bit integer", number.map_or("nothing".into(), shown))
            })
        };
        rows.push((0..array.len()).map(value).collect::<Result<Vec<i32>, _>>()?);
    }
    let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
    let seq_len = padded_len(&lengths, place)?;
    let mut words = Array2::zeros((rows.len(), seq_len));
    for (mut target, row) in words.outer_iter_mut().zip(rows) {
        target.iter_mut().zip(row).for_each(|(target, word)| *target = word);
    }
    Ok(words)
}

fn text(pickle: &Pickle, id: NodeId, place: &Place) -> Result<String, IngestError> {
    let found = || unexpected(place, "text", pickle.value(id).type_name());
    let only = || pickle.array(id).filter(|array| array.len() == 1).and_then(|array| array.text(0));
    pickle.text(id).or_else(only).ok_or_else(found)
}

/// The words of a sample, joined by spaces.
fn transcript(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    budget: &mut TextBudget,
) -> Result<String, IngestError> {
    let Some(words) = pickle.items(id) else {
        return Err(unexpected(place, "a list of words", pickle.value(id).type_name()));
    };
    let mut transcript = String::new();
    for (idx, id) in words.iter().enumerate() {
        let word = text(pickle, *id, place)?;
        budget.take(&word, place)?;
        if idx > 0 {
            transcript.push(' ');
        }
        transcript += &word;
    }
    Ok(transcript)
}

/// The label of a sample: the first of one or seven numbers.
fn sentiment(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    notes: &mut Vec<String>,
) -> Result<f32, IngestError> {
    const SENTIMENT_AND_EMOTIONS: usize = 7;
    if let Some(number) = pickle.number(id) {
        return Ok(number.to_f32());
    }
    let expected = "a label [1, 1] or [1, 7]";
    let array = numeric(pickle, id, place, expected)?;
    if array.len() == SENTIMENT_AND_EMOTIONS {
        let note = "label: the six emotions beside the sentiment are not stored";
        if !notes.iter().any(|known| known == note) {
            notes.push(note.into());
        }
    } else if array.len() != 1 {
        return Err(unexpected(place, expected, described(array)));
    }
    let number = array.number(0).ok_or_else(|| unexpected(place, expected, described(array)))?;
    Ok(number.to_f32())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_a_word_of_the_file_name() {
        assert_eq!(split_of("train"), Some(SplitName::Train));
        assert_eq!(split_of("mosi_valid_misa"), Some(SplitName::Valid));
        assert_eq!(split_of("MOSI-Dev"), Some(SplitName::Valid));
        assert_eq!(split_of("latest"), None);
        assert_eq!(split_of("train_vs_test"), None);
    }
}
