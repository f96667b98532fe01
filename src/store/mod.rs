//! The feature store: one HDF5 file, or one folder of Arrow files, that Python opens as it is;
//! complete or absent.
//!
//! This module knows the store's layout, versions and digests. It must not know pickles, models or
//! the command line. The write side is [`write()`], [`copy()`] and [`with_text()`], the read side [`Store`];
//! `validate` is [`Store::verify`].
//!
//! # Layout, version 1
//!
//! ```text
//! /train /valid /test
//!   id, raw_text, annotations      UTF-8 strings, [n_samples]
//!   text, audio, vision            float32 [n_samples, seq_len, feat_dim]
//!   text_bert                      int32 [n_samples, 3, seq_len]: token ids, mask, segment ids
//!   words                          int32 [n_samples, seq_len]: the source's vocabulary indices
//!   audio_lengths, vision_lengths  int32 [n_samples]
//!   regression_labels              float32 [n_samples]; also _T, _A, _V where the source has them
//!   classification_labels          int32 [n_samples]
//!   bins/NAME                      int8 [n_samples], -1 = excluded
//! ```
//!
//! A `Manifest` says where the content comes from and has the BLAKE3 of every column, and with them
//! the digest of the store, which is the same in every form of it.
//!
//! # Forms
//!
//! | form | where the values are | who reads it |
//! |---|---|---|
//! | HDF5 | contiguous | every HDF5 library; can be memory-mapped |
//! | HDF5, gzip | chunks of samples, shuffled, deflated | every HDF5 library with zlib, as h5py has it |
//! | Arrow | batches of a few MiB | every Arrow library; memory-mapped without a copy |
//! | Arrow, zstd or lz4 | buffers of batches, each compressed | Arrow libraries with that codec, as pyarrow has both |
//!
//! HDF5: the root's attributes name the version, the dataset and the source; `manifest` holds the
//! [`Manifest`](crate::corpus::manifest::Manifest) as JSON; every dataset carries its BLAKE3.
//! Behind the end of the file as HDF5 has it stands a
//! line with the BLAKE3 of all bytes that no dataset's digest is formed of, so that `validate` finds
//! a change of any byte.
//! Arrow: the manifest is in `manifest.json`, with the digest of what else there is in each file; a column is named like its dataset without the split,
//! and columns of several axes are of the extension type `arrow.fixed_shape_tensor`.
//!
//! Features can be stored as float16 ([`FeatureDtype`]): the digest is over what is stored, and
//! everything that reads gives float32.

mod arrow;
mod balance;
mod census;
mod columns;
mod content;
mod copy;
mod cursor;
mod describe;
mod digest;
mod drawable;
mod form;
mod hdf5;
mod labels;
mod output;
mod policy;
mod read;
mod reformat;
mod refused;
mod retext;
mod seal;
mod seen;
mod settled;
mod summary;
mod verify;
mod write;

pub use content::Content;
pub use cursor::FeatureReader;
pub use digest::Element;
pub(crate) use digest::le_bytes;
pub use form::{Compression, FeatureDtype, Format};
pub use labels::RefusedLabels;
pub use policy::{NonFinite, OnOverflow};
pub use read::{Store, column_bytes};
pub use reformat::{Copied, copy, copy_file};
pub use refused::RefusedValues;
pub use retext::{NewText, with_text};
pub use verify::Verification;
pub use write::{EntryInfo, Outcome, OutputOptions, SourceInfo, WriteOptions, write};

use std::path::PathBuf;

use crate::advice::{Advice, Advise, KnownAdvice, StoreAdvice, UnfitValues};
use crate::chain::{Said, tried};
use crate::corpus::column::ColumnId;
use crate::corpus::{RowError, SplitName};
use crate::signature::{self, Role};
use crate::words::quoted_name;

