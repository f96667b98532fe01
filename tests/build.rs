//! Stores built from a table of clips and a file of features per clip.

use std::path::Path;

use almt_data::build::frames::{self, FileKind};
use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::manifest::Alignment;
use almt_data::corpus::{Modality, SplitName};
use almt_data::store::Store;
use hdf5::types::FixedAscii;
use ndarray::{Array2, arr2};

use crate::support::{Call, almt, files, real_data};

/// A file in a folder that may not exist yet.
pub fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A NumPy file of float64.
pub fn npy(values: &Array2<f64>) -> Vec<u8> {
    let (n_rows, n_cols) = values.dim();
    npy_of(&format!("({n_rows}, {n_cols})"), values.iter().flat_map(|value| value.to_le_bytes()))
}

fn npy_of(shape: &str, bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let len = u16::try_from(header.len()).unwrap().to_le_bytes();
    let start = [&b"\x93NUMPY\x01\0"[..], &len, header.as_bytes()].concat();
    start.into_iter().chain(bytes).collect()
}

/// A table of OpenFace: confidence, success and two features per frame, with the blanks of older builds.
pub fn openface(frames: &[(f64, u8, [f64; 2])]) -> String {
    let mut table = "frame, face_id, timestamp, confidence, success, gaze_0_x, AU01_r\n".to_owned();
    for (idx, (confidence, success, [gaze, unit])) in frames.iter().enumerate() {
        let (frame, time) = (idx + 1, idx as f64 / 30.0);
        table += &format!("{frame}, 0, {time:.3}, {confidence}, {success}, {gaze}, {unit}\n");
    }
    table
}

/// An element of a MATLAB file of version 5, padded to eight bytes.
fn element(kind: u32, bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap();
    let mut all = [&kind.to_le_bytes()[..], &len.to_le_bytes(), bytes].concat();
    all.resize(all.len().next_multiple_of(8), 0);
    all
}

/// A variable of a MATLAB file of version 5.
fn matrix(name: &str, class: u32, extents: [u32; 2], data: Vec<u8>) -> Vec<u8> {
    let flags = [class.to_le_bytes(), [0; 4]].concat();
    let extents = extents.map(u32::to_le_bytes).concat();
    let parts = [element(6, &flags), element(5, &extents), element(1, name.as_bytes()), data];
    element(14, &parts.concat())
}

/// A MATLAB file of version 5 with these variables.
fn mat(variables: &[Vec<u8>]) -> Vec<u8> {
    let mut header = b"MATLAB 5.0 MAT-file".to_vec();
    header.resize(124, b' ');
    header.extend([0x00, 0x01, b'I', b'M']);
    [header, variables.concat()].concat()
}

fn numbers(name: &str, values: &Array2<f64>) -> Vec<u8> {
    let (n_rows, n_cols) = values.dim();
    let columns = values.t().iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    matrix(name, 6, [n_rows as u32, n_cols as u32], element(9, &columns))
}

