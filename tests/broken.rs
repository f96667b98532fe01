//! Broken inputs of `build`, `align` and sound: one cause on one line, and nothing left behind. Those of
//! tables and features of clips are in `build`, those of a sequence alone in `csd`.

use std::path::Path;

use ndarray::{Array2, arr2};

use crate::build::{npy, openface, put, wav};
use crate::support::{almt, files};
use crate::timings::{Words, clip, ctm, sequence, textgrid, whisper, word_sequence};

const WORDS: Words<'_> = &[("good", [0.1, 0.3]), ("film", [0.3, 0.5])];
const TIMED: &str =
    "build --labels label.csv --dataset mosi --audio audio --frame-rate audio=10 --words words";
const ROWS: &str = "build --labels label.csv --dataset mosi --audio rows.csd";
const SOUND: &str = "build --labels label.csv --dataset mosi --audio sound";
const ALIGN: &str = "align --reference words.csd --labels labels.csd --sequence audio=audio.csd -o a.h5 --dataset mosi --folds none";

/// A broken input: what it is, how it is made from what works, the call, and parts of its cause.
type Broken = (&'static str, fn(&Path), &'static str, &'static [&'static str]);

fn numbers(rows: &[f64]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), 1), |(row, _)| rows[row])
}

/// A sequence with the entry `v`.
fn rows(folder: &Path, name: &str, intervals: &[[f64; 2]], values: &[f64]) {
    let path = folder.join(name);
    if path.exists() {
        std::fs::remove_file(&path).unwrap();
    }
    sequence(&path, &[("v", intervals, &numbers(values))]);
}

/// What works with each call.
fn make(folder: &Path) {
    clip(folder);
    put(folder, "words/a_1.TextGrid", textgrid("words", WORDS));
    let entry: (&str, &[[f64; 2]], &Array2<f64>) = ("a[1]", &[[0.0, 1.0]], &numbers(&[1.0]));
    sequence(&folder.join("rows.csd"), &[entry]);
    put(folder, "sound/a_1.wav", wav(8_000, &[100; 4_000]));
    word_sequence(&folder.join("words.csd"), &[("v", WORDS)]);
    rows(folder, "labels.csd", &[[0.0, 1.0]], &[1.0]);
    rows(folder, "audio.csd", &[[0.0, 0.2], [0.2, 0.6]], &[1.0, 2.0]);
}

fn textgrid_of(folder: &Path, text: &str) {
    put(folder, "words/a_1.TextGrid", text);
}

fn instead(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    std::fs::remove_dir_all(folder.join("words")).unwrap();
    put(folder, name, text);
}

/// A box of an MP4 file.
fn mp4_box(kind: &str, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let len = u32::try_from(content.len() + 8).unwrap();
    [&len.to_be_bytes()[..], kind.as_bytes(), &content].concat()
}

/// An MP4 file whose only track is a video, without a frame.
fn video() -> Vec<u8> {
    let one = 1_u32.to_be_bytes();
    let zeros = [0_u8; 80];
    let scale = 1_000_u32.to_be_bytes();
    let head = mp4_box("mvhd", &[&zeros[..12], &scale, &zeros[..80], &one]);
    let track = mp4_box("tkhd", &[&zeros[..12], &one, &zeros[..68]]);
    let media = mp4_box("mdhd", &[&zeros[..12], &scale, &zeros[..8]]);
    let handler = mp4_box("hdlr", &[&zeros[..8], b"vide", &zeros[..13]]);
    let place = mp4_box("dref", &[&zeros[..4], &one, &mp4_box("url ", &[&one])]);
    let place = mp4_box("dinf", &[&place]);
    let entry = mp4_box("xvid", &[&zeros[..6], &[0, 1]]);
    let table = mp4_box(
        "stbl",
        &[
            &mp4_box("stsd", &[&zeros[..4], &one, &entry]),
            &mp4_box("stts", &[&zeros[..8]]),
            &mp4_box("stsc", &[&zeros[..8]]),
            &mp4_box("stsz", &[&zeros[..12]]),
            &mp4_box("stco", &[&zeros[..8]]),
        ],
    );
    let about = mp4_box("minf", &[&mp4_box("vmhd", &[&zeros[..12]]), &place, &table]);
    let media = mp4_box("mdia", &[&media, &handler, &about]);
    let movie = mp4_box("moov", &[&head, &mp4_box("trak", &[&track, &media])]);
    [mp4_box("ftyp", &[b"isom", &one, b"isom"]), movie, mp4_box("mdat", &[])].concat()
}

