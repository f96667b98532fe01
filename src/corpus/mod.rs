//! The canonical corpus: every layout is converted to it, and every store is made from it.
//!
//! This module knows splits, segments, features, labels and bins. It must not know any format of
//! feature files: [`Rows`] hides the source of rows, so that a 13 GB file is never in memory at once.

pub mod balance;
pub mod bins;
pub mod check;
pub mod clips;
pub mod column;
pub mod degenerate;
pub mod draw;
pub mod features;
pub mod folds;
pub mod known;
pub mod label;
pub mod labels;
mod layout;
pub mod manifest;
pub mod names;
pub mod origin;
pub mod plan;
pub mod release;
mod row;
pub mod scale;
pub mod schema;
pub mod segment;
pub mod sharing;
pub mod spec;
pub mod stats;
pub mod subset;
pub mod summary;
pub mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array2, Array3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{UnknownName, named};
use crate::overflow::Overflows;
use clips::BuildRecord;
use scale::{CLASSES_ALONE, OwnScale};

pub use layout::Layout;
pub use row::RowError;

/// One of the three information sources of a segment. Sources call the language modality `text`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Language features, from BERT or GloVe.
    Text,
    /// Acoustic features, from COVAREP or Librosa.
    Audio,
    /// Visual features, from Facet or OpenFace.
    Vision,
}

impl Modality {
    /// All modalities, in the order in which they are stored.
    pub const ALL: [Modality; 3] = [Modality::Text, Modality::Audio, Modality::Vision];

    /// The name in stores and pickles.
    pub fn name(self) -> &'static str {
        match self {
            Modality::Text => "text",
            Modality::Audio => "audio",
            Modality::Vision => "vision",
        }
    }

    /// The letter of its unimodal labels, as in `regression_labels_T`.
    pub fn letter(self) -> char {
        match self {
            Modality::Text => 'T',
            Modality::Audio => 'A',
            Modality::Vision => 'V',
        }
    }
}

/// One of the three parts of a dataset.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum SplitName {
    /// Fitted on.
    Train,
    /// Selected on; called `dev` by some sources.
    Valid,
    /// Reported on.
    Test,
}

impl SplitName {
    /// All splits, in order.
    pub const ALL: [SplitName; 3] = [SplitName::Train, SplitName::Valid, SplitName::Test];

    /// The name in stores and pickles.
    pub fn name(self) -> &'static str {
        match self {
            SplitName::Train => "train",
            SplitName::Valid => "valid",
            SplitName::Test => "test",
        }
    }

    /// The split with a common name such as `dev` or `Validation`, ignoring case.
    ///
    /// # Errors
    /// The word does not name a split.
    pub fn from_usual(word: &str) -> Result<SplitName, UnknownName> {
        match &*word.to_lowercase() {
            "train" | "training" => Ok(SplitName::Train),
            "valid" | "validation" | "val" | "dev" | "development" => Ok(SplitName::Valid),
            "test" | "testing" => Ok(SplitName::Test),
            _ => word.parse(),
        }
    }
}

/// A dataset: one that the project knows, or one of one's own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Dataset {
    /// CMU-MOSI (Zadeh et al. 2016).
    Mosi,
    /// CMU-MOSEI (Zadeh et al. 2018).
    Mosei,
    /// CH-SIMS (Yu et al. 2020).
    Sims,
    /// CH-SIMS v2 (Liu et al. 2022).
    Simsv2,
    /// A dataset that is not published; its stores describe their labels
    /// ([`OwnScale`]).
    Own,
}

impl Dataset {
    /// The published datasets.
    pub const ALL: [Dataset; 4] = [Dataset::Mosi, Dataset::Mosei, Dataset::Sims, Dataset::Simsv2];

    /// The name on the command line, in file names and in stores.
    pub fn name(self) -> &'static str {
        match self {
            Dataset::Mosi => "mosi",
            Dataset::Mosei => "mosei",
            Dataset::Sims => "sims",
            Dataset::Simsv2 => "simsv2",
            Dataset::Own => "own",
        }
    }

    /// The name in papers; [`Manifest::title`](manifest::Manifest::title) knows that of a store.
    pub fn title(self) -> &'static str {
        match self {
            Dataset::Mosi => "CMU-MOSI",
            Dataset::Mosei => "CMU-MOSEI",
            Dataset::Sims => "CH-SIMS",
            Dataset::Simsv2 => "CH-SIMS v2",
            Dataset::Own => "own dataset",
        }
    }
}

named!(Modality, SplitName, Dataset);

/// Random access to the samples of one feature block, wherever they are stored.
pub trait Rows: Send + Sync {
    /// Copies sample `sample_idx` into `out`, `[seq_len, feat_dim]` in row-major order, as float32,
    /// padded with zeros if the sample is shorter than `seq_len`.
    ///
    /// Returns the finite source values beyond the range of float32, which became infinite: only the
    /// source distinguishes them from values that were infinite before.
    ///
    /// # Errors
    /// The sample does not exist, or cannot be read or computed; the content of `out` is then
    /// undefined.
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError>;
}

/// The error that a block lacks this sample.
pub(crate) fn absent(sample_idx: usize) -> RowError {
    format!("sample {sample_idx} is absent").into()
}

