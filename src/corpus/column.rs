//! A column of a store: its split, content and value type.
//!
//! Files name a column by its path and its type by a word. Only this module parses both: an unknown
//! type is refused; an unknown column is [`ColumnKind::Other`], which is kept and compared with its
//! digest but not interpreted.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::label::Bins;
use super::{Modality, SplitName};
use crate::name::named;

/// Type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE 754, 32 bits.
    Float32,
    /// IEEE 754, 16 bits; only for features.
    Float16,
    /// Signed integers of 32 bits.
    Int32,
    /// Signed integers of 8 bits.
    Int8,
    /// Texts in UTF-8.
    String,
}

impl Dtype {
    /// All types.
    pub const ALL: [Dtype; 5] =
        [Dtype::Float32, Dtype::Float16, Dtype::Int32, Dtype::Int8, Dtype::String];

    /// The name in manifests, which is numpy's except for texts.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::Float32 => "float32",
            Dtype::Float16 => "float16",
            Dtype::Int32 => "int32",
            Dtype::Int8 => "int8",
            Dtype::String => "string",
        }
    }

    /// Bytes of one value; for texts, whose lengths vary, those of one offset.
    pub fn n_bytes(self) -> usize {
        match self {
            Dtype::Int8 => 1,
            Dtype::Float16 => 2,
            Dtype::Float32 | Dtype::Int32 | Dtype::String => 4,
        }
    }
}

named!(Dtype);

/// Content of a column, per sample of its split.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// Segment ids.
    Id,
    /// Transcripts.
    RawText,
    /// Label words such as `Negative`.
    Annotations,
    /// Features of a modality, `[n_samples, seq_len, feat_dim]`.
    Features(Modality),
    /// Token ids, mask and segment ids, `[n_samples, 3, seq_len]`.
    TextBert,
    /// Word indices into a vocabulary outside the source, `[n_samples, seq_len]`.
    Words,
    /// Numbers of real frames in a modality.
    Lengths(Modality),
    /// Overall regression labels.
    RegressionLabels,
    /// Unimodal regression labels.
    RegressionLabelsOf(Modality),
    /// Class labels of the source.
    ClassificationLabels,
    /// Strengths of six emotions, `[n_samples, 6]`.
    EmotionLabels,
    /// Classes of the overall labels in one binning scheme.
    Bins(Bins),
    /// Something unknown to this program, by name; only [`FromStr`] creates one.
    #[non_exhaustive]
    Other(String),
}

impl ColumnKind {
    /// All known kinds, except binning schemes of datasets of one's own.
    pub fn known() -> impl Iterator<Item = ColumnKind> {
        let single = [
            ColumnKind::Id,
            ColumnKind::RawText,
            ColumnKind::Annotations,
            ColumnKind::TextBert,
            ColumnKind::Words,
            ColumnKind::RegressionLabels,
            ColumnKind::ClassificationLabels,
            ColumnKind::EmotionLabels,
        ];
        let of_modality = |modality| {
            [
                ColumnKind::Features(modality),
                ColumnKind::Lengths(modality),
                ColumnKind::RegressionLabelsOf(modality),
            ]
        };
        let of_modalities = Modality::ALL.into_iter().flat_map(of_modality);
        single.into_iter().chain(of_modalities).chain(Bins::PUBLISHED.map(ColumnKind::Bins))
    }

    /// The name within the split.
    pub fn name(&self) -> &str {
        match self {
            ColumnKind::Id => "id",
            ColumnKind::RawText => "raw_text",
            ColumnKind::Annotations => "annotations",
            ColumnKind::Features(modality) => modality.name(),
            ColumnKind::TextBert => "text_bert",
            ColumnKind::Words => "words",
            ColumnKind::Lengths(Modality::Text) => "text_lengths",
            ColumnKind::Lengths(Modality::Audio) => "audio_lengths",
            ColumnKind::Lengths(Modality::Vision) => "vision_lengths",
            ColumnKind::RegressionLabels => "regression_labels",
            ColumnKind::RegressionLabelsOf(Modality::Text) => "regression_labels_T",
            ColumnKind::RegressionLabelsOf(Modality::Audio) => "regression_labels_A",
            ColumnKind::RegressionLabelsOf(Modality::Vision) => "regression_labels_V",
            ColumnKind::ClassificationLabels => "classification_labels",
            ColumnKind::EmotionLabels => "emotion_labels",
            ColumnKind::Bins(bins) => bins.column(),
            ColumnKind::Other(name) => name,
        }
    }

    /// The modality whose features it holds; `None` for other columns.
    pub fn modality(&self) -> Option<Modality> {
        match self {
            ColumnKind::Features(modality) => Some(*modality),
            _ => None,
        }
    }