const BROKEN: &[Broken] = &[
    (
        "no folder of words",
        |folder| std::fs::remove_dir_all(folder.join("words")).unwrap(),
        TIMED,
        &["words: no such file or folder"],
    ),
    (
        "words in another kind of file",
        |folder| instead(folder, "words/a_1.srt", "1"),
        TIMED,
        &["words: no file of word timings in it (.TextGrid, .ctm, .json)"],
    ),
    (
        "words of another clip",
        |folder| instead(folder, "words/b_1.ctm", ctm("b", WORDS)),
        TIMED,
        &[
            "words: none of its 1 files of word timings belongs to a clip of the table: there is `b_1.ctm`",
        ],
    ),
    (
        "two files of words",
        |folder| put(folder, "words/a_01.ctm", ctm("a", WORDS)),
        TIMED,
        &["a_1.TextGrid: belongs to the same clip as ", "a_01.ctm"],
    ),
    (
        "an empty TextGrid",
        |folder| textgrid_of(folder, ""),
        TIMED,
        &[
            "none of 1 clips is complete: words: 1 file is unusable",
            "a_1.TextGrid: the file is empty",
        ],
    ),
    (
        "a TextGrid that is cut",
        |folder| {
            let text = textgrid("words", WORDS);
            textgrid_of(folder, &text[..text.len() - 40]);
        },
        TIMED,
        &["a_1.TextGrid: is cut: it ends within the tier `words`"],
    ),
    (
        "a TextGrid without its quote",
        |folder| {
            textgrid_of(folder, textgrid("words", WORDS).trim_end().trim_end_matches('"'));
        },
        TIMED,
        &["a_1.TextGrid: is cut: it ends within the text that begins in line "],
    ),
    (
        "a binary TextGrid",
        |folder| textgrid_of(folder, "ooBinaryFile\u{8}TextGrid\0"),
        TIMED,
        &["a_1.TextGrid: expected a TextGrid that Praat saved as text, found a binary one"],
    ),
    (
        "a TextGrid of no encoding",
        |folder| put(folder, "words/a_1.TextGrid", b"\xff\xfea"),
        TIMED,
        &["a_1.TextGrid: it is not text in UTF-8, or in UTF-16 with a byte order mark"],
    ),
    (
        "no tier of words",
        |folder| textgrid_of(folder, &textgrid("ORT", WORDS)),
        TIMED,
        &["a_1.TextGrid: no tier is called `words`: `phones`, `ORT`"],
    ),
    (
        "words that run backwards",
        |folder| {
            textgrid_of(folder, &textgrid("words", &[("a", [0.0, 0.2]), ("b", [0.4, 0.3])]));
        },
        TIMED,
        &["a_1.TextGrid: word 2 (`b`) ends before it starts (0.4 to 0.3 s)"],
    ),
    (
        "nothing but pauses",
        |folder| {
            textgrid_of(folder, &textgrid("words", &[("", [0.0, 0.2]), ("sp", [0.2, 0.3])]));
        },
        TIMED,
        &["a_1.TextGrid: it has no words"],
    ),
    (
        "a negative duration",
        |folder| instead(folder, "words/a_1.ctm", "a 1 0.5 -0.1 x\n"),
        TIMED,
        &["a_1.ctm: line 1: expected a duration in seconds, not below 0, found `-0.1`"],
    ),
    (
        "a line of CTM that is cut",
        |folder| instead(folder, "words/a_1.ctm", "a 1 0.5\n"),
        TIMED,
        &["a_1.ctm: line 1: expected RECORDING CHANNEL START DURATION WORD, found `a 1 0.5`"],
    ),
    (
        "several recordings",
        |folder| {
            instead(folder, "words/a_1.ctm", ctm("a", WORDS) + &ctm("b", WORDS));
        },
        TIMED,
        &["a_1.ctm: expected the words of one recording, found those of `a`, `b`"],
    ),
    (
        "a transcript without words",
        |folder| {
            instead(folder, "words/a_1.json", "{\"segments\": [{\"text\": \"good film\"}]}");
        },
        TIMED,
        &["a_1.json: expected words with `start` and `end`", "found 1 segment without words"],
    ),
    (
        "a transcript that is cut",
        |folder| {
            let text = whisper(WORDS);
            instead(folder, "words/a_1.json", &text[..text.len() / 2]);
        },
        TIMED,
        &["a_1.json: is not valid JSON: EOF"],
    ),
    (
        "words without times",
        |folder| {
            instead(folder, "words/a_1.json", "{\"words\": [{\"word\": \"2014\"}]}");
        },
        TIMED,
        &["a_1.json: none of its words has a start and an end"],
    ),
    (
        "frames without times",
        |folder| {
            put(folder, "frames/a_1.csv", "1,2\n3,4\n");
        },
        "build --labels label.csv --dataset mosi --vision frames --words words",
        &["a_1.csv: the times of its frames of vision are unknown, which steps by word need"],
    ),
    (
        "OpenFace times that go back",
        |folder| {
            let table = openface(&[(0.9, 1, [0.0, 0.0]), (0.9, 1, [1.0, 0.0])]);
            put(folder, "openface/a_1.csv", table.replace(" 0.033,", " -0.1,"));
        },
        "build --labels label.csv --dataset mosi --vision openface --words words",
        &["a_1.csv: the times of its frames of vision are unknown"],
    ),
    (
        "an empty sequence",
        |folder| put(folder, "rows.csd", ""),
        ROWS,
        &["rows.csd: the file is empty"],
    ),
    (
        "a sequence that is text",
        |folder| put(folder, "rows.csd", "a,b\n"),
        ROWS,
        &["rows.csd: is not a computational sequence"],
    ),
    (
        "a sequence that is cut",
        |folder| {
            let bytes = std::fs::read(folder.join("rows.csd")).unwrap();
            put(folder, "rows.csd", &bytes[..bytes.len() / 2]);
        },
        ROWS,
        &["rows.csd: is cut: "],
    ),
    (
        "a sequence of other clips",
        |folder| rows(folder, "rows.csd", &[[0.0, 1.0]], &[1.0]),
        ROWS,
        &[
            "rows.csd: none of its 1 entries belongs to a clip of the table: there is `v`, and the first clip is `a_1`",
        ],
    ),
    (
        "a video without times of its clips",
        |folder| {
            put(folder, "label.csv", "id,label\nv_1,1\n");
            rows(folder, "rows.csd", &[[0.0, 1.0]], &[1.0]);
        },
        ROWS,
        &[
            "rows.csd: has the rows of the video `v`, and label.csv, line 2, no start and end of its clip `v_1`",
        ],
    ),
    (
        "a clip that ends before it starts",
        |folder| {
            put(folder, "label.csv", "id,label,start,end\nv_1,1,3,2\n");
            rows(folder, "rows.csd", &[[0.0, 1.0]], &[1.0]);
        },
        ROWS,
        &["label.csv: line 2: clip `v_1` does not end after its start (3 to 2 s)"],
    ),
    (
        "a start that is no time",
        |folder| {
            put(folder, "label.csv", "id,label,start,end\na_1,1,soon,2\n");
        },
        ROWS,
        &[
            "label.csv: line 2, column `start`: expected seconds, or hours:minutes:seconds, found `soon`",
        ],
    ),
    (
        "a clip without rows at its time",
        |folder| {
            put(folder, "label.csv", "id,label,start,end\nv_1,1,5,6\n");
            rows(folder, "rows.csd", &[[0.0, 1.0]], &[1.0]);
        },
        ROWS,
        &["none of 1 clips is complete: audio: 1 entry is unusable", "rows.csd: it has no frames"],
    ),
    (
        "rows that run backwards",
        |folder| {
            std::fs::remove_file(folder.join("rows.csd")).unwrap();
            sequence(&folder.join("rows.csd"), &[("a[1]", &[[1.0, 0.5]], &numbers(&[1.0]))]);
        },
        ROWS,
        &["rows.csd: row 0 of `a[1]` is not in time: 1 to 0.5 s"],
    ),
    (
        "words in place of features",
        |folder| {
            std::fs::remove_file(folder.join("rows.csd")).unwrap();
            word_sequence(&folder.join("rows.csd"), &[("a[1]", WORDS)]);
        },
        ROWS,
        &["rows.csd: expected numbers, found text"],
    ),
    (
        "values that are not finite in a sequence",
        |folder| {
            std::fs::remove_file(folder.join("rows.csd")).unwrap();
            sequence(&folder.join("rows.csd"), &[("a[1]", &[[0.0, 1.0]], &numbers(&[f64::NAN]))]);
        },
        ROWS,
        &["label.csv: `train/audio`: 1 value in 1 segment is not finite (1 NaN"],
    ),
    (
        "sound that is cut",
        |folder| {
            put(folder, "sound/a_1.wav", &wav(8_000, &[100; 4_000])[..3_000]);
        },
        SOUND,
        &["a_1.wav", "ends too early"],
    ),
    (
        "an empty sound file",
        |folder| put(folder, "sound/a_1.wav", ""),
        SOUND,
        &["a_1.wav: the file is empty"],
    ),
    (
        "sound that is text",
        |folder| put(folder, "sound/a_1.wav", "no sound in it"),
        SOUND,
        &["a_1.wav: neither WAV, AIFF, FLAC, MP3"],
    ),
    (
        "a video without audio",
        |folder| {
            std::fs::remove_file(folder.join("sound/a_1.wav")).unwrap();
            put(folder, "sound/a_1.mp4", video());
        },
        SOUND,
        &["a_1.mp4: no audio in it"],
    ),
    (
        "sound without a sample",
        |folder| put(folder, "sound/a_1.wav", wav(8_000, &[])),
        SOUND,
        &["a_1.wav"],
    ),
    (
        "no reference",
        |folder| std::fs::remove_file(folder.join("words.csd")).unwrap(),
        ALIGN,
        &["words.csd: ", "no such file or folder"],
    ),
    (
        "an empty reference",
        |folder| put(folder, "words.csd", ""),
        ALIGN,
        &["words.csd: the file is empty"],
    ),
    (
        "labels that run backwards",
        |folder| rows(folder, "labels.csd", &[[1.0, 0.5]], &[1.0]),
        ALIGN,
        &["labels.csd: v: row 0 ends before it starts (1 to 0.5 s)"],
    ),
    (
        "a time that is NaN",
        |folder| rows(folder, "audio.csd", &[[f64::NAN, 1.0]], &[1.0]),
        ALIGN,
        &["audio.csd: v: the interval NaN to 1 s of row 0 is not finite"],
    ),
    (
        "no video in common",
        |folder| {
            std::fs::remove_file(folder.join("audio.csd")).unwrap();
            sequence(&folder.join("audio.csd"), &[("x", &[[0.0, 1.0]], &numbers(&[1.0]))]);
        },
        ALIGN,
        &["no video is in all of words.csd, labels.csd, audio.csd"],
    ),
    (
        "words in place of audio",
        |folder| {
            std::fs::remove_file(folder.join("audio.csd")).unwrap();
            word_sequence(&folder.join("audio.csd"), &[("v", WORDS)]);
        },
        ALIGN,
        &["audio.csd: v: expected numbers"],
    ),
    (
        "vectors of no word",
        |folder| put(folder, "glove.txt", "other 1 2\n"),
        "align --reference words.csd --labels labels.csd -o a.h5 --dataset mosi --folds none --vectors glove.txt",
        &["glove.txt: has a vector for none of the 2 words"],
    ),
];

