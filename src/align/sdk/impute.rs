//! What a sequence lacks, as one value.

use std::collections::HashSet;

use ndarray::Array2;

use super::super::error::AlignError;
use super::super::sequence::SequenceSet;
use crate::csd::{CsdEntry, Features};

/// Gives every sequence the keys of the reference that it lacks, with the reference's times.
///
/// As in the SDK, the values are float64 whatever the sequence is, also of text; they are as wide as the
/// sequence's first entry, which is another one in memory than after a round trip through files; and the
/// new keys come last.
///
/// # Errors
/// There is no such reference, or a sequence has no entry at all.
pub fn impute(
    mut dataset: SequenceSet,
    reference: &str,
    value: f64,
) -> Result<SequenceSet, AlignError> {
    let keys = dataset.get(reference)?.keys().to_vec();
    let intervals = keys
        .iter()
        .map(|key| Ok(dataset.get(reference)?.read(key)?.intervals.clone()))
        .collect::<Result<Vec<_>, AlignError>>()?;
    for sequence in dataset.sequences.iter_mut().filter(|it| it.name() != reference) {
        let has: HashSet<&String> = sequence.keys().iter().collect();
        let missing = keys.iter().zip(&intervals).filter(|(key, _)| !has.contains(key));
        let missing: Vec<_> = missing.collect();
        if missing.is_empty() {
            continue;
        }
        let Some(first) = sequence.keys().first() else {
            return Err(AlignError::NothingToImpute { sequence: sequence.name().into() });
        };
        let feat_dim = sequence.read(first)?.features.feat_dim();
        sequence.extend(missing.into_iter().map(|(key, intervals)| {
            let values = Array2::from_elem((intervals.len(), feat_dim), value);
            let features = Features::Float64(values);
            (key.clone(), CsdEntry { intervals: intervals.clone(), features })
        }));
    }
    Ok(dataset)
}
