//! Stores of clips with words that have times, and of clips whose features lie in computational sequences.

use std::path::Path;

use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::manifest::Alignment;
use almt_data::corpus::names::FeatureValues;
use almt_data::corpus::{Modality, SplitName};
use almt_data::csd::{CsdEntry, Features, SequenceWriter, Texts};
use almt_data::store::Store;
use ndarray::{Array2, arr2};
use serde_json::json;

use crate::build::{npy, openface, put, wav};
use crate::support::{Call, almt};

/// Words with start and end; no text is a pause.
pub type Words<'a> = &'a [(&'a str, [f64; 2])];

/// A TextGrid in the long form with a tier of phones before that of words.
pub fn textgrid(tier: &str, words: Words<'_>) -> String {
    let end = words.last().map_or(0.0, |(_, [_, end])| *end);
    let mut text = format!(
        "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0 \nxmax = {end} \n\
         tiers? <exists> \nsize = 2 \nitem []: \n"
    );
    for (number, (name, words)) in [("phones", &words[..1]), (tier, words)].iter().enumerate() {
        text += &format!(
            "    item [{}]:\n        class = \"IntervalTier\" \n        name = \"{name}\" \n        \
             xmin = 0 \n        xmax = {end} \n        intervals: size = {} \n",
            number + 1,
            words.len()
        );
        for (idx, (word, [start, end])) in words.iter().enumerate() {
            text += &format!(
                "        intervals [{}]:\n            xmin = {start} \n            xmax = {end} \n            \
                 text = \"{word}\" \n",
                idx + 1
            );
        }
    }
    text
}

/// The same words in the short form, with no other tier.
fn short_textgrid(words: Words<'_>) -> String {
    let end = words.last().map_or(0.0, |(_, [_, end])| *end);
    let n_words = words.len();
    let mut text = format!(
        "File type = \"ooTextFile\"\n\"TextGrid\"\n\n0\n{end}\n<exists>\n1\n\"IntervalTier\"\n\"ORT\"\n0\n\
         {end}\n{n_words}\n"
    );
    words.iter().for_each(|(word, [start, end])| {
        text += &format!("{start}\n{end}\n\"{word}\"\n");
    });
    text
}

/// The same words as lines of CTM, without the pauses.
pub fn ctm(recording: &str, words: Words<'_>) -> String {
    let spoken = words.iter().filter(|(word, _)| !word.is_empty());
    let lines = spoken
        .map(|(word, [start, end])| format!("{recording} 1 {start} {} {word} 0.9\n", end - start));
    lines.collect()
}

/// The same words as Whisper writes them, without the pauses.
pub fn whisper(words: Words<'_>) -> String {
    let spoken = words.iter().filter(|(word, _)| !word.is_empty());
    let words = spoken.map(|(word, [start, end])| {
        json!({"word": format!(" {word}"), "start": start, "end": end, "probability": 0.5})
    });
    let words: Vec<serde_json::Value> = words.collect();
    json!({"text": "…", "segments": [{"id": 0, "words": words}], "language": "en"}).to_string()
}

/// Name of an entry, times of its rows in seconds, and the rows `[n_rows, feat_dim]`.
pub type Entry<'a> = (&'a str, &'a [[f64; 2]], &'a Array2<f64>);

/// A computational sequence of numbers, with an entry per name.
pub fn sequence(path: &Path, entries: &[Entry<'_>]) {
    let mut writer = SequenceWriter::create(path, "root", false).unwrap();
    for (name, intervals, values) in entries {
        let features = Features::Float64((*values).clone());
        writer.entry(name, &CsdEntry { intervals: intervals.to_vec(), features }).unwrap();
    }
    writer.finish(&[("dimension names".into(), json!(["f0", "VUV"]))]).unwrap();
}

/// A computational sequence of words, with an entry per name.
pub fn word_sequence(path: &Path, entries: &[(&str, Words<'_>)]) {
    let mut writer = SequenceWriter::create(path, "words", false).unwrap();
    for (name, words) in entries {
        let values = Array2::from_shape_fn((words.len(), 1), |(row, _)| words[row].0.to_owned());
        let intervals = words.iter().map(|(_, interval)| *interval).collect();
        let features = Features::Text(Texts { width: 12, values });
        writer.entry(name, &CsdEntry { intervals, features }).unwrap();
    }
    writer.finish(&[]).unwrap();
}

const WORDS: Words<'_> =
    &[("Good", [0.1, 0.3]), ("", [0.3, 0.4]), ("film", [0.4, 0.85]), ("!", [0.85, 0.9])];

/// A clip whose audio has ten frames per second, and whose vision has one per 0.1 s from OpenFace.
pub fn clip(folder: &Path) {
    put(folder, "label.csv", "id,label\na_1,1\n");
    let audio = Array2::from_shape_fn((8, 2), |(frame, column)| (frame * 2 + column) as f64);
    put(folder, "audio/a_1.npy", npy(&audio));
    let frames: Vec<(f64, u8, [f64; 2])> =
        (0..24).map(|frame| (0.9, 1, [frame as f64, 0.5])).collect();
    put(folder, "openface/a_1.csv", openface(&frames));
}

const BUILD: &[&str] = &["build", "--labels", "label.csv", "--dataset", "mosi", "--overwrite"];
const AUDIO: &[&str] = &["--audio", "audio", "--frame-rate", "audio=10"];

fn build(folder: &Path, more: &[&[&str]]) -> Call {
    almt(folder, &[&[BUILD], more].concat().concat())
}

fn sample(store: &Store, modality: Modality) -> Array2<f32> {
    let block = store.features(SplitName::Train, modality).unwrap().unwrap();
    block.index_axis(ndarray::Axis(0), 0).to_owned()
}

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("label.h5")).unwrap()
}

fn texts(store: &Store) -> Vec<String> {
    store.strings(&ColumnKind::RawText.of(SplitName::Train)).unwrap().unwrap()
}

#[test]
fn every_kind_of_timings_gives_the_same_steps() {
    let utf16 = |text: &str| -> Vec<u8> {
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect()
    };
    let of_word = |word: &str| textgrid(word, WORDS);
    let kinds: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("words/a_1.TextGrid", of_word("words").into(), &[]),
        ("words/a/1.textgrid", [b"\xef\xbb\xbf", of_word("Word").as_bytes()].concat(), &[]),
        ("words/a_1.TextGrid", utf16(&of_word("A - words")), &[]),
        ("words/a_1.TextGrid", of_word("Wörter").into(), &["--tier", "Wörter"]),
        ("words/a_1.TextGrid", short_textgrid(WORDS).into(), &[]),
        ("words/a_1.ctm", ctm("any", WORDS).into(), &[]),
        ("words.ctm", (ctm("a_01", WORDS) + &ctm("z_1", WORDS)).into(), &[]),
        ("words/a_1.json", whisper(WORDS).into(), &[]),
    ];
    for (name, bytes, more) in kinds {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        clip(folder);
        put(folder, name, bytes);
        let place = if name == "words.ctm" { name } else { "words" };
        let vision = ["--vision", "openface", "--words", place];
        let out = build(folder, &[AUDIO, &vision, more]).ok().stdout();
        assert!(out.contains("raw_text: the words of the timings"), "{name}: {out}");
        check_steps(&open(folder), name);
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(folder);
    // Words of the whole video, of which the clip begins at second 5.
    put(folder, "label.csv", "id,label,from,End Time\na_1,1,5,0:06.5\n");
    let later: Vec<(&str, [f64; 2])> =
        WORDS.iter().map(|(word, [start, end])| (*word, [start + 5.0, end + 5.0])).collect();
    let all = [&[("before", [0.0, 4.0])], &later[..], &[("after", [7.0, 8.0])]].concat();
    word_sequence(&folder.join("words.csd"), &[("a", &all)]);
    let more = ["--vision", "openface", "--words", "words.csd", "--column", "start=from"];
    build(folder, &[AUDIO, &more]).ok();
    let store = open(folder);
    check_steps(&store, "words.csd");
    assert_eq!(store.manifest().splits[0].intervals, Some(vec![[5.0, 6.5]]));
}

/// The steps of `WORDS`, of which the third has no frame of audio in its last part.
fn check_steps(store: &Store, name: &str) {
    assert_eq!(texts(store), ["Good film !"], "{name}");
    assert_eq!(store.manifest().alignment, Some(Alignment::Aligned), "{name}");
    let audio = sample(store, Modality::Audio);
    // Frames 1 and 2; frames 4 to 7; nothing after 0.8 s.
    let expected = arr2(&[[3.0, 4.0], [11.0, 12.0], [0.0, 0.0]]);
    let is_near = |found: &Array2<f32>, expected: &Array2<f32>| {
        found.dim() == expected.dim() && (found - expected).iter().all(|it| it.abs() < 1e-4)
    };
    assert!(is_near(&audio, &expected), "{name}: {audio}");
    let vision = sample(store, Modality::Vision);
    // Frames of 1/30 s, whose times OpenFace rounds to 0.001 s: from 0.1 s on three to eight.
    assert!((vision[[0, 0]] - 5.5).abs() < 0.05, "{name}: {vision}");
    assert_eq!(vision.dim(), (3, 2), "{name}");
    let lengths = store.lengths(SplitName::Train, Modality::Audio).unwrap().unwrap();
    assert_eq!(lengths, [3], "{name}");
    let build = store.manifest().build.as_ref().unwrap();
    let words = build.words.as_ref().unwrap();
    assert_eq!((words.n_words, words.pooling.as_str()), (3, "overlap"), "{name}");
    assert_eq!(build.features["audio"].n_without_frames, Some(1), "{name}");
    assert_eq!(build.features["audio"].times.as_deref(), Some("10 frames per second"), "{name}");
    assert_eq!(build.features["vision"].times.as_deref(), Some("column `timestamp`"), "{name}");
}

#[test]
fn policies_decide_on_words_without_frames_and_on_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(folder);
    put(folder, "words/a_1.TextGrid", textgrid("words", WORDS));
    let call = |more: &[&str]| build(folder, &[AUDIO, &["--words", "words"], more]);
    let out = call(&[]).ok().stdout();
    assert!(out.contains("audio: 1 word without a frame is zeros"), "{out}");
    assert!(out.contains("words: 1 pause was left out"), "{out}");
    let out = call(&["--missing", "drop-row"]).ok().stdout();
    assert!(out.contains("words: 1 word without frames was left out (policy `drop-row`)"), "{out}");
    assert_eq!(texts(&open(folder)), ["Good film"]);
    assert_eq!(sample(&open(folder), Modality::Audio).nrows(), 2);
    call(&["--missing", "drop-segment"]).fails_with(&["every clip has words at whose time"]);
    call(&["--pauses", "keep", "--word-pooling", "max"]).ok();
    let audio = sample(&open(folder), Modality::Audio);
    assert_eq!(audio.column(0).to_vec(), [4.0, 6.0, 14.0, 0.0]);
    assert_eq!(texts(&open(folder)), ["Good film !"]);
    call(&["--word-pooling", "none"]).ok();
    assert_eq!(sample(&open(folder), Modality::Audio).nrows(), 8);
    let tree = almt(folder, &["inspect", "label.h5"]).ok().stdout();
    assert!(tree.contains("pooling none, missing zero, values finite, pauses drop"), "{tree}");
    let plain = [BUILD, &["--audio", "audio", "--words", "words"]].concat();
    almt(folder, &plain).fails_with(&["a_1.npy: the times of its frames of audio are unknown"]);
    for (more, problem) in [
        (&["--pool", "audio=2"][..], "`--pool` names audio, which has a step per word"),
        (&["--frame-rate", "audio=0"], "expected MODALITY=HZ such as vision=30, found `audio=0`"),
    ] {
        let call = call(more);
        assert_eq!(call.code(), 2, "{}", call.explain());
        assert!(call.stderr().contains(problem), "{}", call.explain());
    }
    let alone = almt(folder, &[BUILD, &["--tier", "words"]].concat());
    assert_eq!(alone.code(), 2, "{}", alone.explain());
}

#[test]
fn lines_of_a_ctm_that_are_not_in_order_of_time_are_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(folder);
    let lines = ctm("a_1", WORDS);
    let reversed: Vec<&str> = lines.lines().rev().collect();
    let build = |place: &str| {
        let sources = ["--vision", "openface", "--words", place];
        build(folder, &[AUDIO, &sources]).ok().stdout()
    };
    let note = "words: the CTM lines of 1 clip were not in order of time, and were sorted: a_1";
    put(folder, "words/a_1.ctm", reversed.join("\n"));
    put(
        folder,
        "all.ctm",
        format!("z_1 1 3 1 later\n{}\nz_1 1 1 1 earlier\n", reversed.join("\n")),
    );
    for place in ["words", "all.ctm"] {
        let out = build(place);
        assert!(out.contains(note), "{place}: {out}");
        check_steps(&open(folder), place);
    }
    put(folder, "words/a_1.ctm", &lines);
    let out = build("words");
    assert!(!out.contains("order of time"), "{out}");
}

