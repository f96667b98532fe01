//! Findings about one file, or several that belong together.

use std::collections::{BTreeMap, BTreeSet};

use super::error::CsdError;
use super::file::SequenceFile;
use super::video_of;
use crate::corpus::check::{Finding, Rule};
use crate::intervals::EPSILON;
use crate::words::{counted, plural};

/// What was found in one file.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Findings, errors first.
    pub findings: Vec<Finding>,
    /// What is worth knowing and no problem.
    pub notes: Vec<String>,
    /// Bytes of the file.
    pub n_bytes: u64,
    /// Name of the sequence.
    pub root: String,
}

/// Checks the file at an index of files that are aligned with one another: on its own, entry by entry, and
/// whether the others have the same videos. With `quick`, only names and shapes are read.
///
/// # Errors
/// The file cannot be read. An entry whose shapes contradict the format is a finding, not an error.
pub fn check(files: &[&SequenceFile], idx: usize, quick: bool) -> Result<Checked, CsdError> {
    let Some(file) = files.get(idx) else { return Ok(Checked::default()) };
    let mut gathered = Gathered::default();
    for name in file.names() {
        gathered.entry(file, name, quick)?;
    }
    let root = file.root().to_owned();
    let mut checked = Checked { n_bytes: file.size(), root, ..gathered.conclude() };
    let ours = videos(file);
    let others = files.iter().enumerate().filter(|(other, _)| *other != idx);
    others.for_each(|(_, other)| compare(&ours, other, &mut checked));
    checked.findings.sort_by_key(|it| (std::cmp::Reverse(it.severity), it.rule));
    Ok(checked)
}

fn videos(file: &SequenceFile) -> BTreeSet<&str> {
    file.names().iter().map(|name| video_of(name)).collect()
}

/// Places of each kind of problem, and what all entries have in common.
#[derive(Default)]
struct Gathered {
    places: BTreeMap<Rule, Vec<String>>,
    /// Number of columns, and type where it is not that of numbers or strings, with an entry that has it.
    forms: BTreeMap<(usize, bool), String>,
    n_gaps: usize,
    gap_seconds: f64,
}

impl Gathered {
    fn add(&mut self, rule: Rule, place: String) {
        self.places.entry(rule).or_default().push(place);
    }

