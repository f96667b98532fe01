//! Which parts of a store were compared with a label table, and by which columns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Modality;
use super::super::labels::{Field, LabelRow, LabelTable};
use super::N_EXAMPLES;
use crate::advice::{Advice, TableAdvice};
use crate::words::{count, plural};

/// What of a store was compared with a table of labels. A value counts as compared where both sides
/// have one, whether they agree or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Compared {
    /// The table.
    pub table: PathBuf,
    /// What the columns of the table are, by what they are.
    pub columns: BTreeMap<&'static str, String>,
    /// Columns of the table that are nothing of that.
    pub unused_columns: Vec<String>,
    /// Rows of the table.
    pub n_rows: usize,
    /// Segments of the store that have a row.
    pub n_segments_found: usize,
    /// Rows that no segment of the store has.
    pub n_rows_without_segment: usize,
    /// Segments of the store that no row has.
    pub n_segments_without_row: usize,
    /// By how much the table counts clips higher than the store.
    pub clip_shift: i32,
    /// Overall labels.
    pub n_labels: usize,
    /// Labels of single modalities.
    pub n_labels_by_modality: BTreeMap<Modality, usize>,
    /// Transcripts.
    pub n_texts: usize,
    /// Splits.
    pub n_splits: usize,
    /// Rows of segments of the store whose label is empty or says that there is none.
    pub n_rows_without_label: usize,
    /// Numbers of the table with a comma before the decimals.
    pub n_decimal_commas: usize,
    /// The first few segments without a row, and the first few ids of the table.
    #[serde(skip)]
    examples: [Vec<String>; 2],
    /// What the table has, whether it was compared or not.
    #[serde(skip)]
    fields: Vec<Field>,
    /// What the table has for segments of the store that have none themselves.
    #[serde(skip)]
    only_in_table: BTreeSet<Field>,
}

impl Compared {
    /// Before any comparison.
    pub(super) fn new(table: &LabelTable, clip_shift: i32) -> Compared {
        let fields: Vec<Field> = Field::ALL.into_iter().filter(|field| table.has(*field)).collect();
        let modalities = fields.iter().filter_map(|field| field.modality());
        Compared {
            table: table.path().into(),
            columns: table.columns().map(|(field, name)| (field.name(), name.to_owned())).collect(),
            unused_columns: table.unused_columns(),
            n_rows: table.len(),
            n_segments_found: 0,
            n_rows_without_segment: 0,
            n_segments_without_row: 0,
            clip_shift,
            n_labels: 0,
            n_labels_by_modality: modalities.map(|modality| (modality, 0)).collect(),
            n_texts: 0,
            n_splits: 0,
            n_rows_without_label: 0,
            n_decimal_commas: table.n_decimal_commas(),
            examples: [
                Vec::new(),
                table.rows().take(N_EXAMPLES).map(|(_, row)| row.id.clone()).collect(),
            ],
            fields,
            only_in_table: BTreeSet::new(),
        }
    }

    /// Counts a segment that the table lacks.
    pub(super) fn without_row(&mut self, id: &str) {
        self.n_segments_without_row = self.n_segments_without_row.saturating_add(1);
        if let [segments, _] = &mut self.examples
            && segments.len() < N_EXAMPLES
        {
            segments.push(id.to_owned());
        }
    }

    /// Counts a segment with its row; the flags tell which values the store has for it.
    pub(super) fn take(
        &mut self,
        row: &LabelRow,
        has_label: bool,
        modalities: impl Iterator<Item = Modality>,
        has_text: bool,
    ) {
        let add = |count: &mut usize, is_there: bool| {
            *count = count.saturating_add(usize::from(is_there));
        };
        let mut only_in_table = |field: Field, is_there: bool| {
            if is_there {
                self.only_in_table.insert(field);
            }
        };
        only_in_table(Field::Label, row.has_label() && !has_label);
        only_in_table(Field::Text, row.text.is_some() && !has_text);
        let modalities: Vec<Modality> = modalities.collect();
        let of_row = row.labels_by_modality.keys();
        for modality in of_row.filter(|modality| !modalities.contains(modality)) {
            only_in_table(Field::of_modality(*modality), true);
        }
        add(&mut self.n_labels, has_label && row.has_label());
        let has_labels = self.fields.contains(&Field::Label);
        add(&mut self.n_rows_without_label, has_labels && !row.has_label());
        for modality in modalities {
            if let Some(count) = self.n_labels_by_modality.get_mut(&modality) {
                add(count, row.labels_by_modality.contains_key(&modality));
            }
        }
        add(&mut self.n_texts, has_text && row.text.is_some());
        add(&mut self.n_splits, row.split.is_some());
    }

