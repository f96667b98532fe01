//! Files of other layouts than the program was made for, from conversion to the final outcome: a
//! trained model, predictions, or the correct refusal. `cases.py` creates them and documents their
//! origin.

use std::path::Path;

use almt_data::corpus::{Modality, SplitName};
use almt_data::store::Store;

use crate::encode::tiny_encoder;
use crate::support::{almt, files, python, real_data};

/// Makes the files of one kind in a folder; `None` where there is no Python for it.
fn made(kind: &str) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    python("cases.py", &[Path::new("make"), Path::new(kind), folder.path()])?;
    Some(folder)
}

/// Compares a store with the pickles that it was made from, and returns how many columns of all
/// splits were.
fn compare(folder: &Path, store: &str, pickles: &[&str]) -> usize {
    let mut args = vec![Path::new("compare").to_path_buf(), folder.join(store)];
    args.extend(pickles.iter().map(|name| folder.join(name)));
    let args: Vec<&Path> = args.iter().map(|path| path.as_path()).collect();
    python("cases.py", &args).unwrap().trim().parse().unwrap()
}

/// Trains, evaluates, predicts and reports on a store, with the features that it has.
fn to_the_end(folder: &Path, store: &str) {
    let validated = almt(folder, &["validate", store]).ok().stdout();
    assert!(validated.contains(": valid"), "{validated}");
    almt(folder, &["train", "--store", store, "--epochs", "2", "--out", "run", "--overwrite"]).ok();
    let best = "run/best.safetensors";
    let told = almt(folder, &["eval", "--store", store, "--checkpoint", best]).ok().stdout();
    assert!(told.contains("MAE"), "{told}");
    let predict = ["predict", "--store", store, "--checkpoint", best, "--overwrite"];
    almt(folder, &[&predict[..], &["--output", "p.csv"]].concat()).ok();
    let table = std::fs::read_to_string(folder.join("p.csv")).unwrap();
    assert_eq!(table.lines().count(), 7, "a row for each of six test segments: {table}");
    almt(folder, &["report", "run", "--output", "report.html", "--overwrite"]).ok();
}

/// As [`to_the_end`], after text features were computed; and by other splits, and the paper's
/// experiments.
fn encoded_to_the_end(folder: &Path, store: &str) {
    let told = almt(folder, &["validate", store]).ok().stdout();
    assert!(told.contains("warning AD034: no split has text features"), "{told}");
    tiny_encoder(folder);
    let encode = ["encode", store, "--bert", "tiny-bert", "--max-len", "12", "--overwrite"];
    almt(folder, &[&encode[..], &["--text-from", "raw_text", "-o", "encoded.h5"]].concat()).ok();
    to_the_end(folder, "encoded.h5");
    let split = ["split", "encoded.h5", "--ratio", "0.6,0.2,0.2", "--overwrite", "-o", "cv.json"];
    almt(folder, &split).ok();
    let train = ["train", "--store", "encoded.h5", "--epochs", "1", "--manifest", "cv.json"];
    almt(folder, &[&train[..], &["--out", "fold", "--overwrite"]].concat()).ok();
    let reproduce = ["reproduce", "table4", "--store", "encoded.h5", "--epochs", "1"];
    let paper = format!("paper-{store}");
    almt(folder, &[&reproduce[..], &["--seeds", "1", "--out", &paper]].concat()).ok();
}

const MISA: [&str; 3] = ["misa/train.pkl", "misa/dev.pkl", "misa/test.pkl"];
const MMIM: [&str; 3] = ["mmim/train.pkl", "mmim/dev.pkl", "mmim/test.pkl"];

/// Each file of these is padded to its own longest sample: 14, 9 and 11 words.
#[test]
fn files_of_samples_are_trained_on() {
    let Some(folder) = made("files_of_lists") else { return };
    let folder = folder.path();
    for (name, pickles, longest) in [("misa", MISA, 14), ("mmim", MMIM, 28)] {
        let store = format!("{name}.h5");
        let told = almt(folder, &["convert", name]).ok().stdout();
        let (valid, test) = (longest / 14 * 9, longest / 14 * 11);
        let note = format!(
            "audio: the samples of all splits are padded with zeros at the back to the {longest} \
             steps of the longest (in the source: train {longest}, valid {valid}, test {test})"
        );
        assert!(told.contains(&note), "{told}");
        assert_eq!(compare(folder, &store, &pickles), 15);
        // In the folder itself, the store stays in it.
        almt(&folder.join(name), &["convert", "."]).ok();
        assert!(folder.join(name).join(&store).exists());
        encoded_to_the_end(folder, &store);
    }
}