/// The same variable, deflated.
fn packed(variable: &[u8]) -> Vec<u8> {
    let packed = deflated(variable);
    let len = u32::try_from(packed.len()).unwrap();
    [&15_u32.to_le_bytes()[..], &len.to_le_bytes(), &packed].concat()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A MATLAB file of version 7.3, whose matrix may lie in deflated chunks.
fn mat73(path: &Path, values: &Array2<f64>, chunk: Option<[usize; 2]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = hdf5::File::with_options().with_fcpl(|file| file.userblock(512)).create(path);
    let file = file.unwrap();
    let columns = values.t().as_standard_layout().to_owned();
    let dataset = match chunk {
        Some(chunk) => {
            let builder = file.new_dataset_builder().shuffle().deflate(6).chunk(chunk);
            builder.with_data(&columns).create("features").unwrap()
        }
        None => file.new_dataset_builder().with_data(&columns).create("features").unwrap(),
    };
    let class = FixedAscii::<6>::from_ascii("double").unwrap();
    let attribute = dataset.new_attr::<FixedAscii<6>>().create("MATLAB_class").unwrap();
    attribute.write_scalar(&class).unwrap();
}

/// Frames of one clip.
const FEATURES: [[f64; 2]; 3] = [[1.0, 2.0], [3.0, 4.5], [-5.0, 6.0]];

/// Features of one clip, `[n_frames, 2]`.
fn features(n_frames: usize, start: f64) -> Array2<f64> {
    Array2::from_shape_fn((n_frames, 2), |(frame, column)| {
        start + frame as f64 + 0.5 * column as f64
    })
}

/// A sample of a store.
fn sample(store: &Store, split: SplitName, modality: Modality, row: usize) -> Array2<f32> {
    let block = store.features(split, modality).unwrap().unwrap();
    block.index_axis(ndarray::Axis(0), row).to_owned()
}

fn lengths(store: &Store, split: SplitName, modality: Modality) -> Vec<i32> {
    store.lengths(split, modality).unwrap().unwrap()
}

const TABLE: &str = "video_id,clip_id,text,label,label_T,annotation,mode\n\
    v_1,0001,good film,1.2,1,Positive,train\n\
    v_1,0002,weak scene,-0.6,0,Negative,train\n\
    v_2,1,the movie,0,,Neutral,dev\n\
    w,10,was good,2,1,Positive,test\n";

/// Four clips, each with audio and vision.
fn clips(folder: &Path) {
    put(folder, "label.csv", TABLE);
    for (name, n_frames) in [("v_1_1", 3), ("v_1$_$2", 7), ("v_2/0001", 5), ("w[10]", 2)] {
        put(folder, &format!("audio/{name}.npy"), npy(&features(n_frames, 10.0)));
        let frames: Vec<(f64, u8, [f64; 2])> =
            (0..2 * n_frames).map(|frame| (0.9, 1, [frame as f64, 0.25])).collect();
        put(folder, &format!("openface/{name}.csv"), openface(&frames));
    }
}

const BUILD: [&str; 9] = [
    "build",
    "--labels",
    "label.csv",
    "--audio",
    "audio",
    "--vision",
    "openface",
    "--dataset",
    "mosi",
];

fn build(folder: &Path, more: &[&str]) -> Call {
    almt(folder, &[&BUILD[..], more].concat())
}

#[test]
fn a_table_and_files_per_clip_become_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder);
    let out = build(folder, &[]).ok().stdout();
    assert!(out.contains("dataset  CMU-MOSI (clips layout)"), "{out}");
    assert!(out.contains("train    2 segments  audio [7, 2]  vision [14, 2]"), "{out}");
    assert!(out.contains("note     audio: 4 of 4 clips have a file\n"), "{out}");
    assert!(out.contains("note     audio: float64 -> float32"), "{out}");
    let store = Store::open(&folder.join("label.h5")).unwrap();
    let manifest = store.manifest();
    let ids: Vec<&[String]> = manifest.splits.iter().map(|split| &*split.ids).collect();
    assert_eq!(ids, [&["v_1$_$0001", "v_1$_$0002"][..], &["v_2$_$1"], &["w$_$10"]]);
    assert_eq!(manifest.splits[0].videos, ["v_1", "v_1"]);
    assert_eq!(manifest.alignment, Some(Alignment::Unaligned));
    let audio = sample(&store, SplitName::Train, Modality::Audio, 0);
    let mut expected = Array2::<f32>::zeros((7, 2));
    expected.slice_mut(ndarray::s![..3, ..]).assign(&arr2(&[
        [10.0, 10.5],
        [11.0, 11.5],
        [12.0, 12.5],
    ]));
    assert_eq!(audio, expected);
    assert_eq!(lengths(&store, SplitName::Train, Modality::Audio), [3, 7]);
    assert_eq!(lengths(&store, SplitName::Test, Modality::Vision), [4]);
    assert_eq!(store.labels(SplitName::Train).unwrap().unwrap(), [1.2, -0.6]);
    let texts = |kind: ColumnKind| store.strings(&kind.of(SplitName::Train)).unwrap().unwrap();
    assert_eq!(texts(ColumnKind::RawText), ["good film", "weak scene"]);
    assert_eq!(texts(ColumnKind::Annotations), ["Positive", "Negative"]);
    let build = manifest.build.as_ref().unwrap();
    assert_eq!((&*build.columns["split"], &*build.columns["clip"]), ("mode", "clip_id"));
    assert_eq!(build.features["vision"].kinds, ["OpenFace CSV"]);
    almt(folder, &["validate", "label.h5"]).ok();
    // The same bytes a second time, and none without a word.
    let digest = manifest.digest.clone();
    build_again(folder, &digest);
}

fn build_again(folder: &Path, digest: &str) {
    build(folder, &[]).fails_with(&["label.h5: already exists"]).hints_at("--overwrite");
    let again = build(folder, &["-o", "again.arrow"]).ok().stdout();
    assert!(again.contains(digest), "{again}");
}

#[test]
fn every_kind_of_file_has_the_same_frames() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let expected = arr2(&FEATURES);
    let names = matrix("names", 1, [1, 2], Vec::new());
    put(folder, "label.csv", "id,label\na_1,1\na_2,1\na_3,1\na_4,1\na_5,1\na_6,1\na_7,1\n");
    put(folder, "audio/a_1.npy", npy(&expected));
    put(folder, "audio/a_2.mat", mat(&[names.clone(), numbers("features", &expected)]));
    let two = [numbers("other", &features(1, 0.0)), numbers("features", &expected)];
    put(folder, "audio/a_3.mat", mat(&two.map(|variable| packed(&variable))));
    mat73(&folder.join("audio/a_4.mat"), &expected, None);
    mat73(&folder.join("audio/a_5.mat"), &expected, Some([1, 2]));
    put(folder, "audio/a_6.csv", "1,2\n3,4.5\n-5,6\n");
    put(folder, "audio/a_7.csv", "\u{feff}x;y\r\n1;2\r\n3;4.5\r\n-5;6\r\n");
    let args = ["build", "--labels", "label.csv", "--audio", "audio", "--dataset", "mosi"];
    let out = almt(folder, &args).ok().stdout();
    assert!(out.contains("train    7 segments  audio [3, 2]"), "{out}");
    let store = Store::open(&folder.join("label.h5")).unwrap();
    for row in 0..7 {
        let found = sample(&store, SplitName::Train, Modality::Audio, row);
        assert_eq!(found, expected.mapv(|value| value as f32), "a_{}", row + 1);
    }
    let built = &store.manifest().build.as_ref().unwrap().features["audio"];
    assert_eq!(built.kinds, ["CSV", "MATLAB matrix", "NumPy array"]);
    assert_eq!(built.n_files, 7);
}

