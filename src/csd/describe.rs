//! The tree that `inspect` prints.

use std::collections::BTreeSet;

use super::dtype::FeatureType;
use super::error::CsdError;
use super::file::SequenceFile;
use crate::tree::Tree;
use crate::words::{count, counted, human_bytes, plural};

/// Entries that are listed.
const N_LISTED: usize = 10;

/// Columns whose names are listed.
const N_COLUMNS: usize = 12;

/// Characters of a value of the metadata.
const N_CHARS: usize = 60;

/// The types of features; texts of any width as one.
fn types(all: impl Iterator<Item = FeatureType>) -> String {
    let (mut numbers, mut widths) = (BTreeSet::new(), BTreeSet::new());
    for dtype in all {
        match dtype {
            FeatureType::Text { width } => drop(widths.insert(width)),
            _ => drop(numbers.insert(dtype.to_string())),
        }
    }
    let texts = match (widths.first(), widths.last()) {
        (Some(least), Some(most)) if least < most => {
            Some(format!("text of {least} to {most} bytes"))
        }
        (Some(width), _) => Some(FeatureType::Text { width: *width }.to_string()),
        _ => None,
    };
    joined(numbers.into_iter().chain(texts), ", ")
}

fn joined(all: impl IntoIterator<Item = impl ToString>, by: &str) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<String>>().join(by)
}

impl SequenceFile {
    /// Root, metadata, shapes and times, under the name of the file.
    ///
    /// # Errors
    /// A part of an entry is missing, or values cannot be read.
    pub fn describe(&self, file_name: &str) -> Result<Tree, CsdError> {
        let shapes = self.names().iter().map(|name| self.shape(name));
        let shapes = shapes.collect::<Result<Vec<_>, _>>()?;
        let n_rows: usize = shapes.iter().filter_map(|shape| shape.features.first()).sum();
        let n_entries = counted(self.names().len(), "entry", "entries");
        let dims: BTreeSet<usize> = shapes.iter().map(|shape| shape.feat_dim()).collect();
        let detail = format!(
            "computational sequence `{}`, {n_entries}, {}, {}",
            self.root(),
            plural(n_rows, "row"),
            human_bytes(self.size())
        );
        let dims = match dims.first() {
            Some(only) if dims.len() == 1 => plural(*only, "column"),
            _ => format!("{} columns", joined(dims, " or ")),
        };
        let features = format!("{dims}, {}", types(shapes.iter().map(|shape| shape.dtype)));
        let mut children = vec![self.describe_metadata(), Tree::leaf("features", features)];
        if let Some(names) = self.metadata().dimension_names() {
            let mut shown = names.iter().take(N_COLUMNS).copied().collect::<Vec<_>>().join(", ");
            if names.len() > N_COLUMNS {
                shown.push_str(", ...");
            }
            children.push(Tree::leaf("columns", shown));
        }
        children.push(self.describe_entries(&n_entries)?);
        Ok(Tree { name: file_name.into(), detail, children })
    }

    fn describe_metadata(&self) -> Tree {
        let values = self.metadata().values.iter();
        let shown = values.map(|(name, value)| {
            let line: String =
                value.text().chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
            let cut: String = line.chars().take(N_CHARS).collect();
            let more = if line.chars().count() > N_CHARS { "..." } else { "" };
            Tree::leaf(name, format!("{cut}{more}"))
        });
        let children: Vec<Tree> = shown.collect();
        let detail = plural(children.len(), "value");
        Tree { name: "metadata".into(), detail, children }
    }

    fn describe_entries(&self, n_entries: &str) -> Result<Tree, CsdError> {
        let mut children = Vec::new();
        for name in self.names().iter().take(N_LISTED) {
            let intervals = self.intervals(name)?;
            let starts = intervals.iter().map(|[start, _]| *start).fold(f64::INFINITY, f64::min);
            let ends = intervals.iter().map(|[_, end]| *end).fold(f64::NEG_INFINITY, f64::max);
            let times = match intervals.is_empty() {
                true => String::new(),
                false => format!(", {starts:.3} to {ends:.3} s"),
            };
            let detail = format!("{}{times}", plural(intervals.len(), "row"));
            children.push(Tree::leaf(name, detail));
        }
        if let more @ 1.. = self.names().len().saturating_sub(N_LISTED) {
            children.push(Tree::leaf("...", format!("{} more", count(more))));
        }
        Ok(Tree { name: "data".into(), detail: n_entries.into(), children })
    }
}
