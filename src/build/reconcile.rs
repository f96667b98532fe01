//! Which clips have a usable file of a modality, and which files belong to no clip.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::locate::Located;
use super::survey::Survey;
use crate::corpus::Modality;
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

/// The clips of a table and the files of one modality, side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// The modality.
    pub modality: Modality,
    /// The folder of its files.
    #[serde(serialize_with = "shown")]
    pub folder: PathBuf,
    /// Clips of the table.
    pub n_clips: usize,
    /// Clips that have a usable file.
    pub n_usable: usize,
    /// Ids of clips without a file.
    pub missing: Vec<String>,
    /// Files that cannot be read or differ from most.
    pub unusable: Vec<Unusable>,
    /// Files that belong to no clip, within the folder.
    pub surplus: Vec<String>,
}

fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl Reconciled {
    /// Compares the clips, which have these ids, with the files.
    pub(super) fn new(
        modality: Modality,
        folder: &Path,
        ids: &[String],
        located: &Located,
        survey: &Survey,
    ) -> Reconciled {
        let all = ids.iter().enumerate();
        let missing = all.clone().filter(|(clip, _)| !located.files.contains_key(clip));
        let unusable = all.filter_map(|(clip, id)| {
            let found = survey.unusable.get(&clip)?.clone();
            Some(Unusable { id: id.clone(), file: found.path, reason: found.reason })
        });
        Reconciled {
            modality,
            folder: folder.into(),
            n_clips: ids.len(),
            n_usable: survey.clips.len(),
            missing: missing.map(|(_, id)| id.clone()).collect(),
            unusable: unusable.collect(),
            surplus: located.surplus.iter().map(|path| path.display().to_string()).collect(),
        }
    }

    /// What clips lack, and the first of them; `None` if nothing.
    pub fn lacks(&self) -> Option<String> {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            let names = first(self.missing.iter().map(String::as_str));
            let n = counted(self.missing.len(), "clip has", "clips have");
            parts.push(format!("{n} no file ({names})"));
        }
        if !self.unusable.is_empty() {
            let named = self
                .unusable
                .iter()
                .map(|file| format!("`{}`: {}: {}", file.id, file.file.display(), file.reason));
            let named: Vec<String> = named.collect();
            let n = counted(self.unusable.len(), "file is", "files are");
            parts.push(format!("{n} unusable ({})", first(named.iter().map(String::as_str))));
        }
        (!parts.is_empty()).then(|| format!("{}: {}", self.modality, parts.join("; ")))
    }
}

/// One line, for people.
impl fmt::Display for Reconciled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reconciled { modality, n_clips, n_usable, .. } = self;
        let (usable, clips) = (count(*n_usable), counted(*n_clips, "clip", "clips"));
        match self.lacks() {
            None => write!(f, "{modality}: {usable} of {clips} have a file")?,
            Some(lacks) => {
                let lacks = lacks.split_once(": ").map_or("", |(_, lacks)| lacks);
                write!(f, "{modality}: {usable} of {clips} have a usable file; {lacks}")?;
            }
        }
        if self.surplus.is_empty() {
            return Ok(());
        }
        let n = counted(self.surplus.len(), "file belongs", "files belong");
        write!(f, "; {n} to no clip ({})", first(self.surplus.iter().map(String::as_str)))
    }
}

/// The first few words of a list.
pub(super) fn first<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    let shown = words.iter().take(MOST_NAMED).copied().collect::<Vec<&str>>().join(", ");
    if words.len() > MOST_NAMED { shown + ", …" } else { shown }
}

/// Clips that lack a usable file of some modality, by their place in the table.
pub(super) fn incomplete(n_clips: usize, surveys: &[&Survey]) -> BTreeSet<usize> {
    let has_all = |clip: &usize| surveys.iter().all(|survey| survey.clips.contains_key(clip));
    (0..n_clips).filter(|clip| !has_all(clip)).collect()
}
