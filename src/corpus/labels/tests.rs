//! Tables as found in practice: read, or refused with the place and a fix.

use super::*;
use crate::advice::Advise;

fn read(text: &str) -> Result<LabelTable, LabelTableError> {
    read_as(text.as_bytes(), &[], None)
}

fn read_as(
    bytes: &[u8],
    columns: &[&str],
    encoding: Option<&str>,
) -> Result<LabelTable, LabelTableError> {
    let options = TableOptions {
        columns: columns.iter().map(|choice| choice.parse().unwrap()).collect(),
        encoding: encoding.map(|name| name.parse().unwrap()),
        is_source: false,
        label_scale: None,
    };
    LabelTable::parse(bytes, Path::new("label.csv"), &options)
}

fn hint(error: &LabelTableError) -> Option<String> {
    error.advice().first().map(crate::cli::hint)
}

/// Id, label, text and split of a row.
type Shown<'a> = (&'a str, Option<f32>, Option<&'a str>, Option<SplitName>);

fn rows(table: &LabelTable) -> Vec<Shown<'_>> {
    table.rows().map(|(_, row)| (&*row.id, row.label, row.text.as_deref(), row.split)).collect()
}

#[test]
fn both_forms_of_the_id_name_the_same_segment() {
    let sims = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n\
                video_0001,0001,\"a, b\",-1.0,-0.6,0.2,0,Negative,valid\n";
    let table = read(sims).unwrap();
    let row = table.get(&SegmentKey::of("video_0001$_$1")).unwrap();
    assert_eq!((row.label, row.split), (Some(-1.0), Some(SplitName::Valid)));
    assert_eq!(row.labels_by_modality[&Modality::Audio], 0.2);
    assert_eq!(table.unused_columns(), ["`annotation`"]);
    let unlabelled = read("id,label\na_1,\n").unwrap();
    assert_eq!(unlabelled.get(&SegmentKey::of("a_1")).unwrap().label, None);
    let mosi = read("id,text,label,mode\n_dI--eQ6qVU_3,well,2.4,dev\n").unwrap();
    let key = SegmentKey::of("_dI--eQ6qVU[2]");
    assert!(mosi.get(&key).is_none() && mosi.get(&key.shifted(1)).is_some());
    let shift = |id| mosi.clip_shift([(id, 2.4, None)].into_iter());
    assert_eq!(shift("_dI--eQ6qVU[2]"), 1);
    assert_eq!(shift("_dI--eQ6qVU$_$3"), 0);
    assert_eq!(shift("_dI--eQ6qVU[4]"), -1);
    let texts = read("id,text\na_1,well\n").unwrap();
    assert_eq!(texts.clip_shift([("a[0]", 9.0, Some("well"))].into_iter()), 1);
}

#[test]
fn names_of_other_tables_are_known_in_every_case() {
    for header in [
        "FileName,sentiment_score",
        "file_name;Score",
        "ID\tLabel",
        "name,Sentiment",
        "Segment,regression_labels",
        "utterance id,LABELS",
    ] {
        let separator = header.chars().find(|c| ",;\t".contains(*c)).unwrap();
        let table = read(&format!("{header}\na_1{separator}2\n")).unwrap();
        assert_eq!(rows(&table), [("a_1", Some(2.0), None, None)], "{header}");
    }
    for header in [
        "Video_ID,Clip_ID,Label",
        "video,clip,label",
        "file,index,sentiment",
        "VideoID,segment,score",
    ] {
        let table = read(&format!("{header}\na,01,2\n")).unwrap();
        let key = SegmentKey::of("a$_$1");
        assert_eq!(table.get(&key).and_then(|row| row.label), Some(2.0), "{header}");
    }
    let table = read("id,Transcript,Partition\na_1,well,Validation\n").unwrap();
    assert_eq!(rows(&table), [("a_1", None, Some("well"), Some(SplitName::Valid))]);
}