#[test]
fn texts_of_the_table_are_compared_with_the_words() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(folder);
    put(folder, "label.csv", "id,label,text\na_1,1,\"good, FILM\"\na_2,0,another one\n");
    put(folder, "audio/a_2.npy", npy(&arr2(&[[1.0, 2.0]])));
    put(folder, "words/a_1.json", whisper(WORDS));
    put(folder, "words/a_2.json", whisper(&WORDS[..1]));
    let out = build(folder, &[AUDIO, &["--words", "words"]]).ok().stdout();
    assert!(
        out.contains("words: the same as in 1 of 2 texts of the table; others in: a_2"),
        "{out}"
    );
    assert_eq!(texts(&open(folder)), ["good, FILM", "another one"]);
    // Of a clip without words, nothing is stored unless that is allowed.
    std::fs::remove_file(folder.join("words/a_2.json")).unwrap();
    let call = build(folder, &[AUDIO, &["--words", "words"]]);
    call.fails_with(&["1 of 2 clips are incomplete: words: 1 clip has no file (a_2)"]);
    build(folder, &[AUDIO, &["--words", "words", "--drop-incomplete"]]).ok();
    assert_eq!(texts(&open(folder)), ["good, FILM"]);
}

#[test]
fn words_of_sound_have_frames_of_its_own_rate() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "label.csv", "id,label\na_1,1\n");
    // Half a second that changes its sign every 50 samples, then half a second of every 25.
    let sign = |idx: usize| {
        let half = if idx < 11_025 { 50 } else { 25 };
        if (idx / half).is_multiple_of(2) { 8000 } else { -8000 }
    };
    let samples: Vec<i16> = (0..22_050).map(sign).collect();
    put(folder, "sound/a_1.wav", wav(22_050, &samples));
    put(folder, "words/a_1.ctm", ctm("a", &[("slow", [0.1, 0.4]), ("fast", [0.6, 0.9])]));
    build(folder, &[&["--audio", "sound", "--words", "words"]]).ok();
    let store = open(folder);
    let audio = sample(&store, Modality::Audio);
    assert_eq!(audio.dim(), (2, 33));
    assert!((audio[[0, 0]] - 0.02).abs() < 1e-3 && (audio[[1, 0]] - 0.04).abs() < 2e-3, "{audio}");
    let named = &store.manifest().features[&Modality::Audio];
    assert_eq!((named.set.as_deref(), named.values), (Some("librosa-33"), FeatureValues::Averaged));
    assert_eq!(named.names[0], "zero_crossing_rate");
}

