//! The trainer, run from the command line.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;

use almt_data::model::BertConfig;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::support::{Call, almt, files, program, python, synthetic_store};
#[cfg(target_os = "linux")]
use crate::support::{counted, killed, with_faults};

fn json(folder: &Path, file: &str) -> serde_json::Value {
    serde_json::from_slice(&bytes(folder, file)).unwrap()
}

fn train(folder: &Path, out: &str, more: &[&str]) -> String {
    let mut args =
        vec!["train", "--store", "mosi.h5", "--epochs", "3", "--lr", "1e-3", "--out", out];
    args.extend(more);
    almt(folder, &args).ok().stdout()
}

fn bytes(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join(file)).unwrap()
}

#[test]
fn what_a_run_is_made_of_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let train = ["train", "--store", "mosi.h5", "--epochs", "1", "--device", "cpu"];
    almt(folder, &[&train[..], &["--out", "run"]].concat()).ok();
    let before = ["mosi.h5", "run/best.safetensors", "run/predictions.csv", "run/config.toml"]
        .map(|name| (name, bytes(folder, name)));
    let predict = ["predict", "--store", "mosi.h5", "--checkpoint", "run"];
    for (args, outputs) in [
        (&predict[..], &["./run/predictions.csv", "run/config.toml"][..]),
        (&["report", "run"], &["run/config.toml", "run/metrics.jsonl"]),
        (&["export-weights", "run", "--to", "released"], &["run/best.safetensors"]),
    ] {
        for output in outputs {
            almt(folder, &[args, &["-o", output, "--overwrite"]].concat())
                .fails_with(&["would replace the input"])
                .hints_at("`-o`");
        }
    }
    for output in ["mosi.h5", "run/best.safetensors"] {
        let call = almt(folder, &[&predict[..], &["-o", output, "--overwrite"]].concat());
        assert_eq!(call.code(), 2, "{}", call.explain());
        assert!(call.stderr().contains("ends in `.csv` or `.parquet`"), "{}", call.explain());
    }
    for (name, before) in before {
        assert!(bytes(folder, name) == before, "{name}");
    }
    // What was stopped is not to be thrown away.
    std::fs::remove_file(folder.join("run/result.json")).unwrap();
    almt(folder, &[&train[..], &["--out", "run"]].concat())
        .fails_with(&["run: holds an incomplete run"])
        .hints_at("`almt-data resume run`");
    // Nor does one fold take the folder of another.
    almt(folder, &["split", "mosi.h5", "--k-fold", "3", "--by", "segment", "-o", "cv.json"]).ok();
    for fold in ["0", "1"] {
        almt(folder, &[&train[..], &["--manifest", "cv.json", "--fold", fold]].concat()).ok();
        assert!(folder.join(format!("runs/mosi-fold{fold}-seed1/result.json")).exists());
    }
    for (option, set) in [
        ("--epochs=1", "epochs=2"),
        ("--select=MAE", "select=Corr"),
        ("--schedule=constant", "main.schedule=plateau"),
        ("--residual=paper", "residual=released"),
    ] {
        let call = almt(folder, &["train", "--store", "mosi.h5", option, "--set", set]);
        assert_eq!(call.code(), 2, "{}", call.explain());
    }
}

#[test]
fn a_store_that_another_program_wrote_to_is_trained_on_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let store = synthetic_store(folder.path(), "mosi", "8");
    let file = hdf5::File::open_rw(&store).unwrap();
    file.new_attr::<u8>().create("note").unwrap().write_scalar(&1_u8).unwrap();
    file.close().unwrap();
    let args = ["train", "--store", "mosi.h5", "--epochs", "1", "--device", "cpu"];
    almt(folder.path(), &args)
        .fails_with(&["AD001", "another program wrote to it"])
        .hints_at("`almt-data copy`");
    let forced = almt(folder.path(), &[&args[..], &["--force"]].concat()).ok();
    assert!(forced.stderr().contains("AD001"), "{}", forced.explain());
    almt(folder.path(), &["copy", "mosi.h5", "again.h5"]).ok();
    let again = args.map(|arg| if arg == "mosi.h5" { "again.h5" } else { arg });
    almt(folder.path(), &again).ok();
}

#[test]
fn the_only_store_of_the_folder_needs_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let train = ["train", "--epochs", "1", "--device", "cpu", "--out", "run"];
    almt(folder, &train).fails_with(&["no store"]).hints_at("`almt-data convert mosi.pkl`");
    synthetic_store(folder, "mosi", "8");
    almt(folder, &train).ok();
    almt(folder, &["predict", "--checkpoint", "run", "-o", "test.csv"]).ok();
    // Into a pipe goes what a file would have, and nothing else.
    let piped = almt(folder, &["predict", "--checkpoint", "run"]).ok().stdout();
    assert_eq!(piped.as_bytes(), bytes(folder, "test.csv"));
    let eval = ["eval", "--checkpoint", "run"];
    let named = almt(folder, &[&eval[..], &["--store", "mosi.h5"]].concat()).ok().stdout();
    assert_eq!(almt(folder, &eval).ok().stdout(), named);
    almt(folder, &["copy", "mosi.h5", "mosi.arrow"]).ok();
    // A run knows its own; what is trained anew does not.
    assert_eq!(almt(folder, &eval).ok().stdout(), named);
    almt(folder, &["train", "--epochs", "1", "--out", "other"])
        .fails_with(&["several stores in the current folder: mosi.arrow, mosi.h5"])
        .hints_at("choose one with `--store`");
    // Of a run that is absent or broken, no store is asked for.
    for call in [
        &["eval", "nope"][..],
        &["eval", "--checkpoint", "nope"],
        &["predict", "nope"],
        &["predict", "--weights", "nope", "--preset", "mosi"],
        &["train", "--init-from", "nope"],
    ] {
        let call = almt(folder, call).fails_with(&["nope: no such file or folder"]);
        assert!(!call.stderr().contains("several stores"), "{}", call.explain());
    }
    std::fs::write(folder.join("run/config.toml"), "store = 1\n").unwrap();
    for call in ["eval", "predict"] {
        let call = almt(folder, &[call, "run"]).fails_with(&["run/config.toml"]);
        assert!(!call.stderr().contains("several stores"), "{}", call.explain());
    }
}