#[test]
fn samples_are_cut_only_when_told_to() {
    let Some(folder) = made("files_of_lists") else { return };
    let folder = folder.path();
    let cut = ["convert", "misa", "--max-len", "audio=9", "--max-len", "vision=500"];
    let told = almt(folder, &[&cut[..], &["-o", "cut.h5"]].concat()).ok().stdout();
    assert!(told.contains("note     train/audio: "), "{told}");
    assert!(told.contains("samples of up to 14 frames were truncated to 9 frames"), "{told}");
    let cut = told.lines().filter(|line| line.contains(" were truncated ")).count();
    assert_eq!(cut, 2, "no validation sample is longer: {told}");
    assert!(told.contains("audio [9, 74]  vision [14, 47]"), "{told}");
    // The first frames are there still, and no length is beyond them.
    assert_eq!(compare(folder, "cut.h5", &MISA), 15);
    let told = almt(folder, &["validate", "cut.h5"]).ok().stdout();
    assert!(!told.contains("AD009"), "{told}");
    almt(folder, &["convert", "misa", "--max-len", "text=9", "-o", "x.h5"])
        .fails_with(&["`--max-len` names text, which the file has no features of"]);
    for wrong in ["audio", "audio=0", "audio=-1", "smell=9"] {
        let call = almt(folder, &["convert", "misa", "--max-len", wrong, "-o", "x.h5"]);
        assert_eq!(call.code(), 2, "{}", call.explain());
    }
    assert!(!files(folder).contains(&"x.h5".into()));
}

#[test]
fn mag_bert_is_trained_on_from_one_file_or_three() {
    let Some(folder) = made("mag_bert") else { return };
    let folder = folder.path();
    almt(folder, &["convert", "mag.pkl"]).ok();
    almt(folder, &["convert", "mag-files"]).ok();
    assert_eq!(compare(folder, "mag.h5", &["mag.pkl"]), 15);
    let split = |name: &str| format!("mag-files/mosi_{name}.pkl");
    let pickles = [split("train"), split("valid"), split("test")];
    assert_eq!(compare(folder, "mag-files.h5", &pickles.each_ref().map(|name| &**name)), 15);
    encoded_to_the_end(folder, "mag.h5");
}

#[test]
fn tuples_of_more_parts_are_read_and_what_is_left_out_is_said() {
    let Some(folder) = made("cenet") else { return };
    let folder = folder.path();
    let told = almt(folder, &["convert", "mosi.pkl"]).ok().stdout();
    assert!(told.contains("train: the last 4 parts of each sample's features are not"), "{told}");
    assert_eq!(compare(folder, "mosi.h5", &["mosi.pkl"]), 15);
    encoded_to_the_end(folder, "mosi.h5");
}

#[test]
fn a_dict_of_columns_for_each_split_is_trained_on() {
    let Some(folder) = made("columns_per_file") else { return };
    let folder = folder.path();
    let told = almt(folder, &["convert", "hcf"]).ok().stdout();
    assert!(told.contains("CMU-MOSEI (sdk layout)"), "{told}");
    let split = |name: &str| format!("hcf/mosei_senti_hcf_{name}.pkl");
    let pickles = [split("train"), split("valid"), split("test")];
    let pickles = pickles.each_ref().map(|name| &**name);
    assert_eq!(compare(folder, "hcf.h5", &pickles), 15);
    to_the_end(folder, "hcf.h5");
    // The name of one file tells its split, unless it does not.
    let named = almt(folder, &["convert", pickles[2], "-o", "test.h5"]).ok().stdout();
    std::fs::rename(folder.join(pickles[2]), folder.join("hcf/last.pkl")).unwrap();
    let last = ["convert", "hcf/last.pkl", "--dataset", "mosei", "-o", "last.h5"];
    almt(folder, &last)
        .fails_with(&["the file contains one split, and its name `last` does not say which"]);
    let told = almt(folder, &[&last[..], &["--split", "test"]].concat()).ok().stdout();
    let digest = |told: &str| told.split("blake3 ").nth(1).map(|rest| rest[..64].to_owned());
    assert!(digest(&told).is_some() && digest(&told) == digest(&named), "{told}");
}

