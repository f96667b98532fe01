//! What a store's texts and tokens are to a vocabulary, before an encoder reads them.

use ndarray::Ix3;

use crate::chain::chain;
use crate::cli::Failure;
use crate::corpus::SplitName;
use crate::corpus::column::ColumnKind;
use crate::pretrained::{DEFAULT_MAX_LEN, Pretrained, Suits, TextSource};
use crate::store::Store;

/// Warns of tokens and texts that hardly belong to the vocabulary of an encoder, and refuses them where
/// most do not, but with `force`. An encoder without a vocabulary is taken at its word.
pub fn check(
    store: &Store,
    encoder: &Pretrained,
    source: TextSource,
    force: bool,
) -> Result<(), Failure> {
    if !encoder.has_vocabulary() {
        return Ok(());
    }
    // As many as there is room for, up to what texts have.
    let most = usize::try_from(encoder.config().max_position_embeddings).unwrap_or(usize::MAX);
    let tokenizer = encoder.tokenizer(most.min(4 * DEFAULT_MAX_LEN))?;
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
        // What has no row in the encoder cannot be read at all.
        let id = ColumnKind::TextBert.of(split);
        let tokens = store.numbers::<i32>(&id)?;
        if let Some(tokens) = tokens.and_then(|it| it.into_dimensionality::<Ix3>().ok()) {
            encoder.config().check_tokens(tokens.view()).map_err(|error| {
                Failure::at(store.path(), format!("{id}: {}", chain(&error))).advised(&error)
            })?;
            let made = made.as_ref().map(|made| made.text_bert.view());
            suits.take_tokens(&judge, tokens.view(), made);
        }
    }
    let (words, is_foreign) = suits.verdict();
    let place = format!("{}: ", store.path().display());
    let about = format!("{}: ", encoder.folder().display());
    match (words.split_first(), is_foreign && !force) {
        (None, _) => Ok(()),
        (Some(_), false) => {
            words.iter().for_each(|problem| eprintln!("warning: {place}{about}{problem}"));
            Ok(())
        }
        (Some(_), true) => {
            let problem = format!("{about}{}", words.join("; "));
            let hint = match source == TextSource::TextBert && suits.are_letters_known() {
                true => {
                    "the tokens are of another vocabulary: `--text-from raw_text` makes them of the \
                     texts by this one; `--force` goes on as it is"
                }
                false => {
                    "the texts are of another language than the encoder: one of theirs reads them; \
                     `--force` goes on as it is"
                }
            };
            Err(Failure::at(store.path(), problem).hint(hint))
        }
    }
}
