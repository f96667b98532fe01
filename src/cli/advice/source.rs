//! Hints about the source of a conversion, and about files mistaken for one.

use crate::advice::{KnownAdvice, SourceAdvice};

/// The hint for an advice about a source.
pub(super) fn hint(advice: &SourceAdvice) -> String {
    let words = match advice {
        SourceAdvice::ExplainLayouts => {
            "`almt-data convert --explain` shows what each layout requires, `almt-data inspect` \
             what the file contains"
        }
        SourceAdvice::GuessLayout => "without `--layout` the layout is detected",
        SourceAdvice::DumpOnce => {
            "save them from Python as one dict, `{'train': …, 'valid': …, 'test': …}`, or as one \
             file per split"
        }
        SourceAdvice::LeaveSplitOut => "omit `--split` to convert all of them",
        SourceAdvice::RenameSplit => "one of the two is wrong: rename the file or the key",
        SourceAdvice::SaySplit => "name it with `--split train|valid|test`",
        SourceAdvice::ShowKeys => {
            "`almt-data inspect` shows the existing keys; rename one in Python if only its name \
             differs"
        }
        SourceAdvice::NumbersOfObjects => {
            "the array holds Python objects; convert them to numbers in Python with \
             `numpy.stack` or `.astype(numpy.float32)`"
        }
        SourceAdvice::ShowAndDump => {
            "`almt-data inspect` shows what the file contains there; save it from Python in the \
             expected form"
        }
        SourceAdvice::LeaveModalityOut => {
            "omit the modality from `--max-len`; `almt-data inspect` shows what the file contains"
        }
        SourceAdvice::OneOfTwoSplits => {
            "pass one file per split; `dev` and `val` are names of `valid`"
        }
        SourceAdvice::OneOfTwoKeys => {
            "delete or rename one of the two keys in Python; `dev` and `val` are names of `valid`"
        }
        SourceAdvice::Decode { encoding } => {
            return format!(
                "`--text-encoding {encoding}` decodes them; check the texts afterwards, since \
                 the encoding is a guess"
            );
        }
        SourceAdvice::DecodeBoth { encoding, other } => {
            return format!(
                "`--text-encoding utf-8,{encoding}` decodes each text as UTF-8 if valid, and \
                 otherwise as {other}"
            );
        }
        SourceAdvice::DecodeOtherwise { encoding } => {
            return format!(
                "try another `--text-encoding`, such as {encoding}, or add `--text-errors replace` \
                 to put U+FFFD in their place"
            );
        }
        SourceAdvice::ReplaceBytes => {
            "`--text-encoding NAME --text-errors replace` decodes what it can and replaces the \
             rest by U+FFFD"
        }
        SourceAdvice::ReplaceHalves => {
            "`--text-errors replace` joins surrogate pairs and replaces lone ones by U+FFFD; the \
             number is recorded"
        }
        SourceAdvice::MendIds => "remove it from the ids in the source",
        SourceAdvice::SayDataset => {
            "`--dataset mosi|mosei|sims|simsv2` sets it; for a dataset of your own, `--label-range \
             LOW,HIGH`"
        }
        SourceAdvice::DescribeLabels => {
            "`--label-range LOW,HIGH` gives their range, or `--label-scale FILE.toml` also classes"
        }
        SourceAdvice::ShowScaleSchema => "`almt-data schema label-scale` prints what it may have",
        SourceAdvice::OtherFolds => {
            "`--folds FILE` names the videos of each split, `--folds none` puts all segments into `train`"
        }
        SourceAdvice::OtherSet { modality, likely } => match likely.first() {
            Some(set) => {
                return format!(
                    "`--features {modality}={set}` has as many features; if in doubt, omit it"
                );
            }
            None => "omit `--features`: features need no names",
        },
        SourceAdvice::OmitFailedFaces => {
            "omit `--failed-faces`, which is for the `.csv` files of OpenFace"
        }
        SourceAdvice::OmitMinConfidence => {
            "omit `--min-confidence`, which is for the `.csv` files of OpenFace"
        }
        SourceAdvice::NameOneByOne => "name the pickles one by one",
        SourceAdvice::BuildFromTable { folder, table } => {
            let table = table.as_deref().unwrap_or("label.csv");
            return format!(
                "`almt-data build --labels {table} --vision {folder}` makes a store of them and a \
                 table of clips, see `docs/own-data.md`"
            );
        }
        SourceAdvice::NamePickles => "name the pickles themselves, one in all or one per split",
        SourceAdvice::NameAfterClips => {
            "name each file after its clip, such as `VIDEO_CLIP.npy` or `VIDEO/CLIP.csv`; \
             `--column video=NAME` and `--column clip=NAME` name the columns of the table"
        }
        SourceAdvice::OneFilePerClip => "remove one of the two from the folder",
        SourceAdvice::FillSplits => {
            "fill in the column, or `--column split=` means no column: all clips are one split"
        }
        SourceAdvice::TableHasSplits => {
            "omit `--split`, or `--column split=` ignores the column of the table"
        }
        SourceAdvice::DropIncomplete => "`--drop-incomplete` leaves them out",
        SourceAdvice::NameEntriesAfterClips => {
            "entries have the names of clips, such as `VIDEO[CLIP]`, or of videos; \
             `--column video=NAME --column clip=NAME` names the columns of the table"
        }
        SourceAdvice::NameClipTimes => {
            "`--column start=NAME --column end=NAME` names the columns with the seconds at which each \
             clip begins and ends in its video"
        }
        SourceAdvice::NameTier => "`--tier NAME` names the tier that has the words",
        SourceAdvice::SayFrameRate { modality } => {
            return format!("`--frame-rate {modality}=HZ` gives the frames per second");
        }
    };
    words.into()
}