#[test]
fn every_broken_input_has_one_cause_and_leaves_nothing_behind() {
    for call in [TIMED, ROWS, SOUND, ALIGN] {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        let args: Vec<&str> = call.split(' ').collect();
        almt(folder.path(), &args).ok();
    }
    assert!(BROKEN.len() > 30, "{}", BROKEN.len());
    for (what, breaks, call, parts) in BROKEN {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        make(folder);
        breaks(folder);
        let before = files(folder);
        println!("{what}");
        let args: Vec<&str> = call.split(' ').collect();
        let call = almt(folder, &args).fails_with(parts);
        let stderr = call.stderr();
        let causes = stderr.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(causes.count(), 1, "{what}: {}", call.explain());
        assert_eq!(files(folder), before, "{what}");
    }
}

#[test]
fn tables_of_any_spreadsheet_are_read() {
    for table in [
        "\u{feff}id,label\na_1,1.5\n",
        "id;label\r\na_1;1,5\r\n",
        "\u{feff}id\tlabel\r\na_1\t1.5\r\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        put(folder, "label.csv", table);
        put(folder, "audio/a_1.csv", "\u{feff}x;y\r\n1;2.5\r\n");
        put(folder, "vision/a_1.npy", npy(&arr2(&[[1.0]])));
        let args = ["build", "--labels", "label.csv", "--audio", "audio", "--vision", "vision"];
        almt(folder, &[&args[..], &["--dataset", "mosi"]].concat()).ok();
    }
}
