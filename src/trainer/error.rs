//! Why a store and settings make no run.

use std::path::{Path, PathBuf};

use crate::advice::{Advice, Advise, TrainerAdvice};
use crate::corpus::column::ColumnId;
use crate::corpus::plan::PlanError;
use crate::corpus::{Dataset, Modality, SplitName};
use crate::export::SaveError;
use crate::model::Sequence;
use crate::pretrained::{EncodeError, PretrainedError};
use crate::run::RunError;
use crate::store::StoreError;
use crate::train::{DataError, NetworkError, TrainError, weights};

/// Why a store and settings make no run.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run cannot be done.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A split manifest cannot be read, or is of another store.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store does not suit the run.
    #[error("{}", store.display())]
    Unfit {
        /// The store.
        store: PathBuf,
        /// In which respect.
        #[source]
        cause: Box<StoreProblem>,
    },
    /// A file that belongs to the run is not what it was, or not what is needed.
    #[error("{}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: Box<FileProblem>,
    },
    /// A setting that is none.
    #[error("{0}")]
    Setting(String),
    /// A result cannot be written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

/// In which respect a store does not suit a run.
#[derive(Debug, thiserror::Error)]
pub enum StoreProblem {
    /// The samples cannot be trained on.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The samples cannot be brought to where the model is.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A split cannot be drawn.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A text encoder cannot read the tokens.
    #[error("{id}")]
    Tokens {
        /// The column.
        id: ColumnId,
        /// Why.
        #[source]
        cause: EncodeError,
    },
    /// There are no tokens to encode.
    #[error("{id}: the store has no tokens")]
    NoTokens {
        /// The column.
        id: ColumnId,
    },
    /// There are no texts to encode.
    #[error("{id}: the store has no texts")]
    NoTexts {
        /// The column.
        id: ColumnId,
    },
    /// A column is absent.
    #[error("{id}: is absent{}", match model {
        Some(model) => format!(", which the model of {} takes", model.display()),
        None => String::new(),
    })]
    Absent {
        /// The column.
        id: ColumnId,
        /// The checkpoint whose model takes it.
        model: Option<PathBuf>,
    },
    /// Features of another width than those of the model.
    #[error(
        "{split}/{modality} is {} here, but {} in the model of {}: they have other features",
        extents(*found), extents(*wanted), model.display()
    )]
    OtherThanModel {
        /// Of which split.
        split: SplitName,
        /// Of which modality.
        modality: Modality,
        /// Extents here.
        found: Sequence,
        /// Extents of the model.
        wanted: Sequence,
        /// The model's checkpoint.
        model: PathBuf,
    },
    /// Features of another width than those of another split.
    #[error(
        "{split}/{modality} is {}, but {other}/{modality} is {}: they have other features",
        extents(*found), extents(*wanted)
    )]
    OtherThanSplit {
        /// Of which split.
        split: SplitName,
        /// Of which modality.
        modality: Modality,
        /// Extents of that.
        found: Sequence,
        /// The other split.
        other: SplitName,
        /// Extents of that.
        wanted: Sequence,
    },
    /// Samples are longer than the model takes, and are not to be cut.
    #[error(
        "{split}/{modality} has {store_steps} steps here, but {model_steps} in the model of {}: \
         {n_longer} of {n_samples} samples are longer than that",
        model.display()
    )]
    TooLong {
        /// Of which split.
        split: SplitName,
        /// Of which modality.
        modality: Modality,
        /// Steps here.
        store_steps: usize,
        /// Steps of the model.
        model_steps: usize,
        /// Samples that are longer.
        n_longer: usize,
        /// Samples of the split.
        n_samples: usize,
        /// The model's checkpoint.
        model: PathBuf,
    },
    /// The model needs a modality that it is not to see.
    #[error("{model} needs {modality}")]
    Needed {
        /// The model.
        model: String,
        /// What it needs.
        modality: Modality,
        /// Whether the store has it.
        is_there: bool,
    },
    /// The model is part of a text encoder.
    #[error("{model} works inside a text encoder, which this run lacks")]
    NoEncoder {
        /// The model.
        model: String,
    },
    /// The model needs aligned features.
    #[error("{model} needs aligned features, and those of the store are not")]
    Unaligned {
        /// The model.
        model: String,
    },
    /// The model needs labels of each modality alone.
    #[error("{model} needs labels of each modality alone, and {id} is absent")]
    NoUnimodalLabels {
        /// The model.
        model: String,
        /// The first column that is absent.
        id: ColumnId,
    },
    /// The store has no such modality.
    #[error("the store has no {modality}")]
    NoModality {
        /// Which.
        modality: Modality,
    },
    /// The store is not valid.
    #[error("{problem}")]
    Invalid {
        /// What is wrong first, and how much more.
        problem: String,
        /// What the first finding advises.
        advice: String,
        /// Whether the store can be trained on all the same.
        can_be_forced: bool,
    },
    /// A split that training needs is absent or empty.
    #[error(transparent)]
    MissingSplit(DataError),
    /// Text is left out, which the store has.
    #[error("{}", DataError::NoText)]
    TextLeftOut {
        /// What is chosen.
        chosen: Vec<Modality>,
    },
    /// There is neither text nor anything that text could be made of.
    #[error("{}", DataError::NoText)]
    NoTextAtAll,
    /// Most tokens or texts do not belong to the vocabulary of the encoder.
    #[error("{}: {problem}", encoder.display())]
    Unsuited {
        /// The encoder's folder.
        encoder: PathBuf,
        /// In which respects.
        problem: String,
        /// Whether the texts do, so that tokens could be made of them.
        do_texts_suit: bool,
    },
    /// It is not the store that the run was made from.
    #[error("is not the store of this run: expected digest {expected}, found {found}")]
    OtherStore {
        /// Digest of the run's store.
        expected: String,
        /// Digest of this one.
        found: String,
    },
    /// An experiment of the paper is about other datasets.
    #[error("{title} is not about {}", dataset.title())]
    OtherExperiment {
        /// What it is about.
        title: String,
        /// The dataset of the store.
        dataset: Dataset,
    },
    /// An experiment looks at the test split.
    #[error("{title}: the store has no test split")]
    NoTest {
        /// What it is about.
        title: String,
    },
    /// An experiment is about a model that there is none of on the store.
    #[error("{model}: {reason}")]
    NoModel {
        /// As the paper calls it.
        model: String,
        /// Why there is none.
        reason: String,
    },
    /// Inputs cannot be made worse in this way.
    #[error("{problem}")]
    Corruption {
        /// Why.
        problem: String,
    },
}

