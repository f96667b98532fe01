//! `almt-data align`: aligns computational sequences, and makes a store of the segments.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use clap::error::ErrorKind;
use serde::Serialize;

use super::convert::max_len;
use super::form::FormArgs;
use super::{Failure, output, progress, stores, target, wrong_call};
use crate::align::{
    self, AlignInputs, AlignOptions, AlignedStore, AlignedStoreError, AlignedStoreOptions, Border,
    Cut, FoldsChoice, Missing, Mode, Pauses, Pooling, Recipe, Values,
};
use crate::corpus::check::{Finding, Rule, Severity};
use crate::corpus::manifest::{Manifest, Source};
use crate::corpus::{Dataset, Modality, SplitName};
use crate::name::UnknownName;
use crate::progress::Progress;
use crate::store::{FeatureDtype, Format, NonFinite, OnOverflow, OutputOptions};
use crate::words::{human_bytes, quoted_path};

/// Align computational sequences (`.csd`) of the CMU SDK, and make a store of the segments
///
/// Rows of the reference, such as words, become the steps of a segment; rows of the labels become the
/// segments, named `VIDEO[i]`. Every policy is recorded in the store.
#[derive(Args)]
pub struct AlignArgs {
    /// Sequence whose rows are the steps: words, or vectors of words, which become the text features
    #[arg(long, value_name = "CSD")]
    reference: PathBuf,
    /// Sequence whose rows are the segments, with the sentiment in the first column; of seven columns, the
    /// others are emotions
    #[arg(long, value_name = "CSD")]
    labels: PathBuf,
    /// Features of a modality; repeatable
    #[arg(long, value_name = "audio|vision|text=CSD")]
    sequence: Vec<Of>,
    /// Output store
    #[arg(short, long, value_name = "STORE", value_parser = target::named(target::STORE))]
    output: PathBuf,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
    /// Vectors of words, as GloVe and word2vec write them as text: they become the text features
    #[arg(long, value_name = "FILE", conflicts_with = "compat")]
    vectors: Option<PathBuf>,
    /// Videos of each split: `standard` for the dataset's standard folds, a JSON file `{"train": [VIDEO,
    /// ...], "valid": [...], "test": [...]}`, or `none` to put all segments into `train`
    #[arg(long, value_name = "standard|FILE|none", default_value = "standard")]
    folds: String,
    /// Dataset, if it cannot be inferred from videos and labels: mosi, mosei, sims or simsv2
    #[arg(long, hide_possible_values = true)]
    dataset: Option<Dataset>,
    /// Reproduce the SDK, with all its quirks; `docs/formats.md` lists them
    #[arg(long, value_name = "sdk")]
    compat: Option<Compat>,
    /// Steps to reproduce: `examples` (those of the SDK; numbers as reference) or `tutorial` (those of MISA,
    /// BBFN and MMIM; words as reference) [default: by the reference]
    #[arg(
        long,
        value_name = "examples|tutorial",
        requires = "compat",
        hide_possible_values = true
    )]
    recipe: Option<Recipe>,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Cut segments of a modality to N steps; repeatable
    #[arg(long, value_name = "MODALITY=N", value_parser = max_len)]
    max_len: Vec<(Modality, usize)>,
    /// How to handle NaN, +inf and -inf that remain, as in `convert`
    #[arg(
        long,
        default_value_t = NonFinite::Loaders,
        value_name = "loaders|zero|mean|drop-segment|keep|error",
        hide_possible_values = true
    )]
    on_nonfinite: NonFinite,
    /// How to handle finite values outside the range of `--dtype`, as in `convert`
    #[arg(
        long,
        default_value_t = OnOverflow::Error,
        value_name = "error|clip|zero|mean|drop-segment",
        hide_possible_values = true
    )]
    on_overflow: OnOverflow,
    /// Element type of stored features
    #[arg(long, default_value_t = FeatureDtype::Float32, value_name = "float32|float16")]
    #[arg(hide_possible_values = true)]
    dtype: FeatureDtype,
    #[command(flatten)]
    form: FormArgs,
}

