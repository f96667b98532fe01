//! Where the bytes of a file lie: in a map of it or in memory. The only `unsafe` of the data half
//! is here; outside of this file and the trainer's `native` the compiler refuses it.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// All bytes of a file.
pub(crate) enum Bytes {
    Map(Mmap),
    Memory(Vec<u8>),
}

impl Bytes {
    /// Maps the file at `path` read-only.
    ///
    /// # Errors
    /// If the file cannot be opened, is not a regular file, or cannot be mapped.
    pub(crate) fn map(path: &Path) -> io::Result<Bytes> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        if metadata.len() == 0 {
            // An empty file cannot be mapped, and is reported like any other content.
            return Ok(Bytes::Memory(Vec::new()));
        }
        // SAFETY: what `Mmap::map` asks for is that nobody changes the file while it is mapped,
        // because the bytes are lent as `&[u8]`, which the compiler takes for constant.
        //
        // - This process does not: the map is read-only, and `convert` refuses an output that is its
        //   input.
        // - Another process could, and no program can keep it from that without a copy. The code
        //   is written so that the damage is a wrong value: only bytes are lent, of which every
        //   pattern is valid; they are copied out, or looked at as numbers of which every pattern
        //   is valid too; lengths and offsets into a pickle are kept outside the map, those into a
        //   store are checked at each use; every access is checked against the length of the map,
        //   which does not change; and text is checked to be UTF-8 on each access instead of once.
        // - Shortening the file ends the process with a signal (SIGBUS) at the next access beyond
        //   the new end: no memory but the file's own is ever read.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Bytes::Map(map))
    }

    /// All bytes, from the first of the file to the last.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Bytes::Map(map) => map,
            Bytes::Memory(bytes) => bytes,
        }
    }
}
