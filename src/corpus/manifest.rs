//! A store's manifest: its origin, its content, and the digests of both.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clips::BuildRecord;
use super::column::{Column, ColumnId, ColumnKind};
use super::label::LabelScale;
use super::names::FeatureNames;
use super::scale::{OwnScale, ScaleFile};
use super::sharing::IdsBySplit;
use super::values::ValueKind;
use super::{Dataset, Modality, SplitName};

/// How the frames of the modalities relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Alignment {
    /// All modalities have one step per word.
    Aligned,
    /// Each modality has its own rate.
    Unaligned,
}

impl Alignment {
    /// The name in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Alignment::Aligned => "aligned",
            Alignment::Unaligned => "unaligned",
        }
    }
}

/// A file that a store was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// File name without its folder.
    pub file_name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the whole file, lower-case hexadecimal.
    pub sha256: String,
    /// The official release that has this SHA-256, or that of its entry, such as `CMU-MOSI
    /// unaligned_50`; absent where the file is none.
    pub release: Option<String>,
    /// What was read of a file that is packed: its content, or an entry of an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<SourceEntry>,
}

/// What was taken out of a packed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceEntry {
    /// Name of the entry with its folders, or the name of a compressed file without its ending.
    pub name: String,
    /// Unpacked size in bytes.
    pub size: u64,
    /// SHA-256 of the unpacked bytes, lower-case hexadecimal.
    pub sha256: String,
}

/// One split: which segments, in which order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitManifest {
    /// Which split.
    pub name: SplitName,
    /// BLAKE3 of the ids in order, each preceded by its length.
    pub digest: String,
    /// Segment ids in the order of the rows.
    pub ids: Vec<String>,
    /// The video of each segment.
    pub videos: Vec<String>,
    /// Start and end of each segment in its video, in seconds; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Vec<[f64; 2]>>,
}

/// What computed the text features of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextEncoder {
    /// Name of the encoder's folder.
    pub name: String,
    /// SHA-256 of the file with its weights, lower-case hexadecimal.
    pub sha256: String,
    /// BLAKE3 of the same file, lower-case hexadecimal.
    pub blake3: String,
    /// The column that it read: `text_bert`, or `raw_text` with the encoder's own tokenizer.
    pub source: String,
    /// BLAKE3 of what its tokenizer was read from, if that made the tokens; stores of older versions
    /// do not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer_blake3: Option<String>,
}

/// The beginning of the note on how computational sequences became segments; the mode and its options
/// follow, as JSON.
pub const ALIGNED_BY: &str = "aligned by ";

/// Values of one kind in one feature column that could not be stored as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueCount {
    /// Path of the column in the store, such as `/train/audio`.
    #[schemars(with = "String")]
    pub column: ColumnId,
    /// `NaN`, `+inf`, `-inf`, or `overflow`: finite in the source and beyond the stored type.
    pub kind: ValueKind,
    /// What was done: `zero`, `clip`, `mean`, `drop-segment` or `keep`.
    pub action: String,
    /// Number of values.
    pub n_values: u64,
    /// Number of segments that have one.
    pub n_segments: u64,
    /// Ids of the first few of them.
    pub first: Vec<String>,
    /// Of `overflow`, the source's value of largest magnitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest: Option<f64>,
}

/// A mean that stands in the place of values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeatureMean {
    /// Of which modality.
    pub modality: Modality,
    /// Which of its features, counted from 0.
    pub feature: usize,
    /// The mean of the values that could be stored, over the training split's frames.
    pub mean: f32,
    /// Number of these values; the mean of none is 0.
    pub n_values: u64,
}

/// Segments of the source that are not in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Of which split.
    pub split: SplitName,
    /// Their ids, in the order of the source.
    pub ids: Vec<String>,
}

/// What became of values that could not be stored as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueRecord {
    /// The policy for values that are not finite.
    pub on_nonfinite: String,
    /// The policy for finite values beyond the stored type.
    pub on_overflow: String,
    /// How many there were, by column and kind.
    pub counts: Vec<ValueCount>,
    /// The means that stand in the place of some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<FeatureMean>,
    /// Segments that were left out because of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

