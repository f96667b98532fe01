//! Remarks about a run that do not stop it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::corpus::draw::valid_left_out;
use crate::corpus::origin::{SplitOrigin, SplitRecord};
use crate::corpus::schema::{DataDifference, Weight};
use crate::corpus::spec::SplitBy;
use crate::corpus::{Dataset, SplitName};
use crate::run::folder::RESULT;
use crate::run::record::FittedLength;
use crate::run::settings::FoldChoice;

/// A remark for whoever started a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// A fold leaves segments of the store out of every split.
    LeftOut {
        /// The split manifest.
        manifest: PathBuf,
        /// The fold, counted from 0.
        fold: usize,
        /// Number of such segments.
        n_segments: usize,
    },
    /// An evaluation takes its splits from the run's split manifest.
    SplitsOfRun(FoldChoice),
    /// The store is not the one that a checkpoint was trained on.
    OtherStore {
        /// The store.
        store: PathBuf,
        /// The checkpoint.
        checkpoint: PathBuf,
        /// Digest of the training store.
        expected: String,
        /// Digest of this store.
        found: String,
        /// Whether the run was trained on a store at another path: this one is another on purpose.
        is_elsewhere: bool,
    },
    /// A run's checkpoint is not the one that the run wrote.
    OtherWeights {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// Its digest according to the run's result.
        expected: String,
        /// Its digest.
        found: String,
    },
    /// The store's validation split has no labels, and one was drawn from the training split instead.
    ValidLeftOut {
        /// Number of its segments.
        n_segments: usize,
    },
    /// A validation split was drawn from the training split.
    ValidDrawn {
        /// Number of drawn segments.
        n_drawn: usize,
        /// Number of segments in the training split before.
        n_segments: usize,
        /// What was kept together.
        by: SplitBy,
    },
    /// The training split shares videos with others.
    SharedVideos(SplitRecord),
    /// Splits of different lengths are padded to one length.
    Padded(String),
    /// Hyper-parameters of a published dataset train on one's own.
    PresetOf {
        /// The published dataset.
        preset: Dataset,
        /// Whether the user chose it.
        is_chosen: bool,
    },
    /// The model is trained on other numbers than the labels.
    LabelsMapped {
        /// Range of the labels.
        labels: [f32; 2],
        /// What the model is trained on for them.
        model: [f32; 2],
    },
    /// Texts have more tokens than fit.
    TextsCut {
        /// The split; `None` of texts in no store.
        split: Option<SplitName>,
        /// Number of such texts.
        n_texts: usize,
        /// Maximum number of tokens.
        n_tokens: usize,
    },
    /// Samples were padded or cut to fit a run's initial weights.
    Fitted {
        /// The split.
        split: SplitName,
        /// The change of length.
        length: FittedLength,
    },
    /// The test split has no labels to report on.
    TestUnlabelled,
    /// The schedule trains the first of few epochs at a rate of 0.
    IdleEpoch {
        /// Number of epochs.
        n_epochs: usize,
    },
    /// The requested precision of products exists only on GPUs.
    Tf32OnCpu,
    /// Something absent or duplicated in an encoder's folder.
    Encoder(String),
    /// Tokens or texts hardly belong to the encoder's vocabulary.
    Unsuited {
        /// The store.
        store: PathBuf,
        /// The encoder's folder.
        encoder: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A store differs from the data that a model was trained on.
    OtherData {
        /// The store.
        store: PathBuf,
        /// The difference.
        difference: DataDifference,
    },
    /// A checkpoint of an older version does not describe its data.
    NoSchema {
        /// The checkpoint.
        checkpoint: PathBuf,
    },
    /// An experiment is skipped, because it needs a test split and the store has none.
    NoTest {
        /// Title of the experiment.
        title: String,
    },
    /// The store is not valid, and is used anyway.
    Invalid {
        /// The store.
        store: PathBuf,
        /// The first finding of `validate`, and the number of others.
        problem: String,
    },
}

impl Note {
    /// The note with `shown` in place of a store in `folder`; `None` if it says no more than that the store
    /// is not that of training.
    pub(super) fn about(mut self, folder: &Path, shown: &str) -> Option<Note> {
        match &mut self {
            Note::OtherStore { store, .. } if store.starts_with(folder) => return None,
            Note::Unsuited { store, .. } | Note::OtherData { store, .. }
                if store.starts_with(folder) =>
            {
                *store = shown.into();
            }
            Note::TextsCut { split, .. } => *split = None,
            _ => {}
        }
        Some(self)
    }