#[test]
fn clips_without_labels_are_predicted_on_and_nothing_else() {
    let Some(folder) = made("unlabelled") else { return };
    let folder = folder.path();
    almt(folder, &["convert", "mosi.pkl"]).ok();
    almt(folder, &["train", "--store", "mosi.h5", "--epochs", "2", "--out", "run"]).ok();
    let mut predicted = Vec::new();
    for name in ["own_absent", "own_nan", "own_none"] {
        let store = format!("{name}.h5");
        almt(folder, &["convert", &format!("{name}.pkl")]).ok();
        let told = almt(folder, &["validate", &store]).ok().stdout();
        assert!(told.contains("warning AD035: 1 of 1 splits have no regression labels"), "{told}");
        let with = ["--store", &store, "--checkpoint", "run/best.safetensors"];
        let out = format!("{name}.csv");
        almt(folder, &[&["predict"], &with[..], &["--output", &out]].concat()).ok();
        let table = std::fs::read_to_string(folder.join(&out)).unwrap();
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!((rows.len(), &rows[0][..4]), (5, &["id", "split", "label", "prediction"][..]));
        for row in &rows[1..] {
            assert_eq!(row[2], "", "{table}");
            row[3].parse::<f32>().unwrap();
            // So are its classes; those of the prediction are there.
            assert_eq!((row[4], row[5].is_empty()), ("", false), "{table}");
        }
        let parquet = format!("{name}.parquet");
        almt(folder, &[&["predict"], &with[..], &["--output", &parquet]].concat()).ok();
        almt(folder, &[&["eval"], &with[..]].concat())
            .fails_with(&[&store, "test has no regression labels"]);
        almt(folder, &["labels", &store]).fails_with(&["test has no regression labels"]);
        almt(folder, &["split", &store, "--k-fold", "3", "-o", "x.json"])
            .fails_with(&["test has no regression labels"]);
        almt(folder, &["stats", &store]).ok();
        almt(folder, &["inspect", &store]).ok();
        predicted.push(table);
    }
    assert!(predicted.windows(2).all(|pair| pair[0] == pair[1]), "the same features");
    // Nor can a store be trained on whose labels are not there.
    almt(folder, &["train", "--store", "own_absent.h5", "--epochs", "1"])
        .fails_with(&["own_absent"]);
}

/// The second and the last of four clips have NaN in place of a label.
#[test]
fn segments_without_a_label_are_left_out_only_when_told_to() {
    let Some(folder) = made("unlabelled") else { return };
    let folder = folder.path();
    let convert = ["convert", "own_some.pkl", "--dataset", "mosi"];
    almt(folder, &[&convert[..], &["-o", "all.h5"]].concat()).ok();
    let call = almt(folder, &["validate", "all.h5"]);
    let told = call.stdout();
    assert!(call.code() == 1 && told.contains("error AD036"), "{}", call.explain());
    assert!(told.contains("2 of 4 samples have no label"), "{told}");
    assert_eq!(compare(folder, "all.h5", &["own_some.pkl"]), 9);
    let told = almt(folder, &[&convert[..], &["-o", "some.h5", "--drop-unlabelled"]].concat());
    let told = told.ok().stdout();
    let note = "test: 2 segments without a label are not stored: ownvid0000$_$1, ownvid0001$_$0";
    assert!(told.contains(note), "{told}");
    almt(folder, &["validate", "some.h5"]).ok();
    let [all, some] = ["all.h5", "some.h5"].map(|name| Store::open(&folder.join(name)).unwrap());
    let test = SplitName::Test;
    assert_eq!(some.ids(test), ["ownvid0000$_$0", "ownvid0000$_$2"]);
    assert_eq!(some.labels(test).unwrap().as_deref(), Some(&[1.0, -0.4][..]));
    let features = |store: &Store| store.features(test, Modality::Vision).unwrap().unwrap();
    assert_eq!(features(&some), features(&all).select(ndarray::Axis(0), &[0, 2]));
    let lengths = |store: &Store| store.lengths(test, Modality::Vision).unwrap().unwrap();
    assert_eq!(lengths(&some), [lengths(&all)[0], lengths(&all)[2]]);
}

#[test]
fn a_store_without_a_validation_split_gets_one() {
    let Some(folder) = made("no_valid") else { return };
    let folder = folder.path();
    let told = almt(folder, &["convert", "mosi.pkl"]).ok().stdout();
    assert!(told.contains("split `TEST` is called `test`"), "{told}");
    let train = ["train", "--store", "mosi.h5", "--epochs", "2"];
    let call = almt(folder, &train).fails_with(&["split `valid` is absent or empty"]);
    assert!(call.stderr().contains("--valid-fraction 0.1"), "{}", call.explain());
    almt(folder, &[&train[..], &["--valid-fraction", "0.2", "--out", "fly"]].concat()).ok();
    let config = std::fs::read_to_string(folder.join("fly/config.toml")).unwrap();
    assert!(config.contains("[valid_from_train]\nfraction = 0.2\nby = \"video\"\n"), "{config}");
    almt(folder, &["repeat", "fly"]).ok();
    // The same split, drawn ahead.
    let split = ["split", "mosi.h5", "--from", "train", "--ratio", "0.8,0.2", "-o", "v.json"];
    let told = almt(folder, &split).ok().stdout();
    assert!(told.contains("train 15") && told.contains("valid 3"), "{told}");
    assert!(told.contains("test 6"), "{told}");
    almt(folder, &[&train[..], &["--manifest", "v.json", "--out", "ahead"]].concat()).ok();
    let read = |run: &str| std::fs::read_to_string(folder.join(run).join("predictions.csv"));
    assert_eq!(read("fly").unwrap(), read("ahead").unwrap());
    let again = ["split", "named.h5", "--from", "train", "--ratio", "0.8,0.2", "-o", "n.json"];
    almt(folder, &["convert", "named.pkl"]).ok();
    let call = almt(folder, &again);
    call.fails_with(&["named.h5", "has a validation split of 5 segments"]);
    to_the_end(folder, "named.h5");
}

