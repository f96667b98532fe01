//! Checks whether a store's texts and tokens suit an encoder's vocabulary.

use std::path::Path;

use ndarray::Ix3;

use super::error::{StoreProblem, TrainerError};
use super::note::Note;
use crate::corpus::SplitName;
use crate::corpus::column::ColumnKind;
use crate::model::{BertConfig, TokenError};
use crate::pretrained::{
    DEFAULT_MAX_LEN, Pretrained, Suits, TextSource, TextTokenizer, has_vocabulary,
};
use crate::store::Store;

/// A text encoder that is to read a store.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// Its sizes.
    pub config: &'a BertConfig,
    /// What it reads.
    pub source: TextSource,
    /// Whether it is part of a trained model, which fixes what it reads.
    pub is_trained: bool,
}

impl<'a> Reader<'a> {
    /// An encoder that is yet to read something.
    pub fn new(encoder: &'a Pretrained, source: TextSource) -> Reader<'a> {
        Reader { folder: encoder.folder(), config: encoder.config(), source, is_trained: false }
    }
}

/// Checks a store's tokens and texts against an encoder's vocabulary and notes whatever hardly belongs
/// to it. Without a vocabulary, nothing is checked.
///
/// # Errors
/// Most do not belong to it, and `force` is not set; or the encoder has no embedding for a token.
pub fn check(store: &Store, reader: Reader<'_>, force: bool) -> Result<Vec<Note>, TrainerError> {
    let Reader { folder, config, source, is_trained } = reader;
    if !has_vocabulary(folder) {
        return Ok(vec![]);
    }
    // As many as fit, up to the length of the texts.
    let most = usize::try_from(config.max_position_embeddings).unwrap_or(usize::MAX);
    let tokenizer = TextTokenizer::open(folder, config, most.min(4 * DEFAULT_MAX_LEN))?;
    let judge = Suits::judge(&tokenizer);
    let mut suits = Suits::default();
    for split in SplitName::ALL {
        let texts = store.strings(&ColumnKind::RawText.of(split))?;
        let made = texts.as_ref().map(|texts| tokenizer.encode(texts)).transpose()?;
        if let Some(texts) = &texts {
            suits.take_texts(&judge, texts);
        }
        if source == TextSource::RawText {
            if let Some(made) = &made {
                suits.take_tokens(&judge, made.text_bert.view(), None);
            }
            continue;
        }
        // Tokens without an embedding in the encoder cannot be read at all.
        let id = ColumnKind::TextBert.of(split);
        let tokens = store.numbers::<i32>(&id)?;
        if let Some(tokens) = tokens.and_then(|it| it.into_dimensionality::<Ix3>().ok()) {
            let unknown = |error: TokenError| match is_trained {
                false => StoreProblem::Tokens { id: id.clone(), cause: error.into() },
                true => StoreProblem::TokensOfModel {
                    id: id.clone(),
                    cause: error,
                    encoder: Some(folder.into()),
                },
            };
            let checked = config.check_tokens(tokens.view()).map_err(unknown);
            checked.map_err(|cause| TrainerError::unfit(store.path(), cause))?;
            let made = made.as_ref().map(|made| made.text_bert.view());
            suits.take_tokens(&judge, tokens.view(), made);
        }
    }
    let (words, is_foreign) = suits.verdict();
    if is_foreign && !force && !words.is_empty() {
        let cause = StoreProblem::Unsuited {
            encoder: folder.into(),
            problem: words.join("; "),
            do_texts_suit: source == TextSource::TextBert && suits.are_letters_known(),
            is_trained,
        };
        return Err(TrainerError::unfit(store.path(), cause));
    }
    let note =
        |problem| Note::Unsuited { store: store.path().into(), encoder: folder.into(), problem };
    Ok(words.into_iter().map(note).collect())
}
