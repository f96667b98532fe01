//! Identifies a table's columns, by name or by the user's choice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

use super::cells;
use super::error::LabelTableError;
use super::field::Field;
use crate::name::nearest;
use crate::words::shortened;

/// A column chosen by the user: `label=Score`, or `label=5` by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnChoice {
    /// The field.
    pub field: Field,
    /// Its name in the first line, or its number from 1; empty if no column has the field.
    pub name: String,
}

impl FromStr for ColumnChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<ColumnChoice, String> {
        let Some((field, name)) = text.split_once('=') else {
            return Err("expected FIELD=NAME, such as label=Score or label=5".into());
        };
        let names = || Field::ALL.into_iter().map(Field::name);
        let found = Field::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(field));
        let field = found.ok_or_else(|| {
            let meant = nearest(field, names()).map(|name| format!("; is `{name}` meant?"));
            let all: Vec<&str> = names().collect();
            format!("`{field}` is not one of: {}{}", all.join(", "), meant.unwrap_or_default())
        })?;
        Ok(ColumnChoice { field, name: name.trim().to_owned() })
    }
}

impl std::fmt::Display for ColumnChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.field, self.name)
    }
}

/// A column name without case and punctuation.
fn normal(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a column name is known.
pub(super) fn is_known(name: &str) -> bool {
    let name = normal(name);
    Field::ALL
        .iter()
        .any(|field| field.names().contains(&&*name) || field.weak_names().contains(&&*name))
}

/// Places of the columns.
#[derive(Debug)]
pub(super) struct Columns {
    /// Names of all columns, in backticks; their numbers if the table has no names.
    pub(super) shown: Vec<String>,
    /// Whether the first line contains names.
    pub(super) has_header: bool,
    places: BTreeMap<Field, usize>,
    /// Fields that no column has, by the user's choice.
    left_out: BTreeSet<Field>,
}

impl Columns {
    /// Identifies the columns from a table's first line.
    ///
    /// # Errors
    /// A choice names no column, two columns match one field, or there is no column to identify
    /// segments or nothing to compare.
    pub(super) fn of(
        first: &csv::StringRecord,
        choices: &[ColumnChoice],
        is_source: bool,
        path: &Path,
    ) -> Result<Columns, LabelTableError> {
        let has_header = has_header(first, choices);
        let shown = first.iter().enumerate().map(|(idx, name)| match has_header {
            true if !name.trim().is_empty() => format!("`{}`", shortened(name)),
            _ => format!("number {}", idx.saturating_add(1)),
        });
        let mut columns = Columns {
            shown: shown.collect(),
            has_header,
            places: BTreeMap::new(),
            left_out: BTreeSet::new(),
        };
        columns.take_choices(first, choices, path)?;
        if has_header {
            columns.take_names(first, is_source, path)?;
        }
        columns.check(first, is_source, path)?;
        Ok(columns)
    }

    /// The place of a field, if the table has it.
    pub(super) fn place(&self, field: Field) -> Option<usize> {
        self.places.get(&field).copied()
    }

    /// The columns in use.
    pub(super) fn used(&self) -> impl Iterator<Item = (Field, &str)> {
        self.places.iter().map(|(field, place)| (*field, self.name(*place)))
    }

    /// The unused columns.
    pub(super) fn unused(&self) -> Vec<String> {
        let is_used = |place: &usize| self.places.values().any(|used| used == place);
        let rest = (0..self.shown.len()).filter(|place| !is_used(place));
        rest.map(|place| self.name(place).to_owned()).collect()
    }

    /// The name of a column, in backticks.
    pub(super) fn name(&self, place: usize) -> &str {
        self.shown.get(place).map_or("", String::as_str)
    }

    fn take_choices(
        &mut self,
        first: &csv::StringRecord,
        choices: &[ColumnChoice],
        path: &Path,
    ) -> Result<(), LabelTableError> {
        for choice in choices {
            if choice.name.is_empty() {
                self.left_out.insert(choice.field);
                continue;
            }
            let wrong = |problem: String| LabelTableError::Choice {
                path: path.into(),
                choice: choice.to_string(),
                problem,
            };
            let place = chosen(first, &choice.name, self.has_header).map_err(wrong)?;
            if let Some((other, _)) = self.places.iter().find(|(_, known)| **known == place) {
                return Err(wrong(format!("column {} is the {other} already", self.name(place))));
            }
            if self.places.insert(choice.field, place).is_some() {
                return Err(wrong(format!("the {} is given twice", choice.field)));
            }
        }
        Ok(())
    }

    fn take_names(
        &mut self,
        first: &csv::StringRecord,
        is_source: bool,
        path: &Path,
    ) -> Result<(), LabelTableError> {
        let told_id = self.places.contains_key(&Field::Id);
        let is_read = |field: &Field| field.is_compared() || is_source && field.is_of_source();
        for field in Field::ALL.into_iter().filter(is_read) {
            self.take(first, field, field.names(), path)?;
        }
        if told_id {
            return Ok(());
        }
        self.take(first, Field::Video, Field::Video.names(), path)?;
        self.take(first, Field::Clip, Field::Clip.names(), path)?;
        if !self.places.contains_key(&Field::Clip) {
            let video = self.places.contains_key(&Field::Video)
                || first.iter().any(|name| Field::Video.weak_names().contains(&&*normal(name)));
            if video {
                self.take(first, Field::Clip, Field::Clip.weak_names(), path)?;
            }
        }
        if self.places.contains_key(&Field::Clip) {
            self.take(first, Field::Video, Field::Video.weak_names(), path)?;
        }
        if self.has_parts() {
            return Ok(());
        }
        self.take(first, Field::Id, Field::Id.names(), path)?;
        self.take(first, Field::Id, Field::Id.weak_names(), path)
    }

    /// Assigns the only column with one of these names, unless the field already has one.
    fn take(
        &mut self,
        first: &csv::StringRecord,
        field: Field,
        names: &[&str],
        path: &Path,
    ) -> Result<(), LabelTableError> {
        if self.places.contains_key(&field) || self.left_out.contains(&field) {
            return Ok(());
        }
        let is_free = |place: &usize| !self.places.values().any(|used| used == place);
        let named = first.iter().enumerate().filter(|(_, name)| names.contains(&&*normal(name)));
        let found: Vec<usize> = named.map(|(place, _)| place).filter(is_free).collect();
        match &found[..] {
            [] => Ok(()),
            [place] => {
                self.places.insert(field, *place);
                Ok(())
            }
            [place, ..] => {
                let names: Vec<&str> = found.iter().map(|place| self.name(*place)).collect();
                // Columns with the same name are distinguished by their numbers.
                let same = names.iter().any(|name| *name != self.name(*place));
                let first_name = match same {
                    true => first.get(*place).unwrap_or_default().trim().to_owned(),
                    false => place.saturating_add(1).to_string(),
                };
                Err(LabelTableError::Ambiguous {
                    path: path.into(),
                    field,
                    found: format!("columns {}", names.join(" and ")),
                    first: first_name,
                })
            }
        }
    }

    fn has_parts(&self) -> bool {
        self.places.contains_key(&Field::Video) && self.places.contains_key(&Field::Clip)
    }

    /// Whether segments can be identified and, unless they are made from the table, have something to
    /// compare.
    fn check(
        &self,
        first: &csv::StringRecord,
        is_source: bool,
        path: &Path,
    ) -> Result<(), LabelTableError> {
        let is_told = self.has_parts() || self.places.contains_key(&Field::Id);
        let is_compared = self.places.keys().any(|field| field.is_compared());
        if is_told && (is_compared || is_source) {
            return Ok(());
        }
        if !self.has_header {
            let cells: Vec<String> = first.iter().map(shortened).collect();
            return Err(LabelTableError::Headerless {
                path: path.into(),
                found: format!("`{}`", cells.join(", ")),
                columns: likely_columns(first),
            });
        }
        let (expected, field) = match is_told {
            true => ("what a store can be compared with, such as labels", Field::Label),
            false => ("the id of a segment, or its video and clip", Field::Id),
        };
        let found = self.shown.join(", ");
        Err(LabelTableError::Column { path: path.into(), expected, found, field, is_source })
    }
}

/// Whether the first line contains names. It does not if no cell is a known name and at least one is a
/// number, unless they count from 0, as pandas names unnamed columns.
fn has_header(first: &csv::StringRecord, choices: &[ColumnChoice]) -> bool {
    let is_chosen = |cell: &str| {
        choices
            .iter()
            .any(|choice| choice.name == cell.trim() && choice.name.parse::<u64>().is_err())
    };
    let counts = first.iter().enumerate().all(|(idx, cell)| cell.trim() == idx.to_string());
    let is_number = |cell: &str| matches!(cells::number(cell), Ok(Some(_)));
    first.iter().any(|cell| is_known(cell) || is_chosen(cell))
        || counts
        || !first.iter().any(is_number)
}

/// The column that a user chose by name or number.
fn chosen(first: &csv::StringRecord, name: &str, has_header: bool) -> Result<usize, String> {
    let n_columns = first.len();
    if has_header {
        let find = |is_it: &dyn Fn(&str) -> bool| -> Vec<usize> {
            let cells = first.iter().enumerate().filter(|(_, cell)| is_it(cell));
            cells.map(|(place, _)| place).collect()
        };
        let mut found = find(&|cell| cell.trim() == name);
        if found.is_empty() && !normal(name).is_empty() {
            found = find(&|cell| normal(cell) == normal(name));
        }
        match found[..] {
            [place] => return Ok(place),
            [_, _, ..] => {
                let numbers: Vec<String> =
                    found.iter().map(|place| place.saturating_add(1).to_string()).collect();
                return Err(format!(
                    "columns number {} have this name; use the number",
                    numbers.join(" and ")
                ));
            }
            [] => {}
        }
    }
    match name.parse::<usize>() {
        Ok(number) if (1..=n_columns).contains(&number) => Ok(number.saturating_sub(1)),
        Ok(_) => Err(format!("columns are counted from 1, to {n_columns}")),
        Err(_) if !has_header => {
            Err(format!("the columns have no names; they are counted from 1, to {n_columns}"))
        }
        Err(_) => {
            let names: Vec<String> =
                first.iter().map(|name| format!("`{}`", shortened(name))).collect();
            let meant = nearest(name, first.iter().map(str::trim));
            let meant = meant.map(|name| format!("; is `{name}` meant?")).unwrap_or_default();
            Err(format!("no such column, found {}{meant}", names.join(", ")))
        }
    }
}

/// Likely fields of a table without names, by column number from 1: the first text is an id, or a video
/// if a whole number follows, and the last number is a label.
fn likely_columns(first: &csv::StringRecord) -> Vec<(Field, usize)> {
    let is_number = |cell: &str| matches!(cells::number(cell), Ok(Some(_)));
    let place = first.iter().position(|cell| !is_number(cell) && !cell.trim().is_empty());
    let at = |place: usize| place.saturating_add(1);
    let mut columns = match place {
        Some(place)
            if first.get(at(place)).is_some_and(|next| next.trim().parse::<u32>().is_ok()) =>
        {
            vec![(Field::Video, at(place)), (Field::Clip, at(at(place)))]
        }
        place => vec![(Field::Id, at(place.unwrap_or(0)))],
    };
    let after = place.map_or(0, at);
    let label = (after..first.len()).rev().find(|place| first.get(*place).is_some_and(is_number));
    let has_clip = columns.len() > 1;
    let label = label.filter(|place| *place > after || !has_clip);
    columns.push((Field::Label, label.map_or(first.len(), at)));
    columns
}
