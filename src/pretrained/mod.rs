//! A BERT in Hugging Face format: a folder with `config.json`, `model.safetensors` and a vocabulary.
//!
//! This module knows these files and their encoder. It must not know stores or the command line.
//! Nothing is downloaded: the user provides the folder. The sizes that a file states are checked
//! against its content before anything is built, and a pickle is never opened.

mod config;
mod encode;
mod error;
mod source;
mod suits;
#[cfg(test)]
mod tests;
mod text;
mod tokenizer;
mod weights;

use std::path::{Path, PathBuf};

use tch::nn;

pub use encode::{EncodeError, FrozenEncoder};
pub use error::PretrainedError;
pub use source::{DEFAULT_MAX_LEN, TextSource};
pub use suits::Suits;
use text::read_text;
pub use tokenizer::{TextTokenizer, Tokenized};
pub use weights::WeightDigests;
use weights::Weights;

use crate::model::BertConfig;

/// A folder with matching configuration and weights.
pub struct Pretrained {
    folder: PathBuf,
    config: BertConfig,
    /// Notes about unknown keys in `config.json`.
    notes: Vec<String>,
    weights: Weights,
}

impl Pretrained {
    /// Opens a folder and checks its weights against its configuration; the values are not read.
    ///
    /// # Errors
    /// A file is absent, cannot be read or is malformed; the configuration is not a BERT's; the weights
    /// are pickled, or one of them is absent or of another shape.
    pub fn open(folder: &Path) -> Result<Pretrained, PretrainedError> {
        let path = folder.join("config.json");
        let (config, unknown) = config::read(&path)?;
        let weights = Weights::open(folder, &config)?;
        let notes = unknown.iter().map(|what| format!("{}: {what}", path.display())).collect();
        Ok(Pretrained { folder: folder.into(), config, notes, weights })
    }

    /// The folder's own name.
    pub fn name(&self) -> String {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
    }

    /// Its path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All sizes of the encoder.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// Unknown and unused keys of its configuration, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Names of tensors that the encoder does not use, such as those of a pooler or head.
    pub fn ignored(&self) -> &[String] {
        self.weights.ignored()
    }

    /// Copies the weights, as float32, into the parameters of `vars` whose names begin with `prefix`:
    /// all those of an encoder with this [`Pretrained::config`].
    ///
    /// # Errors
    /// `vars` lacks a weight's parameter, or has it in another shape; the file changed.
    pub fn copy_into(&self, vars: &nn::VarStore, prefix: &str) -> Result<(), PretrainedError> {
        self.weights.copy_into(&self.config, vars, prefix)
    }

    /// Digests of the file with the weights.
    pub fn weight_digests(&self) -> WeightDigests {
        self.weights.digests()
    }

    /// The tokenizer, which truncates texts to `max_len` tokens.
    ///
    /// # Errors
    /// There is no vocabulary, it is malformed, or `max_len` exceeds the encoder's maximum or leaves no
    /// space besides the special tokens.
    pub fn tokenizer(&self, max_len: usize) -> Result<TextTokenizer, PretrainedError> {
        TextTokenizer::open(&self.folder, &self.config, max_len)
    }
}

/// Whether an encoder's folder has a vocabulary; without one it can read tokens but not texts.
pub fn has_vocabulary(folder: &Path) -> bool {
    ["tokenizer.json", "vocab.txt"].iter().any(|name| folder.join(name).exists())
}