impl ValueRecord {
    /// The record without one modality; `None` if nothing is left.
    pub fn without(&self, modality: Modality) -> Option<ValueRecord> {
        let mut record = self.clone();
        record.counts.retain(|count| count.column.kind != ColumnKind::Features(modality));
        record.means.retain(|mean| mean.modality != modality);
        (!record.counts.is_empty() || !record.left_out.is_empty()).then_some(record)
    }
}

/// Everything about a store but its data, as HDF5 holds it in the attribute `manifest` and Arrow in
/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the store's layout.
    pub store_version: u32,
    /// Program and version that wrote the store.
    pub writer: String,
    /// Which dataset it is.
    pub dataset: Dataset,
    /// What its labels are; present exactly if `dataset` is `own`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ScaleFile>")]
    pub label_scale: Option<OwnScale>,
    /// Relation of the frames; absent with fewer than two modalities.
    pub alignment: Option<Alignment>,
    /// Name of the layout that was recognised.
    pub layout: String,
    /// The source files, in the order in which they were read; most layouts have one.
    pub sources: Vec<Source>,
    /// The splits that are present, in the order train, valid, test.
    pub splits: Vec<SplitManifest>,
    /// All datasets, in the order in which they were written.
    pub columns: Vec<Column>,
    /// Every change of a value and everything left out between source and store.
    pub notes: Vec<String>,
    /// BLAKE3 over the path, type, shape and digest of every column: the same for every file
    /// that holds the same data.
    pub digest: String,
    /// What computed the text features; absent where they came with the source files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_encoder: Option<TextEncoder>,
    /// What became of values that could not be stored as they were; absent where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ValueRecord>,
    /// Names of the features of each modality that has any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<Modality, FeatureNames>,
    /// How it was made from a table of clips; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildRecord>,
}

impl Manifest {
    /// The JSON Schema of a manifest.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Manifest)
    }

    /// How computational sequences became segments, as the notes record it: `{"MODE": {OPTIONS}}`.
    pub fn aligned_by(&self) -> Option<serde_json::Value> {
        let json = self.notes.iter().find_map(|note| note.strip_prefix(ALIGNED_BY))?;
        serde_json::from_str(json).ok()
    }

    /// What the labels are. A manifest of a store that was opened has a description of its own labels.
    pub fn scale(&self) -> LabelScale<'_> {
        LabelScale::of(self.dataset, self.label_scale.as_ref())
    }

    /// The name of the dataset in papers, or that of its own description.
    pub fn title(&self) -> &str {
        self.label_scale.as_ref().map_or(self.dataset.title(), OwnScale::title)
    }

    /// One split's entry.
    pub fn split(&self, name: SplitName) -> Option<&SplitManifest> {
        self.splits.iter().find(|split| split.name == name)
    }

    /// The segment ids of each split.
    pub fn ids(&self) -> IdsBySplit<'_> {
        let splits = self.splits.iter();
        splits.map(|split| (split.name, split.ids.iter().map(String::as_str).collect())).collect()
    }

    /// One column's entry.
    pub fn column(&self, id: &ColumnId) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == *id)
    }

    /// Whether a split has the labels that splits are drawn by: classes where these have no values.
    pub fn is_labelled(&self, split: SplitName) -> bool {
        let kind = match self.scale() {
            LabelScale::Own(own) if own.is_unordered() => ColumnKind::ClassificationLabels,
            _ => ColumnKind::RegressionLabels,
        };
        self.column(&kind.of(split)).is_some()
    }

    /// The columns of one split, in order.
    pub fn columns_of(&self, split: SplitName) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.id.split == split)
    }
}

/// The store digest of some columns.
pub fn store_digest(columns: &[Column]) -> String {
    let mut lines: Vec<String> = columns
        .iter()
        .map(|column| {
            format!("{} {} {:?} {}\n", column.id, column.dtype, column.shape, column.blake3)
        })
        .collect();
    lines.sort();
    blake3::hash(lines.concat().as_bytes()).to_hex().to_string()
}