    /// Whether it is a warning: the result may not be as intended.
    pub fn is_warning(&self) -> bool {
        match self {
            Note::Encoder(_)
            | Note::Unsuited { .. }
            | Note::Invalid { .. }
            | Note::OtherWeights { .. } => true,
            Note::OtherStore { is_elsewhere, .. } => !is_elsewhere,
            Note::OtherData { difference, .. } => difference.weight != Weight::Unrecorded,
            Note::IdleEpoch { n_epochs } => *n_epochs == 1,
            Note::SharedVideos(splits) => splits.origin != SplitOrigin::Published,
            _ => false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::LeftOut { manifest, fold, n_segments } => write!(
                f,
                "{}: segments of the store in no split of fold {fold}: {n_segments}",
                manifest.display()
            ),
            Note::SplitsOfRun(FoldChoice { path, fold, .. }) => {
                write!(f, "splits as in training: fold {fold} of {}", path.display())
            }
            Note::OtherStore { store, checkpoint, expected, found, .. } => write!(
                f,
                "{}: is not the store that {} was trained on: expected digest {expected}, found {found}",
                store.display(),
                checkpoint.display()
            ),
            Note::OtherWeights { checkpoint, expected, found } => write!(
                f,
                "{}: has changed since the run: expected digest {expected}, as in {RESULT}, found {found}",
                checkpoint.display()
            ),
            Note::ValidLeftOut { n_segments } => f.write_str(&valid_left_out(*n_segments)),
            Note::ValidDrawn { n_drawn, n_segments, by } => {
                write!(f, "valid is {n_drawn} of the {n_segments} segments of train, drawn by {by}")
            }
            Note::SharedVideos(splits) => write!(f, "splits: {splits}"),
            Note::Padded(words) | Note::Encoder(words) => f.write_str(words),
            Note::PresetOf { preset, is_chosen } => {
                write!(f, "hyper-parameters: the preset for {}", preset.title())?;
                match is_chosen {
                    true => Ok(()),
                    false => f.write_str(", since a dataset of one's own has none"),
                }
            }
            Note::LabelsMapped { labels: [low, high], model: [lowest, highest] } => write!(
                f,
                "labels: [{low}, {high}] become [{lowest}, {highest}] for the model, and its predictions \
                 labels again; losses are those of the model"
            ),
            Note::TextsCut { split, n_texts, n_tokens } => {
                if let Some(split) = split {
                    write!(f, "{split}: ")?;
                }
                let were = if *n_texts == 1 { "text was" } else { "texts were" };
                write!(f, "{n_texts} {were} cut at {n_tokens} tokens")
            }
            Note::Fitted { split, length } => write!(f, "{split}/{length}"),
            Note::TestUnlabelled => {
                f.write_str("test has no regression labels: the run has no test metrics")
            }
            Note::IdleEpoch { n_epochs: 1 } => f.write_str(
                "the schedule warmup-cosine has a rate of 0 in the first epoch: the weights do not change",
            ),
            Note::IdleEpoch { n_epochs } => write!(
                f,
                "the schedule warmup-cosine has a rate of 0 in the first epoch, as the released code has: {} \
                 of {n_epochs} epochs train; a constant schedule suits short runs better",
                n_epochs - 1
            ),
            Note::Tf32OnCpu => f.write_str("tf32 is of GPUs: on the CPU, products are float32"),
            Note::NoTest { title } => write!(f, "{title}: left out: the store has no test split"),
            Note::Unsuited { store, encoder, problem } => {
                write!(f, "{}: {}: {problem}", store.display(), encoder.display())
            }
            Note::OtherData { store, difference } => {
                write!(f, "{}: {}", store.display(), difference.words)
            }
            Note::NoSchema { checkpoint } => write!(
                f,
                "{}: an older version wrote it, without the schema of its data: only widths and lengths \
                 are compared",
                checkpoint.display()
            ),
            Note::Invalid { store, problem } => write!(f, "{}: {problem}", store.display()),
        }
    }
}
