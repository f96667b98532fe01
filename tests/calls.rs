//! Calls that are tolerated, warned about or refused.

use std::path::Path;

use almt_data::corpus::SplitName;

use crate::rules::Editor;
use crate::support::{Call, almt, program, synthetic_store};
use crate::train::small_bert;

const SPLITS: [&str; 3] = ["train", "valid", "test"];

/// Copies a store and edits the copy.
fn edited(folder: &Path, from: &str, to: &str, edit: impl FnOnce(&mut Editor)) {
    std::fs::copy(folder.join(from), folder.join(to)).unwrap();
    let mut editor = Editor::open(&folder.join(to));
    edit(&mut editor);
    editor.seal();
}

/// Gives a feature block another number of steps: zeros at the end, or without the last ones.
fn resize(store: &mut Editor, path: &str, n_steps: usize) {
    let [n_samples, n_old, width] = store.column(path).shape[..] else { panic!("{path}") };
    let values: Vec<f32> = store.file.dataset(path).unwrap().read_raw().unwrap();
    let mut new = vec![0.0_f32; n_samples * n_steps * width];
    let n_kept = n_old.min(n_steps) * width;
    for (old, new) in values.chunks(n_old * width).zip(new.chunks_mut(n_steps * width)) {
        new[..n_kept].copy_from_slice(&old[..n_kept]);
    }
    store.create(path, "float32", &[n_samples, n_steps, width], &new);
}

/// Lets nothing stand from a step on.
fn clear_from(store: &mut Editor, path: &str, step: usize) {
    let [_, n_steps, width] = store.column(path).shape[..] else { panic!("{path}") };
    store.numbers::<f32>(path, |values| {
        values.chunks_mut(n_steps * width).for_each(|row| row[step * width..].fill(0.0));
    });
}

fn train(folder: &Path, store: &str, out: &str, more: &[&str]) -> Call {
    let args = ["train", "--store", store, "--out", out, "--epochs", "2", "--lr", "1e-3"];
    almt(folder, &[&args[..], &["--threads", "1"], more].concat())
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn splits_of_other_lengths_train_as_if_they_were_padded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "12");
    edited(folder, "mosi.h5", "long.h5", |store| {
        clear_from(store, "/valid/audio", 40);
        clear_from(store, "/train/vision", 30);
    });
    edited(folder, "long.h5", "short.h5", |store| {
        resize(store, "/valid/audio", 40);
        resize(store, "/train/vision", 30);
    });
    train(folder, "long.h5", "long", &[]).ok();
    for (out, more) in [("short", &[][..]), ("disk", &["--cache", "disk"])] {
        let call = train(folder, "short.h5", out, more).ok();
        for note in [
            "audio: the splits differ in length (train 50, valid 40, test 50): all are padded with \
             zeros to 50 steps",
            "vision: the splits differ in length (train 30, valid 50, test 50)",
        ] {
            assert!(call.stderr().contains(&format!("note: {note}")), "{}", call.explain());
        }
        let result = json(&read(folder, &format!("{out}/result.json")));
        let lengths = serde_json::json!({
            "train": [{ "modality": "vision", "store_steps": 30, "model_steps": 50, "n_cut": 0 }],
            "valid": [{ "modality": "audio", "store_steps": 40, "model_steps": 50, "n_cut": 0 }],
        });
        assert_eq!(result["lengths"], lengths);
        assert_eq!(
            read(folder, &format!("{out}/predictions.csv")),
            read(folder, "long/predictions.csv")
        );
    }
    almt(folder, &["repeat", "short"]).ok();
    let split = ["split", "short.h5", "--k-fold", "3", "--by", "segment", "-o", "cv.json"];
    almt(folder, &split).ok();
    train(folder, "short.h5", "fold", &["--manifest", "cv.json", "--fold", "1"]).ok();
    let args = ["reproduce", "fig7", "--store", "short.h5", "--epochs", "1", "--seeds", "1"];
    almt(folder, &args).ok();
    // Other features are no matter of padding.
    edited(folder, "mosi.h5", "wide.h5", |store| {
        store.create("/test/audio", "float32", &[6, 50, 6], &[0.5_f32; 6 * 50 * 6]);
    });
    train(folder, "wide.h5", "no", &[])
        .fails_with(&["wide.h5: the store is not valid: error AD033", "test/audio has 6 features"]);
    let forced = train(folder, "wide.h5", "no", &["--force"]);
    let shapes = "error: wide.h5: test/audio is [50, 6], but train/audio is [50, 5]";
    assert!(forced.code() == 1 && forced.stderr().contains(shapes), "{}", forced.explain());
    train(folder, "wide.h5", "deaf", &["--modalities", "text,vision"]).ok();
}

