//! Possible fixes for an error, as data.
//!
//! An error states the problem; [`Advise`] lists its fixes. Wording them, with options and commands, is
//! up to the user interface: this module knows no option.

use std::borrow::Cow;
use std::error::Error;
use std::path::PathBuf;

use crate::limit::Limit;

/// An error with possible fixes.
pub trait Advise: Error {
    /// The fixes, best first, including those of its cause.
    fn advice(&self) -> Vec<Advice> {
        Vec::new()
    }
}

/// A fix, with the values that it needs. Names of files and encodings are in the form typed by users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// Something to do with other programs, in words that mention no option of this one.
    Outside(Cow<'static, str>),
    /// Make another copy of a file that was damaged in transfer.
    CopyAgain,
    /// Make another copy, without converting line ends.
    CopyAsBinary,
    /// Raise the limit, if possible and the file is trusted.
    Raise(Limit),
    /// A fix for a pickle.
    Pickle(PickleAdvice),
    /// A fix for a compressed file or an archive.
    Packed(PackedAdvice),
    /// A fix for the content of a packed file, after unpacking it.
    OnceUnpacked(Box<Advice>),
    /// A fix for a file of a known kind.
    Known(KnownAdvice),
    /// A fix for the source of a conversion.
    Source(SourceAdvice),
    /// A fix for a label table.
    Table(TableAdvice),
    /// A fix for a store, or something made from one.
    Store(StoreAdvice),
    /// A fix for training or encoding.
    Trainer(TrainerAdvice),
}

/// A fix for a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PickleAdvice {
    /// Convert the numbers to a supported type.
    KnownNumbers,
    /// Use plain values instead of an unsupported type.
    PlainValues,
    /// Convert a library's objects to plain ones.
    PlainObjects(Origin),
    /// Never load the file: a name in it runs code.
    NeverLoad,
    /// Use data only.
    DataOnly,
    /// Open the file in an editor: it may be prose.
    OpenInEditor,
    /// Use a file of features: these are the weights of a model.
    FeaturesForWeights,
}

/// A fix for a compressed file or an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackedAdvice {
    /// Use another folder for unpacked files.
    OtherTemporaryFolder,
    /// Unpack the file with the tools that packed it.
    UnpackWithPacker,
    /// Unpack one level after another.
    UnpackStepwise,
    /// Unpack the file with its password.
    UnpackWithPassword,
    /// Unpack the file with a tool that supports more methods.
    UnpackWithOther,
    /// Unpack two entries of the same name with a tool that asks for another name.
    UnpackTwins,
    /// Unpack splits that belong together, and convert their folder.
    UnpackSplits {
        /// The command that unpacks them.
        command: String,
        /// The folder.
        folder: String,
    },
    /// Choose this entry.
    TakeEntry {
        /// Its name.
        name: String,
    },
    /// Name an entry whose extension is not a pickle's.
    NameEntry,
    /// Use the file that a link in the archive leads to.
    PackLinkedFile,
    /// Give the full name of an entry, with its folders.
    WholeNameOfEntry,
    /// Do not choose an entry: the file has none.
    NoEntry,
}

/// A fix for a file of a known kind that is used in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownAdvice {
    /// Convert the file into a store.
    Convert {
        /// The file.
        file: String,
    },
    /// Convert the pickle inside the file into a store.
    ConvertPacked {
        /// The file.
        file: String,
    },
    /// Convert the pickles in the folder into a store.
    ConvertFolder {
        /// The folder.
        file: String,
    },
    /// Align the sequence with others.
    Align {
        /// The file.
        file: String,
    },
    /// Align other sequences with this one, whose rows are words.
    AlignToWords {
        /// The file.
        file: String,
    },
    /// Use the folds when aligning sequences.
    UseFolds {
        /// The file.
        file: String,
    },
    /// Use the store with other commands.
    UseStore {
        /// The file.
        file: String,
    },
    /// Use the run with other commands.
    UseRun {
        /// The file.
        file: String,
    },
    /// Use the run that the file belongs to.
    PartOfRun,
    /// Use the weights with other commands.
    UseWeights,
    /// Compare the table with a store.
    CompareTable {
        /// The file.
        file: String,
        /// Its columns.
        columns: Vec<String>,
    },
    /// Save the document as text and compare it with a store.
    SaveAndCompare {
        /// Its name without the extension.
        stem: String,
    },
}