/// Policies that `--compat sdk` sets itself.
#[derive(Args)]
#[command(next_help_heading = "Policies")]
pub struct PolicyArgs {
    /// How rows become one per step: their mean weighted by the time of `overlap`, plain `mean` or `max`;
    /// `none` keeps them, so that each modality has its own number of steps
    #[arg(long, default_value_t = Pooling::Overlap, value_name = "overlap|mean|max|none")]
    #[arg(hide_possible_values = true, conflicts_with = "compat")]
    pooling: Pooling,
    /// Which segment gets a row over the border of two: that with the `larger` share of it, `both`, or only
    /// the rows `inside` a segment
    #[arg(long, default_value_t = Border::Larger, value_name = "larger|both|inside")]
    #[arg(hide_possible_values = true, conflicts_with = "compat")]
    border: Border,
    /// What a step becomes for which a sequence has nothing: `zero`; or leave out the step in all
    /// sequences, `drop-row`, or the segment, `drop-segment`
    #[arg(long, default_value_t = Missing::Zero, value_name = "zero|drop-row|drop-segment")]
    #[arg(hide_possible_values = true, conflicts_with = "compat")]
    missing: Missing,
    /// Which values a mean is of: those that are `finite`, or `all`
    #[arg(long, default_value_t = Values::Finite, value_name = "finite|all")]
    #[arg(hide_possible_values = true, conflicts_with = "compat")]
    values: Values,
    /// What becomes of the pauses `sp` among the words: `drop` or `keep` them as steps; texts never have them
    #[arg(long, default_value_t = Pauses::Drop, value_name = "drop|keep")]
    #[arg(hide_possible_values = true, conflicts_with = "compat")]
    pauses: Pauses,
    /// Which end of a segment longer than `--max-len` is cut: `back` or `front`
    #[arg(long, default_value_t = Cut::Back, value_name = "back|front")]
    #[arg(hide_possible_values = true, conflicts_with = "compat")]
    cut: Cut,
}

/// A program to reproduce.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Compat {
    Sdk,
}

/// A modality and the file of its features.
#[derive(Debug, Clone)]
struct Of {
    modality: Modality,
    path: PathBuf,
}

impl FromStr for Of {
    type Err = String;

    fn from_str(text: &str) -> Result<Of, String> {
        let (modality, path) =
            text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(|| {
                format!("expected MODALITY=CSD such as audio=COVAREP.csd, found `{text}`")
            })?;
        let modality = modality.parse().map_err(|error: UnknownName| error.to_string())?;
        Ok(Of { modality, path: path.into() })
    }
}

/// Name of this command.
const CALL: &str = "almt-data align";

/// A store that was made.
#[derive(Serialize)]
pub struct AlignReport {
    #[serde(serialize_with = "output::path")]
    output: PathBuf,
    dataset: Dataset,
    splits: Vec<SplitLine>,
    notes: Vec<String>,
    findings: Vec<Finding>,
    sources: Vec<Source>,
    digest: String,
    n_bytes: u64,
    /// Calls to continue with, which only people need.
    #[serde(skip)]
    next: String,
}

/// A split of the store.
#[derive(Serialize)]
pub struct SplitLine {
    name: SplitName,
    n_segments: usize,
    shapes: BTreeMap<Modality, [usize; 2]>,
}