#[test]
fn a_checkpoint_meets_shorter_longer_and_other_samples() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    edited(folder, "mosi.h5", "long.h5", |store| clear_from(store, "/test/audio", 40));
    train(folder, "long.h5", "run", &[]).ok();
    let predict = |store: &str, more: &[&str]| {
        let args = ["predict", "--store", store, "--checkpoint", "run", "-o", "p.csv"];
        let threads = ["--overwrite", "--threads", "1"];
        almt(folder, &[&args[..], &threads, more].concat())
    };
    let predictions = |store: &str, more: &[&str]| {
        let said = predict(store, more).ok().stdout();
        (said, read(folder, "p.csv"))
    };
    let (_, expected) = predictions("long.h5", &[]);
    edited(folder, "long.h5", "short.h5", |store| resize(store, "/test/audio", 40));
    for cache in ["memory", "disk"] {
        let (said, found) = predictions("short.h5", &["--cache", cache]);
        assert_eq!(found, expected, "{cache}");
        assert!(said.contains("test/audio: 40 steps, padded to 50"), "{said}");
    }
    // Zeros that are left out are no loss.
    edited(folder, "long.h5", "zeros.h5", |store| resize(store, "/test/audio", 60));
    let (said, found) = predictions("zeros.h5", &[]);
    assert_eq!(found, expected);
    assert!(said.contains("60 steps, of which the last 10 are zero"), "{said}");
    edited(folder, "zeros.h5", "longer.h5", |store| {
        store.numbers::<f32>("/test/audio", |values| {
            for sample in [1, 4] {
                values[(sample * 60 + 55) * 5] = 3.0;
            }
        });
    });
    let refused = predict("longer.h5", &[]).fails_with(&[
        "longer.h5: test/audio has 60 steps here, but 50 in the model of run/best.safetensors: 2 of \
         12 samples are longer",
    ]);
    assert!(refused.stderr().contains("`--fit-lengths`"), "{}", refused.explain());
    let from = ["--init-from", "run"];
    train(folder, "longer.h5", "from", &from).fails_with(&["2 of 12 samples are longer"]);
    let begun = train(folder, "longer.h5", "from", &[&from[..], &["--fit-lengths"]].concat()).ok();
    let note = "note: test/audio: 60 steps, cut to 50: 2 samples lost values";
    assert!(begun.stderr().contains(note), "{}", begun.explain());
    let lengths = json(&read(folder, "from/result.json"))["lengths"].clone();
    assert_eq!(lengths["test"][0]["n_cut"], 2, "{lengths}");
    almt(folder, &["repeat", "from"]).ok();
    let (said, found) = predictions("longer.h5", &["--fit-lengths"]);
    assert!(said.contains("60 steps, cut to 50: 2 samples lost values"), "{said}");
    let mut is_cut = Vec::new();
    for (found, expected) in found.lines().zip(expected.lines()) {
        let (same, last) = found.rsplit_once(',').unwrap();
        assert_eq!(same, expected);
        is_cut.push(last.to_owned());
    }
    assert_eq!(is_cut[..7], ["is_cut", "0", "1", "0", "0", "1", "0"]);
    let eval = ["eval", "--store", "longer.h5", "--checkpoint", "run", "--json", "--threads", "1"];
    let eval = almt(folder, &[&eval[..], &["--fit-lengths"]].concat()).ok().stdout();
    let lengths = serde_json::json!([
        { "modality": "audio", "store_steps": 60, "model_steps": 50, "n_cut": 2 }
    ]);
    assert_eq!(json(&eval)["lengths"], lengths);
    let result = json(&read(folder, "run/result.json"));
    assert_eq!(json(&eval)["metrics"], result["selected"]["test"]);
    edited(folder, "mosi.h5", "wide.h5", |store| {
        store.create("/test/audio", "float32", &[12, 50, 74], &[0.5_f32; 12 * 50 * 74]);
    });
    let refused = predict("wide.h5", &["--fit-lengths"]);
    refused.fails_with(&[
        "wide.h5: test/audio is [50, 74] here, but [50, 5] in the model of run/best.safetensors",
    ]);
    edited(folder, "mosi.h5", "deaf.h5", |store| {
        SPLITS.iter().for_each(|split| store.remove(&format!("/{split}/audio")));
    });
    predict("deaf.h5", &[])
        .fails_with(&["deaf.h5: /test/audio: is absent", "run/best.safetensors"]);
}