/// What is wrong with a file that belongs to a run.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It is another one than the run had.
    #[error("has changed since the run")]
    Changed,
    /// A split manifest that does not fit the store.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A checkpoint whose tokenizer is not known.
    #[error(
        "its text encoder reads `raw_text`, and without its run folder the tokenizer is unknown"
    )]
    NoTokenizer,
    /// A folder that holds a run with different settings.
    #[error("holds a run with different settings")]
    OtherSettings,
    /// A run that has not come to its end.
    #[error("the run is incomplete")]
    Incomplete,
    /// A run that goes on with others alone.
    #[error("the run is one of several that are trained as one")]
    OneOfSeveral,
    /// A run whose own seed is not among those that it says it was trained with.
    #[error("its seed is not among those trained with it")]
    OtherSeed,
    /// A checkpoint of another dataset than the store's.
    #[error("was trained on {}, the store holds {}", trained_on.title(), found.title())]
    OtherDataset {
        /// Of the checkpoint.
        trained_on: Dataset,
        /// Of the store.
        found: Dataset,
    },
    /// Inputs are to be made worse that the model does not see.
    #[error("`{corruption}`: the model was trained without {modality}")]
    Unseen {
        /// As it was asked for.
        corruption: String,
        /// What the model does not see.
        modality: Modality,
    },
}

fn extents(sequence: Sequence) -> String {
    format!("[{}, {}]", sequence.seq_len, sequence.feat_dim)
}

impl TrainerError {
    /// That a store does not suit a run.
    pub fn unfit(store: &Path, cause: impl Into<StoreProblem>) -> TrainerError {
        TrainerError::Unfit { store: store.into(), cause: Box::new(cause.into()) }
    }

    /// That something is wrong with a file of a run.
    pub fn file(path: &Path, cause: impl Into<FileProblem>) -> TrainerError {
        TrainerError::File { path: path.into(), cause: Box::new(cause.into()) }
    }
}

impl From<RunError> for TrainerError {
    fn from(error: RunError) -> TrainerError {
        TrainerError::Train(error.into())
    }
}

