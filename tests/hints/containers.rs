//! Hints about files in compressed files and archives.

use super::Next::{Hands, Walk};
use super::{Row, elsewhere, put};
use crate::containers::{gzip, tar_of_link};
use crate::signatures::zip;

/// The smallest pickle, of `None`.
const NONE: &[u8] = b"\x80\x04N.";

/// An archive of one pickle, with a byte of each of its two headers changed.
fn changed(at: usize, byte: u8) -> Vec<u8> {
    let mut archive = zip(&[("mosi.pkl", NONE)]);
    let directory = archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    // That of the directory has two bytes more before what both have.
    archive[at] = byte;
    archive[directory + at + 2] = byte;
    archive
}

pub const ROWS: &[Row] = &[
    elsewhere(
        "set the environment variable `TMPDIR` to a folder on a disk with more space",
        "the_folder_for_temporary_files_is_the_users",
    ),
    Row {
        hint: "no known feature file comes near this limit; if you trust this one, \
               `--max-unpacked` raises it",
        make: |folder| put(folder, "x.pkl.gz", &gzip(NONE)),
        calls: &["inspect x.pkl.gz --max-unpacked 3"],
        next: Walk(&[("--max-unpacked", "4")]),
    },
    Row {
        hint: "unpack it with the program that packed it, and pass the resulting file",
        // Its header asks for a window of 2 GiB.
        make: |folder| put(folder, "x.pkl.zst", b"\x28\xb5\x2f\xfd\0\xa8\x01\0\0"),
        calls: &["inspect x.pkl.zst"],
        next: Hands,
    },
    Row {
        hint: "unpack it step by step, and pass the resulting file",
        make: |folder| {
            let nested = (0..6).fold(NONE.to_vec(), |inner, _| gzip(&inner));
            put(folder, "x.pkl.gz", &nested);
        },
        calls: &["inspect x.pkl.gz"],
        next: Hands,
    },
    Row {
        hint: "feature files end in `.pkl`; `--entry NAME` takes a file of another name",
        make: |folder| put(folder, "x.zip", &zip(&[("mosi.data", NONE), ("notes.txt", b"x")])),
        calls: &["inspect x.zip"],
        next: Walk(&[("--entry NAME", "mosi.data")]),
    },
    Row {
        hint: "pass the file that the link leads to",
        make: |folder| put(folder, "x.tar", &tar_of_link()),
        calls: &["convert x.tar"],
        next: Hands,
    },
    Row {
        hint: "pass the file that the link leads to",
        make: |folder| put(folder, "x.tar", &tar_of_link()),
        calls: &["convert x.tar --entry mosi.pkl"],
        next: Hands,
    },
    Row {
        hint: "takes one of them",
        make: |folder| put(folder, "x.zip", &zip(&[("a.pkl", NONE), ("b.pkl", NONE)])),
        calls: &["inspect x.zip"],
        next: Walk(&[]),
    },
    elsewhere(
        "converts them as the splits of one dataset",
        "of_several_pickles_one_has_to_be_named",
    ),
    Row {
        hint: "`--entry` needs the full name, with its folders",
        make: |folder| put(folder, "x.zip", &zip(&[("mosi/a.pkl", NONE), ("b.pkl", NONE)])),
        calls: &["inspect x.zip --entry a.pkl"],
        next: Walk(&[("--entry", "mosi/a.pkl")]),
    },
    Row {
        hint: "omit `--entry`",
        make: |folder| put(folder, "x.pkl", NONE),
        calls: &["inspect x.pkl --entry a.pkl"],
        next: Walk(&[]),
    },
    elsewhere("unpack both with `7z x`", "the_entry_that_was_asked_for_is_taken_or_none"),
    Row {
        hint: "unpack it with its password, and pass the resulting file",
        make: |folder| put(folder, "x.zip", &changed(6, 1)),
        calls: &["inspect x.zip"],
        next: Hands,
    },
    Row {
        hint: "unpack it with `7z x`, and pass the resulting file",
        // PPMd.
        make: |folder| put(folder, "x.zip", &changed(8, 98)),
        calls: &["inspect x.zip"],
        next: Hands,
    },
    Row {
        hint: "once it is unpacked: ",
        make: |folder| {
            crate::support::synthetic_store(folder, "mosi", "8");
            put(folder, "label.csv.gz", &gzip(b"id,split\nsynth_train_0000$_$0,train\n"));
            put(folder, "label.csv", b"id,split\nsynth_train_0000$_$0,train\n");
        },
        calls: &["convert label.csv.gz"],
        next: Walk(&[("STORE", "mosi.h5"), ("--label-range LOW,HIGH", "-3,3")]),
    },
];
