//! How a store was made from a table of clips, as its manifest records it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the source's layout, in the place of one of pickles.
pub const CLIPS: &str = "clips";

/// How a store was made from a table of clips, with a file of features per clip and modality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildRecord {
    /// The columns of the table that were read, by the field that they hold, such as `text` of
    /// `text_translated`.
    pub columns: BTreeMap<String, String>,
    /// The features, by the name of their modality.
    pub features: BTreeMap<String, BuiltFeatures>,
    /// The words of the clips; absent if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<BuiltWords>,
    /// Clips of the table that are not in the store because a modality has no usable file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl BuildRecord {
    /// The record without one modality.
    pub fn without(&self, modality: &str) -> BuildRecord {
        let mut record = self.clone();
        record.features.remove(modality);
        record
    }
}

/// How the features of one modality came from the files of clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuiltFeatures {
    /// Kinds of the files that were read, such as `OpenFace CSV` and `NumPy array`.
    pub kinds: Vec<String>,
    /// Number of files that were read.
    pub n_files: usize,
    /// Their bytes.
    pub n_bytes: u64,
    /// BLAKE3 over the BLAKE3 of each file, in the order of the segments.
    pub blake3: String,
    /// Consecutive frames that became one, which is their mean; 1 if none did.
    pub pool: usize,
    /// How the length was chosen: `longest`, `mean+3sd` (the mean of the lengths plus three of their
    /// standard deviations, rounded down) or a number of frames.
    pub length: String,
    /// The length, after pooling.
    pub seq_len: usize,
    /// The end that longer clips were cut at: `end` or `start`.
    pub cut: String,
    /// Number of clips that were cut.
    pub n_cut: usize,
    /// Where shorter clips got frames of zeros: `back`.
    pub padding: String,
    /// Source of the times of frames, such as `30 frames per second`; absent if steps are not words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<String>,
    /// Words of the segments for which there is no frame; absent if steps are not words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_without_frames: Option<usize>,
    /// What became of frames without a face; absent if no file tells faces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_faces: Option<FailedFaces>,
}

/// The words of clips, and what became of frames with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuiltWords {
    /// Kinds of the files that were read, such as `TextGrid`.
    pub kinds: Vec<String>,
    /// Number of files that were read.
    pub n_files: usize,
    /// Their bytes.
    pub n_bytes: u64,
    /// BLAKE3 over the BLAKE3 of each file, in the order of the segments.
    pub blake3: String,
    /// The tier of TextGrids that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// How the frames at the time of a word became one step: `overlap`, `mean`, `max`, or `none` if
    /// frames stayed the steps.
    pub pooling: String,
    /// What a word became for which a modality has no frame: `zero`, `drop-row` or `drop-segment`.
    pub missing: String,
    /// Which values a mean is of: `finite` or `all`.
    pub values: String,
    /// What became of pauses: `drop` or `keep`.
    pub pauses: String,
    /// Words of the segments, with the pauses that were kept.
    pub n_words: usize,
    /// Words without frames that were left out of these segments.
    pub n_left_out: usize,
    /// Pauses that were left out.
    pub n_pauses: usize,
    /// Words without a time.
    pub n_untimed: usize,
    /// Segments whose text in the table has the same words, ignoring case and punctuation; absent if
    /// the words became the texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_same_texts: Option<usize>,
    /// Clips of the table that were left out because of [`BuiltWords::missing`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Frames in which OpenFace found no face, and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailedFaces {
    /// What was done: `keep`, `zero`, `interpolate` or `drop`.
    pub action: String,
    /// The least `confidence` of a frame with `success` that is not failed.
    pub min_confidence: f64,
    /// Frames of the files.
    pub n_frames: u64,
    /// Failed ones among them.
    pub n_failed: u64,
    /// Clips that have one.
    pub n_clips: usize,
}
