//! Common input of all rules.

use super::facts::{Evidence, SplitDetail, SplitFacts};
use crate::corpus::Dataset;
use crate::corpus::label::LabelScale;
use crate::corpus::spec::DatasetSpec;

/// Common input of all rules.
pub(super) struct Context<'a> {
    pub(super) dataset: Dataset,
    /// What is known of a published dataset.
    pub(super) spec: Option<&'static DatasetSpec>,
    pub(super) scale: LabelScale<'a>,
    pub(super) splits: &'a [SplitFacts],
    pub(super) evidence: &'a Evidence<'a>,
}

impl<'a> Context<'a> {
    /// Each split with its details, if available.
    pub(super) fn detailed(
        &self,
    ) -> impl Iterator<Item = (&'a SplitFacts, &'a SplitDetail)> + use<'_, 'a> {
        let details = &self.evidence.details;
        self.splits.iter().filter_map(|split| Some((split, details.get(&split.name)?)))
    }
}