#[test]
fn rows_of_a_sequence_belong_to_clips_by_name_or_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "label.csv", "video_id,clip_id,label,start,end\nv,1,1,0,2\nv,2,0,2,3.5\nw,1,2,,\n");
    let values = |rows: &[f64]| Array2::from_shape_fn((rows.len(), 2), |(row, _)| rows[row]);
    // Not in order of start, and the last row lies in no clip.
    let times = [[1.0, 2.0], [0.0, 1.0], [2.0, 3.0], [3.0, 4.1], [5.0, 6.0]];
    let (video, clip) = (values(&[1.0, 0.0, 2.0, 3.0, 4.0]), values(&[7.0, 8.0]));
    let entries: [Entry<'_>; 3] = [
        ("v", &times, &video),
        ("w[1]", &[[0.0, 1.0], [1.0, 2.0]], &clip),
        ("x", &[[0.0, 1.0], [1.0, 2.0]], &clip),
    ];
    sequence(&folder.join("COVAREP.csd"), &entries);
    let out = build(folder, &[&["--audio", "COVAREP.csd"]]).ok().stdout();
    assert!(
        out.contains("audio: 3 of 3 clips have an entry; 1 entry belongs to no clip (x)"),
        "{out}"
    );
    let store = open(folder);
    let all = store.features(SplitName::Train, Modality::Audio).unwrap().unwrap();
    let column = |row: usize| all.slice(ndarray::s![row, .., 0]).to_vec();
    // The middle of the fourth row is after the clip's end.
    assert_eq!((column(0), column(1), column(2)), (vec![0.0, 1.0], vec![2.0, 0.0], vec![7.0, 8.0]));
    let manifest = store.manifest();
    let built = &manifest.build.as_ref().unwrap().features["audio"];
    assert_eq!((built.n_files, &*built.kinds[0]), (1, "computational sequence"));
    assert_eq!(manifest.features[&Modality::Audio].names, ["f0", "VUV"]);
    // Not all clips have a time, so none is recorded.
    assert_eq!(manifest.splits[0].intervals, None);
    // Words and features of the same sequence have the same time.
    word_sequence(&folder.join("words.csd"), &[("v", &[("one", [0.0, 1.0]), ("two", [2.0, 3.0])])]);
    put(folder, "label.csv", "video_id,clip_id,label,start,end\nv,1,1,0,2\nv,2,0,2,3.5\n");
    build(folder, &[&["--audio", "COVAREP.csd", "--words", "words.csd"]]).ok();
    let all = open(folder).features(SplitName::Train, Modality::Audio).unwrap().unwrap();
    assert_eq!(all.slice(ndarray::s![.., 0, 0]).to_vec(), [0.0, 2.0]);
}

