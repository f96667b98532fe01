//! Tables of numbers as text, a line per frame: those of OpenFace, and plain ones with or without names
//! in the first line.

use ndarray::Array2;

use super::error::FrameError;
use super::form::{Face, FrameTimes, Frames, n_values};
use crate::words::shortened;

/// Columns of OpenFace that are no features: which frame it is, and whether it has a face. Older builds
/// write a blank before each name.
const OPENFACE: [&str; 5] = ["frame", "face_id", "timestamp", "confidence", "success"];

/// Separators of fields; a blank, which `numpy.savetxt` writes, only if there is no other.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b' '];

/// Columns from which on a first line of 0, 1, 2 and so on is hardly a frame: pandas writes it where columns have no
/// names.
const LEAST_COUNTED: usize = 3;

/// What programs write in place of a value that is missing, in lower case; NaN is a number.
const MISSING: [&str; 12] = [
    "na",
    "n/a",
    "#n/a",
    "<na>",
    "null",
    "none",
    "nil",
    "undefined",
    "--undefined--",
    "-",
    "?",
    ".",
];

/// Reads a table.
///
/// # Errors
/// It is not text, its lines differ in their number of fields, a field is not a number, or the first line may
/// be a header or a frame.
pub(super) fn read(bytes: &[u8]) -> Result<Frames, FrameError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| FrameError::NotText)?;
    let first = text.lines().find(|line| !line.trim().is_empty()).ok_or(FrameError::Empty)?;
    let mut lines = ::csv::ReaderBuilder::new()
        .delimiter(separator(first))
        .has_headers(false)
        .flexible(true)
        .trim(::csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut record = ::csv::StringRecord::new();
    let mut table = Table::default();
    // The text is UTF-8 and lines may have any number of fields, so that reading one cannot fail.
    while lines.read_record(&mut record).unwrap_or(false) {
        let is_blank = record.iter().all(str::is_empty);
        if !is_blank {
            table.add(&record)?;
        }
    }
    table.frames()
}

/// The separator with the most fields in the first line.
fn separator(first: &str) -> u8 {
    let n_fields = |byte: &u8| first.trim().bytes().filter(|found| found == byte).count();
    let is_blank_last = |byte: &u8| *byte != b' ';
    let best = SEPARATORS.into_iter().rev().max_by_key(|byte| {
        let n_fields = n_fields(byte);
        (is_blank_last(byte) && n_fields > 0, n_fields)
    });
    best.unwrap_or(b',')
}

/// A table being read.
#[derive(Default)]
struct Table {
    /// Names of the columns, if the first line has them.
    header: Option<Vec<String>>,
    /// Number of the first line, if it counts the columns.
    counted_line: Option<u64>,
    /// Whether a line after it has a number without decimals.
    has_integers: bool,
    /// Places of OpenFace's columns in the order of [`OPENFACE`]; the last two are there.
    openface: Option<[Option<usize>; 5]>,
    /// Fields of a line.
    n_fields: Option<usize>,
    values: Vec<f64>,
    n_frames: u64,
    faces: Vec<Face>,
    /// When frames begin, if OpenFace's column is there.
    starts: Vec<f64>,
    /// Number of the last frame as written in the table.
    last_frame: Option<String>,
}

impl Table {
    fn add(&mut self, record: &::csv::StringRecord) -> Result<(), FrameError> {
        let line = record.position().map_or(0, ::csv::Position::line);
        let Some(expected) = self.n_fields else {
            self.n_fields = Some(record.len());
            if is_counted(record) {
                self.counted_line = Some(line);
                return Ok(());
            }
            if !is_header(record) {
                return self.add_frame(record, line);
            }
            if lacks_names(record) {
                let found = record.iter().collect::<Vec<&str>>().join(",");
                return Err(FrameError::MissingOrName { line, found: shortened(&found) });
            }
            self.take_header(record);
            return Ok(());
        };
        if record.len() != expected {
            return Err(FrameError::Fields { line, expected, found: record.len() });
        }
        self.has_integers |= self.counted_line.is_some() && record.iter().any(is_integer);
        self.add_frame(record, line)
    }

