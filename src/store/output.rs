//! Shared by the writers of both formats: their inputs, their results and their error messages.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::census::{BlockOf, Census};
use super::columns::{Data, SplitColumns};
use super::copy::{CopyError, Repair, Tally};
use super::policy::Policies;
use super::refused::RefusedValues;
use super::seen::Seen;
use super::{Compression, FeatureDtype, StoreError};
use crate::corpus::column::{Column, ColumnKind};
use crate::corpus::manifest::Manifest;
use crate::corpus::stats::BlockStats;
use crate::corpus::{Modality, SplitName};
/// Input of the format writers.
pub(super) struct Job<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) policies: Policies,
    /// The mean of each feature per modality, if a policy needs it.
    pub(super) means: &'a BTreeMap<Modality, Vec<f32>>,
    pub(super) dtype: FeatureDtype,
    pub(super) compression: Compression,
    pub(super) advance: &'a (dyn Fn(u64) + Sync),
}

impl Job<'_> {
    /// How a modality's values are changed to fit the stored type.
    pub(super) fn repair(&self, modality: Modality) -> Repair<'_> {
        let means = self.means.get(&modality).map_or(&[][..], Vec::as_slice);
        Repair { policies: self.policies, means }
    }

    /// The error for failing to copy a split's features of one modality.
    pub(super) fn copy_error(
        &self,
        error: CopyError,
        split: &SplitColumns<'_>,
        modality: Modality,
    ) -> StoreError {
        match error {
            CopyError::Write(cause) => self.context.io(cause),
            CopyError::Read(unread) => {
                let column = ColumnKind::Features(modality).of(split.name);
                StoreError::unreadable(column, unread, &split.ids)
            }
            CopyError::Refused(seen) => {
                let column = [(split.name, modality, &seen, &*split.ids)];
                let refused = RefusedValues::of(column.into_iter(), self.policies, self.dtype);
                StoreError::Refused(Box::new(refused))
            }
        }
    }

    /// For refused values, the same error with totals over all columns, which takes another pass over
    /// the features.
    pub(super) fn with_totals(&self, error: StoreError, splits: &[SplitColumns<'_>]) -> StoreError {
        if !matches!(error, StoreError::Refused(_)) {
            return error;
        }
        let mut blocks = Vec::new();
        for split in splits {
            for column in &split.columns {
                if let Data::Features { modality, block, lengths } = &column.data {
                    let ids = &*split.ids;
                    let (split, modality) = (split.name, *modality);
                    let lengths = lengths.as_deref();
                    blocks.push(BlockOf { split, modality, block, lengths, ids });
                }
            }
        }
        // If that pass fails, the first finding is all there is to report.
        let Ok(census) = Census::of(&blocks, self.dtype.limit(), false, &|_| ()) else {
            return error;
        };
        let columns = census.columns.iter().map(|((split, modality), seen)| {
            let ids = splits.iter().find(|all| all.name == *split);
            (*split, *modality, seen, ids.map_or(&[][..], |split| &*split.ids))
        });
        let refused = RefusedValues::of(columns, self.policies, self.dtype);
        StoreError::Refused(Box::new(refused))
    }
}

/// A store of one format that is being written.
pub(super) trait Output {
    /// The files that grow during [`Output::split`].
    fn files(&self) -> io::Result<Vec<std::fs::File>>;

    /// Writes one split and records its content in `written`.
    fn split(
        &mut self,
        split: &SplitColumns<'_>,
        job: &Job<'_>,
        written: &mut Written,
    ) -> Result<(), StoreError>;

    /// Writes the manifest, as the last step.
    fn finish(self: Box<Self>, manifest: &Manifest, job: &Job<'_>) -> Result<(), StoreError>;
}

/// The manifest's content for an output that is otherwise complete.
#[derive(Default)]
pub(super) struct Written {
    pub(super) columns: Vec<Column>,
    /// Source values that the stored type cannot hold unchanged.
    pub(super) seen: BTreeMap<(SplitName, Modality), Seen>,
    /// Features with a value that became the mean.
    pub(super) mean_features: BTreeMap<Modality, BTreeSet<usize>>,
    pub(super) stats: BTreeMap<(SplitName, Modality), BlockStats>,
}

impl Written {
    /// Adds a feature block.
    pub(super) fn features(
        &mut self,
        split: &SplitColumns<'_>,
        modality: Modality,
        entry: Column,
        tally: Tally,
    ) {
        self.seen.insert((split.name, modality), tally.seen);
        self.mean_features.entry(modality).or_default().extend(tally.mean_features);
        self.stats.insert((split.name, modality), tally.stats);
        self.columns.push(entry);
    }
}

/// Names the target in errors: users never see the temporary file.
pub(super) struct Context<'a> {
    pub(super) target: &'a Path,
}

impl Context<'_> {
    pub(super) fn io(&self, cause: io::Error) -> StoreError {
        match cause.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists { path: self.target.into() },
            _ => StoreError::Io { path: self.target.into(), action: "write", cause },
        }
    }
}
