//! Hints about sources: refused conversions, and how to continue.

use std::path::Path;

use super::Next::{Hands, Walk};
use super::{Row, elsewhere, fixture, put, replace, synthetic, with_value};
use crate::containers::gzip;

fn nan(folder: &Path) {
    with_value(folder, f64::NAN.to_le_bytes());
}

fn beyond_float32(folder: &Path) {
    with_value(folder, (-4.2e40_f64).to_le_bytes());
}

fn beyond_float16(folder: &Path) {
    with_value(folder, 70_000_f64.to_le_bytes());
}

/// A split each of whose segments has a NaN.
fn nan_everywhere(folder: &Path) {
    synthetic(folder);
    // Eight segments of 50 frames of five float64 each.
    replace(folder, "audio", &f64::NAN.to_le_bytes().repeat(8 * 50 * 5));
}

fn misa_folder(folder: &Path) {
    std::fs::create_dir(folder.join("misa")).unwrap();
    for name in ["train", "dev", "test"] {
        fixture(folder, &format!("layouts/misa/{name}.pkl"), &format!("misa/{name}.pkl"));
    }
}

pub const ROWS: &[Row] = &[
    Row {
        hint: "`--on-nonfinite zero` or `mean` replaces them, `drop-segment` drops their segments, `keep` copies them, but training refuses such a store",
        make: nan,
        calls: &["convert mosi.pkl"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--on-overflow clip` replaces them by the largest float32 value, `zero` by 0 and `mean` by the \
               feature's mean; `drop-segment` drops their segments",
        make: beyond_float32,
        calls: &["convert mosi.pkl"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--features audio=mosi-covarep-5` has as many features; if in doubt, omit it",
        make: synthetic,
        calls: &["convert mosi.pkl --features audio=librosa-33"],
        next: Walk(&[]),
    },
    Row {
        hint: "omit `--features`: features need no names",
        make: |folder| {
            crate::support::almt(folder, &["synth", "--dataset", "mosei", "--samples", "8"]).ok();
        },
        calls: &["convert mosei.pkl --features vision=openface2-709"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--dtype float32` stores them unchanged",
        make: beyond_float16,
        calls: &["convert mosi.pkl --dtype float16"],
        next: Walk(&[]),
    },
    // Beyond float32, too, so that another type is no way on.
    Row {
        hint: "`--on-overflow clip` replaces them by the largest float16 value, `zero` by 0 and `mean` by the \
               feature's mean; `drop-segment` drops their segments",
        make: beyond_float32,
        calls: &["convert mosi.pkl --dtype float16"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--on-nonfinite zero` or `mean` replaces the values and keeps the segments",
        make: nan_everywhere,
        calls: &["convert mosi.pkl --on-nonfinite drop-segment"],
        next: Walk(&[]),
    },
    Row {
        hint: "`almt-data convert --explain` shows what each layout requires, `almt-data inspect` what the file contains",
        make: |folder| fixture(folder, "plain-protocol4.pkl", "other.pkl"),
        calls: &["convert other.pkl"],
        next: Walk(&[
            ("almt-data convert --explain", "convert other.pkl --explain"),
            ("almt-data inspect", "inspect other.pkl"),
        ]),
    },
    Row {
        hint: "`almt-data inspect` shows what the file holds",
        make: |folder| fixture(folder, "plain-protocol4.pkl", "other.pkl"),
        calls: &["convert other.pkl --explain"],
        next: Walk(&[("almt-data inspect", "inspect other.pkl")]),
    },
    Row {
        hint: "without `--layout` the layout is detected",
        make: synthetic,
        calls: &["convert mosi.pkl --layout misa"],
        next: Walk(&[]),
    },
    Row {
        hint: "name it with `--split train|valid|test`",
        make: |folder| fixture(folder, "layouts/misa/dev.pkl", "some.pkl"),
        calls: &["convert some.pkl"],
        next: Walk(&[]),
    },
    Row {
        hint: "shows the existing keys",
        make: |folder| put(folder, "no-ids.pkl", NO_IDS),
        calls: &["convert no-ids.pkl --layout mmsa"],
        next: Walk(&[("almt-data inspect", "inspect no-ids.pkl")]),
    },
    Row {
        hint: "shows what the file contains there; save it from Python",
        make: |folder| put(folder, "text.pkl", WORDS_FOR_FEATURES),
        calls: &["convert text.pkl --layout mmsa"],
        next: Walk(&[("almt-data inspect", "inspect text.pkl")]),
    },
    Row {
        hint: "`numpy.stack` or `.astype(numpy.float32)`",
        make: |folder| put(folder, "objects.pkl", OBJECTS_FOR_FEATURES),
        calls: &["convert objects.pkl --layout mmsa"],
        next: Hands,
    },
    Row {
        hint: "pass one file per split; `dev` and `val` are names of `valid`",
        make: |folder| {
            misa_folder(folder);
            fixture(folder, "layouts/misa/dev.pkl", "valid.pkl");
        },
        calls: &["convert misa/train.pkl misa/dev.pkl valid.pkl -o mosi.h5"],
        next: Hands,
    },
    Row {
        hint: "delete or rename one of the two keys in Python; `dev` and `val` are names of `valid`",
        make: |folder| {
            synthetic(folder);
            let mut pickle = std::fs::read(folder.join("mosi.pkl")).unwrap();
            let key = b"\x8c\x04test";
            let at = pickle.windows(key.len()).position(|window| window == key).unwrap();
            pickle.splice(at..at + key.len(), *b"\x8c\x03dev");
            put(folder, "mosi.pkl", &pickle);
        },
        calls: &["convert mosi.pkl"],
        next: Hands,
    },
    Row {
        hint: "name the pickles one by one",
        make: |folder| {
            misa_folder(folder);
            fixture(folder, "layouts/misa/dev.pkl", "misa/valid.pkl");
        },
        calls: &["convert misa"],
        next: Hands,
    },
    Row {
        hint: "name the pickles themselves, one in all or one per split",
        make: |folder| std::fs::create_dir(folder.join("misa")).unwrap(),
        calls: &["convert misa"],
        next: Hands,
    },
    Row {
        hint: "omit the modality from `--max-len`; `almt-data inspect` shows what the file contains",
        make: misa_folder,
        calls: &["convert misa --dataset mosi --max-len text=9"],
        next: Walk(&[("--max-len", "audio=9"), ("almt-data inspect", "inspect misa/dev.pkl")]),
    },
    Row {
        hint: "remove it from the ids in the source",
        make: |folder| {
            synthetic(folder);
            let mut pickle = std::fs::read(folder.join("mosi.pkl")).unwrap();
            let id = b"synth_train_";
            let at = pickle.windows(id.len()).position(|window| window == id).unwrap();
            pickle[at + 5] = 0;
            put(folder, "mosi.pkl", &pickle);
        },
        calls: &["convert mosi.pkl"],
        next: Hands,
    },
    Row {
        hint: "`--dataset mosi|mosei|sims|simsv2` sets it; for a dataset of your own, `--label-range \
               LOW,HIGH`",
        make: |folder| fixture(folder, "mmsa-numpy2-protocol4.pkl", "mosi.pkl"),
        calls: &["convert mosi.pkl"],
        next: Walk(&[("--label-range LOW,HIGH", "-3,3")]),
    },
    elsewhere(
        "save them from Python as one dict",
        "pickles_one_after_another_are_the_splits_of_one_source",
    ),
    Row {
        hint: "omit `--split` to convert all of them",
        make: synthetic,
        calls: &["convert mosi.pkl --split train"],
        next: Walk(&[]),
    },
    elsewhere(
        "one of the two is wrong: rename the file or the key",
        "a_file_may_name_its_split_twice_but_not_in_two_ways",
    ),
    elsewhere(
        "labels are never replaced: correct it in the source, or drop the segment with `--on-overflow drop-segment`",
        "a_label_that_float32_cannot_hold_is_refused_under_its_own_name",
    ),
    elsewhere(
        "decodes them; check the texts afterwards",
        "every_text_is_that_of_python_or_refused_with_what_it_looks_like",
    ),
    elsewhere(
        "try another `--text-encoding`, such as",
        "bytes_are_utf8_or_as_the_user_says_or_refused",
    ),
    elsewhere(
        "`--text-encoding NAME --text-errors replace` decodes what it can",
        "bytes_are_utf8_or_as_the_user_says_or_refused",
    ),
    elsewhere(
        "`--text-errors replace` joins surrogate pairs",
        "halves_are_refused_or_replaced_and_literals_are_kept",
    ),
    Row { hint: "converts it", make: synthetic, calls: &["validate mosi.pkl"], next: Walk(&[]) },
    Row {
        hint: "converts the pickle in it",
        make: |folder| {
            synthetic(folder);
            let pickle = std::fs::read(folder.join("mosi.pkl")).unwrap();
            put(folder, "mosi.pkl.gz", &gzip(&pickle));
        },
        calls: &["validate mosi.pkl.gz"],
        next: Walk(&[]),
    },
    Row { hint: "converts them", make: misa_folder, calls: &["validate misa"], next: Walk(&[]) },
    // To train on a store takes its time.
    elsewhere("checks it, `almt-data train --store", KINDS),
    elsewhere("shows it; its `config.toml` names the store", KINDS),
    elsewhere("`almt-data train` wrote it into a run folder", KINDS),
    elsewhere("pass model weights to `--checkpoint`", KINDS),
    elsewhere("its columns: ", KINDS),
    elsewhere("save its table as CSV", KINDS),
    elsewhere(
        "decodes each text as UTF-8 if valid, and otherwise as",
        "texts_of_two_encodings_are_read_as_both",
    ),
    Row {
        hint: "choose another path with `-o`",
        make: |folder| {
            synthetic(folder);
            std::fs::rename(folder.join("mosi.pkl"), folder.join("mosi")).unwrap();
        },
        calls: &["convert mosi -o mosi"],
        next: Walk(&[("-o", "mosi.h5")]),
    },
];

/// The test of files of all kinds.
const KINDS: &str = "every_line_of_the_table_has_a_fixture_that_it_fits";

/// `{'train': {'id': ['a'], 'regression_labels': [1]}, 'valid': {'regression_labels': [1]}}`.
const NO_IDS: &[u8] =
    b"\x80\x02}(X\x05\0\0\0train}(X\x02\0\0\0id]X\x01\0\0\0aaX\x11\0\0\0regression_labels]K\x01au\
      X\x05\0\0\0valid}X\x11\0\0\0regression_labels]K\x01asu.";

/// `{'train': {'id': ['a'], 'regression_labels': [1], 'audio': 'word'}}`.
const WORDS_FOR_FEATURES: &[u8] =
    b"\x80\x02}X\x05\0\0\0train}(X\x02\0\0\0id]X\x01\0\0\0aaX\x11\0\0\0regression_labels]K\x01a\
      X\x05\0\0\0audioX\x04\0\0\0wordus.";

/// The same with an array of objects, `[1, 1]`, as the sample's features.
const OBJECTS_FOR_FEATURES: &[u8] =
    b"\x80\x02}X\x05\0\0\0train}(X\x02\0\0\0id]X\x01\0\0\0aaX\x11\0\0\0regression_labels]K\x01a\
      X\x05\0\0\0audio]cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R\
      (K\x01K\x01K\x01\x86cnumpy\ndtype\nX\x02\0\0\0O8\x89\x88\x87R(K\x03X\x01\0\0\0|NNNJ\xff\xff\
      \xff\xffJ\xff\xff\xff\xffK?tb\x89]G?\xf0\0\0\0\0\0\0atbaus.";
