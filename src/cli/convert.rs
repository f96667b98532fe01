//! `almt-data convert`: a pickle becomes a store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;

use super::form::FormArgs;
use super::limits::LimitsArgs;
use super::packed::{PackedArgs, open_pickle, refuse_store};
use super::{Failure, output, progress, same_file, size_on_disk, wrong_call};
use crate::container::unpacked_name;
use crate::corpus::spec::{Candidate, candidates, recognise};
use crate::corpus::{Corpus, Dataset, SplitName};
use crate::ingest::{self, IngestError, Layout, SourceFile};
use crate::signature::PACKED_ENDINGS;
use crate::signature::archive::shown;
use crate::store::{
    self, EntryInfo, FeatureDtype, Format, NonFinite, Outcome, OutputOptions, SourceInfo,
    WriteOptions,
};
use crate::tree::human_bytes;

/// Convert feature pickles into a validated store, without running any code in them
#[derive(Args)]
pub struct ConvertArgs {
    /// Feature pickle in the layout of MMSA (or MMSA-FET), the CMU SDK (MulT, MultiBench), MISA
    /// (BBFN, MMIM) or MAG-BERT. Where each split has a file of its own: all of them, or the folder
    /// of `train.pkl`, `dev.pkl` and `test.pkl`
    #[arg(required = true, value_name = "PICKLE")]
    pickles: Vec<PathBuf>,
    /// Where the store goes; the default is next to the pickle or folder, with the ending of the
    /// format
    #[arg(short, long, value_name = "STORE")]
    output: Option<PathBuf>,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
    /// Write nothing; print which layouts were tried and why, what becomes of each key, on which
    /// side the samples are padded, and which dataset it is
    #[arg(long)]
    explain: bool,
    /// Dataset, where shapes and labels do not tell it: mosi, mosei, sims or simsv2
    #[arg(long)]
    dataset: Option<Dataset>,
    /// Split of a file that holds only one, where its name does not tell it
    #[arg(long)]
    split: Option<SplitName>,
    /// Layout of the pickle, where it should not be detected: mmsa, sdk, misa or mag-bert
    #[arg(long)]
    layout: Option<Layout>,
    /// What to do with values that are not finite: `zero` makes -inf 0 and refuses NaN and +inf,
    /// `keep` copies all of them, `error` refuses all of them
    #[arg(long, default_value_t = NonFinite::Zero, value_name = "zero|keep|error")]
    on_nonfinite: NonFinite,
    /// Do not wait until the disk has the store: faster, but it can be lost if the machine stops in
    /// the seconds after
    #[arg(long)]
    no_sync: bool,
    /// Element type of the features in the store: float32, or float16 for half the size, with 11
    /// significant bits and values up to 65504. They are read as float32 either way
    #[arg(long, default_value_t = FeatureDtype::Float32, value_name = "float32|float16")]
    dtype: FeatureDtype,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    packed: PackedArgs,
    #[command(flatten)]
    limits: LimitsArgs,
}

/// How this command is called.
const CALL: &str = "almt-data convert";