    /// The column of this kind in a split.
    pub fn of(self, split: SplitName) -> ColumnId {
        ColumnId { split, kind: self }
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ColumnKind {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<ColumnKind, Self::Err> {
        let known = ColumnKind::known().find(|kind| kind.name() == name);
        let own = || Bins::of_column(name).map(ColumnKind::Bins);
        Ok(known.or_else(own).unwrap_or_else(|| ColumnKind::Other(name.into())))
    }
}

/// Identifies a column by split and content. Its text form is its path in the store, such as
/// `/train/audio`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ColumnId {
    /// The split.
    pub split: SplitName,
    /// The content.
    pub kind: ColumnKind,
}

impl fmt::Display for ColumnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/{}", self.split, self.kind)
    }
}

/// A text that is not a column's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a column path such as `/train/audio`")]
pub struct NoColumn(String);

impl FromStr for ColumnId {
    type Err = NoColumn;

    fn from_str(path: &str) -> Result<ColumnId, NoColumn> {
        let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let id = parts.and_then(|(split, name)| {
            let kind = name.parse().ok().filter(|_| !name.is_empty())?;
            Some(ColumnId { split: split.parse().ok()?, kind })
        });
        id.ok_or_else(|| NoColumn(path.into()))
    }
}

impl TryFrom<String> for ColumnId {
    type Error = NoColumn;

    fn try_from(path: String) -> Result<ColumnId, NoColumn> {
        path.parse()
    }
}

impl From<ColumnId> for String {
    fn from(id: ColumnId) -> String {
        id.to_string()
    }
}

/// One dataset of the store and the digest of its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Path in the store, such as `/train/audio`.
    #[serde(rename = "path")]
    #[schemars(with = "String")]
    pub id: ColumnId,
    /// `float32`, `float16` (features only), `int32`, `int8` or `string`.
    #[schemars(with = "String")]
    pub dtype: Dtype,
    /// Extents, the number of samples first.
    pub shape: Vec<usize>,
    /// BLAKE3 of the raw little-endian bytes; of strings, each preceded by its length in eight
    /// bytes.
    pub blake3: String,
}

impl Column {
    /// The name within the split.
    pub fn name(&self) -> &str {
        self.id.kind.name()
    }

    /// The modality whose features it holds; `None` for other columns.
    pub fn modality(&self) -> Option<Modality> {
        self.id.kind.modality()
    }

    /// Number of samples; 0 for a column without axes.
    pub fn n_samples(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Extents of one sample.
    pub fn sample_shape(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or_default()
    }

    /// Values per sample; `None` if the product overflows.
    pub fn sample_len(&self) -> Option<usize> {
        self.sample_shape().iter().try_fold(1_usize, |all, extent| all.checked_mul(*extent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_its_name_and_no_two_share_one() {
        let mut names = Vec::new();
        for kind in ColumnKind::known() {
            assert_eq!(kind.name().parse(), Ok(kind.clone()));
            let id = kind.clone().of(SplitName::Test);
            assert_eq!(id.to_string().parse(), Ok(id));
            match &kind {
                ColumnKind::Lengths(of) => assert_eq!(kind.name(), format!("{of}_lengths")),
                ColumnKind::RegressionLabelsOf(of) => {
                    assert_eq!(kind.name(), format!("regression_labels_{}", of.letter()));
                }
                ColumnKind::Bins(bins) => assert_eq!(kind.name(), format!("bins/{}", bins.name())),
                _ => {}
            }
            names.push(kind.name().to_owned());
        }
        names.sort();
        let n_kinds = names.len();
        names.dedup();
        assert_eq!(names.len(), n_kinds);
    }

    #[test]
    fn what_is_not_known_keeps_its_path() {
        let path = "/valid/bins/nine";
        let id: ColumnId = path.parse().unwrap();
        assert!(matches!(&id.kind, ColumnKind::Other(name) if name == "bins/nine"));
        assert_eq!(id.to_string(), path);
        let own: ColumnId = "/valid/bins/acc_stars".parse().unwrap();
        assert!(matches!(&own.kind, ColumnKind::Bins(bins) if bins.name() == "acc_stars"));
        for path in ["", "/", "train/audio", "/train", "/train/", "/dev/audio", "//audio"] {
            assert!(path.parse::<ColumnId>().is_err(), "{path}");
        }
    }

    #[test]
    fn a_column_is_written_as_its_path_and_a_word() {
        let json = r#"{"path":"/train/audio","dtype":"float16","shape":[2,3,4],"blake3":"0"}"#;
        let column: Column = serde_json::from_str(json).unwrap();
        assert_eq!(column.modality(), Some(Modality::Audio));
        assert_eq!(column.dtype, Dtype::Float16);
        assert_eq!(serde_json::to_string(&column).unwrap(), json);
        for dtype in Dtype::ALL {
            assert_eq!(serde_json::to_value(dtype).unwrap(), dtype.name());
        }
        let unknown = json.replace("float16", "float64");
        let error = serde_json::from_str::<Column>(&unknown).unwrap_err().to_string();
        assert!(error.contains("float64") && error.contains("float16"), "{error}");
    }
}
