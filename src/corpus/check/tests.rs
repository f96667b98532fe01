//! Tests of rules on facts alone; `tests/rules.rs` plants a defect for each rule into a store.

use std::collections::BTreeMap;

use super::super::label::LabelScale;
use super::super::scale::OwnScale;
use super::super::stats::BlockStats;
use super::super::{Dataset, Modality, SplitName};
use super::*;

fn split(name: SplitName, ids: &[&str], labels: &[f32]) -> SplitFacts {
    SplitFacts {
        name,
        ids: ids.iter().map(ToString::to_string).collect(),
        labels: labels.to_vec(),
        classes: None,
        emotions: None,
        annotations: None,
        blocks: BTreeMap::new(),
        has_words: true,
    }
}

fn of_mosi(splits: &[SplitFacts]) -> Vec<Finding> {
    check(Dataset::Mosi, LabelScale::Cmu, splits)
}

fn of_sims(splits: &[SplitFacts]) -> Vec<Finding> {
    check(Dataset::Sims, LabelScale::Sims, splits)
}

fn rules(dataset: Dataset, splits: &[SplitFacts]) -> Vec<&'static str> {
    check(dataset, LabelScale::published(dataset).unwrap(), splits)
        .iter()
        .map(|finding| finding.rule)
        .collect()
}

#[test]
fn a_video_in_two_splits_is_leakage_only_where_splits_are_by_video() {
    let splits = || {
        [
            split(SplitName::Train, &["a$_$1", "a$_$2"], &[0.0, 1.0]),
            split(SplitName::Test, &["a$_$3"], &[0.0]),
        ]
    };
    assert!(rules(Dataset::Mosi, &splits()).contains(&Rule::Leakage.id()));
    assert!(!rules(Dataset::Sims, &splits()).contains(&Rule::Leakage.id()));
}

#[test]
fn classes_and_annotations_are_compared_with_the_sign_of_the_label() {
    let mut facts = split(SplitName::Test, &["a", "b", "c"], &[-0.5, 0.0, 2.0]);
    let annotations = ["Neutral", "neutral", "Weakly Positive"].map(String::from);
    facts.classes = Some(vec![0, 1, 0]);
    facts.annotations = Some(annotations.to_vec());
    let findings = of_mosi(std::slice::from_ref(&facts));
    let findings = findings.iter().filter(|f| ["AD012", "AD013"].contains(&f.rule));
    let found: Vec<_> = findings.map(|f| (f.rule, f.count, &*f.examples[0])).collect();
    let expected =
        [("AD012", 1, "c: class 0 at label 2"), ("AD013", 1, "a: Neutral at label -0.5")];
    assert_eq!(found, expected);
}

#[test]
fn labels_out_of_range_and_nan_labels_are_found() {
    let splits = [split(SplitName::Train, &["a$_$1", "b$_$1"], &[3.5, f32::NAN])];
    let findings = of_mosi(&splits);
    let finding = findings.iter().find(|f| f.rule == Rule::LabelRange.id()).unwrap();
    assert_eq!((finding.count, &*finding.examples), (1, &["a$_$1: 3.5".to_owned()][..]));
    let finding = findings.iter().find(|f| f.rule == Rule::MissingLabel.id()).unwrap();
    assert_eq!((finding.count, &*finding.examples), (1, &["b$_$1".to_owned()][..]));
}

#[test]
fn duplicate_ids_are_found_within_and_across_splits() {
    let splits = [
        split(SplitName::Train, &["a$_$1", "a$_$1"], &[0.0, 0.0]),
        split(SplitName::Valid, &["a$_$1"], &[0.0]),
    ];
    let findings = of_sims(&splits);
    let finding = findings.iter().find(|f| f.rule == Rule::DuplicateId.id()).unwrap();
    assert_eq!(finding.examples[1], "a$_$1 in train and valid");
}

