//! Where the tokens of a text encoder come from, in a run and in what is made of it later.

use std::path::{Path, PathBuf};

use super::error::{FileProblem, TrainerError};
use crate::model::BertConfig;
use crate::pretrained::{Pretrained, TextTokenizer};
use crate::run::folder;
use crate::run::settings::TokenChoice;
use crate::train::checkpoint::CheckpointInfo;

/// How a split comes to the tokens of an encoder.
pub struct TokenReader {
    /// What the encoder knows.
    pub bert: BertConfig,
    /// Makes them of the texts of the store, where they are not its `text_bert`.
    pub tokenizer: Option<TextTokenizer>,
}

impl TokenReader {
    /// As a run was told.
    pub fn of_run(encoder: &Pretrained, choice: &TokenChoice) -> Result<TokenReader, TrainerError> {
        TokenReader::open(encoder.config(), choice, || Ok(encoder.folder().into()))
    }

    /// As the run of a checkpoint was told; `None` for a model without an encoder. `bert` is the
    /// encoder's folder, where it is not the one that the run folder around the checkpoint names.
    pub fn of_checkpoint(
        path: &Path,
        info: &CheckpointInfo,
        bert: Option<&Path>,
    ) -> Result<Option<TokenReader>, TrainerError> {
        let Some(config) = &info.config.bert else { return Ok(None) };
        let folder = || match bert {
            Some(folder) => Ok(folder.into()),
            None => folder_of_run(path)
                .ok_or_else(|| TrainerError::file(path, FileProblem::NoTokenizer)),
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

/// The encoder's folder, as the settings beside a checkpoint name it.
fn folder_of_run(checkpoint: &Path) -> Option<PathBuf> {
    let settings = folder::read_config(checkpoint.parent()?).ok()?;
    Some(settings.text_encoder?.path)
}
