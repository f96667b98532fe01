//! What is done on the way from a source to the corpus, as it is done.

use std::fmt;

use super::Place;
use super::dtype::{SourceDtype, in_words};
use super::evidence::PaddingEvidence;
use super::texts::Texts;
use crate::corpus::column::Dtype;

/// One value of the source that became a column of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Where it lies, such as `train/acoustic`.
    pub source: String,
    /// What was found there: type and shape.
    pub found: String,
    /// The column that it became.
    pub column: String,
}

impl fmt::Display for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28}  {:<28}  -> {}", self.source, self.found, self.column)
    }
}

/// The record of one reading: readers write it while they work, so that it cannot say anything
/// else than what they did.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Changes and omissions, each once.
    pub(super) notes: Vec<String>,
    /// Which values became which columns.
    pub(super) mapped: Vec<Mapped>,
    /// On which side each modality is padded, and how that was told.
    pub(super) padding: Vec<PaddingEvidence>,
    /// What was done to texts.
    pub(super) texts: Texts,
}

impl Log {
    /// Adds a note, unless another split brought it already.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Notes that the values of a column change their type.
    pub(super) fn note_type(&mut self, column: &str, found: SourceDtype, stored: Dtype) {
        if !found.is(stored) {
            self.note(format!("{column}: {found} -> {stored}"));
        }
    }

    /// As [`note_type`](Log::note_type), of a column whose samples need not be of one type.
    pub(super) fn note_types(&mut self, column: &str, found: &[SourceDtype], stored: Dtype) {
        if !found.iter().all(|found| found.is(stored)) {
            self.note(format!("{column}: {} -> {stored}", in_words(found)));
        }
    }

    pub(super) fn map(&mut self, place: &Place, found: String, column: &str) {
        self.mapped.push(Mapped { source: place.path.clone(), found, column: column.into() });
    }
}
