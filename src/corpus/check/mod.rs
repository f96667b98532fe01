//! The checks of a corpus. Bad data is a result here, not an error: [`check`] returns findings.
//!
//! [`Rule`] is the table of all rules, one file each holds a family of them. A rule looks at facts
//! only, so that it works on whatever was gathered: [`SplitFacts`] at every conversion, and
//! [`Evidence`] where a store is read for the purpose.

mod blocks;
mod compared;
mod content;
mod facts;
mod ids;
mod labels;
mod reconcile;
mod report;
mod rule;
mod shapes;
mod tokens;

pub use compared::Compared;
pub use facts::{
    BlockDetail, BlockFacts, BlockReading, EXTREME, Evidence, SplitDetail, SplitFacts,
};
pub use report::Report;
pub use rule::{Rule, Severity};

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::Dataset;
use super::spec::DatasetSpec;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Id of the rule, `AD001` and so on.
    pub rule: &'static str,
    /// Short name of the rule.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where, what was expected and what was found, in one sentence.
    pub message: String,
    /// How many times.
    pub count: u64,
    /// The first few places.
    pub examples: Vec<String>,
    /// What to do about it.
    pub advice: &'static str,
}

/// How many examples a finding shows.
const N_EXAMPLES: usize = 3;

impl Finding {
    /// A finding with the first few of its places.
    pub fn new(rule: Rule, message: String, count: u64, examples: Vec<String>) -> Finding {
        let examples = examples.into_iter().take(N_EXAMPLES).collect();
        Finding {
            rule: rule.id(),
            name: rule.name(),
            severity: rule.severity(),
            message,
            count,
            examples,
            advice: rule.advice(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity.name(), self.rule, self.message)?;
        if !self.examples.is_empty() {
            write!(f, " (such as {})", self.examples.join(", "))?;
        }
        Ok(())
    }
}

/// What all rules look at.
struct Context<'a> {
    dataset: Dataset,
    spec: &'static DatasetSpec,
    splits: &'a [SplitFacts],
    evidence: &'a Evidence<'a>,
}

impl<'a> Context<'a> {
    /// Each split with its details, where there are any.
    fn detailed(&self) -> impl Iterator<Item = (&'a SplitFacts, &'a SplitDetail)> + use<'_, 'a> {
        let details = &self.evidence.details;
        self.splits.iter().filter_map(|split| Some((split, details.get(&split.name)?)))
    }
}

/// Findings as they come in.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: Rule, message: String, count: u64, examples: Vec<String>) {
        self.0.push(Finding::new(rule, message, count, examples));
    }

    /// As [`Findings::add`], with other advice than the rule has for most.
    fn add_advised(
        &mut self,
        rule: Rule,
        message: String,
        examples: Vec<String>,
        advice: &'static str,
    ) {
        let count = examples.len().max(1) as u64;
        self.0.push(Finding { advice, ..Finding::new(rule, message, count, examples) });
    }

    /// One finding for all of `places`, if there are any; the sentence is given their number.
    fn add_all(&mut self, rule: Rule, places: Vec<String>, message: impl Fn(usize) -> String) {
        if !places.is_empty() {
            let n_places = places.len();
            self.add(rule, message(n_places), n_places as u64, places);
        }
    }
}

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

/// Checks a corpus against what is known of its dataset; errors come first.
pub fn check(dataset: Dataset, splits: &[SplitFacts]) -> Vec<Finding> {
    check_with(dataset, splits, &Evidence::default())
}

/// As [`check`], with all that a full reading tells.
pub fn check_with(
    dataset: Dataset,
    splits: &[SplitFacts],
    evidence: &Evidence<'_>,
) -> Vec<Finding> {
    let context = Context { dataset, spec: DatasetSpec::of(dataset), splits, evidence };
    let mut findings = Findings::default();
    FAMILIES.iter().for_each(|family| family(&context, &mut findings));
    let mut findings = findings.0;
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.rule));
    findings
}

/// Counts what of a corpus is compared with the table of labels, where there is one.
pub fn compared(splits: &[SplitFacts], evidence: &Evidence<'_>) -> Option<Compared> {
    evidence.expected.map(|table| reconcile::compared(table, splits, evidence))
}

#[cfg(test)]
mod tests;
