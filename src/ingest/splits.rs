//! The splits of a source: the entries of one dict, or files of one split each.

use std::collections::BTreeMap;

use crate::corpus::SplitName;
use crate::pickle::{NodeId, Pickle, Value};

use super::error::unexpected;
use super::log::Log;
use super::shown::{found_in, key_text};
use super::table::kind_of;
use super::{IngestError, IngestOptions, Place, SourceFile};

/// One split of a source.
pub(super) struct Split<'p> {
    pub(super) name: SplitName,
    /// Its name in the source: the key of a dict, or that of the split for a file of its own.
    pub(super) key: String,
    pub(super) pickle: &'p Pickle,
    pub(super) value: NodeId,
}

/// How many keys that are not stored are named: far more than any file has, and a list of millions
/// would help nobody.
const MOST_NAMED: usize = 100;

/// The split that a file name mentions as a word of its own, such as `mosi_valid_misa` does.
pub fn split_of(file_stem: &str) -> Option<SplitName> {
    let mut names = file_stem
        .split(|char: char| !char.is_alphanumeric())
        .filter_map(|word| SplitName::from_usual(word).ok());
    let first = names.next()?;
    names.all(|name| name == first).then_some(first)
}

/// The files, each pickle of a file that holds several of them by itself.
///
/// # Errors
/// If such a file does not tell the splits apart by their names.
pub(super) fn parts<'p>(files: &[SourceFile<'p>]) -> Result<Vec<SourceFile<'p>>, IngestError> {
    let mut parts = Vec::with_capacity(files.len());
    for file in files {
        let of_file =
            file.pickle.roots().iter().map(|root| SourceFile { root: *root, ..file.clone() });
        let of_file: Vec<SourceFile<'p>> = of_file.collect();
        if of_file.len() > 1 && !of_file.iter().all(has_splits) {
            let found = of_file.iter().take(MOST_PICKLES_NAMED);
            let found = found.map(|part| found_in(part.pickle, part.root)).collect();
            return Err(IngestError::SeveralPickles { found });
        }
        parts.extend(of_file);
    }
    Ok(parts)
}

/// How many pickles of one file are named.
const MOST_PICKLES_NAMED: usize = 8;

/// Whether a file is a dict that has splits as entries.
pub(super) fn has_splits(file: &SourceFile<'_>) -> bool {
    split_entries(file).next().is_some()
}

/// The entries of a file that are splits: name, key and value.
pub(super) fn split_entries<'p>(
    file: &SourceFile<'p>,
) -> impl Iterator<Item = (SplitName, String, NodeId)> + use<'p> {
    let pickle = file.pickle;
    let entries = pickle.entries(file.root).unwrap_or_default().iter();
    entries.filter_map(move |(key, value)| {
        let key = key_text(pickle, *key);
        Some((SplitName::from_usual(&key).ok()?, key, *value))
    })
}

/// Whether the value of a split has nothing in it, as where a loader found no sample.
pub(super) fn is_nothing(pickle: &Pickle, split: NodeId) -> bool {
    match pickle.value(split) {
        Some(Value::None) => true,
        Some(Value::List(items) | Value::Tuple(items)) => items.is_empty(),
        Some(Value::Dict(entries)) => entries.is_empty(),
        _ => false,
    }
}

/// The splits of a source, in order. One with nothing in it is noted, as if it were absent.
///
/// # Errors
/// If one split is there twice, neither the options nor a file's name say which split it is, or the
/// name says another than the file.
pub(super) fn splits<'p>(
    files: &[SourceFile<'p>],
    options: &IngestOptions,
    log: &mut Log,
) -> Result<Vec<Split<'p>>, IngestError> {
    let mut splits = BTreeMap::new();
    let mut add = |split: Split<'p>, place: &str, log: &mut Log| {
        if is_nothing(split.pickle, split.value) {
            log.note(format!("split `{place}` is empty in the source and is not stored"));
            return Ok(());
        }
        match splits.insert(split.name, split) {
            Some(_) => Err(IngestError::DuplicateSplit { place: Place::new(place) }),
            None => Ok(()),
        }
    };
    for file in files {
        let pickle = file.pickle;
        if has_splits(file) {
            check_names(file, options)?;
            note_others(file, log);
            for (name, key, value) in split_entries(file) {
                if key != name.name() {
                    log.note(format!("split `{key}` is called `{name}`"));
                }
                add(Split { name, key: key.clone(), pickle, value }, &key, log)?;
            }
            continue;
        }
        // One name cannot be that of several files.
        let told = options.split.filter(|_| files.len() == 1);
        let name = told
            .or_else(|| split_of(&file.stem))
            .ok_or_else(|| IngestError::UnknownSplit { file_stem: file.stem.clone() })?;
        let split = Split { name, key: name.name().into(), pickle, value: file.root };
        add(split, &file.stem, log)?;
    }
    Ok(splits.into_values().collect())
}

