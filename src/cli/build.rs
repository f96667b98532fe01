//! `almt-data build`: builds a store from a table of clips and their feature files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;
use serde::Serialize;

use super::closed::AnyDataset;
use super::convert::named_set;
use super::form::FormArgs;
use super::made::NewStore;
use super::scale::ScaleArgs;
use super::values::ValueArgs;
use super::{Failure, progress, target, wrong_call};
use crate::build::{
    self, BuildError, BuildOptions, Built, Cut, FailedFacesAction, LengthRule, Reconciled,
    WordOptions,
};
use crate::corpus::features::NamedSet;
use crate::corpus::labels::{ColumnChoice, LabelTableError, TableOptions};
use crate::corpus::{Modality, SplitName};
use crate::encoding::Encoding;
use crate::intervals::{Missing, Pauses, Pooling, Values};
use crate::progress::Progress;
use crate::store::Format;

/// Build a store from a table of clips and a file of features per clip
///
/// A file belongs to a clip by its name: `VIDEO_CLIP`, `VIDEO$_$CLIP`, `VIDEO[CLIP]`, or `CLIP` in a folder
/// `VIDEO`, with or without leading zeros; or `CLIP` alone if only one video has such a clip. CSV files
/// are OpenFace's, without their first five columns, or tables of numbers; NumPy arrays and MATLAB
/// matrices (the only one, or `features`, as COVAREP writes) are `[n_frames, feat_dim]`. In place of a
/// folder, a computational sequence (`.csd`) has the rows of all clips: an entry per clip, or per video
/// if the table has start and end of each clip.
#[derive(Args)]
pub struct BuildArgs {
    /// Table of clips: a text table with a column for the id, or for video and clip, and any of label,
    /// label_T, label_A, label_V, text, annotation, split, start and end. Common column names such as
    /// `video_id`, `FileName`, `sentiment_score` and `mode` are recognized. Without labels, the store can be
    /// predicted on
    #[arg(long, value_name = "CSV")]
    labels: PathBuf,
    /// Folder with a `.csv`, `.npy` or `.mat` file of audio features per clip, or with its sound (`.wav`,
    /// `.flac`, `.mp3`, `.mp4` and others), of which the 33 features of CH-SIMS are computed; or a `.csd` file
    #[arg(long, value_name = "FOLDER|CSD")]
    audio: Option<PathBuf>,
    /// Folder with a file of vision features per clip, such as OpenFace 2 writes; or a `.csd` file
    #[arg(long, value_name = "FOLDER|CSD")]
    vision: Option<PathBuf>,
    /// Folder with a file of text features per clip, or a `.csd` file; `almt-data encode` computes them from
    /// texts
    #[arg(long, value_name = "FOLDER|CSD")]
    text: Option<PathBuf>,
    /// Output store [default: next to the table, with the extension of the format]
    #[arg(short, long, value_name = "STORE", value_parser = target::named(target::STORE))]
    output: Option<PathBuf>,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
    /// Column of the table that holds a field, if it is not recognized by name; repeatable. FIELD is id,
    /// video, clip, label, label_T, label_A, label_V, text, split, annotation, start or end; NAME is a name
    /// in the first line, a column number from 1, or empty for none
    #[arg(long, value_name = "FIELD=NAME")]
    column: Vec<ColumnChoice>,
    /// Encoding of the table, if neither UTF-8 nor Excel's UTF-16, such as gbk, gb18030 or windows-1252
    #[arg(long, value_name = "NAME")]
    text_encoding: Option<Encoding>,
    /// Dataset, which sets range and classes of the labels, if it cannot be inferred: mosi, mosei, sims,
    /// simsv2, or own
    #[arg(long, hide_possible_values = true)]
    dataset: Option<AnyDataset>,
    /// Split of all clips, if the table has no splits [default: train, or test without labels].
    /// `almt-data split` draws splits
    #[arg(long, value_parser = SplitName::from_usual)]
    split: Option<SplitName>,
    /// Number of frames of a modality, for all clips: `longest` is that of the longest clip, `mean+3sd`
    /// the mean plus three standard deviations, as in CH-SIMS; or a number; repeatable [default:
    /// longest]. Shorter clips are padded with zeros at the back
    #[arg(long, value_name = "MODALITY=longest|mean+3sd|N", value_parser = length)]
    length: Vec<(Modality, LengthRule)>,
    /// End at which longer clips are cut
    #[arg(long, default_value_t = Cut::End, value_name = "end|start", hide_possible_values = true)]
    cut: Cut,
    /// Replace every N consecutive frames by their mean, the last ones too; repeatable. CH-SIMS has
    /// `vision=5`
    #[arg(long, value_name = "MODALITY=N", value_parser = pool)]
    pool: Vec<(Modality, usize)>,
    /// How to handle frames in which OpenFace found no face: `keep` their values, as published datasets
    /// do; `zero` them; `interpolate` between the nearest frames with a face; or `drop` the frames. The
    /// number is recorded
    #[arg(
        long,
        default_value_t = FailedFacesAction::Keep,
        value_name = "keep|zero|interpolate|drop",
        hide_possible_values = true
    )]
    failed_faces: FailedFacesAction,
    /// Count frames of a lower OpenFace confidence, from 0 to 1, as having no face, besides those
    /// without success
    #[arg(long, default_value_t = 0.0, value_name = "CONFIDENCE", value_parser = confidence)]
    #[arg(hide_default_value = true)]
    min_confidence: f64,
    /// Name the features of a modality whose files have no names: SET is covarep-74, librosa-33,
    /// mosi-covarep-5, mosi-facet-20 or openface2-709; VALUES is frames, averaged or scaled, frames by
    /// default. Names in OpenFace's files and other tables, of computed features and in `.csd` files are
    /// recorded without it; repeatable
    #[arg(long, value_name = "MODALITY=SET[:VALUES]", value_parser = named_set)]
    features: Vec<(Modality, NamedSet)>,
    /// Leave out clips of which a modality has no usable file; they are listed
    #[arg(long)]
    drop_incomplete: bool,
    /// Drop clips without a label from splits that have labels; the number is reported
    #[arg(long)]
    drop_unlabelled: bool,
    #[command(flatten)]
    scale: ScaleArgs,
    #[command(flatten)]
    values: ValueArgs,
    #[command(flatten)]
    form: FormArgs,
    // The heading of these would be that of whatever follows.
    #[command(flatten)]
    words: WordArgs,
}

