//! A published table of labels, such as the `label.csv` of CH-SIMS, to compare a store with.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::segment::{clip_of, video_of};
use super::{Modality, SplitName};

/// A segment, however its id is spelled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SegmentKey {
    video: String,
    clip: String,
}

impl SegmentKey {
    /// The segment of an id in any spelling.
    pub fn of(id: &str) -> SegmentKey {
        SegmentKey::new(video_of(id), clip_of(id).unwrap_or_default())
    }

    /// Clips are numbers to some and text to others: `0001` and `1` are the same.
    fn new(video: &str, clip: &str) -> SegmentKey {
        let digits = clip.trim_start_matches('0');
        let clip = if digits.is_empty() && !clip.is_empty() { "0" } else { digits };
        SegmentKey { video: video.into(), clip: clip.into() }
    }

    /// The segment whose clip number is larger by `shift`.
    pub fn shifted(self, shift: u32) -> SegmentKey {
        let clip = match self.clip.parse::<u32>().ok().and_then(|clip| clip.checked_add(shift)) {
            Some(clip) if shift > 0 => clip.to_string(),
            _ => self.clip,
        };
        SegmentKey { video: self.video, clip }
    }
}

/// What the table says of one segment.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRow {
    /// The id in the table's words.
    pub id: String,
    /// Overall label.
    pub label: Option<f32>,
    /// Labels of text (`_T`), audio (`_A`) and vision (`_V`) alone.
    pub labels_by_modality: BTreeMap<Modality, f32>,
    /// Transcript.
    pub text: Option<String>,
    /// The split that it belongs to.
    pub split: Option<SplitName>,
}

/// Why a table of labels was not read.
#[derive(Debug, thiserror::Error)]
pub enum LabelTableError {
    /// The file system or the form of the file.
    #[error("{path}: {cause}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        cause: csv::Error,
    },
    /// A column without which nothing can be compared.
    #[error("{path}: no column {expected}: found {found}")]
    Column {
        /// The file.
        path: PathBuf,
        /// What the column may be called.
        expected: &'static str,
        /// The header.
        found: String,
    },
    /// A field that is no number or no split.
    #[error("{path}: line {line}, column `{column}`: expected {expected}, found `{found}`")]
    Field {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: u64,
        /// Name of the column.
        column: String,
        /// What would do.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The same segment twice.
    #[error("{path}: line {line}: segment `{id}` appears a second time")]
    Twice {
        /// The file.
        path: PathBuf,
        /// Line of the second one, from 1.
        line: u64,
        /// The segment.
        id: String,
    },
}

/// A published table of labels.
#[derive(Debug)]
pub struct LabelTable {
    /// In the order of the file.
    rows: Vec<(SegmentKey, LabelRow)>,
    by_key: HashMap<SegmentKey, usize>,
}

const LABELS: &[&str] = &["label", "sentiment", "regression_labels"];
const TEXTS: &[&str] = &["text", "raw_text"];
const SPLITS: &[&str] = &["mode", "split"];

impl LabelTable {
    /// Reads a CSV file. Columns go by their names: `id`, or `video_id` and `clip_id`; and, where
    /// they are there, `label`, `label_T`, `label_A`, `label_V`, `text`, `mode`.
    ///
    /// # Errors
    /// The file cannot be read or is no CSV file; neither form of the id is there; a label is no
    /// number, a split is unknown, or a segment appears twice.
    pub fn open(path: &Path) -> Result<LabelTable, LabelTableError> {
        let csv_error = |cause| LabelTableError::Csv { path: path.into(), cause };
        let file = std::fs::File::open(path).map_err(|cause| csv_error(cause.into()))?;
        LabelTable::read(file, path)
    }

    fn read(source: impl Read, path: &Path) -> Result<LabelTable, LabelTableError> {
        let csv_error = |cause| LabelTableError::Csv { path: path.into(), cause };
        let mut reader = csv::Reader::from_reader(source);
        let header = reader.headers().map_err(csv_error)?.clone();
        let columns = Columns::of(&header);
        if columns.id.is_none() && columns.video.is_none_or(|_| columns.clip.is_none()) {
            return Err(LabelTableError::Column {
                path: path.into(),
                expected: "`id`, nor `video_id` and `clip_id`",
                found: header.iter().collect::<Vec<_>>().join(", "),
            });
        }
        let mut table = LabelTable { rows: Vec::new(), by_key: HashMap::new() };
        for record in reader.records() {
            let record = record.map_err(csv_error)?;
            let line = Line { path, header: &header, record: &record };
            let (key, row) = columns.row(&line)?;
            if table.by_key.insert(key.clone(), table.rows.len()).is_some() {
                let (path, id) = (path.into(), row.id);
                return Err(LabelTableError::Twice { path, line: line.number(), id });
            }
            table.rows.push((key, row));
        }
        Ok(table)
    }

    /// What the table says of a segment.
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

    /// Whether there is no segment.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// By how much the table counts clips higher than the given ids: the CMU SDK counts from 0,
    /// published tables of CMU-MOSI from 1. 0 unless more labels agree with another number.
    pub fn clip_shift<'a>(&self, segments: impl Iterator<Item = (&'a str, f32)>) -> u32 {
        let segments: Vec<(SegmentKey, f32)> =
            segments.map(|(id, label)| (SegmentKey::of(id), label)).collect();
        let n_agreeing = |shift: u32| {
            let agrees = |(key, label): &&(SegmentKey, f32)| {
                let row = self.get(&key.clone().shifted(shift));
                let expected = row.and_then(|row| row.label);
                expected.is_some_and(|expected| (expected - label).abs() < 1e-3)
            };
            segments.iter().filter(agrees).count()
        };
        u32::from(n_agreeing(1) > n_agreeing(0))
    }
}