#[test]
fn tokens_of_another_length_are_padded_and_cut_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    small_bert(folder, 8);
    train(folder, "mosi.h5", "run", &["--text", "bert", "--bert", "bert"]).ok();
    let longer = |n_steps: usize, mask: i32| {
        move |store: &mut Editor| {
            let old: Vec<i32> = store.file.dataset("/test/text_bert").unwrap().read_raw().unwrap();
            let mut new = vec![0; 12 * 3 * n_steps];
            for (old, new) in old.chunks(50).zip(new.chunks_mut(n_steps)) {
                new[..50].copy_from_slice(old);
            }
            // A first sample that is as long as there is room.
            new[n_steps..][..n_steps].iter_mut().for_each(|it| *it = (*it).max(mask));
            store.create("/test/text_bert", "int32", &[12, 3, n_steps], &new);
        }
    };
    edited(folder, "mosi.h5", "padded.h5", longer(60, 0));
    edited(folder, "mosi.h5", "full.h5", longer(60, 1));
    let predict = |store: &str, more: &[&str]| {
        let args = ["predict", "--store", store, "--checkpoint", "run", "-o", "p.csv"];
        almt(folder, &[&args[..], &["--overwrite", "--threads", "1"], more].concat())
    };
    predict("mosi.h5", &[]).ok();
    let expected = read(folder, "p.csv");
    predict("padded.h5", &[]).ok();
    assert_eq!(read(folder, "p.csv"), expected);
    predict("full.h5", &[]).fails_with(&["full.h5: test/text has 60 steps", "1 of 12 samples"]);
    predict("full.h5", &["--fit-lengths"]).ok();
    assert!(read(folder, "p.csv").lines().nth(1).unwrap().ends_with(",1"));
}

