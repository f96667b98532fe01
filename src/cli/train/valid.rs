//! What is not valid is said before it is trained on, and what is wrong in its values is trained on for
//! those alone who insist.

use crate::cli::Failure;
use crate::corpus::check::{Finding, Rule, Severity};
use crate::store::Store;

/// Rules about which segments are in which split. What is trained on such splits is a model all the same,
/// and some are meant to be so, or were published so.
const OF_SPLITS: [Rule; 4] =
    [Rule::DuplicateId, Rule::Leakage, Rule::FoldSplit, Rule::SameSegmentAcross];

/// Those of them that do not matter where other splits than the store's are trained on.
const OF_OWN_SPLITS: [Rule; 2] = [Rule::Leakage, Rule::FoldSplit];

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
    Err(Failure::at(store.path(), problem).hint(format!(
        "{}; `almt-data validate {}` shows all, `--force` trains on it as it is",
        first.advice,
        store.path().display()
    )))
}
