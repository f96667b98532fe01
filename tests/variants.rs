//! Files that differ in one respect from those that converters write: nothing of them is silently lost
//! or changed. `variants.py` creates them.

use std::path::Path;

use almt_data::corpus::{Modality, SplitName};
use almt_data::store::Store;

use crate::signatures::{tar as tarred, zip};
use crate::support::{almt, files, python};

/// Makes the files in a folder; `None` where there is no Python for it.
fn made() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    python("variants.py", &[folder.path()])?;
    Some(folder)
}

/// Converts a file, and returns what was printed.
fn convert(folder: &Path, source: &str, options: &[&str]) -> String {
    let args = ["convert", source, "--dataset", "mosi", "--no-sync", "--overwrite", "-o", "out.h5"];
    almt(folder, &[&args[..], options].concat()).ok().stdout()
}

/// The refusal to convert a file, hints included; nothing is left behind.
fn refused(folder: &Path, source: &str, options: &[&str], parts: &[&str]) -> String {
    let args = ["convert", source, "--dataset", "mosi", "--no-sync", "-o", "refused.h5"];
    let call = almt(folder, &[&args[..], options].concat()).fails_with(parts);
    assert!(!files(folder).contains(&"refused.h5".into()), "{}", call.explain());
    call.stderr()
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

/// The digest that a conversion printed.
fn digest(printed: &str) -> &str {
    printed.split("blake3 ").nth(1).unwrap().split_whitespace().next().unwrap()
}

#[test]
fn pickles_one_after_another_are_the_splits_of_one_source() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    let whole = convert(folder, "mmsa.pkl", &[]);
    let parts = convert(folder, "dicts-after-another.pkl", &[]);
    assert_eq!(digest(&whole), digest(&parts));
    let told = almt(folder, &["inspect", "dicts-after-another.pkl"]).ok().stdout();
    has(&told, &["3 pickles one after another", "valid"]);
    for options in [&[][..], &["--split", "train"]] {
        let told = refused(
            folder,
            "columns-after-another.pkl",
            options,
            &["holds 3 consecutive pickles", "the keys raw_text, id"],
        );
        has(&told, &["hint: save them from Python as one dict"]);
    }
    // The last one is cut: that is no file of two splits.
    let mut bytes = std::fs::read(folder.join("dicts-after-another.pkl")).unwrap();
    bytes.truncate(bytes.len() - 100);
    std::fs::write(folder.join("cut.pkl"), bytes).unwrap();
    refused(folder, "cut.pkl", &[], &["truncated"]);
    // What is no pickle is left, and said.
    let mut bytes = std::fs::read(folder.join("mmsa.pkl")).unwrap();
    bytes.extend(b"\nsome notes");
    std::fs::write(folder.join("notes.pkl"), bytes).unwrap();
    let told = convert(folder, "notes.pkl", &[]);
    has(&told, &["notes: 11 bytes after the end of the pickle were not read"]);
}

#[test]
fn a_label_that_float32_cannot_hold_is_refused_under_its_own_name() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    for (source, cause, id) in [
        (
            "label-beyond.pkl",
            "`train/regression_labels`: 1 finite label in 1 segment lies beyond float32 (largest \
             1e39, first in trainvid0000$_$1)",
            "trainvid0000$_$1",
        ),
        ("label-tiny.pkl", "1 label in 1 segment is so near 0", "trainvid0000$_$1"),
        ("text-label-beyond.pkl", "`valid/regression_labels_T`: 1 finite", "validvid0000$_$2"),
        ("emotion-beyond.pkl", "`train/emotion_labels`: 1 finite label", "trainvid0000_2"),
        ("tuple-label-beyond", "`train/regression_labels`: 1 finite", "trainvid0000[1]"),
    ] {
        for options in [&[][..], &["--on-overflow", "clip"], &["--on-nonfinite", "keep"]] {
            let told = refused(folder, source, options, &[cause]);
            has(&told, &["hint: labels are never replaced"]);
        }
        let told = convert(folder, source, &["--on-overflow", "drop-segment"]);
        has(&told, &["1 of ", "segments was left out for such values"]);
        let store = Store::open(&folder.join("out.h5")).unwrap();
        let values = store.manifest().values.clone().unwrap();
        assert_eq!(values.left_out[0].ids, [id], "{source}");
        assert_eq!(values.counts[0].action, "drop-segment", "{source}");
        almt(folder, &["validate", "out.h5"]).ok();
    }
}