#[test]
fn a_run_folder_stands_for_its_checkpoint_and_a_checkpoint_for_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    train(folder, "mosi.h5", "runs", &["--seeds", "2"]).ok();
    let both = ["runs/seed-1", "runs/seed-1/best.safetensors"];
    let same = |args: &dyn Fn(&str) -> Vec<String>| {
        let said = both.map(|run| {
            let args = args(run);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            almt(folder, &args).ok().stdout()
        });
        assert_eq!(said[0], said[1]);
    };
    let words = |text: String| text.split(' ').map(String::from).collect::<Vec<String>>();
    same(&|run| words(format!("eval --store mosi.h5 --checkpoint {run}")));
    same(&|run| words(format!("predict --store mosi.h5 --checkpoint {run} -o p.csv --overwrite")));
    same(&|run| words(format!("export-weights {run} --to released --overwrite")));
    same(&|run| words(format!("compare {run} runs/seed-2 --resamples 100")));
    same(&|run| words(format!("report {run} --overwrite")));
    same(&|run| words(format!("repeat {run}")));
    same(&|run| words(format!("resume {run}")));
    train(folder, "mosi.h5", "from", &["--init-from", "runs/seed-1"]).ok();
    almt(folder, &["report", "runs", "-o", "all.html"]).ok();

    let eval = |checkpoint: &str| {
        almt(folder, &["eval", "--store", "mosi.h5", "--checkpoint", checkpoint])
    };
    let several = eval("runs").fails_with(&["runs: contains 2 runs, but one checkpoint is needed"]);
    assert!(several.stderr().contains("hint: for example `runs/seed-1`"), "{}", several.explain());
    almt(folder, &["compare", "runs", "runs"]).fails_with(&["runs: contains 2 runs", "one run"]);
    std::fs::create_dir(folder.join("empty")).unwrap();
    eval("empty").fails_with(&["empty: is a folder without a run"]);
    std::fs::copy(folder.join("runs/seed-1/config.toml"), folder.join("empty/config.toml"))
        .unwrap();
    let begun = eval("empty").fails_with(&["no epoch has finished"]);
    assert!(begun.stderr().contains("almt-data resume empty"), "{}", begun.explain());
    std::fs::copy(folder.join(both[1]), folder.join("alone.safetensors")).unwrap();
    eval("alone.safetensors").ok();
    for command in ["compare", "report"] {
        let args = [command, "alone.safetensors", "runs/seed-2"];
        almt(folder, &args).fails_with(&["alone.safetensors: is not in a run folder"]);
    }
}

#[test]
fn numbers_out_of_range_are_told_the_range() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (call, part) in [
        ("train --store a --lr -1", "expected a number above 0"),
        ("train --store a --lr 0", "expected a number above 0"),
        ("train --store a --lr nan", "expected a number above 0"),
        ("train --store a --bert-lr -1e-5 --text bert --bert b", "expected a number above 0"),
        ("train --store a --epochs -5", "from 1 to 4294967295"),
        ("train --store a --epochs 1.5", "from 1 to 4294967295"),
        ("train --store a --batch-size 0", "from 1 to 4294967295"),
        ("train --store a --patience -1", "from 1 to 4294967295"),
        ("train --store a --seed -1", "expected a whole number, 0 or more"),
        ("train --store a --seeds -3", "expected a number, such as 5"),
        ("train --store a --seeds -3,-4", "expected a number, such as 5"),
        ("train --store a --threads 0", "from 1 to 65535"),
        ("train --store a --loader-threads -2", "from 1 to 64"),
        ("train --store a --manifest m --fold -1", "expected a whole number, 0 or more"),
        ("train --store a --text bert --bert b --text-from raw_text --max-len -1", "1 or more"),
        ("eval --store a --checkpoint b --threads -1", "from 1 to 65535"),
        ("eval --store a --checkpoint b --corrupt audio:noise=-1", "noise: expected 0 or more"),
        ("eval --store a --checkpoint b --corrupt audio:drop=2", "drop: expected 0 to 1"),
        ("eval --store a --checkpoint b --corrupt audio:drop=1 --corrupt-seed -1", "0 or more"),
        ("predict --store a --checkpoint b -o c --threads 0", "from 1 to 65535"),
        ("compare a b --resamples -1", "from 100 to 4294967295"),
        ("compare a b --seed -1", "0 or more"),
        ("reproduce table1 --store a --jobs -1", "from 1 to 64"),
        ("encode a --bert b -o c --batch-size -1", "from 1 to 4294967295"),
        ("encode a --bert b -o c --max-len -1 --text-from raw_text", "1 or more"),
        ("encode a --bert b -o c --threads -1", "from 1 to 65535"),
        ("split a --k-fold -3 -o b", "from 3 to 1000"),
        ("split a --ratio -0.5,1,0.5 -o b", "invalid value"),
        ("split a --k-fold 3 --seed -1 -o b", "0 or more"),
        ("synth --samples -4", "from 4 to 100000"),
        ("synth --seed -1", "0 or more"),
        ("inspect a --max-depth -1", "0 or more"),
    ] {
        let call = almt(folder, &call.split(' ').collect::<Vec<&str>>());
        assert_eq!(call.code(), 2, "{}", call.explain());
        let said = call.stderr();
        assert!(said.contains(part) && !said.contains("unexpected argument"), "{}", call.explain());
    }
}

