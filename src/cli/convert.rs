//! `almt-data convert`: converts a pickle into a store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;
use serde::Serialize;

use super::closed::AnyDataset;
use super::form::FormArgs;
use super::limits::LimitsArgs;
use super::made::NewStore;
use super::packed::PackedArgs;
use super::scale::ScaleArgs;
use super::texts::TextArgs;
use super::values::ValueArgs;
use super::{Failure, output, progress, target, wrong_call};
use crate::chain::chain;
use crate::convert::{self, ConvertError, ConvertOptions, Converted, Explained};
use crate::corpus::features::NamedSet;
use crate::corpus::spec::Candidate;
use crate::corpus::{Dataset, Layout, Modality, SplitName};
use crate::ingest::{self, IngestError};
use crate::name::UnknownName;
use crate::progress::Progress;
use crate::store::Format;

/// Convert feature pickles into a validated store, without executing any code in them
#[derive(Args)]
pub struct ConvertArgs {
    /// Feature pickle in the layout of MMSA (MMSA-FET), the CMU SDK (MulT, MultiBench), MISA (BBFN,
    /// MMIM) or MAG-BERT. If each split has its own file, pass all of them or their folder; splits are
    /// recognized by file name, such as `train.pkl`, `dev.pkl` and `test.pkl`
    #[arg(required = true, value_name = "PICKLE")]
    pickles: Vec<PathBuf>,
    /// Output store [default: next to the pickle or folder, or in the current folder for `.`, with the extension
    /// of the format]
    #[arg(short, long, value_name = "STORE", value_parser = target::named(target::STORE))]
    output: Option<PathBuf>,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
    /// Write nothing; print which layouts were tried and why, how each key is used, the padding side
    /// and the dataset
    #[arg(long)]
    explain: bool,
    /// Dataset, if it cannot be inferred from shapes and labels: mosi, mosei, sims, simsv2, or own
    #[arg(long, hide_possible_values = true)]
    dataset: Option<AnyDataset>,
    /// Split of a single-split file, if its name does not contain it
    #[arg(long, value_parser = SplitName::from_usual)]
    split: Option<SplitName>,
    /// Layout of the pickle, instead of detecting it: mmsa, sdk, misa or mag-bert
    #[arg(long, hide_possible_values = true)]
    layout: Option<Layout>,
    /// Truncate samples of a modality to N frames; repeatable. The number of truncated samples is
    /// reported
    #[arg(long, value_name = "MODALITY=N", value_parser = max_len)]
    max_len: Vec<(Modality, usize)>,
    /// Name the features of a modality: SET is covarep-74, librosa-33, mosi-covarep-5, mosi-facet-20 or
    /// openface2-709, which `almt-data schema SET` prints; VALUES is frames, averaged (means over frames) or
    /// scaled (standardized), frames by default. `validate` then checks what follows from the names;
    /// repeatable
    #[arg(long, value_name = "MODALITY=SET[:VALUES]", value_parser = named_set)]
    features: Vec<(Modality, NamedSet)>,
    /// Drop segments without a label (None, NaN or infinite) from splits that have labels; the number
    /// is reported
    #[arg(long)]
    drop_unlabelled: bool,
    #[command(flatten)]
    scale: ScaleArgs,
    #[command(flatten)]
    values: ValueArgs,
    #[command(flatten)]
    texts: TextArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    packed: PackedArgs,
    #[command(flatten)]
    limits: LimitsArgs,
}

/// Name of this command.
const CALL: &str = "almt-data convert";

/// What was converted, or would be.
#[derive(Serialize)]
#[serde(untagged)]
pub enum ConvertReport {
    Converted(Box<NewStore>),
    Explained(Interpretation),
}

