//! A source's splits: the entries of one dict, or files of one split each.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Its name in the source: a dict key, or the split's name for a separate file.
    pub(super) key: String,
    pub(super) pickle: &'p Pickle,
    pub(super) value: NodeId,
}

/// Maximum number of unused keys to list: far more than any real file has, while a list of millions
/// would help nobody.
const MOST_NAMED: usize = 100;

/// The split that a file name contains as a separate word, such as `mosi_valid_misa`.
pub fn split_of(file_stem: &str) -> Option<SplitName> {
    let mut names = file_stem
        .split(|char: char| !char.is_alphanumeric())
        .filter_map(|word| SplitName::from_usual(word).ok());
    let first = names.next()?;
    names.all(|name| name == first).then_some(first)
}

/// The files, with each pickle of a multi-pickle file separately.
///
/// # Errors
/// If split names do not distinguish the pickles of such a file: some have none, or two the same.
pub(super) fn parts<'p>(files: &[SourceFile<'p>]) -> Result<Vec<SourceFile<'p>>, IngestError> {
    let mut parts = Vec::with_capacity(files.len());
    for file in files {
        let of_file =
            file.pickle.roots().iter().map(|root| SourceFile { root: *root, ..file.clone() });
        let of_file: Vec<SourceFile<'p>> = of_file.collect();
        if of_file.len() > 1 && (!of_file.iter().all(has_splits) || have_one_twice(&of_file)) {
            let found = of_file.iter().take(MOST_PICKLES_NAMED);
            let found = found.map(|part| found_in(part.pickle, part.root)).collect();
            return Err(IngestError::SeveralPickles { found });
        }
        parts.extend(of_file);
    }
    Ok(parts)
}

/// Whether two pickles of a file have the same split.
fn have_one_twice(parts: &[SourceFile<'_>]) -> bool {
    let mut seen = BTreeSet::new();
    let of_each = parts.iter().map(|part| -> BTreeSet<SplitName> {
        split_entries(part)
            .filter(|(_, _, value)| !is_nothing(part.pickle, *value))
            .map(|(name, ..)| name)
            .collect()
    });
    of_each.flatten().any(|name| !seen.insert(name))
}

/// Maximum number of pickles to list.
const MOST_PICKLES_NAMED: usize = 8;

/// Whether a file is a dict with splits as entries.
pub(super) fn has_splits(file: &SourceFile<'_>) -> bool {
    split_entries(file).next().is_some()
}

/// The split entries of a file: name, key and value.
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

/// Whether a split's value is empty, as when a loader found no samples.
pub(super) fn is_nothing(pickle: &Pickle, split: NodeId) -> bool {
    match pickle.value(split) {
        Some(Value::None) => true,
        Some(Value::List(items) | Value::Tuple(items)) => items.is_empty(),
        Some(Value::Dict(entries)) => entries.is_empty(),
        _ => false,
    }
}

/// The source's splits, in order. Empty splits are noted and treated as absent.
///
/// # Errors
/// If a split occurs twice, neither the options nor a file's name identify the split, or the name
/// contradicts the file.
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
            check_keys(file)?;
            for (name, key, value) in split_entries(file) {
                if key != name.name() {
                    log.note(format!("split `{key}` is called `{name}`"));
                }
                add(Split { name, key: key.clone(), pickle, value }, &key, log)?;
            }
            continue;
        }
        // One option cannot name the splits of several files.
        let told = options.split.filter(|_| files.len() == 1);
        let name = told
            .or_else(|| split_of(&file.stem))
            .ok_or_else(|| IngestError::UnknownSplit { file_stem: file.stem.clone() })?;
        let split = Split { name, key: name.name().into(), pickle, value: file.root };
        add(split, &file.stem, log)?;
    }
    Ok(splits.into_values().collect())
}

/// Checks that no two keys of a file name the same split, unless one of the values is empty.
fn check_keys(file: &SourceFile<'_>) -> Result<(), IngestError> {
    let mut keys: BTreeMap<SplitName, String> = BTreeMap::new();
    let entries = split_entries(file).filter(|(_, _, value)| !is_nothing(file.pickle, *value));
    for (split, second, _) in entries {
        if let Some(first) = keys.insert(split, second.clone()) {
            let keys = Box::new([first, second]);
            return Err(IngestError::DuplicateKey { split, keys });
        }
    }
    Ok(())
}

/// Checks a file's splits against the options and the file name.
fn check_names(file: &SourceFile<'_>, options: &IngestOptions) -> Result<(), IngestError> {
    let held: Vec<(SplitName, String, NodeId)> = split_entries(file).collect();
    if let Some(told) = options.split
        && !matches!(&*held, [(name, ..)] if *name == told)
    {
        let keys: Vec<String> = held.into_iter().map(|(_, key, _)| format!("`{key}`")).collect();
        return Err(IngestError::SplitTold { told, holds: keys.join(", ") });
    }
    // A file of one split that is named after it and also has its key.
    match (&*held, split_of(&file.stem), file.pickle.roots()) {
        ([(name, key, _)], Some(named), [_]) if named != *name => {
            Err(IngestError::SplitNamed { file_stem: file.stem.clone(), named, key: key.clone() })
        }
        _ => Ok(()),
    }
}

/// Notes a file's keys that are not splits.
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

/// Notes a split's unused keys.
///
/// # Errors
/// If the split is not a dict.
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
    use crate::pickle::Limits;

    #[test]
    fn two_keys_of_one_split_are_named() {
        let split = b"}X\x02\0\0\0idX\x01\0\0\0as";
        let names = |dev: &[u8], valid: &[u8]| {
            let keys = [&b"X\x03\0\0\0dev"[..], dev, b"X\x05\0\0\0valid", valid].concat();
            let bytes = [&b"\x80\x02}("[..], &keys, b"u."].concat();
            let pickle = Pickle::from_bytes(bytes, &Limits::default()).unwrap();
            let files = [SourceFile::new(&pickle, "mosi")];
            let found = splits(&files, &IngestOptions::default(), &mut Log::default());
            found.map(|splits| splits.into_iter().map(|split| split.key).collect::<Vec<_>>())
        };
        let error = names(split, split).unwrap_err();
        assert_eq!(error.to_string(), "the keys `dev` and `valid` are both the split `valid`");
        assert!(matches!(error, IngestError::DuplicateKey { .. }));
        assert_eq!(names(split, b"}").unwrap(), ["dev"]);
        assert_eq!(names(b"N", split).unwrap(), ["valid"]);
    }

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
