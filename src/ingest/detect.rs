//! Which layout a source has, told from its structure.
//!
//! A layout is a list of requirements, each met or not and with what was found. The same list
//! decides, explains and words the error, so that these cannot contradict each other.

use std::fmt;

use crate::pickle::{NodeId, Pickle, Value};

use super::refuse::{self, Refusal};
use super::splits::{key_text, split_name};
use super::table::kind_of;
use super::{IngestError, Layout, SourceFile};

/// One requirement of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What the layout asks for.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// Whether that is enough.
    pub met: bool,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.met { "met" } else { "NOT MET" };
        write!(f, "{word:<8} {}: found {}", self.expected, self.found)
    }
}

/// A layout and how far its requirements are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The layout.
    pub layout: Layout,
    /// Its requirements, up to the first unmet one that the others depend on.
    pub checks: Vec<Check>,
}

impl Attempt {
    /// Whether all requirements are met.
    pub fn fits(&self) -> bool {
        self.checks.iter().all(|check| check.met)
    }

    /// What is missing, one text for each unmet requirement.
    pub fn lacks(&self) -> Vec<String> {
        let unmet = self.checks.iter().filter(|check| !check.met);
        unmet.map(|check| format!("expected {}, found {}", check.expected, check.found)).collect()
    }
}

/// What was tried on a source, and the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// Each layout that was tried.
    pub attempts: Vec<Attempt>,
    /// The kind of file that cannot be converted, if it is one.
    pub refusal: Option<&'static Refusal>,
    /// Whether the user said the layout.
    pub forced: bool,
}

impl Detection {
    /// The layout to read the source as.
    ///
    /// # Errors
    /// If the source is of a kind that cannot be converted, or no layout fits.
    pub fn layout(&self) -> Result<Layout, IngestError> {
        if let Some(refusal) = self.refusal {
            return Err(refusal.error());
        }
        match (self.attempts.iter().find(|attempt| attempt.fits()), &*self.attempts) {
            (Some(attempt), _) => Ok(attempt.layout),
            (None, [only]) if self.forced => {
                Err(IngestError::WrongLayout { layout: only.layout, lacks: only.lacks() })
            }
            (None, attempts) => Err(IngestError::UnknownLayout { tried: lacks_of(attempts) }),
        }
    }
}

/// What each layout lacks; layouts that lack the same are named together.
fn lacks_of(attempts: &[Attempt]) -> Vec<String> {
    let mut groups: Vec<(Vec<&str>, String)> = Vec::new();
    for attempt in attempts {
        let lacks = attempt.lacks().join(", ");
        match groups.iter_mut().find(|(_, known)| *known == lacks) {
            Some((layouts, _)) => layouts.push(attempt.layout.name()),
            None => groups.push((vec![attempt.layout.name()], lacks)),
        }
    }
    groups.iter().map(|(layouts, lacks)| format!("{}: {lacks}", layouts.join(", "))).collect()
}