#[test]
fn a_call_that_cannot_be_trained_takes_no_run_away() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let train = ["train", "--store", "mosi.h5", "--epochs", "1", "--device", "cpu"];
    let lmf = [&train[..], &["--model", "lmf"]].concat();
    almt(folder, &[&lmf[..], &["--out", "run"]].concat()).ok();
    almt(folder, &[&train[..], &["--out", "almt"]].concat()).ok();
    let run = folder.join("run");
    let read =
        || files(&run).into_iter().map(|name| (bytes(&run, &name), name)).collect::<Vec<_>>();
    let before = read();
    let again = [&lmf[..], &["--out", "run", "--overwrite"]].concat();
    for (more, expected) in [
        (&["--set", "untrained=nothere"][..], "no parameter begins with `nothere`"),
        (&["--init-from", "almt"], "almt"),
        (&["--init-from", "run"], "would replace the weights that it begins with"),
        (&["--init-from", "run/best.safetensors"], "would replace the weights"),
        (&["--set", "accumulate=99", "--set", "remainder=drop"], "no step in an epoch"),
    ] {
        almt(folder, &[&again[..], more].concat()).fails_with(&[expected]);
        assert!(read() == before, "{more:?}");
    }
    // What was never begun leaves nothing that would have to be resumed.
    let wrong = [&lmf[..], &["--out", "new", "--set", "untrained=nothere"]].concat();
    almt(folder, &wrong).fails_with(&["nothere"]);
    almt(folder, &[&lmf[..], &["--out", "new"]].concat()).ok();
}

#[test]
fn what_depends_on_one_model_is_not_trained_as_several() {
    let folder = tempfile::tempdir().unwrap();
    synthetic_store(folder.path(), "mosi", "8");
    let train = ["train", "--store", "mosi.h5", "--epochs", "1", "--device", "cpu", "--seeds", "2"];
    for set in ["main.clip_norm=0.05", "main.schedule=plateau"] {
        let args = [&train[..], &["--together", "always", "--set", set]].concat();
        let call = almt(folder.path(), &args);
        assert_eq!(call.code(), 2, "{}", call.explain());
        assert!(call.stderr().contains("are of one model"), "{}", call.explain());
    }
    let two_rates = ["train", "--store", "mosi.h5", "--lr", "1e-2", "--set", "main.rest.lr=1e-5"];
    let call = almt(folder.path(), &two_rates);
    assert_eq!(call.code(), 2, "{}", call.explain());
    assert!(call.stderr().contains("two base learning rates"), "{}", call.explain());
}

#[test]
fn a_repeated_run_is_compared_by_its_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let train = ["train", "--store", "mosi.h5", "--epochs", "1", "--device", "cpu", "--out", "run"];
    almt(folder, &train).ok();
    let whole = bytes(folder, "run/best.safetensors");
    let (_, header) = SafeTensors::read_metadata(&whole).unwrap();
    let metadata = header.metadata().clone().unwrap();
    // As a version of the program would have written it that knew less of a checkpoint.
    let older: std::collections::HashMap<String, String> = metadata
        .into_iter()
        .map(|(key, text)| {
            let mut info: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(info.as_object_mut().unwrap().remove("form").is_some());
            (key, info.to_string())
        })
        .collect();
    let tensors = SafeTensors::deserialize(&whole).unwrap();
    let mut changed = safetensors::serialize(tensors.tensors(), Some(older)).unwrap();
    for (is_same, code) in [(true, 0), (false, 1)] {
        if !is_same {
            *changed.last_mut().unwrap() ^= 1;
        }
        std::fs::write(folder.join("run/best.safetensors"), &changed).unwrap();
        let mut result = json(folder, "run/result.json");
        result["checkpoint_blake3"] = blake3::hash(&changed).to_hex().to_string().into();
        std::fs::write(folder.join("run/result.json"), result.to_string()).unwrap();
        let call = almt(folder, &["repeat", "run"]);
        assert_eq!(call.code(), code, "{}", call.explain());
        assert_eq!(call.stdout().contains("DIFFERENT"), !is_same, "{}", call.explain());
    }
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let train = ["train", "--store", "mosi.h5", "--epochs", "1", "--device", "cpu", "--out", "run"];
    almt(folder, &train).ok();
    let complete = files(&folder.join("run"));
    assert!(!complete.contains(&".lock".to_owned()));
    let lock = std::fs::File::create(folder.join("run/.lock")).unwrap();
    lock.lock().unwrap();
    let again = [&train[..], &["--overwrite"]].concat();
    almt(folder, &again).fails_with(&["run: another process is training in this folder"]);
    assert!(files(&folder.join("run")).contains(&"result.json".to_owned()));
    std::fs::remove_file(folder.join("run/result.json")).unwrap();
    almt(folder, &["resume", "run"]).fails_with(&["another process is training"]);
    // The lock of a process that is gone is none.
    drop(lock);
    almt(folder, &["resume", "run"]).ok();
    assert_eq!(files(&folder.join("run")), complete);
}