#[test]
fn labels_that_are_not_trained_on_are_warned_of() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    for (source, finding) in [
        ("emotion-nan.pkl", "warning AD037: train/emotion_labels: 1 of 12 samples"),
        ("text-label-nan.pkl", "warning AD037: valid/regression_labels_T: 1 of 5 samples"),
    ] {
        let told = convert(folder, source, &[]);
        has(&almt(folder, &["validate", "out.h5"]).ok().stdout(), &[finding]);
        assert!(!told.contains("error AD"), "{told}");
        #[cfg(feature = "train")]
        train(folder, &[]).ok();
    }
}

#[test]
fn modalities_that_are_padded_on_different_sides_are_each_moved() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    let told = convert(folder, "sides.pkl", &[]);
    has(
        &told,
        &[
            "padded on different sides in the source, at the front: audio, vision; at the back: text",
        ],
    );
    let store = Store::open(&folder.join("out.h5")).unwrap();
    let audio = store.features(SplitName::Train, Modality::Audio).unwrap().unwrap();
    let lengths = store.lengths(SplitName::Train, Modality::Audio).unwrap().unwrap();
    for (sample, length) in audio.outer_iter().zip(lengths) {
        let filled = sample.outer_iter().map(|frame| frame.iter().any(|value| *value != 0.0));
        let n_first = filled.clone().take_while(|filled| *filled).count();
        assert_eq!((n_first, filled.filter(|filled| *filled).count()), (length as usize, n_first));
    }
}

#[test]
fn a_mean_is_of_frames_and_not_put_into_padding() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    let told = convert(folder, "nan-padding.pkl", &["--on-nonfinite", "mean"]);
    has(&told, &["all of them beyond the recorded lengths, where they became 0"]);
    let validated = almt(folder, &["validate", "out.h5"]).ok().stdout();
    assert!(!validated.contains("AD010"), "{validated}");
    let told = convert(folder, "nan-feature.pkl", &["--on-nonfinite", "mean"]);
    has(&told, &["audio: 0 is used as the mean of features without any finite value: 2"]);
}

#[test]
fn an_empty_split_is_named_and_left_out() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    for source in ["valid-none.pkl", "valid-no-keys.pkl", "valid-no-samples"] {
        let told = convert(folder, source, &[]);
        has(&told, &["split `valid` is empty in the source and is not stored", "AD004"]);
        assert_eq!(Store::open(&folder.join("out.h5")).unwrap().manifest().splits.len(), 2);
    }
}

#[test]
fn a_file_may_name_its_split_twice_but_not_in_two_ways() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    let whole = convert(folder, "mmsa.pkl", &[]);
    assert_eq!(digest(&convert(folder, "named-twice", &[])), digest(&whole));
    refused(
        folder,
        "named-wrong",
        &[],
        &["`valid` is named after the split valid and holds `test`"],
    );
    refused(
        folder,
        "mmsa.pkl",
        &["--split", "train"],
        &["`--split train` is for single-split files", "`train`, `valid`, `test`"],
    );
    convert(folder, "named-twice/test.pkl", &["--split", "test"]);
}

#[test]
fn the_entry_that_was_asked_for_is_taken_or_none() {
    const NONE: &[u8] = b"\x80\x04N.";
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    put("one.zip", &zip(&[("a.pkl", NONE)]));
    put("one.tar", &tarred(&[("a.pkl", NONE)]));
    put("outer.zip", &zip(&[("one.tar", &tarred(&[("a.pkl", NONE)]))]));
    for name in ["one.zip", "one.tar", "outer.zip"] {
        almt(folder, &["inspect", name, "--entry", "nosuch.pkl"])
            .fails_with(&["without an entry `nosuch.pkl`", "holds a.pkl"]);
        almt(folder, &["inspect", name, "--entry", "a.pkl"]).ok();
    }
    // No library writes it; names are not part of a check sum.
    let mut twice = zip(&[("a.pkl", NONE), ("b.pkl", b"\x80\x04K\x01.")]);
    while let Some(at) = twice.windows(5).position(|window| window == b"b.pkl") {
        twice[at] = b'a';
    }
    put("twice.zip", &twice);
    put("twice.tar", &tarred(&[("a.pkl", NONE), ("a.pkl", b"\x80\x04K\x01.")]));
    for name in ["twice.zip", "twice.tar"] {
        for options in [&[][..], &["--entry", "a.pkl"]] {
            let call = almt(folder, &[&["inspect", name][..], options].concat());
            has(&call.fails_with(&["holds `a.pkl` twice"]).stderr(), &["hint: unpack both"]);
        }
    }
}

