//! How a source is converted.

use std::path::Path;

use crate::corpus::Dataset;
use crate::ingest;
use crate::packed::OpenOptions;
use crate::store::{
    Compression, FeatureDtype, Format, NonFinite, OnOverflow, OutputOptions, WriteOptions,
};

/// How a source is converted. The default is what the published loaders do, and refuses whatever
/// they pass on that no model can be trained on.
#[derive(Debug, Clone)]
pub struct ConvertOptions {
    /// Which dataset it is; `None` where shapes, labels or the name of the file tell it.
    pub dataset: Option<Dataset>,
    /// What the files do not say themselves: layout, split, encoding of texts, lengths to cut to.
    pub source: ingest::IngestOptions,
    /// What to take of a packed file, and what a pickle may ask for.
    pub opening: OpenOptions,
    /// Whether segments without a label, of splits that have labels, are left out.
    pub drop_unlabelled: bool,
    /// What to do with values that are NaN or infinite.
    pub on_nonfinite: NonFinite,
    /// What to do with finite values beyond the range of `dtype`.
    pub on_overflow: OnOverflow,
    /// Element type of the features in the store.
    pub dtype: FeatureDtype,
    /// HDF5 or Arrow; `None` for what the ending of the output says, and HDF5 where it says nothing.
    pub format: Option<Format>,
    /// Whether and how the values are compressed, which is one of the format's ways.
    pub compression: Compression,
    /// Whether an existing output is replaced.
    pub overwrite: bool,
    /// Whether to wait until the disk has everything.
    pub sync: bool,
}

impl Default for ConvertOptions {
    fn default() -> ConvertOptions {
        ConvertOptions {
            dataset: None,
            source: ingest::IngestOptions::default(),
            opening: OpenOptions::default(),
            drop_unlabelled: false,
            on_nonfinite: NonFinite::Loaders,
            on_overflow: OnOverflow::Error,
            dtype: FeatureDtype::Float32,
            format: None,
            compression: Compression::None,
            overwrite: false,
            sync: true,
        }
    }
}

impl ConvertOptions {
    /// How the store of `dataset` is written to `output`.
    pub(super) fn writing(&self, dataset: Dataset, output: &Path) -> WriteOptions {
        let format = self.format.or(Format::of_name(output)).unwrap_or(Format::Hdf5);
        WriteOptions {
            dataset,
            on_nonfinite: self.on_nonfinite,
            on_overflow: self.on_overflow,
            dtype: self.dtype,
            output: OutputOptions {
                format,
                compression: self.compression,
                overwrite: self.overwrite,
                sync: self.sync,
            },
        }
    }
}
