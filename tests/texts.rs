//! Texts that are not a plain `str`: decoded as the user chose, or refused with a description; every
//! text of a store equals Python's.

use std::path::Path;

use serde_json::Value;

use crate::support::{almt, files, python};

/// The strings of one column of a case.
type Strs = &'static [&'static str];

type Case = (&'static str, Strs, Strs, Strs);

/// The pickles of `texts.py`: name, how they are converted, what is noted, and what is said where
/// nothing is said about them.
const CASES: &[Case] = &[
    (
        "cp1252",
        &["--text-encoding", "windows-1252"],
        &[
            "raw_text: bytes of windows-1252 (`--text-encoding`) -> text, once",
            "raw_text: bytes of UTF-8 -> text, 11 times",
        ],
        &[
            "`raw_text`: 1 of 12 texts is bytes that are not UTF-8, such as a$_$1 (train/raw_text, \
             row 1, byte 2): they look like windows-1252",
            "--text-encoding windows-1252",
        ],
    ),
    (
        "gbk",
        &["--text-encoding", "gbk"],
        &["raw_text: bytes of GBK (`--text-encoding`) -> text, 12 times"],
        &[
            "`raw_text`: 12 of 12 texts (3 in test, 6 in train, 3 in valid)",
            "they look like GBK",
            "--text-encoding gbk",
        ],
    ),
    ("gbk_arrays", &["--text-encoding", "cp936"], &["GBK"], &["they look like GBK"]),
    ("gbk_python2", &["--text-encoding", "gb18030"], &["gb18030"], &["they look like GBK"]),
    ("words", &["--text-encoding", "latin-1"], &["words: bytes of windows-1252"], &["`words`: "]),
    ("ids", &["--text-encoding", "gbk"], &["id: bytes of GBK"], &["`id`: 2 of 12 texts", "row 0"]),
    (
        "big5",
        &["--text-encoding", "big5"],
        &["Big5"],
        &["12 texts (3 in test, 6 in train, 3 in valid) are bytes", "they look like Big5"],
    ),
    ("utf8_bytes", &[], &["raw_text: bytes of UTF-8 -> text, 12 times"], &[]),
    ("ascii_arrays", &[], &["raw_text: bytes of UTF-8 -> text, 12 times"], &[]),
    ("utf8_python2", &[], &["raw_text: bytes of UTF-8 -> text, 3 times"], &[]),
    ("keys", &[], &["keys are bytes in the source and were read as text"], &[]),
    (
        "odd",
        &[],
        &[
            "raw_text: 2 texts are spelled like bytes of Python, kept as found, such as b'i liked it'",
            "NUL characters in 1 texts became spaces",
        ],
        &[],
    ),
    (
        "surrogate",
        &["--text-errors", "replace"],
        &["U+FFFD in place of invalid characters, once in 1 text", "became one character"],
        &[
            "`raw_text`: 2 of 12 texts (1 in test, 1 in train) are text with half a surrogate pair",
            "row 2, character 6, \\ud83d",
        ],
    ),
    (
        "surrogate_array",
        &["--text-errors", "replace"],
        &["U+FFFD in place of invalid characters, once in 1 text"],
        &["half a surrogate pair"],
    ),
    (
        "surrogate_protocol0",
        &["--text-errors", "replace"],
        &["U+FFFD in place of invalid characters, once in 1 text"],
        &["half a surrogate pair"],
    ),
    (
        "mixed",
        &["--text-encoding", "gbk", "--text-errors", "replace"],
        &["U+FFFD in place of invalid characters"],
        &["no one encoding that is tried fits them all", "--text-errors replace"],
    ),
];

#[test]
fn every_text_is_that_of_python_or_refused_with_what_it_looks_like() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if python("texts.py", &[Path::new("make"), folder]).is_none() {
        return;
    }
    for (name, options, notes, refused) in CASES {
        let (pickle, store) = (format!("{name}.pkl"), format!("{name}.h5"));
        let call = ["convert", &pickle, "--dataset", "mosi", "--no-sync"];
        if !refused.is_empty() {
            let said = almt(folder, &call).fails_with(&[&pickle, refused[0]]);
            for part in *refused {
                assert!(said.stderr().contains(part), "`{part}`\n{}", said.explain());
            }
            assert!(!folder.join(&store).exists(), "{name}");
        }
        let call = [&call, *options].concat();
        let said = almt(folder, &call).ok().stdout();
        for note in *notes {
            assert!(said.contains(note), "{name}: `{note}`\n{said}");
        }
        let recorded = almt(folder, &["validate", &store, "--json"]).stdout();
        let recorded: Value = serde_json::from_str(&recorded).unwrap();
        let recorded = recorded[0]["notes"].to_string();
        assert!(notes.iter().all(|note| recorded.contains(note)), "{name}: {recorded}");
        let args =
            [Path::new("compare"), &folder.join(&store), &folder.join(format!("{name}.json"))];
        assert_eq!(python("texts.py", &args).unwrap().trim(), "same", "{name}");
        let arrow = format!("{name}.arrow");
        almt(folder, &["copy", &store, &arrow]).ok();
        let args =
            [Path::new("compare"), &folder.join(&arrow), &folder.join(format!("{name}.json"))];
        assert_eq!(python("texts.py", &args).unwrap().trim(), "same", "{name} in Arrow");
    }
    let n_pickles = files(folder).iter().filter(|name| name.ends_with(".pkl")).count();
    assert_eq!(n_pickles, CASES.len(), "a pickle of texts.py is no case");
}

#[test]
fn ids_that_no_store_can_hold_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if python("texts.py", &[Path::new("nul"), folder]).is_none() {
        return;
    }
    almt(folder, &["convert", "nul.pkl", "--dataset", "mosi"])
        .fails_with(&["`id`: ids with a NUL character", "1, first in train, row 0: \"a\\0$_$0\""]);
}

#[test]
fn an_option_that_changes_nothing_says_so_and_names_are_proposed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["synth", "--dataset", "mosi", "--samples", "4"]).ok();
    let call = almt(folder, &["convert", "mosi.pkl", "--text-encoding", "gbk"]).ok();
    let said = "`--text-encoding gbk` changed nothing: no text of the source is bytes beyond ASCII";
    assert!(call.stdout().contains(said), "{}", call.explain());
    let call = almt(folder, &["convert", "mosi.pkl", "--text-encoding", "gkb"]);
    assert_eq!(call.code(), 2, "{}", call.explain());
    assert!(call.stderr().contains("similar names are: gbk"), "{}", call.explain());
}
