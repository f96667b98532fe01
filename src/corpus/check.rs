//! The checks of a corpus. Bad data is a result here, not an error: [`check`] returns findings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use serde::Serialize;

use super::segment::video_of;
use super::spec::{DatasetSpec, SplitBy};
use super::stats::BlockStats;
use super::{Dataset, Modality, SplitName};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; results stay meaningful.
    Warning,
    /// Results from this data would be wrong.
    Error,
}

/// What is looked for. The id stays the same for good, so that scripts can rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The content of a dataset differs from its recorded digest.
    Digest,
    /// Feature dimensions are those of no known build.
    Dims,
    /// Sample counts are those of no known build.
    Counts,
    /// A split is absent or empty.
    MissingSplit,
    /// A label is outside the dataset's range, or not finite.
    LabelRange,
    /// An id appears twice.
    DuplicateId,
    /// A video appears in two splits of a dataset that is split by video.
    Leakage,
    /// A feature is NaN or infinite.
    NonFinite,
    /// A recorded length is outside `0..=seq_len`.
    LengthRange,
    /// Frames beyond the recorded length are not zero.
    BeyondLength,
    /// A whole sample of a modality is zero.
    ZeroSample,
    /// A class label is not that of the sign of the regression label.
    ClassLabel,
    /// An annotation is not that of the sign of the regression label.
    Annotation,
}

impl Rule {
    /// The stable id.
    pub fn id(self) -> &'static str {
        match self {
            Rule::Digest => "AD001",
            Rule::Dims => "AD002",
            Rule::Counts => "AD003",
            Rule::MissingSplit => "AD004",
            Rule::LabelRange => "AD005",
            Rule::DuplicateId => "AD006",
            Rule::Leakage => "AD007",
            Rule::NonFinite => "AD008",
            Rule::LengthRange => "AD009",
            Rule::BeyondLength => "AD010",
            Rule::ZeroSample => "AD011",
            Rule::ClassLabel => "AD012",
            Rule::Annotation => "AD013",
        }
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Rule::Digest
            | Rule::LabelRange
            | Rule::DuplicateId
            | Rule::Leakage
            | Rule::NonFinite
            | Rule::LengthRange => Severity::Error,
            Rule::Dims
            | Rule::Counts
            | Rule::MissingSplit
            | Rule::BeyondLength
            | Rule::ZeroSample
            | Rule::ClassLabel
            | Rule::Annotation => Severity::Warning,
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Id of the rule, `AD001` and so on.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where, what was expected and what was found, in one sentence.
    pub message: String,
    /// How many times.
    pub count: u64,
    /// The first few places.
    pub examples: Vec<String>,
}

/// How many examples a finding shows.
const N_EXAMPLES: usize = 3;

impl Finding {
    /// A finding with the first few of its places.
    pub fn new(rule: Rule, message: String, count: u64, examples: Vec<String>) -> Finding {
        let examples = examples.into_iter().take(N_EXAMPLES).collect();
        Finding { rule: rule.id(), severity: rule.severity(), message, count, examples }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity} {}: {}", self.rule, self.message)?;
        if !self.examples.is_empty() {
            write!(f, " (such as {})", self.examples.join(", "))?;
        }
        Ok(())
    }
}

/// What the checks need to know of one split.
pub struct SplitFacts {
    /// Which split.
    pub name: SplitName,
    /// Segment ids, in order.
    pub ids: Vec<String>,
    /// Overall regression labels, `[n_samples]`.
    pub labels: Vec<f32>,
    /// Class labels, `[n_samples]`, where there are any.
    pub classes: Option<Vec<i32>>,
    /// Label words, `[n_samples]`, where there are any.
    pub annotations: Option<Vec<String>>,
    /// Per modality, shape and statistics.
    pub blocks: BTreeMap<Modality, BlockFacts>,
}

/// What the checks need to know of one feature block.
pub struct BlockFacts {
    /// `[n_samples, seq_len, feat_dim]`.
    pub shape: [usize; 3],
    /// Recorded lengths, `[n_samples]`, where there are any.
    pub lengths: Option<Vec<i32>>,
    /// Statistics over all samples.
    pub stats: BlockStats,
}

