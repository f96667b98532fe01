//! `almt-data encode`: a store whose text features are computed by a BERT.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use clap::error::ErrorKind;
use ndarray::{Array3, Ix3};

use super::devices::ThreadsArgs;
use super::show::say;
use crate::chain::chain;
use crate::cli::form::FormArgs;
use crate::cli::{Failure, number, progress, same_file, size_on_disk, wrong_call};
use crate::corpus::column::ColumnKind;
use crate::corpus::manifest::TextEncoder;
use crate::corpus::{FeatureBlock, SplitName};
use crate::pretrained::{DEFAULT_MAX_LEN, FrozenEncoder, Pretrained, TextSource};
use crate::store::{self, NewText, OutputOptions, Store};
use crate::trainer::suits;
use crate::words::human_bytes;

/// Compute the text features of a store with a BERT; everything else stays as it is
///
/// The encoder is a folder as Hugging Face has them: `config.json`, `model.safetensors` and, for
/// `--text-from raw_text`, `tokenizer.json` or `vocab.txt`. Nothing is fetched. Features are its
/// last hidden states of all positions, padding too, as the released ALMT reads them. The manifest
/// names the encoder and the digests of its weights.
#[derive(Args)]
pub struct EncodeArgs {
    /// Store to read
    store: PathBuf,
    /// Folder of the encoder
    #[arg(long, value_name = "FOLDER")]
    bert: PathBuf,
    /// Store to write
    #[arg(short, long, value_name = "STORE")]
    output: PathBuf,
    /// What to encode: the tokens of the store, or its texts, by the tokenizer of the encoder; the
    /// tokens are then replaced, too [default: text_bert if the store has it]
    #[arg(long, value_name = "text_bert|raw_text")]
    text_from: Option<TextSource>,
    /// Tokens of a text, with `raw_text`: longer ones are cut, shorter ones padded [default: 50]
    #[arg(long, value_name = "TOKENS", value_parser = number::from::<usize>(1))]
    max_len: Option<usize>,
    /// Texts that are encoded at a time
    #[arg(long, default_value_t = 64, value_parser = number::from::<u32>(1))]
    batch_size: u32,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
    /// Do not wait until the disk has the store: faster, but it can be lost if the machine stops in
    /// the seconds after
    #[arg(long)]
    no_sync: bool,
    /// Encode all the same what hardly belongs to the encoder's vocabulary
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    form: FormArgs,
}

