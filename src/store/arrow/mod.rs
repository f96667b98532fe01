//! The Arrow form of a store: a folder with one IPC file per split and the manifest.
//!
//! ```text
//! NAME.arrow/
//!   train.arrow, valid.arrow, test.arrow
//!   manifest.json
//! ```
//!
//! Each file is in Arrow's IPC *file* format, version 5, little-endian. Its columns have the names of
//! the HDF5 datasets without the split: columns of one axis are of type `Utf8`, `Float32`, `Int32` or
//! `Int8`, all others are `arrow.fixed_shape_tensor`, a `FixedSizeList` with its shape. There are no
//! nulls and no dictionaries. A batch holds a few MiB; its buffers begin at multiples of 64 bytes, so
//! that values can be used directly from a memory map.
//!
//! `manifest.json` is one JSON object of four lines: the `version` of this layout, the `files`, the
//! `manifest`, and last the BLAKE3 of the lines before. For each file it holds the size and the BLAKE3
//! of all bytes that are not data: the places of values are verified before they are used.

mod body;
mod manifest;
mod read;
mod schema;
mod write;

pub(super) use manifest::is_ours;
pub(super) use read::ArrowReader;
pub use schema::field;
pub(super) use write::ArrowOutput;

/// First bytes of every file, with their padding.
const MAGIC: &[u8; 8] = b"ARROW1\0\0";

/// Last bytes of every file.
const END_MAGIC: &[u8; 6] = b"ARROW1";

/// Precedes the length of a message, and the length of zero that ends them.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Buffers begin at multiples of this many bytes in the file.
const ALIGNMENT: usize = 64;
