//! Options of a build.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::corpus::features::NamedSet;
use crate::corpus::labels::TableOptions;
use crate::corpus::scale::OwnScale;
use crate::corpus::{Dataset, Modality, SplitName};
use crate::intervals::{Missing, Pauses, Pooling, Values};
use crate::name::named;
use crate::store::{FeatureDtype, NonFinite, OnOverflow, OutputOptions, WriteOptions};

/// Options of a build. By default a clip that lacks features is refused, and no value is changed but by
/// padding.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Folder with the files of each modality, or the computational sequence with the rows of all clips.
    pub features: BTreeMap<Modality, PathBuf>,
    /// Where the words of clips are, and what becomes of frames then.
    pub words: Option<WordOptions>,
    /// Frames per second, by modality, for files without times.
    pub frame_rate: BTreeMap<Modality, f64>,
    /// The known set of features that a modality has, and how its values are.
    pub named: BTreeMap<Modality, NamedSet>,
    /// How the table is read.
    pub table: TableOptions,
    /// The dataset; `None` to infer it from shapes, labels or the table's name.
    pub dataset: Option<Dataset>,
    /// What the labels are, of a dataset of one's own, which the store is then of.
    pub label_scale: Option<OwnScale>,
    /// Split of all clips, if the table has none; `None` for `train` if the table has labels, and
    /// `test` if it has not.
    pub split: Option<SplitName>,
    /// How the length of a modality is chosen; the longest clip's by default.
    pub length: BTreeMap<Modality, LengthRule>,
    /// Consecutive frames whose mean becomes one frame, by modality; 1 by default.
    pub pool: BTreeMap<Modality, usize>,
    /// The end at which clips are cut that are longer.
    pub cut: Cut,
    /// What becomes of frames without a face.
    pub failed_faces: FailedFacesAction,
    /// The least confidence of a frame with a face, in [0, 1].
    pub min_confidence: f64,
    /// Whether to leave out clips of which a modality has no usable file.
    pub drop_incomplete: bool,
    /// Whether to leave out unlabelled clips of splits that have labels.
    pub drop_unlabelled: bool,
    /// Policy for values that are NaN or infinite.
    pub on_nonfinite: NonFinite,
    /// Policy for finite values beyond the range of `dtype`.
    pub on_overflow: OnOverflow,
    /// Element type of the features in the store.
    pub dtype: FeatureDtype,
    /// Form of the store.
    pub output: OutputOptions,
}

impl Default for BuildOptions {
    fn default() -> BuildOptions {
        BuildOptions {
            features: BTreeMap::new(),
            words: None,
            frame_rate: BTreeMap::new(),
            named: BTreeMap::new(),
            table: TableOptions { is_source: true, ..TableOptions::default() },
            dataset: None,
            label_scale: None,
            split: None,
            length: BTreeMap::new(),
            pool: BTreeMap::new(),
            cut: Cut::End,
            failed_faces: FailedFacesAction::Keep,
            min_confidence: 0.0,
            drop_incomplete: false,
            drop_unlabelled: false,
            on_nonfinite: NonFinite::Loaders,
            on_overflow: OnOverflow::Error,
            dtype: FeatureDtype::Float32,
            output: OutputOptions::default(),
        }
    }
}

impl BuildOptions {
    /// Options for writing the store of `dataset`.
    pub(super) fn writing(&self, dataset: Dataset) -> WriteOptions {
        WriteOptions {
            dataset,
            label_scale: self.label_scale.clone(),
            on_nonfinite: self.on_nonfinite,
            on_overflow: self.on_overflow,
            dtype: self.dtype,
            output: self.output.clone(),
        }
    }

    /// Whether frames without a face are told from others for more than to count them.
    pub(super) fn settles_faces(&self) -> bool {
        self.failed_faces != FailedFacesAction::Keep || self.min_confidence > 0.0
    }

    pub(super) fn reading(&self, modality: Modality) -> Reading {
        // Features of text have no time.
        let words = self.words.as_ref().filter(|_| modality != Modality::Text);
        let by_word = words.filter(|words| words.pooling != Pooling::None);
        Reading {
            frame_rate: self.frame_rate.get(&modality).copied(),
            by_word: by_word.map(|words| ByWord { pooling: words.pooling, values: words.values }),
            pool: self.pool.get(&modality).copied().unwrap_or(1).max(1),
            cut: self.cut,
            failed_faces: self.failed_faces,
            min_confidence: self.min_confidence,
        }
    }
}

/// What happens to the frames of a clip between its file and the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) pool: usize,
    pub(super) cut: Cut,
    pub(super) failed_faces: FailedFacesAction,
    pub(super) min_confidence: f64,
    pub(super) frame_rate: Option<f64>,
    /// How frames become one step per word, if they do.
    pub(super) by_word: Option<ByWord>,
}

/// How the frames at the time of a word become one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByWord {
    pub(super) pooling: Pooling,
    pub(super) values: Values,
}

