//! Computes a store's text features with a frozen text encoder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array3, Ix3};

use super::error::{StoreProblem, TrainerError};
use super::note::Note;
use super::suits;
use crate::corpus::column::ColumnKind;
use crate::corpus::manifest::{Manifest, TextEncoder};
use crate::corpus::{FeatureBlock, SplitName};
use crate::pretrained::{DEFAULT_MAX_LEN, FrozenEncoder, Pretrained, TextSource, TextTokenizer};
use crate::store::{self, NewText, OutputOptions, Store};

/// Options for encoding a store.
#[derive(Debug, Clone)]
pub struct EncodeOptions {
    /// The encoder's folder.
    pub encoder: PathBuf,
    /// Its input; by default the store's tokens if present, else its texts.
    pub source: Option<TextSource>,
    /// Length of tokenized texts, in tokens, if texts are the input.
    pub max_len: Option<usize>,
    /// Number of texts to encode at a time.
    pub batch_size: usize,
    /// Whether to encode texts or tokens that hardly belong to the encoder's vocabulary anyway.
    pub force: bool,
    /// Number of libtorch threads; unchanged if `None`.
    pub n_threads: Option<u16>,
    /// Options for writing the new store.
    pub output: OutputOptions,
}

/// Result of encoding a store.
#[derive(Debug)]
pub struct Encoded {
    /// The new store's manifest.
    pub manifest: Manifest,
    /// The encoder's name.
    pub encoder: String,
    /// Number of encoded texts.
    pub n_samples: usize,
    /// Features per token.
    pub width: usize,
    /// Number of texts that were truncated.
    pub n_cut: usize,
}

/// Observer of encoded texts: their total number, then each number of newly finished ones.
pub trait EncodeProgress {
    /// Encoding of `n_texts` texts begins; the returned function is called with the number of finished
    /// texts, from any thread.
    fn begin(&mut self, n_texts: usize) -> Arc<dyn Fn(u64) + Send + Sync>;
}

/// Encoder input of one split.
struct Text {
    /// `[n_samples, 3, seq_len]`.
    tokens: Array3<i32>,
    /// Number of texts that were truncated.
    n_cut: usize,
}

/// An encoder's default input from a store: its tokens if all splits have them, else its texts.
pub fn default_source(store: &Store) -> TextSource {
    let has_tokens = |split| store.manifest().column(&ColumnKind::TextBert.of(split)).is_some();
    match splits(store).all(has_tokens) {
        true => TextSource::TextBert,
        false => TextSource::RawText,
    }
}

/// Writes a store with an encoder's text features, and its tokens if they are made from texts.
/// Everything else stays unchanged.
///
/// # Errors
/// The store or the encoder cannot be read, the store has nothing to encode or does not suit the
/// encoder, a hidden state is not finite, or `to` cannot be written.
pub fn encode(
    source: &Store,
    to: &Path,
    options: &EncodeOptions,
    progress: &mut dyn EncodeProgress,
    note: &mut dyn FnMut(Note),
) -> Result<Encoded, TrainerError> {
    let text_source = options.source.unwrap_or_else(|| default_source(source));
    let pretrained = Pretrained::open(&options.encoder)?;
    pretrained.notes().iter().for_each(|words| note(Note::Encoder(words.clone())));
    if let Some(n_threads) = options.n_threads {
        tch::set_num_threads(n_threads.into());
    }
    let (texts, tokenizer_blake3): (BTreeMap<SplitName, Text>, _) = match text_source {
        TextSource::TextBert => {
            let before = source.manifest().text_encoder.as_ref();
            let tokenizer_blake3 = before.and_then(|encoder| encoder.tokenizer_blake3.clone());
            (stored_tokens(source)?, tokenizer_blake3)
        }
        TextSource::RawText => {
            let tokenizer = pretrained.tokenizer(options.max_len.unwrap_or(DEFAULT_MAX_LEN))?;
            (tokenized(source, &tokenizer)?, Some(tokenizer.blake3().into()))
        }
    };
    let reader = suits::Reader::new(&pretrained, text_source);
    suits::check(source, reader, options.force)?.into_iter().for_each(note);
    let encoder = Arc::new(FrozenEncoder::load(&pretrained)?);
    let n_samples: usize = texts.values().map(|text| text.tokens.dim().0).sum();
    let n_cut: usize = texts.values().map(|text| text.n_cut).sum();
    let advance = progress.begin(n_samples);
    let mut new_text = BTreeMap::new();
    for (split, Text { tokens, n_cut }) in texts {
        let (n_samples, _, seq_len) = tokens.dim();
        let kept = (text_source == TextSource::RawText).then(|| tokens.clone());
        let id = ColumnKind::TextBert.of(split);
        let rows = encoder.rows(tokens, options.batch_size, Arc::clone(&advance));
        let unknown = |cause| StoreProblem::Tokens { id: id.clone(), cause };
        let rows = rows.map_err(|cause| TrainerError::unfit(source.path(), unknown(cause)))?;
        let features = FeatureBlock { shape: [n_samples, seq_len, encoder.width()], rows };
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
        tokenizer_blake3,
    };
    let manifest = store::with_text(source, to, &options.output, new_text, provenance)?;
    let width = encoder.width();
    Ok(Encoded { manifest, encoder: pretrained.name(), n_samples, width, n_cut })
}

fn splits(store: &Store) -> impl Iterator<Item = SplitName> {
    store.manifest().splits.iter().map(|split| split.name)
}

fn stored_tokens(store: &Store) -> Result<BTreeMap<SplitName, Text>, TrainerError> {
    let tokens = |split| {
        let id = ColumnKind::TextBert.of(split);
        let tokens = store.numbers::<i32>(&id)?;
        let tokens = tokens.and_then(|tokens| tokens.into_dimensionality::<Ix3>().ok());
        let absent = || TrainerError::unfit(store.path(), StoreProblem::NoTokens { id });
        Ok((split, Text { tokens: tokens.ok_or_else(absent)?, n_cut: 0 }))
    };
    splits(store).map(tokens).collect()
}

fn tokenized(
    store: &Store,
    tokenizer: &TextTokenizer,
) -> Result<BTreeMap<SplitName, Text>, TrainerError> {
    let mut all = BTreeMap::new();
    for split in splits(store) {
        let id = ColumnKind::RawText.of(split);
        let texts = store.strings(&id)?;
        let absent = || TrainerError::unfit(store.path(), StoreProblem::NoTexts { id });
        let tokenized = tokenizer.encode(&texts.ok_or_else(absent)?)?;
        all.insert(split, Text { tokens: tokenized.text_bert, n_cut: tokenized.n_cut });
    }
    Ok(all)
}
