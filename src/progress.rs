//! What a call is busy with, told to whoever wants to show it.

use std::path::Path;

/// A part of a call that takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A compressed file, or an entry of an archive, is unpacked.
    Unpacking,
    /// Features become those of a store.
    Converting,
    /// A store is read and compared with its digests.
    Validating,
    /// A store is written in another form.
    Copying,
    /// A store is written for another program.
    Exporting,
    /// The features of a store are read.
    Reading,
}

/// Told of each stage and of each stretch of bytes that is done. Several threads may tell at a time.
pub trait Progress: Sync {
    /// A stage of `total` bytes begins; the one before it is over.
    fn begin(&self, stage: Stage, total: u64);

    /// So many more of them are done.
    fn advance(&self, n_bytes: u64);

    /// A pickle in a folder of splits is not read, since its name is not just that of a split.
    fn skip(&self, _pickle: &Path) {}
}

/// For those who do not want to know.
impl Progress for () {
    fn begin(&self, _: Stage, _: u64) {}
    fn advance(&self, _: u64) {}
}