/// Encodes one store.
pub fn encode(args: EncodeArgs) -> Result<ExitCode, Failure> {
    let to: &Path = &args.output;
    if same_file(&args.store, to) {
        return Err(Failure::at(to, "the output would replace the input"));
    }
    let source = Store::open(&args.store)?;
    let format = args.form.resolve::<EncodeArgs>(COMMAND, Some(to), source.format());
    let text_source = args.text_from.unwrap_or_else(|| default_source(&source));
    if text_source == TextSource::TextBert && args.max_len.is_some() {
        let problem = "`--max-len` needs `--text-from raw_text`: `text_bert` has its own length";
        wrong_call::<EncodeArgs>(COMMAND, ErrorKind::ArgumentConflict, problem);
    }
    let pretrained = Pretrained::open(&args.bert)?;
    pretrained.notes().iter().for_each(|note| eprintln!("warning: {note}"));
    args.threads.set();
    let texts: BTreeMap<SplitName, Text> = match text_source {
        TextSource::TextBert => stored_tokens(&source)?,
        TextSource::RawText => {
            let max_len = args.max_len.unwrap_or(DEFAULT_MAX_LEN);
            tokenized(&source, &pretrained, max_len)?
        }
    };
    let unsuited = suits::check(&source, &pretrained, text_source, args.force)?;
    unsuited.into_iter().for_each(say);
    let encoder = Arc::new(FrozenEncoder::load(&pretrained)?);
    let n_samples: usize = texts.values().map(|text| text.tokens.dim().0).sum();
    let n_cut: usize = texts.values().map(|text| text.n_cut).sum();
    let bar = progress::count("encoding", n_samples as u64);
    let counted = bar.clone();
    let advance: Arc<dyn Fn(u64) + Send + Sync> = Arc::new(move |n| counted.inc(n));
    let mut new_text = BTreeMap::new();
    for (split, Text { tokens, n_cut }) in texts {
        let (n_samples, _, seq_len) = tokens.dim();
        let kept = (text_source == TextSource::RawText).then(|| tokens.clone());
        let rows = encoder.rows(tokens, args.batch_size as usize, Arc::clone(&advance));
        let id = ColumnKind::TextBert.of(split);
        let rows = rows.map_err(|error| {
            Failure::at(source.path(), format!("{id}: {}", chain(&error))).advised(&error)
        })?;
        let shape = [n_samples, seq_len, encoder.width()];
        let features = FeatureBlock { shape, rows };
        let notes = match n_cut {
            0 => vec![],
            _ => vec![format!("{id}: {n_cut} texts were cut at {seq_len} tokens")],
        };
        new_text.insert(split, NewText { features, tokens: kept, notes });
    }
    let digests = pretrained.weight_digests();
    let provenance = TextEncoder {
        name: pretrained.name(),
        sha256: digests.sha256,
        blake3: digests.blake3,
        source: text_source.name().into(),
    };
    let options = OutputOptions {
        format,
        compression: args.form.compression,
        overwrite: args.overwrite,
        sync: !args.no_sync,
    };
    let written = store::with_text(&source, to, &options, new_text, provenance);
    bar.finish_and_clear();
    let manifest = written?;
    outln!("{}", to.display());
    outln!("  text     {n_samples} x {} features by {}", encoder.width(), pretrained.name());
    if n_cut > 0 {
        outln!("  cut      {n_cut} texts had more tokens than `--max-len` leaves room for");
    }
    outln!("  digest   blake3 {}", manifest.digest);
    outln!("  size     {}", human_bytes(size_on_disk(to)));
    Ok(ExitCode::SUCCESS)
}

/// What is encoded of one split.
struct Text {
    /// `[n_samples, 3, seq_len]`.
    tokens: Array3<i32>,
    /// Texts that had more tokens than that.
    n_cut: usize,
}

const COMMAND: &str = "almt-data encode";

fn splits(store: &Store) -> impl Iterator<Item = SplitName> {
    store.manifest().splits.iter().map(|split| split.name)
}

fn default_source(store: &Store) -> TextSource {
    let has_tokens = |split| store.manifest().column(&ColumnKind::TextBert.of(split)).is_some();
    match splits(store).all(has_tokens) {
        true => TextSource::TextBert,
        false => TextSource::RawText,
    }
}

fn stored_tokens(store: &Store) -> Result<BTreeMap<SplitName, Text>, Failure> {
    let tokens = |split| {
        let path = ColumnKind::TextBert.of(split);
        let absent = || {
            Failure::at(store.path(), format!("{path}: the store has no tokens"))
                .hint("`--text-from raw_text` makes them")
        };
        let tokens = store.numbers::<i32>(&path)?.ok_or_else(absent)?;
        let tokens = tokens.into_dimensionality::<Ix3>();
        tokens
            .map(|tokens| (split, Text { tokens, n_cut: 0 }))
            .map_err(|error| Failure::at(store.path(), format!("{path}: {error}")))
    };
    splits(store).map(tokens).collect()
}

fn tokenized(
    store: &Store,
    pretrained: &Pretrained,
    max_len: usize,
) -> Result<BTreeMap<SplitName, Text>, Failure> {
    let tokenizer = pretrained.tokenizer(max_len)?;
    let mut all = BTreeMap::new();
    for split in splits(store) {
        let path = ColumnKind::RawText.of(split);
        let Some(texts) = store.strings(&path).map_err(Failure::from)? else {
            return Err(Failure::at(store.path(), format!("{path}: the store has no texts")));
        };
        let tokenized = tokenizer.encode(&texts)?;
        all.insert(split, Text { tokens: tokenized.text_bert, n_cut: tokenized.n_cut });
    }
    Ok(all)
}