/// A fix for the source of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAdvice {
    /// List the requirements of each layout.
    ExplainLayouts,
    /// Let the layout be detected.
    GuessLayout,
    /// Write one pickle for all splits, or one per split.
    DumpOnce,
    /// Omit the split: the file names it.
    LeaveSplitOut,
    /// Rename the file or the key.
    RenameSplit,
    /// Give the split, which the file does not name.
    SaySplit,
    /// Show the file's keys.
    ShowKeys,
    /// Convert objects to numbers.
    NumbersOfObjects,
    /// Show the file's content and write it in another form.
    ShowAndDump,
    /// Do not cut a modality without features.
    LeaveModalityOut,
    /// Remove one of two files for the same split.
    OneOfTwoSplits,
    /// Delete or rename one of two keys for the same split.
    OneOfTwoKeys,
    /// Decode bytes in the encoding that they resemble.
    Decode {
        /// The encoding.
        encoding: String,
    },
    /// Decode bytes in two encodings.
    DecodeBoth {
        /// The encoding.
        encoding: String,
        /// The second encoding, in words.
        other: String,
    },
    /// Decode bytes in another encoding than the given one.
    DecodeOtherwise {
        /// The encoding.
        encoding: String,
    },
    /// Replace bytes that no encoding fits.
    ReplaceBytes,
    /// Replace halves of surrogate pairs.
    ReplaceHalves,
    /// Remove a character that ids must not contain.
    MendIds,
    /// Give the dataset.
    SayDataset,
    /// Describe the labels of a dataset of one's own.
    DescribeLabels,
    /// See what a description of labels may have.
    ShowScaleSchema,
    /// Give the folds of these videos, or none.
    OtherFolds,
    /// Leave frames without a face as they are.
    OmitFailedFaces,
    /// Tell frames without a face by no confidence.
    OmitMinConfidence,
    /// Name another set of features, or none.
    OtherSet {
        /// The modality.
        modality: &'static str,
        /// Sets with as many features as the file has.
        likely: Vec<&'static str>,
    },
    /// Pass the pickles of a folder individually: it has two for one split.
    NameOneByOne,
    /// Build a store from the arrays and a label table.
    BuildFromTable {
        /// The folder.
        folder: String,
        /// The table in it, if it has one.
        table: Option<Box<str>>,
    },
    /// Pass pickles of the folder: one, or one per split.
    NamePickles,
    /// Name feature files after the clips of the table.
    NameAfterClips,
    /// Keep one of two files for the same clip.
    OneFilePerClip,
    /// Give each row of the table its split, or none of them.
    FillSplits,
    /// Omit the split: the table has splits.
    TableHasSplits,
    /// Leave out clips that lack features.
    DropIncomplete,
    /// Name the entries of a file after the clips of the table.
    NameEntriesAfterClips,
    /// Name the columns with start and end of each clip.
    NameClipTimes,
    /// Name the tier that has the words.
    NameTier,
    /// Give the frames per second of a modality.
    SayFrameRate {
        /// The modality.
        modality: &'static str,
    },
}