/// Where the words of clips are, and what becomes of frames then: audio and vision have one step per word.
#[derive(Debug, Clone, PartialEq)]
pub struct WordOptions {
    /// A folder with a file per clip: TextGrid, CTM or JSON of Whisper; or a file with the words of all
    /// clips: CTM or a computational sequence.
    pub path: PathBuf,
    /// Name of the tier of a TextGrid that has the words; `None` for the one called `words`, or the only
    /// one.
    pub tier: Option<String>,
    /// How the frames at the time of a word become one step. With [`Pooling::None`], words are only texts.
    pub pooling: Pooling,
    /// What a word becomes for which a modality has no frame.
    pub missing: Missing,
    /// Which values a mean is of.
    pub values: Values,
    /// What becomes of pauses among the words.
    pub pauses: Pauses,
}

impl WordOptions {
    /// The words at `path`, with the default of each policy.
    pub fn new(path: impl Into<PathBuf>) -> WordOptions {
        WordOptions {
            path: path.into(),
            tier: None,
            pooling: Pooling::default(),
            missing: Missing::default(),
            values: Values::default(),
            pauses: Pauses::default(),
        }
    }
}

/// How the number of frames of a modality is chosen, which is one for all clips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthRule {
    /// That of the longest clip.
    Longest,
    /// The mean of all clips plus three standard deviations (of the population), rounded down, as
    /// CH-SIMS has it.
    MeanPlus3Sd,
    /// This one.
    Frames(usize),
}

/// Its name on the command line and in manifests.
impl fmt::Display for LengthRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LengthRule::Longest => f.write_str("longest"),
            LengthRule::MeanPlus3Sd => f.write_str("mean+3sd"),
            LengthRule::Frames(n_frames) => n_frames.fmt(f),
        }
    }
}

impl FromStr for LengthRule {
    type Err = String;

    fn from_str(text: &str) -> Result<LengthRule, String> {
        match (text, text.parse()) {
            ("longest", _) => Ok(LengthRule::Longest),
            ("mean+3sd", _) => Ok(LengthRule::MeanPlus3Sd),
            (_, Ok(n_frames @ 1..)) => Ok(LengthRule::Frames(n_frames)),
            _ => Err(format!("`{text}` is not longest, mean+3sd or a number of frames")),
        }
    }
}

impl LengthRule {
    /// The length for clips of these lengths; 1 at least.
    pub(super) fn of(self, lengths: &[usize]) -> usize {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let n_frames = match self {
            LengthRule::Longest => longest,
            LengthRule::Frames(n_frames) => n_frames,
            LengthRule::MeanPlus3Sd => {
                let n = lengths.len().max(1) as f64;
                let mean = lengths.iter().map(|length| *length as f64).sum::<f64>() / n;
                let squares = lengths.iter().map(|length| (*length as f64 - mean).powi(2));
                (mean + 3.0 * (squares.sum::<f64>() / n).sqrt()) as usize
            }
        };
        n_frames.max(1)
    }
}

/// The end at which longer clips are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The last frames are left out.
    End,
    /// The first frames are left out.
    Start,
}

impl Cut {
    /// Both.
    pub const ALL: [Cut; 2] = [Cut::End, Cut::Start];

    /// The name on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Cut::End => "end",
            Cut::Start => "start",
        }
    }
}

/// What becomes of frames in which OpenFace found no face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedFacesAction {
    /// They stay as they are in the file, as in published datasets.
    Keep,
    /// All of their values become 0.
    Zero,
    /// Values become those on the line between the nearest frames with a face; before the first and
    /// after the last one, those of that frame.
    Interpolate,
    /// They are left out, so that the clip becomes shorter.
    Drop,
}

impl FailedFacesAction {
    /// All of them.
    pub const ALL: [FailedFacesAction; 4] = [
        FailedFacesAction::Keep,
        FailedFacesAction::Zero,
        FailedFacesAction::Interpolate,
        FailedFacesAction::Drop,
    ];

    /// The name on the command line and in manifests.
    pub fn name(self) -> &'static str {
        match self {
            FailedFacesAction::Keep => "keep",
            FailedFacesAction::Zero => "zero",
            FailedFacesAction::Interpolate => "interpolate",
            FailedFacesAction::Drop => "drop",
        }
    }
}

named!(Cut, FailedFacesAction);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_their_rule() {
        let of = |rule: &str, lengths: &[usize]| rule.parse::<LengthRule>().unwrap().of(lengths);
        assert_eq!(of("longest", &[3, 9, 4]), 9);
        assert_eq!(of("7", &[3, 9, 4]), 7);
        // Mean 2.5, standard deviation 0.5 of the population, not 0.577.
        assert_eq!(of("mean+3sd", &[2, 2, 3, 3]), 4);
        assert_eq!(of("longest", &[]), 1);
        assert_eq!("mean+3sd".parse::<LengthRule>().unwrap().to_string(), "mean+3sd");
        assert!("0".parse::<LengthRule>().is_err() && "mean".parse::<LengthRule>().is_err());
    }
}
