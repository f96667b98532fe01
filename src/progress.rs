//! Progress of a call, for display.

use std::path::Path;

/// A long part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Unpacks a compressed file or an archive's entry.
    Unpacking,
    /// Aligns sequences.
    Aligning,
    /// Converts features to a store.
    Converting,
    /// Reads a store and compares its digests.
    Validating,
    /// Writes a store in another form.
    Copying,
    /// Exports a store for another program.
    Exporting,
    /// Reads the features of a store, or the feature files of clips.
    Reading,
    /// Computes features of audio files.
    Extracting,
}

impl Stage {
    /// What the stage does, in one word.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Unpacking => "unpacking",
            Stage::Aligning => "aligning",
            Stage::Converting => "converting",
            Stage::Validating => "validating",
            Stage::Copying => "copying",
            Stage::Exporting => "exporting",
            Stage::Reading => "reading",
            Stage::Extracting => "extracting",
        }
    }
}

/// Observer of stages and of every stretch of bytes done. Several threads may report at the same time.
pub trait Progress: Sync {
    /// A stage of `total` bytes begins; the previous one is over.
    fn begin(&self, stage: Stage, total: u64);

    /// Another `n_bytes` of the stage are done.
    fn advance(&self, n_bytes: u64);

    /// A pickle in a folder of splits is skipped, because its name is not just a split's.
    fn skip(&self, _pickle: &Path) {}
}

/// Ignores all progress.
impl Progress for () {
    fn begin(&self, _: Stage, _: u64) {}
    fn advance(&self, _: u64) {}
}
