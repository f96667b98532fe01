//! Dimensions and counts against the known builds of the dataset.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Modality, SplitName};
use super::{Context, Findings, Rule};

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    let Context { dataset, spec, splits, .. } = context;
    let mut dims: BTreeMap<Modality, usize> = BTreeMap::new();
    for split in *splits {
        for (modality, block) in &split.blocks {
            let [_, _, feat_dim] = block.shape;
            let first = *dims.entry(*modality).or_insert(feat_dim);
            if first != feat_dim {
                let place = format!("{}/{modality}", split.name);
                let message = format!("{place} has {feat_dim} features, other splits have {first}");
                findings.add(Rule::Dims, message, 1, vec![]);
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
        findings.add(Rule::Dims, message, 1, vec![]);
    }
    for name in SplitName::ALL {
        let n_samples = splits.iter().find(|s| s.name == name).map_or(0, |s| s.ids.len());
        let compared = if known.is_empty() { spec.builds.iter().collect() } else { known.clone() };
        let expected: BTreeSet<usize> =
            compared.iter().filter_map(|build| build.counts.get(&name).copied()).collect();
        if n_samples == 0 {
            let message = format!("split `{name}` is absent or empty");
            findings.add(Rule::MissingSplit, message, 1, vec![]);
        } else if !expected.contains(&n_samples) {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            let expected = expected.join(" or ");
            let message = format!("{name} has {n_samples} samples, public builds have {expected}");
            findings.add(Rule::Counts, message, 1, vec![]);
        }
    }
}
