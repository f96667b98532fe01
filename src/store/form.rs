//! The on-disk forms of a store; content and digest are the same in all of them.

use std::path::Path;

use crate::corpus::column::Dtype;
use crate::name::named;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One HDF5 file, `NAME.h5`.
    Hdf5,
    /// A folder of Arrow IPC files, `NAME.arrow`.
    Arrow,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 2] = [Format::Hdf5, Format::Arrow];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Hdf5 => "hdf5",
            Format::Arrow => "arrow",
        }
    }

    /// File name extension, without its dot.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Hdf5 => "h5",
            Format::Arrow => "arrow",
        }
    }

    /// The format that a file name's extension implies, if any.
    pub fn of_name(path: &Path) -> Option<Format> {
        let ending = path.extension()?;
        Format::ALL.into_iter().find(|format| ending == format.ending())
    }

    /// The compressions that the format's readers support.
    pub fn compressions(self) -> &'static [Compression] {
        match self {
            Format::Hdf5 => &[Compression::None, Compression::Gzip],
            Format::Arrow => &[Compression::None, Compression::Zstd, Compression::Lz4],
        }
    }
}

/// Whether and how values are compressed, without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: values can be memory-mapped.
    None,
    /// Zstandard.
    Zstd,
    /// Deflate, after shuffling the values' bytes by significance.
    Gzip,
    /// LZ4 in its frame format.
    Lz4,
}

impl Compression {
    /// All compressions.
    pub const ALL: [Compression; 4] =
        [Compression::None, Compression::Zstd, Compression::Gzip, Compression::Lz4];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
            Compression::Lz4 => "lz4",
        }
    }
}

/// Element type of feature blocks on disk. Readers always get float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureDtype {
    /// Unchanged.
    Float32,
    /// Rounded to half the size: 11 significant bits, up to 65504.
    Float16,
}

impl FeatureDtype {
    /// All types.
    pub const ALL: [FeatureDtype; 2] = [FeatureDtype::Float32, FeatureDtype::Float16];

    /// The name on the command line, and numpy's.
    pub fn name(self) -> &'static str {
        self.dtype().name()
    }

    /// The type of such feature columns.
    pub fn dtype(self) -> Dtype {
        match self {
            FeatureDtype::Float32 => Dtype::Float32,
            FeatureDtype::Float16 => Dtype::Float16,
        }
    }

    /// Note for the manifest.
    pub(super) fn note(self) -> Option<String> {
        match self {
            FeatureDtype::Float32 => None,
            FeatureDtype::Float16 => Some("features: rounded to float16".into()),
        }
    }
}

named!(Format, Compression, FeatureDtype);