#[test]
fn lengths_and_pooling_are_as_asked_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder);
    let more = ["--length", "audio=4", "--cut", "start", "--pool", "vision=5", "--length"];
    let out = build(folder, &[&more[..], &["vision=mean+3sd"]].concat()).ok().stdout();
    // 6, 14, 10 and 4 frames become 2, 3, 2 and 1: mean 2, standard deviation 0.707.
    assert!(out.contains("audio [4, 2]  vision [4, 2]"), "{out}");
    assert!(out.contains("audio: 2 clips were cut from up to 7 to 4 frames at the start"), "{out}");
    assert!(out.contains("vision: each frame is the mean of 5 consecutive ones"), "{out}");
    let store = Store::open(&folder.join("label.h5")).unwrap();
    let audio = sample(&store, SplitName::Train, Modality::Audio, 1);
    assert_eq!(audio.column(0).to_vec(), [13.0, 14.0, 15.0, 16.0]);
    let vision = sample(&store, SplitName::Train, Modality::Vision, 0);
    assert_eq!(vision, arr2(&[[2.0, 0.25], [5.0, 0.25], [0.0, 0.0], [0.0, 0.0]]));
    assert_eq!(lengths(&store, SplitName::Train, Modality::Vision), [2, 3]);
    // Of one length by choice, and yet not aligned.
    assert_eq!(store.manifest().alignment, Some(Alignment::Unaligned));
    let tree = almt(folder, &["inspect", "label.h5"]).ok().stdout();
    for line in [
        "4 files (NumPy array); length 4 (fixed), cut at the start, padded at the back",
        "4 files (OpenFace CSV); mean of 5 frames; length 4 (mean+3sd), cut at the start",
        "frames without a face: 0 (keep)",
    ] {
        assert!(tree.contains(line), "`{line}`\n{tree}");
    }
    almt(folder, &["copy", "label.h5", "copy.arrow"]).ok();
    let copy = Store::open(&folder.join("copy.arrow")).unwrap();
    assert_eq!(copy.manifest().build, store.manifest().build);
}

#[test]
fn frames_without_a_face_are_counted_and_follow_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "label.csv", "id,label\na_1,1\na_2,1\n");
    let frames =
        [(0.9, 1, [1.0, 1.0]), (0.2, 0, [9.0, 9.0]), (0.4, 1, [9.0, 9.0]), (0.9, 1, [4.0, 4.0])];
    put(folder, "f/a_1.csv", openface(&frames));
    put(folder, "f/a_2.csv", openface(&[(0.9, 1, [2.0, 2.0])]));
    let args =
        ["build", "--labels", "label.csv", "--vision", "f", "--dataset", "mosi", "--overwrite"];
    let build = |more: &[&str]| almt(folder, &[&args[..], more].concat()).ok().stdout();
    let first = || {
        let store = Store::open(&folder.join("label.h5")).unwrap();
        let failed =
            store.manifest().build.as_ref().unwrap().features["vision"].failed_faces.clone();
        let column = sample(&store, SplitName::Train, Modality::Vision, 0).column(0).to_vec();
        (column, failed.unwrap().n_failed)
    };
    let out = build(&[]);
    let note = "vision: 1 of 5 frames, in 1 clip, have no face: their values were kept";
    assert!(out.contains(note), "{out}");
    assert_eq!(first(), (vec![1.0, 9.0, 9.0, 4.0], 1));
    for (action, column) in [
        ("zero", vec![1.0, 0.0, 0.0, 4.0]),
        ("interpolate", vec![1.0, 2.0, 3.0, 4.0]),
        ("drop", vec![1.0, 4.0]),
    ] {
        build(&["--min-confidence", "0.5", "--failed-faces", action]);
        assert_eq!(first(), (column, 2), "{action}");
    }
    // Without any face there is nothing to put in the place of frames.
    put(folder, "f/a_2.csv", openface(&[(0.0, 0, [2.0, 2.0])]));
    let call = almt(folder, &[&args[..], &["--failed-faces", "drop"]].concat());
    call.fails_with(&["1 of 2 clips are incomplete", "a_2", "no frame of it has a face"]);
}