#[test]
fn a_run_fills_its_folder_repeats_to_the_byte_and_evaluates_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    train(folder, "one", &["--seed", "3"]);
    train(folder, "two", &["--seed", "3"]);
    train(folder, "other", &["--seed", "4"]);
    let expected = [
        "attention.json",
        "best.safetensors",
        "config.toml",
        "events.out.tfevents.almt-data",
        "metrics.jsonl",
        "predictions.csv",
        "result.json",
    ];
    assert_eq!(files(&folder.join("one")), expected);
    let weights = |run: &str| bytes(folder, &format!("{run}/best.safetensors"));
    assert!(weights("one") == weights("two"), "the same seed gave other weights");
    assert!(weights("one") != weights("other"), "another seed gave the same weights");
    assert!(bytes(folder, "one/attention.json") == bytes(folder, "two/attention.json"));

    let result: serde_json::Value =
        serde_json::from_slice(&bytes(folder, "one/result.json")).unwrap();
    assert_eq!(result["n_samples"]["test"], 12);
    let lines = String::from_utf8(bytes(folder, "one/metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3);
    let config: toml::Table =
        String::from_utf8(bytes(folder, "one/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["seed"].as_integer(), Some(3));
    assert_eq!(config["hyper_parameters"]["training"]["epochs"].as_integer(), Some(3));

    let eval = almt(
        folder,
        &["eval", "--store", "mosi.h5", "--checkpoint", "one/best.safetensors", "--json"],
    );
    let eval: serde_json::Value = serde_json::from_str(&eval.ok().stdout()).unwrap();
    assert_eq!(eval["metrics"], result["selected"]["test"], "eval and training disagree");
    assert_eq!(eval["n_samples"], 12);

    let args = ["train", "--store", "mosi.h5", "--epochs", "1", "--out", "one"];
    almt(folder, &args).fails_with(&["one", "already holds a run"]);
    assert_eq!(weights("one"), weights("two"));
}

#[test]
fn every_set_of_modalities_with_text_trains_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    for (i, modalities) in
        ["text", "text,audio", "text,vision", "text,audio,vision"].iter().enumerate()
    {
        let out = format!("run{i}");
        train(folder, &out, &["--modalities", modalities]);
        almt(folder, &["repeat", &out]).ok();
        let config = String::from_utf8(bytes(folder, &format!("{out}/config.toml"))).unwrap();
        let n_modalities = modalities.split(',').count();
        let config: toml::Table = config.parse().unwrap();
        assert_eq!(config["modalities"].as_array().unwrap().len(), n_modalities);
    }
    let args = ["train", "--store", "mosi.h5", "--modalities", "audio,vision", "--out", "no"];
    almt(folder, &args).fails_with(&["mosi.h5", "text modality is absent"]);
    assert!(!folder.join("no").exists());
}

#[test]
fn products_are_as_exact_as_they_are_asked_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    train(folder, "whole", &["--device", "cpu"]);
    train(folder, "bf16", &["--device", "cpu", "--precision", "bf16"]);
    train(folder, "tf32", &["--device", "cpu", "--tf32"]);
    // Of the last epoch: the selected one may be the first, whose learning rate is zero.
    let weights =
        |run: &str| json(folder, &format!("{run}/result.json"))["last_weights_blake3"].clone();
    let config =
        |run: &str| String::from_utf8(bytes(folder, &format!("{run}/config.toml"))).unwrap();
    assert!(config("bf16").contains("precision = \"bf16\""), "{}", config("bf16"));
    assert_ne!(weights("bf16"), weights("whole"));
    // A CPU has no TF32.
    assert!(config("tf32").contains("precision = \"tf32\""), "{}", config("tf32"));
    assert_eq!(weights("tf32"), weights("whole"));
    assert!(!config("whole").contains("precision"));
}

#[test]
fn both_residuals_train_to_different_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    train(folder, "released", &["--residual", "released"]);
    train(folder, "paper", &["--residual", "paper"]);
    let weights = |run: &str| bytes(folder, &format!("{run}/best.safetensors"));
    assert!(weights("released") != weights("paper"));
}

#[test]
fn the_synthetic_signal_is_learned() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "96");
    let args = ["train", "--store", "mosi.h5", "--epochs", "12", "--lr", "1e-3", "--out", "run"];
    almt(folder, &args).ok();
    let result: serde_json::Value =
        serde_json::from_slice(&bytes(folder, "run/result.json")).unwrap();
    let corr = result["selected"]["test"]["Corr"].as_f64().unwrap();
    assert!(corr > 0.5, "test correlation {corr}");
}

/// Compares a table in Parquet with the same in CSV, and the types of some of its columns.
fn check_table(folder: &Path, csv: &str, parquet: &str, types: &[(&str, &str)]) {
    let args = [Path::new("table"), &folder.join(csv), &folder.join(parquet)];
    let Some(found) = python("exports.py", &args) else { return };
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    for (column, expected) in types {
        assert_eq!(found[column], *expected, "{parquet}: {column}");
    }
}

/// Everything of a result but the time that it took.
pub fn timeless(folder: &Path, run: &str) -> serde_json::Value {
    let mut result = json(folder, &format!("{run}/result.json"));
    result.as_object_mut().unwrap().remove("seconds");
    result
}

