//! Feature values: finite, within their length, not constant, not extreme.

use super::super::Modality;
use super::{BlockDetail, BlockFacts, Claim, Context, EXTREME, Findings, Rule, SplitFacts};
use crate::words::{counted, plural};

pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    for split in context.splits {
        let detail = context.evidence.details.get(&split.name);
        for (modality, block) in &split.blocks {
            let detail = detail.and_then(|detail| detail.blocks.get(modality));
            check_counts(split, *modality, block, detail, findings);
            check_lengths(split, *modality, block, findings);
            if let Some(detail) = detail {
                check_values(split, *modality, detail, findings);
            }
        }
    }
}

fn ids_of(split: &SplitFacts, rows: &[usize]) -> Vec<String> {
    rows.iter().filter_map(|row| split.ids.get(*row)).cloned().collect()
}

fn check_counts(
    split: &SplitFacts,
    modality: Modality,
    block: &BlockFacts,
    detail: Option<&BlockDetail>,
    findings: &mut Findings,
) {
    let place = format!("{}/{modality}", split.name);
    let stats = &block.stats;
    let ids = |rows: fn(&BlockDetail) -> &Vec<usize>| {
        detail.map_or_else(Vec::new, |detail| ids_of(split, rows(detail)))
    };
    if stats.n_nonfinite() > 0 {
        let message = format!(
            "{place} has {} NaN, {} +inf and {} -inf values",
            stats.n_nan, stats.n_pos_inf, stats.n_neg_inf
        );
        let examples = ids(|detail| &detail.nonfinite_rows);
        findings.add(Rule::NonFinite, message, stats.n_nonfinite(), examples);
    }
    let n_beyond = stats.n_beyond_length;
    if n_beyond > 0 {
        let message =
            format!("{place} has {n_beyond} frames beyond the recorded length that are not zero");
        findings.add(Rule::BeyondLength, message, n_beyond, ids(|detail| &detail.beyond_rows));
    }
    let n_zero = stats.n_zero_samples;
    if n_zero > 0 {
        let message = format!(
            "{place} has {} all zero",
            if n_zero == 1 {
                "1 sample that is".into()
            } else {
                format!("{n_zero} samples that are")
            }
        );
        findings.add(Rule::ZeroSample, message, n_zero, ids(|detail| &detail.zero_rows));
    }
}

fn check_lengths(
    split: &SplitFacts,
    modality: Modality,
    block: &BlockFacts,
    findings: &mut Findings,
) {
    let [_, seq_len, _] = block.shape;
    let outside = block
        .lengths
        .iter()
        .flatten()
        .zip(&split.ids)
        .filter(|(length, _)| usize::try_from(**length).map_or(true, |n| n > seq_len))
        .map(|(length, id)| format!("{id}: {length}"))
        .collect();
    findings.add_all(Rule::LengthRange, outside, |n| {
        format!(
            "{}/{modality}_lengths has {} outside [0, {seq_len}]",
            split.name,
            plural(n, "length")
        )
    });
}

fn check_values(
    split: &SplitFacts,
    modality: Modality,
    detail: &BlockDetail,
    findings: &mut Findings,
) {
    let place = format!("{}/{modality}", split.name);
    let n_extreme = detail.n_extreme;
    if n_extreme > 0 {
        let message = format!(
            "{place} has {n_extreme} value{} beyond {EXTREME} in magnitude",
            if n_extreme == 1 { "" } else { "s" }
        );
        findings.add(Rule::Extreme, message, n_extreme, ids_of(split, &detail.extreme_rows));
    }
    check_claims(split, &place, &detail.claims, findings);
    // In a single frame, every feature is constant.
    if detail.n_frames > 1 {
        let ranges = detail.ranges.iter().enumerate();
        let constant = ranges
            .filter(|(_, [low, high])| low == high)
            // Adding zero turns -0 into 0.
            .map(|(feature, [value, _])| format!("feature {feature}: {}", value + 0.0))
            .collect();
        findings.add_all(Rule::ConstantFeature, constant, |n| {
            let n_features = detail.ranges.len();
            format!(
                "{place}: {n} of {n_features} features {} constant",
                if n == 1 { "is" } else { "are" }
            )
        });
    }
}

/// Number of features that a finding counts one by one.
const N_COUNTED: usize = 8;

/// Values that the names of their features rule out.
fn check_claims(split: &SplitFacts, place: &str, claims: &[Claim], findings: &mut Findings) {
    let broken: Vec<&Claim> = claims.iter().filter(|claim| claim.n_outside > 0).collect();
    if broken.is_empty() {
        return;
    }
    let counts = broken.iter().take(N_COUNTED);
    let counts: Vec<String> = counts
        .map(|Claim { name, allowed, n_outside, .. }| {
            format!("{name} {n_outside} outside {allowed}")
        })
        .collect();
    let more = match broken.len().saturating_sub(N_COUNTED) {
        0 => String::new(),
        n => format!(" and {}", counted(n, "more feature", "more features")),
    };
    let message = format!(
        "{place}: {}: {}{more}",
        counted(
            broken.len(),
            "feature has values that its name rules out",
            "features have values that their names rule out"
        ),
        counts.join(", "),
    );
    let first = broken.iter().filter_map(|claim| {
        let (row, value) = claim.first?;
        Some(format!("{}: {} {value}", split.ids.get(row)?, claim.name))
    });
    let n_values = broken.iter().map(|claim| claim.n_outside).sum();
    findings.add(Rule::NamedFeature, message, n_values, first.collect());
}