#[test]
fn a_length_beyond_a_split_is_told_where_padding_hides_it() {
    let Some(folder) = made() else { return };
    let told = convert(folder.path(), "lengths-beyond.pkl", &[]);
    let note = "train/audio_lengths: 2 recorded lengths of up to 19, which were kept, are beyond the 10 frames";
    has(&told, &[note, "the 20 steps of the longest"]);
    assert!(!told.contains("valid/audio_lengths"), "{told}");
}

/// A run on a store of the folder.
#[cfg(feature = "train")]
fn train(folder: &Path, options: &[&str]) -> crate::support::Call {
    let args = ["train", "--store", "out.h5", "--epochs", "1", "--out", "run", "--overwrite"];
    almt(folder, &[&args[..], options].concat())
}

#[test]
#[cfg(feature = "train")]
fn a_validation_split_without_labels_gives_way_to_one_of_train() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    let args = ["convert", "train-labelled.pkl", "--dataset", "mosi", "--no-sync", "-o", "out.h5"];
    let call = almt(folder, &args).ok();
    has(&call.stderr(), &["next: ", "`almt-data train --store out.h5 --valid-fraction 0.1`"]);
    has(
        &call.stdout(),
        &["AD035: 2 of 3 splits have no regression labels: cannot be trained as it is"],
    );
    let told = almt(folder, &["validate", "out.h5"]).ok().stdout();
    has(
        &told,
        &["`train --valid-fraction 0.1` draws a validation split from the training split instead"],
    );
    let run = ["train", "--store", "out.h5", "--epochs", "1", "--out", "run"];
    almt(folder, &run)
        .fails_with(&["out.h5: valid has no regression labels"])
        .hints_at("`--valid-fraction 0.1` draws one from the training split");
    let by = ["--valid-fraction", "0.3", "--by", "segment"];
    let call = train(folder, &by).ok();
    has(&call.stderr(), &["note: valid of the store, ", " without labels, is left out"]);
    let config = std::fs::read_to_string(folder.join("run/config.toml")).unwrap();
    has(&config, &["[valid_from_train]\nfraction = 0.3\nby = \"segment\"\n"]);
    almt(folder, &["eval", "run", "--split", "valid"]).ok();
    almt(folder, &["repeat", "run"]).ok();
    // The same split, drawn ahead.
    let drawn = ["split", "out.h5", "--from", "train", "--ratio", "0.7,0.3", "--by", "segment"];
    let call = almt(folder, &[&drawn[..], &["-o", "splits.json"]].concat()).ok();
    has(&call.stderr(), &["note: valid of the store, ", " without labels, is left out"]);
    has(&call.stdout(), &["test ", "(no labels)"]);
    let plan = std::fs::read_to_string(folder.join("splits.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let store = Store::open(&folder.join("out.h5")).unwrap();
    let drawn = |split: &str| plan["folds"][0][split].as_array().unwrap().len();
    assert_eq!(drawn("train") + drawn("valid"), store.ids(SplitName::Train).len());
    assert_eq!(drawn("test"), store.ids(SplitName::Test).len());
    let predicted = std::fs::read_to_string(folder.join("run/predictions.csv")).unwrap();
    train(folder, &["--manifest", "splits.json"]).ok();
    assert_eq!(predicted, std::fs::read_to_string(folder.join("run/predictions.csv")).unwrap());
    // One with labels stays.
    convert(folder, "mmsa.pkl", &[]);
    train(folder, &by)
        .fails_with(&["the store already has a validation split of"])
        .hints_at("without `--valid-fraction`, the store's own is used");
}

#[test]
fn class_labels_alone_are_said_to_be_of_no_use_to_training() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    let args = ["convert", "classes-alone.pkl", "--dataset", "mosi", "--no-sync", "-o", "out.h5"];
    let call = almt(folder, &args).ok();
    has(&call.stderr(), &["`almt-data predict --store out.h5 --checkpoint RUN`"]);
    let told = almt(folder, &["validate", "out.h5"]).ok().stdout();
    has(
        &told,
        &[
            "AD035: 3 of 3 splits have no regression labels: cannot be trained as it is; class labels are \
           stored, but not used for training",
        ],
    );
}

