//! Hints about label tables that a store is compared with.

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
        "name the label table itself, which has a few MB for all known datasets",
        "a_file_too_large_for_a_table_is_refused_unread",
    ),
    Row {
        hint: "pass stores without `--labels`",
        make: |folder| with_table(folder, b""),
        calls: &["validate mosi.h5 --labels mosi.h5"],
        next: Walk(&[]),
    },
    Row {
        hint: "decodes the table",
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
        "fix that line, or save the table as UTF-8",
        "encodings_are_told_by_the_file_or_refused_with_line_and_option",
    ),
    Row {
        hint: "save the table again",
        make: |folder| with_table(folder, b"id,label\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "close the quotes, or double each quote inside a text, as CSV requires",
        make: |folder| with_table(folder, b"id,label\n\"a_1,2\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "a field that contains the separator must be quoted",
        make: |folder| with_table(folder, b"id,label\na_1,2,3\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "write all numbers of the column in the same notation",
        make: |folder| with_table(folder, b"id;label\na_1;1,5\nb_1;1.5\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    elsewhere(
        "a spreadsheet interpreted an id starting with `-` or `=` as a formula",
        "what_is_wrong_with_a_table_is_said_with_its_place",
    ),
    Row {
        hint: "a table has one row per segment: remove one of the two",
        make: |folder| with_table(folder, b"id,label\na_1,2\na_1,3\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "without `--text-encoding` the table is read in the encoding that it declares",
        make: |folder| with_table(folder, b"\xef\xbb\xbfid,split\nsynth_train_0000$_$0,train\n"),
        calls: &["validate mosi.h5 --labels t.csv --text-encoding gbk"],
        next: Walk(&[]),
    },
    Row {
        hint: "assign the columns by number, from 1, such as `",
        make: |folder| with_table(folder, b"synth_train_0000$_$0,hello,2.4\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[]),
    },
    Row {
        hint: "assigns it; NAME may also be a column number, from 1",
        make: |folder| with_table(folder, b"what,split\nsynth_train_0000$_$0,train\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[("--column id=NAME", "id=what")]),
    },
    Row {
        hint: "choose one, such as `--column ",
        make: |folder| {
            with_table(folder, b"id,split,label,sentiment\nsynth_train_0000$_$0,train,,\n")
        },
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[]),
    },
    Row {
        hint: "the form is `--column FIELD=NAME`, where NAME is in the first line of the table",
        make: |folder| with_table(folder, b"id,part\nsynth_train_0000$_$0,train\n"),
        calls: &["validate mosi.h5 --labels t.csv --column split=wrong"],
        next: Walk(&[("--column FIELD=NAME", "split=part")]),
    },
    Row {
        hint: "`--column label=NAME` names the column with the labels",
        make: |folder| {
            with_table(folder, b"id,split,label,note\nsynth_train_0000$_$0,train,two,\n")
        },
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[("--column label=NAME", "label=note")]),
    },
    Row {
        hint: "`--column split=NAME` names the column with the splits",
        make: |folder| {
            with_table(folder, b"id,split,label,part\nsynth_train_0000$_$0,two,,train\n")
        },
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[("--column split=NAME", "split=part"), ("--column FIELD=NAME", "split=part")]),
    },
    Row {
        hint: "`--column id=NAME` names another",
        make: |folder| with_table(folder, b"id,which,split\na_1,synth_train_0000$_$0,train\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Walk(&[("--column id=NAME", "id=which")]),
    },
    Row {
        hint: "convert a source that has them, and compare that store with the table",
        make: |folder| {
            with_table(folder, b"id,label\nsynth_train_0000$_$0,2.5\n");
            let mut editor = crate::rules::Editor::open(&folder.join("mosi.h5"));
            for split in ["train", "valid", "test"] {
                editor.remove(&format!("/{split}/regression_labels"));
            }
            editor.seal();
        },
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "convert a source that has them, and compare that store with the table",
        make: |folder| with_table(folder, b"id,label_T\nsynth_train_0000$_$0,2.5\n"),
        calls: &["validate mosi.h5 --labels t.csv"],
        next: Hands,
    },
    Row {
        hint: "`--column label=NAME` names another",
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
    assert!(call.stderr().contains("hint: name the label table itself"), "{}", call.explain());
    call.fails_with(&["t.csv: not a table of labels: 1073741825 bytes, the limit is"]);
}
