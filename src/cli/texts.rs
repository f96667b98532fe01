//! How texts are read that are no plain `str`, of every command that reads a pickle into a corpus.

use clap::Args;

use crate::encoding::Encoding;
use crate::ingest::{TextErrors, TextPolicy};

/// What the source does not say of its texts.
#[derive(Args)]
pub struct TextArgs {
    /// Encoding of texts and ids that are bytes and not UTF-8, such as gbk, gb18030, windows-1252,
    /// big5; recorded in the store
    #[arg(long, value_name = "NAME")]
    text_encoding: Option<Encoding>,
    /// What to do with bytes and halves of surrogate pairs that are no text: `refuse`, or `replace`
    /// by U+FFFD, counted and recorded
    #[arg(long, default_value_t = TextErrors::Refuse, value_name = "refuse|replace")]
    text_errors: TextErrors,
}

impl TextArgs {
    /// The same for the reader.
    pub fn policy(&self) -> TextPolicy {
        TextPolicy { encoding: self.text_encoding, errors: self.text_errors }
    }
}
