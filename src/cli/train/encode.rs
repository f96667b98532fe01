//! `almt-data encode`: a store whose text features are computed by a BERT.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use clap::error::ErrorKind;
use indicatif::ProgressBar;

use super::devices::ThreadsArgs;
use super::show::say;
use crate::cli::form::FormArgs;
use crate::cli::target::{self, check_output};
use crate::cli::{Failure, number, progress, size_on_disk, wrong_call};
use crate::pretrained::TextSource;
use crate::store::{OutputOptions, Store};
use crate::trainer::encode::{self, EncodeOptions, EncodeProgress, Encoded};
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
    #[arg(short, long, value_name = "STORE", value_parser = target::named(target::STORE))]
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
    check_output(to, args.overwrite, [&args.store])?;
    let source = Store::open(&args.store)?;
    let format = args.form.resolve::<EncodeArgs>(COMMAND, Some(to), source.format());
    let text_source = args.text_from.unwrap_or_else(|| encode::default_source(&source));
    if text_source == TextSource::TextBert && args.max_len.is_some() {
        let problem = "`--max-len` needs `--text-from raw_text`: `text_bert` has its own length";
        wrong_call::<EncodeArgs>(COMMAND, ErrorKind::ArgumentConflict, problem);
    }
    let options = EncodeOptions {
        encoder: args.bert,
        source: Some(text_source),
        max_len: args.max_len,
        batch_size: args.batch_size as usize,
        force: args.force,
        n_threads: args.threads.threads,
        output: OutputOptions {
            format,
            compression: args.form.compression,
            overwrite: args.overwrite,
            sync: !args.no_sync,
        },
    };
    let mut bar = EncodeBar::default();
    let encoded = encode::encode(&source, to, &options, &mut bar, &mut say);
    drop(bar);
    let Encoded { manifest, encoder, n_samples, width, n_cut } = encoded?;
    outln!("{}", to.display());
    outln!("  text     {n_samples} x {width} features by {encoder}");
    if n_cut > 0 {
        outln!("  cut      {n_cut} texts had more tokens than `--max-len` leaves room for");
    }
    outln!("  digest   blake3 {}", manifest.digest);
    outln!("  size     {}", human_bytes(size_on_disk(to)));
    Ok(ExitCode::SUCCESS)
}

/// Shows how many texts are encoded, until it is dropped.
#[derive(Default)]
struct EncodeBar(Option<ProgressBar>);

impl EncodeProgress for EncodeBar {
    fn begin(&mut self, n_texts: usize) -> Arc<dyn Fn(u64) + Send + Sync> {
        let bar = self.0.insert(progress::count("encoding", n_texts as u64)).clone();
        Arc::new(move |n| bar.inc(n))
    }
}

impl Drop for EncodeBar {
    fn drop(&mut self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}

const COMMAND: &str = "almt-data encode";