#[test]
#[cfg(feature = "train")]
fn a_test_split_without_labels_is_left_out_of_a_run() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    convert(folder, "test-unlabelled.pkl", &[]);
    let told = almt(folder, &["validate", "out.h5"]).ok().stdout();
    has(&told, &["AD035: 1 of 3 splits have no regression labels (such as test)"]);
    let call = train(folder, &[]).ok();
    has(&call.stderr(), &["note: test has no regression labels: the run has no test metrics"]);
    almt(folder, &["predict", "--store", "out.h5", "--checkpoint", "run", "-o", "p.csv"]).ok();
    almt(folder, &["report", "run", "--output", "r.html"]).ok();
    almt(folder, &["repeat", "run"]).ok();
}

#[test]
#[cfg(feature = "train")]
fn what_is_called_valid_and_cannot_be_trained_is_said_to_be_so() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    for (source, finding, hint) in [
        ("valid-none.pkl", "`valid` is absent or empty: cannot be", "`train --valid-fraction 0.1`"),
        ("valid-zero-rows.pkl", "`valid` is absent or empty: cannot be", "--valid-fraction 0.1`"),
        ("only-test.pkl", "`train` is absent or empty: cannot be", "split STORE.h5 --ratio"),
    ] {
        let told = convert(folder, source, &[]);
        assert!(!told.contains("padded with zeros at the back to"), "{told}");
        has(&almt(folder, &["validate", "out.h5"]).ok().stdout(), &[finding, hint]);
        let call = train(folder, &[]);
        has(&call.stderr(), &["hint: "]);
        call.fails_with(&["is absent or empty"]);
    }
}

#[test]
#[cfg(feature = "train")]
fn a_way_on_is_never_one_that_fails() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    convert(folder, "widths.pkl", &[]);
    let told = train(folder, &[]).fails_with(&["is not valid", "audio"]).stderr();
    assert!(!told.contains("--force"), "{told}");
    // Labels that are NaN or infinite are none, and go with their segments.
    let told = convert(folder, "labels-missing.pkl", &[]);
    has(&told, &["error AD036: train/regression_labels: 2 of 12 samples have no label"]);
    has(&told, &["1 samples have None or NaN as their class, stored as -1"]);
    let told = train(folder, &[]).fails_with(&["AD036"]).stderr();
    assert!(!told.contains("--force") && !told.contains("--dataset"), "{told}");
    convert(folder, "labels-missing.pkl", &["--drop-unlabelled"]);
    train(folder, &[]).ok();
    // Text is what every model needs.
    convert(folder, "text-in-some.pkl", &[]);
    let told = almt(folder, &["validate", "out.h5"]).stdout();
    has(&told, &["AD033", "hint: convert files of one build together; `almt-data encode`"]);
    convert(folder, "no-words.pkl", &[]);
    let told = train(folder, &["--force"]).stderr();
    has(&told, &["the text modality is absent", "the store has no text to encode"]);
    convert(folder, "mmsa.pkl", &[]);
    let told = train(folder, &["--modalities", "audio,vision"]).fails_with(&["text"]).stderr();
    has(&told, &["hint: `--modalities text,audio,vision` has it"]);
    // One video fills one part.
    convert(folder, "one-video.pkl", &[]);
    let told = train(folder, &["--valid-fraction", "0.2"]);
    let told = told.fails_with(&["1 video cannot fill 2 parts"]).stderr();
    has(&told, &["hint: `--by segment` draws segments"]);
    train(folder, &["--valid-fraction", "0.2", "--by", "segment"]).ok();
}

#[test]
fn drawing_from_train_goes_by_shares_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    crate::support::synthetic_store(folder, "mosi", "8");
    let call = almt(folder, &["split", "mosi.h5", "--from", "train", "--k-fold", "3", "-o", "x"]);
    assert_eq!(call.code(), 2, "{}", call.explain());
}

#[test]
fn a_cut_of_text_says_that_tokens_stay() {
    let Some(folder) = made() else { return };
    let told = convert(folder.path(), "mmsa.pkl", &["--max-len", "text=5"]);
    has(&told, &["text [5, 768]", "text_bert: keeps its 8 steps"]);
}