#[test]
fn lengths_and_values_of_a_block_are_checked() {
    let mut facts = split(SplitName::Train, &["a$_$1"], &[0.0]);
    let stats = BlockStats::of_sample(&[f32::NAN, 0.0], 1, Some(1));
    let block = BlockFacts { shape: [1, 2, 1], lengths: Some(vec![3]), stats };
    facts.blocks.insert(Modality::Audio, block);
    let found = rules(Dataset::Mosi, &[facts]);
    assert!(found.contains(&Rule::NonFinite.id()), "{found:?}");
    assert!(found.contains(&Rule::LengthRange.id()), "{found:?}");
}

#[test]
fn sizes_are_those_of_a_known_build_and_videos_those_of_the_standard_folds() {
    let ids: Vec<String> = (0..229).map(|clip| format!("0h-zjBukYpk$_${clip}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut facts = split(SplitName::Valid, &ids, &[0.0; 229]);
    let found = rules(Dataset::Mosi, std::slice::from_ref(&facts));
    let expected = ["AD015", "AD004", "AD004", "AD034"];
    assert_eq!(found, expected, "a training video in the validation split");
    facts.ids[0] = "unheard-of$_$1".into();
    facts.ids.pop();
    facts.labels.pop();
    let findings = of_mosi(&[facts]);
    let found: Vec<_> = findings.iter().map(|f| (f.rule, f.message.as_str())).collect();
    assert!(
        found.contains(&("AD003", "valid has 228 samples, public builds have 229")),
        "{found:?}"
    );
    assert!(found.contains(&("AD016", "1 of 2 videos are in no standard fold")), "{found:?}");
}

#[test]
fn labels_of_ones_own_are_checked_against_their_description() {
    let own = OwnScale::of_toml("range = [0, 1]\nneutral = 0.5\n").unwrap();
    let of_own = |own: &OwnScale, facts: SplitFacts| -> Vec<String> {
        let found = check(Dataset::Own, LabelScale::Own(own), &[facts]);
        let found = found.iter().filter(|it| !["AD002", "AD021"].contains(&it.rule));
        found.map(|it| format!("{} {}", it.rule, it.message)).collect()
    };
    let mut facts = split(SplitName::Train, &["a$_$1", "b$_$1"], &[0.25, 1.25]);
    // Signs are sides of the neutral value.
    facts.classes = Some(vec![2, 2]);
    let found = of_own(&own, facts);
    let has = |words: &str| found.iter().any(|it| it.contains(words));
    assert!(has("train/regression_labels has 1 label outside [0, 1]"), "{found:?}");
    assert!(has("AD012 train/classification_labels: 1 class contradicts"), "{found:?}");
    // No published counts, and no grid.
    assert!(!has("AD003") && !has("AD030"), "{found:?}");

    let ordered = "classes = [\"low\", \"mid\", \"high\"]\nvalues = [0, 1, 4]\n";
    let ordered = OwnScale::of_toml(ordered).unwrap();
    let mut facts = split(SplitName::Train, &["a$_$1", "b$_$1", "c$_$1"], &[4.0, 1.0, 0.0]);
    facts.classes = Some(vec![2, 0, 7]);
    let found = of_own(&ordered, facts);
    let has = |words: &str| found.iter().any(|it| it.contains(words));
    assert!(has("1 class has another value than the regression label"), "{found:?}");
    assert!(has("train/classification_labels has 1 class outside [0, 2]"), "{found:?}");

    let names = OwnScale::of_toml("classes = [\"joy\", \"anger\"]\n").unwrap();
    let mut facts = split(SplitName::Train, &["a$_$1", "b$_$1"], &[]);
    facts.classes = Some(vec![1, -1]);
    let found = of_own(&names, facts);
    let has = |words: &str| found.iter().any(|it| it.contains(words));
    assert!(has("AD036 train/classification_labels: 1 of 2 samples have no class"), "{found:?}");
    assert!(!has("AD035"), "{found:?}");
}