    fn entry(&mut self, file: &SequenceFile, name: &str, quick: bool) -> Result<(), CsdError> {
        let shape = match file.shape(name) {
            Ok(shape) => shape,
            Err(CsdError::Damaged { place, problem, .. }) => {
                self.add(Rule::EntryShape, format!("{place}: {problem}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if let Some(problem) = shape.problem() {
            self.add(Rule::EntryShape, format!("{name}: {problem}"));
            return Ok(());
        }
        let is_text = matches!(shape.dtype, super::FeatureType::Text { .. });
        self.forms.entry((shape.feat_dim(), is_text)).or_insert_with(|| name.into());
        if quick {
            return Ok(());
        }
        self.intervals(name, &file.intervals(name)?);
        if let n_values @ 1.. = file.features(name)?.n_non_finite() {
            self.add(Rule::EntryValue, format!("{name}: {}", plural(n_values, "value")));
        }
        Ok(())
    }

    /// One place per entry and kind of problem.
    fn intervals(&mut self, name: &str, intervals: &[[f64; 2]]) {
        let mut first = |rule: Rule, is_bad: &dyn Fn(usize) -> bool| {
            let mut rows = (0..intervals.len()).filter(|row| is_bad(*row));
            if let Some(row) = rows.next() {
                let [start, end] = intervals[row];
                let more = match rows.count() {
                    0 => String::new(),
                    n => format!(" and {n} more"),
                };
                self.places
                    .entry(rule)
                    .or_default()
                    .push(format!("{name} row {row} ({start} to {end} s){more}"));
            }
        };
        let is_time = |row: usize| {
            let [start, end] = intervals[row];
            start.is_finite() && end.is_finite() && start <= end
        };
        first(Rule::IntervalTime, &|row| !is_time(row));
        first(Rule::ShortRow, &|row| {
            let [start, end] = intervals[row];
            is_time(row) && end - start < EPSILON
        });
        first(Rule::RowOrder, &|row| row > 0 && intervals[row][0] < intervals[row - 1][0]);
        let mut sorted: Vec<[f64; 2]> =
            (0..intervals.len()).filter(|row| is_time(*row)).map(|row| intervals[row]).collect();
        sorted.sort_by(|one, next| one[0].total_cmp(&next[0]));
        let (mut n_overlaps, mut end) = (0, f64::NEG_INFINITY);
        for [start, until] in sorted {
            if start - end < -EPSILON {
                n_overlaps += 1;
            } else if end.is_finite() && start - end > EPSILON {
                self.n_gaps += 1;
                self.gap_seconds += start - end;
            }
            end = end.max(until);
        }
        if n_overlaps > 0 {
            self.add(Rule::RowOverlap, format!("{name}: {}", plural(n_overlaps, "row")));
        }
    }

    fn conclude(self) -> Checked {
        let mut findings = Vec::new();
        for (rule, places) in self.places {
            let n = places.len();
            let entries = |one: &str, several: &str| counted(n, one, several);
            let message = match rule {
                Rule::EntryShape => entries(
                    "entry is not as the format has it",
                    "entries are not as the format has them",
                ),
                Rule::IntervalTime => format!(
                    "{} a row whose interval is not finite or ends before it starts",
                    entries("entry has", "entries have")
                ),
                Rule::ShortRow => format!(
                    "{} a row shorter than {EPSILON} s",
                    entries("entry has", "entries have")
                ),
                Rule::RowOrder => {
                    format!(
                        "{} not in order of start",
                        entries("entry has rows", "entries have rows")
                    )
                }
                Rule::RowOverlap => {
                    format!("{} that overlap", entries("entry has rows", "entries have rows"))
                }
                _ => format!("{} NaN or infinite values", entries("entry has", "entries have")),
            };
            findings.push(Finding::new(rule, message, n as u64, places));
        }
        if self.forms.len() > 1 {
            let form = |((feat_dim, is_text), name): (&(usize, bool), &String)| {
                let what = if *is_text { "text" } else { "numbers" };
                format!("{name} with {} of {what}", plural(*feat_dim, "column"))
            };
            let places: Vec<String> = self.forms.iter().map(form).collect();
            let message = format!("entries have {} forms", places.len());
            findings.push(Finding::new(Rule::EntryForm, message, places.len() as u64, places));
        }
        let notes = match self.n_gaps {
            0 => Vec::new(),
            n => {
                vec![format!("{} between rows, {:.3} s in all", plural(n, "gap"), self.gap_seconds)]
            }
        };
        Checked { findings, notes, ..Checked::default() }
    }
}

/// Videos that another file lacks, and those whose entries the SDK drops with them.
fn compare(ours: &BTreeSet<&str>, other: &SequenceFile, checked: &mut Checked) {
    let theirs = videos(other);
    let missing: Vec<&str> = ours.difference(&theirs).copied().collect();
    if missing.is_empty() {
        return;
    }
    let name = other.path().file_name().unwrap_or_default().to_string_lossy();
    let n = missing.len();
    let message = format!("{n} of {} not in {name}", counted(ours.len(), "video is", "videos are"));
    for purged in ours.iter().filter(|video| {
        theirs.contains(*video) && missing.iter().any(|missing| video.starts_with(missing))
    }) {
        checked.notes.push(format!(
            "`{purged}` begins like a video that {name} lacks: the SDK drops it as well, \
             `align` does so only where it reproduces the SDK"
        ));
    }
    let examples = missing.into_iter().map(str::to_owned).collect();
    checked.findings.push(Finding::new(Rule::MissingVideo, message, n as u64, examples));
}
