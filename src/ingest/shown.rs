//! Describes a file's contents for explanations, notes and messages.

use crate::pickle::{NodeId, Pickle};

use super::table::kind_of;

/// The parts of a sample's features, in an explanation.
pub(super) fn parts_of(pickle: &Pickle, features: NodeId) -> String {
    const MOST: usize = 8;
    let Some(parts) = pickle.items(features) else { return kind_of(pickle, features) };
    let mut kinds: Vec<String> =
        parts.iter().take(MOST).map(|part| kind_of(pickle, *part)).collect();
    if parts.len() > MOST {
        kinds.push("…".into());
    }
    format!("({})", kinds.join(", "))
}

/// Describes a value in an explanation: the keys of a dict.
pub(super) fn found_in(pickle: &Pickle, id: NodeId) -> String {
    match pickle.entries(id) {
        Some(_) => keys(pickle, id),
        None => kind_of(pickle, id),
    }
}

/// The first keys of a dict, in an explanation.
pub(super) fn keys(pickle: &Pickle, dict: NodeId) -> String {
    const MOST: usize = 8;
    let entries = pickle.entries(dict).unwrap_or_default();
    let mut names: Vec<String> =
        entries.iter().take(MOST).map(|(key, _)| key_text(pickle, *key)).collect();
    if entries.len() > MOST {
        names.push("…".into());
    }
    match names.is_empty() {
        true => "no keys".into(),
        false => format!("the keys {}", names.join(", ")),
    }
}

/// A key for a note or message: short, and text in any case.
pub(super) fn key_text(pickle: &Pickle, key: NodeId) -> String {
    const MOST_CHARS: usize = 60;
    match pickle.raw_text(key).map(|text| text.shown()) {
        None => "(not text)".into(),
        Some(text) if text.chars().nth(MOST_CHARS).is_none() => text,
        Some(text) => text.chars().take(MOST_CHARS).chain(['…']).collect(),
    }
}