/// How a source is read, with `--explain`.
#[derive(Serialize)]
pub struct Interpretation {
    #[serde(serialize_with = "output::path")]
    path: PathBuf,
    explanation: String,
    candidates: Vec<Candidate>,
    /// The given dataset, or else the inferred one.
    dataset: Option<Dataset>,
    /// Why the source cannot be read, which is explained too.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

/// Converts the files of one source, or explains how they would be.
pub fn run(args: ConvertArgs, progress: &dyn Progress) -> Result<ConvertReport, Failure> {
    let format = args.form.resolve::<ConvertArgs>(CALL, args.output.as_deref(), Format::Hdf5)?;
    let output = match (&args.output, &*args.pickles) {
        (Some(output), _) => Some(output.clone()),
        (None, [only]) => Some(convert::default_output(only, format)),
        (None, _) => None,
    };
    let label_scale = args.scale.scale(args.dataset, |problem| {
        wrong_call::<ConvertArgs>(CALL, ErrorKind::ValueValidation, problem)
    })?;
    let told = match &label_scale {
        Some(_) => Some(Dataset::Own),
        None => args.dataset.map(|AnyDataset(dataset)| dataset),
    };
    let options = ConvertOptions {
        dataset: told,
        label_scale,
        source: ingest::IngestOptions {
            split: args.split,
            layout: args.layout,
            max_len: by_modality("--max-len", &args.max_len)?,
            texts: args.texts.policy(),
        },
        opening: args.packed.opening(&args.limits),
        drop_unlabelled: args.drop_unlabelled,
        on_nonfinite: args.values.on_nonfinite,
        on_overflow: args.values.on_overflow,
        features: by_modality("--features", &args.features)?,
        dtype: args.values.dtype,
        format: Some(format),
        compression: args.form.compression,
        overwrite: args.overwrite,
        sync: !args.form.no_sync,
    };
    if args.explain {
        let explained = convert::explain(&args.pickles, output.as_deref(), &options, progress)
            .map_err(failure)?;
        return Ok(ConvertReport::Explained(Interpretation::new(explained, told)));
    }
    let output = output.ok_or_else(|| {
        wrong_call::<ConvertArgs>(
            CALL,
            ErrorKind::MissingRequiredArgument,
            "several pickles need `--output STORE`",
        )
    })?;
    let converted =
        convert::convert(&args.pickles, &output, &options, progress).map_err(failure)?;
    let Converted { manifest, findings, n_bytes, .. } = converted;
    let store = NewStore::new(output, manifest, findings, n_bytes);
    Ok(ConvertReport::Converted(Box::new(store)))
}

/// Converts the files of one source, and prints what they became.
pub fn convert(args: ConvertArgs) -> Result<ExitCode, Failure> {
    let told = args.dataset.map(|AnyDataset(dataset)| dataset);
    match progress::shown(|bars| run(args, bars))? {
        ConvertReport::Converted(store) => store.print(true),
        ConvertReport::Explained(Interpretation {
            path,
            explanation,
            candidates,
            dataset,
            failure,
        }) => {
            output::write(format_args!("{}\n{explanation}", path.display()));
            match failure {
                Some(failure) => return Err(failure),
                None => explain_dataset(&candidates, dataset, told),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Interpretation {
    fn new(explained: Explained, told: Option<Dataset>) -> Interpretation {
        let Explained { path, explanation, candidates, dataset } = explained;
        let text = explanation.to_string();
        let failure = explanation.outcome.err().map(|cause| match cause {
            // The explanation is what its hint recommends.
            IngestError::UnknownLayout { .. } => Failure::at(&path, chain(&cause))
                .hint("`almt-data inspect` shows what the file holds"),
            cause => failure(ConvertError::Ingest { path: path.clone(), cause }),
        });
        let dataset = told.or(dataset);
        Interpretation { path, explanation: text, candidates, dataset, failure }
    }
}

/// The failure of a conversion, naming the options involved.
fn failure(error: ConvertError) -> Failure {
    match &error {
        ConvertError::SplitOfSeveral { .. } => wrong_call::<ConvertArgs>(
            CALL,
            ErrorKind::ArgumentConflict,
            "`--split` is for a single pickle",
        ),
        ConvertError::Ingest { path, cause: IngestError::SplitTold { told, holds } } => {
            let problem = format!(
                "`--split {told}` is for single-split files, and this one contains \
                 {holds}"
            );
            Failure::at(path, problem).advised(&error)
        }
        ConvertError::Ingest { path, cause: IngestError::NoModality { modality } } => {
            let problem =
                format!("`--max-len` names {modality}, which the file has no features of");
            Failure::at(path, problem).advised(&error)
        }
        _ => error.into(),
    }
}

/// A modality and its maximum number of frames.
pub(super) fn max_len(text: &str) -> Result<(Modality, usize), String> {
    let expected = || format!("expected MODALITY=N such as audio=500, found `{text}`");
    let (modality, most) = text.split_once('=').ok_or_else(expected)?;
    match most.parse() {
        Ok(most @ 1..) => {
            Ok((modality.parse().map_err(|error: UnknownName| error.to_string())?, most))
        }
        _ => Err(expected()),
    }
}

/// A modality and its set of features.
pub(super) fn named_set(text: &str) -> Result<(Modality, NamedSet), String> {
    let (modality, named) = text.split_once('=').ok_or_else(|| {
        format!("expected MODALITY=SET such as vision=openface2-709, found `{text}`")
    })?;
    let modality: Modality = modality.parse().map_err(|error: UnknownName| error.to_string())?;
    let named: NamedSet = named.parse()?;
    match named.set.modality == modality {
        true => Ok((modality, named)),
        false => Err(format!("`{}` is of {}", named.set.name, named.set.modality)),
    }
}

/// The values of an option by modality; the call is invalid if a modality is given twice.
fn by_modality<T: Copy>(
    option: &str,
    given: &[(Modality, T)],
) -> Result<BTreeMap<Modality, T>, Failure> {
    let mut values = BTreeMap::new();
    for (modality, value) in given {
        if values.insert(*modality, *value).is_some() {
            let problem = format!("`{option}` names {modality} twice");
            return Err(wrong_call::<ConvertArgs>(CALL, ErrorKind::ArgumentConflict, &problem));
        }
    }
    Ok(values)
}

/// Explains which dataset it is: the one `told`, or else `recognised`.
fn explain_dataset(candidates: &[Candidate], recognised: Option<Dataset>, told: Option<Dataset>) {
    outln!("dataset");
    if let Some(dataset) = told {
        outln!("  {}, from `--dataset`", dataset.title());
        return;
    }
    for Candidate { dataset, build, n_dims, n_sizes } in candidates {
        outln!(
            "  {}, build `{}`: {n_dims} feature dimensions and {n_sizes} split sizes match",
            dataset.title(),
            build.name
        );
    }
    match recognised {
        Some(dataset) => outln!("  inferred: {}", dataset.title()),
        None => outln!("  undecided: `--dataset mosi|mosei|sims|simsv2` sets it"),
    }
}