#[test]
fn what_can_be_two_things_is_refused_until_it_is_said() {
    let text = "id,label,sentiment\na_1,0,2.4\n";
    let error = read(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "label.csv: columns `label` and `sentiment` can each be the label"
    );
    assert_eq!(hint(&error).unwrap(), "choose one, such as `--column label=label`");
    let table = read_as(text.as_bytes(), &["label=sentiment"], None).unwrap();
    assert_eq!(rows(&table)[0].1, Some(2.4));
    assert_eq!(table.unused_columns(), ["`label`"]);
    let error = read("id,label,label\na_1,0,2.4\n").unwrap_err();
    assert!(hint(&error).unwrap().contains("--column label=2"), "{error:?}");
    let table = read_as(b"id,label,label\na_1,0,2.4\n", &["label=3"], None).unwrap();
    assert_eq!(rows(&table)[0].1, Some(2.4));
}

#[test]
fn tables_without_names_are_read_by_numbers_of_columns() {
    let text = "1.5,2.5,Tax0,1,2.4\n3.0,4.5,Tax0,2,-1.0\n";
    let error = read(text).unwrap_err();
    assert!(error.to_string().contains("the first line is `1.5, 2.5, Tax0, 1, 2.4`"), "{error}");
    let call = "--column video=3 --column clip=4 --column label=5";
    assert!(hint(&error).unwrap().ends_with(&format!("`{call}`")), "{:?}", hint(&error));
    let choices = ["video=3", "clip=4", "label=5"];
    let table = read_as(text.as_bytes(), &choices, None).unwrap();
    assert_eq!(
        rows(&table),
        [("Tax0_1", Some(2.4), None, None), ("Tax0_2", Some(-1.0), None, None)]
    );
    // A single line is data too, and names that count from 0 are names.
    assert_eq!(read_as(b"a_1,2.4\n", &["id=1", "label=2"], None).unwrap().len(), 1);
    let error = read("a_1,hello,2.4\n").unwrap_err();
    assert!(hint(&error).unwrap().ends_with("`--column id=1 --column label=3`"));
    let table = read_as(b"0,1\na_1,2.4\n", &["id=0", "label=1"], None).unwrap();
    assert_eq!(rows(&table), [("a_1", Some(2.4), None, None)]);
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_place() {
    let message = |text: &str| read(text).unwrap_err().to_string();
    let found = message("colour,label\na,1\n");
    assert!(found.contains("no column is known to be the id"), "{found}");
    assert!(found.ends_with("found `colour`, `label`"), "{found}");
    let found = message("id,annotation,start\na_1,Positive,0.5\n");
    assert!(found.contains("what a store can be compared with"), "{found}");
    let found = message("id,label\na_1,1\nb_1,high\n");
    assert!(found.starts_with("label.csv: line 3, column `label`: expected a number"), "{found}");
    assert!(message("id,mode\na_1,rest\n").contains("expected train, valid or test"));
    let found = message("id,label\na_1,1\na[1],2\n");
    assert!(found.contains("line 3: segment `a[1]` appears a second time, first in line 2"));
    assert!(message("id,label\r\na_1,1,5\r\n").contains("line 2: expected 2 fields"));
    assert!(
        message("id,label,text\na_1,1,\"open\nb_1,2,no\n").contains("line 2: a text in quotes")
    );
    assert!(message("id,label\n#NAME?,1\n").contains("what names a segment, found `#NAME?`"));
    assert!(message("id,label\n").contains("has no rows, only the columns `id`, `label`"));
    assert!(message("\n\n").contains("has no rows"));
    assert!(
        message("id;label\na_1;1,5\nb_1;1.5\n").contains("line 3, column `label`: expected dec")
    );
    let found = read_as(b"id,label\na_1,1\n", &["label=lable"], None).unwrap_err().to_string();
    assert!(found.contains("column `label=lable`: no such column"), "{found}");
    assert!(found.ends_with("is `label` meant?"), "{found}");
    assert!("lable=x".parse::<ColumnChoice>().unwrap_err().ends_with("is `label` meant?"));
}

#[test]
fn lines_are_counted_through_quotes_and_every_line_end() {
    for end in ["\n", "\r\n", "\r"] {
        let lines = ["id,label,text", "a_1,1,\"one", "two\"", "", "b_1,x,three", ""].join(end);
        let error = read(&lines).unwrap_err().to_string();
        assert!(error.starts_with("label.csv: line 5,"), "{end:?}: {error}");
    }
    let table = read("id,label,text\na_1,1,\"she \"\"said\"\"\nand left\"\n").unwrap();
    assert_eq!(rows(&table)[0].2, Some("she \"said\"\nand left"));
}

#[test]
fn encodings_are_told_by_the_file_or_refused_with_line_and_option() {
    let text = "id,label,text\na_1,1,今天去看了一场电影\nb_1,2,我不太喜欢这个故事\n";
    let texts = |table: LabelTable| -> Vec<String> {
        rows(&table).iter().map(|row| row.2.unwrap().to_owned()).collect()
    };
    let expected = texts(read(text).unwrap());
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &utf16].concat();
    for bytes in [&[b"\xef\xbb\xbf", text.as_bytes()].concat(), &marked] {
        assert_eq!(texts(read_as(bytes, &[], None).unwrap()), expected);
    }
    let gbk: &[u8] =
        b"id,label,text\r\na_1,1,ok\r\nb_1,2,\xce\xd2\xb2\xbb\xcc\xab\xcf\xb2\xbb\xb6\r\n";
    let error = read_as(gbk, &[], None).unwrap_err();
    let expected = "label.csv: line 3: bytes that are not UTF-8: they look like GBK";
    assert_eq!(error.to_string(), expected);
    assert_eq!(hint(&error).unwrap(), "`--text-encoding gbk` decodes the table");
    assert_eq!(texts(read_as(gbk, &[], Some("gbk")).unwrap()), ["ok", "我不太喜欢"]);
    let error = read_as(b"id,label\na_1,1\nb\xff_1,2\n", &[], Some("gbk")).unwrap_err().to_string();
    assert!(error.starts_with("label.csv: line 3: bytes that are not GBK"), "{error}");
    let error = read_as(&utf16, &[], None).unwrap_err();
    assert!(hint(&error).unwrap().contains("--text-encoding utf-16le"), "{error}");
    assert_eq!(read_as(&utf16, &[], Some("utf-16le")).unwrap().len(), 2);
    let error = read_as(&marked, &[], Some("gbk")).unwrap_err().to_string();
    assert!(error.contains("byte order mark of UTF-16LE, and not with GBK"), "{error}");
}