/// Tries all layouts, or only the one that the user said.
pub(super) fn detect(files: &[SourceFile<'_>], forced: Option<Layout>) -> Detection {
    let layouts = forced.map_or(Layout::ALL.to_vec(), |layout| vec![layout]);
    let attempts: Vec<Attempt> = layouts
        .into_iter()
        .map(|layout| Attempt { layout, checks: requirements(layout, files) })
        .collect();
    let refusal = match forced {
        None => files.iter().find_map(|file| refuse::recognise(file.pickle)),
        // Who says the layout is told what it lacks.
        Some(_) => None,
    };
    Detection { attempts, refusal, forced: forced.is_some() }
}

fn requirements(layout: Layout, files: &[SourceFile<'_>]) -> Vec<Check> {
    let mut checks = Checks(Vec::new());
    match layout {
        Layout::Mmsa => mmsa(files, &mut checks),
        Layout::Sdk => sdk(files, &mut checks),
        Layout::Misa => misa(files, &mut checks),
        Layout::MagBert => mag_bert(files, &mut checks),
    };
    checks.0
}

struct Checks(Vec<Check>);

impl Checks {
    /// Adds a requirement; `None` ends the list where later ones depend on it.
    fn need(&mut self, expected: impl Into<String>, found: String, met: bool) -> Option<()> {
        self.0.push(Check { expected: expected.into(), found, met });
        met.then_some(())
    }

    /// The first split of a dict of splits in one file, and its key.
    fn first_split<'p>(
        &mut self,
        files: &[SourceFile<'p>],
        in_words: &str,
        is_fit: fn(&Value) -> bool,
    ) -> Option<(&'p Pickle, NodeId, String)> {
        let n_files = files.len();
        self.need("one file", n_files.to_string(), n_files == 1)?;
        let pickle = files.first()?.pickle;
        let root = pickle.root();
        let entries = pickle.entries(root);
        self.need("a dict of splits", kind_of(pickle, root), entries.is_some())?;
        let split = entries?.iter().find(|(key, _)| split_name(&key_text(pickle, *key)).is_some());
        let expected = "a key `train`, `valid` or `test`";
        self.need(expected, keys(pickle, root), split.is_some())?;
        let (key, split) = *split?;
        let key = key_text(pickle, key);
        let met = is_fit(pickle.value(split));
        self.need(format!("`{key}` is {in_words}"), kind_of(pickle, split), met)?;
        Some((pickle, split, key))
    }

    /// Keys of the first split.
    fn keys(&mut self, pickle: &Pickle, split: NodeId, key: &str, needed: &[&str]) -> Option<()> {
        for name in needed {
            let value = pickle.get(split, name);
            let found = value.map_or_else(|| keys(pickle, split), |value| kind_of(pickle, value));
            let _ = self.need(format!("`{key}/{name}`"), found, value.is_some());
        }
        Some(())
    }

    /// A list of samples, the first of which is `(features, label, segment)` with one of the given
    /// numbers of features.
    fn samples(
        &mut self,
        pickle: &Pickle,
        list: NodeId,
        n_parts: &[usize],
        in_words: &str,
    ) -> Option<()> {
        let first = pickle.items(list)?.first().copied();
        self.need("at least one sample", kind_of(pickle, list), first.is_some())?;
        let first = first?;
        let parts = pickle.items(first);
        let is_triple = matches!(parts, Some([_, _, _]));
        let expected = "samples of three parts (features, label, segment)";
        self.need(expected, kind_of(pickle, first), is_triple)?;
        let features = *parts?.first()?;
        let n_found = pickle.items(features).map(<[NodeId]>::len);
        let met = n_found.is_some_and(|n_found| n_parts.contains(&n_found));
        self.need(format!("features {in_words}"), kind_of(pickle, features), met)
    }
}

fn is_dict(value: &Value) -> bool {
    matches!(value, Value::Dict(_))
}

fn is_list(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Tuple(_))
}

fn mmsa(files: &[SourceFile<'_>], checks: &mut Checks) -> Option<()> {
    let (pickle, split, key) = checks.first_split(files, "a dict", is_dict)?;
    checks.keys(pickle, split, &key, &["id", "regression_labels"])
}

fn sdk(files: &[SourceFile<'_>], checks: &mut Checks) -> Option<()> {
    let (pickle, split, key) = checks.first_split(files, "a dict", is_dict)?;
    checks.keys(pickle, split, &key, &["id", "labels"])
}

fn misa(files: &[SourceFile<'_>], checks: &mut Checks) -> Option<()> {
    for file in files {
        let (pickle, root) = (file.pickle, file.pickle.root());
        let met = is_list(pickle.value(root));
        let expected = format!("`{}` is a list of samples", file.stem);
        checks.need(expected, kind_of(pickle, root), met)?;
        let in_words = "(words, visual, acoustic, actual words) or two lengths more";
        checks.samples(pickle, root, &[4, 6], in_words)?;
    }
    Some(())
}

fn mag_bert(files: &[SourceFile<'_>], checks: &mut Checks) -> Option<()> {
    let (pickle, split, _) = checks.first_split(files, "a list of samples", is_list)?;
    checks.samples(pickle, split, &[3], "(words, visual, acoustic)")
}

/// The first keys of a dict, in an explanation.
fn keys(pickle: &Pickle, dict: NodeId) -> String {
    const MOST: usize = 8;
    let entries = pickle.entries(dict).unwrap_or_default();
    let mut names: Vec<String> =
        entries.iter().take(MOST).map(|(key, _)| key_text(pickle, *key)).collect();
    if entries.len() > MOST {
        names.push("…".into());
    }
    match names.is_empty() {
        true => "no keys".into(),
        false => format!("the keys {}", names.join(", ")),
    }
}
