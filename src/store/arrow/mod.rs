//! The Arrow form of a store: a folder with one IPC file per split and the manifest.
//!
//! ```text
//! NAME.arrow/
//!   train.arrow, valid.arrow, test.arrow
//!   manifest.json
//! ```
//!
//! Each file is in Arrow's IPC *file* format, version 5, little-endian. Its columns have the names
//! of the HDF5 datasets without the split: columns of one axis are of type `Utf8`, `Float32`,
//! `Int32` or `Int8`, all others are `arrow.fixed_shape_tensor`, a `FixedSizeList` with its shape.
//! There are no nulls and no dictionaries. A batch holds a few MiB, every buffer in it begins at a
//! multiple of 64 bytes, so that values can be used where they lie in a memory map.
//!
//! `manifest.json` is one JSON object of four lines: the `version` of this layout, the `files`, the
//! `manifest`, and last the BLAKE3 of the lines before. Of each file it holds the size and the
//! BLAKE3 of all that is not data: whatever says where values lie is checked before it is believed.

mod body;
mod manifest;
mod read;
mod schema;
mod write;

pub(super) use manifest::is_ours;
pub(super) use read::ArrowReader;
pub(super) use write::ArrowOutput;

/// Every file's first bytes, with their padding.
const MAGIC: &[u8; 8] = b"ARROW1\0\0";

/// Every file's last bytes.
const END_MAGIC: &[u8; 6] = b"ARROW1";

/// What stands before the length of a message, and before a length of zero at the end of them.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Buffers begin at multiples of this many bytes of the file.
const ALIGNMENT: usize = 64;
