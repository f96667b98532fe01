//! Where the bytes of a pickle lie: in a mapped file or in memory. The only `unsafe` of the crate
//! is here; everywhere else the compiler refuses it.

#![allow(unsafe_code)]

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
        // SAFETY: what `Mmap::map` asks for is that nobody changes the file while it is mapped,
        // because the bytes are lent as `&[u8]`, which the compiler takes for constant.
        //
        // - This process does not: the map is read-only, and `convert` refuses an output that is its
        //   input.
        // - Another process could, and no program can keep it from that without a copy. The code
        //   is written so that the damage is a wrong value: only bytes are lent, of which every
        //   pattern is valid; they are copied out with `from_le_bytes`, never reinterpreted as
        //   another type; lengths and offsets are kept outside the map, in the table of values;
        //   every access is checked against the length of the map, which does not change; and text
        //   is checked to be UTF-8 on each access instead of once.
        // - Shortening the file ends the process with a signal (SIGBUS) at the next access beyond
        //   the new end: no memory but the file's own is ever read.
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
