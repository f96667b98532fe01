//! Checks whether a store is ready for a run: valid, and with everything the model needs. Training on
//! invalid values has to be forced.

use super::error::{StoreProblem, TrainerError};
use super::note::Note;
use crate::corpus::check::{Finding, OF_OWN_SPLITS, Rule, Severity};
use crate::corpus::column::ColumnKind;
use crate::corpus::manifest::Alignment;
use crate::corpus::{Modality, SplitName};
use crate::model::contract::{Need, Needs};
use crate::store::Store;
use crate::train::DataError;

/// Rules about the assignment of segments to splits. Models can be trained on such splits anyway; some
/// are intended, or were published this way.
const OF_SPLITS: [Rule; 4] =
    [Rule::DuplicateId, Rule::Leakage, Rule::FoldSplit, Rule::SameSegmentAcross];

/// The ones that `--force` cannot override.
const IMPOSSIBLE: [Rule; 2] = [Rule::Untrainable, Rule::MissingLabel];

/// Checks a store against the rules of `validate`. Findings about its splits become notes, and with
/// `force` also those about its values. Features and texts are not checked here: features are compared
/// with their digests, and checked to be finite, when they are read for training.
///
/// # Errors
/// The store cannot be read, or its values are not valid.
pub fn check_valid(
    store: &Store,
    has_own_splits: bool,
    has_all_modalities: bool,
    force: bool,
) -> Result<Option<Note>, TrainerError> {
    let is_of =
        |rules: &[Rule], finding: &Finding| rules.iter().any(|rule| rule.id() == finding.rule);
    let matters = |finding: &Finding| {
        finding.severity == Severity::Error
            && (has_own_splits || !is_of(&OF_OWN_SPLITS, finding))
            // A problem of some modalities does not matter to the others.
            && (has_all_modalities || !is_of(&[Rule::Untrainable], finding))
    };
    let errors: Vec<Finding> = store.verify_quickly()?.into_iter().filter(matters).collect();
    let in_values = errors.iter().find(|finding| !is_of(&OF_SPLITS, finding));
    let Some(first) = in_values.or(errors.first()) else { return Ok(None) };
    let more = match errors.len() - 1 {
        0 => String::new(),
        1 => ", and 1 more error".into(),
        n => format!(", and {n} more errors"),
    };
    let problem = format!("the store is not valid: {first}{more}");
    if in_values.is_none() || force {
        return Ok(Some(Note::Invalid { store: store.path().into(), problem }));
    }
    // Training without any usable input cannot be forced.
    let can_be_forced = !errors.iter().any(|finding| is_of(&IMPOSSIBLE, finding));
    let advice = first.advice.to_string();
    Err(TrainerError::unfit(store.path(), StoreProblem::Invalid { problem, advice, can_be_forced }))
}

/// The error for an absent training or validation split.
pub fn missing_split(store: &Store, split: SplitName) -> TrainerError {
    TrainerError::unfit(store.path(), StoreProblem::MissingSplit(DataError::EmptySplit { split }))
}

/// The error for training without text, whether the store has text or not.
fn without_text(store: &Store, chosen: &[Modality], has_text: bool) -> TrainerError {
    let cause = match (has_text, has_words(store)) {
        (true, _) => StoreProblem::TextLeftOut { chosen: chosen.into() },
        (false, true) => StoreProblem::Data(DataError::NoText),
        (false, false) => StoreProblem::NoTextAtAll,
    };
    TrainerError::unfit(store.path(), cause)
}

/// Whether all splits have texts or tokens.
fn has_words(store: &Store) -> bool {
    store.manifest().splits.iter().all(|split| {
        [ColumnKind::RawText, ColumnKind::TextBert]
            .into_iter()
            .any(|column| store.manifest().column(&column.of(split.name)).is_some())
    })
}

