//! Hints about the source of a conversion, and about files that were taken for one.

use crate::advice::{KnownAdvice, SourceAdvice};

/// The hint that an advice about a source is.
pub(super) fn hint(advice: &SourceAdvice) -> String {
    let words = match advice {
        SourceAdvice::ExplainLayouts => {
            "`almt-data convert --explain` shows what each layout asks for, `almt-data inspect` \
             what the file holds"
        }
        SourceAdvice::GuessLayout => "without `--layout` the layout is told from the file",
        SourceAdvice::DumpOnce => {
            "dump them again from Python as one dict, `{'train': …, 'valid': …, 'test': …}`, or as \
             a file for each split"
        }
        SourceAdvice::LeaveSplitOut => "leave `--split` out: all of them are converted",
        SourceAdvice::RenameSplit => {
            "one of the two is wrong: rename the file or the key, whichever it is"
        }
        SourceAdvice::SaySplit => "say which with `--split train|valid|test`",
        SourceAdvice::ShowKeys => {
            "`almt-data inspect` shows the keys that are there: one of another name can be renamed \
             in Python"
        }
        SourceAdvice::NumbersOfObjects => {
            "NumPy keeps Python objects there; `numpy.stack` or `.astype(numpy.float32)` in Python \
             makes numbers of them"
        }
        SourceAdvice::ShowAndDump => {
            "`almt-data inspect` shows what the file holds there; dump it again from Python in the \
             form that is expected"
        }
        SourceAdvice::LeaveModalityOut => {
            "leave the modality out of `--max-len`; `almt-data inspect` shows what there is"
        }
        SourceAdvice::OneOfTwoSplits => {
            "leave one of the two out: `valid` and `dev` are the same split"
        }
        SourceAdvice::Decode { encoding } => {
            return format!(
                "`--text-encoding {encoding}` decodes them; look at the texts then, since what \
                 bytes look like is a guess"
            );
        }
        SourceAdvice::DecodeBoth { encoding, other } => {
            return format!(
                "`--text-encoding utf-8,{encoding}` reads a text as UTF-8 where it is that, and as \
                 {other} where it is not"
            );
        }
        SourceAdvice::DecodeOtherwise { encoding } => {
            return format!(
                "say another `--text-encoding`, such as {encoding}, or add `--text-errors replace` \
                 to put U+FFFD in their place"
            );
        }
        SourceAdvice::ReplaceBytes => {
            "`--text-encoding NAME --text-errors replace` decodes what it can, and puts U+FFFD in \
             place of the rest"
        }
        SourceAdvice::ReplaceHalves => {
            "`--text-errors replace` makes characters of pairs and puts U+FFFD in place of single \
             halves, and records it"
        }
        SourceAdvice::MendIds => "take it out of the ids of the source",
        SourceAdvice::SayDataset => "`--dataset mosi|mosei|sims|simsv2` says it",
        SourceAdvice::NameOneByOne => "name the pickles one by one",
        SourceAdvice::MakeOnePickle => {
            "`docs/own-data.md` shows how to make one pickle of them and a table of labels"
        }
        SourceAdvice::NamePickles => "name the pickles themselves, one or one for each split",
    };
    words.into()
}

/// The hint that an advice about a file of a known kind is.
pub(super) fn known_hint(advice: &KnownAdvice) -> String {
    match advice {
        KnownAdvice::Convert { file } => format!("`almt-data convert {file}` makes a store of it"),
        KnownAdvice::ConvertPacked { file } => {
            format!("`almt-data convert {file}` makes a store of the pickle in it")
        }
        KnownAdvice::ConvertFolder { file } => {
            format!("`almt-data convert {file}` makes a store of them")
        }
        KnownAdvice::UseStore { file } => format!(
            "`almt-data validate {file}` checks it, `almt-data train --store {file}` trains on it"
        ),
        KnownAdvice::UseRun { file } => {
            format!("`almt-data report {file}` shows it; its `config.toml` names the store")
        }
        KnownAdvice::PartOfRun => "`almt-data train` wrote it into the folder of a run, which \
                                   `almt-data report` shows; its `config.toml` names the store"
            .into(),
        KnownAdvice::UseWeights => {
            "weights of a model go with `--checkpoint`; features come from a pickle".into()
        }
        KnownAdvice::CompareTable { file, columns } => format!(
            "its columns: {}; `almt-data validate STORE --labels {file}` compares labels",
            columns.join(", ")
        ),
        KnownAdvice::SaveAndCompare { stem } => format!(
            "save its table as CSV: `almt-data validate STORE --labels {stem}.csv` compares labels"
        ),
    }
}
