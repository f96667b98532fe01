//! Converts text to token ids with an encoder's vocabulary.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::{Array3, s};
use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, PostProcessor, Tokenizer, TruncationParams};

use super::{PretrainedError, read_text};
use crate::model::BertConfig;

/// Converts texts to token ids of one length.
pub struct TextTokenizer {
    path: PathBuf,
    tokenizer: Tokenizer,
    blake3: String,
    max_len: usize,
    pad_id: i32,
}

/// Tokenized texts.
#[derive(Debug, PartialEq, Eq)]
pub struct Tokenized {
    /// Token ids, mask and segment ids, `[n_samples, 3, max_len]`.
    pub text_bert: Array3<i32>,
    /// Number of truncated texts.
    pub n_cut: usize,
}

impl TextTokenizer {
    /// Opens the tokenizer in an encoder's folder; it truncates texts to `max_len` tokens.
    ///
    /// # Errors
    /// There is no vocabulary, it is malformed, or `max_len` exceeds the encoder's maximum or leaves no
    /// space besides the special tokens.
    pub fn open(
        folder: &Path,
        config: &BertConfig,
        max_len: usize,
    ) -> Result<TextTokenizer, PretrainedError> {
        let (whole, vocabulary) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
        let mut hasher = blake3::Hasher::new();
        let mut read = |path: &Path| {
            read_text(path).inspect(|text| {
                hasher.update(text.as_bytes());
            })
        };
        let (path, made) = match (whole.exists(), vocabulary.exists()) {
            (true, _) => {
                let made = Tokenizer::from_bytes(read(&whole)?);
                (whole, made.map_err(|error| error.to_string()))
            }
            (false, true) => {
                let settings = Settings::read(&folder.join("tokenizer_config.json"), &mut read)?;
                let made = of_vocabulary(&read(&vocabulary)?, &settings);
                (vocabulary, made)
            }
            (false, false) => return Err(PretrainedError::NoVocabulary { folder: folder.into() }),
        };
        let unusable = |problem: String| PretrainedError::Tokenizer { path: path.clone(), problem };
        let mut tokenizer = made.map_err(unusable)?;
        let n_special = tokenizer.get_post_processor().map_or(0, |all| all.added_tokens(false));
        let most = config.max_position_embeddings;
        if max_len <= n_special || i64::try_from(max_len).map_or(true, |len| len > most) {
            let (folder, least) = (folder.into(), n_special + 1);
            return Err(PretrainedError::Length { folder, max_len, least, most });
        }
        let truncation = TruncationParams { max_length: max_len, ..TruncationParams::default() };
        tokenizer
            .with_padding(None)
            .with_truncation(Some(truncation))
            .map_err(|error| unusable(error.to_string()))?;
        let pad_id = i32::try_from(config.pad_token_id).unwrap_or_default();
        let blake3 = hasher.finalize().to_hex().to_string();
        Ok(TextTokenizer { path, tokenizer, blake3, max_len, pad_id })
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// BLAKE3 of everything it was read from: equal digests mean equal tokens.
    pub fn blake3(&self) -> &str {
        &self.blake3
    }

    /// Every token with its id.
    pub(super) fn vocabulary(&self) -> HashMap<String, u32> {
        self.tokenizer.get_vocab(true).into_iter().collect()
    }

    /// Token ids, mask and segment ids of each text: enclosed in special tokens, truncated at the back
    /// if too long, padded at the back if short.
    ///
    /// # Errors
    /// The vocabulary has no token for unknown words.
    pub fn encode(&self, texts: &[String]) -> Result<Tokenized, PretrainedError> {
        let unusable =
            |problem: String| PretrainedError::Tokenizer { path: self.path.clone(), problem };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let n_samples = texts.len();
        let encodings = self
            .tokenizer
            .encode_batch_fast(texts, true)
            .map_err(|error| unusable(error.to_string()))?;
        let mut text_bert = Array3::zeros((n_samples, 3, self.max_len));
        text_bert.slice_mut(s![.., 0, ..]).fill(self.pad_id);
        let mut n_cut = 0;
        for (sample_idx, encoding) in encodings.iter().enumerate() {
            n_cut += usize::from(!encoding.get_overflowing().is_empty());
            let tokens = encoding.get_ids().iter().zip(encoding.get_type_ids());
            for (step, (id, segment)) in tokens.enumerate().take(self.max_len) {
                let number = |value: u32| {
                    i32::try_from(value).map_err(|_| unusable(format!("token id {value}")))
                };
                text_bert[[sample_idx, 0, step]] = number(*id)?;
                text_bert[[sample_idx, 1, step]] = 1;
                text_bert[[sample_idx, 2, step]] = number(*segment)?;
            }
        }
        Ok(Tokenized { text_bert, n_cut })
    }
}

/// Settings in `tokenizer_config.json` beyond the vocabulary.
#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    do_lower_case: bool,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: bool,
    do_basic_tokenize: bool,
    tokenizer_class: Option<String>,
}

