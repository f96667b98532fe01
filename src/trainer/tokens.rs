//! Source of a text encoder's tokens, in a run and in later commands.

use std::path::{Path, PathBuf};

use super::error::{FileProblem, TrainerError};
use crate::model::BertConfig;
use crate::pretrained::{Pretrained, TextTokenizer};
use crate::run::folder;
use crate::run::settings::TokenChoice;
use crate::train::checkpoint::CheckpointInfo;

/// Produces an encoder's tokens for a split.
pub struct TokenReader {
    /// The encoder's configuration.
    pub bert: BertConfig,
    /// Tokenizes the store's texts, unless its `text_bert` is used.
    pub tokenizer: Option<TextTokenizer>,
}

impl TokenReader {
    /// As chosen for a run.
    pub fn of_run(encoder: &Pretrained, choice: &TokenChoice) -> Result<TokenReader, TrainerError> {
        TokenReader::open(encoder.config(), choice, || Ok(encoder.folder().into()))
    }

    /// As chosen for a checkpoint's run; `None` for a model without an encoder. `bert` is the encoder's
    /// folder, if it is not the one named in the checkpoint's run folder.
    pub fn of_checkpoint(
        path: &Path,
        info: &CheckpointInfo,
        bert: Option<&Path>,
    ) -> Result<Option<TokenReader>, TrainerError> {
        let Some(config) = &info.config.bert else { return Ok(None) };
        let folder = || {
            encoder_folder(path, bert)
                .ok_or_else(|| TrainerError::file(path, FileProblem::NoTokenizer))
        };
        TokenReader::open(config, &info.tokens, folder).map(Some)
    }

    fn open(
        bert: &BertConfig,
        choice: &TokenChoice,
        folder: impl FnOnce() -> Result<PathBuf, TrainerError>,
    ) -> Result<TokenReader, TrainerError> {
        let tokenizer = match choice {
            TokenChoice::TextBert => None,
            TokenChoice::RawText { max_len, tokenizer_blake3 } => {
                let tokenizer = TextTokenizer::open(&folder()?, bert, *max_len)?;
                if tokenizer.blake3() != tokenizer_blake3 {
                    return Err(TrainerError::file(tokenizer.path(), FileProblem::Changed));
                }
                Some(tokenizer)
            }
        };
        Ok(TokenReader { bert: bert.clone(), tokenizer })
    }
}

/// The folder of a checkpoint's encoder: `bert`, or else the one that its run folder names.
pub fn encoder_folder(checkpoint: &Path, bert: Option<&Path>) -> Option<PathBuf> {
    bert.map(Path::to_owned).or_else(|| folder_of_run(checkpoint))
}

/// The encoder's folder, as named in the settings next to a checkpoint.
fn folder_of_run(checkpoint: &Path) -> Option<PathBuf> {
    let settings = folder::read_config(checkpoint.parent()?).ok()?;
    Some(settings.text_encoder?.path)
}
