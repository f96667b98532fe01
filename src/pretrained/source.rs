//! An encoder's input from a store.

use crate::name::named;

/// The column that an encoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextSource {
    /// The store's tokens.
    TextBert,
    /// Texts, to be tokenized.
    RawText,
}

/// Default length of tokenized texts, in tokens: the number of steps in MMSA's files of CMU-MOSI and
/// CMU-MOSEI.
pub const DEFAULT_MAX_LEN: usize = 50;

impl TextSource {
    /// All of them.
    pub const ALL: [TextSource; 2] = [TextSource::TextBert, TextSource::RawText];

    /// The name of the column.
    pub fn name(self) -> &'static str {
        match self {
            TextSource::TextBert => "text_bert",
            TextSource::RawText => "raw_text",
        }
    }
}

named!(TextSource);
