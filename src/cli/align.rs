//! `almt-data align`: aligns computational sequences, and makes a store of the segments.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use clap::error::ErrorKind;

use super::closed::AnyDataset;
use super::convert::max_len;
use super::form::FormArgs;
use super::made::NewStore;
use super::scale::ScaleArgs;
use super::values::ValueArgs;
use super::{Failure, progress, target, wrong_call};
use crate::align::{
    self, AlignInputs, AlignOptions, AlignedStore, AlignedStoreError, AlignedStoreOptions, Border,
    Cut, FoldsChoice, Missing, Mode, Pauses, Pooling, Recipe, Values,
};
use crate::corpus::Modality;
use crate::name::UnknownName;
use crate::progress::Progress;
use crate::store::Format;

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
    /// Dataset, if it cannot be inferred from videos and labels: mosi, mosei, sims, simsv2, or own
    #[arg(long, hide_possible_values = true)]
    dataset: Option<AnyDataset>,
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
    /// Cut segments of a modality to N steps; repeatable
    #[arg(long, value_name = "MODALITY=N", value_parser = max_len)]
    max_len: Vec<(Modality, usize)>,
    /// Drop segments without a label (NaN or infinite) from splits that have labels; they are listed
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
    policies: PolicyArgs,
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

/// Aligns the files, and makes the store.
pub fn run(args: AlignArgs, progress: &dyn Progress) -> Result<NewStore, Failure> {
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
        dataset: args.dataset.map(|AnyDataset(dataset)| dataset),
        label_scale: args.scale.scale(args.dataset, |problem| {
            wrong_call::<AlignArgs>(CALL, ErrorKind::ValueValidation, problem)
        })?,
        folds: match &*args.folds {
            "standard" => FoldsChoice::Standard,
            "none" => FoldsChoice::None,
            path => FoldsChoice::File(path.into()),
        },
        drop_unlabelled: args.drop_unlabelled,
        on_nonfinite: args.values.on_nonfinite,
        on_overflow: args.values.on_overflow,
        dtype: args.values.dtype,
        output: args.form.output(format, args.overwrite),
    };
    let (reference, labels) = (args.reference, args.labels);
    let inputs = AlignInputs { reference, labels, sequences, vectors: args.vectors };
    let built = align::build(&inputs, &args.output, &options, progress).map_err(failure)?;
    let AlignedStore { manifest, findings, n_bytes, .. } = built;
    Ok(NewStore::new(args.output, manifest, findings, n_bytes))
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
    progress::shown(|bars| run(args, bars))?.print(false);
    Ok(ExitCode::SUCCESS)
}
