//! A published label table, such as `label.csv` of CH-SIMS, to compare with a store.
//!
//! ```text
//! decode      bytes -> text: byte order marks, the user's encoding, other kinds of file
//! separator   `,` `;` or tab, and unclosed quotes
//! columns     identifies the columns, by name or by the user's choice
//! cells       one field: a number, a split, the name of a segment
//! field, key  the fields of a table; a segment in any spelling
//! ```
//!
//! Nothing is guessed silently: anything ambiguous is an error that names the column or the line, and
//! the option that resolves it.

mod cells;
mod columns;
mod decode;
mod error;
mod field;
mod key;
mod separator;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

pub use columns::ColumnChoice;
pub use error::LabelTableError;
pub use field::Field;
pub use key::SegmentKey;

use super::scale::OwnScale;
use super::{Modality, SplitName};
use crate::advice::TableAdvice;
use crate::encoding::Encoding;
use crate::name::nearest;
use crate::words::shortened;
use cells::{Cell, Point};
use columns::Columns;

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRow {
    /// The id as spelled in the table.
    pub id: String,
    /// Video and clip as spelled in the table, if each has its column.
    pub parts: Option<[String; 2]>,
    /// Line of the file, from 1.
    pub line: usize,
    /// Overall label; `None` if the field is empty or marks an absent label, and for a class without a
    /// value.
    pub label: Option<f32>,
    /// Class of the label, if labels are names of classes.
    pub class: Option<usize>,
    /// Labels of text (`_T`), audio (`_A`) and vision (`_V`) alone.
    pub labels_by_modality: BTreeMap<Modality, f32>,
    /// Transcript.
    pub text: Option<String>,
    /// Its split.
    pub split: Option<SplitName>,
    /// Its label in words, of a table that is a source.
    pub annotation: Option<String>,
    /// Start and end of the clip in its video, in seconds, of a table that is a source.
    pub interval: Option<[f64; 2]>,
}

impl LabelRow {
    /// Whether it has an overall label, as a number or as the name of a class.
    pub fn has_label(&self) -> bool {
        self.label.is_some() || self.class.is_some()
    }
}

/// Options for reading a table that does not determine them itself.
#[derive(Debug, Clone, Default)]
pub struct TableOptions {
    /// User-chosen columns, if their names are not enough.
    pub columns: Vec<ColumnChoice>,
    /// The table's encoding, if it is neither UTF-8 nor UTF-16 with a byte order mark.
    pub encoding: Option<Encoding>,
    /// Whether segments are made from the table, rather than compared with it: ids alone are enough
    /// then, and labels in words are read, too.
    pub is_source: bool,
    /// What labels are, of a dataset of one's own: names of classes, if it has some.
    pub label_scale: Option<OwnScale>,
}

/// Maximum size of a table in bytes: CMU-MOSEI's with all texts has under 10 MB.
const MOST_BYTES: u64 = 1 << 30;

/// A published table of labels.
#[derive(Debug)]
pub struct LabelTable {
    path: PathBuf,
    /// In the order of the file.
    rows: Vec<(SegmentKey, LabelRow)>,
    by_key: HashMap<SegmentKey, usize>,
    columns: Columns,
    /// Numbers with a decimal comma.
    n_commas: usize,
}

impl LabelTable {
    /// Reads a table whose columns are identified by name; see [`LabelTable::open_as`].
    ///
    /// # Errors
    /// Same as [`LabelTable::open_as`].
    pub fn open(path: &Path) -> Result<LabelTable, LabelTableError> {
        LabelTable::open_as(path, &TableOptions::default())
    }

    /// Reads a table: fields separated by commas, semicolons or tabs, in UTF-8 or UTF-16 or the
    /// encoding in the options. Columns are identified by name, ignoring case, or by the options: a
    /// segment by its id, or by video and clip; and labels, texts and splits if present.
    ///
    /// # Errors
    /// The file cannot be read or is not a text table; segments cannot be identified, nothing can be
    /// compared, or two columns match one field; a label is not a number, a split is unknown, or a
    /// segment occurs twice.
    pub fn open_as(path: &Path, options: &TableOptions) -> Result<LabelTable, LabelTableError> {
        let io = |cause| LabelTableError::Io { path: path.into(), cause };
        let found = std::fs::metadata(path).map_err(io)?.len();
        if found > MOST_BYTES {
            let (path, limit) = (path.into(), MOST_BYTES);
            return Err(LabelTableError::Size { path, found, limit });
        }
        LabelTable::parse(&std::fs::read(path).map_err(io)?, path, options)
    }

