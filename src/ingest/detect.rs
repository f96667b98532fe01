//! Detects a source's layout from its structure.
//!
//! A layout is a list of requirements, each met or not, with the evidence. The same list decides,
//! explains and words the error, so these cannot contradict each other.

use std::fmt;

use crate::corpus::Layout;
use crate::pickle::{NodeId, Pickle};

use super::items::SampleForm;
use super::refuse::{self, RefusedLayout};
use super::shown::{found_in, keys, parts_of};
use super::splits::{has_splits, is_nothing, split_entries};
use super::table::{kind_of, per_sample};
use super::{IngestError, SourceFile};

/// One requirement of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The layout's requirement.
    pub expected: String,
    /// What the source has.
    pub found: String,
    /// Whether the requirement is met.
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
    /// Its requirements, up to the first unmet one that later ones depend on.
    pub checks: Vec<Check>,
}

impl Attempt {
    /// Whether all requirements are met.
    pub fn fits(&self) -> bool {
        self.checks.iter().all(|check| check.met)
    }

    /// One text per unmet requirement.
    pub fn lacks(&self) -> Vec<String> {
        let unmet = self.checks.iter().filter(|check| !check.met);
        unmet.map(|check| format!("expected {}, found {}", check.expected, check.found)).collect()
    }
}

/// The layouts tried on a source, and the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// Each layout tried.
    pub attempts: Vec<Attempt>,
    /// The kind of file that cannot be converted, if recognised.
    pub refusal: Option<&'static RefusedLayout>,
    /// Whether the user chose the layout.
    pub forced: bool,
}

impl Detection {
    /// The source's layout.
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

/// What each layout lacks; layouts with the same gaps are grouped.
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

/// Tries all layouts, or only the one that the user chose.
pub(super) fn detect(files: &[SourceFile<'_>], forced: Option<Layout>) -> Detection {
    let layouts = forced.map_or(Layout::ALL.to_vec(), |layout| vec![layout]);
    let attempts: Vec<Attempt> = layouts
        .into_iter()
        .map(|layout| Attempt { layout, checks: requirements(layout, files) })
        .collect();
    let refusal = match forced {
        None => files.iter().find_map(|file| refuse::recognise(file.pickle)),
        // Users who choose a layout are shown what it lacks.
        Some(_) => None,
    };
    Detection { attempts, refusal, forced: forced.is_some() }
}

fn requirements(layout: Layout, files: &[SourceFile<'_>]) -> Vec<Check> {
    let mut checks = Checks(Vec::new());
    match layout {
        Layout::Mmsa => mmsa(files, &mut checks),
        Layout::Sdk => sdk(files, &mut checks),
        Layout::Misa => tuples(files, SampleForm::Misa, &mut checks),
        Layout::MagBert => tuples(files, SampleForm::MagBert, &mut checks),
    };
    checks.0
}

struct Checks(Vec<Check>);

impl Checks {
    /// Adds a requirement; `None` ends the list if later ones depend on it.
    fn need(&mut self, expected: impl Into<String>, found: String, met: bool) -> Option<()> {
        self.0.push(Check { expected: expected.into(), found, met });
        met.then_some(())
    }

    /// The first split of a dict of splits, or of each file that is one split; and its name.
    fn first_splits<'p>(
        &mut self,
        files: &[SourceFile<'p>],
        in_words: &str,
        is_fit: fn(&Pickle, NodeId) -> bool,
    ) -> Option<Vec<(&'p Pickle, NodeId, String)>> {
        let one_of_several = |file: &SourceFile<'p>| match files.len() {
            1 => format!("a key `train`, `valid` or `test`, or {in_words}"),
            _ => format!("`{}` is {in_words}", file.stem),
        };
        let mut first = Vec::with_capacity(files.len());
        for file in files {
            let pickle = file.pickle;
            // Empty splits carry no evidence and are skipped; a source of only empty splits is reported
            // as such.
            let is_empty = |split: &NodeId| is_nothing(pickle, *split);
            if has_splits(file) {
                let held: Vec<_> = split_entries(file).collect();
                let filled = held.iter().find(|(.., split)| !is_empty(split));
                let (_, key, split) = filled.or(held.first())?.clone();
                let met = is_fit(pickle, split);
                self.need(format!("`{key}` is {in_words}"), found_in(pickle, split), met)?;
                first.push((pickle, split, key));
            } else if files.len() == 1 || !is_empty(&file.root) {
                let met = is_fit(pickle, file.root);
                self.need(one_of_several(file), found_in(pickle, file.root), met)?;
                first.push((pickle, file.root, file.stem.clone()));
            }
        }
        (!first.is_empty()).then_some(first)
    }

    /// A column that a split must have; reports the split's keys.
    fn column(&mut self, pickle: &Pickle, split: NodeId, key: &str, name: &str) -> Option<()> {
        let value = pickle.get(split, name);
        let found = value.map_or_else(|| keys(pickle, split), |value| kind_of(pickle, value));
        self.need(format!("`{key}/{name}`"), found, value.is_some())
    }

    /// A list of samples `(features, label, segment)` whose features have the given form.
    fn samples(&mut self, pickle: &Pickle, list: NodeId, form: SampleForm) -> Option<()> {
        let samples = &*per_sample(pickle, list)?;
        self.need("at least one sample", kind_of(pickle, list), !samples.is_empty())?;
        let first = *samples.first()?;
        let parts = pickle.items(first);
        let is_triple = matches!(parts, Some([_, _, _, ..]));
        let expected = "samples of at least three parts (features, label, segment)";
        self.need(expected, kind_of(pickle, first), is_triple)?;
        let features = *parts?.first()?;
        let met = SampleForm::of(pickle, samples) == Some(form);
        self.need(format!("features {}", form.in_words()), parts_of(pickle, features), met)
    }
}

fn is_columns(pickle: &Pickle, id: NodeId) -> bool {
    pickle.get(id, "id").is_some()
}

fn is_list(pickle: &Pickle, id: NodeId) -> bool {
    per_sample(pickle, id).is_some()
}

fn mmsa(files: &[SourceFile<'_>], checks: &mut Checks) -> Option<()> {
    // Files for prediction have no labels; their features suffice.
    const LABELS: [&str; 2] = ["regression_labels", "classification_labels"];
    const FEATURES: [&str; 5] = ["text_bert", "raw_text", "text", "audio", "vision"];
    for (pickle, split, key) in
        checks.first_splits(files, "a dict of columns with `id`", is_columns)?
    {
        let has = |name: &&str| pickle.get(split, name).is_some();
        let has_labels = LABELS.iter().any(has);
        let met = has_labels || !has(&"labels") && FEATURES.iter().any(has);
        let expected = format!("`{key}/regression_labels`, or features without any labels");
        let found = if has_labels { "labels".into() } else { keys(pickle, split) };
        checks.need(expected, found, met)?;
    }
    Some(())
}

fn sdk(files: &[SourceFile<'_>], checks: &mut Checks) -> Option<()> {
    for (pickle, split, key) in
        checks.first_splits(files, "a dict of columns with `id`", is_columns)?
    {
        checks.column(pickle, split, &key, "labels")?;
    }
    Some(())
}

fn tuples(files: &[SourceFile<'_>], form: SampleForm, checks: &mut Checks) -> Option<()> {
    for (pickle, split, _) in checks.first_splits(files, "a list of samples", is_list)? {
        checks.samples(pickle, split, form)?;
    }
    Some(())
}