#[test]
fn names_in_files_reach_the_manifest_and_the_rule_that_follows_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "label.csv", "id,label\na_1,1\na_2,0\n");
    for clip in ["a_1", "a_2"] {
        let table = openface(&[(0.9, 1, [0.1, 3.0])]).replace("AU01_r", "AU01_c");
        put(folder, &format!("openface/{clip}.csv"), table);
        put(folder, &format!("audio/{clip}.npy"), npy(&Array2::from_elem((2, 74), 0.5)));
    }
    let vision = ["--vision", "openface"];
    build(folder, &[&vision]).ok();
    let named = open(folder).manifest().features[&Modality::Vision].clone();
    assert_eq!((named.set, named.values), (None, FeatureValues::Frames));
    assert_eq!(named.names, ["gaze_0_x", "AU01_c"]);
    let found = almt(folder, &["validate", "label.h5"]);
    assert!(found.stdout().contains("AD046"), "{}", found.explain());
    for command in [&["inspect", "label.h5"][..], &["stats", "label.h5"]] {
        let out = almt(folder, command).ok().stdout();
        assert!(out.contains("2 named features: gaze_0_x, AU01_c"), "{command:?}: {out}");
    }
    // Means of a class are shares.
    build(folder, &[&vision, &["--pool", "vision=2"]]).ok();
    let named = open(folder).manifest().features[&Modality::Vision].clone();
    assert_eq!(named.values, FeatureValues::Averaged);
    // Arrays have no names of their own.
    let audio = ["--audio", "audio", "--features"];
    build(folder, &[&audio, &["audio=covarep-74:scaled"]]).ok();
    let named = open(folder).manifest().features[&Modality::Audio].clone();
    assert_eq!((named.set.as_deref(), named.names[1].as_str()), (Some("covarep-74"), "VUV"));
    build(folder, &[&audio, &["audio=librosa-33"]])
        .fails_with(&["audio is not `librosa-33`: expected 33 features, found 74"])
        .hints_at("`--features audio=covarep-74`");
    put(folder, "names/a_1.csv", "x,y\n1,2\n");
    put(folder, "names/a_2.csv", "x,y\n1,2\n");
    let call = build(folder, &[&["--vision", "names", "--features", "vision=openface2-709"]]);
    call.fails_with(&["vision is not `openface2-709`: expected 709 features, found 2"]);
}