/// The version that this program writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// Why a store could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("{path}: {}", tried(action, cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        #[source]
        cause: std::io::Error,
    },
    /// The output already exists.
    #[error("{path}: already exists")]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The output is a folder in which lies something else than a store.
    #[error("{path}: is a folder that holds more than a store")]
    Foreign {
        /// The output.
        path: PathBuf,
    },
    /// The output is the store that is read.
    #[error("{path}: the output would replace the input")]
    OutputIsInput {
        /// The output.
        path: PathBuf,
    },
    /// The format has no such compression.
    #[error("{path}: {format} has no compression `{compression}`")]
    Compression {
        /// The output.
        path: PathBuf,
        /// Its format.
        format: Format,
        /// What was asked for.
        compression: Compression,
    },
    /// No store, but something that is known.
    #[error("{path}: is not a feature store: it is {what}")]
    OtherFile {
        /// The file or folder.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do with it.
        advice: Box<Advice>,
    },
    /// A folder, but not an Arrow store.
    #[error("{path}: is a folder but not a feature store: it lacks `manifest.json`")]
    NotArrow {
        /// The folder.
        path: PathBuf,
    },
    /// The file is no HDF5 file.
    #[error("{path}: is not an HDF5 file: offset 0 does not hold the HDF5 signature")]
    NotHdf5 {
        /// The file.
        path: PathBuf,
    },
    /// The HDF5 library does not open the file.
    #[error("{path}: is damaged, so that it cannot be opened")]
    Unopened {
        /// The file.
        path: PathBuf,
        /// What the library said.
        #[source]
        cause: Said,
    },
    /// The HDF5 library could not read or write.
    #[error("{path}: {place}: {}", if *is_written { "cannot be written" } else { "cannot be read, the file is damaged" })]
    Hdf5 {
        /// The file.
        path: PathBuf,
        /// The dataset or attribute.
        place: String,
        /// Whether it was to be written, and not read.
        is_written: bool,
        /// What the library said.
        #[source]
        cause: Said,
    },
    /// The file ends before its end.
    #[error("{path}: is cut: {found} of {expected} bytes are there")]
    Cut {
        /// The file.
        path: PathBuf,
        /// Bytes that are there.
        found: u64,
        /// Bytes that its header says.
        expected: u64,
    },
    /// An HDF5 file, but not written by this program.
    #[error(
        "{path}: is an HDF5 file but not a feature store: it lacks the attribute `store_version`"
    )]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// A store of a version that this program does not read.
    #[error(
        "{path}: attribute `store_version`: version {found} is not supported, this program reads \
         version {VERSION}"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        found: u64,
    },
    /// The content contradicts itself or its digests.
    #[error("{path}: {place}: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The dataset or attribute.
        place: String,
        /// Expected and found.
        problem: String,
    },
    /// Labels are needed, and the split has none.
    #[error("{path}: {split} has no regression labels")]
    NoLabels {
        /// The file.
        path: PathBuf,
        /// The split.
        split: SplitName,
    },
    /// A sample of what was to be written could not be read or computed.
    #[error("{column}: sample {sample_idx} (`{id}`) cannot be read")]
    Unreadable {
        /// The column that it belongs to.
        column: ColumnId,
        /// Its place in the split, counted from 0.
        sample_idx: usize,
        /// Its id.
        id: String,
        /// What its source said.
        #[source]
        cause: RowError,
    },
    /// Values that the chosen policies do not allow.
    #[error("{0}")]
    Refused(Box<RefusedValues>),
    /// Labels that float32 cannot hold.
    #[error("{0}")]
    RefusedLabels(Box<RefusedLabels>),
    /// A split of which the chosen policies would leave nothing.
    #[error("`{split}`: none of its {n_segments} segments would be left")]
    NothingLeft {
        /// Which split.
        split: SplitName,
        /// How many it has.
        n_segments: usize,
        /// The values whose policy it was.
        values: UnfitValues,
    },
}

impl Advise for StoreError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            StoreError::OtherFile { advice, .. } => return vec![(**advice).clone()],
            StoreError::Refused(refused) => return refused.advice(),
            StoreError::Unreadable { cause, .. } => return cause.advice(),
            StoreError::Exists { .. } => StoreAdvice::Overwrite,
            StoreError::Foreign { .. } => StoreAdvice::OtherOutput,
            StoreError::Cut { .. } => StoreAdvice::CopyOrConvert,
            StoreError::Version { .. } => StoreAdvice::ConvertOrOldProgram,
            StoreError::NoLabels { .. } => StoreAdvice::PredictOnly,
            StoreError::RefusedLabels(_) => StoreAdvice::CorrectLabel,
            StoreError::NothingLeft { values, .. } => StoreAdvice::KeepSegments(*values),
            StoreError::Io { .. }
            | StoreError::OutputIsInput { .. }
            | StoreError::Compression { .. }
            | StoreError::NotArrow { .. }
            | StoreError::NotHdf5 { .. }
            | StoreError::Unopened { .. }
            | StoreError::Hdf5 { .. }
            | StoreError::NotAStore { .. }
            | StoreError::Damaged { .. } => return Vec::new(),
        };
        vec![advice.into()]
    }
}

impl StoreError {
    /// The error that a sample of `column`, whose samples have `ids`, could not be read.
    fn unreadable(column: ColumnId, unread: copy::Unread, ids: &[String]) -> StoreError {
        let copy::Unread { sample_idx, cause } = unread;
        let id = ids.get(sample_idx).cloned().unwrap_or_default();
        StoreError::Unreadable { column, sample_idx, id, cause }
    }

    /// What is at `path`, which is no store; `None` if that is not known.
    fn of_other(path: &std::path::Path) -> Option<StoreError> {
        let known = signature::of_path(path).filter(|known| known.kind.role != Role::Store)?;
        let name = path.display().to_string();
        let advice = match known.kind.role {
            Role::Packed => KnownAdvice::ConvertPacked { file: quoted_name(&name) }.into(),
            _ => known.advice,
        };
        // An HDF5 file of another program is still one.
        (known.kind.id != "hdf5").then(|| StoreError::OtherFile {
            path: path.into(),
            what: known.kind.what,
            advice: Box::new(advice),
        })
    }
}
