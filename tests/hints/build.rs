//! Hints about tables of clips and their files.

use std::path::Path;

use ndarray::Array2;

use super::Next::{Hands, Walk};
use super::Row;
use crate::build::{npy, put};
use crate::timings::{clip, sequence, textgrid};

const TABLE: &str = "video_id,clip_id,label,mode,name,number\nx,1,1,train,a,5\nx,2,0,train,a,6\n";

/// A table of two clips, and a folder with a file for each of `names`.
fn clips(folder: &Path, table: &str, names: &[&str]) {
    put(folder, "label.csv", table);
    let features = npy(&Array2::from_elem((3, 2), 0.5));
    names.iter().for_each(|name| put(folder, &format!("features/{name}.npy"), &features));
}

/// A table, and a sequence with an entry.
fn rows(folder: &Path, table: &str, entry: &str) {
    put(folder, "label.csv", table);
    let values = Array2::from_elem((1, 2), 0.5);
    sequence(&folder.join("rows.csd"), &[(entry, &[[0.0, 1.0]], &values)]);
}

const ROWS_CALL: &[&str] = &["build --labels label.csv --audio rows.csd --dataset mosi"];

const CALL: &[&str] = &["build --labels label.csv --vision features --dataset mosi"];

pub const ROWS: &[Row] = &[
    Row {
        hint: "makes a store of them and a table of clips, see `docs/own-data.md`",
        make: |folder| clips(folder, TABLE, &["x_1", "x_2"]),
        calls: &["convert features"],
        next: Walk(&[(
            "almt-data build --labels label.csv --vision features",
            "build --labels label.csv --vision features --dataset mosi",
        )]),
    },
    // A table among the arrays.
    Row {
        hint: "`almt-data build --labels features/label.csv --vision features` makes a store of them \
               and a table of clips, see `docs/own-data.md`",
        make: |folder| {
            clips(folder, TABLE, &["x_1", "x_2"]);
            std::fs::rename(folder.join("label.csv"), folder.join("features/label.csv")).unwrap();
        },
        calls: &["convert features"],
        next: Walk(&[(
            "almt-data build --labels features/label.csv --vision features",
            "build --labels features/label.csv --vision features --dataset mosi",
        )]),
    },
    Row {
        hint: "name each file after its clip, such as `VIDEO_CLIP.npy` or `VIDEO/CLIP.csv`",
        make: |folder| clips(folder, TABLE, &["a_1", "a_2", "x_5", "x_6"]),
        calls: CALL,
        next: Walk(&[("--column video=NAME", "video=name"), ("--column clip=NAME", "clip=number")]),
    },
    Row {
        hint: "omit `--failed-faces`, which is for the `.csv` files of OpenFace",
        make: |folder| clips(folder, TABLE, &["x_1", "x_2"]),
        calls: &["build --labels label.csv --vision features --dataset mosi --failed-faces zero"],
        next: Walk(&[]),
    },
    Row {
        hint: "omit `--min-confidence`, which is for the `.csv` files of OpenFace",
        make: |folder| clips(folder, TABLE, &["x_1", "x_2"]),
        calls: &["build --labels label.csv --vision features --dataset mosi --min-confidence 0.5"],
        next: Walk(&[]),
    },
    Row {
        hint: "remove one of the two from the folder",
        make: |folder| clips(folder, TABLE, &["x_1", "x_2", "x_01"]),
        calls: CALL,
        next: Hands,
    },
    Row {
        hint: "fill in the column, or `--column split=` means no column: all clips are one split",
        make: |folder| clips(folder, &TABLE.replace("0,train", "0,"), &["x_1", "x_2"]),
        calls: CALL,
        next: Walk(&[]),
    },
    Row {
        hint: "omit `--split`, or `--column split=` ignores the column of the table",
        make: |folder| clips(folder, TABLE, &["x_1", "x_2"]),
        calls: &["build --labels label.csv --vision features --dataset mosi --split train"],
        next: Walk(&[]),
    },
    Row {
        hint: "entries have the names of clips, such as `VIDEO[CLIP]`, or of videos",
        make: |folder| {
            rows(folder, "video_id,clip_id,label,name,number\nx,1,1,a,5\n", "a[5]");
        },
        calls: ROWS_CALL,
        next: Walk(&[(
            "--column video=NAME --column clip=NAME",
            "video=name --column clip=number",
        )]),
    },
    Row {
        hint: "`--column start=NAME --column end=NAME` names the columns with the seconds",
        make: |folder| rows(folder, "id,label,from,to\na_1,1,0,1\n", "a"),
        calls: ROWS_CALL,
        next: Walk(&[("--column start=NAME --column end=NAME", "start=from --column end=to")]),
    },
    Row {
        hint: "`--tier NAME` names the tier that has the words",
        make: |folder| {
            clip(folder);
            put(folder, "words/a_1.TextGrid", textgrid("ORT", &[("good", [0.0, 0.5])]));
        },
        calls: &["build --labels label.csv --words words --dataset mosi"],
        next: Walk(&[("--tier NAME", "ORT")]),
    },
    Row {
        hint: "`--frame-rate audio=HZ` gives the frames per second",
        make: |folder| {
            clip(folder);
            put(folder, "words/a_1.TextGrid", textgrid("words", &[("good", [0.0, 0.5])]));
        },
        calls: &["build --labels label.csv --audio audio --words words --dataset mosi"],
        next: Walk(&[("--frame-rate audio=HZ", "audio=10")]),
    },
    Row {
        hint: "`--label-range LOW,HIGH` gives their range, or `--label-scale FILE.toml` also classes",
        make: |folder| {
            clips(folder, TABLE, &["x_1", "x_2"]);
            put(folder, "scale.toml", "range = [-1, 1]\n");
        },
        calls: &["build --labels label.csv --vision features --dataset own"],
        next: Walk(&[
            ("--label-range LOW,HIGH", "-1,1"),
            ("--label-scale FILE.toml", "scale.toml"),
        ]),
    },
    Row {
        hint: "`almt-data schema label-scale` prints what it may have",
        make: |folder| {
            clips(folder, TABLE, &["x_1", "x_2"]);
            put(folder, "scale.toml", "rnage = [-1, 1]\n");
        },
        calls: &["build --labels label.csv --vision features --label-scale scale.toml"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--drop-incomplete` leaves them out",
        make: |folder| clips(folder, TABLE, &["x_1"]),
        calls: CALL,
        next: Walk(&[]),
    },
];
