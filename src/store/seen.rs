//! Counts and places of values that a store cannot hold unchanged, per sample or column.

use std::collections::BTreeMap;

use super::policy::{Action, Policies};
use crate::corpus::values::ValueKind;

/// Values of one sample that a store cannot hold unchanged.
#[derive(Debug, Clone, Default)]
pub(super) struct Unusual {
    kinds: BTreeMap<ValueKind, KindOfSample>,
}

#[derive(Debug, Clone, Default)]
struct KindOfSample {
    n_values: u64,
    n_padding: u64,
    largest: f64,
}

impl Unusual {
    pub(super) fn add(&mut self, kind: ValueKind, source: f64, is_padding: bool) {
        let seen = self.kinds.entry(kind).or_default();
        seen.n_values += 1;
        seen.n_padding += u64::from(is_padding);
        seen.largest = larger(seen.largest, source);
    }
}

/// The value of larger magnitude; the first if equal.
fn larger(one: f64, other: f64) -> f64 {
    if other.abs() > one.abs() { other } else { one }
}

/// Values of one kind in one column.
#[derive(Debug, Clone, Default)]
pub(super) struct KindSeen {
    pub(super) n_values: u64,
    /// Number of them beyond the recorded length.
    pub(super) n_padding: u64,
    /// Samples that contain one, in order.
    pub(super) rows: Vec<usize>,
    /// The source's value of largest magnitude, with its sign.
    pub(super) largest: f64,
}

/// Values of one column that a store cannot hold unchanged, by kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(pub(super) BTreeMap<ValueKind, KindSeen>);

impl Seen {
    /// Adds a sample; samples must be added in order.
    pub(super) fn add(&mut self, sample_idx: usize, unusual: &Unusual) {
        for (kind, of_sample) in &unusual.kinds {
            let seen = self.0.entry(*kind).or_default();
            seen.n_values += of_sample.n_values;
            seen.n_padding += of_sample.n_padding;
            seen.rows.push(sample_idx);
            seen.largest = larger(seen.largest, of_sample.largest);
        }
    }

    /// Only the kinds that get this treatment under `policies`.
    pub(super) fn treated(&self, policies: Policies, action: Action) -> Seen {
        let wanted = self.0.iter().filter(|(kind, _)| policies.action(**kind) == action);
        Seen(wanted.map(|(kind, seen)| (*kind, seen.clone())).collect())
    }
}
