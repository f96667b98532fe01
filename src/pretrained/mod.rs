//! A BERT as Hugging Face stores it: a folder with `config.json`, `model.safetensors` and a
//! vocabulary.
//!
//! This module knows these files and the encoder that they are for. It must not know stores or the
//! command line. Nothing is fetched: the folder is the user's own. What a file says of its sizes is
//! compared with what it holds before anything is built, and a pickle is never opened.

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

/// A folder whose configuration and weights belong together.
pub struct Pretrained {
    folder: PathBuf,
    config: BertConfig,
    /// What of `config.json` is not known.
    notes: Vec<String>,
    weights: Weights,
}

impl Pretrained {
    /// Opens a folder and compares its weights with its configuration; the values are not read.
    ///
    /// # Errors
    /// A file is absent, cannot be read or is malformed; the configuration is not that of a BERT;
    /// the weights are pickled, or one of them is absent or of another shape.
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

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All sizes of the encoder.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// What of its configuration is not known and was not used, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Names of tensors that the encoder does not use, such as those of a pooler or of a head.
    pub fn ignored(&self) -> &[String] {
        self.weights.ignored()
    }

    /// Copies the weights, as float32, into the parameters of `vars` whose names begin with
    /// `prefix`: all those of an encoder of [`Pretrained::config`].
    ///
    /// # Errors
    /// `vars` has no such parameter for a weight, or one of another shape; the file changed.
    pub fn copy_into(&self, vars: &nn::VarStore, prefix: &str) -> Result<(), PretrainedError> {
        self.weights.copy_into(&self.config, vars, prefix)
    }

    /// Digests of the file with the weights.
    pub fn weight_digests(&self) -> WeightDigests {
        self.weights.digests()
    }

    /// Whether the folder has a vocabulary, without which it reads tokens but no texts.
    pub fn has_vocabulary(&self) -> bool {
        ["tokenizer.json", "vocab.txt"].iter().any(|name| self.folder.join(name).exists())
    }

    /// The tokenizer, which cuts texts at `max_len` tokens.
    ///
    /// # Errors
    /// There is no vocabulary, it is malformed, or `max_len` is more than the encoder reads or less
    /// than the special tokens take.
    pub fn tokenizer(&self, max_len: usize) -> Result<TextTokenizer, PretrainedError> {
        TextTokenizer::open(&self.folder, &self.config, max_len)
    }
}
