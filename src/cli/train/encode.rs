//! `almt-data encode`: adds text features computed by BERT to a store.

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
use crate::cli::{Failure, number, output, progress, size_on_disk, stores, wrong_call};
use crate::pretrained::TextSource;
use crate::store::Store;
use crate::trainer::encode::{self, EncodeOptions, EncodeProgress, Encoded};
use crate::words::{human_bytes, quoted_path};

/// Compute text features with BERT and add them to a store
///
/// The encoder is a local folder in Hugging Face format: `config.json`, `model.safetensors` and, for
/// `--text-from raw_text`, `tokenizer.json` or `vocab.txt`. Nothing is downloaded. The features are
/// the last hidden states at all positions, padding included, as the released ALMT reads them. The
/// manifest records the encoder and the digests of its weights. All other columns are copied
/// unchanged.
#[derive(Args)]
pub struct EncodeArgs {
    /// Input store
    store: PathBuf,
    /// Encoder folder
    #[arg(long, value_name = "FOLDER")]
    bert: PathBuf,
    /// Output store
    #[arg(short, long, value_name = "STORE", value_parser = target::named(target::STORE))]
    output: PathBuf,
    /// What to encode: the store's tokens (text_bert), or its texts, tokenized by the encoder's own
    /// tokenizer (raw_text), which also replaces the tokens [default: text_bert if present]
    #[arg(long, value_name = "text_bert|raw_text")]
    text_from: Option<TextSource>,
    /// Sequence length for `raw_text`: longer texts are truncated, shorter ones padded [default: 50]
    #[arg(long, value_name = "TOKENS", value_parser = number::from::<usize>(1))]
    max_len: Option<usize>,
    /// Texts per batch
    #[arg(long, default_value_t = 64, value_parser = number::from::<u32>(1))]
    batch_size: u32,
    /// Overwrite existing output
    #[arg(long)]
    overwrite: bool,
    /// Encode even if the text does not match the encoder's vocabulary
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
    let format = args.form.resolve::<EncodeArgs>(COMMAND, Some(to), source.format())?;
    let text_source = args.text_from.unwrap_or_else(|| encode::default_source(&source));
    if text_source == TextSource::TextBert && args.max_len.is_some() {
        let problem = "`--max-len` needs `--text-from raw_text`: `text_bert` has its own length";
        return Err(wrong_call::<EncodeArgs>(COMMAND, ErrorKind::ArgumentConflict, problem));
    }
    let options = EncodeOptions {
        encoder: args.bert,
        source: Some(text_source),
        max_len: args.max_len,
        batch_size: args.batch_size as usize,
        force: args.force,
        n_threads: args.threads.threads,
        output: args.form.output(format, args.overwrite),
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
    let store = quoted_path(to);
    let toward_training = stores::toward_training(to, &manifest);
    output::next(&format!("`almt-data validate {store}`, {toward_training}"));
    Ok(ExitCode::SUCCESS)
}

/// Shows the number of encoded texts until dropped.
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
