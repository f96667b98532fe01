//! The HDF5 form of a store: one file, one dataset per column.

mod read;
mod write;

pub(super) use read::Hdf5Reader;
pub(super) use write::Hdf5Output;

/// Name and value of the attribute that marks a sealed file.
const SEAL_ATTRIBUTE: (&str, &str) = (
    "seal",
    "the last line of the file: BLAKE3 of all bytes outside of contiguous numeric datasets",
);

/// Start of the last line; the digest and a line feed follow.
const SEAL: &[u8] = b"\nalmt-data seal, blake3 ";

/// Bytes of the last line.
const SEAL_LEN: usize = SEAL.len() + blake3::OUT_LEN * 2 + 1;