/// Features of one modality in one split, still in their source, which they keep open. Clones share
/// them.
#[derive(Clone)]
pub struct FeatureBlock {
    /// `[n_samples, seq_len, feat_dim]`.
    pub shape: [usize; 3],
    /// Access to the values.
    pub rows: Arc<dyn Rows>,
}

/// Regression labels: the overall one, and for CH-SIMS one per modality.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegressionLabels {
    /// `[n_samples]`, in the range of the dataset's scale, such as [-3, 3] (CMU) or [-1, 1] (CH-SIMS);
    /// `None` for segments to predict, and for classes without values.
    pub overall: Option<Vec<f32>>,
    /// `[n_samples]` each: labels of text (`_T`), audio (`_A`) and vision (`_V`) alone.
    pub by_modality: BTreeMap<Modality, Vec<f32>>,
}

/// A source label that changes when converted to float32: it is beyond the range, or so close to 0 that
/// it became 0 and lost its sign.
#[derive(Debug, Clone, PartialEq)]
pub struct NarrowedLabel {
    /// Name of the column, such as `regression_labels`.
    pub column: String,
    /// The sample.
    pub row: usize,
    /// The label in the source.
    pub source: f64,
}

impl NarrowedLabel {
    /// The label of a sample, if `narrow` differs from the source's label by more than its last digits.
    pub fn of(column: &str, row: usize, source: f64, narrow: f32) -> Option<NarrowedLabel> {
        let is_changed =
            source.is_finite() && narrow.is_infinite() || source != 0.0 && narrow == 0.0;
        is_changed.then(|| NarrowedLabel { column: column.into(), row, source })
    }
}

/// One split of a corpus. Every column has `ids.len()` entries.
pub struct CorpusSplit {
    /// The split.
    pub name: SplitName,
    /// Segment ids as spelled in the source.
    pub ids: Vec<String>,
    /// Transcripts.
    pub raw_text: Option<Vec<String>>,
    /// Label words such as `Negative`.
    pub annotations: Option<Vec<String>>,
    /// Features per modality; an absent modality has no entry.
    pub features: BTreeMap<Modality, FeatureBlock>,
    /// BERT input, `[n_samples, 3, seq_len]`: token ids, mask, segment ids.
    pub text_bert: Option<Array3<i32>>,
    /// Word indices into a vocabulary outside the source, `[n_samples, seq_len]`, zero-padded.
    pub words: Option<Array2<i32>>,
    /// Number of real frames per sample, for modalities with recorded lengths.
    pub lengths: BTreeMap<Modality, Vec<i32>>,
    /// Regression labels.
    pub regression_labels: RegressionLabels,
    /// Class labels of the source: 0 negative, 1 neutral, 2 positive; or the index of a class of the
    /// dataset's scale, and -1 without one.
    pub classification_labels: Option<Vec<i32>>,
    /// Strength of happiness, sadness, anger, surprise, disgust and fear, `[n_samples, 6]` in [0, 3],
    /// as in CMU-MOSEI.
    pub emotion_labels: Option<Array2<f32>>,
    /// Start and end of each segment in its video, in seconds, where that is known.
    pub intervals: Option<Vec<[f64; 2]>>,
    /// Labels that change when converted to float32. A store is never written with them.
    pub narrowed_labels: Vec<NarrowedLabel>,
}

impl CorpusSplit {
    /// Makes regression labels of classes with values, and leaves them out of classes without.
    fn describe(&mut self, own: &OwnScale) -> Option<String> {
        let labels = &mut self.regression_labels;
        match &self.classification_labels {
            _ if own.is_unordered() => {
                let was_labelled =
                    labels.overall.take().is_some() || !labels.by_modality.is_empty();
                labels.by_modality.clear();
                was_labelled.then(|| {
                    "regression labels: left out, since labels are classes without values"
                        .to_owned()
                })
            }
            Some(classes) if !own.classes().is_empty() && labels.overall.is_none() => {
                let value =
                    |class: &i32| usize::try_from(*class).ok().and_then(|idx| own.value(idx));
                let values = classes.iter().map(|class| value(class).unwrap_or(f32::NAN));
                labels.overall = Some(values.collect());
                Some("regression_labels: the values of the classes".into())
            }
            _ => None,
        }
    }
}

/// A dataset as read from its source files.
pub struct Corpus {
    /// Name of the layout of the source files: that of a [`Layout`], or [`CLIPS`](clips::CLIPS).
    pub layout: &'static str,
    /// The splits that the source holds, in the order train, valid, test.
    pub splits: Vec<CorpusSplit>,
    /// Every changed value and everything left out since the source, one sentence each.
    pub notes: Vec<String>,
    /// Names of the features of each modality that has any.
    pub feature_names: BTreeMap<Modality, names::FeatureNames>,
    /// How it was built, if its source is a table of clips.
    pub build: Option<BuildRecord>,
}

impl Corpus {
    /// Makes labels those of a description of one's own: classes with values get them as regression
    /// labels, and classes without have no others. Notes say so.
    pub fn describe(&mut self, own: &OwnScale) {
        let notes = self.splits.iter_mut().filter_map(|split| split.describe(own));
        let mut notes: Vec<String> = notes.collect();
        notes.dedup();
        self.notes.retain(|note| !note.starts_with(CLASSES_ALONE));
        self.notes.append(&mut notes);
    }
}
