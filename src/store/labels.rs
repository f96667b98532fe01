//! Labels that float32 cannot hold: no policy changes a label, so its segment is left out or nothing is
//! written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::policy::OnOverflow;
use super::refused::{counted, first_ids, shown};
use crate::corpus::column::{ColumnId, ColumnKind};
use crate::corpus::manifest::ValueCount;
use crate::corpus::values::ValueKind;
use crate::corpus::{Corpus, SplitName};

/// Labels of one column that float32 cannot hold.
#[derive(Debug, Clone)]
struct Column {
    id: ColumnId,
    n_values: u64,
    rows: Vec<usize>,
    largest: f64,
    ids: Vec<String>,
    /// Whether they are too close to 0 instead of beyond the range.
    is_tiny: bool,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.n_values;
        let segments = counted(self.rows.len() as u64, "segment");
        let ids = self.ids.join(", ");
        match self.is_tiny {
            true => {
                let is = if n == 1 { "is" } else { "are" };
                let labels = counted(n, "label");
                write!(f, "{labels} in {segments} {is} so near 0 that float32 makes 0 of it ")?;
                write!(f, "(such as {:e}, first in {ids})", self.largest)
            }
            false => {
                let lies = if n == 1 { "lies" } else { "lie" };
                let labels = counted(n, "finite label");
                write!(f, "{labels} in {segments} {lies} beyond float32 ")?;
                write!(f, "(largest {}, first in {ids})", shown(self.largest))
            }
        }
    }
}

/// Labels that float32 cannot hold.
#[derive(Debug, Clone)]
pub struct RefusedLabels(Vec<Column>);

impl fmt::Display for RefusedLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self
            .0
            .iter()
            .map(|column| format!("`{}`: {column}", column.id.to_string().trim_start_matches('/')));
        f.write_str(&columns.collect::<Vec<_>>().join("; "))
    }
}

/// Segments left out because of their labels.
#[derive(Default)]
pub(super) struct LeftOutLabels {
    pub(super) rows: BTreeMap<SplitName, BTreeSet<usize>>,
    pub(super) counts: Vec<ValueCount>,
    pub(super) notes: Vec<String>,
}

/// The segments to leave out because float32 cannot hold one of their labels.
///
/// # Errors
/// There are such labels, and the policy is not to leave segments out.
pub(super) fn settle(
    corpus: &Corpus,
    on_overflow: OnOverflow,
) -> Result<LeftOutLabels, RefusedLabels> {
    let mut columns: BTreeMap<(SplitName, &str, bool), Column> = BTreeMap::new();
    let mut left = LeftOutLabels::default();
    for split in &corpus.splits {
        for label in &split.narrowed_labels {
            let is_tiny = label.source.abs() < 1.0;
            let key = (split.name, &*label.column, is_tiny);
            let Ok(kind) = label.column.parse::<ColumnKind>();
            let column = columns.entry(key).or_insert_with(|| Column {
                id: kind.of(split.name),
                n_values: 0,
                rows: Vec::new(),
                largest: 0.0,
                ids: Vec::new(),
                is_tiny,
            });
            column.n_values += 1;
            if column.rows.last() != Some(&label.row) {
                column.rows.push(label.row);
            }
            if label.source.abs() > column.largest.abs() {
                column.largest = label.source;
            }
            column.ids = first_ids(&column.rows, &split.ids);
            left.rows.entry(split.name).or_default().insert(label.row);
        }
    }
    let columns: Vec<Column> = columns.into_values().collect();
    if !columns.is_empty() && on_overflow != OnOverflow::DropSegment {
        return Err(RefusedLabels(columns));
    }
    for column in columns {
        left.notes.push(format!("{}: {column}: left out", column.id));
        left.counts.push(ValueCount {
            column: column.id,
            kind: ValueKind::Overflow,
            action: "drop-segment".into(),
            n_values: column.n_values,
            n_segments: column.rows.len() as u64,
            first: column.ids,
            largest: Some(column.largest),
        });
    }
    Ok(left)
}
