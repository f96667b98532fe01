//! Turns each layout of feature files into the canonical corpus.
//!
//! A layout is recognised by structure, since file names do not identify it. Features stay in the file
//! and are read row by row. [`Corpus::notes`] lists everything changed or left out; nothing is repaired
//! here.
//!
//! ```text
//! detect     requirements of each layout; refuse recognises files that cannot be converted
//! mmsa sdk   a dict of columns per split      columns: column, features, tokens, sentiment, ids
//! items      a list of samples per split (MISA, MAG-BERT), through tuples
//! splits     the entries of one dict, or a file each
//! texts      decodes texts that are bytes, without guessing
//! padding    detects the padded side from the data and moves all padding to the back
//! evidence   evidence for a column's padded side
//! extent     one length per modality over all splits
//! explain    describes all of that
//! widths     numbers of features, for `inspect`
//! ```
//!
//! This module knows layouts of pickles. It must not know stores, nor judge contents: whether labels
//! are in range or ids are unique is up to the corpus checks.

mod column;
mod detect;
mod dtype;
mod error;
mod evidence;
mod explain;
mod extent;
mod features;
mod ids;
mod items;
mod log;
mod mmsa;
mod padding;
mod refuse;
mod sdk;
mod sentiment;
mod shown;
mod source;
mod splits;
mod table;
mod texts;
mod tokens;
mod tuples;
mod widths;

use crate::corpus::{Corpus, Layout};

pub use detect::{Attempt, Check, Detection};
pub use error::{IngestError, Place};
pub use evidence::{PaddingEvidence, Side};
pub use explain::{Explanation, explain};
pub use log::Mapped;
pub use refuse::RefusedLayout;
use source::samples;
pub use source::{IngestOptions, SourceFile};
pub use splits::split_of;
pub use texts::{TextErrors, TextPolicy};
pub use widths::widths;

/// Turns the files of one source into a corpus whose features still lie in them: one file with all
/// splits, or one per split, in any order.
///
/// # Errors
/// If the layout is unknown or of a kind that cannot be converted, a column lacks samples, a shape or
/// type does not match the layout, or a number does not fit its column.
pub fn read(files: &[SourceFile<'_>], options: &IngestOptions) -> Result<Corpus, IngestError> {
    let files = splits::parts(files)?;
    let layout = detect::detect(&files, options.layout).layout()?;
    read_as(layout, &files, options, &mut log::Log::default())
}

fn read_as(
    layout: Layout,
    files: &[SourceFile<'_>],
    options: &IngestOptions,
    log: &mut log::Log,
) -> Result<Corpus, IngestError> {
    log.texts = texts::Texts::new(options.texts);
    for file in files {
        if let n_bytes @ 1.. = file.pickle.n_trailing_bytes() {
            log.note(format!(
                "{}: {n_bytes} bytes after the end of the pickle were not read, as in Python",
                file.stem
            ));
        }
    }
    let corpus = match layout {
        Layout::Mmsa => mmsa::read(files, options, log),
        Layout::Sdk => sdk::read(files, options, log),
        Layout::Misa => items::read(files, items::SampleForm::Misa, options, log),
        Layout::MagBert => items::read(files, items::SampleForm::MagBert, options, log),
    };
    let mut corpus = corpus?;
    texts::check_ids(&corpus)?;
    log.texts.finish()?.into_iter().for_each(|note| log.note(note));
    extent::settle(&mut corpus.splits, &options.max_len, log)?;
    Ok(Corpus { notes: std::mem::take(&mut log.notes), ..corpus })
}
