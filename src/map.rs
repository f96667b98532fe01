//! The bytes of a file, mapped or in memory. The only `unsafe` of the data half is here; outside of
//! this file and the trainer's `native` the compiler rejects it.

#![allow(unsafe_code)]

use std::any::Any;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use memmap2::Mmap;

/// Watches a map from when it is made until what it returns is dropped.
pub type Watch = fn(&[u8]) -> Box<dyn Any + Send + Sync>;

static WATCH: OnceLock<Watch> = OnceLock::new();

/// Has all maps watched that are made from now on. A program that goes on when a mapped file is shortened
/// needs their addresses. Only the first watch counts.
pub fn watch(watch: Watch) {
    let _is_first = WATCH.set(watch);
}

/// A file, mapped read-only.
pub(crate) struct Map {
    // Dropped first: the addresses may belong to another map as soon as this one is gone.
    _watched: Option<Box<dyn Any + Send + Sync>>,
    map: Mmap,
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

/// All bytes of a file, or a range of them.
pub(crate) enum Bytes {
    Map(Map),
    Part(Map, Range<usize>),
    Memory(Vec<u8>),
    /// Bytes that another object owns.
    Shared(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

/// Opens a file that is not a device or pipe; opening a named pipe would block until it has a writer.
///
/// # Errors
/// The file does not exist, cannot be opened, or is not a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    match std::fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("not a regular file")),
    }
}

impl Bytes {
    /// Maps the file at `path` read-only.
    ///
    /// # Errors
    /// If the file cannot be opened, is not a regular file, or cannot be mapped.
    pub(crate) fn map(path: &Path) -> io::Result<Bytes> {
        Bytes::of_file(&open_regular(path)?)
    }

    /// Maps an open file read-only.
    ///
    /// # Errors
    /// Same as [`Bytes::map`].
    pub(crate) fn of_file(file: &File) -> io::Result<Bytes> {
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
        //   the new end, unless a `Watch` handles it: no memory but the file's own is ever read.
        // - A file that was unpacked has no name, so that nobody else can open it.
        let map = unsafe { Mmap::map(file)? };
        let watched = WATCH.get().map(|watch| watch(&map));
        Ok(Bytes::Map(Map { _watched: watched, map }))
    }

    /// A range of the bytes, without a copy; empty if out of range.
    pub(crate) fn part(self, part: Range<usize>) -> Bytes {
        match self {
            Bytes::Map(map) => Bytes::Part(map, part),
            Bytes::Part(map, whole) => {
                let start = whole.start.saturating_add(part.start);
                let end = whole.start.saturating_add(part.end).min(whole.end);
                Bytes::Part(map, start..end)
            }
            Bytes::Memory(_) | Bytes::Shared(_) => {
                Bytes::Memory(self.bytes().get(part).map(<[u8]>::to_vec).unwrap_or_default())
            }
        }
    }

    /// All bytes, from the first to the last.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Bytes::Map(map) => map,
            Bytes::Part(map, part) => map.get(part.clone()).unwrap_or(&[]),
            Bytes::Memory(bytes) => bytes,
            Bytes::Shared(bytes) => (**bytes).as_ref(),
        }
    }
}