impl From<PretrainedError> for TrainerError {
    fn from(error: PretrainedError) -> TrainerError {
        TrainerError::Train(error.into())
    }
}

impl From<NetworkError> for TrainerError {
    fn from(error: NetworkError) -> TrainerError {
        TrainerError::Train(error.into())
    }
}

impl From<weights::WeightsError> for TrainerError {
    fn from(error: weights::WeightsError) -> TrainerError {
        TrainerError::Train(error.into())
    }
}

impl Advise for TrainerError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            TrainerError::Store(error) => error.advice(),
            TrainerError::Train(error) => error.advice(),
            TrainerError::Plan(error) => error.advice(),
            TrainerError::Unfit { store, cause } => cause.advice_about(store),
            TrainerError::File { path, cause } => cause.advice_about(path),
            TrainerError::Save(error) => error.advice(),
            TrainerError::Setting(_) => Vec::new(),
        }
    }
}

impl StoreProblem {
    /// What can be done about it, with the store's name where that is part of it.
    fn advice_about(&self, store: &Path) -> Vec<Advice> {
        let store = store.to_owned();
        let advice = match self {
            StoreProblem::Data(error) => return error.advice(),
            StoreProblem::Train(error) => return error.advice(),
            StoreProblem::Plan(error) => return error.advice(),
            StoreProblem::Tokens { cause, .. } => return cause.advice(),
            StoreProblem::NoTokens { .. } => TrainerAdvice::TextsInPlaceOfTokens,
            StoreProblem::NoTexts { .. }
            | StoreProblem::Absent { .. }
            | StoreProblem::NoModality { .. }
            | StoreProblem::NoUnimodalLabels { .. }
            | StoreProblem::OtherExperiment { .. }
            | StoreProblem::NoTest { .. }
            | StoreProblem::NoModel { .. }
            | StoreProblem::Corruption { .. } => return Vec::new(),
            StoreProblem::OtherThanModel { .. } => TrainerAdvice::FeaturesOfModel,
            StoreProblem::OtherThanSplit { .. } => TrainerAdvice::ConvertTogether,
            StoreProblem::TooLong { .. } => TrainerAdvice::FitLengths,
            StoreProblem::Needed { is_there: true, .. } => TrainerAdvice::NameModality,
            StoreProblem::Needed { is_there: false, .. } => TrainerAdvice::OtherModels,
            StoreProblem::Unaligned { .. } => TrainerAdvice::AlignedFile,
            StoreProblem::NoEncoder { .. } => TrainerAdvice::TrainWithEncoder,
            StoreProblem::Invalid { advice, can_be_forced, .. } => TrainerAdvice::MendStore {
                advice: advice.clone(),
                store,
                can_be_forced: *can_be_forced,
            },
            StoreProblem::MissingSplit(DataError::EmptySplit { split: SplitName::Valid }) => {
                TrainerAdvice::DrawValid { store }
            }
            StoreProblem::MissingSplit(_) => TrainerAdvice::DrawSplits { store },
            StoreProblem::TextLeftOut { chosen } => {
                TrainerAdvice::AddText { chosen: chosen.iter().map(|it| it.name()).collect() }
            }
            StoreProblem::NoTextAtAll => TrainerAdvice::ConvertText,
            StoreProblem::Unsuited { do_texts_suit: true, .. } => TrainerAdvice::OtherVocabulary,
            StoreProblem::Unsuited { do_texts_suit: false, .. } => TrainerAdvice::OtherLanguage,
            StoreProblem::OtherStore { .. } => TrainerAdvice::NameStore,
        };
        vec![advice.into()]
    }
}

impl FileProblem {
    /// What can be done about it, with the file's name where that is part of it.
    fn advice_about(&self, path: &Path) -> Vec<Advice> {
        let advice = match self {
            FileProblem::Plan(error) => return error.advice(),
            FileProblem::NoTokenizer => TrainerAdvice::NameEncoder,
            FileProblem::OtherSettings => TrainerAdvice::OtherFolder,
            FileProblem::Incomplete => TrainerAdvice::CompleteRun { run: path.to_owned() },
            FileProblem::OneOfSeveral => TrainerAdvice::ResumeTogether,
            FileProblem::Changed
            | FileProblem::OtherSeed
            | FileProblem::OtherDataset { .. }
            | FileProblem::Unseen { .. } => return Vec::new(),
        };
        vec![advice.into()]
    }
}
