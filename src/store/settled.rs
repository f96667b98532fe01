//! The manifest's record of values that a store could not hold unchanged.

use std::collections::{BTreeMap, BTreeSet};

use super::FeatureDtype;
use super::census::{Census, Mean};
use super::labels::LeftOutLabels;
use super::policy::{Action, Policies};
use super::refused::{counted, first, first_ids, shown};
use super::seen::Seen;
use crate::corpus::column::ColumnKind;
use crate::corpus::manifest::{FeatureMean, LeftOut, ValueCount, ValueRecord};
use crate::corpus::values::ValueKind;
use crate::corpus::{Corpus, Modality, SplitName};

/// Record of one write.
pub(super) struct Settling<'a> {
    pub(super) policies: Policies,
    pub(super) dtype: FeatureDtype,
    /// The corpus with all of its segments.
    pub(super) corpus: &'a Corpus,
    /// Findings of the pass before writing, if there was one.
    pub(super) census: Option<&'a Census>,
    /// The means that replace values.
    pub(super) means: &'a BTreeMap<Modality, Vec<Mean>>,
    /// Segments that were left out.
    pub(super) left_out: &'a BTreeMap<SplitName, BTreeSet<usize>>,
    /// The ones left out because of a label.
    pub(super) labels: LeftOutLabels,
}

impl Settling<'_> {
    /// The manifest's entry and its sentences, from the findings in `written` columns, whose samples
    /// have `ids`, and the features with values that became the mean.
    pub(super) fn record<'b>(
        &self,
        written: &BTreeMap<(SplitName, Modality), Seen>,
        ids: impl Fn(SplitName) -> &'b [String],
        mean_features: &BTreeMap<Modality, BTreeSet<usize>>,
    ) -> (Option<ValueRecord>, Vec<String>) {
        let mut record = ValueRecord {
            on_nonfinite: self.policies.on_nonfinite.name().into(),
            on_overflow: self.policies.on_overflow.name().into(),
            counts: self.labels.counts.clone(),
            means: Vec::new(),
            left_out: Vec::new(),
        };
        let mut notes = self.labels.notes.clone();
        for split in &self.corpus.splits {
            for modality in split.features.keys() {
                let key = (split.name, *modality);
                let census = self.census.and_then(|census| census.columns.get(&key));
                let left = census.map(|seen| seen.treated(self.policies, Action::Drop));
                let kept = written.get(&key).cloned().unwrap_or_default();
                for (seen, ids) in
                    [(left.unwrap_or_default(), &*split.ids), (kept, ids(split.name))]
                {
                    self.column(key, &seen, ids, &mut record.counts, &mut notes);
                }
            }
            if let Some(rows) = self.left_out.get(&split.name).filter(|rows| !rows.is_empty()) {
                let rows: Vec<usize> = rows.iter().copied().collect();
                let ids: Vec<String> =
                    rows.iter().filter_map(|row| split.ids.get(*row)).cloned().collect();
                let were = if rows.len() == 1 { "was" } else { "were" };
                notes.push(format!(
                    "{}: {} of {} {were} left out for such values (first {})",
                    split.name,
                    rows.len(),
                    counted(split.ids.len() as u64, "segment"),
                    first(&rows, &split.ids)
                ));
                record.left_out.push(LeftOut { split: split.name, ids });
            }
        }
        for (modality, features) in mean_features.iter().filter(|(_, all)| !all.is_empty()) {
            let means = self.means.get(modality);
            let mean = |feature: &usize| means.and_then(|means| means.get(*feature)).copied();
            record.means.extend(features.iter().map(|feature| {
                let mean: Mean = mean(feature).unwrap_or_default();
                let (value, n_values) = (mean.value(), mean.n_values);
                FeatureMean { modality: *modality, feature: *feature, mean: value, n_values }
            }));
            let without: Vec<String> = features
                .iter()
                .filter(|feature| mean(feature).is_none_or(|mean| mean.n_values == 0))
                .map(usize::to_string)
                .collect();
            if !without.is_empty() {
                notes.push(format!(
                    "{modality}: 0 is used as the mean of features without any finite value: {}",
                    without.join(", ")
                ));
            }
            let has_train = self.corpus.splits.iter().any(|split| split.name == SplitName::Train);
            let of = if has_train { "the training split" } else { "all splits, none being train" };
            notes.push(format!(
                "{modality}: the mean of {} is computed over the frames of {of} and recorded in the manifest",
                counted(features.len() as u64, "feature"),
            ));
        }
        let is_empty = record.counts.is_empty();
        ((!is_empty).then_some(record), notes)
    }

    fn column(
        &self,
        (split, modality): (SplitName, Modality),
        seen: &Seen,
        ids: &[String],
        counts: &mut Vec<ValueCount>,
        notes: &mut Vec<String>,
    ) {
        let column = ColumnKind::Features(modality).of(split);
        for (kind, seen) in &seen.0 {
            let action = self.policies.action(*kind);
            let is_overflow = *kind == ValueKind::Overflow;
            let what = match is_overflow {
                true => format!("{} beyond {}", counted(seen.n_values, "finite value"), self.dtype),
                false => format!("{} of {kind}", counted(seen.n_values, "value")),
            };
            let largest = match is_overflow {
                true => format!("largest {}, ", shown(seen.largest)),
                false => String::new(),
            };
            let segments = counted(seen.rows.len() as u64, "segment");
            let became = action.words(seen.n_values, self.dtype);
            let ids_shown = first(&seen.rows, ids);
            let padding = match (action, seen.n_padding) {
                (Action::Mean, n @ 1..) if n == seen.n_values => {
                    ", all of them beyond the recorded lengths, where they became 0".into()
                }
                (Action::Mean, n @ 1..) => {
                    format!(", {n} of them beyond the recorded lengths, where they became 0")
                }
                _ => String::new(),
            };
            notes.push(format!(
                "{column}: {what} in {segments} {became} ({largest}first in {ids_shown}){padding}"
            ));
            counts.push(ValueCount {
                column: column.clone(),
                kind: *kind,
                action: action.name().into(),
                n_values: seen.n_values,
                n_segments: seen.rows.len() as u64,
                first: first_ids(&seen.rows, ids),
                largest: is_overflow.then_some(seen.largest),
            });
        }
    }
}