/// Whether a model can read the store's text only through an encoder.
pub fn needs_encoder(store: &Store) -> bool {
    let features = |split| ColumnKind::Features(Modality::Text).of(split);
    let has_features = |split| store.manifest().column(&features(split)).is_some();
    has_words(store) && !SplitName::ALL.into_iter().any(has_features)
}

/// The modalities that a model sees: those that are `asked` for, or all that the store has and the
/// model reads. With `has_encoder`, text needs no features.
///
/// # Errors
/// The store lacks one, or text is not among them.
pub fn chosen_modalities(
    store: &Store,
    asked: &[Modality],
    has_encoder: bool,
    needs: &Needs,
) -> Result<Vec<Modality>, TrainerError> {
    // In any split, since a split manifest may build the training split from others.
    let has = |modality: &Modality| {
        let id = |split| ColumnKind::Features(*modality).of(split);
        let is_in = |split| store.manifest().column(&id(split)).is_some();
        (has_encoder && *modality == Modality::Text) || SplitName::ALL.into_iter().any(is_in)
    };
    let mut chosen: Vec<Modality> = match asked.is_empty() {
        true => {
            let is_used = |modality: &Modality| needs.of(*modality) != Need::Ignored;
            Modality::ALL.into_iter().filter(is_used).filter(has).collect()
        }
        false => asked.to_vec(),
    };
    chosen.sort();
    chosen.dedup();
    if let Some(absent) = chosen.iter().find(|modality| !has(modality)) {
        return Err(TrainerError::unfit(
            store.path(),
            StoreProblem::NoModality { modality: *absent },
        ));
    }
    if !chosen.contains(&Modality::Text) {
        return Err(without_text(store, &chosen, has(&Modality::Text)));
    }
    Ok(chosen)
}

/// Checks a model's needs against a store, of which `modalities` are used, with or without a text
/// encoder.
///
/// # Errors
/// The store lacks something that the model needs.
pub fn check_needs(
    store: &Store,
    model: &str,
    needs: &Needs,
    modalities: &[Modality],
    has_encoder: bool,
) -> Result<(), TrainerError> {
    let unfit = |cause| Err(TrainerError::unfit(store.path(), cause));
    let model = model.to_owned();
    let absent = |modality: &Modality| {
        needs.of(*modality) == Need::Required && !modalities.contains(modality)
    };
    if let Some(modality) = Modality::ALL.into_iter().find(absent) {
        let is_there = SplitName::ALL.into_iter().any(|split| {
            store.manifest().column(&ColumnKind::Features(modality).of(split)).is_some()
        });
        return unfit(StoreProblem::Needed { model, modality, is_there });
    }
    if needs.pooler && !has_encoder {
        return unfit(StoreProblem::NoEncoder { model });
    }
    if !is_aligned_enough(needs, store.manifest().alignment) {
        return unfit(StoreProblem::Unaligned { model });
    }
    if needs.unimodal_labels {
        let columns = store.manifest().splits.iter().flat_map(|split| {
            modalities.iter().map(|it| ColumnKind::RegressionLabelsOf(*it).of(split.name))
        });
        let mut absent = columns.filter(|id| store.manifest().column(id).is_none());
        if let Some(id) = absent.next() {
            return unfit(StoreProblem::NoUnimodalLabels { model, id });
        }
    }
    Ok(())
}

/// Whether a store's alignment suits a model. A store of unknown alignment is assumed to suit.
fn is_aligned_enough(needs: &Needs, alignment: Option<Alignment>) -> bool {
    !needs.aligned || alignment != Some(Alignment::Unaligned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unaligned_store_is_not_for_a_model_that_needs_alignment() {
        let aligned = Needs { aligned: true, ..Needs::ALL };
        assert!(!is_aligned_enough(&aligned, Some(Alignment::Unaligned)));
        assert!(is_aligned_enough(&aligned, Some(Alignment::Aligned)));
        assert!(is_aligned_enough(&Needs::ALL, Some(Alignment::Unaligned)));
    }
}
