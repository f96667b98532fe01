//! Why no store was built, and possible fixes.

use std::io;
use std::path::PathBuf;

use super::options::FailedFacesAction;
use super::part::ClipPart;
use super::timings::TimingsError;
use crate::advice::{Advice, Advise, SourceAdvice, StoreAdvice};
use crate::chain::tried;
use crate::corpus::features::FeatureSet;
use crate::corpus::labels::LabelTableError;
use crate::corpus::{Modality, SplitName};
use crate::csd::CsdError;
use crate::store::StoreError;

/// Why no store was built. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] LabelTableError),
    /// The output is the table, a folder of features or a file in one.
    #[error("{output}: the output would replace the input")]
    OutputIsInput {
        /// The output.
        output: PathBuf,
    },
    /// A folder cannot be listed.
    #[error("{path}: {}", tried("list", cause))]
    List {
        /// The folder.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// A file in the place of a folder.
    #[error("{path}: expected a folder with a file of {} per clip, found a file", part.content())]
    NotAFolder {
        /// The file.
        path: PathBuf,
        /// What the folder should hold.
        part: ClipPart,
    },
    /// A folder without files of the kind.
    #[error("{path}: no file of {} in it ({})", part.content(), part.endings())]
    NoFiles {
        /// The folder.
        path: PathBuf,
        /// What it should hold.
        part: ClipPart,
    },
    /// A file with the frames or words of all clips cannot be read.
    #[error("{path}: {}", tried("read", cause))]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// A computational sequence cannot be read.
    #[error(transparent)]
    Sequence(#[from] CsdError),
    /// The file with the words of all clips cannot be read.
    #[error("{path}")]
    Words {
        /// The file.
        path: PathBuf,
        /// The problem.
        #[source]
        cause: TimingsError,
    },
    /// No entry of a file belongs to a clip of the table.
    #[error(
        "{path}: none of its {n_entries} entries belongs to a clip of the table: there is {}, and the \
         first clip is `{id}`",
        match entry { Some(entry) => format!("`{entry}`"), None => "none".into() }
    )]
    NoEntry {
        /// The file.
        path: PathBuf,
        /// Number of its entries.
        n_entries: usize,
        /// The first of them.
        entry: Option<String>,
        /// The id of the first clip.
        id: String,
    },
    /// Rows of a whole video, and clips without start and end in the table.
    #[error(
        "{path}: has the rows of the video `{entry}`, and {}, line {line}, no start and end of its clip \
         `{id}`",
        .table.display()
    )]
    NoClipInterval {
        /// The file.
        path: PathBuf,
        /// The entry of the video.
        entry: String,
        /// The table.
        table: PathBuf,
        /// Line of the table, from 1.
        line: usize,
        /// The clip.
        id: String,
    },
    /// A clip that does not end after its start.
    #[error("{path}: line {line}: clip `{id}` does not end after its start ({start} to {end} s)")]
    ClipInterval {
        /// The table.
        path: PathBuf,
        /// Line of the table, from 1.
        line: usize,
        /// The clip.
        id: String,
        /// Its start in seconds.
        start: f64,
        /// Its end in seconds.
        end: f64,
    },
    /// Frames of unknown times, and words that they are aligned to.
    #[error("{path}: the times of its frames of {modality} are unknown, which steps by word need")]
    NoTimes {
        /// The first such file.
        path: PathBuf,
        /// The modality.
        modality: Modality,
    },
    /// A policy for frames without a face, and files that do not tell them from others.
    #[error(
        "{path}: no file has OpenFace's columns `success` and `confidence`, which tell frames without a \
         face from others"
    )]
    NoFaces {
        /// The table.
        path: PathBuf,
        /// What should become of these frames.
        action: FailedFacesAction,
        /// The least confidence of a frame with a face.
        min_confidence: f64,
    },
    /// A modality does not have as many features as the set that an option names.
    #[error("{modality} is not `{set}`: expected {expected} features, found {found}")]
    OtherFeatures {
        /// The modality.
        modality: Modality,
        /// The set.
        set: &'static str,
        /// Number of features in the set.
        expected: usize,
        /// Number of features in the files.
        found: usize,
    },
    /// A modality whose files name their features otherwise than the set that an option names.
    #[error(
        "{modality} is not `{set}`: its files name feature {number} `{found}`, the set `{expected}`"
    )]
    OtherNames {
        /// The modality.
        modality: Modality,
        /// The set.
        set: &'static str,
        /// Number of the first feature of another name, from 1.
        number: usize,
        /// Its name in the set.
        expected: String,
        /// Its name in the files.
        found: String,
    },
    /// No file of a folder belongs to a clip of the table.
    #[error(
        "{path}: none of its {n_files} files of {} belongs to a clip of the table: there is `{file}`, and \
         the first clip is `{id}`",
        part.content()
    )]
    NoMatch {
        /// The folder.
        path: PathBuf,
        /// What the files hold.
        part: ClipPart,
        /// Number of these files.
        n_files: usize,
        /// The first of them, within the folder.
        file: String,
        /// The id of the first clip.
        id: String,
    },
    /// Two files of one clip.
    #[error("{path}: belongs to the same clip as {}", .first.display())]
    Twice {
        /// The second of them.
        path: PathBuf,
        /// The first of them.
        first: PathBuf,
    },
    /// A row without a split in a table that has splits.
    #[error("{path}: line {line}: clip `{id}` has no split, and others have one")]
    NoSplit {
        /// The table.
        path: PathBuf,
        /// Line of the table, from 1.
        line: usize,
        /// The clip.
        id: String,
    },
    /// A split was given for all clips of a table that has splits.
    #[error("{path}: has splits of its own, and {told} was given for all clips")]
    SplitTold {
        /// The table.
        path: PathBuf,
        /// The given split.
        told: SplitName,
    },
    /// Clips without a usable file of each modality.
    #[error("{path}: {n_incomplete} of {n_clips} clips are incomplete: {lacks}")]
    Incomplete {
        /// The table.
        path: PathBuf,
        /// Number of these clips.
        n_incomplete: usize,
        /// Clips of the table.
        n_clips: usize,
        /// How many lack what, and the first ones.
        lacks: String,
    },
    /// No clip is complete.
    #[error("{path}: none of {n_clips} clips is complete: {lacks}")]
    NothingLeft {
        /// The table.
        path: PathBuf,
        /// Clips of the table.
        n_clips: usize,
        /// How many lack what, and the first ones.
        lacks: String,
    },
    /// No clip has a word for which every modality has a frame.
    #[error("{path}: every clip has words at whose time a modality has no frame, and none is left")]
    NoWordWithFrames {
        /// The table.
        path: PathBuf,
    },
    /// A length that makes samples too large.
    #[error("{modality}: [{seq_len}, {feat_dim}] are more than the {limit} values of a sample")]
    TooLong {
        /// The modality.
        modality: Modality,
        /// The length.
        seq_len: usize,
        /// Features per frame.
        feat_dim: usize,
        /// The limit.
        limit: usize,
    },
    /// A dataset of one's own whose labels are not described.
    #[error("{path}: a dataset of one's own needs a description of its labels")]
    NoScale {
        /// The table, source or sequence with the labels.
        path: PathBuf,
    },
    /// Neither content nor name identifies the dataset, and no option names it.
    #[error("{path}: cannot infer the dataset, which sets range and classes of the labels")]
    UnknownDataset {
        /// The table.
        path: PathBuf,
    },
    /// The clips have values that the options do not allow in a store.
    #[error("{path}")]
    Content {
        /// The table.
        path: PathBuf,
        /// The values.
        #[source]
        cause: Box<StoreError>,
    },
    /// The store was not written.
    #[error(transparent)]
    Store(StoreError),
}

