//! Why a run cannot be set up from a store and settings.

use std::path::{Path, PathBuf};

use crate::advice::{Advice, Advise, TrainerAdvice};
use crate::corpus::column::ColumnId;
use crate::corpus::plan::PlanError;
use crate::corpus::{Dataset, Modality, SplitName};
use crate::export::SaveError;
use crate::model::{Sequence, TokenError};
use crate::pretrained::{EncodeError, PretrainedError};
use crate::run::RunError;
use crate::store::StoreError;
use crate::train::{DataError, NetworkError, TrainError, weights};

/// Why a run cannot be set up from a store and settings.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A split manifest cannot be read, or belongs to another store.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store does not suit the run.
    #[error("{}", store.display())]
    Unfit {
        /// The store.
        store: PathBuf,
        /// The mismatch.
        #[source]
        cause: Box<StoreProblem>,
    },
    /// A file of the run was changed, or is unsuitable.
    #[error("{}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The problem.
        #[source]
        cause: Box<FileProblem>,
    },
    /// An invalid setting.
    #[error("{0}")]
    Setting(String),
    /// A result cannot be written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

/// Why a store does not suit a run.
#[derive(Debug, thiserror::Error)]
pub enum StoreProblem {
    /// The samples cannot be trained on.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The samples cannot be moved to the model's device.
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
        /// The reason.
        #[source]
        cause: EncodeError,
    },
    /// The text encoder of a trained model cannot read the tokens.
    #[error("{id}")]
    TokensOfModel {
        /// The column.
        id: ColumnId,
        /// The reason.
        #[source]
        cause: TokenError,
        /// The encoder's folder, if known.
        encoder: Option<PathBuf>,
    },
    /// The store has no tokens to encode.
    #[error("{id}: the store has no tokens")]
    NoTokens {
        /// The column.
        id: ColumnId,
    },
    /// The store has no texts to encode.
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
        /// The checkpoint whose model needs it.
        model: Option<PathBuf>,
    },
    /// The features' width differs from the model's.
    #[error(
        "{split}/{modality} is {} here, but {} in the model of {}: they have other features",
        extents(*found), extents(*wanted), model.display()
    )]
    OtherThanModel {
        /// The split.
        split: SplitName,
        /// The modality.
        modality: Modality,
        /// Extents in the store.
        found: Sequence,
        /// Extents in the model.
        wanted: Sequence,
        /// The model's checkpoint.
        model: PathBuf,
    },
    /// The features' width differs from another split's.
    #[error(
        "{split}/{modality} is {}, but {other}/{modality} is {}: they have other features",
        extents(*found), extents(*wanted)
    )]
    OtherThanSplit {
        /// The split.
        split: SplitName,
        /// The modality.
        modality: Modality,
        /// Its extents.
        found: Sequence,
        /// The other split.
        other: SplitName,
        /// The other split's extents.
        wanted: Sequence,
    },
    /// The same numbers mean something else than in the data that the model was trained on.
    #[error("{problem}")]
    OtherData {
        /// The differences, with both values.
        problem: String,
    },
    /// Samples are longer than the model's input, and cutting is not enabled.
    #[error(
        "{split}/{modality} has {store_steps} steps here, but {model_steps} in the model of {}: \
         {n_longer} of {n_samples} samples are longer than that",
        model.display()
    )]
    TooLong {
        /// The split.
        split: SplitName,
        /// The modality.
        modality: Modality,
        /// Steps in the store.
        store_steps: usize,
        /// Steps in the model.
        model_steps: usize,
        /// Number of longer samples.
        n_longer: usize,
        /// Number of samples in the split.
        n_samples: usize,
        /// The model's checkpoint.
        model: PathBuf,
    },
    /// The model needs a modality that was not chosen.
    #[error("{model} needs {modality}")]
    Needed {
        /// The model.
        model: String,
        /// The modality.
        modality: Modality,
        /// Whether the store has it.
        is_there: bool,
    },
    /// The model needs a text encoder.
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
    /// The model needs unimodal labels.
    #[error("{model} needs labels of each modality alone, and {id} is absent")]
    NoUnimodalLabels {
        /// The model.
        model: String,
        /// The first absent column.
        id: ColumnId,
    },
    /// Labels are classes without values, and models are of numbers.
    #[error(
        "labels are {n_classes} classes without values, such as `{first}`: all models are trained on \
         numbers"
    )]
    NamedClasses {
        /// Number of classes.
        n_classes: usize,
        /// The first of them.
        first: String,
    },
    /// The store has no such modality.
    #[error("the store has no {modality}")]
    NoModality {
        /// The modality.
        modality: Modality,
    },
    /// The store is not valid.
    #[error("{problem}")]
    Invalid {
        /// The first problem, and the number of others.
        problem: String,
        /// Advice for the first finding.
        advice: String,
        /// Whether training on the store can be forced.
        can_be_forced: bool,
    },
    /// A split that training needs is absent or empty.
    #[error(transparent)]
    MissingSplit(DataError),
    /// The validation split has no labels, but the training split has.
    #[error("valid has no regression labels")]
    ValidUnlabelled,
    /// Text was not chosen, although the store has it.
    #[error("{}", DataError::NoText)]
    TextLeftOut {
        /// The chosen modalities.
        chosen: Vec<Modality>,
    },
    /// The store has neither text nor anything to compute text features from.
    #[error("{}", DataError::NoText)]
    NoTextAtAll,
    /// Most tokens or texts do not belong to the encoder's vocabulary.
    #[error("{}: {problem}", encoder.display())]
    Unsuited {
        /// The encoder's folder.
        encoder: PathBuf,
        /// The problems.
        problem: String,
        /// Whether the texts do, so tokens can be made from them.
        do_texts_suit: bool,
        /// Whether the encoder is part of a trained model.
        is_trained: bool,
    },
    /// The run was trained on another store.
    #[error("is not the store of this run: expected digest {expected}, found {found}")]
    OtherStore {
        /// Digest of the run's store.
        expected: String,
        /// Digest of this store.
        found: String,
    },
    /// The paper's experiment uses other datasets.
    #[error("{title} is not about {}", dataset.title())]
    OtherExperiment {
        /// Title of the experiment.
        title: String,
        /// The store's dataset.
        dataset: Dataset,
    },
    /// An experiment needs the test split.
    #[error("{title}: the store has no test split")]
    NoTest {
        /// Title of the experiment.
        title: String,
    },
    /// An experiment needs a model that is impossible on this store.
    #[error("{model}: {reason}")]
    NoModel {
        /// The paper's name for it.
        model: String,
        /// The reason.
        reason: String,
    },
    /// Inputs cannot be corrupted in this way.
    #[error("{problem}")]
    Corruption {
        /// The reason.
        problem: String,
    },
}

