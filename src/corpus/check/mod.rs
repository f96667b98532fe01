//! The checks of a corpus. Bad data is a result here, not an error: [`check`] returns findings.
//!
//! [`Rule`] is the table of all rules; each file implements a family of them. A rule sees only facts,
//! so it works on whatever was gathered: [`SplitFacts`] in every conversion, and [`Evidence`] when a
//! store is read for validation.

mod blocks;
mod compared;
mod content;
mod context;
mod facts;
mod finding;
mod ids;
mod labels;
mod reconcile;
mod report;
mod rule;
mod shapes;
mod tokens;

pub use compared::Compared;
pub use facts::{
    BlockDetail, BlockFacts, BlockReading, Claim, EXTREME, Evidence, SplitDetail, SplitFacts,
};
pub use finding::Finding;
pub use ids::check_drawn;
pub use report::Report;
pub use rule::{OF_OWN_SPLITS, Rule, Severity};

use context::Context;
use finding::{Findings, N_EXAMPLES};

use super::Dataset;
use super::label::LabelScale;
use super::spec::DatasetSpec;

/// The families of rules.
const FAMILIES: [fn(&Context<'_>, &mut Findings); 7] = [
    shapes::check,
    labels::check,
    ids::check,
    blocks::check,
    content::check,
    tokens::check,
    reconcile::check,
];

/// Checks a corpus against the known facts about its dataset and the scale of its labels; errors come
/// first.
pub fn check(dataset: Dataset, scale: LabelScale<'_>, splits: &[SplitFacts]) -> Vec<Finding> {
    check_with(dataset, scale, splits, &Evidence::default())
}

/// Like [`check`], with the evidence of a full reading.
pub fn check_with(
    dataset: Dataset,
    scale: LabelScale<'_>,
    splits: &[SplitFacts],
    evidence: &Evidence<'_>,
) -> Vec<Finding> {
    let context = Context { dataset, spec: DatasetSpec::of(dataset), scale, splits, evidence };
    let mut findings = Findings::default();
    FAMILIES.iter().for_each(|family| family(&context, &mut findings));
    let mut findings = findings.0;
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.rule));
    findings
}

/// Counts the parts of a corpus that are compared with the label table, if given.
pub fn compared(splits: &[SplitFacts], evidence: &Evidence<'_>) -> Option<Compared> {
    evidence.expected.map(|table| reconcile::compared(table, splits, evidence))
}

#[cfg(test)]
mod tests;
