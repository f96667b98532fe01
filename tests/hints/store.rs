//! Hints about stores and files made from them.

use std::path::Path;

use super::Next::{Hands, Walk};
use super::{Row, elsewhere, put, synthetic};

fn store(folder: &Path) {
    synthetic(folder);
    crate::support::almt(folder, &["convert", "mosi.pkl"]).ok();
}

/// A folder that holds something else.
fn foreign(folder: &Path, name: &str) {
    std::fs::create_dir(folder.join(name)).unwrap();
    put(&folder.join(name), "thesis.txt", b"precious");
}

fn other_version(folder: &Path) {
    store(folder);
    for _ in 0..100 {
        // A child that another test starts may hold the file's lock for a moment.
        if let Ok(file) = hdf5::File::open_rw(folder.join("mosi.h5")) {
            file.attr("store_version").unwrap().write_scalar(&7_u64).unwrap();
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the store stays locked");
}

pub const ROWS: &[Row] = &[
    elsewhere("choose one with `--store`", "the_only_store_of_the_folder_needs_no_name"),
    elsewhere(
        "build it with the cargo feature `parquet`",
        "a_build_without_parquet_says_how_to_get_it",
    ),
    Row {
        hint: "`--overwrite` replaces it",
        make: store,
        calls: &["convert mosi.pkl"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--overwrite` replaces it",
        make: store,
        calls: &["synth --samples 8"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--overwrite` replaces it",
        make: |folder| {
            store(folder);
            put(folder, "cv.json", b"{}");
        },
        calls: &["split mosi.h5 --k-fold 3 -o cv.json"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--overwrite` replaces it",
        make: store,
        calls: &["export mosi.h5 --to npz", "export mosi.h5 --to npz"],
        next: Walk(&[]),
    },
    Row {
        hint: "choose another path with `-o`",
        make: |folder| {
            store(folder);
            foreign(folder, "mosi.arrow");
        },
        calls: &["convert mosi.pkl -o mosi.arrow --overwrite"],
        next: Walk(&[("-o", "other.arrow")]),
    },
    Row {
        hint: "choose another path with `-o`",
        make: |folder| {
            store(folder);
            foreign(folder, "mosi.parquet");
        },
        calls: &["export mosi.h5 --to parquet --overwrite"],
        next: Walk(&[("-o", "other.parquet")]),
    },
    Row {
        hint: "convert the source again, or use the program that wrote it",
        make: other_version,
        calls: &["validate mosi.h5 --quick"],
        next: Hands,
    },
    Row {
        hint: "`almt-data convert mosi.pkl` makes one",
        make: synthetic,
        calls: &["validate"],
        next: Walk(&[]),
    },
    Row {
        hint: "`almt-data schema` lists their names",
        make: |_| (),
        calls: &["schema nonsense"],
        next: Walk(&[]),
    },
    elsewhere(
        "the store has float16 features: convert its source with `--dtype float32`, and encode \
         that store",
        "an_encoder_beyond_float16_is_refused",
    ),
    #[cfg(not(feature = "train"))]
    Row {
        hint: "build it with the cargo feature `train`, which is on by default",
        make: |_| (),
        calls: &["train --store mosi.h5"],
        next: Hands,
    },
    elsewhere("make one report per dataset", "what_cannot_stand_on_one_page_is_refused"),
    elsewhere(
        "`almt-data predict` needs none; for anything else, convert a file that has \
         `regression_labels`",
        "clips_without_labels_are_predicted_on_and_nothing_else",
    ),
    Row {
        hint: "`almt-data split STORE --k-fold 5 -o cv.json` makes one",
        make: |folder| {
            store(folder);
            put(folder, "plan.json", b"\x80\x02\xff");
        },
        calls: &["split mosi.h5 --from-manifest plan.json -o other.json"],
        next: Walk(&[(
            "almt-data split STORE --k-fold 5 -o cv.json",
            "split mosi.h5 --k-fold 3 -o cv.json",
        )]),
    },
    // `--from` and the shares of `--ratio` change together.
    elsewhere(
        "without `--from`, `--ratio 0.7,0.1,0.2` redraws all three splits",
        "a_store_without_a_validation_split_gets_one",
    ),
    elsewhere(
        "copy it again, or convert the source again",
        "a_file_that_is_no_checkpoint_or_store_is_said_to_be_what_it_is",
    ),
    elsewhere(
        "`--by segment` draws segments regardless of their video",
        "a_way_on_is_never_one_that_fails",
    ),
    // These need a trained run, but not the trainer.
    elsewhere(
        "name the folder that `almt-data train` wrote",
        "a_run_folder_stands_for_its_checkpoint_and_a_checkpoint_for_its_run",
    ),
    elsewhere(
        "a run folder holds `{CONFIG}` and `{BEST}`",
        "a_run_folder_stands_for_its_checkpoint_and_a_checkpoint_for_its_run",
    ),
    elsewhere(
        "pass a run folder or its `{BEST}`",
        "a_file_that_is_no_checkpoint_or_store_is_said_to_be_what_it_is",
    ),
    elsewhere(
        "for example `{}`",
        "a_run_folder_stands_for_its_checkpoint_and_a_checkpoint_for_its_run",
    ),
    // The advice of every other finding is done by hand; `rules` plants what leads to each.
    Row {
        hint: "convert again with `--on-nonfinite zero`, `mean` or `drop-segment`",
        make: |folder| super::with_value(folder, f64::NAN.to_le_bytes()),
        calls: &["convert mosi.pkl --on-nonfinite keep", "validate mosi.h5"],
        next: Walk(&[]),
    },
];
