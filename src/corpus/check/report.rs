//! A validation's result in machine-readable form.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Compared, Finding, Severity};
use crate::advice::Advice;

/// The result for one store, as `validate --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// Whether no error was found.
    pub valid: bool,
    /// Whether warnings count as errors.
    pub strict: bool,
    /// Why the store could not be read, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Name of a computational sequence in its file; absent of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// Name of the dataset; absent of a store that could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Digest of the store's content; absent of a store that could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes that were read and compared with their digests.
    pub n_bytes_checked: u64,
    /// What was compared with the published labels; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    /// What was found, errors first.
    pub findings: Vec<Finding>,
    /// Changes between source and store, from the manifest.
    pub notes: Vec<String>,
}

impl Report {
    /// A report on a file that has not been examined yet.
    pub fn new(path: PathBuf, strict: bool) -> Report {
        Report {
            path,
            valid: false,
            strict,
            failure: None,
            sequence: None,
            dataset: None,
            digest: None,
            n_bytes_checked: 0,
            compared: None,
            findings: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds the findings, and derives the verdict.
    pub fn conclude(&mut self, mut findings: Vec<Finding>) {
        if self.strict {
            let warnings = findings.iter_mut().filter(|it| it.severity == Severity::Warning);
            warnings.for_each(|finding| finding.severity = Severity::Error);
        }
        self.valid = findings.iter().all(|finding| finding.severity < Severity::Error);
        self.findings = findings;
    }

    /// Adds the comparison with the published labels. A store without any comparable value is not
    /// valid, because a comparison was requested; the problem is then returned, with its fix.
    pub fn compare(&mut self, compared: Compared) -> Option<(String, Advice)> {
        let problem = compared.problem();
        self.valid &= problem.is_none();
        self.compared = Some(compared);
        problem
    }

    /// Number of findings of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The JSON Schema of a list of reports.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Vec<Report>)
    }
}