/// Words with their times, and what becomes of frames then.
#[derive(Args)]
#[command(next_help_heading = "Words")]
pub struct WordArgs {
    /// Folder with a file of word timings per clip: a TextGrid, CTM or JSON of Whisper or WhisperX; or one
    /// `.ctm` or `.csd` file with those of all clips. Audio and vision then have one step per word, and the
    /// words are the texts if the table has none
    #[arg(long, value_name = "FOLDER|CTM|CSD")]
    words: Option<PathBuf>,
    /// Tier of the TextGrids that has the words, if it is not called `words`
    #[arg(long, value_name = "NAME", requires = "words")]
    tier: Option<String>,
    /// How the frames at the time of a word become one step: their mean weighted by the time of `overlap`,
    /// plain `mean` or `max`; `none` keeps the frames, and words are only texts
    #[arg(long, default_value_t = Pooling::Overlap, value_name = "overlap|mean|max|none")]
    #[arg(hide_possible_values = true, requires = "words")]
    word_pooling: Pooling,
    /// What a word becomes for which a modality has no frame: `zero`; or leave out the word in all
    /// modalities, `drop-row`, or the clip, `drop-segment`
    #[arg(long, default_value_t = Missing::Zero, value_name = "zero|drop-row|drop-segment")]
    #[arg(hide_possible_values = true, requires = "words")]
    missing: Missing,
    /// Which values a mean is of: those that are `finite`, or `all`
    #[arg(long, default_value_t = Values::Finite, value_name = "finite|all")]
    #[arg(hide_possible_values = true, requires = "words")]
    values: Values,
    /// What becomes of pauses among the words (no text, `sp`, `sil`, `<eps>`): `drop` or `keep` them as
    /// steps; texts never have them
    #[arg(long, default_value_t = Pauses::Drop, value_name = "drop|keep")]
    #[arg(hide_possible_values = true, requires = "words")]
    pauses: Pauses,
    /// Frames per second of a modality, for files without times; sound, OpenFace's column `timestamp` and
    /// `.csd` files have them; repeatable
    #[arg(long, value_name = "MODALITY=HZ", value_parser = frame_rate, requires = "words")]
    frame_rate: Vec<(Modality, f64)>,
}

impl WordArgs {
    fn options(&self) -> Option<WordOptions> {
        let WordArgs { words, tier, word_pooling, missing, values, pauses, .. } = self;
        words.as_ref().map(|path| WordOptions {
            path: path.clone(),
            tier: tier.clone(),
            pooling: *word_pooling,
            missing: *missing,
            values: *values,
            pauses: *pauses,
        })
    }
}

/// Name of this command.
const CALL: &str = "almt-data build";

/// A store that was built.
#[derive(Serialize)]
pub struct BuiltStore {
    #[serde(flatten)]
    store: NewStore,
    /// Clips and files side by side, by modality, and those of words.
    reconciled: Vec<Reconciled>,
}

/// Builds one store.
pub fn run(args: BuildArgs, progress: &dyn Progress) -> Result<BuiltStore, Failure> {
    let format = args.form.resolve::<BuildArgs>(CALL, args.output.as_deref(), Format::Hdf5)?;
    let output = args.output.clone();
    let output = output.unwrap_or_else(|| build::default_output(&args.labels, format));
    let options = args.options(format)?;
    let built = build::build(&args.labels, &output, &options, progress).map_err(failure)?;
    let Built { manifest, reconciled, findings, n_bytes, .. } = built;
    Ok(BuiltStore { store: NewStore::new(output, manifest, findings, n_bytes), reconciled })
}

