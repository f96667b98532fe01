//! Predictions next to labels, one row per segment.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::corpus::SplitName;
use crate::corpus::label::LabelScale;
use crate::export::{Table, Values, table_parquet};
use crate::publish::{self, Draft};

/// One segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Segment id.
    pub id: String,
    /// Its split.
    pub split: SplitName,
    /// The annotators' mean, if labelled.
    pub label: Option<f32>,
    /// The model's prediction.
    pub prediction: f32,
    /// Whether the segment was truncated to the model's length.
    pub is_cut: bool,
}

impl Prediction {
    /// The label; NaN if absent.
    pub fn label_or_nan(&self) -> f32 {
        self.label.unwrap_or(f32::NAN)
    }

    /// Prediction minus label; NaN without a label.
    pub fn error(&self) -> f64 {
        f64::from(self.prediction) - f64::from(self.label_or_nan())
    }
}

/// The columns of a prediction file: the segment and, for every binning scheme, the classes of label and
/// prediction; with `is_cut` if segments were truncated.
pub fn columns(scale: LabelScale<'_>, is_cut: bool) -> Vec<String> {
    let mut columns: Vec<String> = ["id", "split", "label", "prediction"].map(String::from).into();
    for bins in scale.bins().iter() {
        columns.extend(["label", "prediction"].map(|of| format!("{}_{of}", bins.name())));
    }
    columns.extend(is_cut.then(|| "is_cut".into()));
    columns
}

/// Writes `id,split,label,prediction` and, for every binning scheme, the class of each, as CSV; numbers
/// round-trip exactly as float32. Fields of absent labels are empty. If segments were truncated, the
/// last column is `is_cut`, 1 for those.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(path: &Path, scale: LabelScale<'_>, rows: &[Prediction]) -> io::Result<()> {
    let draft = Draft::new(path, true)?;
    write_to(File::create(draft.path())?, scale, rows)?;
    draft.publish()
}

/// Like [`write()`], to any writer.
///
/// # Errors
/// `out` cannot be written to.
pub fn write_to(out: impl io::Write, scale: LabelScale<'_>, rows: &[Prediction]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let any_cut = rows.iter().any(|row| row.is_cut);
    writer.write_record(columns(scale, any_cut))?;
    for row in rows {
        let mut record = vec![
            row.id.clone(),
            row.split.to_string(),
            row.label.map_or(String::new(), |label| label.to_string()),
            row.prediction.to_string(),
        ];
        for bins in scale.bins().iter() {
            let class = |value: f32| scale.class(*bins, value).to_string();
            record.extend([row.label.map_or(String::new(), class), class(row.prediction)]);
        }
        record.extend(any_cut.then(|| u8::from(row.is_cut).to_string()));
        writer.write_record(&record)?;
    }
    writer.flush()
}

/// Writes the columns of [`write()`] as Parquet: texts, float32, and int8 for classes; null instead of
/// empty fields.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_parquet(path: &Path, scale: LabelScale<'_>, rows: &[Prediction]) -> io::Result<()> {
    type Number = fn(&Prediction) -> Option<f32>;
    const NUMBERS: [(&str, Number); 2] =
        [("label", |row| row.label), ("prediction", |row| Some(row.prediction))];
    let ids = rows.iter().map(|row| Some(row.id.clone())).collect();
    let splits = rows.iter().map(|row| Some(row.split.to_string())).collect();
    let mut table =
        Table::default().with("id", Values::Text(ids)).with("split", Values::Text(splits));
    for (name, number) in NUMBERS {
        table.push(name, Values::Float32(rows.iter().map(number).collect()));
    }
    for bins in scale.bins().iter() {
        for (of, number) in NUMBERS {
            let class = |row| number(row).map(|value| scale.class(*bins, value));
            let name = format!("{}_{of}", bins.name());
            table.push(&name, Values::Int8(rows.iter().map(class).collect()));
        }
    }
    if rows.iter().any(|row| row.is_cut) {
        let is_cut = rows.iter().map(|row| Some(row.is_cut.into())).collect();
        table.push("is_cut", Values::Int8(is_cut));
    }
    publish::write(path, &table_parquet(&table)?)
}

/// The columns of a file other than those of [`write()`] for a published dataset, or for labels `own`.
///
/// # Errors
/// The file cannot be read.
pub fn unknown_columns(path: &Path, own: LabelScale<'_>) -> io::Result<Vec<String>> {
    let mut reader = csv::Reader::from_path(path)?;
    let known = [LabelScale::Cmu, LabelScale::Sims, own].map(|scale| columns(scale, true)).concat();
    let is_known = |name: &&str| known.iter().any(|known| known == name);
    let header = reader.headers()?;
    Ok(header.iter().filter(|name| !is_known(name)).map(str::to_owned).collect())
}