/// Kills training and what goes on with it at random moments, `n_kills` times or as often as
/// `ALMT_DATA_TEST_KILLS` says.
#[cfg(target_os = "linux")]
fn check_kills(more: &[&str], n_kills: usize) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "40");
    let args = ["train", "--store", "mosi.h5", "--epochs", "6", "--batch-size", "8"];
    let fresh = |out: &str| program(folder, &[&args[..], more, &["--out", out]].concat());
    let [n_calls, _] = counted(fresh("whole"), folder);
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let n_kills = std::env::var("ALMT_DATA_TEST_KILLS").map_or(n_kills, |n| n.parse().unwrap());
    let kill_call = "ALMT_FAULT_KILL_CALL";
    for idx in 0..n_kills {
        let out = format!("killed{idx}");
        match idx {
            // While a state is written, of which there is one after the first epoch.
            0 => killed(fresh(&out), ("ALMT_FAULT_KILL_WRITE", ".state.safetensors.:1")),
            1 => killed(fresh(&out), ("ALMT_FAULT_KILL_WRITE", ".result.json.:1")),
            _ => {
                let at = rng.random_range(1..=n_calls);
                killed(fresh(&out), (kill_call, &at.to_string()));
            }
        }
        // A second kill while it goes on, if it comes so far.
        if folder.join(&out).join("config.toml").exists() {
            let at = rng.random_range(1..n_calls / 2).to_string();
            let resumed = program(folder, &["resume", &out]);
            with_faults(resumed, &[(kill_call, &at)]).status().unwrap();
            almt(folder, &["resume", &out]).ok();
        } else {
            assert!(fresh(&out).arg("--overwrite").status().unwrap().success());
        }
        assert_eq!(files(&folder.join(&out)), files(&folder.join("whole")), "killed run {idx}");
        for file in ["best.safetensors", "predictions.csv", "attention.json"] {
            let of = |run: &str| std::fs::read(folder.join(run).join(file)).ok();
            assert!(of(&out) == of("whole"), "{file} of killed run {idx} differs");
        }
        assert_eq!(timeless(folder, &out), timeless(folder, "whole"), "killed run {idx}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_killed_at_any_moment_goes_on_to_the_same_bytes() {
    check_kills(&["--lr", "1e-3"], 6);
}

/// With labels and features of all samples in memory, and after each phase.
#[test]
#[cfg(target_os = "linux")]
fn a_killed_run_of_a_model_with_a_memory_goes_on_to_the_same_bytes() {
    check_kills(&["--model", "self_mm"], 3);
    check_kills(&["--model", "mmim"], 3);
}

#[test]
fn features_on_the_disk_and_any_number_of_readers_give_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    almt(folder, &["copy", "mosi.h5", "mosi.arrow"]).ok();
    train(folder, "memory", &["--batch-size", "5"]);
    for (out, more) in [
        ("disk1", &["--cache", "disk"][..]),
        ("disk3", &["--cache", "disk", "--loader-threads", "3"]),
        ("arrow", &["--cache", "disk"]),
    ] {
        let store = if out == "arrow" { "mosi.arrow" } else { "mosi.h5" };
        let mut args = vec!["train", "--store", store, "--out", out];
        args.extend(["--epochs", "3", "--lr", "1e-3", "--batch-size", "5"]);
        args.extend(more);
        almt(folder, &args).ok();
        assert_eq!(timeless(folder, out), timeless(folder, "memory"), "{out}");
    }
}

#[test]
fn a_fold_of_a_split_manifest_is_trained_on_without_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "40");
    let split = ["split", "mosi.h5", "--k-fold", "4", "--by", "segment", "-o", "cv.json"];
    almt(folder, &split).ok();
    let plan = json(folder, "cv.json");
    let fold = &plan["folds"][2];
    train(folder, "fold", &["--manifest", "cv.json", "--fold", "2"]);
    let result = json(folder, "fold/result.json");
    for name in ["train", "valid", "test"] {
        assert_eq!(result["n_samples"][name], fold[name].as_array().unwrap().len(), "{name}");
    }
    let predicted = String::from_utf8(bytes(folder, "fold/predictions.csv")).unwrap();
    for id in fold["test"].as_array().unwrap() {
        assert!(predicted.contains(&format!("{},test,", id.as_str().unwrap())), "{id}");
    }
    almt(folder, &["repeat", "fold"]).ok();
    let config = String::from_utf8(bytes(folder, "fold/config.toml")).unwrap();
    assert!(config.contains("command = [\"almt-data\", \"train\","), "{config}");
    // The store's own test split has segments that the fold trains on.
    let eval = almt(folder, &["eval", "fold", "--json"]).ok();
    assert!(eval.stderr().contains("splits as in training: fold 2 of "), "{}", eval.explain());
    let metrics: serde_json::Value = serde_json::from_str(&eval.stdout()).unwrap();
    assert_eq!(metrics["metrics"], result["selected"]["test"]);
    let again = ["predict", "fold", "--split", "valid", "--split", "test", "-o", "again.csv"];
    almt(folder, &again).ok();
    assert_eq!(String::from_utf8(bytes(folder, "again.csv")).unwrap(), predicted);
    let past_the_end = ["train", "--store", "mosi.h5", "--manifest", "cv.json", "--fold", "4"];
    almt(folder, &past_the_end).fails_with(&["cv.json", "fold 4 does not exist"]);
    synthetic_store(folder, "sims", "8");
    let other = ["train", "--store", "sims.h5", "--manifest", "cv.json"];
    almt(folder, &other).fails_with(&["cv.json", "belongs to another store"]);
}