    /// Why nothing was compared, and the fix; `None` if something was.
    pub fn problem(&self) -> Option<(String, Advice)> {
        let n_by_modality: usize = self.n_labels_by_modality.values().sum();
        if self.n_labels + n_by_modality + self.n_texts + self.n_splits > 0 {
            return None;
        }
        let table = self.table.display();
        let columns: Vec<String> =
            self.columns.iter().map(|(field, name)| format!("{field} is column {name}")).collect();
        let columns = columns.join(", ");
        if !self.only_in_table.is_empty() {
            let fields: Vec<&str> = self.only_in_table.iter().map(|field| field.name()).collect();
            let problem = format!(
                "{table}: nothing was compared: {} segments are in both the table and the store, but \
                 the store has no {} of them",
                count(self.n_segments_found),
                fields.join(" and no ")
            );
            return Some((problem, TableAdvice::StoreLacksValues.into()));
        }
        if self.n_segments_found > 0 {
            let problem = format!(
                "{table}: nothing was compared: {} segments are in both the table and the store, but no value is",
                count(self.n_segments_found)
            );
            let field = Field::Label.name();
            return Some((problem, TableAdvice::OtherColumn { field, columns }.into()));
        }
        let [segments, rows] = &self.examples;
        let mut all: Vec<&str> = self.columns.values().map(String::as_str).collect();
        all.extend(self.unused_columns.iter().map(String::as_str));
        let problem = format!(
            "{table}: nothing was compared: no row of the table is of a segment of the store, \
             whose ids are such as {}; those of the table are such as {}",
            segments.join(", "),
            rows.join(", ")
        );
        let columns = format!("the columns are {}, where {columns}", all.join(", "));
        Some((problem, TableAdvice::OtherColumn { field: Field::Id.name(), columns }.into()))
    }

    /// The comparison as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let has = |field: Field| self.fields.contains(&field);
        let mut counts = Vec::new();
        let mut absent = Vec::new();
        for (field, n_compared, name) in [
            (Field::Label, self.n_labels, "label"),
            (Field::Text, self.n_texts, "text"),
            (Field::Split, self.n_splits, "split"),
        ] {
            match has(field) {
                true => counts.push(plural(n_compared, name)),
                false => absent.push(format!("{name}s")),
            }
            if field == Field::Label {
                let of_modality = |(modality, n): (&Modality, &usize)| {
                    plural(*n, &format!("{} label", modality.name()))
                };
                counts.extend(self.n_labels_by_modality.iter().map(of_modality));
            }
        }
        let last = counts.pop().unwrap_or_default();
        let counts = match counts.is_empty() {
            true => last,
            false => format!("{} and {last}", counts.join(", ")),
        };
        let mut first = format!("{counts} compared with {}", self.table.display());
        if !absent.is_empty() {
            first += &format!("; the table has no {}", absent.join(" and no "));
        }
        let mut lines = vec![first];
        let columns = self
            .fields
            .iter()
            .filter_map(|field| Some(format!("{field} = {}", self.columns.get(field.name())?)));
        let mut second = format!("columns: {}", columns.collect::<Vec<_>>().join(", "));
        if !self.unused_columns.is_empty() {
            second += &format!("; not used: {}", self.unused_columns.join(", "));
        }
        lines.push(second);
        let mut rest = vec![
            format!("{} without a segment", plural(self.n_rows_without_segment, "row")),
            format!("{} without a row", plural(self.n_segments_without_row, "segment")),
        ];
        if self.n_rows_without_label > 0 {
            rest.push(format!("{} without a label", plural(self.n_rows_without_label, "row")));
        }
        if self.n_decimal_commas > 0 {
            rest.push(format!("{} with a decimal comma", plural(self.n_decimal_commas, "number")));
        }
        if self.clip_shift != 0 {
            let word = if self.clip_shift > 0 { "higher" } else { "lower" };
            rest.push(format!("the table counts clips {} {word}", self.clip_shift.unsigned_abs()));
        }
        lines.push(rest.join(", "));
        lines
    }
}