/// Reads the output of [`write()`]; other columns are ignored, and [`unknown_columns`] names them.
///
/// # Errors
/// The file cannot be read, a column or a number is missing, or a segment occurs twice.
pub fn read(path: &Path) -> io::Result<Vec<Prediction>> {
    let mut reader = csv::Reader::from_path(path)?;
    let malformed = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let header = reader.headers()?.clone();
    let column = |name: &str| {
        let place = header.iter().position(|each| each == name);
        place.ok_or_else(|| malformed(format!("column `{name}` is absent")))
    };
    let [id, split, label, prediction] =
        [column("id")?, column("split")?, column("label")?, column("prediction")?];
    let is_cut = header.iter().position(|each| each == "is_cut");
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for (row_idx, record) in reader.records().enumerate() {
        let record = record?;
        let field = |column| record.get(column).unwrap_or_default();
        let number = |column| {
            let text = field(column);
            text.parse::<f32>().map_err(|_| malformed(format!("row {row_idx}: `{text}`")))
        };
        let split: Result<SplitName, _> = field(split).parse();
        let split = split.map_err(|error| malformed(format!("row {row_idx}: {error}")))?;
        if !seen.insert((field(id).to_owned(), split)) {
            return Err(malformed(format!("row {row_idx}: segment `{}` appears twice", field(id))));
        }
        rows.push(Prediction {
            id: field(id).to_owned(),
            split,
            label: match field(label) {
                "" => None,
                _ => Some(number(label)?),
            },
            prediction: number(prediction)?,
            is_cut: is_cut.is_some_and(|column| field(column) == "1"),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        let row = |id: &str, label, prediction| Prediction {
            id: id.into(),
            split: SplitName::Test,
            label: Some(label),
            prediction,
            is_cut: false,
        };
        let rows = [
            row("a$_$1", -3.0, f32::from_bits(0x3e4c_cccd)),
            row("with,comma", 0.1 + 0.2, -1.0e-39),
            row("\"quoted\"", 1.0 / 3.0, 16_777_217.0),
        ];
        write(&path, LabelScale::Cmu, &rows).unwrap();
        let back = read(&path).unwrap();
        let bits = |rows: &[Prediction]| -> Vec<[u32; 2]> {
            let label = |row: &Prediction| row.label.map_or(0, f32::to_bits);
            rows.iter().map(|row| [label(row), row.prediction.to_bits()]).collect()
        };
        assert_eq!(back, rows);
        assert_eq!(bits(&back), bits(&rows));
    }

    #[cfg(feature = "parquet")]
    #[test]
    fn parquet_has_the_columns_of_the_csv_file_with_their_types() {
        use polars::prelude::{ParquetReader, SerReader};

        let folder = tempfile::tempdir().unwrap();
        let (csv, parquet) = (folder.path().join("p.csv"), folder.path().join("p.parquet"));
        let row = |id: &str, label, prediction| Prediction {
            id: id.into(),
            split: SplitName::Valid,
            label: Some(label),
            prediction,
            is_cut: false,
        };
        let rows = [row("a,1", 0.0, 0.1 + 0.2), row("b", -2.5, 1.0 / 3.0)];
        write(&csv, LabelScale::Cmu, &rows).unwrap();
        write_parquet(&parquet, LabelScale::Cmu, &rows).unwrap();
        let table = ParquetReader::new(std::fs::File::open(&parquet).unwrap()).finish().unwrap();
        let mut reader = csv::Reader::from_path(&csv).unwrap();
        let header: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
        assert_eq!(table.get_column_names_owned(), header);
        let texts = |name: &str| -> Vec<Option<&str>> {
            table.column(name).unwrap().str().unwrap().iter().collect()
        };
        assert_eq!(texts("id"), [Some("a,1"), Some("b")]);
        assert_eq!(texts("split"), [Some("valid"); 2]);
        let predictions = table.column("prediction").unwrap().f32().unwrap();
        let expected = rows.iter().map(|row| Some(row.prediction));
        assert!(predictions.iter().eq(expected));
        let classes = table.column("acc_2_non0_label").unwrap().i8().unwrap();
        assert!(classes.iter().eq([Some(-1), Some(0)]));
    }
}