#[test]
fn several_seeds_are_single_runs_with_a_summary_and_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "16");
    // A GPU would train them as one, which rounds in another order.
    let seeds = ["--seeds", "5,7", "--together", "never"];
    train(folder, "all", &seeds);
    train(folder, "single", &["--seed", "7"]);
    assert_eq!(timeless(folder, "all/seed-7"), timeless(folder, "single"));
    let summary = String::from_utf8(bytes(folder, "all/summary.csv")).unwrap();
    let mae = summary.lines().find(|line| line.starts_with("MAE,")).unwrap();
    let fields: Vec<f64> = mae.split(',').skip(1).map(|field| field.parse().unwrap()).collect();
    let of = |run: &str| {
        json(folder, &format!("{run}/result.json"))["selected"]["test"]["MAE"].as_f64().unwrap()
    };
    let (one, other) = (of("all/seed-5"), of("all/seed-7"));
    let std = (one - other).abs() / 2.0_f64.sqrt();
    let expected = [2.0, (one + other) / 2.0, std, one.min(other), one.max(other), 0.683];
    for (found, expected) in fields.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{summary}");
    }
    let types =
        [("metric", "large_string"), ("n_runs", "uint64"), ("mean", "double"), ("paper", "double")];
    check_table(folder, "all/summary.csv", "all/summary.parquet", &types);
    // What is complete is not done again; what is missing is.
    let before = bytes(folder, "all/seed-5/result.json");
    std::fs::remove_dir_all(folder.join("all/seed-7")).unwrap();
    let text = train(folder, "all", &seeds);
    assert!(text.contains("2 runs") && text.contains("paper"), "{text}");
    assert_eq!(bytes(folder, "all/seed-5/result.json"), before);
    let mut args = vec!["train", "--store", "mosi.h5", "--epochs", "2", "--seeds", "5,7"];
    args.extend(["--out", "all"]);
    almt(folder, &args).fails_with(&["seed-5", "different settings"]);
}

#[test]
fn selection_and_early_stopping_do_what_they_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    train(folder, "corr", &["--select", "Corr"]);
    let result = json(folder, "corr/result.json");
    let best = epochs(folder, "corr")
        .iter()
        .map(|record| record["valid"]["Corr"].as_f64().unwrap_or(f64::NEG_INFINITY))
        .fold(f64::NEG_INFINITY, f64::max);
    assert_eq!(result["selected"]["valid"]["Corr"].as_f64(), Some(best));
    // In its first epoch the learning rate is zero, so that no second one differs from it here.
    let args = ["--epochs", "40", "--lr", "1e-30", "--patience", "3"];
    almt(folder, &[&["train", "--store", "mosi.h5", "--out", "early"], &args[..]].concat()).ok();
    let result = json(folder, "early/result.json");
    assert_eq!(result["n_epochs"], 4);
    assert_eq!(result["selected"]["epoch"], 1);
    let args = ["train", "--store", "mosi.h5", "--select", "Mult_acc_2", "--out", "no"];
    almt(folder, &args).fails_with(&["`Mult_acc_2` is not a metric", "Has0_acc_2"]);
}

#[test]
fn a_selected_epoch_that_trained_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    let args = ["train", "--store", "mosi.h5", "--epochs", "1", "--out", "idle"];
    let told = almt(folder, &args).ok().stdout();
    assert!(
        told.contains("warning: seed 1: the selected epoch has a learning rate of 0"),
        "{told}"
    );
    almt(folder, &["report", "idle"]).ok();
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("<b>idle</b> has a learning rate of 0"), "{page}");
    let constant = [&args[..5], &["--set", "main.schedule=constant", "--out", "constant"]].concat();
    let told = almt(folder, &constant).ok().stdout();
    assert!(!told.contains("learning rate of 0"), "{told}");
}

#[test]
fn a_constant_rate_is_the_base_rate_in_every_epoch_and_belongs_to_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    train(folder, "published", &[]);
    train(folder, "constant", &["--schedule", "constant"]);
    assert_eq!(learning_rates(folder, "published")[0], 0.0);
    assert_eq!(learning_rates(folder, "constant"), [1e-3; 3]);
    let schedule = |run: &str| {
        let config = String::from_utf8(bytes(folder, &format!("{run}/config.toml"))).unwrap();
        let mut lines = config.lines();
        lines.find(|line| line.ends_with("schedule]")).unwrap();
        lines.next().unwrap().to_owned()
    };
    assert_eq!(schedule("published"), "kind = \"warmup-cosine\"");
    assert_eq!(schedule("constant"), "kind = \"constant\"");
    almt(folder, &["repeat", "constant"]).ok();
    let wrong = almt(folder, &["train", "--store", "mosi.h5", "--schedule", "step"]);
    assert_eq!(wrong.code(), 2, "{}", wrong.explain());
    assert!(wrong.stderr().contains("`step` is not one of: warmup-cosine, constant"));
}

/// Of every epoch of a run.
fn learning_rates(folder: &Path, run: &str) -> Vec<f64> {
    epochs(folder, run).iter().map(|epoch| epoch["lr"].as_f64().unwrap()).collect()
}

