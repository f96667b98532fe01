//! Labels: their range, grid and classes, and the consistency of values derived from them or stored with them.

use super::super::SplitName;
use super::super::label::LabelScale;
use super::super::scale::{NO_CLASS, OwnScale};
use super::{Context, Findings, Rule, SplitDetail, SplitFacts};
use crate::words::{counted, plural};

const NO_VALID: &str = "`train --valid-fraction 0.1` draws a validation split from the training split \
                        instead; `almt-data split STORE.h5 --from train --ratio 0.9,0.1 -o \
                        SPLITS.json` writes one to a file, for `train --manifest SPLITS.json`";

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    for split in context.splits {
        let missing = Rule::MissingLabel;
        check_values(context, split, "regression_labels", &split.labels, missing, findings);
        match context.scale {
            LabelScale::Own(own) if !own.classes().is_empty() => {
                check_named(own, split, findings);
            }
            _ => check_signs(context.scale, split, findings),
        }
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
    check_labelled(context, findings);
}

/// Splits without labels.
fn check_labelled(context: &Context<'_>, findings: &mut Findings) {
    let own = match context.scale {
        LabelScale::Own(own) => Some(own),
        LabelScale::Cmu | LabelScale::Sims => None,
    };
    if own.is_some_and(OwnScale::is_unordered) {
        let without = context.splits.iter().filter(|split| split.classes.is_none());
        let without = without.map(|split| split.name.to_string()).collect();
        findings.add_all(Rule::Unlabelled, without, |n| {
            format!("{n} of {} splits have no class labels", context.splits.len())
        });
        return;
    }
    let without: Vec<&SplitFacts> =
        context.splits.iter().filter(|split| !split.is_labelled()).collect();
    if without.is_empty() {
        return;
    }
    let is_without = |name| without.iter().any(|split| split.name == name);
    let (no_train, no_valid) = (is_without(SplitName::Train), is_without(SplitName::Valid));
    let end = if no_train || no_valid { ": cannot be trained as it is" } else { "" };
    let classes = match without.iter().any(|split| split.classes.is_some()) {
        true => "; class labels are stored, but not used for training",
        false => "",
    };
    let message = format!(
        "{} of {} splits have no regression labels{end}{classes}",
        without.len(),
        context.splits.len()
    );
    let has_train = context
        .splits
        .iter()
        .any(|split| split.name == SplitName::Train && !split.ids.is_empty() && !no_train);
    let advice = match has_train && no_valid {
        true => NO_VALID,
        false => Rule::Unlabelled.advice(),
    };
    let without = without.iter().map(|split| split.name.to_string()).collect();
    findings.add_advised(Rule::Unlabelled, message, without, advice);
}

fn check_values(
    context: &Context<'_>,
    split: &SplitFacts,
    name: &str,
    labels: &[f32],
    missing: Rule,
    findings: &mut Findings,
) {
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
    let Some([low, high]) = context.scale.range() else { return };
    let is_within = |label: f32| (low..=high).contains(&label);
    let outside = rows().filter(|(label, _)| !is_within(**label)).map(shown).collect();
    findings.add_all(Rule::LabelRange, outside, |n| {
        format!("{}/{name} has {} outside [{low}, {high}]", split.name, plural(n, "label"))
    });
    let Some(spec) = context.spec else { return };
    let off_grid = rows()
        .filter(|(label, _)| is_within(**label) && !spec.is_average(**label))
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

/// Class labels that are indices of named classes: absent, unknown, or another class than that of the
/// regression label.
fn check_named(own: &OwnScale, split: &SplitFacts, findings: &mut Findings) {
    let Some(classes) = &split.classes else { return };
    let place = format!("{}/classification_labels", split.name);
    let rows = || split.ids.iter().zip(classes);
    let without = rows().filter(|(_, class)| **class == NO_CLASS).map(|(id, _)| id.clone());
    findings.add_all(Rule::MissingLabel, without.collect(), |n| {
        format!("{place}: {n} of {} samples have no class", classes.len())
    });
    let name = |class: i32| usize::try_from(class).ok().and_then(|idx| own.classes().get(idx));
    let unknown = rows()
        .filter(|(_, class)| **class != NO_CLASS && name(**class).is_none())
        .map(|(id, class)| format!("{id}: {class}"));
    findings.add_all(Rule::LabelRange, unknown.collect(), |n| {
        let last = own.classes().len().saturating_sub(1);
        format!("{place} has {} outside [0, {last}]", counted(n, "class", "classes"))
    });
    let value = |class: i32| usize::try_from(class).ok().and_then(|idx| own.value(idx));
    let unlike = rows()
        .zip(&split.labels)
        .filter(|((_, class), label)| value(**class).is_some_and(|value| value != **label))
        .filter(|(_, label)| label.is_finite())
        .map(|((id, class), label)| format!("{id}: class {class} at label {label}"));
    findings.add_all(Rule::ClassLabel, unlike.collect(), |n| {
        format!(
            "{place}: {} another value than the regression label",
            counted(n, "class has", "classes have")
        )
    });
}

/// Class labels and annotations that contradict the side of the neutral value, 0 for CMU, that the
/// regression label is on. Public files have some: a label of -0.5 is `Neutral` in one file of CMU-MOSI
/// and `Negative` in another.
fn check_signs(scale: LabelScale<'_>, split: &SplitFacts, findings: &mut Findings) {
    let Some(neutral) = scale.neutral() else { return };
    let sign_class = |label: f32| sign_class(label - neutral);
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
    let scale = context.scale;
    for bins in scale.bins().iter() {
        let name = bins.name();
        let Some(stored) = detail.bins.get(bins) else {
            let message = format!("{}/bins/{name} is absent", split.name);
            findings.add(Rule::BinsDiffer, message, 1, vec![]);
            continue;
        };
        let rows = split.ids.iter().zip(&split.labels).zip(stored);
        let unlike = rows
            .filter(|((_, label), class)| scale.class(*bins, **label) != **class)
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