#[test]
fn texts_of_two_encodings_are_read_as_both() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    for (options, hint) in [
        (&[][..], "hint: `--text-encoding utf-8,gbk` decodes each text as UTF-8 if valid"),
        (
            &["--text-encoding", "gbk"],
            "hint: `--text-encoding utf-8,gbk` decodes each text as UTF-8",
        ),
        (&["--text-encoding", "utf-8"], "`--text-encoding"),
    ] {
        has(&refused(folder, "gbk-and-utf8.pkl", options, &["raw_text"]), &[hint]);
    }
    let told = convert(folder, "gbk-and-utf8.pkl", &["--text-encoding", "utf-8,gbk"]);
    has(&told, &["bytes of UTF-8 -> text, 12 times", "bytes of GBK (`--text-encoding`)"]);
    let store = Store::open(&folder.join("out.h5")).unwrap();
    let texts = store.strings(&"/train/raw_text".parse().unwrap()).unwrap().unwrap();
    let is_text = |(row, text): (usize, &String)| {
        *text == format!("今天的电影很好看，我们都喜欢这个故事吧{row}")
    };
    assert!(texts.iter().enumerate().all(is_text), "{texts:?}");
    let wrong = ["convert", "mmsa.pkl", "--text-encoding", "gbk,big5"];
    assert_eq!(almt(folder, &wrong).code(), 2);
}

#[test]
fn utf16_is_known_by_its_mark_and_by_its_zeros() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    for source in ["utf16.pkl", "utf16le.pkl"] {
        let told = refused(folder, source, &[], &["they look like UTF-16LE"]);
        has(&told, &["hint: `--text-encoding utf-16le` decodes them"]);
        convert(folder, source, &["--text-encoding", "utf-16le"]);
        let store = Store::open(&folder.join("out.h5")).unwrap();
        let texts = store.strings(&"/valid/raw_text".parse().unwrap()).unwrap().unwrap();
        assert!(texts.iter().all(|text| text.is_ascii() && !text.contains('\0')), "{texts:?}");
    }
    let told = convert(folder, "utf8-mark.pkl", &[]);
    has(&told, &["a byte order mark at the start of the text was taken off"]);
    let store = Store::open(&folder.join("out.h5")).unwrap();
    assert!(
        store
            .strings(&"/test/raw_text".parse().unwrap())
            .unwrap()
            .unwrap()
            .iter()
            .all(|text| text.is_ascii())
    );
}

#[test]
fn layouts_that_lack_little_are_read() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    for (source, notes) in [
        ("mmsa-emotions.pkl", &["the six emotions are stored as `emotion_labels`"][..]),
        ("sdk-object-labels.pkl", &["sdk layout"]),
        ("misa-objects", &["misa layout", "train    12 segments"]),
        ("four-parts.pkl", &["the last part of each sample, behind its segment, is not stored"]),
        ("two-types.pkl", &["audio: float32 and float64 -> float32"]),
        ("integer-ids.pkl", &["id: integers in the source were read as text"]),
        ("text-none.pkl", &["train/raw_text: 1 samples have None or NaN in place of text"]),
    ] {
        has(&convert(folder, source, &[]), notes);
        let told = almt(folder, &["validate", "out.h5"]).stdout();
        has(&told, &["out.h5: valid"]);
    }
}

#[test]
#[cfg(feature = "train")]
fn a_file_that_is_no_checkpoint_or_store_is_said_to_be_what_it_is() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    convert(folder, "mmsa.pkl", &[]);
    train(folder, &[]).ok();
    for (checkpoint, what) in [
        ("mmsa.pkl", "a pickle"),
        ("out.h5", "a feature store"),
        ("run/config.toml", "a file of a run folder"),
        ("run/predictions.csv", "a file of a run folder"),
    ] {
        let args = ["eval", "--store", "out.h5", "--checkpoint", checkpoint];
        let told = almt(folder, &args).fails_with(&["is not a checkpoint: it is", what]).stderr();
        has(&told, &["hint: pass a run folder or its `best.safetensors`"]);
    }
    for (source, what) in [("run", "a run folder"), ("run/config.toml", "a file of a run folder")] {
        let told = almt(folder, &["validate", source]);
        has(&told.stderr(), &[what, "hint: "]);
        almt(folder, &["convert", source, "-o", "x.h5"]).fails_with(&[what]);
    }
    let bytes = std::fs::read(folder.join("out.h5")).unwrap();
    std::fs::write(folder.join("cut.h5"), &bytes[..bytes.len() / 2]).unwrap();
    let told = almt(folder, &["validate", "cut.h5"]).stderr();
    has(&told, &["cut.h5: is cut: ", " bytes are there", "hint: copy it again"]);
    almt(folder, &["compare", "run", "run"]).fails_with(&["is the same run as the other"]);
}