#[test]
fn only_fields_that_are_read_are_offered() {
    let error = read("id,annotation\na_1,Positive\n").unwrap_err();
    let offered = hint(&error).unwrap();
    let compared = "fields: id, video, clip, label, label_T, label_A, label_V, text, split";
    assert!(offered.ends_with(compared), "{offered}");
    let options = TableOptions { is_source: true, ..TableOptions::default() };
    let source = b"what,annotation\na_1,Positive\n";
    let error = LabelTable::parse(source, Path::new("label.csv"), &options).unwrap_err();
    let offered = hint(&error).unwrap();
    assert!(offered.ends_with(&format!("{compared}, annotation, start, end")), "{offered}");
}

#[test]
fn files_of_other_kinds_are_named() {
    for (bytes, what) in [
        (&b"PK\x03\x04rest"[..], "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (b"PAR1rest", "Parquet"),
        (b"\x89HDF\r\n\x1a\nrest", "HDF5"),
        (b"\x80\x04\x95rest", "pickle"),
        (b" [{\"id\": 1}]", "JSON"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\xff\xfe\0\0i\0\0\0", "UTF-32"),
    ] {
        let error = read_as(bytes, &[], None).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(hint(&error).is_some());
    }
}

#[test]
fn spreadsheets_of_europe_are_read_as_they_mean() {
    let table =
        read("sep=;\r\nVideo_ID;Clip;Label;Text\r\na;1;2,4;yes, no\r\nb;2.0;-0,2;x\r\n").unwrap();
    assert_eq!(rows(&table)[0], ("a_1", Some(2.4), Some("yes, no"), None));
    assert_eq!(rows(&table)[1].0, "b_2");
    assert_eq!(table.n_decimal_commas(), 2);
}