#[test]
fn nothing_is_left_out_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder);
    std::fs::remove_file(folder.join("audio/v_2/0001.npy")).unwrap();
    put(folder, "openface/w[10].csv", "");
    put(folder, "openface/x_9.csv", openface(&[(1.0, 1, [0.0, 0.0])]));
    put(folder, "audio/v_20_1.npy", npy(&features(2, 0.0)));
    let before = files(folder);
    let call = build(folder, &[]).fails_with(&[
        "label.csv: 2 of 4 clips are incomplete: audio: 1 clip has no file (v_2$_$1); 1 file belongs to \
         no clip (v_20_1.npy); vision: 1 file is unusable (`w$_$10`: ",
        "w[10].csv: the file is empty); 1 file belongs to no clip (x_9.csv)",
    ]);
    call.hints_at("`--drop-incomplete` leaves them out");
    assert_eq!(files(folder), before);
    let out = build(folder, &["--drop-incomplete"]).ok().stdout();
    assert!(out.contains("1 file belongs to no clip (x_9.csv)"), "{out}");
    assert!(out.contains("2 incomplete clips are not stored: v_2$_$1, w$_$10"), "{out}");
    let store = Store::open(&folder.join("label.h5")).unwrap();
    let manifest = store.manifest();
    assert_eq!(manifest.splits.len(), 1);
    assert_eq!(manifest.build.as_ref().unwrap().left_out, ["v_2$_$1", "w$_$10"]);
    assert!(manifest.notes.iter().any(|note| note.contains("x_9.csv")), "{:?}", manifest.notes);
    // Of no clip is left.
    std::fs::remove_dir_all(folder.join("openface")).unwrap();
    put(folder, "openface/w_10.csv", "");
    let out = ["--drop-incomplete", "-o", "none.h5"];
    build(folder, &out).fails_with(&["label.csv: none of 4 clips is complete"]);
}

#[test]
fn a_table_without_splits_is_one_split_that_others_are_drawn_from() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = (0..30).map(|row| format!("v{},{row},{}\n", row / 2, row % 7 - 3));
    put(folder, "own.csv", format!("video,clip,SENTIMENT\n{}", rows.collect::<String>()));
    for row in 0..30 {
        put(folder, &format!("a/v{}/{row:04}.npy", row / 2), npy(&features(3, row as f64)));
    }
    let args = ["build", "--labels", "own.csv", "--audio", "a", "--dataset", "mosi"];
    let label = ["--column", "label=SENTIMENT"];
    let out = almt(folder, &[&args[..], &label].concat()).ok().stdout();
    assert!(out.contains("train    30 segments"), "{out}");
    assert!(out.contains("splits: the table has none, all clips are in `train`"), "{out}");
    almt(folder, &["split", "own.h5", "--ratio", "0.6,0.2,0.2", "-o", "splits.json"]).ok();
    let valid = [&args[..], &label, &["--split", "dev", "-o", "valid.h5"]].concat();
    assert!(almt(folder, &valid).ok().stdout().contains("valid    30 segments"));
    // Without its label column the table is one of clips to predict.
    let unlabelled = [&args[..], &["--column", "label=", "-o", "new.h5"]].concat();
    let call = almt(folder, &unlabelled).ok();
    assert!(call.stdout().contains("test     30 segments"), "{}", call.explain());
    assert!(
        Store::open(&folder.join("new.h5")).unwrap().labels(SplitName::Test).unwrap().is_none()
    );
    clips(folder);
    build(folder, &["--split", "train"])
        .fails_with(&["label.csv: has splits of its own, and train was given for all clips"]);
}

#[test]
fn labels_that_are_absent_are_kept_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "l.csv", "id,label,text\na_1,1,x\na_2,,y\na_3,-1,z\n");
    let args = ["build", "--labels", "l.csv", "--dataset", "mosi", "--overwrite"];
    almt(folder, &args).ok();
    let labels = |folder: &Path| {
        Store::open(&folder.join("l.h5")).unwrap().labels(SplitName::Train).unwrap().unwrap()
    };
    assert!(labels(folder)[1].is_nan());
    let out = almt(folder, &[&args[..], &["--drop-unlabelled"]].concat()).ok().stdout();
    assert!(out.contains("train: 1 segment without a label is not stored: a_2"), "{out}");
    assert_eq!(labels(folder), [1.0, -1.0]);
}