impl BuildError {
    /// The error for failing to write the store of the table at `path`.
    pub(super) fn of_store(path: PathBuf, cause: StoreError) -> BuildError {
        match cause {
            StoreError::Refused(_)
            | StoreError::RefusedLabels(_)
            | StoreError::NothingLeft { .. }
            | StoreError::Unreadable { .. } => BuildError::Content { path, cause: Box::new(cause) },
            other => BuildError::Store(other),
        }
    }
}

impl Advise for BuildError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            BuildError::Table(error) => return error.advice(),
            BuildError::Content { cause, .. } => return cause.advice(),
            BuildError::Store(error) => return error.advice(),
            BuildError::OutputIsInput { .. } => return vec![StoreAdvice::OtherOutput.into()],
            BuildError::Sequence(error) => return error.advice(),
            BuildError::NoMatch { .. } => SourceAdvice::NameAfterClips,
            BuildError::Words { cause: TimingsError::Tier { .. }, .. } => SourceAdvice::NameTier,
            BuildError::NoEntry { .. } => SourceAdvice::NameEntriesAfterClips,
            BuildError::NoClipInterval { .. } => SourceAdvice::NameClipTimes,
            BuildError::NoTimes { modality, .. } => {
                SourceAdvice::SayFrameRate { modality: modality.name() }
            }
            BuildError::NoFaces { action, min_confidence, .. } => {
                let action =
                    (*action != FailedFacesAction::Keep).then_some(SourceAdvice::OmitFailedFaces);
                let least = (*min_confidence > 0.0).then_some(SourceAdvice::OmitMinConfidence);
                return action.into_iter().chain(least).map(Advice::from).collect();
            }
            BuildError::OtherFeatures { modality, found, .. } => {
                let likely = FeatureSet::likely(*modality, *found, None).map(|set| set.name);
                SourceAdvice::OtherSet { modality: modality.name(), likely: likely.collect() }
            }
            BuildError::Twice { .. } => SourceAdvice::OneFilePerClip,
            BuildError::NoSplit { .. } => SourceAdvice::FillSplits,
            BuildError::SplitTold { .. } => SourceAdvice::TableHasSplits,
            BuildError::Incomplete { .. } => SourceAdvice::DropIncomplete,
            BuildError::UnknownDataset { .. } => SourceAdvice::SayDataset,
            BuildError::NoScale { .. } => SourceAdvice::DescribeLabels,
            BuildError::List { .. }
            | BuildError::Read { .. }
            | BuildError::Words { .. }
            | BuildError::ClipInterval { .. }
            | BuildError::OtherNames { .. }
            | BuildError::NotAFolder { .. }
            | BuildError::NoFiles { .. }
            | BuildError::NothingLeft { .. }
            | BuildError::NoWordWithFrames { .. }
            | BuildError::TooLong { .. } => return Vec::new(),
        };
        vec![advice.into()]
    }
}
