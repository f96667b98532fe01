//! Hints about tables of labels that a store is compared with.

use std::path::Path;

use super::Next::{Hands, Walk};
use super::{Row, elsewhere, put};
use crate::support::{almt, synthetic_store};

/// A store and a table beside it.
fn with_table(folder: &Path, table: &[u8]) {
    synthetic_store(folder, "mosi", "8");
    put(folder, "t.csv", table);
}

pub const ROWS: &[Row] = &[
    elsewhere(
        "name the table itself; those of all known datasets have a few MB",
        "a_file_too_large_for_a_table_is_refused_unread",
    ),
    Row {
        hint: "stores to check are named without `--labels`",
        make: |folder| with_table(folder, b""),
        calls: &["validate mosi.h5 --labels mosi.h5"],
        next: Walk(&[]),
    },
    Row {
        hint: "reads the table so",
        make: |folder| {
            with_table(
                folder,
                b"id,split,note\nsynth_train_0000$_$0,train,\xce\xd2\xb2\xbb\xcc\xab\n",
            )
        },
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[]),
    },
    elsewhere(
        "mend that line, or save the table as UTF-8",
        "encodings_are_told_by_the_file_or_refused_with_line_and_option",
    ),
    Row {
        hint: "save the table again; nothing was compared",
        make: |folder| with_table(folder, b"id,label\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "close the quotes, or write each quote within a text twice, as CSV asks",
        make: |folder| with_table(folder, b"id,label\n\"a_1,2\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "a text or number that has the separator in it stands in quotes",
        make: |folder| with_table(folder, b"id,label\na_1,2,3\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "write all numbers of the column alike",
        make: |folder| with_table(folder, b"id;label\na_1;1,5\nb_1;1.5\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    elsewhere(
        "a spreadsheet took an id that begins with `-` or `=` for a formula",
        "what_is_wrong_with_a_table_is_said_with_its_place",
    ),
    Row {
        hint: "a table has one row for each segment: remove one of the two",
        make: |folder| with_table(folder, b"id,label\na_1,2\na_1,3\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "without `--text-encoding` the table is read as it says",
        make: |folder| with_table(folder, b"\xef\xbb\xbfid,split\nsynth_train_0000$_$0,train\n"),
        calls: &["validate mosi.h5 --labels t.csv --text-encoding gbk"],
        next: Walk(&[]),
    },
    Row {
        hint: "say which column is which, counted from 1, such as `",
        make: |folder| with_table(folder, b"synth_train_0000$_$0,hello,2.4\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[]),
    },
    Row {
        hint: "says which it is; NAME may also be the number of the column, from 1",
        make: |folder| with_table(folder, b"what,split\nsynth_train_0000$_$0,train\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[("--column id=NAME", "id=what")]),
    },
    Row {
        hint: "say which it is, such as `--column ",
        make: |folder| {
            with_table(folder, b"id,split,label,sentiment\nsynth_train_0000$_$0,train,,\n")
        },
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[]),
    },
    Row {
        hint: "the call is `--column FIELD=NAME`, where NAME is in the first line of the table",
        make: |folder| with_table(folder, b"id,part\nsynth_train_0000$_$0,train\n"),
        calls: &["validate mosi.h5 --labels t.csv --column split=wrong"],
        next: Walk(&[("--column FIELD=NAME", "split=part")]),
    },
    Row {
        hint: "`--column label=NAME` says which column has the labels",
        make: |folder| {
            with_table(folder, b"id,split,label,note\nsynth_train_0000$_$0,train,two,\n")
        },
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[("--column label=NAME", "label=note")]),
    },
    Row {
        hint: "`--column split=NAME` says which column has the splits",
        make: |folder| {
            with_table(folder, b"id,split,label,part\nsynth_train_0000$_$0,two,,train\n")
        },
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[("--column split=NAME", "split=part"), ("--column FIELD=NAME", "split=part")]),
    },
    Row {
        hint: "`--column id=NAME` says another",
        make: |folder| with_table(folder, b"id,which,split\na_1,synth_train_0000$_$0,train\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[("--column id=NAME", "id=which")]),
    },
    Row {
        hint: "`--column label=NAME` says another",
        make: |folder| with_table(folder, b"id,label,which\nsynth_train_0000$_$0,,2.5\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[("--column label=NAME", "label=which")]),
    },
];

/// A hole, which takes no space.
#[test]
fn a_file_too_large_for_a_table_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    std::fs::File::create(folder.join("t.csv")).unwrap().set_len((1 << 30) + 1).unwrap();
    let call = almt(folder, &["validate", "mosi.h5", "--labels", "t.csv"]);
    assert!(call.stderr().contains("hint: name the table itself"), "{}", call.explain());
    call.fails_with(&["t.csv: not a table of labels: 1073741825 bytes, the limit is"]);
}