#[test]
#[cfg(feature = "train")]
fn a_drawn_validation_split_is_that_of_its_run() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    convert(folder, "valid-none.pkl", &[]);
    let reproduce = ["reproduce", "table4", "--store", "out.h5", "--epochs", "1", "--seeds", "1"];
    let told = almt(folder, &[&reproduce[..], &["--out", "paper"]].concat()).stderr();
    has(&told, &["split `valid` is absent or empty", "hint: `--valid-fraction 0.1` draws one"]);
    let drawn = ["--out", "paper", "--valid-fraction", "0.25", "--dry-run"];
    almt(folder, &[&reproduce[..], &drawn].concat()).ok();
    let told = train(folder, &["--valid-fraction", "0.25"]).ok().stderr();
    has(&told, &["note: valid is 3 of the 12 segments of train, drawn by video"]);
    let eval = ["eval", "--store", "out.h5", "--checkpoint", "run", "--split", "valid", "--json"];
    let told = almt(folder, &eval).ok().stdout();
    let evaluated: serde_json::Value = serde_json::from_str(&told).unwrap();
    let result = std::fs::read_to_string(folder.join("run/result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    assert_eq!(evaluated["metrics"]["MAE"], result["selected"]["valid"]["MAE"], "{told}");
    let predict = ["predict", "--store", "out.h5", "--checkpoint", "run", "--split", "valid"];
    almt(folder, &[&predict[..], &["-o", "p.csv"]].concat()).ok();
    assert_eq!(std::fs::read_to_string(folder.join("p.csv")).unwrap().lines().count(), 4);
}

#[test]
fn tables_of_bars_are_read_and_a_column_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    crate::support::synthetic_store(folder, "mosi", "8");
    let put = |table: &str| std::fs::write(folder.join("t.csv"), table).unwrap();
    let validate = ["validate", "mosi.h5", "--labels", "t.csv"];
    put("id|split\nsynth_train_0000$_$0|train\n");
    almt(folder, &validate).ok();
    put("id,text,mode\nsynth_train_0000$_$0,hello,0\n");
    let told = almt(folder, &validate).fails_with(&["t.csv"]).stderr();
    has(&told, &["hint: ", "`--column split=` means no column"]);
    almt(folder, &[&validate[..], &["--column", "split="]].concat()).ok();
}

#[test]
fn an_archive_of_links_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "a.pkl", "/data/a.pkl").unwrap();
    std::fs::write(folder.path().join("x.tar"), builder.into_inner().unwrap()).unwrap();
    almt(folder.path(), &["inspect", "x.tar"]).fails_with(&["links to files outside of it: a.pkl"]);
}

#[test]
fn a_label_of_none_is_one_that_is_missing() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    let dropped = ["--drop-unlabelled"];
    let expected = convert(folder, "label-none-nan.pkl", &dropped);
    for form in ["list", "object", "column", "nested"] {
        let found = convert(folder, &format!("label-none-{form}.pkl"), &dropped);
        assert_eq!(digest(&found), digest(&expected), "{form}");
        has(&found, &["train/regression_labels: 1 samples have None as their label"]);
    }
    // Nobody trains on the labels of a modality that a segment lacks.
    let of_text = |form: &str| convert(folder, &format!("text-label-none-{form}.pkl"), &[]);
    assert_eq!(digest(&of_text("list")), digest(&of_text("nan")));
}

#[test]
fn what_class_labels_alone_are_good_for_is_said_of_their_split() {
    let Some(folder) = made() else { return };
    let folder = folder.path();
    let said = convert(folder, "test-of-classes.pkl", &[]);
    has(&said, &["class labels and no regression labels in test: such a split can be predicted"]);
    assert!(!said.contains("not trained on"), "{said}");
    almt(folder, &["train", "--store", "out.h5", "--epochs", "1", "--out", "run"]).ok();
}

#[test]
fn two_datasets_in_one_file_are_told_from_two_splits_of_one() {
    let Some(folder) = made() else { return };
    let parts = ["two-datasets.pkl: the file holds 2 consecutive pickles"];
    let told = refused(folder.path(), "two-datasets.pkl", &[], &parts);
    has(&told, &["hint: save them from Python as one dict"]);
}
