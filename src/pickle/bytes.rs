//! Where the bytes of a pickle lie: in a mapped file or in memory. The only `unsafe` of the
//! pickle and ingest halves is here.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// The whole pickle file.
pub(super) enum Source {
    Map(Mmap),
    Memory(Vec<u8>),
}

impl Source {
    /// Maps the file at `path` read-only.
    ///
    /// # Errors
    /// If the file cannot be opened, is not a regular file, or cannot be mapped.
    pub(super) fn map(path: &Path) -> io::Result<Source> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        if metadata.len() == 0 {
            // An empty file cannot be mapped, and is reported like any other content.
            return Ok(Source::Memory(Vec::new()));
        }
        // SAFETY: the map is read-only and private to this value, so that nothing in this process
        // writes through it. Another process that changes the file while it is read can change
        // what is read; every later access is bounds-checked against the mapped length, every
        // bit pattern is a valid `u8`, and text is validated on each access, so that changed bytes
        // give wrong values but no undefined reference. Shortening the file ends the process with
        // a signal, which no mapping can prevent.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Source::Map(map))
    }

    /// All bytes, from the first of the file to the last.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Source::Map(map) => map,
            Source::Memory(bytes) => bytes,
        }
    }
}
