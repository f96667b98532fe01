//! Which clips have usable features of a modality or words, and which files belong to no clip.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::file::UnusableFile;
use super::part::ClipPart;
use super::source::ModalityFiles;
use super::timings::TimingsKind;
use super::transcripts::Transcripts;
use crate::csd;
use crate::words::{count, counted};

/// Clips or files that a sentence names.
const MOST_NAMED: usize = 3;

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unusable {
    /// The clip that it belongs to.
    pub id: String,
    /// The file.
    #[serde(serialize_with = "shown")]
    pub file: PathBuf,
    /// The reason, on one line.
    pub reason: String,
}

/// The clips of a table and the files of one modality or of their words, side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// What the files hold.
    pub part: ClipPart,
    /// The folder of the files, or the file that has all clips.
    #[serde(serialize_with = "shown")]
    pub path: PathBuf,
    /// Clips of the table.
    pub n_clips: usize,
    /// Clips that have a usable file.
    pub n_usable: usize,
    /// Ids of clips without a file.
    pub missing: Vec<String>,
    /// Files that cannot be read or differ from most.
    pub unusable: Vec<Unusable>,
    /// Files in the folder, or entries of the file, that belong to no clip.
    pub surplus: Vec<String>,
}

fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl Reconciled {
    /// Compares the clips, which have these ids, with the files of a modality.
    pub(super) fn of_files(files: &ModalityFiles, ids: &[String]) -> Reconciled {
        let ModalityFiles { modality, path, located, survey, .. } = files;
        let part = ClipPart::Features(*modality);
        let surplus = &located.surplus;
        Reconciled::new(part, path, ids, &survey.usable(), &survey.unusable, surplus)
    }

    /// Compares the clips, which have these ids, with the files of words.
    pub(super) fn of_words(words: &Transcripts, ids: &[String]) -> Reconciled {
        let Transcripts { path, unusable, surplus, .. } = words;
        Reconciled::new(ClipPart::Words, path, ids, &words.usable(), unusable, surplus)
    }

    fn new(
        part: ClipPart,
        path: &Path,
        ids: &[String],
        usable: &BTreeSet<usize>,
        unusable: &BTreeMap<usize, UnusableFile>,
        surplus: &[String],
    ) -> Reconciled {
        let all = ids.iter().enumerate();
        let is_missing =
            |(clip, _): &(usize, &String)| !usable.contains(clip) && !unusable.contains_key(clip);
        let unusable = all.clone().filter_map(|(clip, id)| {
            let found = unusable.get(&clip)?.clone();
            Some(Unusable { id: id.clone(), file: found.path, reason: found.reason })
        });
        Reconciled {
            part,
            path: path.into(),
            n_clips: ids.len(),
            n_usable: usable.len(),
            unusable: unusable.collect(),
            missing: all.filter(is_missing).map(|(_, id)| id.clone()).collect(),
            surplus: surplus.to_vec(),
        }
    }

    /// What a part of the source that belongs to a clip is, in singular and plural.
    fn nouns(&self) -> [&'static str; 2] {
        let is_one_file =
            csd::is_name(&self.path) || TimingsKind::of_name(&self.path) == Some(TimingsKind::Ctm);
        if is_one_file { ["entry", "entries"] } else { ["file", "files"] }
    }

    /// What belongs to no clip, and the first of it; `None` if nothing.
    fn surplus_words(&self) -> Option<String> {
        let [one, several] = self.nouns();
        let n = self.surplus.len();
        let counted = counted(n, &format!("{one} belongs"), &format!("{several} belong"));
        let names = first(self.surplus.iter().map(String::as_str));
        (n > 0).then(|| format!("{counted} to no clip ({names})"))
    }

    /// What clips lack, and the first of them, with what belongs to no clip: usually one is the other under
    /// another name. `None` if clips lack nothing.
    pub fn lacks(&self) -> Option<String> {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            let names = first(self.missing.iter().map(String::as_str));
            let n = counted(self.missing.len(), "clip has", "clips have");
            parts.push(format!("{n} no {} ({names})", self.nouns()[0]));
        }
        if !self.unusable.is_empty() {
            let named = self
                .unusable
                .iter()
                .map(|file| format!("`{}`: {}: {}", file.id, file.file.display(), file.reason));
            let named: Vec<String> = named.collect();
            let [one, several] = self.nouns();
            let n = self.unusable.len();
            let n = counted(n, &format!("{one} is"), &format!("{several} are"));
            parts.push(format!("{n} unusable ({})", first(named.iter().map(String::as_str))));
        }
        if parts.is_empty() {
            return None;
        }
        parts.extend(self.surplus_words());
        Some(format!("{}: {}", self.part, parts.join("; ")))
    }
}

/// One line, for people.
impl fmt::Display for Reconciled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reconciled { part, n_clips, n_usable, .. } = self;
        let (usable, clips) = (count(*n_usable), counted(*n_clips, "clip", "clips"));
        let [one, _] = self.nouns();
        let an = if one == "entry" { "an" } else { "a" };
        if let Some(lacks) = self.lacks() {
            let lacks = lacks.split_once(": ").map_or("", |(_, lacks)| lacks);
            return write!(f, "{part}: {usable} of {clips} have a usable {one}; {lacks}");
        }
        write!(f, "{part}: {usable} of {clips} have {an} {one}")?;
        self.surplus_words().map_or(Ok(()), |surplus| write!(f, "; {surplus}"))
    }
}

/// The first few words of a list.
pub(super) fn first<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    let shown = words.iter().take(MOST_NAMED).copied().collect::<Vec<&str>>().join(", ");
    if words.len() > MOST_NAMED { shown + ", …" } else { shown }
}

/// Clips that lack a usable file of some kind, by their place in the table.
pub(super) fn incomplete(n_clips: usize, usable: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let has_all = |clip: &usize| usable.iter().all(|usable| usable.contains(clip));
    (0..n_clips).filter(|clip| !has_all(clip)).collect()
}
