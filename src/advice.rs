//! What the owner of a file can do about an error, as data.
//!
//! An error says what is wrong; [`Advise`] says which remedy there is. How a remedy is spelled, with
//! which option of which command, is for whoever talks to the user: this module knows no option.

use std::borrow::Cow;
use std::error::Error;
use std::path::PathBuf;

use crate::limit::Limit;

/// An error that knows what can be done about it.
pub trait Advise: Error {
    /// The remedies, the best one first; those of a cause are handed on.
    fn advice(&self) -> Vec<Advice> {
        Vec::new()
    }
}

/// A remedy, with the values that it needs. Names of files and encodings are as they are typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// What is done with other programs, in words: none of them is an option of this one.
    Outside(Cow<'static, str>),
    /// What was wrong in transport is gone in another copy.
    CopyAgain,
    /// Another copy, in which line ends stay.
    CopyAsBinary,
    /// The limit is for files of strangers; some can be raised.
    Raise(Limit),
    /// About pickles.
    Pickle(PickleAdvice),
    /// About compressed files and archives.
    Packed(PackedAdvice),
    /// What helps with the content of a packed file, once it is unpacked.
    OnceUnpacked(Box<Advice>),
    /// About files of a known kind.
    Known(KnownAdvice),
    /// About sources of a conversion.
    Source(SourceAdvice),
    /// About tables of labels.
    Table(TableAdvice),
    /// About stores, and what is made of them.
    Store(StoreAdvice),
    /// About training and encoding.
    Trainer(TrainerAdvice),
}

/// A remedy that is about a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PickleAdvice {
    /// Which numbers are read, and how others become such.
    KnownNumbers,
    /// A kind of value that is not read.
    PlainValues,
    /// What becomes of objects of a library.
    PlainObjects(Origin),
    /// A name that runs code.
    NeverLoad,
    /// Nothing but data is read.
    DataOnly,
    /// It may be prose.
    OpenInEditor,
}

/// A remedy that is about a compressed file or an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackedAdvice {
    /// Another place for what is unpacked.
    OtherTemporaryFolder,
    /// The tools that it was packed with.
    UnpackWithPacker,
    /// One level after another.
    UnpackStepwise,
    /// With the password.
    UnpackWithPassword,
    /// With a tool that knows more ways of packing.
    UnpackWithOther,
    /// Two entries of one name, by a tool that asks for another one.
    UnpackTwins,
    /// Splits that belong together: the command that unpacks them, and their folder then.
    UnpackSplits {
        /// The command that unpacks them.
        command: String,
        /// The folder.
        folder: String,
    },
    /// This entry of several.
    TakeEntry {
        /// Its name.
        name: String,
    },
    /// An entry that does not end as pickles do.
    NameEntry,
    /// The name of an entry has its folders.
    WholeNameOfEntry,
    /// No entry can be asked for.
    NoEntry,
}

/// A remedy for a file of a known kind that is in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownAdvice {
    /// `convert` makes a store of the file.
    Convert {
        /// The file.
        file: String,
    },
    /// `convert` makes a store of the pickle in the file.
    ConvertPacked {
        /// The file.
        file: String,
    },
    /// `convert` makes a store of the pickles in the folder.
    ConvertFolder {
        /// The file.
        file: String,
    },
    /// What a store is good for.
    UseStore {
        /// The file.
        file: String,
    },
    /// What a run is good for.
    UseRun {
        /// The file.
        file: String,
    },
    /// What a file of a run is.
    PartOfRun,
    /// What weights are good for.
    UseWeights,
    /// A table that can be compared with a store, and its columns.
    CompareTable {
        /// The file.
        file: String,
        /// Its columns.
        columns: Vec<String>,
    },
    /// A document that is such a table once it is saved as text: its name without the ending.
    SaveAndCompare {
        /// Its name without the ending.
        stem: String,
    },
}

/// A remedy that is about the source of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAdvice {
    /// What each layout asks for.
    ExplainLayouts,
    /// The layout is told from the file.
    GuessLayout,
    /// One pickle for all splits, or one for each.
    DumpOnce,
    /// The split is in the file.
    LeaveSplitOut,
    /// The name or the key is wrong.
    RenameSplit,
    /// The split is not in the file.
    SaySplit,
    /// The keys that are there.
    ShowKeys,
    /// Objects that could be numbers.
    NumbersOfObjects,
    /// What is there, to be dumped in another form.
    ShowAndDump,
    /// A modality without features cannot be cut.
    LeaveModalityOut,
    /// Two names of one split.
    OneOfTwoSplits,
    /// The encoding that bytes look like.
    Decode {
        /// The encoding.
        encoding: String,
    },
    /// Both encodings; `other` is the second one in words.
    DecodeBoth {
        /// The encoding.
        encoding: String,
        /// The second encoding, in words.
        other: String,
    },
    /// Another encoding than the one that was told.
    DecodeOtherwise {
        /// The encoding.
        encoding: String,
    },
    /// What no encoding fits.
    ReplaceBytes,
    /// Halves of surrogate pairs.
    ReplaceHalves,
    /// A character that no id may have.
    MendIds,
    /// Which dataset it is.
    SayDataset,
    /// The pickles of a folder that has two of one split.
    NameOneByOne,
    /// One pickle of arrays, and a table of labels.
    MakeOnePickle,
    /// The pickles of a folder, one or one for each split.
    NamePickles,
}