/// Builds one store, and prints what it has.
pub fn build(args: BuildArgs) -> Result<ExitCode, Failure> {
    progress::shown(|bars| run(args, bars))?.store.print(false);
    Ok(ExitCode::SUCCESS)
}

impl BuildArgs {
    fn options(&self, format: Format) -> Result<BuildOptions, Failure> {
        let folders = [
            (Modality::Text, &self.text),
            (Modality::Audio, &self.audio),
            (Modality::Vision, &self.vision),
        ];
        let folders = folders.into_iter().filter_map(|(modality, folder)| {
            folder.as_ref().map(|folder| (modality, folder.clone()))
        });
        let features: BTreeMap<Modality, PathBuf> = folders.collect();
        let pool = by_modality("--pool", &self.pool, &features)?;
        let words = self.words.options();
        let has_steps = words.as_ref().is_some_and(|words| words.pooling != Pooling::None);
        let pooled = pool.keys().find(|modality| has_steps && **modality != Modality::Text);
        if let Some(modality) = pooled {
            let problem = format!(
                "`--pool` names {modality}, which has a step per word with `--words`; \
                 `--word-pooling none` keeps the frames"
            );
            return Err(wrong_call::<BuildArgs>(CALL, ErrorKind::ArgumentConflict, &problem));
        }
        Ok(BuildOptions {
            length: by_modality("--length", &self.length, &features)?,
            pool,
            words,
            frame_rate: by_modality("--frame-rate", &self.words.frame_rate, &features)?,
            named: by_modality("--features", &self.features, &features)?,
            features,
            table: TableOptions {
                columns: self.column.clone(),
                encoding: self.text_encoding,
                is_source: true,
                label_scale: None,
            },
            dataset: self.dataset.map(|AnyDataset(dataset)| dataset),
            label_scale: self.scale.scale(self.dataset, |problem| {
                wrong_call::<BuildArgs>(CALL, ErrorKind::ValueValidation, problem)
            })?,
            split: self.split,
            cut: self.cut,
            failed_faces: self.failed_faces,
            min_confidence: self.min_confidence,
            drop_incomplete: self.drop_incomplete,
            drop_unlabelled: self.drop_unlabelled,
            on_nonfinite: self.values.on_nonfinite,
            on_overflow: self.values.on_overflow,
            dtype: self.values.dtype,
            output: self.form.output(format, self.overwrite),
        })
    }
}

/// The values of a repeatable option; the call is invalid if a modality is given twice, or has no folder.
fn by_modality<T: Copy>(
    option: &str,
    given: &[(Modality, T)],
    features: &BTreeMap<Modality, PathBuf>,
) -> Result<BTreeMap<Modality, T>, Failure> {
    let wrong =
        |problem: String| wrong_call::<BuildArgs>(CALL, ErrorKind::ArgumentConflict, &problem);
    let mut values = BTreeMap::new();
    for (modality, value) in given {
        if !features.contains_key(modality) {
            return Err(wrong(format!(
                "`{option}` names {modality}, and `--{modality}` no folder"
            )));
        }
        if values.insert(*modality, *value).is_some() {
            return Err(wrong(format!("`{option}` names {modality} twice")));
        }
    }
    Ok(values)
}

/// The failure of a build, naming the options involved.
fn failure(error: BuildError) -> Failure {
    match &error {
        // The user's choice, as typed.
        BuildError::Table(LabelTableError::Choice { path, choice, problem }) => {
            Failure::at(path, format!("`--column {choice}`: {problem}")).advised(&error)
        }
        _ => error.into(),
    }
}

/// A modality and its value.
fn of_modality<'a>(text: &'a str, example: &str) -> Result<(Modality, &'a str), String> {
    let expected = || format!("expected {example}, found `{text}`");
    let (modality, value) = text.split_once('=').ok_or_else(expected)?;
    let modality = modality.parse().map_err(|error: crate::name::UnknownName| error.to_string())?;
    Ok((modality, value))
}

fn length(text: &str) -> Result<(Modality, LengthRule), String> {
    let (modality, rule) = of_modality(text, "MODALITY=RULE such as audio=mean+3sd")?;
    Ok((modality, rule.parse()?))
}

fn pool(text: &str) -> Result<(Modality, usize), String> {
    const EXAMPLE: &str = "MODALITY=N such as vision=5";
    let (modality, n_frames) = of_modality(text, EXAMPLE)?;
    match n_frames.parse() {
        Ok(n_frames @ 1..) => Ok((modality, n_frames)),
        _ => Err(format!("expected {EXAMPLE}, found `{text}`")),
    }
}

fn frame_rate(text: &str) -> Result<(Modality, f64), String> {
    const EXAMPLE: &str = "MODALITY=HZ such as vision=30";
    let (modality, rate) = of_modality(text, EXAMPLE)?;
    let rate = rate.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.map(|rate| (modality, rate)).ok_or_else(|| format!("expected {EXAMPLE}, found `{text}`"))
}

fn confidence(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "expected a number from 0 to 1".into())
}
