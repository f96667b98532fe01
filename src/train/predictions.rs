//! Predictions beside labels, a row per segment.

use std::io;
use std::path::Path;

use crate::corpus::SplitName;
use crate::corpus::label::BinScheme;
use crate::publish::Draft;

/// One segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Segment id.
    pub id: String,
    /// Its split.
    pub split: SplitName,
    /// The annotators' mean.
    pub label: f32,
    /// The model's.
    pub prediction: f32,
}

/// Writes `id,split,label,prediction` and, for every scheme of bins, the class of each, as CSV; the
/// numbers come back to the bit when read as float32.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(path: &Path, scheme: BinScheme, rows: &[Prediction]) -> io::Result<()> {
    let draft = Draft::new(path, true)?;
    let mut writer = csv::Writer::from_path(draft.path())?;
    let mut header: Vec<String> = ["id", "split", "label", "prediction"].map(String::from).into();
    for bins in scheme.bins() {
        header.extend(["label", "prediction"].map(|of| format!("{}_{of}", bins.name())));
    }
    writer.write_record(&header)?;
    for row in rows {
        let mut record = vec![
            row.id.clone(),
            row.split.to_string(),
            row.label.to_string(),
            row.prediction.to_string(),
        ];
        for bins in scheme.bins() {
            let class = |value| scheme.class(*bins, value).to_string();
            record.extend([class(row.label), class(row.prediction)]);
        }
        writer.write_record(&record)?;
    }
    writer.flush()?;
    drop(writer);
    draft.publish()
}

/// Reads what [`write()`] wrote; further columns are left alone.
///
/// # Errors
/// The file cannot be read, or a column or a number is missing.
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
    let mut rows = Vec::new();
    for (row_idx, record) in reader.records().enumerate() {
        let record = record?;
        let field = |column| record.get(column).unwrap_or_default();
        let number = |column| {
            let text = field(column);
            text.parse::<f32>().map_err(|_| malformed(format!("row {row_idx}: `{text}`")))
        };
        let split = field(split).parse();
        rows.push(Prediction {
            id: field(id).to_owned(),
            split: split.map_err(|error| malformed(format!("row {row_idx}: {error}")))?,
            label: number(label)?,
            prediction: number(prediction)?,
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
            label,
            prediction,
        };
        let rows = [
            row("a$_$1", -3.0, f32::from_bits(0x3e4c_cccd)),
            row("with,comma", 0.1 + 0.2, -1.0e-39),
            row("\"quoted\"", 1.0 / 3.0, 16_777_217.0),
        ];
        write(&path, BinScheme::Cmu, &rows).unwrap();
        let back = read(&path).unwrap();
        let bits = |rows: &[Prediction]| -> Vec<[u32; 2]> {
            rows.iter().map(|row| [row.label.to_bits(), row.prediction.to_bits()]).collect()
        };
        assert_eq!(back, rows);
        assert_eq!(bits(&back), bits(&rows));
    }
}