/// Makes one broken input, and says how its cause reads.
type Broken = (&'static str, fn(&Path), &'static [&'static str]);

const BROKEN: &[Broken] = &[
    ("an empty table", |folder| put(folder, "label.csv", ""), &["label.csv", "no rows"]),
    (
        "a table without ids",
        |folder| put(folder, "label.csv", "text,label\nx,1\n"),
        &["label.csv", "the id of a segment"],
    ),
    (
        "a clip twice",
        |folder| put(folder, "label.csv", TABLE.replace("v_1,0002", "v_1,1")),
        &["label.csv: line 3", "appears a second time"],
    ),
    (
        "a label that is no number",
        |folder| put(folder, "label.csv", TABLE.replace("-0.6", "bad")),
        &["label.csv: line 3, column `label`", "found `bad`"],
    ),
    (
        "a label beyond float32",
        |folder| put(folder, "label.csv", TABLE.replace("-0.6", "-6e39")),
        &["label.csv: line 3, column `label`", "found `-6e39`"],
    ),
    (
        "a row without a split",
        |folder| put(folder, "label.csv", TABLE.replace("dev", "")),
        &["label.csv: line 4: clip `v_2_1` has no split"],
    ),
    (
        "a store in place of the table",
        |folder| put(folder, "label.csv", b"\x89HDF\r\n\x1a\n"),
        &["label.csv", "an HDF5 file"],
    ),
    (
        "no folder",
        |folder| std::fs::remove_dir_all(folder.join("audio")).unwrap(),
        &["audio: no such file or folder"],
    ),
    (
        "a file for a folder",
        |folder| {
            std::fs::remove_dir_all(folder.join("audio")).unwrap();
            put(folder, "audio", "x");
        },
        &["audio: expected a folder with a file of audio features per clip"],
    ),
    (
        "a folder of videos",
        |folder| {
            std::fs::remove_dir_all(folder.join("audio")).unwrap();
            put(folder, "audio/v_1_1.avi", "x");
        },
        &["audio: no file of audio features in it (.csv, .tsv, .npy, .mat, .wav, .wave, .aif, "],
    ),
    (
        "a video that is none",
        |folder| {
            std::fs::remove_dir_all(folder.join("audio")).unwrap();
            put(folder, "audio/v_1_1.mp4", "x");
        },
        &["audio/v_1_1.mp4: neither WAV, AIFF, FLAC, MP3, Ogg Vorbis, AAC nor MP4"],
    ),
    (
        "files of other clips",
        |folder| {
            std::fs::remove_dir_all(folder.join("audio")).unwrap();
            put(folder, "audio/z_1.npy", npy(&features(2, 0.0)));
        },
        &[
            "audio: none of its 1 files of audio features belongs to a clip of the table: there is `z_1.npy`",
        ],
    ),
    (
        "two files of a clip",
        |folder| put(folder, "audio/v_1_0001.npy", npy(&features(2, 0.0))),
        &["v_1_1.npy: belongs to the same clip as ", "v_1_0001.npy"],
    ),
    (
        "a vision without audio",
        |folder| std::fs::remove_file(folder.join("audio/v_1_1.npy")).unwrap(),
        &["1 of 4 clips are incomplete: audio: 1 clip has no file (v_1$_$0001)"],
    ),
    (
        "an empty array file",
        |folder| put(folder, "audio/v_1_1.npy", ""),
        &["1 file is unusable", "v_1_1.npy: the file is empty"],
    ),
    (
        "a truncated array",
        |folder| {
            let array = npy(&features(9, 0.0));
            put(folder, "audio/v_1_1.npy", &array[..array.len() - 8]);
        },
        &["v_1_1.npy: is cut: 136 of 144 bytes are there"],
    ),
    (
        "an array without frames",
        |folder| put(folder, "audio/v_1_1.npy", npy(&Array2::zeros((0, 2)))),
        &["v_1_1.npy: it has no frames"],
    ),
    (
        "an array of one axis",
        |folder| put(folder, "audio/v_1_1.npy", npy_of("(2,)", [0; 16].into_iter())),
        &["v_1_1.npy: expected an array of numbers, [n_frames, feat_dim], found float64 [2]"],
    ),
    (
        "other features than most",
        |folder| put(folder, "audio/v_1_1.npy", npy(&Array2::zeros((4, 3)))),
        &["v_1_1.npy: 3 features, and most files have 2"],
    ),
    (
        "NaN",
        |folder| put(folder, "audio/v_1_1.npy", npy(&arr2(&[[1.0, f64::NAN]]))),
        &["label.csv: `train/audio`: 1 value in 1 segment is not finite (1 NaN"],
    ),
    (
        "a value beyond float32",
        |folder| put(folder, "audio/v_1_1.npy", npy(&arr2(&[[1.0, -1e39]]))),
        &["label.csv: `train/audio`: 1 finite value in 1 segment lies beyond float32"],
    ),
    (
        "a table of features without lines",
        |folder| put(folder, "openface/v_1_1.csv", openface(&[])),
        &["v_1_1.csv: it has no frames"],
    ),
    (
        "a word among numbers",
        |folder| {
            let table = openface(&[(0.9, 1, [1.0, 1.0])]).replace("0.9", "high");
            put(folder, "openface/v_1_1.csv", table);
        },
        &["v_1_1.csv: line 2, column `confidence`: expected a number, found `high`"],
    ),
    (
        "decimal commas",
        |folder| put(folder, "openface/v_1_1.csv", "a;b\n1,5;2\n"),
        &["v_1_1.csv: line 2, column `a`: expected a number, found `1,5`"],
    ),
    (
        "a line that is cut",
        |folder| {
            let table = openface(&[(0.9, 1, [1.0, 1.0])]);
            put(folder, "openface/v_1_1.csv", &table[..table.len() - 4]);
        },
        &["v_1_1.csv: line 2: expected 7 fields, as in the first line, found 6"],
    ),
    (
        "columns of other names",
        |folder| {
            let table = openface(&[(0.9, 1, [1.0, 1.0])]).replace("AU01", "AU02");
            put(folder, "openface/v_1_1.csv", table);
        },
        &["v_1_1.csv: its columns have other names than those of most files"],
    ),
    (
        "a MATLAB file of strings",
        |folder| {
            std::fs::remove_file(folder.join("audio/v_1_1.npy")).unwrap();
            let text = matrix("names", 4, [1, 2], element(16, b"ab"));
            put(folder, "audio/v_1_1.mat", mat(&[text]));
        },
        &["v_1_1.mat: expected one matrix of numbers", "found `names` (text)"],
    ),
    (
        "two matrices",
        |folder| {
            std::fs::remove_file(folder.join("audio/v_1_1.npy")).unwrap();
            let both = [numbers("a", &features(1, 0.0)), numbers("b", &features(1, 0.0))];
            put(folder, "audio/v_1_1.mat", mat(&both));
        },
        &["v_1_1.mat: expected one matrix", "`a` (numbers [1, 2]), `b` (numbers [1, 2])"],
    ),
    (
        "a MATLAB file that is cut",
        |folder| {
            std::fs::remove_file(folder.join("audio/v_1_1.npy")).unwrap();
            let file = mat(&[numbers("features", &features(9, 0.0))]);
            put(folder, "audio/v_1_1.mat", &file[..file.len() - 16]);
        },
        &["v_1_1.mat: is cut"],
    ),
    (
        "a MATLAB file that is none",
        |folder| {
            std::fs::remove_file(folder.join("audio/v_1_1.npy")).unwrap();
            put(folder, "audio/v_1_1.mat", vec![b'x'; 300]);
        },
        &["v_1_1.mat: expected a MATLAB file of version 5 or 7.3, found another file"],
    ),
    (
        "a matrix that states more values than it packs",
        |folder| {
            std::fs::remove_file(folder.join("audio/v_1_1.npy")).unwrap();
            let bomb = matrix("features", 6, [1 << 20, 1 << 20], element(9, &[0; 64]));
            put(folder, "audio/v_1_1.mat", mat(&[packed(&bomb)]));
        },
        &["v_1_1.mat: [1048576, 1048576] are more than the"],
    ),
    (
        "a chunk that unpacks to more than its size",
        |folder| {
            std::fs::remove_file(folder.join("audio/v_1_1.npy")).unwrap();
            bomb(&folder.join("audio/v_1_1.mat"));
        },
        &["v_1_1.mat: chunk 0 unpacks to more than the 1024 bytes that it should have"],
    ),
    (
        "a matrix of nothing but its shape",
        |folder| {
            std::fs::remove_file(folder.join("audio/v_1_1.npy")).unwrap();
            hollow(&folder.join("audio/v_1_1.mat"));
        },
        &["v_1_1.mat: a matrix unpacks to more than the"],
    ),
    (
        "an HDF5 file that is cut",
        |folder| {
            std::fs::remove_file(folder.join("audio/v_1_1.npy")).unwrap();
            let path = folder.join("audio/v_1_1.mat");
            mat73(&path, &features(9, 0.0), None);
            let file = std::fs::read(&path).unwrap();
            std::fs::write(&path, &file[..file.len() / 2]).unwrap();
        },
        &["v_1_1.mat: is damaged"],
    ),
];

/// A MATLAB file of version 7.3 whose only chunk unpacks to 256 KiB in place of 1 KiB.
fn bomb(path: &Path) {
    // Values that hardly pack, so that their chunk has room for another one.
    let values =
        Array2::from_shape_fn((64, 2), |(row, column)| ((row * 2 + column) as f64 * 0.7).sin());
    mat73(path, &values, Some([2, 64]));
    let (start, len) = {
        let file = hdf5::File::open(path).unwrap();
        let chunk = file.dataset("features").unwrap().chunk_info(0).unwrap();
        (chunk.addr as usize, chunk.size as usize)
    };
    let mut bytes = std::fs::read(path).unwrap();
    let packed = deflated(&vec![0; 1 << 18]);
    assert!(packed.len() < len, "{} {len}", packed.len());
    assert_eq!(bytes[start], 0x78);
    bytes[start..start + packed.len()].copy_from_slice(&packed);
    std::fs::write(path, bytes).unwrap();
}

/// A matrix whose values are stored nowhere.
fn hollow(path: &Path) {
    let file = hdf5::File::with_options().with_fcpl(|file| file.userblock(512)).create(path);
    let file = file.unwrap();
    let builder = file.new_dataset::<f64>().chunk([64, 1024]).deflate(6);
    let dataset = builder.shape([64, 1 << 19]).create("features").unwrap();
    let class = FixedAscii::<6>::from_ascii("double").unwrap();
    let attribute = dataset.new_attr::<FixedAscii<6>>().create("MATLAB_class").unwrap();
    attribute.write_scalar(&class).unwrap();
}

#[test]
fn a_broken_input_has_one_cause_and_leaves_nothing_behind() {
    for (what, breaks, parts) in BROKEN {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        clips(folder);
        breaks(folder);
        let before = files(folder);
        println!("{what}");
        build(folder, &[]).fails_with(parts);
        assert_eq!(files(folder), before, "{what}");
    }
}

/// Every prefix of a file, and the file with any one byte changed, is read or refused.
#[test]
fn damaged_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let values = arr2(&FEATURES);
    let names = matrix("names", 1, [1, 2], Vec::new());
    let whole = [
        ("a.npy", npy(&values)),
        ("a.csv", openface(&[(0.9, 1, [1.0, 2.0]), (0.8, 1, [1.0, 2.0])]).into_bytes()),
        ("a.mat", mat(&[names, numbers("features", &values)])),
        ("b.mat", mat(&[packed(&numbers("features", &values))])),
    ];
    for (name, bytes) in whole {
        let path = folder.path().join(name);
        let kind = FileKind::of_name(&path, Modality::Audio).unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            frames::read(&path, kind)
        };
        assert_eq!(read(&bytes).unwrap().values.ncols(), 2, "{name}");
        let n_refused = (0..bytes.len()).filter(|len| read(&bytes[..*len]).is_err()).count();
        assert!(n_refused > bytes.len() / 2, "{name}: {n_refused} of {}", bytes.len());
        for at in 0..bytes.len() {
            for byte in [0, 0x7f, 0xff, bytes[at] ^ 1] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                if let Ok(frames) = read(&changed) {
                    assert!(frames.values.nrows() > 0, "{name}, byte {at}");
                }
            }
        }
    }
}