/// Converts the files of one source.
pub fn convert(args: ConvertArgs) -> Result<ExitCode, Failure> {
    let format = args.form.resolve::<ConvertArgs>(CALL, args.output.as_deref(), Format::Hdf5);
    let output = match (&args.output, &*args.pickles) {
        (Some(output), _) => output.clone(),
        (None, [only]) => default_output(only, format),
        (None, _) if args.explain => PathBuf::new(),
        (None, _) => wrong_call::<ConvertArgs>(
            CALL,
            ErrorKind::MissingRequiredArgument,
            "several pickles need `--output STORE`",
        ),
    };
    let paths = match &*args.pickles {
        [folder] if folder.is_dir() => splits_of(folder)?,
        paths => paths.to_vec(),
    };
    if args.split.is_some() && paths.len() > 1 {
        wrong_call::<ConvertArgs>(
            CALL,
            ErrorKind::ArgumentConflict,
            "`--split` is for a single pickle",
        );
    }
    // A store has the name that its own store would get: what it is comes first.
    paths.iter().try_for_each(|path| refuse_store(path))?;
    let is_output = |path: &&PathBuf| same_file(path, &output);
    if let Some(path) = paths.iter().find(is_output) {
        open_pickle(path, &args.packed, &args.limits)?;
        return Err(Failure::at(&output, "the output would replace the input")
            .hint("`-o` chooses another place"));
    }
    let opened = paths
        .into_iter()
        .map(|path| open_pickle(&path, &args.packed, &args.limits))
        .collect::<Result<Vec<_>, _>>()?;
    let files: Vec<SourceFile<'_>> =
        opened.iter().map(|file| SourceFile::new(&file.pickle, file.stem())).collect();
    let options = ingest::Options { split: args.split, layout: args.layout };
    // The whole source in messages: the one file, or the folder, or the first of several.
    let source_path = args.pickles.first().cloned().unwrap_or_default();
    let failed = |error: IngestError| {
        let failure = Failure::at(&source_path, &error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    };
    if args.explain {
        let explanation = ingest::explain(&files, &options);
        output::write(format_args!("{}\n{explanation}", source_path.display()));
        let corpus = explanation.outcome.map_err(failed)?;
        explain_dataset(&corpus, args.dataset);
        return Ok(ExitCode::SUCCESS);
    }
    let corpus = ingest::read(&files, &options).map_err(failed)?;
    let dataset = args.dataset.or_else(|| recognise(&corpus)).ok_or_else(|| {
        Failure::at(&source_path, "shapes and labels do not tell which dataset this is")
            .hint("`--dataset mosi|mosei|sims|simsv2` says it")
    })?;
    let sources: Vec<SourceInfo<'_>> = opened
        .iter()
        .map(|file| SourceInfo {
            file_name: file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: file.outer.as_ref().map_or(file.pickle.bytes(), |outer| outer.bytes()),
            entry: file.outer.as_ref().map(|outer| EntryInfo {
                name: outer.entry().to_owned(),
                bytes: file.pickle.bytes(),
            }),
        })
        .collect();
    let options = WriteOptions {
        dataset,
        on_nonfinite: args.on_nonfinite,
        dtype: args.dtype,
        output: OutputOptions {
            format,
            compression: args.form.compression,
            overwrite: args.overwrite,
            sync: !args.no_sync,
        },
    };
    let bar = progress::bytes("converting", feature_bytes(&corpus));
    let written = store::write(&corpus, &sources, &output, &options, &|n_bytes| bar.inc(n_bytes));
    bar.finish_and_clear();
    let Outcome { manifest, findings } = written.map_err(|error| match error {
        // Its place is in the source, which is what the user has to look at.
        store::StoreError::NonFinite { .. } => Failure::at(&source_path, error),
        other => other.into(),
    })?;
    outln!("{}", output.display());
    outln!("  dataset  {} ({} layout)", dataset.title(), corpus.layout);
    for split in &corpus.splits {
        let shapes: Vec<String> = split
            .features
            .iter()
            .map(|(modality, block)| format!("{modality} {:?}", &block.shape[1..]))
            .collect();
        outln!("  {:<7}  {} segments  {}", split.name, split.ids.len(), shapes.join("  "));
    }
    for note in &manifest.notes {
        outln!("  note     {note}");
    }
    for finding in &findings {
        outln!("  {finding}");
    }
    for source in &manifest.sources {
        outln!("  source   {} sha256 {}", source.file_name, source.sha256);
        if let Some(entry) = &source.entry {
            outln!("           holds {} sha256 {}", shown(&entry.name), entry.sha256);
        }
        match &source.release {
            Some(release) => outln!("           {release}, official release"),
            None => outln!("           not the digest of a known official release"),
        }
    }
    outln!("  digest   blake3 {}", manifest.digest);
    outln!("  size     {}", human_bytes(size_on_disk(&output)));
    Ok(ExitCode::SUCCESS)
}

/// `NAME.h5` or `NAME.arrow` next to the pickle or the folder of that name.
fn default_output(path: &Path, format: Format) -> PathBuf {
    if !path.is_dir() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return path.with_file_name(unpacked_name(&name)).with_extension(format.ending());
    }
    // A folder may be given as `.`, which has no name; and its name may have dots.
    let folder = match path.file_name() {
        Some(_) => path.to_path_buf(),
        None => path.canonicalize().unwrap_or_else(|_| path.to_path_buf()),
    };
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}.{}", format.ending()))
}

/// The pickles of a folder that hold one split each, as MISA and MMIM name them.
fn splits_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    refuse_store(folder)?;
    const NAMES: [&[&str]; 3] =
        [&["train.pkl"], &["dev.pkl", "valid.pkl", "val.pkl"], &["test.pkl"]];
    let mut paths = Vec::new();
    for names in NAMES {
        let packed = |name: &&str| PACKED_ENDINGS.map(|ending| format!("{name}{ending}"));
        let all = names.iter().map(ToString::to_string).chain(names.iter().flat_map(packed));
        let found = all.map(|name| folder.join(name)).filter(|path| path.is_file());
        let found: Vec<PathBuf> = found.collect();
        if let [first, second, ..] = &*found {
            let problem = format!("is the same split as {}", first.display());
            return Err(Failure::at(second, problem).hint("name the pickles one by one"));
        }
        paths.extend(found);
    }
    if paths.is_empty() {
        return Err(Failure::at(
            folder,
            "a folder without any of the files train.pkl, dev.pkl, valid.pkl, test.pkl",
        )
        .hint("name the pickles themselves, one or one for each split"));
    }
    Ok(paths)
}

/// Which dataset it is, and why.
fn explain_dataset(corpus: &Corpus<'_>, told: Option<Dataset>) {
    outln!("dataset");
    if let Some(dataset) = told {
        outln!("  {}, as `--dataset` says", dataset.title());
        return;
    }
    let candidates = candidates(corpus);
    let agreeing = candidates.iter().filter(|candidate| candidate.n_dims + candidate.n_sizes > 0);
    for Candidate { dataset, build, n_dims, n_sizes } in agreeing {
        outln!(
            "  {}, build «{}»: {n_dims} feature dimensions and {n_sizes} split sizes agree",
            dataset.title(),
            build.name
        );
    }
    match recognise(corpus) {
        Some(dataset) => outln!("  taken for {}", dataset.title()),
        None => outln!("  not decided: `--dataset mosi|mosei|sims|simsv2` says it"),
    }
}

fn feature_bytes(corpus: &Corpus<'_>) -> u64 {
    let blocks = corpus.splits.iter().flat_map(|split| split.features.values());
    blocks.map(|block| block.shape.iter().product::<usize>() as u64 * 4).sum()
}
