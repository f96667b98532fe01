//! Values that the policies do not allow, with totals over all columns and possible fixes.

use std::collections::BTreeSet;
use std::fmt;

use super::FeatureDtype;
use super::policy::{Action, Policies};
use super::seen::{KindSeen, Seen};
use crate::advice::{Advice, StoreAdvice};
use crate::corpus::values::ValueKind;
use crate::corpus::{Modality, SplitName};

/// How many segments a message lists.
const N_SHOWN: usize = 3;

/// Values that the policies do not allow.
#[derive(Debug, Clone)]
pub struct RefusedValues {
    /// One sentence per column and group of kinds.
    problems: Vec<String>,
    /// Whether some are not finite.
    any_nonfinite: bool,
    /// The largest finite value, if any.
    largest: Option<f64>,
    dtype: FeatureDtype,
    /// Whether an encoder computed them, rather than a source file containing them.
    pub(super) by_encoder: bool,
}

impl RefusedValues {
    /// The refused values of `columns`, which have the ids of their samples.
    pub(super) fn of<'a>(
        columns: impl Iterator<Item = (SplitName, Modality, &'a Seen, &'a [String])>,
        policies: Policies,
        dtype: FeatureDtype,
    ) -> RefusedValues {
        let mut refused = RefusedValues {
            problems: Vec::new(),
            any_nonfinite: false,
            largest: None,
            dtype,
            by_encoder: false,
        };
        for (split, modality, seen, ids) in columns {
            let place = format!("`{split}/{modality}`");
            let mut kinds = seen.treated(policies, Action::Refuse).0;
            let overflow = kinds.remove(&ValueKind::Overflow);
            if !kinds.is_empty() {
                refused.any_nonfinite = true;
                let rows: BTreeSet<usize> =
                    kinds.values().flat_map(|seen| &seen.rows).copied().collect();
                let rows: Vec<usize> = rows.into_iter().collect();
                let n_values = kinds.values().map(|seen| seen.n_values).sum();
                let counts: Vec<String> =
                    kinds.iter().map(|(kind, seen)| format!("{} {kind}", seen.n_values)).collect();
                let counts = match &*counts {
                    [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
                    all => all.join(", "),
                };
                refused.problems.push(format!(
                    "{place}: {} in {} {} not finite ({}, first in {})",
                    counted(n_values, "value"),
                    counted(rows.len() as u64, "segment"),
                    if n_values == 1 { "is" } else { "are" },
                    counts,
                    first(&rows, ids),
                ));
            }
            if let Some(seen) = overflow {
                let largest = refused.largest.unwrap_or(0.0);
                let is_larger = seen.largest.abs() > largest.abs();
                refused.largest = Some(if is_larger { seen.largest } else { largest });
                refused.problems.push(format!("{place}: {}", beyond(&seen, dtype, ids)));
            }
        }
        refused
    }

    /// Possible fixes.
    pub(super) fn advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        if self.any_nonfinite {
            advice.push(StoreAdvice::ReplaceNonFinite.into());
        }
        if let Some(largest) = self.largest {
            if self.by_encoder {
                return vec![StoreAdvice::EncodeAsFloat32.into()];
            }
            if self.dtype == FeatureDtype::Float16 && (largest as f32).is_finite() {
                advice.push(StoreAdvice::StoreAsFloat32.into());
            }
            advice.push(StoreAdvice::ReplaceOverflow { dtype: self.dtype.to_string() }.into());
        }
        advice
    }
}

impl fmt::Display for RefusedValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

/// Describes a column's finite values beyond its type: how many, and which.
fn beyond(seen: &KindSeen, dtype: FeatureDtype, ids: &[String]) -> String {
    format!(
        "{} in {} {} beyond {dtype} (largest {}, first in {})",
        counted(seen.n_values, "finite value"),
        counted(seen.rows.len() as u64, "segment"),
        if seen.n_values == 1 { "lies" } else { "lie" },
        shown(seen.largest),
        first(&seen.rows, ids),
    )
}

/// A count with its noun.
pub(super) fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Shortest text of a value.
pub(super) fn shown(value: f64) -> String {
    let narrow = value as f32;
    match f64::from(narrow) == value {
        _ if value.abs() >= 1e7 => format!("{value:e}"),
        true => narrow.to_string(),
        false => value.to_string(),
    }
}

/// The first ids of the given samples.
pub(super) fn first(rows: &[usize], ids: &[String]) -> String {
    first_ids(rows, ids).join(", ")
}

/// The first ids of the given samples.
pub(super) fn first_ids(rows: &[usize], ids: &[String]) -> Vec<String> {
    rows.iter().take(N_SHOWN).filter_map(|row| ids.get(*row)).cloned().collect()
}
