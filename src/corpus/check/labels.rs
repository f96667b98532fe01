//! Labels: their range and grid, and the consistency of values derived from them or stored with them.

use super::super::SplitName;
use super::super::label::Bins;
use super::{Context, Findings, Rule, SplitDetail, SplitFacts};
use crate::words::{counted, plural};

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    for split in context.splits {
        let missing = Rule::MissingLabel;
        check_values(context, split, "regression_labels", &split.labels, missing, findings);
        check_classes(split, findings);
        check_emotions(split, findings);
    }
    for (split, detail) in context.detailed() {
        for (modality, labels) in &detail.labels_by_modality {
            let name = format!("regression_labels_{}", modality.letter());
            // Not used for training.
            check_values(context, split, &name, labels, Rule::OtherLabel, findings);
        }
        // Bins are those of labels: without labels, there are none.
        if split.is_labelled() {
            check_bins(context, split, detail, findings);
        }
    }
    let without = context.splits.iter().filter(|split| !split.is_labelled());
    let without = without.map(|split| split.name.to_string()).collect();
    let is_needed = |split: &&SplitFacts| split.name != SplitName::Test && !split.is_labelled();
    let end = match context.splits.iter().any(|split| is_needed(&split)) {
        true => ": cannot be trained as it is",
        false => "",
    };
    findings.add_all(Rule::Unlabelled, without, |n| {
        format!("{n} of {} splits have no regression labels{end}", context.splits.len())
    });
}

fn check_values(
    context: &Context<'_>,
    split: &SplitFacts,
    name: &str,
    labels: &[f32],
    missing: Rule,
    findings: &mut Findings,
) {
    let spec = context.spec;
    let rows = || labels.iter().zip(&split.ids);
    let shown = |(label, id): (&f32, &String)| format!("{id}: {label}");
    let without =
        rows().filter(|(label, _)| !label.is_finite()).map(|(_, id)| id.clone()).collect();
    findings.add_all(missing, without, |n| {
        format!(
            "{}/{name}: {n} of {} samples have no label (NaN or infinite)",
            split.name,
            labels.len()
        )
    });
    let rows = || rows().filter(|(label, _)| label.is_finite());
    let outside = rows().filter(|(label, _)| !spec.contains(**label)).map(shown).collect();
    let [low, high] = spec.label_range;
    findings.add_all(Rule::LabelRange, outside, |n| {
        format!("{}/{name} has {} outside [{low}, {high}]", split.name, plural(n, "label"))
    });
    let off_grid = rows()
        .filter(|(label, _)| spec.contains(**label) && !spec.is_average(**label))
        .map(shown)
        .collect();
    findings.add_all(Rule::LabelGrid, off_grid, |n| {
        let parts: Vec<String> = spec.label_denominators.iter().map(u8::to_string).collect();
        let parts = parts.join(", ");
        format!(
            "{}/{name}: {} not a multiple of 1/n for any n of {parts}",
            split.name,
            counted(n, "label is", "labels are")
        )
    });
}

/// Invalid strengths of emotions.
fn check_emotions(split: &SplitFacts, findings: &mut Findings) {
    const STRENGTHS: std::ops::RangeInclusive<f32> = 0.0..=3.0;
    let Some(emotions) = &split.emotions else { return };
    let n_each = emotions.len().checked_div(split.ids.len()).unwrap_or(0).max(1);
    let rows = emotions.chunks(n_each).zip(&split.ids);
    let wrong = rows.filter_map(|(row, id)| {
        let value = row.iter().find(|value| !STRENGTHS.contains(*value))?;
        Some(format!("{id}: {value}"))
    });
    findings.add_all(Rule::OtherLabel, wrong.collect(), |n| {
        format!(
            "{}/emotion_labels: {n} of {} samples have a value outside [0, 3]",
            split.name,
            split.ids.len()
        )
    });
}

/// Class labels and annotations that contradict the sign of the regression label. Public files have
/// some: a label of -0.5 is `Neutral` in one file of CMU-MOSI and `Negative` in another.
fn check_classes(split: &SplitFacts, findings: &mut Findings) {
    let rows = || split.ids.iter().zip(&split.labels);
    let unlike = rows()
        .zip(split.classes.iter().flatten())
        // Without a label there is nothing to contradict.
        .filter(|((_, label), class)| sign_class(**label).is_some_and(|sign| sign != **class))
        .map(|((id, label), class)| format!("{id}: class {class} at label {label}"))
        .collect();
    findings.add_all(Rule::ClassLabel, unlike, |n| {
        format!(
            "{}/classification_labels: {} the sign of the regression label",
            split.name,
            counted(n, "class contradicts", "classes contradict")
        )
    });
    let unlike = rows()
        .zip(split.annotations.iter().flatten())
        .filter(|((_, label), word)| {
            let sign = sign_class(**label);
            word_class(word).is_some_and(|class| sign.is_some_and(|sign| sign != class))
        })
        .map(|((id, label), word)| format!("{id}: {word} at label {label}"))
        .collect();
    findings.add_all(Rule::Annotation, unlike, |n| {
        format!(
            "{}/annotations: {} the sign of the regression label",
            split.name,
            counted(n, "word contradicts", "words contradict")
        )
    });
}

/// The class of a label by its sign: 0 negative, 1 neutral, 2 positive.
fn sign_class(label: f32) -> Option<i32> {
    label.is_finite().then(|| 1 + i32::from(label > 0.0) - i32::from(label < 0.0))
}

/// The class of a label word; `None` for an unknown word.
fn word_class(word: &str) -> Option<i32> {
    let words = [("negative", 0), ("neutral", 1), ("positive", 2)];
    words.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, class)| *class)
}

fn check_bins(
    context: &Context<'_>,
    split: &SplitFacts,
    detail: &SplitDetail,
    findings: &mut Findings,
) {
    let scheme = context.dataset.bin_scheme();
    for bins in scheme.bins() {
        let name = Bins::name(*bins);
        let Some(stored) = detail.bins.get(name) else {
            let message = format!("{}/bins/{name} is absent", split.name);
            findings.add(Rule::BinsDiffer, message, 1, vec![]);
            continue;
        };
        let rows = split.ids.iter().zip(&split.labels).zip(stored);
        let unlike = rows
            .filter(|((_, label), class)| scheme.class(*bins, **label) != **class)
            .map(|((id, label), class)| format!("{id}: {class} at label {label}"))
            .collect();
        findings.add_all(Rule::BinsDiffer, unlike, |n| {
            format!(
                "{}/bins/{name}: {} the labels",
                split.name,
                counted(n, "class contradicts", "classes contradict")
            )
        });
    }
}
