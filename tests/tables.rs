//! Label tables found in practice: which parts of a store are compared, and what is reported if none
//! can be.

use std::path::Path;

use almt_data::corpus::SplitName;
use almt_data::corpus::column::ColumnKind;
use almt_data::store::Store;
use serde_json::Value;

use crate::rules::reports;
use crate::support::{Call, almt, python, real_data, synthetic_store};

/// What a table can say of one segment of a store.
struct Segment {
    video: String,
    clip: String,
    label: f32,
    text: String,
    split: SplitName,
}

/// A store of 20 segments, with all of them.
fn store(folder: &Path) -> Vec<Segment> {
    let path = synthetic_store(folder, "mosi", "12");
    let store = Store::open(&path).unwrap();
    let mut segments = Vec::new();
    for split in &store.manifest().splits {
        let texts = store.strings(&ColumnKind::RawText.of(split.name)).unwrap().unwrap();
        let labels = store.labels(split.name).unwrap().unwrap();
        for ((id, label), text) in split.ids.iter().zip(labels).zip(texts) {
            let (video, clip) = id.split_once("$_$").unwrap();
            let (video, clip) = (video.to_owned(), clip.to_owned());
            segments.push(Segment { video, clip, label, text, split: split.name });
        }
    }
    segments
}

/// A table with a line for each segment.
fn table(header: &str, segments: &[Segment], line: impl Fn(&Segment) -> String) -> String {
    let lines = segments.iter().map(line);
    let lines: Vec<String> =
        (!header.is_empty()).then(|| header.to_owned()).into_iter().chain(lines).collect();
    lines.join("\r\n") + "\r\n"
}

fn validate(folder: &Path, bytes: &[u8], options: &[&str]) -> Call {
    std::fs::write(folder.join("t.csv"), bytes).unwrap();
    almt(folder, &[&["validate", "mosi.h5", "--labels", "t.csv"], options].concat())
}

/// Asserts that everything was compared, and agrees.
fn agrees(folder: &Path, bytes: &[u8], options: &[&str], said: &str) -> String {
    let call = validate(folder, bytes, options).ok();
    let out = call.stdout();
    assert!(out.contains(said), "`{said}`\n{}", call.explain());
    assert!(out.contains("0 rows without a segment, 0 segments without a row"), "{out}");
    for rule in ["AD020", "AD021", "AD022", "AD023", "AD024"] {
        assert!(!out.contains(rule), "{out}");
    }
    assert!(out.contains("\n  no differences\n"), "{out}");
    out
}

#[test]
fn every_usual_spelling_is_compared_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = store(folder);
    let n = all.len();
    let labels = format!("{n} labels compared with t.csv; the table has no texts and no splits");
    let everything = format!("{n} labels, {n} texts and {n} splits compared with t.csv\n");
    let no_mode = table("video_id,clip_id,text,label,annotation", &all, |s| {
        format!("{},{},{},{},Neutral", s.video, s.clip, s.text, s.label)
    });
    let out =
        agrees(folder, no_mode.as_bytes(), &[], &format!("{n} labels and {n} texts compared"));
    assert!(out.contains("the table has no splits"), "{out}");
    assert!(out.contains("not used: `annotation`"), "{out}");
    let file_name = table("FileName,sentiment_score", &all, |s| {
        format!("{}_{}.wav,{}", s.video, s.clip, s.label)
    });
    agrees(folder, file_name.as_bytes(), &[], &labels);
    let sdk = table("file,index,start,end,sentiment,happy,sad", &all, |s| {
        format!("{},{},0,1,{},0,0", s.video, s.clip, s.label)
    });
    let out = agrees(folder, sdk.as_bytes(), &[], &labels);
    assert!(out.contains("clip = `index`"), "{out}");
    let upper = table("Video_ID,Clip_ID,Text,Label,Mode", &all, |s| {
        let mode = s.split.name().to_uppercase();
        format!("{},{:0>4},{},{},{mode}", s.video, s.clip, s.text, s.label)
    });
    agrees(folder, upper.as_bytes(), &[], &everything);
    for (separator, comma) in [(";", true), ("\t", true), ("\t", false)] {
        let text = table(&["id", "score", "text", "split"].join(separator), &all, |s| {
            let label = match comma {
                true => s.label.to_string().replace('.', ","),
                false => s.label.to_string(),
            };
            let id = format!("{}[{}]", s.video, s.clip);
            [&id, &*label, &*s.text, s.split.name()].join(separator)
        });
        agrees(folder, text.as_bytes(), &[], &everything);
        let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        agrees(folder, &marked, &[], &everything);
        let utf16: Vec<u8> =
            format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        agrees(folder, &utf16, &[], &everything);
    }
    let bare = table("", &all, |s| {
        let clip: u32 = s.clip.parse().unwrap();
        format!("1.5,2.5,{},{},{}", s.video, clip + 1, s.label)
    });
    let choices = ["--column", "video=3", "--column", "clip=4", "--column", "label=5"];
    let out = agrees(folder, bare.as_bytes(), &choices, &labels);
    assert!(out.contains("the table counts clips 1 higher"), "{out}");
    assert!(out.contains("video = number 3"), "{out}");
}

