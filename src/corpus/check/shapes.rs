//! Dimensions and counts: consistency of the splits, and the build of the dataset.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Modality, SplitName};
use super::{BlockFacts, Context, Finding, Findings, Rule, SplitFacts};

const NO_TRAIN: &str = "convert the files of all splits together; `almt-data split STORE.h5 \
                        --ratio 0.7,0.1,0.2 -o SPLITS.json` draws all three from the existing \
                        segments, for `train --manifest SPLITS.json`";
const NO_VALID: &str = "`train --valid-fraction 0.1` draws one from the training split; `almt-data \
                        split STORE.h5 --from train --ratio 0.9,0.1 -o SPLITS.json` writes one to \
                        a file, for `train --manifest SPLITS.json`";
const NO_TEST: &str = "convert the files of all splits together, or train without it; `almt-data \
                       split STORE.h5 --ratio 0.7,0.1,0.2 -o SPLITS.json` redraws all three, for \
                       `train --manifest SPLITS.json`";
const TEXT_DIFFERS: &str = "convert files of one build together; `almt-data encode` recomputes the \
                            text features of all splits";
const NO_WORDS: &str = "convert files of one build together: every model needs text, as features, \
                        tokens or transcripts";

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    let Context { dataset, spec, splits, .. } = context;
    // Of a dataset that is not published, nothing is known that splits could differ from.
    let builds = spec.map_or(&[][..], |spec| &spec.builds);
    let mut dims: BTreeMap<Modality, usize> = BTreeMap::new();
    for block in splits.iter().flat_map(|split| &split.blocks) {
        let (modality, BlockFacts { shape: [_, _, feat_dim], .. }) = block;
        dims.entry(*modality).or_insert(*feat_dim);
    }
    check_trainable(splits, &dims, findings);
    let known: Vec<_> = builds.iter().filter(|build| build.matches(&dims)).collect();
    if known.is_empty() && spec.is_some() {
        let found: Vec<String> = dims.iter().map(|(m, dim)| format!("{m} {dim}")).collect();
        let expected: Vec<String> = builds
            .iter()
            .map(|build| format!("audio {}, vision {}", build.audio, build.vision))
            .collect();
        let message = format!(
            "feature dimensions are of no known build of {}: found {}, expected {}",
            dataset.title(),
            found.join(", "),
            expected.join(" or ")
        );
        findings.add(Rule::Dims, message, 1, vec![]);
    }
    for name in SplitName::ALL {
        let n_samples = splits.iter().find(|s| s.name == name).map_or(0, |s| s.ids.len());
        let compared = if known.is_empty() { builds.iter().collect() } else { known.clone() };
        let expected: BTreeSet<usize> =
            compared.iter().filter_map(|build| build.counts.get(&name).copied()).collect();
        if n_samples == 0 {
            let has_train = splits.iter().any(|s| s.name == SplitName::Train && !s.ids.is_empty());
            let (without, advice) = match name {
                SplitName::Train => ("cannot be trained as it is", NO_TRAIN),
                SplitName::Valid if has_train => ("cannot be trained as it is", NO_VALID),
                SplitName::Valid => ("cannot be trained as it is", NO_TRAIN),
                SplitName::Test => ("there will be no test metrics", NO_TEST),
            };
            let message = format!("split `{name}` is absent or empty: {without}");
            findings.add_advised(Rule::MissingSplit, message, vec![], advice);
        } else if spec.is_some() && !expected.contains(&n_samples) {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            let expected = expected.join(" or ");
            let message = format!("{name} has {n_samples} samples, public builds have {expected}");
            findings.add(Rule::Counts, message, 1, vec![]);
        }
    }
}

/// Whether one model can read all splits. `dims` are the numbers of features in the first split that
/// has each modality. Lengths may differ: training pads them.
fn check_trainable(
    splits: &[SplitFacts],
    dims: &BTreeMap<Modality, usize>,
    findings: &mut Findings,
) {
    let filled = || splits.iter().filter(|split| !split.ids.is_empty());
    let mut problems = Vec::new();
    for split in filled() {
        for (modality, expected) in dims {
            let place = format!("{}/{modality}", split.name);
            match split.blocks.get(modality).map(|block| block.shape) {
                None => problems.push(format!("{place} is absent, other splits have it")),
                Some([_, seq_len, feat_dim]) if seq_len == 0 || feat_dim == 0 => {
                    problems.push(format!("{place} has {seq_len} steps of {feat_dim} features"));
                }
                Some([_, _, found]) if found != *expected => {
                    let others = format!("other splits have {expected}");
                    problems.push(format!("{place} has {found} features, {others}"));
                }
                Some(_) => {}
            }
        }
    }
    if !dims.contains_key(&Modality::Text) {
        let wordless: Vec<String> = filled()
            .filter(|split| !split.has_words)
            .map(|split| format!("{} has no text features, texts or tokens", split.name))
            .collect();
        if wordless.is_empty() && filled().next().is_some() {
            findings.add(Rule::NoText, "no split has text features".into(), 1, vec![]);
        }
        problems.extend(wordless);
    }
    if let Some(first) = problems.first() {
        let message = format!("cannot be trained as it is: {first}");
        let n_problems = problems.len() as u64;
        let mut finding =
            Finding::new(Rule::Untrainable, message, n_problems, problems[1..].to_vec());
        // Every model needs text, so training on the other modalities is not a fix.
        if problems.iter().any(|problem| problem.contains("text")) {
            finding.advice = match filled().all(|split| split.has_words) {
                true => TEXT_DIFFERS,
                false => NO_WORDS,
            };
        }
        findings.0.push(finding);
    }
}
