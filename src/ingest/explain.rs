//! Explains how a source is interpreted.

use std::fmt;

use crate::corpus::Corpus;

use super::detect::{Detection, detect};
use super::evidence::PaddingEvidence;
use super::log::{Log, Mapped};
use super::splits::parts;
use super::{IngestError, IngestOptions, SourceFile, read_as};

/// The attempted layouts, the columns read and the result.
pub struct Explanation {
    /// The layouts and their requirements.
    pub detection: Detection,
    /// Source values and the columns that they became, as far as reading got.
    pub mapped: Vec<Mapped>,
    /// The side on which each column is padded.
    pub padding: Vec<PaddingEvidence>,
    /// The corpus, or the error.
    pub outcome: Result<Corpus, IngestError>,
}

/// Reads a source like [`read`](super::read), recording all intermediate findings.
pub fn explain(files: &[SourceFile<'_>], options: &IngestOptions) -> Explanation {
    let (files, parts) = match parts(files) {
        Ok(files) => (files, Ok(())),
        Err(error) => (files.to_vec(), Err(error)),
    };
    let detection = detect(&files, options.layout);
    let mut log = Log::default();
    let outcome = parts
        .and_then(|()| detection.layout())
        .and_then(|layout| read_as(layout, &files, options, &mut log));
    let Log { mapped, padding, .. } = log;
    Explanation { detection, mapped, padding, outcome }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "layouts")?;
        for attempt in &self.detection.attempts {
            let verdict = if attempt.fits() { "fits" } else { "does not fit" };
            writeln!(f, "  {} {verdict} ({})", attempt.layout, attempt.layout.title())?;
            for check in &attempt.checks {
                writeln!(f, "    {check}")?;
            }
        }
        if let Some(refusal) = self.detection.refusal {
            writeln!(f, "known as\n  {}", refusal.what)?;
        }
        if !self.mapped.is_empty() {
            writeln!(f, "columns")?;
            self.mapped.iter().try_for_each(|mapped| writeln!(f, "  {mapped}"))?;
        }
        if !self.padding.is_empty() {
            writeln!(f, "padding")?;
            self.padding.iter().try_for_each(|evidence| writeln!(f, "  {evidence}"))?;
        }
        let Ok(corpus) = &self.outcome else { return Ok(()) };
        writeln!(f, "splits")?;
        for split in &corpus.splits {
            let shapes: Vec<String> = split
                .features
                .iter()
                .map(|(modality, block)| format!("{modality} {:?}", block.shape))
                .collect();
            writeln!(
                f,
                "  {:<5}  {} segments  {}",
                split.name,
                split.ids.len(),
                shapes.join("  ")
            )?;
        }
        if !corpus.notes.is_empty() {
            writeln!(f, "changed or left out")?;
            corpus.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))?;
        }
        Ok(())
    }
}
