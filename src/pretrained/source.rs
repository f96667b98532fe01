//! What an encoder reads of a store.

use crate::name::named;

/// The column that an encoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextSource {
    /// Tokens as they are.
    TextBert,
    /// Texts, of which a tokenizer makes tokens.
    RawText,
}

/// Tokens that a text is brought to where nobody says how many: the number of steps in MMSA's files
/// of CMU-MOSI and CMU-MOSEI.
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