/// What a run says of every epoch.
fn epochs(folder: &Path, run: &str) -> Vec<serde_json::Value> {
    let lines = String::from_utf8(bytes(folder, &format!("{run}/metrics.jsonl"))).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_form_trains_alike_and_is_kept_by_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    let losses = |run: &str| -> Vec<f64> {
        epochs(folder, run).iter().map(|epoch| epoch["train_loss"].as_f64().unwrap()).collect()
    };
    let args = ["train", "--store", "mosi.h5", "--epochs", "3", "--lr", "1e-3", "--device", "cpu"];
    let config = |run: &str| String::from_utf8(bytes(folder, &format!("{run}/config.toml")));
    let call = almt(folder, &[&args[..], &["--out", "own"]].concat()).ok();
    assert!(call.stderr().contains("native form"), "{}", call.explain());
    assert!(config("own").unwrap().contains("form = \"native\""));
    for form in ["reference", "absorbed", "batched", "native"] {
        almt(folder, &[&args[..], &["--form", form, "--out", form]].concat()).ok();
        assert!(config(form).unwrap().contains(&format!("form = \"{form}\"")));
        for (own, other) in losses("own").iter().zip(losses(form)) {
            assert!((own - other).abs() < 1e-4 * own, "{form}: {own} and {other}");
        }
        // The predictions of the run are those of `predict`, which computes in its form, too.
        let predict = ["predict", "--store", "mosi.h5", "--checkpoint", form, "--device", "cpu"];
        let to = ["--split", "valid", "--split", "test", "-o", "p.csv", "--overwrite"];
        almt(folder, &[&predict[..], &to].concat()).ok();
        assert!(bytes(folder, "p.csv") == bytes(folder, &format!("{form}/predictions.csv")));
        // So does `eval`: another form rounds to other metrics.
        let eval =
            ["eval", "--store", "mosi.h5", "--checkpoint", form, "--device", "cpu", "--json"];
        let eval: serde_json::Value =
            serde_json::from_str(&almt(folder, &eval).ok().stdout()).unwrap();
        let result = json(folder, &format!("{form}/result.json"));
        assert_eq!(eval["metrics"], result["selected"]["test"], "{form}");
        // What language attends to is recorded whatever the form, and the same but for rounding.
        let of_audio = |run: &str| {
            let found = json(folder, &format!("{run}/attention.json"));
            found["maps"][0]["weights"][0][0].as_f64().unwrap()
        };
        assert!((of_audio("own") - of_audio(form)).abs() < 1e-3, "{form}");
        let weights = json(folder, &format!("{form}/result.json"))["last_weights_blake3"].clone();
        let own = json(folder, "own/result.json")["last_weights_blake3"].clone();
        assert_eq!(weights == own, form == "native", "{form}");
        almt(folder, &["repeat", form]).ok();
    }
    almt(
        folder,
        &[&args[..], &["--precision", "bf16", "--form", "native", "--out", "no"]].concat(),
    )
    .fails_with(&["no form `native` here", "reference, absorbed, batched"]);
    let tfn = ["--model", "tfn", "--form", "batched", "--out", "no"];
    almt(folder, &[&args[..], &tfn].concat()).fails_with(&["no form `batched`", "is reference"]);
    assert!(!folder.join("no").exists());
    let seeds = ["--seeds", "2", "--together", "always", "--form", "absorbed"];
    let call = almt(folder, &[&args[..], &seeds].concat());
    assert_eq!(call.code(), 2, "{}", call.explain());
    assert!(call.stderr().contains("only `batched`"), "{}", call.explain());
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_names_the_segments() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    let args = ["train", "--store", "mosi.h5", "--lr", "1e30", "--epochs", "20", "--out", "run"];
    almt(folder, &args).fails_with(&["training loss became", "epoch", "step", "segments "]);
    assert!(folder.join("run/best.safetensors").exists());
    assert!(!folder.join("run/result.json").exists());
}

#[test]
fn predictions_are_those_of_the_run_and_weights_go_out_and_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    train(folder, "run", &[]);
    let predict = |more: &[&str]| {
        let mut args = vec!["predict", "--store", "mosi.h5", "-o", "p.csv", "--overwrite"];
        args.extend(["--split", "valid", "--split", "test"]);
        args.extend(more);
        almt(folder, &args).ok();
        String::from_utf8(bytes(folder, "p.csv")).unwrap()
    };
    let of_run = String::from_utf8(bytes(folder, "run/predictions.csv")).unwrap();
    assert!(of_run.starts_with("id,split,label,prediction,acc_2_has0_label,"), "{of_run}");
    assert_eq!(predict(&["--checkpoint", "run/best.safetensors"]), of_run);
    let to_parquet =
        ["--checkpoint", "run/best.safetensors", "--split", "valid", "--split", "test"];
    let args = ["predict", "--store", "mosi.h5", "-o", "p.parquet"];
    almt(folder, &[&args[..], &to_parquet].concat()).ok();
    let types = [("id", "large_string"), ("prediction", "float"), ("acc_7_label", "int8")];
    check_table(folder, "run/predictions.csv", "p.parquet", &types);
    almt(folder, &["export-weights", "run", "--to", "released"]).ok();
    let again = ["export-weights", "run", "--to", "released"];
    almt(folder, &again).fails_with(&["released.safetensors", "already exists"]);
    let weights = ["--weights", "run/released.safetensors", "--preset", "mosi"];
    assert_eq!(predict(&weights), of_run);
    let paper = predict(&[&weights[..], &["--residual", "paper"]].concat());
    assert_ne!(paper, of_run);
    // A run that begins with weights and has a learning rate of (almost) zero keeps them.
    let from = ["--init-from", "run/released.safetensors", "--lr", "1e-30", "--out", "from"];
    almt(folder, &[&["train", "--store", "mosi.h5", "--epochs", "1"], &from[..]].concat()).ok();
    assert_eq!(String::from_utf8(bytes(folder, "from/predictions.csv")).unwrap(), of_run);
    let sizes = ["--weights", "run/released.safetensors", "--preset", "mosei"];
    let args = [&["predict", "--store", "mosi.h5", "-o", "q.csv"], &sizes[..]].concat();
    almt(folder, &args).fails_with(&["released.safetensors", "tensor `"]);
    assert!(!folder.join("q.csv").exists());
}