    fn take_header(&mut self, record: &::csv::StringRecord) {
        let names: Vec<String> = record.iter().map(str::to_owned).collect();
        let place = |name: &str| names.iter().position(|known| known.eq_ignore_ascii_case(name));
        let places = OPENFACE.map(place);
        if let [_, _, _, Some(_), Some(_)] = places {
            self.openface = Some(places);
        }
        self.header = Some(names);
    }

    /// Whether a column has no feature.
    fn is_about_frame(&self, place: usize) -> bool {
        self.openface.is_some_and(|places| places.contains(&Some(place)))
    }

    fn add_frame(&mut self, record: &::csv::StringRecord, line: u64) -> Result<(), FrameError> {
        n_values(self.n_frames.saturating_add(1), record.len() as u64)?;
        let read = |place: usize, field: &str| {
            number(field).ok_or_else(|| FrameError::Number {
                line,
                column: match self.header.as_ref().and_then(|names| names.get(place)) {
                    Some(name) => format!("`{}`", shortened(name)),
                    None => place.saturating_add(1).to_string(),
                },
                found: shortened(field),
            })
        };
        for (place, field) in record.iter().enumerate() {
            let value = read(place, field)?;
            if !self.is_about_frame(place) {
                self.values.push(value);
            }
        }
        if let Some([frame, _, timestamp, Some(confidence), Some(success)]) = self.openface {
            let field = |place: usize| record.get(place).unwrap_or_default();
            let frame = frame.map(|place| field(place).to_owned());
            if frame.is_some() && frame == self.last_frame {
                let frame = frame.unwrap_or_default();
                return Err(FrameError::SecondFace { line, frame });
            }
            self.last_frame = frame;
            let value = |place: usize| number(field(place)).unwrap_or(0.0);
            let (confidence, is_success) = (value(confidence), value(success) != 0.0);
            self.faces.push(Face { is_success, confidence });
            self.starts.extend(timestamp.map(value));
        }
        self.n_frames = self.n_frames.saturating_add(1);
        Ok(())
    }

    /// Takes a first line that counts the columns for the frame or the header that it is. Numbers with decimals alone
    /// are of a program that writes a frame as 0.0, 1.0, 2.0, so that it is a header; of one or two columns, 0 and 1
    /// are as likely a frame.
    fn settle_counted_line(&mut self) -> Result<(), FrameError> {
        let Some(line) = self.counted_line else { return Ok(()) };
        let n_fields = self.n_fields.unwrap_or(0);
        match (n_fields >= LEAST_COUNTED, self.has_integers) {
            (true, false) if self.n_frames > 0 => Ok(()),
            (false, true) => {
                self.counted_line = None;
                self.values.splice(0..0, (0..n_fields).map(|place| place as f64));
                self.n_frames = self.n_frames.saturating_add(1);
                Ok(())
            }
            _ => Err(FrameError::CountedLine { line }),
        }
    }

    fn frames(mut self) -> Result<Frames, FrameError> {
        self.settle_counted_line()?;
        let n_frames = self.n_frames as usize;
        let n_cols = self.values.len().checked_div(n_frames).ok_or(FrameError::NoFrames)?;
        let is_openface = self.openface.is_some();
        let places = (0..self.n_fields.unwrap_or(0)).filter(|place| !self.is_about_frame(*place));
        let names = self.header.as_ref().map(|names| {
            places.filter_map(|place| names.get(place)).cloned().collect::<Vec<String>>()
        });
        let values = Array2::from_shape_vec((n_frames, n_cols), self.values);
        let values = values.map_err(|error| FrameError::Form {
            expected: "lines of equal length",
            found: error.to_string(),
        })?;
        let has_times = !self.starts.is_empty() && self.starts.is_sorted();
        let times = has_times.then(|| FrameTimes::of_starts(&self.starts, "column `timestamp`"));
        Ok(Frames {
            values,
            kind: if is_openface { "OpenFace CSV" } else { "CSV" },
            dtype: "decimals",
            names,
            faces: is_openface.then_some(self.faces),
            times,
            has_counted_header: self.counted_line.is_some(),
        })
    }
}