/// What is wrong with a run's file.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// The file differs from the run's.
    #[error("has changed since the run")]
    Changed,
    /// A split manifest does not fit the store.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A checkpoint's tokenizer is unknown.
    #[error("the tokenizer of its text encoder is unknown without its run folder")]
    NoTokenizer,
    /// The model takes more than text.
    #[error("its model takes {} besides text", names_of(others).join(" and "))]
    NotTextAlone {
        /// The other modalities.
        others: Vec<Modality>,
    },
    /// The text features of the training store are not those of a known encoder.
    #[error("its model reads text features{}, and no encoder is given", match name {
        Some(name) => format!(" that {name} computed"),
        None => String::new(),
    })]
    NoEncoderOfTexts {
        /// The encoder of the training store, if it is known.
        name: Option<String>,
    },
    /// Weights without a description of their text encoder.
    #[error("holds a text encoder, whose folder is not given")]
    NoEncoderFolder,
    /// The folder contains a run with different settings.
    #[error("holds a run with different settings")]
    OtherSettings,
    /// A fold of a split manifest lacks a split that training needs.
    #[error("fold {fold} has no segments in split `{split}`, which is needed here")]
    MissingSplit {
        /// The fold, counted from 0.
        fold: usize,
        /// The split.
        split: SplitName,
        /// The store.
        store: PathBuf,
    },
    /// The model of the weights is another one than the run's.
    #[error("holds the weights of {found}, the run trains {wanted}")]
    OtherModel {
        /// The model of the weights.
        found: &'static str,
        /// The run's model.
        wanted: &'static str,
    },
    /// The model of the weights takes other modalities than the run's.
    #[error("its model takes {}, the run {}", names(found), names(wanted))]
    OtherModalities {
        /// Modalities of the weights.
        found: Vec<Modality>,
        /// Modalities of the run.
        wanted: Vec<Modality>,
    },
    /// The run is incomplete.
    #[error("the run is incomplete")]
    Incomplete,
    /// The run can only resume together with others.
    #[error("the run is one of several that are trained as one")]
    OneOfSeveral,
    /// The run's own random seed is not among the seeds that it lists as trained together.
    #[error("its seed is not among those trained with it")]
    OtherSeed,
    /// The checkpoint's dataset is not the store's.
    #[error("was trained on {}, the store holds {}", trained_on.title(), found.title())]
    OtherDataset {
        /// The checkpoint's dataset.
        trained_on: Dataset,
        /// The store's dataset.
        found: Dataset,
    },
    /// The checkpoint's labels are not those of the store.
    #[error(
        "was trained on labels of {trained_on}, which are not those of the store, {found}: \
         {differences}"
    )]
    OtherLabels {
        /// Name of the checkpoint's dataset.
        trained_on: String,
        /// Name of the store's dataset.
        found: String,
        /// How its labels differ, by key of their description: that of the checkpoint first.
        differences: String,
    },
    /// Inputs that the model does not see cannot be corrupted.
    #[error("`{corruption}`: the model was trained without {modality}")]
    Unseen {
        /// As requested.
        corruption: String,
        /// The modality.
        modality: Modality,
    },
}