#[test]
fn options_without_a_meaning_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder);
    for (more, problem) in [
        (&["--length", "text=5"][..], "`--length` names text, and `--text` no folder"),
        (&["--pool", "audio=2", "--pool", "audio=3"], "`--pool` names audio twice"),
        (&["--length", "audio=0"], "`0` is not longest, mean+3sd or a number of frames"),
        (&["--min-confidence", "2"], "expected a number from 0 to 1"),
    ] {
        let call = build(folder, more);
        assert_eq!(call.code(), 2, "{}", call.explain());
        assert!(call.stderr().contains(problem), "{}", call.explain());
    }
    build(folder, &["--length", "audio=99999999999"]).fails_with(&["audio: [99999999999, 2]"]);
    build(folder, &["-o", "audio", "--overwrite"]).fails_with(&["would replace the input"]);
}

#[test]
fn faces_are_settled_only_where_files_tell_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder);
    let before = files(folder);
    let call = ["build", "--labels", "label.csv", "--dataset", "mosi"];
    let audio: &[&str] = &["--audio", "audio"];
    for (source, idle) in [
        (audio, &["--failed-faces", "drop"][..]),
        (audio, &["--min-confidence", "0.5"]),
        (&[], &["--failed-faces", "zero"]),
    ] {
        almt(folder, &[&call[..], source, idle].concat())
            .fails_with(&["label.csv: no file has OpenFace's columns `success` and `confidence`"])
            .hints_at(&format!("omit `{}`, which is for the `.csv` files of OpenFace", idle[0]));
        assert_eq!(files(folder), before);
    }
    // The files of one modality are enough, and of these some, which is said.
    build(folder, &["--failed-faces", "drop", "--min-confidence", "0.5"]).ok();
    put(folder, "two.csv", "id,label\na_1,1\na_2,1\n");
    let openface =
        "frame,face_id,timestamp,confidence,success,x\n1,0,0.0,0.9,1,2\n2,0,0.1,0.9,0,3\n";
    put(folder, "f/a_1.csv", openface);
    put(folder, "f/a_2.csv", "x\n5\n6\n");
    let call = ["build", "--labels", "two.csv", "--vision", "f", "--dataset", "mosi"];
    let faces = ["--failed-faces", "drop", "--min-confidence", "0.5"];
    let told = almt(folder, &[&call[..], &faces].concat()).ok().stdout();
    let note = "vision: 1 of 2 files does not say which frames have a face: all were kept";
    assert!(told.contains(note), "{told}");
    let shown = almt(folder, &["inspect", "two.h5"]).ok().stdout();
    assert!(shown.contains("frames without a face, confidence below 0.5: 1 (drop)"), "{shown}");
}

