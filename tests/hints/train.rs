//! Hints about training, its inputs and its outputs.

use std::path::Path;

use super::Next::{Hands, Walk};
use super::{Row, elsewhere, fixture, put, replace, synthetic, with_value};
use crate::support::almt;

fn store(folder: &Path) {
    synthetic(folder);
    almt(folder, &["convert", "mosi.pkl"]).ok();
}

/// A store and a run on it, short and small.
fn run(folder: &Path) {
    store(folder);
    almt(folder, &["train", "--store", "mosi.h5", "--epochs", "1", "--out", "run"]).ok();
}

/// Words, and no features of them.
fn words(folder: &Path) {
    fixture(folder, "misa-numpy2.pkl", "dev.pkl");
    almt(folder, &["convert", "dev.pkl", "--dataset", "mosi", "-o", "words.h5"]).ok();
}

/// A store with text features, and an encoder whose tokens it lacks.
fn no_tokens(folder: &Path) {
    fixture(folder, "layouts/sdk-mosi.pkl", "mosi_data.pkl");
    almt(folder, &["convert", "mosi_data.pkl", "-o", "mosi.h5"]).ok();
    crate::golden_bert::tiny_folder(folder);
}

pub const ROWS: &[Row] = &[
    elsewhere(
        "a model needs the features that it was trained on, by the same extractors",
        "a_checkpoint_meets_shorter_longer_and_other_samples",
    ),
    elsewhere(
        "`almt-data inspect RUN` shows the data of training: make the store in the same way; `--force` continues anyway",
        "data_that_mean_something_else_are_named_and_refused",
    ),
    elsewhere(
        "`almt-data build` makes a store of clips with all modalities, for `--store` in place of `--text`",
        "what_a_text_alone_is_not_enough_for_is_named",
    ),
    elsewhere(
        "`--bert FOLDER` names the encoder that computed the features of the training store",
        "what_a_text_alone_is_not_enough_for_is_named",
    ),
    elsewhere(
        "convert files from the same feature extraction together",
        "what_does_not_suit_is_an_error_with_advice",
    ),
    elsewhere(
        "include it in `--modalities`",
        "what_a_model_needs_is_asked_for_before_anything_is_read",
    ),
    elsewhere(
        "`--text bert --bert FOLDER` adds one",
        "what_a_model_needs_is_asked_for_before_anything_is_read",
    ),
    elsewhere(
        "`--bert FOLDER` names that of the encoder, as for `almt-data train`; its weights are not used",
        "models_train_in_bfloat16_and_their_weights_go_out_and_come_in",
    ),
    elsewhere(
        "`almt-data models` shows which models do not need it",
        "what_does_not_suit_is_an_error_with_advice",
    ),
    elsewhere(
        "the texts are in another language than the encoder: use an encoder for that language; `--force` continues anyway",
        "texts_and_tokens_of_another_vocabulary_are_warned_of_and_refused",
    ),
    elsewhere(
        "convert the aligned file of the dataset, such as `aligned_50.pkl`",
        "an_unaligned_store_is_not_for_a_model_that_needs_alignment",
    ),
    Row {
        hint: "convert the source again with `--on-nonfinite zero`, `mean` or `drop-segment`",
        make: |folder| with_value(folder, f64::NAN.to_le_bytes()),
        calls: &[
            "convert mosi.pkl --on-nonfinite keep",
            "train --store mosi.h5 --epochs 1 --out run",
        ],
        next: Walk(&[]),
    },
    Row {
        hint: "`almt-data validate mosi.h5` shows all, `--force` trains on it anyway",
        make: synthetic,
        // Its labels are beyond those of CH-SIMS.
        calls: &["convert mosi.pkl --dataset sims", "train --store mosi.h5 --epochs 1 --out run"],
        next: Walk(&[("--dataset", "mosi")]),
    },
    elsewhere(
        "if the classes have an order, list them in it with `values = [1, 2, …]` in the label scale, and \
         make the store again",
        "classes_with_values_are_trained_on_and_those_without_are_kept",
    ),
    elsewhere("; `almt-data validate {path}` shows all", "a_way_on_is_never_one_that_fails"),
    Row {
        hint: "`--drop-unlabelled` of `convert`, `build` and `align` leaves them out; `almt-data predict` \
               needs no labels",
        make: |folder| {
            run(folder);
            std::fs::remove_file(folder.join("mosi.h5")).unwrap();
            replace(folder, "regression_labels", &f32::NAN.to_le_bytes());
        },
        calls: &["convert mosi.pkl", "train --store mosi.h5 --force --epochs 1 --out other"],
        next: Walk(&[
            ("--drop-unlabelled", "convert mosi.pkl --drop-unlabelled --overwrite"),
            (
                "almt-data predict",
                "predict --store mosi.h5 --checkpoint run/best.safetensors -o p.csv",
            ),
        ]),
    },
    elsewhere(
        "`--fit-lengths` truncates them; the number is reported and recorded",
        "a_checkpoint_meets_shorter_longer_and_other_samples",
    ),
    elsewhere(
        "`--valid-fraction 0.1` draws one from the training split; `almt-data split",
        "a_store_without_a_validation_split_gets_one",
    ),
    elsewhere(
        "without `--valid-fraction`, the store's own is used",
        "a_validation_split_without_labels_gives_way_to_one_of_train",
    ),
    elsewhere(
        "-o splits.json` draws all three from the existing segments, for `train --manifest`",
        "what_is_called_valid_and_cannot_be_trained_is_said_to_be_so",
    ),
    Row {
        hint: "`--modalities text,audio,vision` has it",
        make: store,
        calls: &["train --store mosi.h5 --modalities audio,vision --epochs 1 --out run"],
        next: Walk(&[]),
    },
    elsewhere("the store has no text to encode either", "a_way_on_is_never_one_that_fails"),
    Row {
        hint: "`almt-data encode` makes features of a store's tokens or texts",
        make: |folder| {
            words(folder);
            let split = ["split", "words.h5", "--k-fold", "3", "--by", "segment", "-o", "cv.json"];
            almt(folder, &split).ok();
            let tiny = crate::golden_bert::tiny_folder(folder);
            std::fs::write(tiny.join("vocab.txt"), crate::encode::vocabulary()).unwrap();
        },
        calls: &["train --store words.h5 --manifest cv.json --epochs 1 --out run"],
        next: Walk(&[("almt-data encode", "encode words.h5 --bert tiny-bert -o text.h5")]),
    },
    Row {
        hint: "`--text-from raw_text` makes them of its texts",
        make: no_tokens,
        calls: &[
            "train --store mosi.h5 --text bert --bert tiny-bert --text-from text_bert --epochs 1 \
             --out run",
        ],
        next: Walk(&[]),
    },
    Row {
        hint: "`--text-from raw_text` makes them",
        make: no_tokens,
        calls: &["encode mosi.h5 --bert tiny-bert --text-from text_bert -o text.h5"],
        next: Walk(&[]),
    },
    elsewhere(
        "the tokens were made with the vocabulary of another encoder; `--text-from raw_text`",
        "what_cannot_be_encoded_is_said",
    ),
    Row {
        hint: "the folder of an encoder holds `config.json`",
        make: store,
        calls: &["encode mosi.h5 --bert nowhere -o text.h5"],
        next: Hands,
    },
    Row {
        hint: "in Python, with transformers, `AutoModel.from_pretrained",
        make: |folder| {
            store(folder);
            let tiny = crate::golden_bert::tiny_folder(folder);
            std::fs::rename(tiny.join("model.safetensors"), tiny.join("pytorch_model.bin"))
                .unwrap();
        },
        calls: &["encode mosi.h5 --bert tiny-bert -o text.h5"],
        next: Hands,
    },
    Row {
        hint: "in Python, with transformers, `save_pretrained",
        make: |folder| {
            store(folder);
            let tiny = crate::golden_bert::tiny_folder(folder);
            std::fs::remove_file(tiny.join("model.safetensors")).unwrap();
            put(&tiny, "model.safetensors.index.json", b"{}");
        },
        calls: &["encode mosi.h5 --bert tiny-bert -o text.h5"],
        next: Hands,
    },
    elsewhere(
        "the weights are damaged, or beyond the range of their type",
        "an_encoder_beyond_float16_is_refused",
    ),
    Row {
        hint: "the checkpoint of the best epoch before it is kept; a lower `--lr` often helps",
        make: |folder| {
            almt(folder, &["synth", "--samples", "40"]).ok();
            almt(folder, &["convert", "mosi.pkl"]).ok();
        },
        calls: &["train --store mosi.h5 --lr 1e6 --epochs 3 --batch-size 8 --out run"],
        next: Walk(&[("--lr", "1e-4")]),
    },
    Row {
        hint: "a lower `--lr` often helps",
        make: |folder| {
            almt(folder, &["synth", "--samples", "40"]).ok();
            almt(folder, &["convert", "mosi.pkl"]).ok();
        },
        calls: &[
            "train --store mosi.h5 --lr 1e30 --epochs 1 --batch-size 8 --schedule constant --out run",
        ],
        next: Walk(&[("--lr", "1e-4")]),
    },
    elsewhere(
        "`--cache disk` reads each batch from the store",
        "too_little_memory_is_said_and_leaves_a_run_that_goes_on",
    ),
    elsewhere("a smaller `--batch-size` takes less", "lack_of_memory_says_for_what_and_how_much"),
    elsewhere(
        "it needs more free memory; a call that has `--cache`",
        "lack_of_memory_says_for_what_and_how_much",
    ),
    elsewhere("`--libtorch` names its folder", "only_the_cuda_part_of_the_same_release_is_loaded"),
    Row {
        hint: "choose a new or empty folder with `--out`",
        make: |folder| {
            store(folder);
            std::fs::create_dir(folder.join("notes")).unwrap();
            std::fs::write(folder.join("notes/today.txt"), "").unwrap();
        },
        calls: &["train --store mosi.h5 --epochs 1 --out notes"],
        next: Walk(&[("--out", "run")]),
    },
    Row {
        hint: "`--overwrite` replaces the run in it",
        make: run,
        calls: &["train --store mosi.h5 --epochs 1 --out run"],
        next: Walk(&[]),
    },
    Row {
        hint: "`almt-data resume run` completes it",
        make: |folder| {
            run(folder);
            std::fs::remove_file(folder.join("run/result.json")).unwrap();
        },
        calls: &["train --store mosi.h5 --epochs 1 --out run"],
        next: Walk(&[]),
    },
    Row {
        hint: "choose another `--out` to keep it, or remove the folder to train again",
        make: |folder| {
            store(folder);
            let seeds = ["train", "--store", "mosi.h5", "--epochs", "1", "--seeds", "1"];
            almt(folder, &[&seeds[..], &["--out", "runs"]].concat()).ok();
        },
        calls: &["train --store mosi.h5 --epochs 2 --seeds 1 --out runs"],
        next: Walk(&[("--out", "others")]),
    },
    elsewhere(
        "of {n_runs} runs are complete and kept; repeat the call to continue",
        "a_killed_worker_is_said_and_the_other_run_is_kept",
    ),
    elsewhere(
        "`cargo install --path .` puts it beside `almt-data`; keep the two together",
        "a_trainer_that_is_not_there_is_said",
    ),
    Row {
        hint: "`--overwrite` replaces it",
        make: |folder| {
            run(folder);
            put(folder, "p.csv", b"");
        },
        calls: &["predict --store mosi.h5 --checkpoint run/best.safetensors -o p.csv"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--overwrite` replaces it",
        make: |folder| {
            run(folder);
            put(folder, "w.safetensors", b"");
        },
        calls: &["export-weights run --to released -o w.safetensors"],
        next: Walk(&[]),
    },
    elsewhere(
        "the tokens belong to another vocabulary",
        "texts_and_tokens_of_another_vocabulary_are_warned_of_and_refused",
    ),
    elsewhere(
        "-o encoded.h5` makes a store with those of the model's encoder",
        "a_model_with_an_encoder_meets_texts_and_tokens_of_another_vocabulary",
    ),
    elsewhere(
        "the texts are in another language than the model's encoder: use a model for that \
         language; `--force` continues anyway",
        "a_model_with_an_encoder_meets_texts_and_tokens_of_another_vocabulary",
    ),
    elsewhere(
        "the tokens were made with the vocabulary of another encoder than the model's",
        "a_model_with_an_encoder_meets_texts_and_tokens_of_another_vocabulary",
    ),
    Row {
        hint: "trains the model of these weights",
        make: run,
        calls: &["train --store mosi.h5 --model lmf --init-from run --epochs 1 --out other"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--modalities text,audio,vision` chooses the same",
        make: run,
        calls: &[
            "train --store mosi.h5 --modalities text,vision --init-from run --epochs 1 --out other",
        ],
        next: Walk(&[]),
    },
    Row {
        hint: "without `--manifest` the store's own splits are used; `almt-data split",
        make: |folder| {
            store(folder);
            crate::calls::write_fold(folder, &["train", "test"]);
        },
        calls: &["train --store mosi.h5 --manifest m.json --epochs 1 --out run"],
        next: Walk(&[]),
    },
    Row {
        hint: "`--set remainder=step` takes the step at the end of the epoch",
        make: store,
        calls: &["train --store mosi.h5 --model mult --epochs 1 --out run"],
        next: Walk(&[("--batch-size", "1")]),
    },
    Row {
        hint: "copy the `best.safetensors` of the original run folder into it",
        make: |folder| {
            run(folder);
            std::fs::remove_file(folder.join("run/best.safetensors")).unwrap();
        },
        calls: &["eval run --store mosi.h5"],
        next: Hands,
    },
    Row {
        hint: "`--store` names the store's current path",
        make: |folder| {
            run(folder);
            std::fs::rename(folder.join("mosi.h5"), folder.join("moved.h5")).unwrap();
        },
        calls: &["eval run"],
        next: Walk(&[("--store", "moved.h5")]),
    },
    Row {
        hint: "`--store` names the store's current path",
        make: |folder| {
            run(folder);
            std::fs::rename(folder.join("mosi.h5"), folder.join("moved.h5")).unwrap();
        },
        calls: &["predict run -o p.csv"],
        next: Walk(&[("--store", "moved.h5")]),
    },
    elsewhere("`--bert` names its new path", "an_encoder_in_the_loop_reads_texts_as_encode_does"),
    Row {
        hint: "`--store` names the store's current path",
        make: |folder| {
            run(folder);
            std::fs::rename(folder.join("mosi.h5"), folder.join("moved.h5")).unwrap();
            let other = ["convert", "mosi.pkl", "--dtype", "float16"];
            almt(folder, &other).ok();
        },
        calls: &["repeat run"],
        next: Walk(&[("--store", "moved.h5")]),
    },
    elsewhere(
        "the `train --seeds` call that started them resumes all of them",
        "seeds_that_are_trained_as_one_come_near_those_trained_alone_and_go_on_after_a_stop",
    ),
    Row {
        hint: "`almt-data resume run` completes it",
        make: |folder| {
            run(folder);
            std::fs::remove_file(folder.join("run/result.json")).unwrap();
        },
        calls: &["repeat run"],
        next: Walk(&[]),
    },
    Row {
        hint: "`almt-data resume run/seed-2` completes one; repeating the `train` call that started them \
               completes all",
        make: |folder| {
            store(folder);
            let seeds = ["train", "--store", "mosi.h5", "--epochs", "1", "--seeds", "2"];
            almt(folder, &[&seeds[..], &["--together", "never", "--out", "run"]].concat()).ok();
            std::fs::remove_file(folder.join("run/seed-2/result.json")).unwrap();
        },
        calls: &["resume run"],
        next: Walk(&[]),
    },
    Row {
        hint: "`almt-data split STORE --from-manifest` adapts it to a store with the same segments",
        make: |folder| {
            store(folder);
            crate::support::almt(folder, &["split", "mosi.h5", "--k-fold", "3", "-o", "cv.json"])
                .ok();
            let options = ["convert", "mosi.pkl", "-o", "half.h5", "--dtype", "float16"];
            crate::support::almt(folder, &options).ok();
        },
        calls: &["train --store half.h5 --manifest cv.json --epochs 1 --out run"],
        next: Walk(&[(
            "almt-data split STORE --from-manifest",
            "split half.h5 --from-manifest cv.json -o half.json",
        )]),
    },
];

/// The program alone, as where somebody copied one of the two.
#[test]
fn a_trainer_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("almt-data");
    std::fs::copy(env!("CARGO_BIN_EXE_almt-data"), &alone).unwrap();
    let mut command = std::process::Command::new(&alone);
    command.args(["train", "--store", "mosi.h5"]).current_dir(folder.path());
    let call = crate::support::Call::of(command);
    assert!(call.stderr().contains("hint: `cargo install --path .` puts it"), "{}", call.explain());
    call.fails_with(&["almt-data-train: cannot start the trainer"]);
}