/// The hint for an advice about a file of a known kind.
pub(super) fn known_hint(advice: &KnownAdvice) -> String {
    match advice {
        KnownAdvice::Convert { file } => format!("`almt-data convert {file}` converts it"),
        KnownAdvice::ConvertPacked { file } => {
            format!("`almt-data convert {file}` converts the pickle in it")
        }
        KnownAdvice::ConvertFolder { file } => {
            format!("`almt-data convert {file}` converts them")
        }
        KnownAdvice::Align { file } => format!(
            "`almt-data validate {file}` checks it, `almt-data align --reference WORDS.csd --labels \
             LABELS.csd --sequence audio={file} -o STORE.h5` makes a store of several"
        ),
        KnownAdvice::AlignToWords { file } => format!(
            "`almt-data validate {file}` checks it, `almt-data align --reference {file} --labels \
             LABELS.csd --sequence audio=AUDIO.csd -o STORE.h5` aligns others with its words"
        ),
        KnownAdvice::UseFolds { file } => format!(
            "`almt-data align --folds {file}` puts the videos of sequences into these splits; convert \
             a file of features"
        ),
        KnownAdvice::UseStore { file } => format!(
            "`almt-data validate {file}` checks it, `almt-data train --store {file}` trains on it"
        ),
        KnownAdvice::UseRun { file } => {
            format!("`almt-data report {file}` shows it; its `config.toml` names the store")
        }
        KnownAdvice::PartOfRun => "`almt-data train` wrote it into a run folder, which \
            `almt-data report` shows; its `config.toml` names the store"
            .into(),
        KnownAdvice::UseWeights => {
            "pass model weights to `--checkpoint`; stores are made from feature pickles".into()
        }
        KnownAdvice::CompareTable { file, columns } => format!(
            "its columns: {}; `almt-data build --labels {file}` makes a store of it, `almt-data \
             validate STORE --labels {file}` compares labels",
            // The byte order mark belongs to the file, not to its first column.
            columns.join(", ").trim_start_matches(['\u{feff}', '"'])
        ),
        KnownAdvice::SaveAndCompare { stem } => format!(
            "save its table as CSV: `almt-data validate STORE --labels {stem}.csv` compares labels"
        ),
    }
}