/// Checks a corpus against what is known of its dataset.
pub fn check(dataset: Dataset, splits: &[SplitFacts]) -> Vec<Finding> {
    let spec = DatasetSpec::of(dataset);
    let mut findings = Vec::new();
    check_shapes(dataset, spec, splits, &mut findings);
    for split in splits {
        check_labels(spec, split, &mut findings);
        check_classes(split, &mut findings);
        for (modality, block) in &split.blocks {
            check_block(split, *modality, block, &mut findings);
        }
    }
    check_ids(splits, &mut findings);
    if spec.split_by == SplitBy::Video {
        check_leakage(splits, &mut findings);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn check_shapes(
    dataset: Dataset,
    spec: &DatasetSpec,
    splits: &[SplitFacts],
    findings: &mut Vec<Finding>,
) {
    let mut dims: BTreeMap<Modality, usize> = BTreeMap::new();
    for split in splits {
        for (modality, block) in &split.blocks {
            let [_, _, feat_dim] = block.shape;
            let first = *dims.entry(*modality).or_insert(feat_dim);
            if first != feat_dim {
                let place = format!("{}/{modality}", split.name);
                let message = format!("{place} has {feat_dim} features, other splits have {first}");
                findings.push(Finding::new(Rule::Dims, message, 1, vec![]));
            }
        }
    }
    let known: Vec<_> = spec.builds.iter().filter(|build| build.matches(&dims)).collect();
    if known.is_empty() {
        let found: Vec<String> = dims.iter().map(|(m, dim)| format!("{m} {dim}")).collect();
        let expected: Vec<String> = spec
            .builds
            .iter()
            .map(|build| format!("audio {}, vision {}", build.audio, build.vision))
            .collect();
        let message = format!(
            "feature dimensions are of no known build of {}: found {}, expected {}",
            dataset.title(),
            found.join(", "),
            expected.join(" or ")
        );
        findings.push(Finding::new(Rule::Dims, message, 1, vec![]));
    }
    for name in SplitName::ALL {
        let n_samples = splits.iter().find(|s| s.name == name).map_or(0, |s| s.ids.len());
        let compared = if known.is_empty() { spec.builds.iter().collect() } else { known.clone() };
        let expected: BTreeSet<usize> =
            compared.iter().filter_map(|build| build.counts.get(&name).copied()).collect();
        if n_samples == 0 {
            let message = format!("split `{name}` is absent or empty");
            findings.push(Finding::new(Rule::MissingSplit, message, 1, vec![]));
        } else if !expected.contains(&n_samples) {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            let message = format!(
                "{name} has {n_samples} samples, public builds have {}",
                expected.join(" or ")
            );
            findings.push(Finding::new(Rule::Counts, message, 1, vec![]));
        }
    }
}

fn check_labels(spec: &DatasetSpec, split: &SplitFacts, findings: &mut Vec<Finding>) {
    let outside: Vec<String> = split
        .labels
        .iter()
        .zip(&split.ids)
        .filter(|(label, _)| !spec.contains(**label))
        .map(|(label, id)| format!("{id}: {label}"))
        .collect();
    if !outside.is_empty() {
        let [low, high] = spec.label_range;
        let n_outside = outside.len();
        let message = format!(
            "{}/regression_labels has {n_outside} labels outside [{low}, {high}]",
            split.name
        );
        findings.push(Finding::new(Rule::LabelRange, message, n_outside as u64, outside));
    }
}

/// Class labels and annotations that contradict the sign of the regression label. Public files
/// have some: a label of -0.5 is `Neutral` in one file of CMU-MOSI and `Negative` in another.
fn check_classes(split: &SplitFacts, findings: &mut Vec<Finding>) {
    let rows = || split.ids.iter().zip(&split.labels);
    let unlike: Vec<String> = rows()
        .zip(split.classes.iter().flatten())
        .filter(|((_, label), class)| sign_class(**label) != Some(**class))
        .map(|((id, label), class)| format!("{id}: {class} at label {label}"))
        .collect();
    if !unlike.is_empty() {
        let message = format!(
            "{}/classification_labels has {} classes that are not the sign of the label plus 1",
            split.name,
            unlike.len()
        );
        findings.push(Finding::new(Rule::ClassLabel, message, unlike.len() as u64, unlike));
    }
    let unlike: Vec<String> = rows()
        .zip(split.annotations.iter().flatten())
        .filter(|((_, label), word)| {
            word_class(word).is_some_and(|class| sign_class(**label) != Some(class))
        })
        .map(|((id, label), word)| format!("{id}: {word} at label {label}"))
        .collect();
    if !unlike.is_empty() {
        let message = format!(
            "{}/annotations has {} words that contradict the sign of the label",
            split.name,
            unlike.len()
        );
        findings.push(Finding::new(Rule::Annotation, message, unlike.len() as u64, unlike));
    }
}

/// The class of a label by its sign: 0 negative, 1 neutral, 2 positive.
fn sign_class(label: f32) -> Option<i32> {
    (!label.is_nan()).then(|| 1 + i32::from(label > 0.0) - i32::from(label < 0.0))
}

/// The class that a label word means; `None` of a word that is not known.
fn word_class(word: &str) -> Option<i32> {
    let words = [("negative", 0), ("neutral", 1), ("positive", 2)];
    words.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, class)| *class)
}