impl Default for Settings {
    /// Defaults of BERT's own tokenizer; the uncased models lack this file.
    fn default() -> Settings {
        Settings {
            do_lower_case: true,
            strip_accents: None,
            tokenize_chinese_chars: true,
            do_basic_tokenize: true,
            tokenizer_class: None,
        }
    }
}

impl Settings {
    fn read(
        path: &Path,
        read: &mut dyn FnMut(&Path) -> Result<String, PretrainedError>,
    ) -> Result<Settings, PretrainedError> {
        if !path.exists() {
            return Ok(Settings::default());
        }
        let unusable = |problem: String| PretrainedError::Tokenizer { path: path.into(), problem };
        let settings: Settings =
            serde_json::from_str(&read(path)?).map_err(|error| unusable(error.to_string()))?;
        match settings.problem() {
            None => Ok(settings),
            Some(problem) => Err(unusable(problem)),
        }
    }

    /// Settings that make other tokens than BERT's.
    fn problem(&self) -> Option<String> {
        const CLASSES: [&str; 3] =
            ["BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast"];
        let class = self.tokenizer_class.as_deref();
        if let Some(class) = class.filter(|class| !CLASSES.contains(class)) {
            return Some(format!(
                "`tokenizer_class`: `{class}` is not supported beside a `vocab.txt`, only \
                 `BertTokenizer`"
            ));
        }
        (!self.do_basic_tokenize)
            .then(|| "`do_basic_tokenize`: only `true` is supported beside a `vocab.txt`".into())
    }
}

/// BERT's tokenizer for a vocabulary with one token per line.
fn of_vocabulary(text: &str, settings: &Settings) -> Result<Tokenizer, String> {
    let vocabulary = WordPiece::read_bytes(text.as_bytes()).map_err(|error| error.to_string())?;
    let id = |token: &str| {
        let id = vocabulary.get(token).copied();
        id.ok_or_else(|| format!("the token `{token}` is absent")).map(|id| (token.to_owned(), id))
    };
    let (cls, sep, _) = (id("[CLS]")?, id("[SEP]")?, id("[UNK]")?);
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let special = special.into_iter().filter(|token| vocabulary.contains_key(*token));
    let special: Vec<AddedToken> = special.map(|token| AddedToken::from(token, true)).collect();
    let model = WordPiece::builder()
        .vocab(vocabulary)
        .unk_token("[UNK]".into())
        .build()
        .map_err(|error| error.to_string())?;
    let normalizer = BertNormalizer::new(
        true,
        settings.tokenize_chinese_chars,
        settings.strip_accents,
        settings.do_lower_case,
    );
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(normalizer)).map_err(|error| error.to_string())?;
    tokenizer
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(Some(BertProcessing::new(sep, cls)));
    tokenizer.add_special_tokens(special).map_err(|error| error.to_string())?;
    Ok(tokenizer)
}
