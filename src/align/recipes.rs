//! Segments by the SDK's own alignment, in one of its published sequences of steps.

use std::collections::BTreeMap;

use super::error::AlignError;
use super::files::{Files, listed};
use super::gathered::Gathered;
use super::options::{Recipe, fitting};
use super::sdk::{self, Collapse, RecipeB, Roles, SampleB};
use super::sequence::{CsdSequence, SequenceSet};
use super::store_error::AlignedStoreError;
use super::timed::Segment;
use crate::corpus::Modality;
use crate::progress::Progress;
use crate::words::plural;

/// Aligns the videos as the SDK does, by this recipe or the one that fits.
pub(super) fn by_sdk(
    files: &Files,
    recipe: Option<Recipe>,
    videos: &[String],
    progress: &dyn Progress,
    gathered: &mut Gathered,
) -> Result<(), AlignedStoreError> {
    gathered.notes.extend(files.purged(videos));
    let has_words = match files.reference.keys().first() {
        Some(key) => files.reference.read(key)?.features.as_text().is_some(),
        None => false,
    };
    let recipe = recipe.unwrap_or(fitting(has_words));
    let reference = files.reference.name().to_owned();
    let others = files.others.values().cloned();
    let dataset = SequenceSet::new(std::iter::once(files.reference.clone()).chain(others));
    match recipe {
        Recipe::Examples => {
            let aligned = sdk::recipe_a(dataset, &reference, files.labels.clone())?;
            progress.advance(files.n_bytes());
            push_examples(files, &aligned, has_words, gathered)
        }
        Recipe::Tutorial => {
            let [vision, audio] = [Modality::Vision, Modality::Audio].map(|modality| {
                let sequence = files.others.get(&modality).map(CsdSequence::name);
                sequence.ok_or(AlignedStoreError::RecipeNeeds { modality })
            });
            let (vision, audio) = (vision?, audio?);
            let labels = files.labels.name();
            let words = sdk::align(dataset, &reference, &[Collapse::Mean])?;
            let aligned = sdk::align(words.with(files.labels.clone()), labels, &[])?;
            progress.advance(files.n_bytes());
            let roles = Roles { words: &reference, vision, audio, labels };
            push_tutorial(sdk::recipe_b(aligned, roles, &[])?, gathered)
        }
    }
}

fn push_examples(
    files: &Files,
    aligned: &SequenceSet,
    has_words: bool,
    gathered: &mut Gathered,
) -> Result<(), AlignedStoreError> {
    let labels = aligned.get(files.labels.name())?;
    let numbers = |sequence: &str, key: &str| {
        let entry = aligned.get(sequence)?.read(key)?;
        entry.features.to_float64().ok_or_else(|| AlignError::Type {
            sequence: sequence.into(),
            key: key.into(),
            expected: "numbers",
        })
    };
    for key in labels.keys() {
        let mut rows = BTreeMap::new();
        if !has_words {
            rows.insert(Modality::Text, numbers(files.reference.name(), key)?);
        }
        for (modality, sequence) in &files.others {
            rows.insert(*modality, numbers(sequence.name(), key)?);
        }
        let label = numbers(labels.name(), key)?;
        let label = label.rows().into_iter().next().map(|row| row.to_vec()).unwrap_or_default();
        let interval = labels.read(key)?.intervals.first().copied();
        let interval = interval.filter(|times| times.iter().all(|time| time.is_finite()));
        gathered.push(Segment { id: key.clone(), text: None, label, interval, rows })?;
    }
    gathered.notes.push("padding of the SDK's tensors, in front, is stored behind".into());
    Ok(())
}

fn push_tutorial(result: RecipeB, gathered: &mut Gathered) -> Result<(), AlignedStoreError> {
    let RecipeB { no_fold, dropped, .. } = result;
    if !dropped.is_empty() {
        let ids: Vec<&str> = dropped.iter().map(|(key, _)| &**key).collect();
        gathered.notes.push(format!(
            "{} whose sequences differ in length, left out: {}",
            plural(ids.len(), "segment"),
            listed(&ids)
        ));
    }
    let mut only_pauses = Vec::new();
    for sample in no_fold {
        let SampleB { key, words, vision, audio, labels, .. } = sample;
        if words.is_empty() {
            only_pauses.push(key);
            continue;
        }
        let numbers = |modality: Modality, features: &crate::csd::Features| {
            features.to_float64().map(|values| (modality, values))
        };
        let rows = [numbers(Modality::Audio, &audio), numbers(Modality::Vision, &vision)];
        let label = labels.to_float64().unwrap_or_default();
        gathered.push(Segment {
            id: key,
            text: Some(words.join(" ")),
            label: label.rows().into_iter().next().map(|row| row.to_vec()).unwrap_or_default(),
            interval: None,
            rows: rows.into_iter().flatten().collect(),
        })?;
    }
    if !only_pauses.is_empty() {
        let ids: Vec<&str> = only_pauses.iter().map(String::as_str).collect();
        gathered.notes.push(format!(
            "{} without a word, left out: {}",
            plural(ids.len(), "segment"),
            listed(&ids)
        ));
    }
    Ok(())
}