#[test]
fn unknown_options_are_not_taken_for_the_names_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let call = almt(folder.path(), &["validate", "a.h5", "--lables", "b.csv"]);
    let said = call.stderr();
    assert!(said.contains("a similar argument exists: '--labels'"), "{}", call.explain());
    let call = almt(folder.path(), &["inspect", "a.pkl", "--labels", "b.csv"]);
    let said = format!("{said}{}", call.stderr());
    assert!(
        said.matches("unexpected argument").count() == 2 && !said.contains("as a value"),
        "{said}"
    );
}

#[test]
fn what_is_computed_with_as_many_threads_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    train(folder, "mosi.h5", "run", &[]).ok();
    let args = ["eval", "--store", "mosi.h5", "--checkpoint", "run", "--json", "--threads", "1"];
    let eval = json(&almt(folder, &args).ok().stdout());
    let result = json(&read(folder, "run/result.json"));
    assert_eq!(eval["metrics"], result["selected"]["test"]);
}

#[test]
fn a_store_that_is_not_valid_is_trained_on_by_force_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    edited(folder, "mosi.h5", "labels.h5", |store| {
        store.label(SplitName::Train, 0, 3.4);
        store.numbers::<i32>("/test/text_bert", |tokens| tokens[50..52].copy_from_slice(&[0, 1]));
    });
    let refused = train(folder, "labels.h5", "run", &[])
        .fails_with(&["labels.h5: the store is not valid: error AD005: ", ", and 1 more error"]);
    let hint = "`almt-data validate labels.h5` shows all, `--force` trains on it anyway";
    assert!(refused.stderr().contains(hint), "{}", refused.explain());
    assert_eq!(almt(folder, &["validate", "labels.h5"]).code(), 1);
    assert!(!folder.join("run").exists());
    let forced = train(folder, "labels.h5", "run", &["--force"]).ok();
    let warning = "warning: labels.h5: the store is not valid: error AD005: ";
    assert!(forced.stderr().contains(warning), "{}", forced.explain());
    almt(folder, &["repeat", "run"]).ok();
    let args = ["reproduce", "fig7", "--store", "labels.h5", "--epochs", "1", "--seeds", "1"];
    almt(folder, &args).fails_with(&["labels.h5: the store is not valid"]);
    almt(folder, &[&args[..], &["--force"]].concat()).ok();
    // Of splits it is a warning, and of a store's own no word where others are trained on.
    edited(folder, "mosi.h5", "leaky.h5", |store| {
        store.id(SplitName::Test, 0, "synth_train_0000$_$9");
    });
    let warned = train(folder, "leaky.h5", "leaky", &[]).ok();
    let warning = "warning: leaky.h5: the store is not valid: error AD007: ";
    assert!(warned.stderr().contains(warning), "{}", warned.explain());
    almt(folder, &["split", "leaky.h5", "--k-fold", "3", "-o", "cv.json"]).ok();
    let drawn = train(folder, "leaky.h5", "drawn", &["--manifest", "cv.json"]).ok();
    assert!(!drawn.stderr().contains("not valid"), "{}", drawn.explain());
}