#[test]
fn emotions_and_classes_have_columns_and_it_is_said_what_they_are_good_for() {
    let Some(folder) = made("emotions") else { return };
    let folder = folder.path();
    let both = almt(folder, &["convert", "mosei_labels7.pkl"]).ok().stdout();
    assert!(both.contains("six emotions are stored as `emotion_labels`"), "{both}");
    assert_eq!(compare(folder, "mosei_labels7.h5", &["mosei_labels7.pkl"]), 18);
    to_the_end(folder, "mosei_labels7.h5");
    let six = almt(folder, &["convert", "mosei_labels6.pkl"]).ok().stdout();
    assert!(six.contains("emotions and no sentiment: the store can be predicted on"), "{six}");
    assert_eq!(compare(folder, "mosei_labels6.h5", &["mosei_labels6.pkl"]), 15);
    let classes = almt(folder, &["convert", "classes.pkl"]).ok().stdout();
    assert!(classes.contains("class labels and no regression labels"), "{classes}");
    assert_eq!(compare(folder, "classes.h5", &["classes.pkl"]), 30);
    for store in ["mosei_labels6.h5", "classes.h5"] {
        almt(folder, &["train", "--store", store, "--epochs", "1"])
            .fails_with(&[store, "train has no regression labels"]);
        almt(
            folder,
            &["predict", "--store", "mosei_labels7.h5", "--checkpoint", "run", "-o", "x.csv"],
        );
    }
}

#[test]
fn what_is_no_sentiment_is_refused_by_name() {
    let Some(folder) = made("conversations") else { return };
    let folder = folder.path();
    for (name, what) in [
        ("IEMOCAP_features.pkl", "emotion recognition in conversations"),
        ("meld.pkl", "features of MELD"),
    ] {
        almt(folder, &["convert", name]).fails_with(&[name, what]);
    }
    let Some(folder) = made("npy_folder") else { return };
    let call = almt(folder.path(), &["convert", "features"]);
    let call = call.fails_with(&["features: a folder of 3 NumPy files"]);
    assert!(call.stderr().contains("almt-data build"), "{}", call.explain());
}

/// The one real file of the MISA layout that there is, cut in three by video.
#[test]
fn the_real_misa_file_cut_in_three_is_trained_on() {
    let Some(source) = real_data("mosi_valid_misa.pkl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = python("cases.py", &[Path::new("cut"), &source, folder.path()]);
    let Some(sizes) = made else { return };
    let folder = folder.path();
    almt(folder, &["convert", "misa", "--dataset", "mosi"]).ok();
    let sizes = sizes.lines().filter_map(|line| line.split(' ').nth(1)?.parse::<usize>().ok());
    assert_eq!(sizes.sum::<usize>(), 229);
    assert_eq!(compare(folder, "misa.h5", &MISA), 15);
    tiny_encoder(folder);
    let encode = ["encode", "misa.h5", "--bert", "tiny-bert", "--max-len", "12"];
    almt(folder, &[&encode[..], &["--text-from", "raw_text", "-o", "encoded.h5"]].concat()).ok();
    // Of other splits than the standard ones, as it is.
    let told = almt(folder, &["validate", "encoded.h5"]).stdout();
    assert!(told.contains(" 1 error, ") && told.contains("error AD015"), "{told}");
    let out = ["--epochs", "2", "--out", "run"];
    almt(folder, &[&["train", "--store", "encoded.h5"], &out[..]].concat()).ok();
    let with = ["--store", "encoded.h5", "--checkpoint", "run/best.safetensors"];
    almt(folder, &[&["eval"], &with[..]].concat()).ok();
    almt(folder, &[&["predict"], &with[..], &["--output", "p.csv"]].concat()).ok();
    almt(folder, &["report", "run", "--output", "report.html"]).ok();
}
