//! What is not valid is said before it is trained on, and what is wrong in its values is trained on for
//! those alone who insist.

use crate::cli::Failure;
use crate::corpus::check::{Finding, Rule, Severity};
use crate::corpus::column::ColumnKind;
use crate::corpus::{Modality, SplitName};
use crate::store::Store;
use crate::train::DataError;

/// Rules about which segments are in which split. What is trained on such splits is a model all the same,
/// and some are meant to be so, or were published so.
const OF_SPLITS: [Rule; 4] =
    [Rule::DuplicateId, Rule::Leakage, Rule::FoldSplit, Rule::SameSegmentAcross];

/// Those of them that do not matter where other splits than the store's are trained on.
const OF_OWN_SPLITS: [Rule; 2] = [Rule::Leakage, Rule::FoldSplit];

/// Those of which `--force` makes nothing that can be trained on.
const IMPOSSIBLE: [Rule; 2] = [Rule::Untrainable, Rule::MissingLabel];

/// Warns of a store that `validate` calls not valid for its splits, and refuses one that it calls so for
/// its values, unless `force` makes a warning of that too. Features and texts are not looked at: features
/// are compared with their digests, and held to be finite, when they are read for training.
pub fn check(
    store: &Store,
    has_own_splits: bool,
    has_all_modalities: bool,
    force: bool,
) -> Result<(), Failure> {
    let is_of =
        |rules: &[Rule], finding: &Finding| rules.iter().any(|rule| rule.id() == finding.rule);
    let matters = |finding: &Finding| {
        finding.severity == Severity::Error
            && (has_own_splits || !is_of(&OF_OWN_SPLITS, finding))
            // What some modalities lack does not matter to the others.
            && (has_all_modalities || !is_of(&[Rule::Untrainable], finding))
    };
    let errors: Vec<Finding> = store.verify_quickly()?.into_iter().filter(matters).collect();
    let in_values = errors.iter().find(|finding| !is_of(&OF_SPLITS, finding));
    let Some(first) = in_values.or(errors.first()) else { return Ok(()) };
    let more = match errors.len() - 1 {
        0 => String::new(),
        1 => ", and 1 more error".into(),
        n => format!(", and {n} more errors"),
    };
    let problem = format!("the store is not valid: {first}{more}");
    if in_values.is_none() || force {
        eprintln!("warning: {}: {problem}", store.path().display());
        return Ok(());
    }
    let failure = Failure::at(store.path(), problem);
    let path = store.path().display();
    // What no model can be made of is trained on by nobody.
    Err(match errors.iter().any(|finding| is_of(&IMPOSSIBLE, finding)) {
        true => failure.hint(format!("{}; `almt-data validate {path}` shows all", first.advice)),
        false => failure.hint(format!(
            "{}; `almt-data validate {path}` shows all, `--force` trains on it as it is",
            first.advice
        )),
    })
}

/// The refusal to train without a training or a validation split.
pub fn missing_split(store: &Store, split: SplitName) -> Failure {
    let failure = Failure::of(store.path(), &DataError::EmptySplit { split });
    let name = store.path().display();
    match split {
        SplitName::Valid => failure.hint(format!(
            "`--valid-fraction 0.1` draws one from the training split; `almt-data split {name} --from \
             train --ratio 0.9,0.1 -o splits.json` writes it to a file, for `train --manifest`"
        )),
        _ => failure.hint(format!(
            "convert the files of all splits together; `almt-data split {name} --ratio 0.7,0.1,0.2 \
             -o splits.json` draws all three from the segments that are there, for `train --manifest`"
        )),
    }
}

/// The refusal to train without text, which the store has or has not.
pub fn without_text(store: &Store, chosen: &[Modality], has_text: bool) -> Failure {
    let has_words = store.manifest().splits.iter().all(|split| {
        [ColumnKind::RawText, ColumnKind::TextBert]
            .into_iter()
            .any(|column| store.manifest().column(&column.of(split.name)).is_some())
    });
    if !has_text && has_words {
        return Failure::of(store.path(), &DataError::NoText);
    }
    let failure = Failure::at(store.path(), DataError::NoText.to_string());
    if has_text {
        let others: Vec<&str> = chosen.iter().map(|modality| modality.name()).collect();
        return failure.hint(format!("`--modalities text,{}` has it", others.join(",")));
    }
    failure.hint(
        "the store has no text that could be encoded, either: convert a file that has text features, \
         tokens or transcripts",
    )
}
