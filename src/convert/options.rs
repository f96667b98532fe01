//! Options of a conversion.

use std::collections::BTreeMap;
use std::path::Path;

use crate::corpus::features::NamedSet;
use crate::corpus::scale::OwnScale;
use crate::corpus::{Dataset, Modality};
use crate::ingest;
use crate::packed::OpenOptions;
use crate::store::{
    Compression, FeatureDtype, Format, NonFinite, OnOverflow, OutputOptions, WriteOptions,
};

/// Options of a conversion. The defaults behave like the published loaders, but refuse values that
/// those pass on although no model can be trained on them.
#[derive(Debug, Clone)]
pub struct ConvertOptions {
    /// The dataset; `None` to infer it from shapes, labels or the file name.
    pub dataset: Option<Dataset>,
    /// What the labels are, of a dataset of one's own, which the store is then of.
    pub label_scale: Option<OwnScale>,
    /// What the files leave open: layout, split, text encoding, lengths to cut to.
    pub source: ingest::IngestOptions,
    /// Which entry of a packed file to read, and the limits for pickles.
    pub opening: OpenOptions,
    /// Whether to leave out unlabelled segments of splits that have labels.
    pub drop_unlabelled: bool,
    /// Policy for values that are NaN or infinite.
    pub on_nonfinite: NonFinite,
    /// Policy for finite values beyond the range of `dtype`.
    pub on_overflow: OnOverflow,
    /// The known set of features that a modality has, and how its values are.
    pub features: BTreeMap<Modality, NamedSet>,
    /// Element type of the features in the store.
    pub dtype: FeatureDtype,
    /// HDF5 or Arrow; `None` for the format of the output's extension, or HDF5 if it implies none.
    pub format: Option<Format>,
    /// Compression of the values; the format must support it.
    pub compression: Compression,
    /// Whether to replace an existing output.
    pub overwrite: bool,
    /// Whether to wait until everything is on disk.
    pub sync: bool,
}

impl Default for ConvertOptions {
    fn default() -> ConvertOptions {
        ConvertOptions {
            dataset: None,
            label_scale: None,
            source: ingest::IngestOptions::default(),
            opening: OpenOptions::default(),
            drop_unlabelled: false,
            on_nonfinite: NonFinite::Loaders,
            on_overflow: OnOverflow::Error,
            features: BTreeMap::new(),
            dtype: FeatureDtype::Float32,
            format: None,
            compression: Compression::None,
            overwrite: false,
            sync: true,
        }
    }
}

impl ConvertOptions {
    /// Options for writing the store of `dataset` to `output`.
    pub(super) fn writing(&self, dataset: Dataset, output: &Path) -> WriteOptions {
        let format = self.format.or(Format::of_name(output)).unwrap_or(Format::Hdf5);
        WriteOptions {
            dataset,
            label_scale: self.label_scale.clone(),
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
