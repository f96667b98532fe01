//! The families of feature files that a corpus can come from, by name; only `ingest` knows their
//! structure.

use serde::Serialize;

use crate::name::named;

/// A family of feature files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `{split: {key: array or list}}`, as published by MMSA for CMU-MOSI, CMU-MOSEI and CH-SIMS, and
    /// as written by MMSA-FET.
    Mmsa,
    /// `{split: {vision, audio, text, labels, id}}`, as used by MulT, MMIM and MultiBench.
    Sdk,
    /// Lists of `((words, visual, acoustic, actual words), label, segment)`: usually one split per
    /// file, as written by MISA, BBFN and MMIM.
    Misa,
    /// Lists of `((words, visual, acoustic), label, segment)`: usually as the splits of one dict, as
    /// published by MAG-BERT.
    MagBert,
}

impl Layout {
    /// All layouts, in the order in which they are tried.
    pub const ALL: [Layout; 4] = [Layout::Mmsa, Layout::Sdk, Layout::Misa, Layout::MagBert];

    /// The name on the command line and in stores.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Mmsa => "mmsa",
            Layout::Sdk => "sdk",
            Layout::Misa => "misa",
            Layout::MagBert => "mag-bert",
        }
    }

    /// The projects whose files have it.
    pub fn title(self) -> &'static str {
        match self {
            Layout::Mmsa => "MMSA, MMSA-FET, Self-MM: a dict of columns per split",
            Layout::Sdk => "CMU SDK, MulT, MultiBench: vision, audio, text, labels, id per split",
            Layout::Misa => "MISA, BBFN, MMIM: a list of samples per split, actual words last",
            Layout::MagBert => "MAG-BERT: a list of samples per split, words first",
        }
    }
}

named!(Layout);