fn names(modalities: &[Modality]) -> String {
    names_of(modalities).join(",")
}

fn names_of(modalities: &[Modality]) -> Vec<&'static str> {
    modalities.iter().map(|modality| modality.name()).collect()
}

fn extents(sequence: Sequence) -> String {
    format!("[{}, {}]", sequence.seq_len, sequence.feat_dim)
}

impl TrainerError {
    /// The error that a store does not suit a run.
    pub fn unfit(store: &Path, cause: impl Into<StoreProblem>) -> TrainerError {
        TrainerError::Unfit { store: store.into(), cause: Box::new(cause.into()) }
    }

    /// The error about a run's file.
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
    /// Possible fixes, with the store's name where needed.
    fn advice_about(&self, store: &Path) -> Vec<Advice> {
        let store = store.to_owned();
        let advice = match self {
            StoreProblem::Data(error) => return error.advice(),
            StoreProblem::Train(error) => return error.advice(),
            StoreProblem::Plan(PlanError::HasValid { .. }) => TrainerAdvice::UseOwnValid,
            StoreProblem::Plan(error) => return error.advice(),
            StoreProblem::Tokens { cause, .. } => return cause.advice(),
            StoreProblem::TokensOfModel { cause, encoder, .. } => match (cause, encoder) {
                (TokenError::Unknown { .. }, Some(encoder)) => {
                    let encoder = encoder.clone();
                    TrainerAdvice::EncodeForModel { store, encoder, is_forcible: false }
                }
                (TokenError::Unknown { .. }, None) => TrainerAdvice::TokensOfModel,
                (TokenError::Length { .. }, _) => return Vec::new(),
            },
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
            StoreProblem::OtherData { .. } => TrainerAdvice::DataOfModel,
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
            StoreProblem::MissingSplit(DataError::EmptySplit { split: SplitName::Valid })
            | StoreProblem::ValidUnlabelled => TrainerAdvice::DrawValid { store },
            StoreProblem::MissingSplit(_) => TrainerAdvice::DrawSplits { store },
            StoreProblem::NamedClasses { .. } => TrainerAdvice::OrderClasses,
            StoreProblem::TextLeftOut { chosen } => {
                TrainerAdvice::AddText { chosen: chosen.iter().map(|it| it.name()).collect() }
            }
            StoreProblem::NoTextAtAll => TrainerAdvice::ConvertText,
            StoreProblem::Unsuited { do_texts_suit: true, is_trained: true, encoder, .. } => {
                TrainerAdvice::EncodeForModel { store, encoder: encoder.clone(), is_forcible: true }
            }
            StoreProblem::Unsuited { do_texts_suit: true, .. } => TrainerAdvice::OtherVocabulary,
            StoreProblem::Unsuited { is_trained: true, .. } => TrainerAdvice::ModelOfLanguage,
            StoreProblem::Unsuited { .. } => TrainerAdvice::OtherLanguage,
            StoreProblem::OtherStore { .. } => TrainerAdvice::NameStore,
        };
        vec![advice.into()]
    }
}

impl FileProblem {
    /// Possible fixes, with the file's name where needed.
    fn advice_about(&self, path: &Path) -> Vec<Advice> {
        let advice = match self {
            FileProblem::Plan(error) => return error.advice(),
            FileProblem::NoTokenizer => TrainerAdvice::NameEncoder,
            FileProblem::NotTextAlone { .. } => TrainerAdvice::PredictStore,
            FileProblem::NoEncoderOfTexts { .. } => TrainerAdvice::EncoderOfFeatures,
            FileProblem::NoEncoderFolder => TrainerAdvice::GiveEncoder,
            FileProblem::OtherSettings => TrainerAdvice::OtherFolder,
            FileProblem::Incomplete => TrainerAdvice::CompleteRun { run: path.to_owned() },
            FileProblem::OneOfSeveral => TrainerAdvice::ResumeTogether,
            FileProblem::MissingSplit { store, .. } => {
                TrainerAdvice::OtherPlan { store: store.clone() }
            }
            FileProblem::OtherModel { found, .. } => TrainerAdvice::ModelOfWeights { model: found },
            FileProblem::OtherModalities { found, .. } => TrainerAdvice::ModalitiesOfWeights {
                modalities: found.iter().map(|modality| modality.name()).collect(),
            },
            FileProblem::Changed
            | FileProblem::OtherSeed
            | FileProblem::OtherDataset { .. }
            | FileProblem::OtherLabels { .. }
            | FileProblem::Unseen { .. } => return Vec::new(),
        };
        vec![advice.into()]
    }
}