/// A fix for a label table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAdvice {
    /// Give the right table: the file is too large to be one.
    NameTable,
    /// Give a table instead of a store.
    StoreIsNoTable,
    /// Decode the table in the encoding that it resembles.
    DecodeTable {
        /// The encoding.
        encoding: String,
    },
    /// Fix a table that no encoding fits.
    MendTable,
    /// Omit the encoding: the table states it.
    TableKnowsEncoding,
    /// Save a table that has rows.
    SaveTable,
    /// Close a quote.
    CloseQuotes,
    /// Quote a field that contains the separator.
    QuoteField,
    /// Name the columns; likely pairs of field and column number.
    SayColumns(Vec<(&'static str, usize)>),
    /// Name the field's column; `fields` lists all that are read.
    SayColumn {
        /// The field.
        field: &'static str,
        /// All fields that are read of such a table.
        fields: Vec<&'static str>,
    },
    /// Choose one of several columns for the field.
    ChooseColumn {
        /// The field.
        field: String,
        /// The column.
        column: String,
    },
    /// Use the correct form to name a column.
    FormOfColumn,
    /// Use another column for the field, or none.
    OtherColumnOrNone {
        /// The field.
        field: &'static str,
        /// Description of its content.
        what: &'static str,
    },
    /// Use another column for `field`; `columns` were compared.
    OtherColumn {
        /// The field.
        field: &'static str,
        /// The compared columns.
        columns: String,
    },
    /// Compare a store that has what the table has.
    StoreLacksValues,
    /// Use either decimal commas or decimal points.
    WriteAlike,
    /// Import ids as text, so that a spreadsheet does not treat them as formulas.
    ImportAsText,
    /// Remove one of a segment's two rows.
    RemoveRow,
}

/// A fix for a store, or something made from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAdvice {
    /// Create a split plan.
    MakePlan,
    /// Convert the plan of another store.
    TranslatePlan,
    /// Draw all three splits: the store already has a validation split.
    DrawAllSplits,
    /// Draw segments: there are too few videos.
    DrawSegments,
    /// Overwrite the output.
    Overwrite,
    /// Choose another output.
    OtherOutput,
    /// Copy or convert again: the store is incomplete.
    CopyOrConvert,
    /// Convert again or use the old program: the store has another version.
    ConvertOrOldProgram,
    /// Predict only: the store has no labels.
    PredictOnly,
    /// Replace values instead of dropping their segments.
    KeepSegments(UnfitValues),
    /// Replace values that are not finite.
    ReplaceNonFinite,
    /// Replace values beyond a type.
    ReplaceOverflow {
        /// The type.
        dtype: String,
    },
    /// Store a type that holds the values.
    StoreAsFloat32,
    /// Encode a store whose type holds the encoder's output.
    EncodeAsFloat32,
    /// Correct a label that cannot be stored.
    CorrectLabel,
    /// Use a build with Parquet.
    BuildWithParquet,
    /// Write one report per dataset.
    OneReportEach,
    /// Overwrite the run in the folder.
    OverwriteRun,
}

/// Values that a conversion policy applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnfitValues {
    /// NaN and infinities.
    NonFinite,
    /// Finite values beyond the store's type.
    Overflow,
}

/// The library or program that a pickle comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// PyTorch.
    Torch,
    /// pandas.
    Pandas,
    /// SciPy.
    Scipy,
    /// NumPy.
    Numpy,
    /// joblib.
    Joblib,
    /// An extension registry.
    Registry,
    /// A program that stores parts elsewhere.
    Elsewhere,
    /// Python, with buffers outside the file.
    Buffers,
}

