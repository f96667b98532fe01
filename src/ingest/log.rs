//! Records the steps from a source to the corpus as they happen.

use std::fmt;

use super::Place;
use super::dtype::{SourceDtype, in_words};
use super::evidence::PaddingEvidence;
use super::texts::Texts;
use crate::corpus::column::Dtype;

/// A source value that became a column of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Its location, such as `train/acoustic`.
    pub source: String,
    /// Its type and shape.
    pub found: String,
    /// The column that it became.
    pub column: String,
}

impl fmt::Display for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28}  {:<28}  -> {}", self.source, self.found, self.column)
    }
}

/// Record of reading one source: readers write it while they work, so it cannot contradict what they
/// did.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Changes and omissions, without duplicates.
    pub(super) notes: Vec<String>,
    /// Source values and the columns that they became.
    pub(super) mapped: Vec<Mapped>,
    /// The side on which each modality is padded, with the evidence.
    pub(super) padding: Vec<PaddingEvidence>,
    /// Changes to texts.
    pub(super) texts: Texts,
}

impl Log {
    /// Adds a note, unless another split added it already.
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

    /// Like [`note_type`](Log::note_type), for a column whose samples may differ in type.
    pub(super) fn note_types(&mut self, column: &str, found: &[SourceDtype], stored: Dtype) {
        if !found.iter().all(|found| found.is(stored)) {
            self.note(format!("{column}: {} -> {stored}", in_words(found)));
        }
    }

    pub(super) fn map(&mut self, place: &Place, found: String, column: &str) {
        self.mapped.push(Mapped { source: place.path.clone(), found, column: column.into() });
    }
}
