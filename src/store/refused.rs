//! Values that the policies do not allow, with totals over all columns and the ways on.

use std::collections::BTreeSet;
use std::fmt;

use super::FeatureDtype;
use super::policy::{Action, Policies};
use super::seen::{KindSeen, Seen};
use crate::advice::{Advice, StoreAdvice};
use crate::corpus::values::ValueKind;
use crate::corpus::{Modality, SplitName};

/// How many segments a message names.
const N_SHOWN: usize = 3;

/// Values that the policies do not allow.
#[derive(Debug, Clone)]
pub struct RefusedValues {
    /// One sentence for each column and group of kinds.
    problems: Vec<String>,
    /// Whether some are not finite.
    any_nonfinite: bool,
    /// The largest of the finite ones, where there are any.
    largest: Option<f64>,
    dtype: FeatureDtype,
    /// Whether an encoder computed them, and not a source file had them.
    pub(super) by_encoder: bool,
}

impl RefusedValues {
    /// What is refused of `columns`, which have the ids of their samples.
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

    /// The ways on.
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

/// How many finite values of a column are beyond its type, and which.
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

/// A number of things, in words.
pub(super) fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A value as short as it can be.
pub(super) fn shown(value: f64) -> String {
    let narrow = value as f32;
    match f64::from(narrow) == value {
        _ if value.abs() >= 1e7 => format!("{value:e}"),
        true => narrow.to_string(),
        false => value.to_string(),
    }
}

/// The first ids of some samples.
pub(super) fn first(rows: &[usize], ids: &[String]) -> String {
    first_ids(rows, ids).join(", ")
}

/// The first ids of some samples.
pub(super) fn first_ids(rows: &[usize], ids: &[String]) -> Vec<String> {
    rows.iter().take(N_SHOWN).filter_map(|row| ids.get(*row)).cloned().collect()
}