/// A remedy that is about a table of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAdvice {
    /// A file that is too large for a table.
    NameTable,
    /// A store where a table is meant.
    StoreIsNoTable,
    /// The encoding that a table looks like.
    DecodeTable {
        /// The encoding.
        encoding: String,
    },
    /// A table that no encoding fits.
    MendTable,
    /// The table says its encoding.
    TableKnowsEncoding,
    /// A table without rows.
    SaveTable,
    /// Quotes that do not end.
    CloseQuotes,
    /// A separator in a field.
    QuoteField,
    /// What the columns may be: pairs of a field and the column, by number.
    SayColumns(Vec<(&'static str, usize)>),
    /// Which column is the field; `fields` are all that there are.
    SayColumn {
        /// What a column can be.
        field: &'static str,
        /// All that a column can be.
        fields: Vec<&'static str>,
    },
    /// Which of several columns is the field.
    ChooseColumn {
        /// What a column can be.
        field: String,
        /// The column.
        column: String,
    },
    /// How a column is told.
    FormOfColumn,
    /// Another column has the field, or none; `what` it has, in words.
    OtherColumnOrNone {
        /// What a column can be.
        field: &'static str,
        /// What it has, in words.
        what: &'static str,
    },
    /// The columns that were compared, and that another one could be `field`.
    OtherColumn {
        /// What a column can be.
        field: &'static str,
        /// Its columns.
        columns: String,
    },
    /// Numbers with a comma beside numbers with a point.
    WriteAlike,
    /// Ids that a spreadsheet took for formulas.
    ImportAsText,
    /// A segment that has two rows.
    RemoveRow,
}

/// A remedy that is about a store, or what is made of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAdvice {
    /// A plan of splits.
    MakePlan,
    /// The plan of another store.
    TranslatePlan,
    /// All three splits, where the store has a validation split already.
    DrawAllSplits,
    /// Segments, where there are too few videos.
    DrawSegments,
    /// What is there may be replaced.
    Overwrite,
    /// Another output.
    OtherOutput,
    /// The store is not whole.
    CopyOrConvert,
    /// The store is of another version.
    ConvertOrOldProgram,
    /// A store without labels.
    PredictOnly,
    /// Replacing values keeps their segments.
    KeepSegments(UnfitValues),
    /// What values that are not finite can become.
    ReplaceNonFinite,
    /// What values beyond a type can become; `dtype` is the type.
    ReplaceOverflow {
        /// The type.
        dtype: String,
    },
    /// A type that holds the values.
    StoreAsFloat32,
    /// A store of a type that holds what an encoder computes.
    EncodeAsFloat32,
    /// A label that cannot be stored.
    CorrectLabel,
    /// A build that writes Parquet.
    BuildWithParquet,
    /// One report for each dataset.
    OneReportEach,
    /// The run in the folder may be replaced.
    OverwriteRun,
}

/// Values that a policy of a conversion is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnfitValues {
    /// NaN and infinities.
    NonFinite,
    /// Finite ones beyond the type of the store.
    Overflow,
}

/// Whose objects are in a pickle, or who wrote it.
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
    /// Somebody's extension registry.
    Registry,
    /// A program that keeps parts elsewhere.
    Elsewhere,
    /// Python, with buffers outside the file.
    Buffers,
}

/// A remedy that is about training or encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainerAdvice {
    /// Features of tokens or texts.
    EncodeText,
    /// Tokens of texts, where the store has none.
    MakeTokens,
    /// A text encoder in front of the model.
    TrainWithEncoder,
    /// Tokens of texts, in place of those of another encoder.
    MakeTokensAnew,
    /// A store without values that are not finite.
    ConvertFinite,
    /// A store without segments that have no label.
    DropUnlabelled,
    /// Smaller steps of learning.
    LowerRate,
    /// The same, once a run has a checkpoint.
    LowerRateAfterBest,
    /// Features stay on the disk.
    ReadFromDisk,
    /// Smaller batches, or features on the disk.
    SmallerStep,
    /// Smaller batches.
    SmallerBatch,
    /// More memory.
    MoreMemory,
    /// What the folder of an encoder holds.
    FolderOfEncoder,
    /// Weights in a form that is opened; the folder is as Python is told it.
    SaveSafetensors {
        /// The folder.
        folder: String,
    },
    /// Weights in one file.
    SaveOneFile,
    /// Weights that compute no numbers.
    WeightsDamaged,
    /// The encoder reads texts in place of tokens.
    TextsInPlaceOfTokens,
    /// Features of the kind that the model was trained on.
    FeaturesOfModel,
    /// Files of one extraction.
    ConvertTogether,
    /// Samples are cut to what the model takes.
    FitLengths,
    /// The modality is among those that the model is to see.
    NameModality,
    /// Another model.
    OtherModels,
    /// The file of the dataset whose features are aligned.
    AlignedFile,
    /// What the first finding about a store advises.
    MendStore {
        /// That.
        advice: String,
        /// The store.
        store: PathBuf,
        /// Whether it can be trained on all the same.
        can_be_forced: bool,
    },
    /// A validation split is drawn from the training split of a store.
    DrawValid {
        /// The store.
        store: PathBuf,
    },
    /// All splits are drawn anew from a store.
    DrawSplits {
        /// The store.
        store: PathBuf,
    },
    /// Text is among what the model is to see.
    AddText {
        /// What it is to see now.
        chosen: Vec<&'static str>,
    },
    /// A source that has text.
    ConvertText,
    /// Tokens by the vocabulary of the encoder.
    OtherVocabulary,
    /// An encoder of the language of the texts.
    OtherLanguage,
    /// The place of the encoder.
    NameEncoder,
    /// The place of the run's store.
    NameStore,
    /// Another folder for the run.
    OtherFolder,
    /// The run is completed first.
    CompleteRun {
        /// Its folder.
        run: PathBuf,
    },
    /// All runs that are trained as one go on together.
    ResumeTogether,
    /// The CUDA part of libtorch: the library and its version.
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

/// Words are about other programs.
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
