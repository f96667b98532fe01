//! The feature store: one HDF5 file, or one folder of Arrow files, that Python opens directly; complete
//! or absent.
//!
//! This module knows the store's layout, versions and digests. It must not know pickles, models or the
//! command line. [`write()`], [`copy()`] and [`with_text()`] write stores, [`Store`] reads them;
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
//! A `Manifest` records the content's source, the BLAKE3 of every column and, computed from these, the
//! store's digest, which is the same in every form.
//!
//! # Forms
//!
//! | form | where the values are | readers |
//! |---|---|---|
//! | HDF5 | contiguous | every HDF5 library; can be memory-mapped |
//! | HDF5, gzip | chunks of samples, shuffled, deflated | every HDF5 library with zlib, such as h5py's |
//! | Arrow | batches of a few MiB | every Arrow library; memory-mapped without a copy |
//! | Arrow, zstd or lz4 | compressed buffers of batches | Arrow libraries with that codec, such as pyarrow |
//!
//! HDF5: the root's attributes name the version, the dataset and the source; `manifest` holds the
//! [`Manifest`](crate::corpus::manifest::Manifest) as JSON; every dataset carries its BLAKE3. After
//! HDF5's end of file comes a line with the BLAKE3 of all bytes that no dataset digest covers, so that
//! `validate` detects a change of any byte. Arrow: `manifest.json` holds the manifest and a digest of
//! all other content of each file; a column is named like its dataset without the split, and columns of
//! several axes have the extension type `arrow.fixed_shape_tensor`.
//!
//! Features can be stored as float16 ([`FeatureDtype`]): the digest covers the stored values, and all
//! readers return float32.

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
mod places;
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

pub use arrow::field as arrow_field;
pub use content::Content;
pub use cursor::FeatureReader;
pub use digest::Element;
pub(crate) use digest::le_bytes;
pub use form::{Compression, FeatureDtype, Format};
pub use labels::RefusedLabels;
pub use places::ColumnPlaces;
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

/// The version that this program writes, and the only one it reads.
pub const VERSION: u32 = 1;

/// Why a store could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("{path}: {}", tried(action, cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
    /// The output already exists.
    #[error("{path}: already exists")]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The output is a folder that contains something other than a store.
    #[error("{path}: is a folder that holds more than a store")]
    Foreign {
        /// The output.
        path: PathBuf,
    },
    /// The output is the store being read.
    #[error("{path}: the output would replace the input")]
    OutputIsInput {
        /// The output.
        path: PathBuf,
    },
    /// The format does not support the compression.
    #[error("{path}: {format} has no compression `{compression}`")]
    Compression {
        /// The output.
        path: PathBuf,
        /// Its format.
        format: Format,
        /// The requested compression.
        compression: Compression,
    },
    /// Not a store, but a file of a known other kind.
    #[error("{path}: is not a feature store: it is {what}")]
    OtherFile {
        /// The file or folder.
        path: PathBuf,
        /// Description of the file.
        what: &'static str,
        /// Possible fix.
        advice: Box<Advice>,
    },
    /// A folder, but not an Arrow store.
    #[error("{path}: is a folder but not a feature store: it lacks `manifest.json`")]
    NotArrow {
        /// The folder.
        path: PathBuf,
    },
    /// The file is not an HDF5 file.
    #[error("{path}: is not an HDF5 file: offset 0 does not hold the HDF5 signature")]
    NotHdf5 {
        /// The file.
        path: PathBuf,
    },
    /// The HDF5 library fails to open the file.
    #[error("{path}: is damaged, so that it cannot be opened")]
    Unopened {
        /// The file.
        path: PathBuf,
        /// The library's message.
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
        /// Whether writing failed, rather than reading.
        is_written: bool,
        /// The library's message.
        #[source]
        cause: Said,
    },
    /// The file is truncated.
    #[error("{path}: is cut: {found} of {expected} bytes are there")]
    Cut {
        /// The file.
        path: PathBuf,
        /// Actual size in bytes.
        found: u64,
        /// Size in bytes according to the header.
        expected: u64,
    },
    /// An HDF5 file that this program did not write.
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
    /// A sample to be written could not be read or computed.
    #[error("{column}: sample {sample_idx} (`{id}`) cannot be read")]
    Unreadable {
        /// The column that it belongs to.
        column: Box<ColumnId>,
        /// Its index in the split, from 0.
        sample_idx: usize,
        /// Its id.
        id: String,
        /// The source's error.
        #[source]
        cause: RowError,
    },
    /// Values that the chosen policies do not allow.
    #[error("{0}")]
    Refused(Box<RefusedValues>),
    /// Labels that float32 cannot hold.
    #[error("{0}")]
    RefusedLabels(Box<RefusedLabels>),
    /// A split that the chosen policies would leave empty.
    #[error("`{split}`: none of its {n_segments} segments would be left")]
    NothingLeft {
        /// The split.
        split: SplitName,
        /// Number of segments in it.
        n_segments: usize,
        /// The values whose policy removes them.
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
    /// The error for an unreadable sample of `column`, whose samples have `ids`.
    fn unreadable(column: ColumnId, unread: copy::Unread, ids: &[String]) -> StoreError {
        let copy::Unread { sample_idx, cause } = unread;
        let id = ids.get(sample_idx).cloned().unwrap_or_default();
        StoreError::Unreadable { column: Box::new(column), sample_idx, id, cause }
    }

    /// Identifies a file at `path` that is not a store; `None` if unknown.
    fn of_other(path: &std::path::Path) -> Option<StoreError> {
        let known = signature::of_path(path).filter(|known| known.kind.role != Role::Store)?;
        let name = path.display().to_string();
        let advice = match known.kind.role {
            Role::Packed => KnownAdvice::ConvertPacked { file: quoted_name(&name) }.into(),
            _ => known.advice,
        };
        // An HDF5 file of another program is still an HDF5 file.
        (known.kind.id != "hdf5").then(|| StoreError::OtherFile {
            path: path.into(),
            what: known.kind.what,
            advice: Box::new(advice),
        })
    }
}
