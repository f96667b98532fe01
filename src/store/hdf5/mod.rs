//! The HDF5 form of a store: one file, one dataset per column.

mod answer;
mod read;
mod write;

use ::hdf5::plist::file_access::FileAccessBuilder;

pub(super) use read::Hdf5Reader;
pub(super) use write::Hdf5Output;

/// Name of the attribute that says that the file is sealed, and its value.
const SEAL_ATTRIBUTE: (&str, &str) = (
    "seal",
    "the last line of the file: BLAKE3 of all bytes outside of contiguous numeric datasets",
);

/// What the last line begins with; the digest and a line feed follow.
const SEAL: &[u8] = b"\nalmt-data seal, blake3 ";

/// Bytes of the last line.
const SEAL_LEN: usize = SEAL.len() + blake3::OUT_LEN * 2 + 1;

/// How every file is opened: without the library's lock, which networked file systems often refuse and
/// which goes with its descriptor to programs that are started meanwhile. A store needs none, since it
/// appears whole and is never written to again.
fn unlocked(access: &mut FileAccessBuilder) -> &mut FileAccessBuilder {
    access.file_locking(false)
}