#[test]
fn two_runs_are_compared_segment_by_segment() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "40");
    train(folder, "a", &["--seed", "1"]);
    train(folder, "b", &["--seed", "2"]);
    let args = ["compare", "a", "b", "--resamples", "500", "--json"];
    let found: serde_json::Value =
        serde_json::from_str(&almt(folder, &args).ok().stdout()).unwrap();
    assert_eq!(found["n_segments"], 20);
    let of = |run: &str| {
        json(folder, &format!("{run}/result.json"))["selected"]["test"]["MAE"].as_f64().unwrap()
    };
    let mae = found["metrics"].as_array().unwrap().iter().find(|m| m["metric"] == "MAE").unwrap();
    let expected = of("b") - of("a");
    assert!((mae["difference"].as_f64().unwrap() - expected).abs() < 1e-12);
    let end = |idx: usize| mae["interval"][idx].as_f64().unwrap();
    assert!(end(0) <= expected && expected <= end(1));
    train(folder, "again", &["--seed", "1"]);
    let table = almt(folder, &["compare", "a", "again", "--resamples", "100"]).ok().stdout();
    assert!(table.lines().any(|line| line.contains("MAE") && line.ends_with("1.0000")), "{table}");
}

#[test]
fn tensorboard_reads_the_curves_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "16");
    train(folder, "run", &[]);
    let Some(found) = python("events.py", &[&folder.join("run")]) else { return };
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let lines = String::from_utf8(bytes(folder, "run/metrics.jsonl")).unwrap();
    for (idx, line) in lines.lines().enumerate() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        for (tag, value) in [
            ("train/loss", &record["train_loss"]),
            ("valid/MAE", &record["valid"]["MAE"]),
            ("test/Has0_acc_2", &record["test"]["Has0_acc_2"]),
        ] {
            assert_eq!(found[tag][idx][0], idx + 1, "{tag}");
            let found = found[tag][idx][1].as_f64().unwrap() as f32;
            assert_eq!(found, value.as_f64().unwrap() as f32, "{tag}");
        }
    }
}

/// A BERT of one layer that knows every token that BERT knows, with random weights. All of it is
/// small but, where that is asked for, the width of its feed-forward block.
pub(crate) fn small_bert(folder: &Path, intermediate_size: usize) {
    let config = serde_json::json!({
        "model_type": "bert", "vocab_size": 30522, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": intermediate_size, "max_position_embeddings": 64,
        "type_vocab_size": 2, "hidden_act": "gelu",
    });
    let place = folder.join("bert");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("config.json"), config.to_string()).unwrap();
    let config: BertConfig = serde_json::from_value(config).unwrap();
    let mut rng = ChaCha12Rng::seed_from_u64(9);
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = config
        .parameters()
        .chain(config.pooler())
        .map(|(name, shape)| {
            let shape: Vec<usize> = shape.iter().map(|extent| *extent as usize).collect();
            let n_values = shape.iter().product();
            let values = (0..n_values).map(|_| rng.random_range(-0.1_f32..0.1));
            (name, shape, values.flat_map(f32::to_le_bytes).collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    std::fs::write(place.join("model.safetensors"), bytes).unwrap();
}

/// Does a run that ends when it has finished an epoch, and so has a state: before it says anything of
/// the next one. It is one of `n_runs` that are trained as one.
#[cfg(target_os = "linux")]
pub fn stop_after_an_epoch(command: Command, n_runs: usize, state: &Path) {
    killed(command, ("ALMT_FAULT_KILL_WRITE", &format!("/metrics.jsonl:{}", n_runs + 1)));
    assert!(state.exists());
}

#[test]
#[cfg(target_os = "linux")]
fn too_little_memory_is_said_and_leaves_a_run_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "16");
    // Most is asked for at once by the encoder's forward pass: 12.5 MiB for each sample.
    small_bert(folder, 1 << 16);
    let call = |batch_size, out| {
        let mut args = vec!["train", "--store", "mosi.h5", "--text", "bert", "--bert", "bert"];
        args.extend(["--epochs", "3", "--lr", "1e-3", "--threads", "1", "--device", "cpu"]);
        args.extend(["--batch-size", batch_size, "--out", out]);
        args
    };
    // What a run takes with the smallest batches is the limit: the system then has no more.
    let [_, limit] = counted(program(folder, &call("1", "small")), folder);
    let limited = |args: &[&str]| {
        let limit = limit.to_string();
        Call::of(with_faults(program(folder, args), &[("ALMT_FAULT_REFUSE", &limit)]))
    };
    let [_, most] = counted(program(folder, &call("16", "whole")), folder);
    assert!(most > limit, "{most} {limit}");
    stop_after_an_epoch(
        program(folder, &call("16", "stopped")),
        1,
        &folder.join("stopped/state.safetensors"),
    );
    let kept = ["best.safetensors", "state.safetensors"];
    let before = kept.map(|file| bytes(folder, &format!("stopped/{file}")));
    let failed = limited(&["resume", "stopped"])
        .fails_with(&["no memory for a training step of 16 samples: libtorch asked for ", " MiB"]);
    assert!(failed.stderr().contains("`--batch-size`"), "{}", failed.explain());
    assert!(before == kept.map(|file| bytes(folder, &format!("stopped/{file}"))));
    almt(folder, &["resume", "stopped"]).ok();
    assert_eq!(timeless(folder, "stopped"), timeless(folder, "whole"));
    // As the hint says.
    limited(&call("1", "again")).ok();
    assert_eq!(timeless(folder, "again"), timeless(folder, "small"));
}