    /// Reads a table from memory; `path` is used in messages.
    ///
    /// # Errors
    /// Same as [`LabelTable::open_as`].
    pub fn parse(
        bytes: &[u8],
        path: &Path,
        options: &TableOptions,
    ) -> Result<LabelTable, LabelTableError> {
        let text = decode::text(bytes, path, options.encoding)?;
        let is_known = |name: &str| {
            columns::is_known(name)
                || options.columns.iter().any(|choice| choice.name == name.trim())
        };
        let separator = separator::of(&text, &is_known);
        let text = text.get(separator.start..).unwrap_or_default();
        if let Some(place) = separator::open_quote(text, separator.byte) {
            let line = decode::line_of(text.as_bytes(), place);
            return Err(LabelTableError::Quote { path: path.into(), line });
        }
        let mut records = separator::reader(text, separator.byte).into_records();
        let is_blank =
            |record: &csv::StringRecord| record.iter().all(|cell| cell.trim().is_empty());
        let first = records.by_ref().flatten().find(|record| !is_blank(record));
        let Some(first) = first else {
            return Err(LabelTableError::Empty { path: path.into(), header: None });
        };
        let columns = Columns::of(&first, &options.columns, options.is_source, path)?;
        let data = (!columns.has_header).then(|| first.clone());
        let named = options.label_scale.as_ref().filter(|own| !own.classes().is_empty());
        let mut reading = Reading { path, text, columns: &columns, named, styles: BTreeMap::new() };
        let mut rows: Vec<(SegmentKey, LabelRow)> = Vec::new();
        let mut by_key = HashMap::new();
        // The text is valid UTF-8, and lines may have any number of fields, so reading a record cannot
        // fail.
        let records = data.into_iter().chain(records.flatten());
        for record in records.filter(|record| !is_blank(record)) {
            let line = Line { reading: &reading, record: &record };
            if record.len() != first.len() {
                return Err(line.uneven(first.len()));
            }
            let (key, row, numbers) = line.row()?;
            reading.note_styles(&numbers, &record)?;
            if let Some(earlier) = by_key.insert(key.clone(), rows.len()) {
                let line = reading.line(&record);
                let first = rows.get(earlier).map_or(0, |(_, row)| row.line);
                return Err(LabelTableError::Twice { path: path.into(), line, first, id: row.id });
            }
            rows.push((key, row));
        }
        let n_commas = reading.styles.values().map(|style| style.n_commas).sum();
        if rows.is_empty() {
            let header = Some(columns.shown.join(", "));
            return Err(LabelTableError::Empty { path: path.into(), header });
        }
        Ok(LabelTable { path: path.into(), rows, by_key, columns, n_commas })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The row of a segment.
    pub fn get(&self, key: &SegmentKey) -> Option<&LabelRow> {
        self.by_key.get(key).map(|idx| &self.rows[*idx].1)
    }

    /// All segments, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = &(SegmentKey, LabelRow)> {
        self.rows.iter()
    }

    /// Number of segments.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no segments; always false for a table that was read.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether the table has a column for the field.
    pub fn has(&self, field: Field) -> bool {
        self.columns.place(field).is_some()
    }

    /// The fields of the columns in use, each with its column's name in backticks or its number.
    pub fn columns(&self) -> impl Iterator<Item = (Field, &str)> {
        self.columns.used()
    }

    /// The unused columns.
    pub fn unused_columns(&self) -> Vec<String> {
        self.columns.unused()
    }

    /// Number of values with a decimal comma.
    pub fn n_decimal_commas(&self) -> usize {
        self.n_commas
    }