#[test]
fn rows_without_a_label_and_texts_of_several_lines_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = store(folder);
    let n = all.len();
    let text = table("video_id,clip_id,text,label,mode", &all, |s| {
        let label = match &*s.clip {
            "0" => String::new(),
            "1" => "nan".into(),
            _ => s.label.to_string(),
        };
        format!("{},{},\"{}\n\",{label},{}", s.video, s.clip, s.text, s.split)
    });
    let n_empty = all.iter().filter(|s| ["0", "1"].contains(&&*s.clip)).count();
    let said = format!("{} labels, {n} texts and {n} splits compared", n - n_empty);
    let out = agrees(folder, text.as_bytes(), &[], &said);
    assert!(out.contains(&format!("{n_empty} rows without a label")), "{out}");
    let call = validate(folder, text.as_bytes(), &["--json"]).ok();
    let compared = &reports(&call.stdout())[0]["compared"];
    assert_eq!(compared["n_labels"], Value::from(n - n_empty));
    assert_eq!(compared["n_rows_without_label"], Value::from(n_empty));
    assert_eq!(compared["columns"]["split"], "`mode`");
    let half = table("id,label", &all[..n / 2], |s| format!("{}_{},{}", s.video, s.clip, s.label));
    let out = validate(folder, half.as_bytes(), &[]).ok().stdout();
    let said = format!("0 rows without a segment, {} segments without a row", n - n / 2);
    assert!(out.contains(&said) && out.contains("AD021"), "{out}");
}

#[test]
fn values_that_disagree_are_found_however_the_columns_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = store(folder);
    for header in ["id,Label", "FileName,sentiment_score", "name,score", "file,sentiment"] {
        let text = table(header, &all, |s| format!("{}_{},99", s.video, s.clip));
        let call = validate(folder, text.as_bytes(), &[]);
        assert_eq!(call.code(), 1, "{}", call.explain());
        let n_train = all.iter().filter(|s| s.split == SplitName::Train).count();
        let found = format!("AD022: train: {n_train} labels differ");
        assert!(call.stdout().contains(&found), "{}", call.explain());
    }
    let dots = table("id;label", &all, |s| format!("{}_{};2,5", s.video, s.clip));
    let call = validate(folder, dots.as_bytes(), &[]);
    assert!(call.stdout().contains("expected 2.5"), "{}", call.explain());
}

#[test]
fn where_nothing_is_compared_nothing_is_valid_and_the_hint_leads_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = store(folder);
    let line = |s: &Segment| format!("{}_{},{}", s.video, s.clip, s.label);
    // Each table, what is said, and what NAME of the hint stands for.
    let cases = [
        (table("id,wert", &all, line), "no column is known to be what a store", "wert"),
        (table("schnitt,label", &all, line), "no column is known to be the id", "schnitt"),
        (table("id,label,score", &all, |s| line(s) + ",1"), "`label` and `score` can each be", ""),
        (table("", &all, line), "the columns have no names", ""),
        (
            table("id,label,wert", &all, |s| format!("{}_{},,{}", s.video, s.clip, s.label)),
            "nothing was compared: 22 segments are in both",
            "wert",
        ),
        (
            table("id,label,cut", &all, |s| format!("x,{},{}_{}", s.label, s.video, s.clip))
                .replace("x,", "y_9,"),
            "appears a second time",
            "-",
        ),
    ];
    for (text, said, name) in cases {
        let said = said.replace("22", &all.len().to_string());
        let call = validate(folder, text.as_bytes(), &[]).fails_with(&["t.csv", &said]);
        if name == "-" {
            continue;
        }
        let err = call.stderr();
        let hint = err.lines().find(|line| line.starts_with("  hint: ")).unwrap();
        let typed: Vec<String> = hint
            .split('`')
            .filter(|part| part.starts_with("--column"))
            .flat_map(|call| call.split(' '))
            .map(|word| word.replace("NAME", name))
            .collect();
        let words: Vec<&str> = typed.iter().map(String::as_str).collect();
        assert!(!words.is_empty(), "{err}");
        let call = validate(folder, text.as_bytes(), &words).ok();
        let compared = format!("{} labels compared", all.len());
        assert!(call.stdout().contains(&compared), "{}", call.explain());
    }
    let other = table("id,label", &all, |s| format!("other_{},{}", s.clip, s.label));
    let first: Vec<&str> = other.split_inclusive("\r\n").take(2).collect();
    let call = validate(folder, first.concat().as_bytes(), &[]);
    let call = call.fails_with(&["no row of the table is of a segment of the store"]);
    assert!(call.stderr().contains("synth_train_0000$_$0"), "{}", call.explain());
    let call = validate(folder, first.concat().as_bytes(), &["--json"]);
    assert_eq!(call.code(), 1);
    let report = &reports(&call.stdout())[0];
    assert_eq!(report["valid"], false);
    assert_eq!(report["compared"]["n_segments_found"], 0);
    assert!(report["failure"].as_str().unwrap().contains("nothing was compared"));
    for args in [
        &["--labels", "t.csv", "--quick"][..],
        &["--column", "label=x"],
        &["--labels", "t.csv", "--column", "colour=x"],
        &["--labels", "t.csv", "--text-encoding", "gkb"],
    ] {
        let call = almt(folder, &[&["validate", "mosi.h5"], args].concat());
        assert_eq!(call.code(), 2, "{}", call.explain());
    }
}