#[test]
fn predictions_that_tell_nothing_apart_are_flagged_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "32");
    let args = ["train", "--store", "mosi.h5", "--epochs", "1", "--lr", "1e-30", "--out", "flat"];
    let flat = almt(folder, &args).ok().stdout();
    assert!(
        flat.contains("  warning: seed 1, test: 100.0% of the predictions are in one class"),
        "{flat}"
    );
    let result = json(&read(folder, "flat/result.json"));
    let found = &result["degenerate"]["test"];
    assert_eq!(found["share"], 1.0, "{result}");
    let eval = |run: &str, more: &[&str]| {
        let args = ["eval", "--store", "mosi.h5", "--checkpoint", run];
        almt(folder, &[&args[..], more].concat()).ok().stdout()
    };
    assert!(eval("flat", &[]).contains("warning: 100.0% of the predictions"));
    assert_eq!(json(&eval("flat", &["--json"]))["degenerate"], *found);
    almt(folder, &["report", "flat"]).ok();
    assert!(
        read(folder, "report.html")
            .contains("barely distinguish segments: 100.0% of the predictions")
    );
    // One that has learned something.
    let args = ["train", "--store", "mosi.h5", "--epochs", "16", "--lr", "1e-3", "--out", "good"];
    let good = almt(folder, &args).ok().stdout();
    assert!(!good.contains("warning"), "{good}");
    assert!(json(&read(folder, "good/result.json")).get("degenerate").is_none());
    assert!(json(&eval("good", &["--json"])).get("degenerate").is_none());
}

/// Calls of a run that name no store.
const OF_RUN: [[&str; 2]; 2] = [["eval", "run"], ["predict", "run"]];

#[test]
fn a_run_is_evaluated_on_its_own_store_or_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    train(folder, "mosi.h5", "run", &[]).ok();
    almt(folder, &["convert", "mosi.pkl", "--dtype", "float16", "-o", "other.h5"]).ok();
    let said = |args: &[&str], more: &[&str]| almt(folder, &[args, more].concat()).ok().stderr();
    for args in OF_RUN {
        let own = said(&args, &[]);
        assert!(own.contains("store: ") && own.contains("mosi.h5"), "{own}");
        assert!(!own.contains("is not the store"), "{own}");
    }
    std::fs::rename(folder.join("mosi.h5"), folder.join("moved.h5")).unwrap();
    for args in OF_RUN {
        almt(folder, &args)
            .fails_with(&["mosi.h5: the store that the run was trained on is absent"])
            .hints_at("`--store`");
        let moved = said(&args, &["--store", "moved.h5"]);
        assert!(!moved.contains("is not the store"), "{moved}");
        let other = said(&args, &["--store", "other.h5"]);
        let note = "note: other.h5: is not the store that run/best.safetensors was trained on";
        assert!(other.contains(note), "{other}");
    }
    std::fs::copy(folder.join("other.h5"), folder.join("mosi.h5")).unwrap();
    for args in OF_RUN {
        let replaced = said(&args, &[]);
        let warning = replaced.lines().find(|line| line.starts_with("warning: ")).unwrap();
        assert!(warning.contains("mosi.h5: is not the store that run/best"), "{replaced}");
    }
    // Weights without their run: the only store, by its name.
    std::fs::copy(folder.join("run/best.safetensors"), folder.join("alone.safetensors")).unwrap();
    std::fs::remove_file(folder.join("mosi.h5")).unwrap();
    std::fs::remove_file(folder.join("moved.h5")).unwrap();
    let alone = said(&["eval", "alone.safetensors"], &[]);
    assert!(alone.contains("store: other.h5"), "{alone}");
    assert!(alone.contains("warning: other.h5: is not the store that alone"), "{alone}");
}

