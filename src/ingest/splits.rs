//! The splits of a source: the entries of one dict, or files of one split each.

use std::collections::BTreeMap;

use crate::corpus::SplitName;
use crate::pickle::{NodeId, Pickle, Value};

use super::error::unexpected;
use super::log::Log;
use super::table::kind_of;
use super::{IngestError, Options, Place, SourceFile};

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

/// Whether a file is a dict that has splits as entries.
pub(super) fn has_splits(pickle: &Pickle) -> bool {
    let entries = pickle.entries(pickle.root()).unwrap_or_default();
    entries.iter().any(|(key, _)| SplitName::from_usual(&key_text(pickle, *key)).is_ok())
}

/// The splits of a source, in order.
///
/// # Errors
/// If one split is there twice, or neither the options nor a file's name say which split it is.
pub(super) fn splits<'p>(
    files: &[SourceFile<'p>],
    options: &Options,
    log: &mut Log,
) -> Result<Vec<Split<'p>>, IngestError> {
    match files {
        [file] if has_splits(file.pickle) => of_dict(file.pickle, log),
        files => of_files(files, options),
    }
}

/// The splits of files that hold one each.
fn of_files<'p>(
    files: &[SourceFile<'p>],
    options: &Options,
) -> Result<Vec<Split<'p>>, IngestError> {
    let mut splits = BTreeMap::new();
    for file in files {
        // One name cannot be that of several files.
        let told = options.split.filter(|_| files.len() == 1);
        let name = told
            .or_else(|| split_of(&file.stem))
            .ok_or_else(|| IngestError::UnknownSplit { file_stem: file.stem.clone() })?;
        let pickle = file.pickle;
        let split = Split { name, key: name.name().into(), pickle, value: pickle.root() };
        if splits.insert(name, split).is_some() {
            return Err(IngestError::DuplicateSplit { place: Place::new(&*file.stem) });
        }
    }
    Ok(splits.into_values().collect())
}

/// The splits at the top of a file; other keys are noted.
fn of_dict<'p>(pickle: &'p Pickle, log: &mut Log) -> Result<Vec<Split<'p>>, IngestError> {
    let mut splits = BTreeMap::new();
    let mut n_unknown = 0_usize;
    let entries = pickle.entries(pickle.root()).unwrap_or_default();
    if entries.iter().any(|(key, _)| matches!(pickle.value(*key), Some(Value::Bytes(_)))) {
        log.note("keys are bytes in the source and were read as text");
    }
    for (key, value) in entries {
        let key = key_text(pickle, *key);
        let Ok(name) = SplitName::from_usual(&key) else {
            n_unknown = n_unknown.saturating_add(1);
            if n_unknown > MOST_NAMED {
                continue;
            }
            let is_split = pickle.get(*value, "id").is_some();
            log.note(match is_split {
                true => format!(
                    "split `{key}` is none of `train`, `valid` and `test` and is not stored"
                ),
                false => format!("key `{key}` is no split and is not stored"),
            });
            continue;
        };
        if key != name.name() {
            log.note(format!("split `{key}` is called `{name}`"));
        }
        let split = Split { name, key: key.clone(), pickle, value: *value };
        if splits.insert(name, split).is_some() {
            return Err(IngestError::DuplicateSplit { place: Place::new(key) });
        }
    }
    if let Some(n_more @ 1..) = n_unknown.checked_sub(MOST_NAMED) {
        log.note(format!("{n_more} more keys are no splits and are not stored"));
    }
    Ok(splits.into_values().collect())
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

/// A key as a note or a message shows it: short, and never what is not text.
pub(super) fn key_text(pickle: &Pickle, key: NodeId) -> String {
    const MOST_CHARS: usize = 60;
    match pickle.raw_text(key).map(|text| text.shown()) {
        None => "(not text)".into(),
        Some(text) if text.chars().nth(MOST_CHARS).is_none() => text,
        Some(text) => text.chars().take(MOST_CHARS).chain(['…']).collect(),
    }
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
