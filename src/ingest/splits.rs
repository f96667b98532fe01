//! The splits of a file that is one dict of them.

use std::collections::BTreeMap;

use crate::corpus::SplitName;
use crate::pickle::{NodeId, Pickle, Value};

use super::error::unexpected;
use super::log::Log;
use super::table::kind_of;
use super::{IngestError, Place};

/// One split of a dict.
pub(super) struct Split {
    pub(super) name: SplitName,
    /// Its name in the file.
    pub(super) key: String,
    pub(super) value: NodeId,
}

/// How many keys that are not stored are named: far more than any file has, and a list of millions
/// would help nobody.
const MOST_NAMED: usize = 100;

/// The split that a key or a word of a file name stands for.
pub(super) fn split_name(word: &str) -> Option<SplitName> {
    match word {
        "train" => Some(SplitName::Train),
        "valid" | "dev" | "val" => Some(SplitName::Valid),
        "test" => Some(SplitName::Test),
        _ => None,
    }
}

/// The splits at the top of a file, in order; other keys are noted.
///
/// # Errors
/// If the file is no dict, has none of the splits, or one under two names.
pub(super) fn splits(pickle: &Pickle, log: &mut Log) -> Result<Vec<Split>, IngestError> {
    let root = pickle.root();
    let Some(entries) = pickle.entries(root) else {
        return Err(unexpected(&Place::new(""), "a dict of splits", kind_of(pickle, root)));
    };
    let mut splits = BTreeMap::new();
    let mut n_unknown = 0_usize;
    if entries.iter().any(|(key, _)| matches!(pickle.value(*key), Value::Bytes(_))) {
        log.note("keys are bytes in the source and were read as text");
    }
    for (key, value) in entries {
        let key = key_text(pickle, *key);
        let Some(name) = split_name(&key) else {
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
        let split = Split { name, key: key.clone(), value: *value };
        if splits.insert(name, split).is_some() {
            return Err(IngestError::DuplicateSplit { place: Place::new(key) });
        }
    }
    if let Some(n_more @ 1..) = n_unknown.checked_sub(MOST_NAMED) {
        log.note(format!("{n_more} more keys are no splits and are not stored"));
    }
    if splits.is_empty() {
        return Err(IngestError::Missing {
            place: Place::new("train"),
            reason: "the file has none of the splits",
        });
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
