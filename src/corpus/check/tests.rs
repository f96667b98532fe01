//! Tests of rules on facts alone; `tests/rules.rs` plants a defect for each rule into a store.

use std::collections::BTreeMap;

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

fn rules(dataset: Dataset, splits: &[SplitFacts]) -> Vec<&'static str> {
    check(dataset, splits).iter().map(|finding| finding.rule).collect()
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
    let findings = check(Dataset::Mosi, std::slice::from_ref(&facts));
    let findings = findings.iter().filter(|f| ["AD012", "AD013"].contains(&f.rule));
    let found: Vec<_> = findings.map(|f| (f.rule, f.count, &*f.examples[0])).collect();
    let expected =
        [("AD012", 1, "c: class 0 at label 2"), ("AD013", 1, "a: Neutral at label -0.5")];
    assert_eq!(found, expected);
}

#[test]
fn labels_out_of_range_and_nan_labels_are_found() {
    let splits = [split(SplitName::Train, &["a$_$1", "b$_$1"], &[3.5, f32::NAN])];
    let findings = check(Dataset::Mosi, &splits);
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
    let findings = check(Dataset::Sims, &splits);
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
    let findings = check(Dataset::Mosi, &[facts]);
    let found: Vec<_> = findings.iter().map(|f| (f.rule, f.message.as_str())).collect();
    assert!(
        found.contains(&("AD003", "valid has 228 samples, public builds have 229")),
        "{found:?}"
    );
    assert!(found.contains(&("AD016", "1 of 2 videos are in no standard fold")), "{found:?}");
}
