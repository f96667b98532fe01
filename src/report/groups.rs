//! Runs that are alike but for chance: a mean over other runs means nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::RunReport;
use crate::run::Run;
use crate::words::shortened;

/// Keys of `config.toml` in which repetitions of an experiment may differ: seed and fold, and where and by
/// what a run was made.
const OF_REPETITIONS: [&str; 12] = [
    "seed",
    "store",
    "device",
    "form",
    "together_with",
    "n_threads",
    "writer",
    "libtorch",
    "command",
    "split_manifest.path",
    "split_manifest.fold",
    "text_encoder.path",
];

/// Keys that repeat others: schemas follow from the store.
const DERIVED: &str = "data_schema.";

/// Settings that a group's name has.
const MOST_SHOWN: usize = 4;

/// Runs of one model with the same settings, in the order of the first one.
pub(super) struct Group<'a> {
    /// The runs, complete or not.
    runs: Vec<&'a Run>,
    /// What sets them apart from the other groups: the model, or some settings; empty for a single group.
    pub(super) name: String,
}

impl Group<'_> {
    /// Whether a run is of this group.
    pub(super) fn has(&self, run: &Run) -> bool {
        self.runs.iter().any(|own| std::ptr::eq(*own, run))
    }
}

/// The groups of a report's runs.
pub(super) fn groups(report: &RunReport) -> Vec<Group<'_>> {
    let mut found: Vec<(BTreeMap<String, String>, Group<'_>)> = Vec::new();
    for run in report.runs() {
        let settings = settings(run);
        match found.iter_mut().find(|(of_group, _)| *of_group == settings) {
            Some((_, group)) => group.runs.push(run),
            None => found.push((settings, Group { runs: vec![run], name: String::new() })),
        }
    }
    let names: Vec<String> = found
        .iter()
        .map(|(own, group)| {
            let model = group.runs.first().map_or("", |run| run.config.model());
            let alike = found.iter().filter(|(_, other)| {
                other.runs.first().is_some_and(|run| run.config.model() == model)
            });
            let alike: Vec<&BTreeMap<String, String>> =
                alike.map(|(of_group, _)| of_group).collect();
            let mut parts = Vec::new();
            if report.models().len() > 1 {
                parts.push(model.to_owned());
            }
            let shown =
                |key: &String| own.get(key).map_or("absent".into(), |value| shortened(value));
            let differing = differing(&alike);
            let most = differing.iter().take(MOST_SHOWN);
            parts.extend(most.map(|key| format!("{key} {}", shown(key))));
            if differing.len() > MOST_SHOWN {
                parts.push(format!("and {} more", differing.len() - MOST_SHOWN));
            }
            parts.join(", ")
        })
        .collect();
    let mut groups: Vec<Group<'_>> = found.into_iter().map(|(_, group)| group).collect();
    groups.iter_mut().zip(names).for_each(|(group, name)| group.name = name);
    groups
}

/// Keys whose values are not the same in all.
fn differing(settings: &[&BTreeMap<String, String>]) -> Vec<String> {
    let keys: BTreeSet<&String> = settings.iter().flat_map(|of_group| of_group.keys()).collect();
    let differs = |key: &&&String| {
        let values: BTreeSet<_> = settings.iter().map(|of_group| of_group.get(**key)).collect();
        values.len() > 1
    };
    keys.iter().filter(differs).map(|key| (*key).clone()).collect()
}

/// Settings that repetitions share, by dotted key.
fn settings(run: &Run) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    // Settings have no type that JSON lacks.
    let value = serde_json::to_value(&run.config).unwrap_or_default();
    flatten("", &value, &mut found);
    found.retain(|key, _| {
        let mut repeated = OF_REPETITIONS.iter();
        !key.starts_with(DERIVED)
            && !repeated.any(|own| key == own || key.starts_with(&format!("{own}.")))
    });
    found
}

fn flatten(key: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(key.trim_start_matches("hyper_parameters."), value, found);
            }
        }
        Value::String(text) => {
            found.insert(key.to_owned(), text.clone());
        }
        other => {
            found.insert(key.to_owned(), other.to_string());
        }
    }
}