/// A fix for training or encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainerAdvice {
    /// Encode tokens or texts to features.
    EncodeText,
    /// Make tokens from texts: the store has none.
    MakeTokens,
    /// Train with a text encoder.
    TrainWithEncoder,
    /// Make tokens from texts, replacing those of another encoder.
    MakeTokensAnew,
    /// Make a store with tokens of a trained model's encoder.
    EncodeForModel {
        /// The store.
        store: PathBuf,
        /// The encoder's folder.
        encoder: PathBuf,
        /// Whether the tokens can be used anyway.
        is_forcible: bool,
    },
    /// Use tokens of a trained model's encoder, whose folder is not known.
    TokensOfModel,
    /// Use a model whose encoder is of the language of the texts.
    ModelOfLanguage,
    /// Give classes values, if they have an order.
    OrderClasses,
    /// Train the model that the initial weights are of.
    ModelOfWeights {
        /// The model.
        model: &'static str,
    },
    /// Train on the modalities that the initial weights are of.
    ModalitiesOfWeights {
        /// The modalities.
        modalities: Vec<&'static str>,
    },
    /// Draw a split plan that has all splits.
    OtherPlan {
        /// The store.
        store: PathBuf,
    },
    /// Take more steps in a short epoch.
    StepAtEnd,
    /// Convert again, without non-finite values.
    ConvertFinite,
    /// Convert again, without unlabelled segments.
    DropUnlabelled,
    /// Use a lower learning rate.
    LowerRate,
    /// The same, starting from the run's checkpoint.
    LowerRateAfterBest,
    /// Read features from disk.
    ReadFromDisk,
    /// Use smaller batches, or read features from disk.
    SmallerStep,
    /// Use smaller batches.
    SmallerBatch,
    /// Use a machine with more memory.
    MoreMemory,
    /// Give the folder of the text encoder.
    GiveEncoder,
    /// Use a complete encoder folder.
    FolderOfEncoder,
    /// Save weights in a supported format; the folder is quoted for Python.
    SaveSafetensors {
        /// The folder.
        folder: String,
    },
    /// Save weights in one file.
    SaveOneFile,
    /// Get the weights again: their output is not finite.
    WeightsDamaged,
    /// Let the encoder read texts instead of tokens.
    TextsInPlaceOfTokens,
    /// Use features of the kind that the model was trained on.
    FeaturesOfModel,
    /// Make the store as that of training was made.
    DataOfModel,
    /// Predict a store that has all modalities of the model.
    PredictStore,
    /// Give the encoder that computed the text features of training.
    EncoderOfFeatures,
    /// Convert files of one extraction.
    ConvertTogether,
    /// Cut samples to the model's length.
    FitLengths,
    /// Add the modality to those that the model sees.
    NameModality,
    /// Use another model.
    OtherModels,
    /// Use the dataset's file with aligned features.
    AlignedFile,
    /// Follow the advice of the first finding about a store.
    MendStore {
        /// The advice.
        advice: String,
        /// The store.
        store: PathBuf,
        /// Whether training can be forced.
        can_be_forced: bool,
    },
    /// Draw a validation split from a store's training split.
    DrawValid {
        /// The store.
        store: PathBuf,
    },
    /// Validate on the store's own split instead of drawing one.
    UseOwnValid,
    /// Draw all splits of a store.
    DrawSplits {
        /// The store.
        store: PathBuf,
    },
    /// Add text to the chosen modalities.
    AddText {
        /// The chosen modalities.
        chosen: Vec<&'static str>,
    },
    /// Convert a source that has text.
    ConvertText,
    /// Make tokens with the encoder's vocabulary.
    OtherVocabulary,
    /// Use an encoder for the language of the texts.
    OtherLanguage,
    /// Give the encoder's folder.
    NameEncoder,
    /// Give the path of the run's store.
    NameStore,
    /// Use another folder for the run.
    OtherFolder,
    /// Use a folder that is empty or new.
    EmptyFolder,
    /// Complete the run first.
    CompleteRun {
        /// Its folder.
        run: PathBuf,
    },
    /// Resume all runs that are trained as one.
    ResumeTogether,
    /// Get libtorch's CUDA library in this version.
    CudaLibrary {
        /// The library.
        library: &'static str,
        /// Its version.
        version: String,
    },
}

macro_rules! areas {
    ($($area:ident($of:ident)),*) => {$(
        impl From<$of> for Advice {
            fn from(advice: $of) -> Advice {
                Advice::$area(advice)
            }
        }
    )*};
}

areas!(
    Pickle(PickleAdvice),
    Packed(PackedAdvice),
    Known(KnownAdvice),
    Source(SourceAdvice),
    Table(TableAdvice),
    Store(StoreAdvice),
    Trainer(TrainerAdvice)
);

/// The text must be about other programs.
impl From<&'static str> for Advice {
    fn from(words: &'static str) -> Advice {
        Advice::Outside(words.into())
    }
}

impl From<String> for Advice {
    fn from(words: String) -> Advice {
        Advice::Outside(words.into())
    }
}
