//! Compares the store with the published label table, joined by segment id.

use std::collections::{HashMap, HashSet};

use super::super::SplitName;
use super::super::labels::{LabelRow, LabelTable, SegmentKey};
use super::{Compared, Context, Evidence, Findings, Rule, SplitDetail, SplitFacts};
use crate::words::counted;

/// Printed labels have fewer digits.
const TOLERANCE: f32 = 1e-3;

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    let Some(table) = context.evidence.expected else { return };
    let shift = shift(table, context.splits, context.evidence);
    let mut found: HashMap<SegmentKey, SplitName> = HashMap::new();
    let mut surplus = Vec::new();
    for (split, detail) in context.detailed() {
        let mut unlike = Unlike::default();
        for (row, id) in split.ids.iter().enumerate() {
            let key = SegmentKey::of(id).shifted(shift);
            match table.get(&key) {
                Some(expected) => unlike.compare(split, detail, row, expected),
                None => surplus.push(format!("{id} in {}", split.name)),
            }
            found.insert(key, split.name);
        }
        unlike.report(split.name, findings);
    }
    check_missing(context, table, &found, findings);
    let n_found = found.len();
    findings.add_all(Rule::SurplusSample, surplus, |n| {
        format!("{n} of {n_found} samples are not among the {} of the label table", table.len())
    });
}

/// Offset of the table's clip numbers relative to the store's.
fn shift(table: &LabelTable, splits: &[SplitFacts], evidence: &Evidence<'_>) -> i32 {
    table.clip_shift(splits.iter().flat_map(|split| {
        let detail = evidence.details.get(&split.name);
        let texts = detail.and_then(|detail| detail.raw_text.as_deref()).unwrap_or_default();
        let rows = split.ids.iter().zip(&split.labels).enumerate();
        rows.map(|(row, (id, label))| (&**id, *label, texts.get(row).map(String::as_str)))
    }))
}

/// Counts what [`check`] compares.
pub(in crate::corpus) fn compared(
    table: &LabelTable,
    splits: &[SplitFacts],
    evidence: &Evidence<'_>,
) -> Compared {
    let shift = shift(table, splits, evidence);
    let mut counts = Compared::new(table, shift);
    let mut found: HashSet<SegmentKey> = HashSet::new();
    for split in splits {
        let Some(detail) = evidence.details.get(&split.name) else { continue };
        for (row, id) in split.ids.iter().enumerate() {
            let key = SegmentKey::of(id).shifted(shift);
            let Some(expected) = table.get(&key) else {
                counts.without_row(id);
                continue;
            };
            let by_modality = detail.labels_by_modality.iter();
            let by_modality = by_modality.filter(|(_, labels)| row < labels.len());
            let is_class = expected.class.is_some()
                && split.classes.as_ref().is_some_and(|classes| row < classes.len());
            counts.take(
                expected,
                row < split.labels.len() || is_class,
                by_modality.map(|(modality, _)| *modality),
                detail.raw_text.as_ref().is_some_and(|texts| row < texts.len()),
            );
            found.insert(key);
        }
    }
    counts.n_segments_found = found.len();
    counts.n_rows_without_segment = table.len().saturating_sub(found.len());
    counts
}

/// Rows of the table without a sample. Those of a split that is entirely absent are skipped: that is a
/// separate finding.
fn check_missing(
    context: &Context<'_>,
    table: &LabelTable,
    found: &HashMap<SegmentKey, SplitName>,
    findings: &mut Findings,
) {
    let is_looked_for = |row: &LabelRow| match row.split {
        Some(name) => context.splits.iter().any(|split| split.name == name),
        None => true,
    };
    let missing = table
        .rows()
        .filter(|(key, row)| is_looked_for(row) && !found.contains_key(key))
        .map(|(_, row)| row.id.clone())
        .collect();
    findings.add_all(Rule::MissingSample, missing, |n| {
        format!("{n} of {} samples of the label table are not in the store", table.len())
    });
}

