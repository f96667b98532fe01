//! Findings of the checks, and their collection over all rules.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::rule::{Rule, Severity};

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

/// Number of examples in a finding.
pub(super) const N_EXAMPLES: usize = 3;

impl Finding {
    /// A finding with its first few places.
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

/// Collects findings.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, rule: Rule, message: String, count: u64, examples: Vec<String>) {
        self.0.push(Finding::new(rule, message, count, examples));
    }

    /// Like [`Findings::add`], with advice other than the rule's default.
    pub(super) fn add_advised(
        &mut self,
        rule: Rule,
        message: String,
        examples: Vec<String>,
        advice: &'static str,
    ) {
        let count = examples.len().max(1) as u64;
        self.0.push(Finding { advice, ..Finding::new(rule, message, count, examples) });
    }

    /// Adds one finding for all of `places`, if any; their number is passed to the sentence.
    pub(super) fn add_all(
        &mut self,
        rule: Rule,
        places: Vec<String>,
        message: impl Fn(usize) -> String,
    ) {
        if !places.is_empty() {
            let n_places = places.len();
            self.add(rule, message(n_places), n_places as u64, places);
        }
    }
}
