//! Any bytes, read as a label table in the encoding and with the columns chosen by the first byte, give
//! rows whose segments are found again, or an error of one line.

#![no_main]

use std::path::Path;

use almt_data::advice::Advise;
use almt_data::corpus::labels::{LabelTable, SegmentKey, TableOptions};
use libfuzzer_sys::fuzz_target;

const ENCODINGS: [Option<&str>; 6] =
    [None, Some("utf-8"), Some("gbk"), Some("utf-16le"), Some("windows-1252"), Some("shift_jis")];
const COLUMNS: [&[&str]; 4] = [
    &[],
    &["id=1", "label=2"],
    &["video=3", "clip=4", "label=5"],
    &["id=name", "label_T=2", "text=3", "split=4"],
];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let choice = usize::from(*choice);
    let encoding = ENCODINGS[choice % ENCODINGS.len()];
    let columns = COLUMNS[choice / ENCODINGS.len() % COLUMNS.len()];
    let options = TableOptions {
        columns: columns.iter().map(|text| text.parse().unwrap()).collect(),
        encoding: encoding.map(|name| name.parse().unwrap()),
        is_source: choice % 2 == 1,
        label_scale: None,
    };
    match LabelTable::parse(bytes, Path::new("fuzz.csv"), &options) {
        Ok(table) => {
            assert!(!table.is_empty());
            assert!(table.rows().all(|(key, _)| table.get(key).is_some()));
            let ids = table.rows().map(|(_, row)| (row.id.as_str(), 0.0, row.text.as_deref()));
            assert!(table.clip_shift(ids).abs() <= 1);
            let _ = SegmentKey::of("a_1").shifted(-1);
        }
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "{error}");
            assert!(error.advice().iter().all(|advice| !format!("{advice:?}").contains('\n')));
        }
    }
});