/// Where the columns are.
struct Columns {
    id: Option<usize>,
    video: Option<usize>,
    clip: Option<usize>,
    label: Option<usize>,
    by_modality: Vec<(Modality, usize)>,
    text: Option<usize>,
    split: Option<usize>,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Columns {
        // Files that a spreadsheet has written begin with a byte order mark.
        let is = |found: &str, name: &str| found.trim_start_matches('\u{feff}').trim() == name;
        let find = |names: &[&str]| {
            names.iter().find_map(|name| header.iter().position(|found| is(found, name)))
        };
        let by_modality = Modality::ALL.into_iter().filter_map(|modality| {
            Some((modality, find(&[&format!("label_{}", modality.letter())])?))
        });
        Columns {
            id: find(&["id"]),
            video: find(&["video_id"]),
            clip: find(&["clip_id"]),
            label: find(LABELS),
            by_modality: by_modality.collect(),
            text: find(TEXTS),
            split: find(SPLITS),
        }
    }

    fn row(&self, line: &Line<'_>) -> Result<(SegmentKey, LabelRow), LabelTableError> {
        let (key, id) = match (self.video, self.clip, self.id) {
            (Some(video), Some(clip), _) => {
                let (video, clip) = (line.text(video), line.text(clip));
                (SegmentKey::new(video, clip), format!("{video}_{clip}"))
            }
            (_, _, Some(id)) => (SegmentKey::of(line.text(id)), line.text(id).to_owned()),
            _ => (SegmentKey::new("", ""), String::new()),
        };
        let label = match self.label {
            Some(column) => line.number_at(column)?,
            None => None,
        };
        let mut labels_by_modality = BTreeMap::new();
        for (modality, column) in &self.by_modality {
            if let Some(label) = line.number_at(*column)? {
                labels_by_modality.insert(*modality, label);
            }
        }
        let text = self.text.map(|column| line.text(column).to_owned());
        let split = self.split.map(|column| line.split_at(column)).transpose()?;
        Ok((key, LabelRow { id, label, labels_by_modality, text, split }))
    }
}

/// One line of the file.
struct Line<'a> {
    path: &'a Path,
    header: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
}

impl<'a> Line<'a> {
    fn number(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    fn text(&self, column: usize) -> &'a str {
        self.record.get(column).unwrap_or_default().trim()
    }

    /// A number, or nothing where the field is empty: a segment that has no label.
    fn number_at(&self, column: usize) -> Result<Option<f32>, LabelTableError> {
        match self.text(column) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| self.wrong(column, "a number")),
        }
    }

    fn split_at(&self, column: usize) -> Result<SplitName, LabelTableError> {
        match self.text(column) {
            "dev" | "val" => Ok(SplitName::Valid),
            name => name.parse().map_err(|_| self.wrong(column, "train, valid or test")),
        }
    }

    fn wrong(&self, column: usize, expected: &'static str) -> LabelTableError {
        LabelTableError::Field {
            path: self.path.into(),
            line: self.number(),
            column: self.header.get(column).unwrap_or_default().into(),
            expected,
            found: self.text(column).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LabelTable, LabelTableError> {
        LabelTable::read(text.as_bytes(), Path::new("label.csv"))
    }

    #[test]
    fn both_forms_of_the_id_name_the_same_segment() {
        let sims = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n\
                    video_0001,0001,\"a, b\",-1.0,-0.6,0.2,0,Negative,valid\n";
        let table = read(sims).unwrap();
        let row = table.get(&SegmentKey::of("video_0001$_$1")).unwrap();
        assert_eq!((row.label, row.split), (Some(-1.0), Some(SplitName::Valid)));
        assert_eq!(row.labels_by_modality[&Modality::Audio], 0.2);
        let unlabelled = read("id,label\na_1,\n").unwrap();
        assert_eq!(unlabelled.get(&SegmentKey::of("a_1")).unwrap().label, None);
        let mosi = read("id,text,label,mode\n_dI--eQ6qVU_3,well,2.4,dev\n").unwrap();
        let key = SegmentKey::of("_dI--eQ6qVU[2]");
        assert!(mosi.get(&key).is_none() && mosi.get(&key.shifted(1)).is_some());
        assert_eq!(mosi.clip_shift([("_dI--eQ6qVU[2]", 2.4)].into_iter()), 1);
        assert_eq!(mosi.clip_shift([("_dI--eQ6qVU$_$3", 2.4)].into_iter()), 0);
    }

    #[test]
    fn what_is_wrong_with_a_table_is_said_with_its_place() {
        let message = |text| read(text).unwrap_err().to_string();
        assert!(message("name,label\na,1\n").contains("no column `id`"));
        let found = message("id,label\na_1,high\n");
        assert_eq!(found, "label.csv: line 2, column `label`: expected a number, found `high`");
        assert!(message("id,mode\na_1,rest\n").contains("expected train, valid or test"));
        assert!(message("id\na_1\na[1]\n").contains("line 3: segment `a[1]` appears a second"));
    }
}