/// Compares the splits that a file holds with what else says which they are.
fn check_names(file: &SourceFile<'_>, options: &IngestOptions) -> Result<(), IngestError> {
    let held: Vec<(SplitName, String, NodeId)> = split_entries(file).collect();
    if let Some(told) = options.split
        && !matches!(&*held, [(name, ..)] if *name == told)
    {
        let keys: Vec<String> = held.into_iter().map(|(_, key, _)| format!("`{key}`")).collect();
        return Err(IngestError::SplitTold { told, holds: keys.join(", ") });
    }
    // A file of one split that is named after it, and says it once more.
    match (&*held, split_of(&file.stem), file.pickle.roots()) {
        ([(name, key, _)], Some(named), [_]) if named != *name => {
            Err(IngestError::SplitNamed { file_stem: file.stem.clone(), named, key: key.clone() })
        }
        _ => Ok(()),
    }
}

/// Notes the keys beside the splits of a file.
fn note_others(file: &SourceFile<'_>, log: &mut Log) {
    let pickle = file.pickle;
    let mut n_unknown = 0_usize;
    let entries = pickle.entries(file.root).unwrap_or_default();
    if entries.iter().any(|(key, _)| matches!(pickle.value(*key), Some(Value::Bytes(_)))) {
        log.note("keys are bytes in the source and were read as text");
    }
    for (key, value) in entries {
        let key = key_text(pickle, *key);
        if SplitName::from_usual(&key).is_ok() {
            continue;
        }
        n_unknown = n_unknown.saturating_add(1);
        if n_unknown > MOST_NAMED {
            continue;
        }
        let is_split = pickle.get(*value, "id").is_some();
        log.note(match is_split {
            true => {
                format!("split `{key}` is not `train`, `valid` or `test` and is not stored")
            }
            false => format!("key `{key}` is not a split and is not stored"),
        });
    }
    if let Some(n_more @ 1..) = n_unknown.checked_sub(MOST_NAMED) {
        log.note(format!("{n_more} more keys are not splits and are not stored"));
    }
}

/// Notes the keys of a split that become nothing.
///
/// # Errors
/// If the split is no dict.
pub(super) fn note_left_out(
    pickle: &Pickle,
    split: NodeId,
    key: &str,
    is_known: impl Fn(&str) -> bool,
    log: &mut Log,
) -> Result<(), IngestError> {
    let Some(entries) = pickle.entries(split) else {
        return Err(unexpected(&Place::new(key), "a dict", kind_of(pickle, split)));
    };
    let mut n_unknown = 0_usize;
    for (key, _) in entries {
        let key = key_text(pickle, *key);
        if !is_known(&key) {
            n_unknown = n_unknown.saturating_add(1);
            if n_unknown <= MOST_NAMED {
                log.note(format!("key `{key}` of the splits is not stored"));
            }
        }
    }
    if let Some(n_more @ 1..) = n_unknown.checked_sub(MOST_NAMED) {
        log.note(format!("{n_more} more keys of `{key}` are not stored"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_a_word_of_the_file_name() {
        assert_eq!(split_of("train"), Some(SplitName::Train));
        assert_eq!(split_of("mosi_valid_misa"), Some(SplitName::Valid));
        assert_eq!(split_of("MOSI-Dev"), Some(SplitName::Valid));
        assert_eq!(split_of("Validation"), Some(SplitName::Valid));
        assert_eq!(split_of("latest"), None);
        assert_eq!(split_of("train_vs_test"), None);
    }
}
