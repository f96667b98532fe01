//! Options for texts that are not a plain `str`, of every command that reads a pickle into a corpus.

use clap::Args;

use crate::encoding::Encoding;
use crate::ingest::{TextErrors, TextPolicy};

/// What the source does not say of its texts.
#[derive(Args)]
pub struct TextArgs {
    /// Encoding of byte strings that are not UTF-8, such as gbk, gb18030, windows-1252 or big5;
    /// recorded in the store. For files that mix encodings, `utf-8,gbk` decodes each text as UTF-8 if
    /// valid, otherwise as the second
    #[arg(long, value_name = "NAME", value_parser = told)]
    text_encoding: Option<Told>,
    /// How to handle invalid bytes and lone surrogates: `refuse`, or `replace` them by U+FFFD, counted
    /// and recorded
    #[arg(long, default_value_t = TextErrors::Refuse, value_name = "refuse|replace")]
    #[arg(hide_possible_values = true)]
    text_errors: TextErrors,
}

impl TextArgs {
    /// The policy for the reader.
    pub fn policy(&self) -> TextPolicy {
        let Told { encoding, utf8_first } = self.text_encoding.unwrap_or_default();
        TextPolicy { encoding, utf8_first, errors: self.text_errors }
    }
}

/// The chosen encoding.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    encoding: Option<Encoding>,
    utf8_first: bool,
}

/// Parses the name of an encoding, or UTF-8 and another one.
fn told(text: &str) -> Result<Told, String> {
    let read = |name: &str| name.parse::<Encoding>().map_err(|error| error.to_string());
    match text.split_once(',') {
        None => Ok(Told { encoding: Some(read(text)?), utf8_first: false }),
        Some((first, second)) if read(first)? == Encoding::UTF_8 => {
            Ok(Told { encoding: Some(read(second)?), utf8_first: true })
        }
        Some(_) => {
            Err("the first of two encodings must be utf-8, the only one that can be recognized \
                reliably"
                .into())
        }
    }
}
