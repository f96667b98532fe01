//! `almt-data convert`: a pickle becomes a store.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::limits::LimitsArgs;
use super::{Failure, progress};
use crate::corpus::spec::recognise;
use crate::corpus::{Corpus, Dataset, SplitName};
use crate::ingest::{self, Layout};
use crate::pickle::{Limits, Pickle};
use crate::store::{self, NonFinite, SourceInfo, WriteOptions};
use crate::tree::human_bytes;

/// Convert a feature pickle into a validated store, without running any code in it
#[derive(Args)]
pub struct ConvertArgs {
    /// Feature pickle in the MMSA or the MISA layout
    pickle: PathBuf,
    /// Where the store goes; the default is next to the pickle, with the ending `.h5`
    #[arg(short, long, value_name = "STORE")]
    output: Option<PathBuf>,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
    /// Dataset, where shapes and labels do not tell it: mosi, mosei, sims or simsv2
    #[arg(long)]
    dataset: Option<Dataset>,
    /// Split of a file that holds only one, where its name does not tell it
    #[arg(long)]
    split: Option<SplitName>,
    /// Layout of the pickle, where it should not be detected
    #[arg(long)]
    layout: Option<Layout>,
    /// What to do with values that are not finite: `zero` makes -inf 0 and refuses NaN and +inf,
    /// `keep` copies all of them, `error` refuses all of them
    #[arg(long, default_value_t = NonFinite::Zero, value_name = "zero|keep|error")]
    on_nonfinite: NonFinite,
    #[command(flatten)]
    limits: LimitsArgs,
}

/// Converts one pickle.
pub fn convert(args: ConvertArgs) -> Result<ExitCode, Failure> {
    let output = args.output.unwrap_or_else(|| args.pickle.with_extension("h5"));
    if same_file(&args.pickle, &output) {
        return Err(Failure::at(&output, "the output would replace the input")
            .hint("`-o` chooses another place"));
    }
    let pickle = open_pickle(&args.pickle, &args.limits)?;
    let options =
        ingest::Options { file_stem: stem(&args.pickle), split: args.split, layout: args.layout };
    let corpus = ingest::read(&pickle, &options).map_err(|error| {
        let failure = Failure::at(&args.pickle, &error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let dataset = args.dataset.or_else(|| recognise(&corpus)).ok_or_else(|| {
        Failure::at(&args.pickle, "shapes and labels do not tell which dataset this is")
            .hint("`--dataset mosi|mosei|sims|simsv2` says it")
    })?;
    let source = SourceInfo {
        file_name: args.pickle.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        bytes: pickle.bytes(),
    };
    let options =
        WriteOptions { dataset, overwrite: args.overwrite, on_nonfinite: args.on_nonfinite };
    let bar = progress::bytes("converting", feature_bytes(&corpus));
    let written = store::write(&corpus, &source, &output, &options, &|n_bytes| bar.inc(n_bytes));
    bar.finish_and_clear();
    let manifest = written
        .map_err(|error| match error {
            // Its place is in the source, which is what the user has to look at.
            store::StoreError::NonFinite { .. } => Failure::at(&args.pickle, error),
            other => other.into(),
        })?
        .manifest;
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
    outln!("  source   sha256 {}", manifest.source.sha256);
    outln!("  digest   blake3 {}", manifest.digest);
    if let Ok(size) = output.metadata() {
        outln!("  size     {}", human_bytes(size.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens a pickle, with errors that name the file.
pub fn open_pickle(path: &std::path::Path, limits: &LimitsArgs) -> Result<Pickle, Failure> {
    Pickle::open(path, &Limits::from(limits)).map_err(|error| super::pickle_failure(path, &error))
}

fn stem(path: &std::path::Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn same_file(one: &std::path::Path, other: &std::path::Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn feature_bytes(corpus: &Corpus<'_>) -> u64 {
    let blocks = corpus.splits.iter().flat_map(|split| split.features.values());
    blocks.map(|block| block.shape.iter().product::<usize>() as u64 * 4).sum()
}
