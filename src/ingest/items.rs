//! Splits that are lists of `(features, label, segment)`, with features in one of two forms:
//!
//! - `(words, visual, acoustic)` with words as text, as in MAG-BERT
//!   (WasifurRahman/BERT_multimodal_transformer:multimodal_driver.py),
//! - `(word indices, visual, acoustic, actual words)`, as cached by
//!   declare-lab/MISA:src/create_dataset.py and BBFN, and with two lengths more by
//!   declare-lab/Multimodal-Infomax:src/create_dataset.py.
//!
//! Derivatives of both append parts of their own, such as Say2L/CENet; these are noted and not stored.

use std::collections::BTreeMap;

use crate::corpus::{Corpus, Layout};
use crate::pickle::{NodeId, Pickle};

use super::error::unexpected;
use super::log::Log;
use super::splits::{Split, splits};
use super::table::{is_texts, kind_of, numeric_array, per_sample};
use super::tuples::{Item, read_split};
use super::{IngestError, IngestOptions, Place, SourceFile, ids};

/// Features of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SampleForm {
    /// `(words, visual, acoustic)`.
    MagBert,
    /// `(word indices, visual, acoustic, actual words)`.
    Misa,
}

impl SampleForm {
    pub(super) fn in_words(self) -> &'static str {
        match self {
            SampleForm::MagBert => "(words, visual, acoustic)",
            SampleForm::Misa => "(word indices, visual, acoustic, actual words)",
        }
    }

    /// The form of a list of samples, detected from the first one that has words; `None` for anything
    /// else.
    pub(super) fn of(pickle: &Pickle, samples: &[NodeId]) -> Option<SampleForm> {
        let mut n_parts = 0;
        for sample in samples {
            let [features, _, _, ..] = pickle.items(*sample)? else { return None };
            let parts = pickle.items(*features)?;
            let [words, visual, acoustic, rest @ ..] = parts else { return None };
            if !is_frames(pickle, *visual) || !is_frames(pickle, *acoustic) {
                return None;
            }
            n_parts = parts.len();
            match (is_texts(pickle, *words), rest.first().map(|actual| is_texts(pickle, *actual))) {
                (Some(true), _) => return Some(SampleForm::MagBert),
                (_, Some(Some(true))) => return Some(SampleForm::Misa),
                (Some(false), None | Some(Some(false))) => return None,
                // MMIM has no indices, and a segment may have no words: the next sample decides.
                _ => {}
            }
        }
        match n_parts {
            0 => None,
            3 => Some(SampleForm::MagBert),
            _ => Some(SampleForm::Misa),
        }
    }
}

/// Whether a value can be one sample's frames.
fn is_frames(pickle: &Pickle, id: NodeId) -> bool {
    numeric_array(pickle, id).is_some() || pickle.items(id).is_some()
}

/// Reads all splits, whose samples have the features of `form`.
///
/// # Errors
/// Same as [`super::read`].
pub(super) fn read(
    files: &[SourceFile<'_>],
    form: SampleForm,
    options: &IngestOptions,
    log: &mut Log,
) -> Result<Corpus, IngestError> {
    let layout = match form {
        SampleForm::MagBert => Layout::MagBert,
        SampleForm::Misa => Layout::Misa,
    };
    let mut read = Vec::new();
    let mut raw_ids = Vec::new();
    for split in splits(files, options, log)? {
        let items = items(&split, form, log)?;
        let (columns, ids) = read_split(split.pickle, split.name, &items, log)?;
        read.push(columns);
        raw_ids.push(ids);
    }
    for (split, ids) in read.iter_mut().zip(ids::settle(raw_ids, log)) {
        split.ids = ids;
    }
    Ok(Corpus {
        layout: layout.name(),
        splits: read,
        notes: Vec::new(),
        feature_names: BTreeMap::new(),
        build: None,
    })
}

fn items(split: &Split<'_>, form: SampleForm, log: &mut Log) -> Result<Vec<Item>, IngestError> {
    let Split { pickle, key, value, .. } = split;
    let place = Place::new(&**key);
    let expected = format!("a list of ({}, label, segment)", form.in_words());
    let Some(list) = per_sample(pickle, *value) else {
        return Err(unexpected(&place, expected, kind_of(pickle, *value)));
    };
    let mut items = Vec::with_capacity(list.len());
    let mut n_further = 0;
    let mut n_outer = 0;
    for (row, id) in list.iter().enumerate() {
        let wrong = |id| unexpected(&place.at(row), &*expected, kind_of(pickle, id));
        let Some([features, label, segment, outer @ ..]) = pickle.items(*id) else {
            return Err(wrong(*id));
        };
        n_outer = n_outer.max(outer.len());
        let (label, segment) = (*label, *segment);
        let item = match (form, pickle.items(*features)) {
            (SampleForm::MagBert, Some([words, vision, audio, rest @ ..])) => {
                n_further = n_further.max(rest.len());
                let (words, vision, audio) = (*words, *vision, *audio);
                Item { vision, audio, words, indices: None, lengths: None, label, segment }
            }
            (SampleForm::Misa, Some([indices, vision, audio, words, rest @ ..])) => {
                // Numbers of vision and audio frames, in files written by MMIM's loader.
                let (lengths, rest) = match rest {
                    [n_visual, n_acoustic, rest @ ..]
                        if [n_visual, n_acoustic]
                            .into_iter()
                            .all(|n| pickle.number(*n).is_some()) =>
                    {
                        (Some([*n_visual, *n_acoustic]), rest)
                    }
                    rest => (None, rest),
                };
                n_further = n_further.max(rest.len());
                let (indices, vision, audio, words) = (Some(*indices), *vision, *audio, *words);
                Item { vision, audio, words, indices, lengths, label, segment }
            }
            _ => return Err(wrong(*features)),
        };
        items.push(item);
    }
    if n_further > 0 {
        let parts = if n_further == 1 {
            "the last part".into()
        } else {
            format!("the last {n_further} parts")
        };
        log.note(format!("{key}: {parts} of each sample's features are not stored"));
    }
    if n_outer > 0 {
        let parts = match n_outer {
            1 => "the last part of each sample, behind its segment, is".into(),
            n => format!("the last {n} parts of each sample, behind its segment, are"),
        };
        log.note(format!("{key}: {parts} not stored"));
    }
    if form == SampleForm::Misa {
        match items.iter().any(|item| item.lengths.is_some()) {
            true => log.note(
                "lengths were counted by the loader that wrote the file, from frames whose sum is \
                 not zero: it left out as many frames at the front as there were zero ones anywhere",
            ),
            false => log.note(
                "audio and vision were z-normalised per sample by the loader that wrote the file, \
                 so they are not comparable with raw features",
            ),
        }
    }
    Ok(items)
}
