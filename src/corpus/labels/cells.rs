//! Parses one field of a table: a number, a split, or a segment id.

use super::key::SegmentKey;
use crate::corpus::SplitName;

/// Texts for an absent label.
const NO_LABEL: [&str; 6] = ["", "nan", "na", "n/a", "null", "none"];

/// A number of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    pub(super) value: f32,
    /// Its decimal separator.
    pub(super) point: Point,
}

/// Decimal separator of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// No decimals.
    None,
    /// A point.
    Dot,
    /// A comma, as spreadsheets write it in much of Europe.
    Comma,
}

/// A field's number; `None` for an absent label.
///
/// # Errors
/// The field has other content.
pub(super) fn number(text: &str) -> Result<Option<Cell>, ()> {
    let text = text.trim();
    if NO_LABEL.iter().any(|none| text.eq_ignore_ascii_case(none)) {
        return Ok(None);
    }
    // The minus sign of word processors.
    let text = text.replace('\u{2212}', "-");
    let n_commas = text.bytes().filter(|byte| *byte == b',').count();
    let (text, point) = match (n_commas, text.contains('.')) {
        (0, false) => (text, Point::None),
        (0, true) => (text, Point::Dot),
        (1, false) => (text.replace(',', "."), Point::Comma),
        _ => return Err(()),
    };
    // Words that Rust parses as numbers are not numbers here.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    // A label that float32 cannot hold is none.
    let value = text.parse().ok().filter(|value: &f32| value.is_finite());
    value.map(|value| Some(Cell { value, point })).ok_or(())
}

/// A field's seconds, which may be written as `1:02:03.5`; `None` if it is empty.
///
/// # Errors
/// The field has other content.
pub(super) fn seconds(text: &str) -> Result<Option<f64>, ()> {
    let text = text.trim();
    if NO_LABEL.iter().any(|none| text.eq_ignore_ascii_case(none)) {
        return Ok(None);
    }
    let mut seconds = 0.0;
    let parts: Vec<&str> = text.split(':').collect();
    for (idx, part) in parts.iter().enumerate() {
        let is_number =
            part.starts_with(|c: char| c.is_ascii_digit()) && !part.contains(['e', 'E']);
        let value = part.replace(',', ".").parse::<f64>().ok().filter(|_| is_number).ok_or(())?;
        // Below a colon there are at most 60.
        if parts.len() > 3 || idx > 0 && value >= 60.0 {
            return Err(());
        }
        seconds = seconds * 60.0 + value;
    }
    Ok(Some(seconds))
}

/// A field's split; `None` if it is empty.
///
/// # Errors
/// The field is not a split.
pub(super) fn split(text: &str) -> Result<Option<SplitName>, ()> {
    match text.trim() {
        "" => Ok(None),
        word => SplitName::from_usual(word).map(Some).map_err(|_| ()),
    }
}

/// Extensions of segment files.
const MEDIA: [&str; 9] = [".wav", ".mp4", ".avi", ".mkv", ".flac", ".mp3", ".npy", ".pkl", ".txt"];

/// The segment named by an id, which may be a file name: `a/VIDEO_3.wav`, or `VIDEO/3.mp4` if the
/// folder is the video.
pub(super) fn segment(id: &str) -> SegmentKey {
    let lower = id.to_ascii_lowercase();
    let ending = MEDIA.iter().find(|ending| lower.ends_with(**ending));
    let stem =
        ending.and_then(|ending| id.get(..id.len().checked_sub(ending.len())?)).unwrap_or(id);
    let Some((folder, name)) = stem.rsplit_once(['/', '\\']) else { return SegmentKey::of(stem) };
    let is_clip = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    match folder.rsplit(['/', '\\']).next() {
        Some(video) if is_clip && !video.is_empty() => SegmentKey::new(video, name),
        _ => SegmentKey::of(name),
    }
}

/// Spreadsheets show this instead of an id that begins with `-` or `=`, interpreting it as a formula.
pub(super) fn is_formula_error(id: &str) -> bool {
    ["#NAME?", "#REF!", "#VALUE!", "#ERROR!", "Err:509", "Err:508"].contains(&id.trim())
}

/// A clip that a spreadsheet or pandas converted to a number: `11.0` is `11`.
pub(super) fn clip(text: &str) -> &str {
    let text = text.trim();
    match text.split_once('.') {
        Some((whole, decimals))
            if !whole.is_empty()
                && whole.bytes().all(|byte| byte.is_ascii_digit())
                && !decimals.is_empty()
                && decimals.bytes().all(|byte| byte == b'0') =>
        {
            whole
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let value = |text| number(text).unwrap().map(|cell| cell.value);
        assert_eq!(value(" -1.5 "), Some(-1.5));
        assert_eq!(value("2,4"), Some(2.4));
        assert_eq!(value("\u{2212}0,6"), Some(-0.6));
        assert_eq!((value("nan"), value("NA"), value("")), (None, None, None));
        for wrong in ["1e39", "1,234.5", "1.234,5", "1,2,3", "high", "inf", "-", "1 2"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
        assert_eq!(number("1,5").unwrap().unwrap().point, Point::Comma);
        assert_eq!(split(" Validation ").unwrap(), Some(SplitName::Valid));
        assert!(split("rest").is_err());
        assert_eq!((seconds("3.25"), seconds("")), (Ok(Some(3.25)), Ok(None)));
        assert_eq!(seconds("1:02:03,5"), Ok(Some(3723.5)));
        for wrong in ["-1", "1e3", "soon", "1:75", "1::2", "1:2:3:4", "inf"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_files_name_segments() {
        let key = SegmentKey::of("03bSnISJMiM$_$11");
        for id in ["03bSnISJMiM_11.wav", "Raw/03bSnISJMiM/0011.mp4", "wav\\03bSnISJMiM_11.WAV"] {
            assert_eq!(segment(id), key, "{id}");
        }
        assert_eq!(clip("11.0"), "11");
        assert_eq!(clip("11.5"), "11.5");
    }
}
