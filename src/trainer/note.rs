//! What is worth saying of a run that goes on all the same.

use std::fmt;
use std::path::PathBuf;

use crate::corpus::SplitName;
use crate::corpus::spec::SplitBy;
use crate::run::record::FittedLength;

/// Something that whoever began a run should know.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// Segments of the store are in no split of a fold.
    LeftOut {
        /// The split manifest.
        manifest: PathBuf,
        /// The fold, counted from 0.
        fold: usize,
        /// How many.
        n_segments: usize,
    },
    /// A validation split was drawn from the training split.
    ValidDrawn {
        /// Segments that were drawn.
        n_drawn: usize,
        /// Segments of the training split before.
        n_segments: usize,
        /// What was kept together.
        by: SplitBy,
    },
    /// Splits that differ in length are padded to one.
    Padded(String),
    /// Texts have more tokens than there is room for.
    TextsCut {
        /// Of which split.
        split: SplitName,
        /// How many.
        n_texts: usize,
        /// The room, in tokens.
        n_tokens: usize,
    },
    /// Samples were padded or cut for the weights that a run begins with.
    Fitted {
        /// Of which split.
        split: SplitName,
        /// What was done.
        length: FittedLength,
    },
    /// The test split has no labels to report on.
    TestUnlabelled,
    /// The schedule trains the first epoch at a rate of 0, and there are few.
    IdleEpoch {
        /// Epochs of the run.
        n_epochs: usize,
    },
    /// Products are asked for as only GPUs compute them.
    Tf32OnCpu,
    /// What an encoder's folder lacks or has twice.
    Encoder(String),
    /// Tokens or texts hardly belong to the vocabulary of the encoder.
    Unsuited {
        /// The store.
        store: PathBuf,
        /// The encoder's folder.
        encoder: PathBuf,
        /// In which respect.
        problem: String,
    },
    /// An experiment is left out, since it looks at a test split and the store has none.
    NoTest {
        /// What it is about.
        title: String,
    },
    /// The store is not valid, and is used all the same.
    Invalid {
        /// The store.
        store: PathBuf,
        /// What `validate` finds first, and how much more.
        problem: String,
    },
}

impl Note {
    /// Whether it is a warning: the result may not be what was meant.
    pub fn is_warning(&self) -> bool {
        match self {
            Note::Encoder(_) | Note::Unsuited { .. } | Note::Invalid { .. } => true,
            Note::IdleEpoch { n_epochs } => *n_epochs == 1,
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
            Note::ValidDrawn { n_drawn, n_segments, by } => {
                write!(f, "valid is {n_drawn} of the {n_segments} segments of train, drawn by {by}")
            }
            Note::Padded(words) | Note::Encoder(words) => f.write_str(words),
            Note::TextsCut { split, n_texts, n_tokens } => {
                write!(f, "{split}: {n_texts} texts were cut at {n_tokens} tokens")
            }
            Note::Fitted { split, length } => write!(f, "{split}/{length}"),
            Note::TestUnlabelled => {
                f.write_str("test has no regression labels: the run has no figures of it")
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
            Note::Invalid { store, problem } => write!(f, "{}: {problem}", store.display()),
        }
    }
}