fn check_block(
    split: &SplitFacts,
    modality: Modality,
    block: &BlockFacts,
    findings: &mut Vec<Finding>,
) {
    let place = format!("{}/{modality}", split.name);
    let stats = &block.stats;
    if stats.n_nonfinite() > 0 {
        let message = format!(
            "{place} has {} NaN, {} +inf and {} -inf values",
            stats.n_nan, stats.n_pos_inf, stats.n_neg_inf
        );
        findings.push(Finding::new(Rule::NonFinite, message, stats.n_nonfinite(), vec![]));
    }
    if stats.n_beyond_length > 0 {
        let message = format!(
            "{place} has {} frames beyond the recorded length that are not zero",
            stats.n_beyond_length
        );
        findings.push(Finding::new(Rule::BeyondLength, message, stats.n_beyond_length, vec![]));
    }
    if stats.n_zero_samples > 0 {
        let message = format!("{place} has {} samples that are all zero", stats.n_zero_samples);
        findings.push(Finding::new(Rule::ZeroSample, message, stats.n_zero_samples, vec![]));
    }
    let [_, seq_len, _] = block.shape;
    let outside: Vec<String> = block
        .lengths
        .iter()
        .flatten()
        .zip(&split.ids)
        .filter(|(length, _)| usize::try_from(**length).map_or(true, |n| n > seq_len))
        .map(|(length, id)| format!("{id}: {length}"))
        .collect();
    if !outside.is_empty() {
        let message =
            format!("{place}_lengths has {} lengths outside [0, {seq_len}]", outside.len());
        findings.push(Finding::new(Rule::LengthRange, message, outside.len() as u64, outside));
    }
}

fn check_ids(splits: &[SplitFacts], findings: &mut Vec<Finding>) {
    let mut seen: HashMap<&str, SplitName> = HashMap::new();
    let mut twice = Vec::new();
    for split in splits {
        for id in &split.ids {
            if let Some(first) = seen.insert(id, split.name) {
                twice.push(format!("{id} in {first} and {}", split.name));
            }
        }
    }
    if !twice.is_empty() {
        let message = format!("{} ids appear more than once", twice.len());
        findings.push(Finding::new(Rule::DuplicateId, message, twice.len() as u64, twice));
    }
}

fn check_leakage(splits: &[SplitFacts], findings: &mut Vec<Finding>) {
    let mut homes: BTreeMap<&str, BTreeSet<SplitName>> = BTreeMap::new();
    for split in splits {
        for id in &split.ids {
            homes.entry(video_of(id)).or_default().insert(split.name);
        }
    }
    let leaks: Vec<String> = homes
        .iter()
        .filter(|(_, names)| names.len() > 1)
        .map(|(video, names)| {
            let names: Vec<&str> = names.iter().map(|name| name.name()).collect();
            format!("{video} in {}", names.join(" and "))
        })
        .collect();
    if !leaks.is_empty() {
        let message = format!("{} videos have segments in more than one split", leaks.len());
        findings.push(Finding::new(Rule::Leakage, message, leaks.len() as u64, leaks));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(name: SplitName, ids: &[&str], labels: &[f32]) -> SplitFacts {
        SplitFacts {
            name,
            ids: ids.iter().map(ToString::to_string).collect(),
            labels: labels.to_vec(),
            classes: None,
            annotations: None,
            blocks: BTreeMap::new(),
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
        let mut findings = Vec::new();
        check_classes(&facts, &mut findings);
        let found: Vec<_> = findings.iter().map(|f| (f.rule, f.count, &*f.examples[0])).collect();
        let expected = [("AD012", 1, "c: 0 at label 2"), ("AD013", 1, "a: Neutral at label -0.5")];
        assert_eq!(found, expected);
        assert!(rules(Dataset::Mosi, &[facts]).contains(&"AD012"));
    }

    #[test]
    fn labels_out_of_range_and_nan_labels_are_found() {
        let splits = [split(SplitName::Train, &["a$_$1", "b$_$1"], &[3.5, f32::NAN])];
        let findings = check(Dataset::Mosi, &splits);
        let finding = findings.iter().find(|f| f.rule == Rule::LabelRange.id()).unwrap();
        assert_eq!(finding.count, 2);
        assert_eq!(finding.examples, ["a$_$1: 3.5", "b$_$1: NaN"]);
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
}