#[test]
fn an_encoder_is_trained_in_the_loop_kept_or_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "24");
    small_bert(folder, 8);
    let bert = ["--text", "bert", "--bert", "bert"];
    train(folder, "tuned", &bert);
    almt(folder, &["repeat", "tuned"]).ok();
    train(folder, "frozen", &[&bert[..], &["--freeze-bert"]].concat());
    train(folder, "slow", &[&bert[..], &["--bert-lr", "1e-6"]].concat());
    // A frozen encoder's parameters are not trained, and not counted.
    let n_trained =
        |run: &str| json(folder, &format!("{run}/result.json"))["n_parameters"].as_u64();
    assert!(n_trained("frozen") < n_trained("tuned") && n_trained("slow") == n_trained("tuned"));
    let file = bytes(folder, "bert/model.safetensors");
    let before = SafeTensors::deserialize(&file).unwrap();
    let largest_change = |run: &str| {
        let file = bytes(folder, &format!("{run}/best.safetensors"));
        let after = SafeTensors::deserialize(&file).unwrap();
        let numbers = |view: TensorView<'_>| -> Vec<f32> {
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        before
            .tensors()
            .into_iter()
            // Of no use to this model.
            .filter(|(name, _)| !name.starts_with("pooler."))
            .flat_map(|(name, view)| {
                let after = after.tensor(&format!("bertmodel.model.{name}")).unwrap();
                numbers(view).into_iter().zip(numbers(after)).map(|(a, b)| (a - b).abs())
            })
            .fold(0.0, f32::max)
    };
    assert_eq!(largest_change("frozen"), 0.0);
    assert!(largest_change("slow") > 0.0 && largest_change("slow") < 1e-4);
    assert!(largest_change("tuned") > 1e-4);
    // Its group can be set as any other, and has what is set for the rest until it is.
    let rest = ["--set", "main.rest.lr=1e-6", "--set", "main.rest.weight_decay=0"];
    let without_lr = ["train", "--store", "mosi.h5", "--epochs", "3", "--out", "rest"];
    almt(folder, &[&without_lr[..], &bert, &rest].concat()).ok();
    assert!(largest_change("rest") > 0.0 && largest_change("rest") < 1e-4);
    let own = ["--set", "main.encoder.lr=1e-6", "--set", "main.encoder.weight_decay=0"];
    train(folder, "own", &[&bert[..], &own].concat());
    assert!(largest_change("own") > 0.0 && largest_change("own") < 1e-4);
    let config = std::fs::read_to_string(folder.join("own/config.toml")).unwrap();
    assert!(config.contains("name = \"encoder\"") && config.contains("weight_decay = 0.0"));
    almt(folder, &["repeat", "own"]).ok();
    let mut call = vec!["train", "--store", "mosi.h5", "--bert-lr", "1e-5"];
    call.extend([&bert[..], &own, &["--out", "two"]].concat());
    assert_eq!(almt(folder, &call).code(), 2);
    // What a checkpoint predicts is what the run saw, the encoder included.
    let predict = ["predict", "--store", "mosi.h5", "--checkpoint", "tuned/best.safetensors"];
    let to = ["--split", "valid", "--split", "test", "-o", "p.csv"];
    almt(folder, &[&predict[..], &to].concat()).ok();
    assert!(bytes(folder, "p.csv") == bytes(folder, "tuned/predictions.csv"));
    // Dropout masks do not depend on where a run was stopped.
    #[cfg(target_os = "linux")]
    {
        let mut args = vec!["train", "--store", "mosi.h5", "--epochs", "3", "--lr", "1e-3"];
        args.extend(bert);
        args.extend(["--out", "stopped"]);
        let state = folder.join("stopped/state.safetensors");
        stop_after_an_epoch(program(folder, &args), 1, &state);
        almt(folder, &["resume", "stopped"]).ok();
        assert_eq!(timeless(folder, "stopped"), timeless(folder, "tuned"));
    }
    almt(folder, &["train", "--store", "mosi.h5", "--text", "bert", "--bert", "."])
        .fails_with(&["config.json"]);
}

#[test]
fn seeds_that_are_trained_as_one_come_near_those_trained_alone_and_go_on_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "40");
    let call = |seeds: &str, together: &str, out: &str| {
        let args = ["train", "--store", "mosi.h5", "--epochs", "4", "--lr", "1e-3", "--threads=1"];
        let args = [&args[..], &["--seeds", seeds, "--together", together, "--out", out]].concat();
        program(folder, &args)
    };
    Call::of(call("4,9", "never", "alone")).ok();
    Call::of(call("4,9", "always", "one")).ok();
    for seed in ["seed-4", "seed-9"] {
        let mae = |out: &str| {
            let result = json(folder, &format!("{out}/{seed}/result.json"));
            result["selected"]["test"]["MAE"].as_f64().unwrap()
        };
        assert!((mae("alone") - mae("one")).abs() < 0.02, "{} {}", mae("alone"), mae("one"));
    }
    let config = String::from_utf8(bytes(folder, "one/seed-9/config.toml")).unwrap();
    assert!(config.contains("together_with = [4, 9]"), "{config}");
    almt(folder, &["repeat", "one/seed-9"]).ok();
    assert_eq!(files(&folder.join("one")), ["seed-4", "seed-9", "summary.csv", "summary.parquet"]);

    #[cfg(target_os = "linux")]
    {
        let state = folder.join("stopped/together.safetensors");
        stop_after_an_epoch(call("4,9", "always", "stopped"), 2, &state);
        almt(folder, &["resume", "stopped/seed-4"]).fails_with(&["trained as one"]);
        Call::of(call("4,9", "always", "stopped")).ok();
        for file in ["seed-4/best.safetensors", "seed-9/best.safetensors", "summary.csv"] {
            let of = |out: &str| bytes(folder, &format!("{out}/{file}"));
            assert!(of("one") == of("stopped"), "{file}");
        }
    }
    // Other companions, other bits: not the same run.
    Call::of(call("4", "never", "one")).fails_with(&["one/seed-4", "different settings"]);
    let args = ["train", "--store", "mosi.h5", "--seeds", "2", "--patience", "1"];
    let wrong = almt(folder, &[&args[..], &["--together", "always"]].concat());
    assert!(wrong.code() == 2 && wrong.stderr().contains("`patience`"), "{}", wrong.explain());
}