/// Whether a first line names the columns: words alone, or words and the numbers of the other columns, as pandas
/// writes them. A frame with a field that is not a number is none.
fn is_header(record: &::csv::StringRecord) -> bool {
    let (numbers, words): (Vec<&str>, Vec<&str>) =
        record.iter().filter(|field| !field.is_empty()).partition(|field| number(field).is_some());
    let mut numbered = numbers.iter().enumerate();
    !words.is_empty() && numbered.all(|(place, field)| *field == place.to_string())
}

/// Whether a first line is 0, 1, 2 and so on.
fn is_counted(record: &::csv::StringRecord) -> bool {
    let mut fields = record.iter().enumerate();
    fields.all(|(place, field)| field == place.to_string())
}

fn is_integer(field: &str) -> bool {
    field.parse::<i64>().is_ok()
}

/// Whether each word of a header may stand for a missing value, so that the line may be a frame.
fn lacks_names(record: &::csv::StringRecord) -> bool {
    let mut words = record.iter().filter(|field| !field.is_empty() && number(field).is_none());
    words.all(|word| MISSING.contains(&&*word.to_ascii_lowercase()))
}

/// A field as a number; the words for no number that C and .NET write, too.
fn number(field: &str) -> Option<f64> {
    match field.parse() {
        Ok(value) => Some(value),
        Err(_) => {
            let lower = field.trim_start_matches('-').to_ascii_lowercase();
            let is_nan = ["nan(ind)", "nan(snan)", "1.#ind", "1.#qnan"].contains(&&*lower);
            is_nan.then_some(f64::NAN)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openface_is_told_from_other_tables() {
        let table = "frame, face_id, timestamp, confidence, success, gaze_0_x, AU01_r\n\
                     1, 0, 0.000, 0.98, 1, 0.25, 1.5\n2, 0, 0.033, 0.00, 0, 0, 0\n";
        let frames = read(table.as_bytes()).unwrap();
        assert_eq!(frames.values, ndarray::arr2(&[[0.25, 1.5], [0.0, 0.0]]));
        assert_eq!(frames.names.unwrap(), ["gaze_0_x", "AU01_r"]);
        let faces = frames.faces.unwrap();
        assert_eq!(faces[0], Face { is_success: true, confidence: 0.98 });
        assert!(!faces[1].is_success);
        assert_eq!(frames.times.unwrap().intervals, [[0.0, 0.033], [0.033, 0.066]]);
        let twice = table.replace("\n2,", "\n1,");
        let error = read(twice.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "line 3: a second face of frame 1, and features are those of one");
    }

    #[test]
    fn a_first_frame_with_a_field_that_is_no_number_is_no_header() {
        for field in ["NA", "--undefined--"] {
            let error = read(format!("0.1,{field},0.3\n4,5,6\n").as_bytes()).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with("line 1") && error.contains(field), "{error}");
        }
    }

    #[test]
    fn a_first_line_that_counts_the_columns_is_a_header_or_refused() {
        let header = |table: &str| {
            let frames = read(table.as_bytes()).unwrap();
            assert!(frames.has_counted_header && frames.names.is_none(), "{table:?}");
            frames.values
        };
        let expected = ndarray::arr2(&[[0.5, 1.0, 2.0], [3.5, -1e-3, 4.0]]);
        assert_eq!(header("0,1,2\n0.5,1.0,2.0\n3.5,-1e-3,4.0\n"), expected);
        assert!(header("0\t1\t2\t3\n0.5\tnan\tinf\t1.0\n")[[0, 1]].is_nan());
        // A program that writes 1.0 as 1, or nothing but a header.
        for table in [
            "0,1,2\n0.5,1,2.5\n",
            "0,1,2\n3,4,5\n",
            "0 1 2\n",
            "0,1,2\n0.5,1.5,2.5\n1,2,3\n",
            // Of few columns, 0 and 1 may well be the values of a frame.
            "0,1\n0.5,1.5\n",
            "0\n0.5\n",
            "0\n",
        ] {
            let error = read(table.as_bytes()).unwrap_err().to_string();
            let problem =
                "line 1 counts the columns (0, 1, 2, …), and may be their header or a frame: ";
            assert!(error.starts_with(problem), "{table:?}: {error}");
        }
        // Frames like others.
        for (table, first) in [
            ("0,1\n3,1.5\n", 0.0),
            ("0\n1\n", 0.0),
            ("0.0,1.0,2.0\n0.5,1.5,2.5\n", 0.0),
            ("1,2,3\n0.5,1.5,2.5\n", 1.0),
        ] {
            let frames = read(table.as_bytes()).unwrap();
            assert_eq!((frames.values.nrows(), frames.has_counted_header), (2, false), "{table:?}");
            assert_eq!(frames.values[[0, 0]], first, "{table:?}");
        }
    }

    #[test]
    fn a_first_line_that_may_lack_values_is_refused() {
        for line in ["NA,0,1", "0,n/a,1", "--undefined--,--undefined--", "?,,?"] {
            let error = read(format!("{line}\n4,5,6\n").as_bytes()).unwrap_err().to_string();
            let problem =
                format!("line 1 (`{line}`) may be names of columns or a frame that lacks values: ");
            assert!(error.starts_with(&problem), "{error}");
        }
        for line in ["x,0,1", "x,NA,0", "mean,NA,none"] {
            let frames = read(format!("{line}\n4,5,6\n").as_bytes()).unwrap();
            let names: Vec<&str> = line.split(',').collect();
            assert_eq!(
                (frames.values.nrows(), frames.names.unwrap()),
                (1, names.iter().map(|it| (*it).into()).collect::<Vec<String>>())
            );
        }
    }

    #[test]
    fn plain_tables_are_read_with_any_separator_and_with_or_without_names() {
        let expected = ndarray::arr2(&[[1.0, -2.5], [3.0, 4e-3]]);
        for table in [
            "1,-2.5\n3,4e-3\n",
            "a,b\n1,-2.5\n3,4e-3",
            "x,0\n1,-2.5\n3,4e-3",
            "\u{feff}a;b\r\n1;-2.5\r\n3;4e-3\r\n",
            "1\t-2.5\n\n3\t4e-3\n",
            "1.0e+00 -2.5e+00\n3 0.004\n",
        ] {
            assert_eq!(read(table.as_bytes()).unwrap().values, expected, "{table:?}");
        }
        assert!(read(b"1,-nan(ind)\n").unwrap().values[[0, 1]].is_nan());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error = |table: &[u8]| read(table).unwrap_err().to_string();
        assert_eq!(error(b"\n\n"), "the file is empty");
        assert_eq!(error(b"a,b\n"), "it has no frames");
        assert_eq!(error(b"a,b\n1,2\n3,x\n"), "line 3, column `b`: expected a number, found `x`");
        assert_eq!(error(b"1,2\n3,\n"), "line 2, column 2: expected a number, found ``");
        assert_eq!(error(b"1,2\n3\n"), "line 2: expected 2 fields, as in the first line, found 1");
        assert_eq!(error(b"\xff\xfe1\0"), "it is not text in UTF-8");
        assert!(error(b"a;b\n1,5;2,5\n").contains("found `1,5`"));
    }
}