/// Aligns the files, and makes the store.
pub fn run(args: AlignArgs, progress: &dyn Progress) -> Result<AlignReport, Failure> {
    let format = args.form.resolve::<AlignArgs>(CALL, Some(&args.output), Format::Hdf5)?;
    let mut sequences = BTreeMap::new();
    for Of { modality, path } in args.sequence {
        if sequences.insert(modality, path).is_some() {
            return Err(twice("--sequence", modality));
        }
    }
    let mut max_len = BTreeMap::new();
    for (modality, most) in args.max_len {
        if max_len.insert(modality, most).is_some() {
            return Err(twice("--max-len", modality));
        }
    }
    let PolicyArgs { pooling, border, missing, values, pauses, cut } = args.policies;
    let mode = match args.compat {
        Some(Compat::Sdk) => Mode::Sdk { recipe: args.recipe, max_len },
        None => {
            Mode::Overlap(AlignOptions { pooling, border, missing, values, pauses, max_len, cut })
        }
    };
    let options = AlignedStoreOptions {
        mode,
        dataset: args.dataset,
        folds: match &*args.folds {
            "standard" => FoldsChoice::Standard,
            "none" => FoldsChoice::None,
            path => FoldsChoice::File(path.into()),
        },
        on_nonfinite: args.on_nonfinite,
        on_overflow: args.on_overflow,
        dtype: args.dtype,
        output: OutputOptions {
            format,
            compression: args.form.compression,
            overwrite: args.overwrite,
            ..OutputOptions::default()
        },
    };
    let (reference, labels) = (args.reference, args.labels);
    let inputs = AlignInputs { reference, labels, sequences, vectors: args.vectors };
    let built = align::build(&inputs, &args.output, &options, progress).map_err(failure)?;
    Ok(AlignReport::new(args.output, built))
}

fn twice(option: &str, modality: Modality) -> Failure {
    let problem = format!("`{option}` names {modality} twice");
    wrong_call::<AlignArgs>(CALL, ErrorKind::ArgumentConflict, &problem)
}

fn failure(error: AlignedStoreError) -> Failure {
    match &error {
        AlignedStoreError::RecipeNeeds { modality } => {
            let problem = format!("`--recipe tutorial` needs `--sequence {modality}=CSD`");
            wrong_call::<AlignArgs>(CALL, ErrorKind::MissingRequiredArgument, &problem)
        }
        _ => error.into(),
    }
}

/// Aligns the files, and prints what they became.
pub fn align(args: AlignArgs) -> Result<ExitCode, Failure> {
    let report = progress::shown(|bars| run(args, bars))?;
    outln!("{}", report.output.display());
    outln!("  dataset  {}", report.dataset.title());
    for split in &report.splits {
        let shapes = split.shapes.iter().map(|(modality, shape)| format!("{modality} {shape:?}"));
        let shapes: Vec<String> = shapes.collect();
        outln!("  {:<7}  {} segments  {}", split.name, split.n_segments, shapes.join("  "));
    }
    for note in &report.notes {
        outln!("  note     {note}");
    }
    for finding in &report.findings {
        outln!("  {finding}");
    }
    for source in &report.sources {
        outln!("  source   {} sha256 {}", source.file_name, source.sha256);
    }
    outln!("  digest   blake3 {}", report.digest);
    outln!("  size     {}", human_bytes(report.n_bytes));
    output::next(&report.next);
    Ok(ExitCode::SUCCESS)
}

impl AlignReport {
    fn new(output: PathBuf, built: AlignedStore) -> AlignReport {
        let store = quoted_path(&output);
        let has_text = !built.findings.iter().any(|it| it.rule == Rule::NoText.id());
        let is_valid = !built.findings.iter().any(|it| it.severity == Severity::Error);
        let validate = format!("`almt-data validate {store}`");
        let next = match (is_valid, has_text) {
            (true, true) => {
                format!("{validate}, {}", stores::toward_training(&output, &built.manifest))
            }
            (true, false) => format!(
                "{validate}, `almt-data encode {store} --bert FOLDER --text-from raw_text -o \
                 with-text.h5`"
            ),
            (false, _) => validate,
        };
        let AlignedStore { dataset, splits, manifest, findings, n_bytes } = built;
        let Manifest { notes, sources, digest, .. } = manifest;
        let line = |(name, n_segments, shapes)| SplitLine { name, n_segments, shapes };
        let splits = splits.into_iter().map(line).collect();
        AlignReport { output, dataset, splits, notes, findings, sources, digest, n_bytes, next }
    }
}