#[test]
fn what_first_lines_are_taken_for_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "label.csv", "id,label\na_1,1\na_2,1\n");
    put(folder, "f/a_1.csv", "x,y,z\n1,2,3\n");
    put(folder, "f/a_2.csv", "4,5,6\n");
    let call = ["build", "--labels", "label.csv", "--vision", "f", "--dataset", "mosi"];
    let build = || almt(folder, &[&call[..], &["--overwrite"]].concat());
    let built = || {
        let out = build().ok().stdout();
        (out, Store::open(&folder.join("label.h5")).unwrap())
    };
    // The other files do without the names that one lacks.
    let (out, store) = built();
    let note = "vision: names of features are not recorded, as 1 of 2 files has none (";
    assert!(out.contains(note) && out.contains("a_2.csv)"), "{out}");
    assert!(store.manifest().features.is_empty());
    put(folder, "f/a_2.csv", "x,y,z\n4,5,6\n");
    let (out, store) = built();
    assert!(!out.contains("names of features"), "{out}");
    assert_eq!(store.manifest().features[&Modality::Vision].names, ["x", "y", "z"]);
    // pandas numbers columns that have no names.
    put(folder, "f/a_2.csv", "0,1,2\n4.0,5.5,6.25\n");
    let (out, store) = built();
    let note = "vision: the first line of 1 file counts the columns, and was read as a header (";
    assert!(out.contains(note) && out.contains("a_2.csv)"), "{out}");
    assert_eq!(sample(&store, SplitName::Train, Modality::Vision, 1), arr2(&[[4.0, 5.5, 6.25]]));
    put(folder, "f/a_2.csv", "0,1,2\n4,5.5,6.25\n");
    build().fails_with(&["a_2.csv: line 1 counts the columns (0, 1, 2, …)", "header or a frame"]);
    put(folder, "f/a_2.csv", "NA,0,1\n4,5.5,6.25\n");
    build().fails_with(&["a_2.csv: line 1 (`NA,0,1`)", "names of columns or a frame"]);
}