#[test]
fn weights_without_a_description_are_met_like_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    edited(folder, "mosi.h5", "long.h5", |store| {
        SPLITS.iter().for_each(|split| clear_from(store, &format!("/{split}/audio"), 40));
    });
    train(folder, "long.h5", "run", &[]).ok();
    almt(folder, &["export-weights", "run", "--to", "released", "-o", "w.safetensors"]).ok();
    let predict = |store: &str, more: &[&str]| {
        let args = ["predict", "--weights", "w.safetensors", "--preset", "mosi", "--store", store];
        let out = ["-o", "p.csv", "--overwrite", "--threads", "1"];
        almt(folder, &[&args[..], &out, more].concat())
    };
    predict("long.h5", &[]).ok();
    let expected = read(folder, "p.csv");
    edited(folder, "long.h5", "short.h5", |store| {
        SPLITS.iter().for_each(|split| resize(store, &format!("/{split}/audio"), 40));
    });
    let said = predict("short.h5", &[]).ok().stdout();
    assert!(said.contains("test/audio: 40 steps, padded to 50"), "{said}");
    assert_eq!(read(folder, "p.csv"), expected);
    edited(folder, "long.h5", "longer.h5", |store| {
        resize(store, "/test/audio", 60);
        store.numbers::<f32>("/test/audio", |values| {
            for sample in [1, 4] {
                values[(sample * 60 + 55) * 5] = 3.0;
            }
        });
    });
    let too_long = [
        "longer.h5: test/audio has 60 steps here, but 50 in the model of ",
        "w.safetensors: 2 of 12 samples are longer",
    ];
    predict("longer.h5", &[]).fails_with(&too_long).hints_at("`--fit-lengths`");
    let said = predict("longer.h5", &["--fit-lengths"]).ok().stdout();
    assert!(said.contains("60 steps, cut to 50: 2 samples lost values"), "{said}");
    edited(folder, "mosi.h5", "wide.h5", |store| {
        for split in SPLITS {
            let path = format!("/{split}/audio");
            let n_samples = store.column(&path).shape[0];
            store.create(&path, "float32", &[n_samples, 50, 6], &vec![0.5_f32; n_samples * 300]);
        }
    });
    let other_width = |split: &str| {
        format!("wide.h5: {split}/audio is [50, 6] here, but [50, 5] in the model of ")
    };
    predict("wide.h5", &[]).fails_with(&[&other_width("test"), "w.safetensors"]);
    edited(folder, "mosi.h5", "deaf.h5", |store| {
        SPLITS.iter().for_each(|split| store.remove(&format!("/{split}/audio")));
    });
    predict("deaf.h5", &[]).fails_with(&["deaf.h5: ", "test/audio: is absent", "w.safetensors"]);
    // What a run begins with, described or not.
    for from in ["w.safetensors", "run"] {
        let begin = |store: &str, more: &[&str]| {
            let from = ["--init-from", from, "--overwrite"];
            train(folder, store, "from", &[&from[..], more].concat())
        };
        begin("longer.h5", &[]).fails_with(&["longer.h5: test/audio has 60 steps here, but 50 in"]);
        begin("longer.h5", &["--fit-lengths"]).ok();
        begin("wide.h5", &[]).fails_with(&[&other_width("train")]);
        begin("deaf.h5", &[])
            .fails_with(&["deaf.h5: ", "train/audio: is absent, which the model of "]);
        begin("mosi.h5", &["--modalities", "text,vision"])
            .fails_with(&["its model takes text,audio,vision, the run text,vision"])
            .hints_at("`--modalities text,audio,vision`");
        let padded = begin("short.h5", &[]).ok().stderr();
        assert!(padded.contains("train/audio: 40 steps, padded to 50"), "{padded}");
        almt(folder, &["repeat", "from"]).ok();
    }
    synthetic_store(folder, "sims", "24");
    train(folder, "sims.h5", "no", &["--init-from", "run"])
        .fails_with(&["was trained on CMU-MOSI, the store holds CH-SIMS"]);
    train(folder, "mosi.h5", "no", &["--init-from", "run", "--model", "lmf"])
        .fails_with(&["holds the weights of almt, the run trains lmf"])
        .hints_at("`--model almt`");
}

