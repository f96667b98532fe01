//! `almt-data convert`: a pickle becomes a store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;

use super::form::FormArgs;
use super::limits::LimitsArgs;
use super::packed::{PackedArgs, open_pickle, refuse_store};
use super::texts::TextArgs;
use super::{Failure, output, progress, same_file, size_on_disk, sources, wrong_call};
use crate::chain::chain;
use crate::container::unpacked_name;
use crate::corpus::spec::{Candidate, candidates, recognise, recognise_by_name};
use crate::corpus::{Corpus, Dataset, Layout, Modality, SplitName};
use crate::ingest::{self, IngestError, SourceFile};
use crate::name::UnknownName;
use crate::signature::archive::shown;
use crate::store::{
    self, EntryInfo, FeatureDtype, Format, NonFinite, OnOverflow, Outcome, OutputOptions,
    SourceInfo, WriteOptions,
};
use crate::words::human_bytes;

/// Convert feature pickles into a validated store, without running any code in them
#[derive(Args)]
pub struct ConvertArgs {
    /// Feature pickle in the layout of MMSA (or MMSA-FET), the CMU SDK (MulT, MultiBench), MISA
    /// (BBFN, MMIM) or MAG-BERT. Where each split has a file of its own: all of them, or their
    /// folder, whose file names say the splits, such as `train.pkl`, `dev.pkl` and `test.pkl`
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
    #[arg(long, value_parser = SplitName::from_usual)]
    split: Option<SplitName>,
    /// Layout of the pickle, where it should not be detected: mmsa, sdk, misa or mag-bert
    #[arg(long)]
    layout: Option<Layout>,
    /// Cut longer samples of a modality to N frames, at the back; may be given several times. How
    /// many were cut is said in the notes
    #[arg(long, value_name = "MODALITY=N", value_parser = max_len)]
    max_len: Vec<(Modality, usize)>,
    /// Leave out segments without a label (None, NaN or infinite) of splits that have labels; how many is said
    /// in the notes
    #[arg(long)]
    drop_unlabelled: bool,
    /// What to do with values that are NaN, +inf or -inf in the pickle: `loaders` makes -inf 0 as
    /// the published loaders do and refuses NaN and +inf; `zero` makes all of them 0, `mean` the
    /// mean of the feature in the training split; `drop-segment` leaves the segments out; `keep`
    /// copies all of them, `error` refuses all of them
    #[arg(
        long,
        default_value_t = NonFinite::Loaders,
        value_name = "loaders|zero|mean|drop-segment|keep|error"
    )]
    on_nonfinite: NonFinite,
    /// What to do with values that are finite in the pickle and beyond the range of `--dtype`:
    /// `error` refuses them; `clip` makes them the largest value of the type, with their sign, `zero`
    /// makes them 0, `mean` the mean of the feature in the training split; `drop-segment` leaves
    /// the segments out
    #[arg(
        long,
        default_value_t = OnOverflow::Error,
        value_name = "error|clip|zero|mean|drop-segment"
    )]
    on_overflow: OnOverflow,
    /// Do not wait until the disk has the store: faster, but it can be lost if the machine stops in
    /// the seconds after
    #[arg(long)]
    no_sync: bool,
    /// Element type of the features in the store: float32, or float16 for half the size, with 11
    /// significant bits and values up to 65504. They are read as float32 either way
    #[arg(long, default_value_t = FeatureDtype::Float32, value_name = "float32|float16")]
    dtype: FeatureDtype,
    #[command(flatten)]
    texts: TextArgs,
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
        [folder] if folder.is_dir() => sources::splits_of(folder)?,
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
    let max_len = max_lens(&args.max_len);
    let texts = args.texts.policy();
    let options = ingest::Options { split: args.split, layout: args.layout, max_len, texts };
    // The whole source in messages: the one file, or the folder, or the first of several.
    let source_path = args.pickles.first().cloned().unwrap_or_default();
    let failed = |error: IngestError| {
        let failure = match &error {
            IngestError::SplitTold { told, holds } => Failure::at(
                &source_path,
                format!(
                    "`--split {told}` is for a file of one split, and this one says that it holds \
                     {holds}"
                ),
            ),
            IngestError::NoModality { modality } => Failure::at(
                &source_path,
                format!("`--max-len` names {modality}, which the file has no features of"),
            ),
            _ => Failure::at(&source_path, chain(&error)),
        };
        failure.advised(&error)
    };
    if args.explain {
        let explanation = ingest::explain(&files, &options);
        output::write(format_args!("{}\n{explanation}", source_path.display()));
        let corpus = explanation.outcome.map_err(|error| match error {
            // The explanation is what its hint would send to.
            IngestError::UnknownLayout { .. } => Failure::at(&source_path, chain(&error))
                .hint("`almt-data inspect` shows what the file holds"),
            error => failed(error),
        })?;
        explain_dataset(&corpus, &files, args.dataset);
        return Ok(ExitCode::SUCCESS);
    }
    let mut corpus = ingest::read(&files, &options).map_err(failed)?;
    let (recognised, note) = recognised(&corpus, &files);
    corpus.notes.extend(note.map(str::to_owned));
    let left_out = args.drop_unlabelled.then(|| unlabelled(&mut corpus));
    let labelled = left_out.as_ref().map(|left_out| corpus.without(left_out));
    let corpus = labelled.as_ref().unwrap_or(&corpus);
    let dataset = args.dataset.or(recognised).ok_or_else(|| {
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
        on_overflow: args.on_overflow,
        dtype: args.dtype,
        output: OutputOptions {
            format,
            compression: args.form.compression,
            overwrite: args.overwrite,
            sync: !args.no_sync,
        },
    };
    let bar = progress::bytes("converting", feature_bytes(corpus) * options.n_passes());
    let written = store::write(corpus, &sources, &output, &options, &|n_bytes| bar.inc(n_bytes));
    bar.finish_and_clear();
    let Outcome { manifest, findings } = written.map_err(|error| match error {
        // Its place is in the source, which is what the user has to look at.
        store::StoreError::Refused(_)
        | store::StoreError::RefusedLabels(_)
        | store::StoreError::NothingLeft { .. }
        | store::StoreError::Unreadable { .. } => Failure::of(&source_path, &error),
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
        // Some may have been left out.
        let n_segments = manifest.split(split.name).map_or(0, |split| split.ids.len());
        outln!("  {:<7}  {n_segments} segments  {}", split.name, shapes.join("  "));
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

/// A modality and the number of frames beyond which its samples are cut.
fn max_len(text: &str) -> Result<(Modality, usize), String> {
    let expected = || format!("expected MODALITY=N such as audio=500, found `{text}`");
    let (modality, most) = text.split_once('=').ok_or_else(expected)?;
    match most.parse() {
        Ok(most @ 1..) => {
            Ok((modality.parse().map_err(|error: UnknownName| error.to_string())?, most))
        }
        _ => Err(expected()),
    }
}

/// The lengths by modality; a modality that is named twice ends the program.
fn max_lens(given: &[(Modality, usize)]) -> BTreeMap<Modality, usize> {
    let mut lens = BTreeMap::new();
    for (modality, most) in given {
        if lens.insert(*modality, *most).is_some() {
            let problem = format!("`--max-len` names {modality} twice");
            wrong_call::<ConvertArgs>(CALL, ErrorKind::ArgumentConflict, &problem);
        }
    }
    lens
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

/// The segments without a label of splits that have labels, which a note names.
fn unlabelled(corpus: &mut Corpus) -> BTreeMap<SplitName, BTreeSet<usize>> {
    let unlabelled = corpus.unlabelled();
    for (split, rows) in &unlabelled {
        let ids = corpus.splits.iter().filter(|of| of.name == *split).flat_map(|of| &of.ids);
        let left_out = ids.enumerate().filter(|(row, _)| rows.contains(row));
        let left_out: Vec<&str> = left_out.map(|(_, id)| &**id).collect();
        let n = left_out.len();
        let note = format!(
            "{split}: {n} segments without a label are not stored: {}",
            left_out.join(", ")
        );
        corpus.notes.push(note);
    }
    unlabelled
}

/// The dataset that a corpus is, with a note where only a file name tells it.
fn recognised(
    corpus: &Corpus,
    files: &[SourceFile<'_>],
) -> (Option<Dataset>, Option<&'static str>) {
    match recognise(corpus) {
        Some(dataset) => (Some(dataset), None),
        None => {
            let dataset = recognise_by_name(corpus, files.iter().map(|file| &*file.stem));
            let note = "dataset: shapes and labels leave it open, the name of the file tells it";
            (dataset, dataset.map(|_| note))
        }
    }
}

/// Which dataset it is, and why.
fn explain_dataset(corpus: &Corpus, files: &[SourceFile<'_>], told: Option<Dataset>) {
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
    match recognised(corpus, files).0 {
        Some(dataset) => outln!("  taken for {}", dataset.title()),
        None => outln!("  not decided: `--dataset mosi|mosei|sims|simsv2` says it"),
    }
}

fn feature_bytes(corpus: &Corpus) -> u64 {
    let blocks = corpus.splits.iter().flat_map(|split| split.features.values());
    blocks.map(|block| block.shape.iter().product::<usize>() as u64 * 4).sum()
}