#[test]
fn the_real_tables_become_stores_of_their_texts() {
    for (name, column, counts) in [
        ("sims_labels.csv", "text=text_translated", [1368, 456, 457]),
        ("mosi_labels_full.csv", "text=text", [1284, 229, 686]),
    ] {
        let Some(table) = real_data(name) else { return };
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let table = table.to_str().unwrap();
        let args = ["build", "--labels", table, "--column", column, "-o", "real.h5"];
        almt(folder, &args).ok();
        let store = Store::open(&folder.join("real.h5")).unwrap();
        let found: Vec<usize> = store.manifest().splits.iter().map(|all| all.ids.len()).collect();
        assert_eq!(found, counts, "{name}");
        let texts = store.strings(&ColumnKind::RawText.of(SplitName::Test)).unwrap().unwrap();
        assert!(texts.iter().all(|text| !text.is_empty()), "{name}");
        // The table says of the store what the store says of itself.
        let args = ["validate", "real.h5", "--labels", table, "--column", column];
        let out = almt(folder, &args).stdout();
        assert!(out.contains("no differences"), "{name}: {out}");
    }
}

/// A WAV file of 16 bits, mono.
pub fn wav(rate: u32, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let len = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let format = [&1_u16.to_le_bytes()[..], &1_u16.to_le_bytes(), &rate.to_le_bytes()].concat();
    let bytes =
        [&(2 * rate).to_le_bytes()[..], &2_u16.to_le_bytes(), &16_u16.to_le_bytes()].concat();
    [
        &b"RIFF"[..],
        &len(36 + data.len()),
        b"WAVEfmt ",
        &len(16),
        &format,
        &bytes,
        b"data",
        &len(data.len()),
        &data,
    ]
    .concat()
}

#[test]
fn the_features_of_sound_are_computed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "label.csv", TABLE);
    // A square wave changes its sign once per half of its period.
    let square = |n: usize, half: usize| -> Vec<i16> {
        (0..n).map(|idx| if (idx / half).is_multiple_of(2) { 8000 } else { -8000 }).collect()
    };
    for (name, n_samples, half) in
        [("v_1_1", 22_050, 50), ("v_1_2", 11_025, 100), ("v_2_1", 11_025, 50), ("w_10", 4_000, 25)]
    {
        put(folder, &format!("sound/{name}.wav"), wav(22_050, &square(n_samples, half)));
    }
    let call = ["build", "--labels", "label.csv", "--audio", "sound", "--dataset", "sims"];
    almt(folder, &[&call[..], &["-o", "own.h5"]].concat()).ok();
    let store = Store::open(&folder.join("own.h5")).unwrap();
    // A frame per 512 samples, the first around the start.
    assert_eq!(lengths(&store, SplitName::Train, Modality::Audio), [44, 22]);
    let first = sample(&store, SplitName::Train, Modality::Audio, 0);
    assert_eq!(first.dim(), (44, 33));
    assert!((first[[20, 0]] - 1.0 / 50.0).abs() < 1e-3, "{}", first[[20, 0]]);
    let second = sample(&store, SplitName::Train, Modality::Audio, 1);
    assert!((second[[10, 0]] - 1.0 / 100.0).abs() < 1e-3, "{}", second[[10, 0]]);

    // A file that is cut is named, and nothing is left behind.
    put(folder, "sound/w_10.wav", &wav(22_050, &square(4_000, 25))[..3_000]);
    almt(folder, &[&call[..], &["-o", "cut.h5"]].concat())
        .fails_with(&["w_10.wav", "ends too early"]);
    assert!(!folder.join("cut.h5").exists());
    let call = ["build", "--labels", "label.csv", "--vision", "sound", "--dataset", "sims"];
    almt(folder, &call).fails_with(&["no file of vision features"]);
}