#[test]
fn weights_that_are_not_finite_or_not_those_of_the_run_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    train(folder, "mosi.h5", "run", &[]).ok();
    let path = folder.join("run/best.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let with_last = |change: fn(f32) -> f32| {
        let mut bytes = whole.clone();
        let last = bytes.last_chunk_mut::<4>().unwrap();
        *last = change(f32::from_le_bytes(*last)).to_le_bytes();
        std::fs::write(&path, bytes).unwrap();
    };
    let not_finite: [fn(f32) -> f32; 2] = [|_| f32::NAN, |_| f32::NEG_INFINITY];
    for wrong in not_finite {
        with_last(wrong);
        let parts = ["run/best.safetensors: tensor `", "`: 1 of ", " values is NaN or infinite"];
        OF_RUN.iter().for_each(|args| drop(almt(folder, args).fails_with(&parts)));
        train(folder, "mosi.h5", "from", &["--init-from", "run"]).fails_with(&parts);
    }
    with_last(f32::next_up);
    for args in OF_RUN {
        let said = almt(folder, &args).ok().stderr();
        assert!(said.contains("warning: run/best.safetensors: has changed since"), "{said}");
    }
    std::fs::write(&path, &whole).unwrap();
    for args in OF_RUN {
        let said = almt(folder, &args).ok().stderr();
        assert!(!said.contains("has changed"), "{said}");
    }
    // A run that was copied without its weights: there is nothing to resume.
    std::fs::remove_file(&path).unwrap();
    let told = almt(folder, &["eval", "run"])
        .fails_with(&["run: the run is complete, but its `best.safetensors` is absent"]);
    assert!(!told.stderr().contains("resume"), "{}", told.explain());
}

/// As `2>&1 | true` leaves it.
#[test]
fn a_closed_standard_error_changes_no_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    train(folder, "mosi.h5", "run", &[]).ok();
    for (call, expected) in [
        ("eval run", 0),
        ("train --store mosi.h5 --epochs 2 --out other", 0),
        ("convert mosi.pkl --overwrite", 0),
        ("convert nothing.pkl", 1),
        ("train --store nothing.h5", 1),
        ("eval --nothing", 2),
    ] {
        let mut command = program(folder, &call.split(' ').collect::<Vec<&str>>());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(command.stderr(writer).status().unwrap().code(), Some(expected), "{call}");
    }
}

#[test]
fn a_fold_without_a_split_is_not_taken_for_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    write_fold(folder, &["train", "test"]);
    let refused = train(folder, "mosi.h5", "run", &["--manifest", "m.json"])
        .fails_with(&["m.json: fold 0 has no segments in split `valid`"])
        .hints_at("without `--manifest` the store's own splits are used");
    assert!(!refused.stderr().contains("--valid-fraction"), "{}", refused.explain());
    write_fold(folder, &["valid"]);
    train(folder, "mosi.h5", "run", &["--manifest", "m.json"])
        .fails_with(&["m.json: fold 0 has no segments in split `train`"])
        .hints_at("`almt-data split mosi.h5 --ratio 0.7,0.1,0.2 -o splits.json`");
}

/// Writes `m.json`, a manifest of `mosi.h5` with some of its splits.
pub fn write_fold(folder: &Path, splits: &[&str]) {
    let args = ["split", "mosi.h5", "--ratio", "0.6,0.2,0.2", "--by", "segment", "-o", "m.json"];
    almt(folder, &[&args[..], &["--overwrite"]].concat()).ok();
    let mut plan = json(&read(folder, "m.json"));
    plan["folds"][0].as_object_mut().unwrap().retain(|split, _| splits.contains(&&**split));
    std::fs::write(folder.join("m.json"), plan.to_string()).unwrap();
}