#[test]
fn encodings_and_files_of_other_kinds_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = store(folder);
    // 我不太喜欢, in GBK.
    let chinese = b"\xce\xd2\xb2\xbb\xcc\xab\xcf\xb2\xbb\xb6";
    let mut bytes =
        table("id,label,text", &all[..1], |s| format!("{}_{},{},plain", s.video, s.clip, s.label))
            .into_bytes();
    bytes.extend(format!("{}_{},{},", all[1].video, all[1].clip, all[1].label).bytes());
    bytes.extend(chinese);
    let call = validate(folder, &bytes, &[]).fails_with(&["t.csv: line 3", "they look like GBK"]);
    assert!(call.stderr().contains("`--text-encoding gbk`"), "{}", call.explain());
    let call = validate(folder, &bytes, &["--text-encoding", "gbk"]).ok();
    assert!(call.stdout().contains("expected `我不太喜欢`"), "{}", call.explain());
    let store = std::fs::read(folder.join("mosi.h5")).unwrap();
    let pickle = std::fs::read(folder.join("mosi.pkl")).unwrap();
    for (bytes, what) in [
        (&store[..4096], "an HDF5 file"),
        (&pickle[..4096], "a pickle"),
        (b"PK\x03\x04\x14\0", "as Excel's .xlsx are"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"[{\"id\": \"a_1\", \"label\": 1}]", "JSON"),
    ] {
        let call = validate(folder, bytes, &[]).fails_with(&["t.csv: not a table of text", what]);
        assert!(call.stderr().contains("  hint: "), "{}", call.explain());
    }
    almt(folder, &["validate", "mosi.h5", "--labels", "."]).fails_with(&[".: cannot read"]);
}

/// Tables that pandas writes, in the ways that people call it.
#[test]
fn tables_of_pandas_and_excel_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = store(folder);
    let plain = table("id,label,text", &all, |s| {
        format!("{}_{},{},\"{}, he said\"", s.video, s.clip, s.label, s.text)
    });
    std::fs::write(folder.join("plain.csv"), plain).unwrap();
    let Some(written) = python("tables.py", &[folder]) else { return };
    assert!(written.lines().count() >= 5, "{written}");
    for line in written.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let bytes = std::fs::read(folder.join(words[0])).unwrap();
        let call = validate(folder, &bytes, &words[1..]).ok();
        let said = format!("{} labels and {} texts compared", all.len(), all.len());
        assert!(call.stdout().contains(&said), "{line}\n{}", call.explain());
        assert!(!call.stdout().contains("AD022"), "{line}\n{}", call.explain());
    }
}

#[test]
fn all_of_the_published_tables_is_compared() {
    let Some(table) = real_data("mosi_labels.csv") else { return };
    let Some(pickle) = real_data("mosi_text_minilm.pkl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["convert", pickle.to_str().unwrap(), "-o", "real.h5", "--no-sync"]).ok();
    let labels = table.to_str().unwrap();
    let out = almt(folder, &["validate", "real.h5", "--labels", labels]).ok().stdout();
    assert!(out.contains("2,195 labels, 2,195 texts and 2,195 splits compared"), "{out}");
    let Some(full) = real_data("mosi_labels_full.csv") else { return };
    let call = almt(folder, &["validate", "real.h5", "--labels", full.to_str().unwrap()]);
    assert!(call.stdout().contains("4 rows without a segment"), "{}", call.explain());
    // Its transcripts are spelled in other ways.
    assert!(!call.stdout().contains("no differences"), "{}", call.explain());
}