/// Differences between one split and the table.
#[derive(Default)]
struct Unlike {
    labels: Vec<String>,
    texts: Vec<String>,
    /// Number of differing texts that only lack words.
    n_shortened: usize,
    splits: Vec<String>,
}

impl Unlike {
    fn compare(
        &mut self,
        split: &SplitFacts,
        detail: &SplitDetail,
        row: usize,
        expected: &LabelRow,
    ) {
        let id = split.ids.get(row).map_or("?", String::as_str);
        // The value of a class is compared as the class.
        let label = expected.label.filter(|_| expected.class.is_none() || split.classes.is_none());
        let own = split.labels.get(row).map(|found| ("", *found, label));
        let by_modality = detail.labels_by_modality.iter().filter_map(|(modality, labels)| {
            let expected = expected.labels_by_modality.get(modality)?;
            Some((modality.name(), *labels.get(row)?, Some(*expected)))
        });
        let class = split.classes.as_ref().and_then(|classes| classes.get(row));
        if let (Some(found), Some(expected)) = (class, expected.class)
            && usize::try_from(*found) != Ok(expected)
        {
            self.labels.push(format!("{id}: found class {found}, expected {expected}"));
        }
        for (of, found, expected) in own.into_iter().chain(by_modality) {
            let Some(expected) = expected else { continue };
            let difference = (found - expected).abs();
            if difference.is_nan() || difference > TOLERANCE {
                let of = if of.is_empty() { String::new() } else { format!(" ({of})") };
                self.labels.push(format!("{id}{of}: found {found}, expected {expected}"));
            }
        }
        let text = detail.raw_text.as_ref().and_then(|texts| texts.get(row));
        if let (Some(found), Some(expected)) = (text, &expected.text)
            && let Some([first, first_expected]) = difference(found, expected)
        {
            self.n_shortened += usize::from(is_shortened(found, expected));
            self.texts.push(format!("{id}: found `{first}`, expected `{first_expected}`"));
        }
        if expected.split.is_some_and(|expected| expected != split.name) {
            let expected = expected.split.map_or("", SplitName::name);
            self.splits.push(format!("{id}: found {}, expected {expected}", split.name));
        }
    }

    fn report(self, name: SplitName, findings: &mut Findings) {
        findings.add_all(Rule::LabelDiffers, self.labels, |n| {
            format!("{name}: {} from the label table", counted(n, "label differs", "labels differ"))
        });
        let n_shortened = self.n_shortened;
        findings.add_all(Rule::TextDiffers, self.texts, |n| {
            format!(
                "{name}/raw_text: {} from the label table, {n_shortened} of them only by missing words",
                counted(n, "transcript differs", "transcripts differ")
            )
        });
        findings.add_all(Rule::SplitDiffers, self.splits, |n| {
            format!(
                "{name}: {} in another split of the label table",
                counted(n, "sample is", "samples are")
            )
        });
    }
}

/// The letters and digits of a text, ignoring case.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The first words in which two texts differ; `None` if they have the same letters and digits, ignoring
/// case and word boundaries: `can not` equals `cannot`.
fn difference(found: &str, expected: &str) -> Option<[String; 2]> {
    if letters(found) == letters(expected) {
        return None;
    }
    let pairs = found.split_whitespace().zip(expected.split_whitespace());
    let n_same = pairs.take_while(|(found, expected)| letters(found) == letters(expected)).count();
    // Two words are clearer than one, which may be only part of a word in the other text.
    let shown = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().skip(n_same).take(2).collect();
        words.join(" ")
    };
    Some([shown(found), shown(expected)])
}

/// Whether `found` consists of words of `expected`, in order, with some left out.
fn is_shortened(found: &str, expected: &str) -> bool {
    let mut rest = expected.split_whitespace().map(letters);
    found.split_whitespace().map(letters).all(|word| rest.any(|expected| expected == word))
}
