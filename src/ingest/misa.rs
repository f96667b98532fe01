//! The MISA layout: a list of `((words, visual, acoustic, actual words), label, segment)`, one
//! split per file, as declare-lab/MISA:src/create_dataset.py, BBFN and their descendants cache it;
//! with two lengths more in declare-lab/Multimodal-Infomax:src/create_dataset.py.

use std::collections::BTreeMap;

use crate::corpus::{Corpus, SplitName};
use crate::pickle::Pickle;

use super::error::unexpected;
use super::log::Log;
use super::splits::split_name;
use super::table::kind_of;
use super::tuples::{Item, read_split};
use super::{IngestError, Layout, Options, Place, SourceFile, ids};

/// Reads all files, each of which is a split.
///
/// # Errors
/// As [`super::read`]; also if neither the options nor a file's name say which split it is.
pub(super) fn read<'p>(
    files: &[SourceFile<'p>],
    options: &Options,
    log: &mut Log,
) -> Result<Corpus<'p>, IngestError> {
    let mut splits = BTreeMap::new();
    for file in files {
        // One name cannot be that of several files.
        let told = options.split.filter(|_| files.len() == 1);
        let name = told
            .or_else(|| split_of(&file.stem))
            .ok_or_else(|| IngestError::UnknownSplit { file_stem: file.stem.clone() })?;
        let items = items(file.pickle, name, log)?;
        if splits.insert(name, read_split(file.pickle, name, &items, log)?).is_some() {
            return Err(IngestError::DuplicateSplit { place: Place::new(&*file.stem) });
        }
    }
    let (mut splits, raw_ids): (Vec<_>, Vec<_>) = splits.into_values().unzip();
    for (split, ids) in splits.iter_mut().zip(ids::settle(raw_ids, log)) {
        split.ids = ids;
    }
    Ok(Corpus { layout: Layout::Misa.name(), splits, notes: Vec::new() })
}

/// The split that a file name mentions as a word of its own.
pub(super) fn split_of(file_stem: &str) -> Option<SplitName> {
    let stem = file_stem.to_lowercase();
    let mut names = stem.split(|char: char| !char.is_alphanumeric()).filter_map(split_name);
    let first = names.next()?;
    names.all(|name| name == first).then_some(first)
}

fn items(pickle: &Pickle, name: SplitName, log: &mut Log) -> Result<Vec<Item>, IngestError> {
    let place = Place::new(name.name());
    let expected = "a list of ((words, visual, acoustic, actual words), label, segment)";
    let Some(list) = pickle.items(pickle.root()) else {
        return Err(unexpected(&place, expected, kind_of(pickle, pickle.root())));
    };
    let mut items = Vec::with_capacity(list.len());
    for (row, id) in list.iter().enumerate() {
        let wrong = |id| unexpected(&place.at(row), expected, kind_of(pickle, id));
        let Some([features, label, segment]) = pickle.items(*id) else { return Err(wrong(*id)) };
        let (parts, lengths) = match pickle.items(*features) {
            Some([words, visual, acoustic, actual]) => ([words, visual, acoustic, actual], None),
            Some([words, visual, acoustic, actual, n_visual, n_acoustic]) => {
                ([words, visual, acoustic, actual], Some([*n_visual, *n_acoustic]))
            }
            _ => return Err(wrong(*features)),
        };
        let [indices, vision, audio, words] = parts.map(|part| *part);
        let (label, segment, indices) = (*label, *segment, Some(indices));
        items.push(Item { vision, audio, words, indices, lengths, label, segment });
    }
    match items.iter().any(|item| item.lengths.is_some()) {
        true => log.note(
            "lengths were counted by the loader that wrote the file, from frames whose sum is not \
             zero: it left out as many frames at the front as there were zero ones anywhere",
        ),
        false => log.note(
            "audio and vision were z-normalised per sample by the loader that wrote the file, so \
             that they cannot be compared with raw features",
        ),
    }
    Ok(items)
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
