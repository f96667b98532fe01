//! Which layout a pickle has, told from its structure.

use crate::corpus::SplitName;
use crate::pickle::{Pickle, Value};

use super::{IngestError, Layout};

/// The split that a key or a word of a file name stands for.
pub(super) fn split_name(word: &str) -> Option<SplitName> {
    match word {
        "train" => Some(SplitName::Train),
        "valid" | "dev" | "val" => Some(SplitName::Valid),
        "test" => Some(SplitName::Test),
        _ => None,
    }
}

/// The first layout that fits.
///
/// # Errors
/// If none does, with what each lacked.
pub(super) fn detect(pickle: &Pickle) -> Result<Layout, IngestError> {
    let mut tried = Vec::new();
    for layout in Layout::ALL {
        let lacking = match layout {
            Layout::Mmsa => lacks_mmsa(pickle),
            Layout::Misa => lacks_misa(pickle),
        };
        match lacking {
            None => return Ok(layout),
            Some(reason) => tried.push(format!("{layout}: {reason}")),
        }
    }
    Err(IngestError::UnknownLayout { tried })
}

/// What keeps the pickle from being of the MMSA layout.
fn lacks_mmsa(pickle: &Pickle) -> Option<String> {
    let Some(entries) = pickle.entries(pickle.root()) else {
        return Some(format!("a {}, not a dict of splits", root_type(pickle)));
    };
    let mut splits = entries
        .iter()
        .filter(|(key, _)| pickle.str(*key).is_some_and(|key| split_name(&key).is_some()));
    let Some((key, split)) = splits.next() else {
        return Some("no key `train`, `valid` or `test`".into());
    };
    let name = pickle.str(*key).unwrap_or_default();
    if pickle.entries(*split).is_none() {
        return Some(format!("`{name}` is a {}, not a dict", pickle.value(*split).type_name()));
    }
    for needed in ["id", "regression_labels"] {
        if pickle.get(*split, needed).is_none() {
            return Some(format!("`{name}` has no `{needed}`"));
        }
    }
    None
}

/// What keeps the pickle from being of the MISA layout.
fn lacks_misa(pickle: &Pickle) -> Option<String> {
    let Value::List(items) = pickle.value(pickle.root()) else {
        return Some(format!("a {}, not a list of tuples", root_type(pickle)));
    };
    let Some(first) = items.first() else {
        return Some("the list is empty".into());
    };
    let Some([features, _label, _segment]) = pickle.items(*first) else {
        return Some("the elements are not triples (features, label, segment)".into());
    };
    let n_parts = pickle.items(*features).map(<[_]>::len);
    match n_parts {
        Some(4) => None,
        Some(n_parts) => Some(format!(
            "the features are {n_parts} parts, not (words, visual, acoustic, actual words)"
        )),
        None => Some("the features are no tuple".into()),
    }
}

fn root_type(pickle: &Pickle) -> &'static str {
    pickle.value(pickle.root()).type_name()
}