    /// Offset of the table's clip numbers relative to the store's: the CMU SDK counts from 0, published
    /// tables of CMU-MOSI from 1. 0 unless another offset gives more agreeing labels or, in a table
    /// without labels, texts.
    pub fn clip_shift<'a>(
        &self,
        segments: impl Iterator<Item = (&'a str, f32, Option<&'a str>)>,
    ) -> i32 {
        type Segment<'a> = (SegmentKey, f32, Option<&'a str>);
        let segments: Vec<Segment<'a>> =
            segments.map(|(id, label, text)| (SegmentKey::of(id), label, text)).collect();
        let has_labels = self.has(Field::Label);
        let n_agreeing = |shift: i32| {
            let agrees = |(key, label, text): &&Segment<'a>| {
                let row = self.get(&key.clone().shifted(shift));
                row.is_some_and(|row| match has_labels {
                    true => row.label.is_some_and(|expected| (expected - label).abs() < 1e-3),
                    false => text.is_some() && row.text.as_deref() == *text,
                })
            };
            segments.iter().filter(agrees).count()
        };
        let unshifted = n_agreeing(0);
        let better = [1, -1].map(|shift| (n_agreeing(shift), shift));
        let better = better.into_iter().filter(|(n_agreeing, _)| *n_agreeing > unshifted);
        // Ties go to the published numbering.
        better.rev().max_by_key(|(n_agreeing, _)| *n_agreeing).map_or(0, |(_, shift)| shift)
    }
}

/// Decimal separators of one column's numbers.
#[derive(Debug, Default)]
struct Style {
    n_commas: usize,
    n_dots: usize,
}

/// A table being read.
struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    columns: &'a Columns,
    /// The classes that labels are names of.
    named: Option<&'a OwnScale>,
    styles: BTreeMap<usize, Style>,
}

impl Reading<'_> {
    /// Line number of a record, from 1.
    fn line(&self, record: &csv::StringRecord) -> usize {
        let start = record.position().map_or(0, csv::Position::byte);
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(self.text.len());
        let bytes = self.text.as_bytes();
        // A record begins where the last one ended, including line end and blank lines.
        let blank = bytes.get(start..).unwrap_or_default();
        let n_blank = blank.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        decode::line_of(bytes, start.saturating_add(n_blank))
    }

    /// Counts decimal commas. A column must use either commas or points: `1,5` next to `1.5` may mean
    /// 15.
    fn note_styles(
        &mut self,
        numbers: &[(usize, Cell)],
        record: &csv::StringRecord,
    ) -> Result<(), LabelTableError> {
        for (place, number) in numbers {
            let style = self.styles.entry(*place).or_default();
            style.n_commas =
                style.n_commas.saturating_add(usize::from(number.point == Point::Comma));
            style.n_dots = style.n_dots.saturating_add(usize::from(number.point == Point::Dot));
            if style.n_commas > 0 && style.n_dots > 0 {
                return Err(Line { reading: self, record }.wrong(
                    *place,
                    "decimals as in the lines before, which have the other of point and comma",
                    Some(TableAdvice::WriteAlike),
                ));
            }
        }
        Ok(())
    }
}

/// One line of the file.
struct Line<'a> {
    reading: &'a Reading<'a>,
    record: &'a csv::StringRecord,
}

/// A line's content, and the places of its numbers.
type Row = (SegmentKey, LabelRow, Vec<(usize, Cell)>);

impl<'a> Line<'a> {
    fn text(&self, place: usize) -> &'a str {
        self.record.get(place).unwrap_or_default().trim()
    }

    fn row(&self) -> Result<Row, LabelTableError> {
        let columns = self.reading.columns;
        let place = |field| columns.place(field);
        let (key, id, parts) = match (place(Field::Id), place(Field::Video), place(Field::Clip)) {
            (None, Some(video), Some(clip)) => {
                let (video, clip) = (self.name(video)?, cells::clip(self.name(clip)?));
                let parts = Some([video.to_owned(), clip.to_owned()]);
                (SegmentKey::new(video, clip), format!("{video}_{clip}"), parts)
            }
            (id, ..) => {
                let id = self.name(id.unwrap_or_default())?;
                (cells::segment(id), id.to_owned(), None)
            }
        };
        let mut numbers = Vec::new();
        let mut number = |place: Option<usize>| match place {
            None => Ok(None),
            Some(place) => self.number(place, &mut numbers),
        };
        let (label, class) = match (self.reading.named, place(Field::Label)) {
            (Some(own), Some(place)) => {
                let class = self.class(own, place)?;
                (class.and_then(|class| own.value(class)), class)
            }
            (_, place) => (number(place)?, None),
        };
        let mut labels_by_modality = BTreeMap::new();
        for field in Field::ALL {
            if let Some(modality) = field.modality()
                && let Some(label) = number(place(field))?
            {
                labels_by_modality.insert(modality, label);
            }
        }
        let text = place(Field::Text).map(|place| self.text(place).to_owned());
        let split = place(Field::Split).map(|place| self.split(place)).transpose()?.flatten();
        let annotation = place(Field::Annotation).map(|place| self.text(place).to_owned());
        let seconds = |field| place(field).map(|place| self.seconds(field, place)).transpose();
        let (start, end) = (seconds(Field::Start)?.flatten(), seconds(Field::End)?.flatten());
        let row = LabelRow {
            id,
            parts,
            line: self.reading.line(self.record),
            label,
            class,
            labels_by_modality,
            text,
            split,
            annotation,
            interval: start.zip(end).map(|(start, end)| [start, end]),
        };
        Ok((key, row, numbers))
    }

    /// The id, video or clip of a segment.
    fn name(&self, place: usize) -> Result<&'a str, LabelTableError> {
        match self.text(place) {
            "" => Err(self.wrong(place, "what names a segment", None)),
            name if cells::is_formula_error(name) => {
                Err(self.wrong(place, "what names a segment", Some(TableAdvice::ImportAsText)))
            }
            name => Ok(name),
        }
    }

    fn number(
        &self,
        place: usize,
        numbers: &mut Vec<(usize, Cell)>,
    ) -> Result<Option<f32>, LabelTableError> {
        let advice = TableAdvice::OtherColumnOrNone { field: "label", what: "labels" };
        let found = cells::number(self.text(place))
            .map_err(|()| self.wrong(place, "a number", Some(advice)))?;
        numbers.extend(found.map(|cell| (place, cell)));
        Ok(found.map(|cell| cell.value))
    }

    fn seconds(&self, field: Field, place: usize) -> Result<Option<f64>, LabelTableError> {
        let advice = TableAdvice::OtherColumnOrNone { field: field.name(), what: "times" };
        cells::seconds(self.text(place))
            .map_err(|()| self.wrong(place, "seconds, or hours:minutes:seconds", Some(advice)))
    }

    /// The class that a field names; `None` for an absent label.
    fn class(&self, own: &OwnScale, place: usize) -> Result<Option<usize>, LabelTableError> {
        const N_LISTED: usize = 10;
        let text = self.text(place);
        let class = own.class_of_name(text);
        if class.is_some() || matches!(cells::number(text), Ok(None)) {
            return Ok(class);
        }
        let advice = TableAdvice::OtherColumnOrNone { field: "label", what: "labels" };
        let listed: Vec<&str> = own.classes().iter().take(N_LISTED).map(String::as_str).collect();
        let more = if own.classes().len() > N_LISTED { ", …" } else { "" };
        let meant = nearest(text, own.classes().iter().map(String::as_str));
        let meant = meant.map_or(String::new(), |name| format!(" (is `{name}` meant?)"));
        let expected = format!("a class, one of {}{more}{meant}", listed.join(", "));
        Err(self.wrong(place, expected, Some(advice)))
    }

    fn split(&self, place: usize) -> Result<Option<SplitName>, LabelTableError> {
        let advice = TableAdvice::OtherColumnOrNone { field: "split", what: "splits" };
        cells::split(self.text(place))
            .map_err(|()| self.wrong(place, "train, valid or test", Some(advice)))
    }

    fn wrong(
        &self,
        place: usize,
        expected: impl Into<Cow<'static, str>>,
        advice: Option<TableAdvice>,
    ) -> LabelTableError {
        LabelTableError::Field {
            path: self.reading.path.into(),
            line: self.reading.line(self.record),
            column: self.reading.columns.name(place).into(),
            expected: expected.into(),
            found: shortened(self.text(place)),
            advice: advice.map(Box::new),
        }
    }

    fn uneven(&self, expected: usize) -> LabelTableError {
        LabelTableError::Fields {
            path: self.reading.path.into(),
            line: self.reading.line(self.record),
            expected,
            found: self.record.len(),
        }
    }
}
