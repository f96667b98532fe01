//! Checkpoints know the data that they were trained on: other data are named and refused, and texts that
//! are in no store are read as in training.

use std::collections::BTreeMap;
use std::path::Path;

use almt_data::corpus::clips::{BuildRecord, BuiltFeatures};
use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::manifest::Manifest;
use almt_data::corpus::{Modality, SplitName};
use almt_data::run::folder;
use almt_data::store::Store;
use almt_data::train::checkpoint;

use crate::encode::{set_weights, tiny_encoder};
use crate::rules::Editor;
use crate::support::{Call, almt, synthetic_store};

/// A copy of a store with another manifest, and another value of audio, so that it is another store.
fn edited(folder: &Path, from: &str, to: &str, edit: impl FnOnce(&mut Manifest)) {
    std::fs::copy(folder.join(from), folder.join(to)).unwrap();
    let mut editor = Editor::open(&folder.join(to));
    editor.numbers::<f32>("/test/audio", |values| values[0] += 0.5);
    edit(&mut editor.manifest);
    editor.seal();
}

/// How the audio of a store was made of clips.
fn built(pool: usize, cut: &str) -> BuildRecord {
    let features = BuiltFeatures {
        kinds: vec!["NumPy array".into()],
        n_files: 48,
        n_bytes: 1,
        blake3: String::new(),
        pool,
        length: "longest".into(),
        seq_len: 50,
        cut: cut.into(),
        n_cut: 0,
        padding: "back".into(),
        times: None,
        n_without_frames: None,
        failed_faces: None,
    };
    let features = [("audio".to_owned(), features)].into();
    BuildRecord { columns: BTreeMap::new(), features, words: None, left_out: Vec::new() }
}

fn audio_names(manifest: &mut Manifest) -> &mut Vec<String> {
    &mut manifest.features.get_mut(&Modality::Audio).unwrap().names
}

/// A call of a command with the checkpoint of `run` on a store.
fn on(folder: &Path, command: &str, run: &str, store: &str, more: &[&str]) -> Call {
    almt(folder, &[&[command, run, "--store", store], more].concat())
}

#[test]
fn data_that_mean_something_else_are_named_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "16");
    let names = ["--features", "audio=mosi-covarep-5", "--features", "vision=mosi-facet-20"];
    let convert = ["convert", "mosi.pkl", "-o", "plain.h5"];
    almt(folder, &[&convert[..], &names].concat()).ok();
    edited(folder, "plain.h5", "own.h5", |manifest| manifest.build = Some(built(1, "end")));
    almt(folder, &["train", "--store", "own.h5", "--epochs", "1", "--out", "run"]).ok();

    edited(folder, "own.h5", "same.h5", |_| {});
    edited(folder, "own.h5", "order.h5", |manifest| audio_names(manifest).swap(1, 3));
    edited(folder, "own.h5", "other.h5", |manifest| audio_names(manifest)[4] = "F0".into());
    edited(folder, "own.h5", "pooled.h5", |manifest| manifest.build = Some(built(5, "end")));
    edited(folder, "own.h5", "start.h5", |manifest| manifest.build = Some(built(1, "start")));
    edited(folder, "own.h5", "nameless.h5", |manifest| manifest.features.clear());
    edited(folder, "own.h5", "averaged.h5", |manifest| {
        let json = serde_json::to_string(&manifest.features).unwrap();
        let json = json.replace("\"names\"", "\"values\":\"averaged\",\"names\"");
        manifest.features = serde_json::from_str(&json).unwrap();
        audio_names(manifest)[0] = "another".into();
    });
    let refused = [
        (
            "order.h5",
            "order.h5: audio: the features are in another order: number 1 is `COVAREP[25]` here, \
             `COVAREP[3]` in training",
        ),
        ("other.h5", "audio: other features: number 4 is `F0` here, `COVAREP[60]` in training"),
        ("pooled.h5", "pooled.h5: audio: `pool` is 5 here, 1 in training"),
        (
            "averaged.h5",
            "audio: other features: number 0 is `another` here, `COVAREP[1]` in training; vision: \
             values are averaged here, frames in training",
        ),
    ];
    for command in ["eval", "predict"] {
        let same = on(folder, command, "run", "same.h5", &[]).ok().stderr();
        assert!(!same.contains("in training"), "{same}");
        for (store, words) in refused {
            on(folder, command, "run", store, &[])
                .fails_with(&[words])
                .hints_at("`almt-data inspect RUN` shows the data of training");
            let forced = on(folder, command, "run", store, &["--force"]).ok().stderr();
            let first = words.split("; ").next().unwrap();
            assert!(forced.contains("warning: ") && forced.contains(first), "{forced}");
        }
        let warned = on(folder, command, "run", "start.h5", &[]).ok().stderr();
        let words = "warning: start.h5: audio: `cut` is start here, end in training";
        assert!(warned.contains(words), "{warned}");
        let noted = on(folder, command, "run", "nameless.h5", &[]).ok().stderr();
        let words =
            "note: nameless.h5: vision: the features have no names here, 20 names in training";
        assert!(noted.contains(words), "{noted}");
    }
}

#[test]
fn a_run_and_its_checkpoint_show_what_they_were_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "16");
    let names = ["--features", "audio=mosi-covarep-5"];
    almt(folder, &[&["convert", "mosi.pkl", "-o", "plain.h5"], &names[..]].concat()).ok();
    edited(folder, "plain.h5", "own.h5", |manifest| manifest.build = Some(built(5, "end")));
    almt(folder, &["train", "--store", "own.h5", "--epochs", "1", "--out", "run"]).ok();
    let store = Store::open(&folder.join("own.h5")).unwrap();
    let settings = folder::read_config(&folder.join("run")).unwrap();
    let info = checkpoint::info(&folder.join("run/best.safetensors")).unwrap().unwrap();
    let schema = settings.data_schema.unwrap();
    assert_eq!(info.data_schema.as_ref(), Some(&schema));
    for (modality, own) in &schema.modalities {
        let id = ColumnKind::Features(*modality).of(SplitName::Test);
        let shape = &store.manifest().column(&id).unwrap().shape;
        assert_eq!([own.seq_len, own.feat_dim], shape[1..], "{modality}");
        assert_eq!(own.names.as_ref(), store.manifest().features.get(modality), "{modality}");
    }
    for path in ["run", "run/best.safetensors"] {
        let shown = almt(folder, &["inspect", path]).ok().stdout();
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "on CMU-MOSI",
            "model almt",
            "labels [-3, 3]",
            "text [50, 768]",
            "audio [50, 5] features",
            "COVAREP[1], COVAREP[3]",
            "pool 5",
            &*store.manifest().digest,
        ] {
            assert!(shown.contains(part), "{path}: no `{part}` in {shown}");
        }
    }
    // Weights of the released model say nothing of themselves.
    almt(folder, &["export-weights", "run", "--to", "released", "-o", "out.safetensors"]).ok();
    almt(folder, &["inspect", "out.safetensors"]).fails_with(&["a safetensors file"]);
}

#[test]
fn a_checkpoint_of_an_older_version_is_used_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/runs");
    let run = fixtures.join("small").display().to_string();
    std::fs::copy(fixtures.join("store.h5"), folder.join("store.h5")).unwrap();
    edited(folder, "store.h5", "other.h5", |_| {});
    let own = on(folder, "predict", &run, "store.h5", &[]).ok().stderr();
    assert!(!own.contains("older version"), "{own}");
    let noted = on(folder, "predict", &run, "other.h5", &[]).ok().stderr();
    assert!(noted.contains("small/best.safetensors: an older version wrote it"), "{noted}");
    let shown = almt(folder, &["inspect", &run]).ok().stdout();
    assert!(shown.contains("not recorded by the version that wrote it"), "{shown}");
}

/// The line of a text, without its last part, the text.
fn predicted(folder: &Path, run: &str, text: &str, more: &[&str]) -> f32 {
    let call = almt(folder, &[&["predict", run, "--text", text], more].concat()).ok();
    let out = call.stdout();
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.trim_end().ends_with(text), "{out}");
    assert!(!call.stderr().contains("is not the store"), "{}", call.explain());
    out.split_whitespace().next().unwrap().parse().unwrap()
}

/// The first text of a store's test split, and its prediction as of the store.
fn first(folder: &Path, run: &str, store: &str) -> (String, f32) {
    let texts = Store::open(&folder.join(store)).unwrap();
    let texts = texts.strings(&ColumnKind::RawText.of(SplitName::Test)).unwrap().unwrap();
    let table = on(folder, "predict", run, store, &[]).ok().stdout();
    let row = table.lines().nth(1).unwrap().split(',').nth(3).unwrap();
    (texts[0].clone(), row.parse().unwrap())
}

#[test]
fn a_text_is_predicted_as_in_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tiny_encoder(folder);
    synthetic_store(folder, "mosi", "20");
    let from_texts = ["--bert", "tiny-bert", "--text-from", "raw_text", "--max-len", "12"];
    almt(folder, &[&["encode", "mosi.h5", "-o", "own.h5"], &from_texts[..]].concat()).ok();
    let train = |store: &str, out: &str, more: &[&str]| {
        let call = ["train", "--store", store, "--epochs", "2", "--lr", "1e-3", "--out", out];
        almt(folder, &[&call[..], more].concat()).ok()
    };
    let alone = ["--modalities", "text"];
    let in_model = ["--modalities", "text", "--text", "bert", "--bert", "tiny-bert"];
    train("own.h5", "features", &alone);
    train("own.h5", "stored", &in_model);
    train("mosi.h5", "made", &[&in_model[..], &from_texts[2..]].concat());
    train("own.h5", "all", &[]);
    let bert = ["--bert", "tiny-bert"];
    for (run, store, more) in
        [("features", "own.h5", &bert[..]), ("stored", "own.h5", &[]), ("made", "mosi.h5", &[])]
    {
        let (text, expected) = first(folder, run, store);
        let found = predicted(folder, run, &text, more);
        assert!((found - expected).abs() < 2e-4, "{run}: {found} instead of {expected}");
    }
    // Several, in their order, each on a line.
    let texts = ["a b", "--c\nd", "a b"];
    let texts = texts.iter().flat_map(|text| ["--text", *text]);
    let call: Vec<&str> = ["predict", "made"].into_iter().chain(texts).collect();
    let out = almt(folder, &call).ok().stdout();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 3 && lines[0] == lines[2] && lines[0] != lines[1], "{out}");
    assert!(lines[1].ends_with("  --c d"), "{out}");
    let long = "a ".repeat(40);
    let cut = almt(folder, &["predict", "made", "--text", &long]).ok().stderr();
    assert!(cut.contains("note: 1 text was cut at 12 tokens"), "{cut}");
    let cut = almt(folder, &["predict", "stored", "--text", &long]).ok().stderr();
    assert!(cut.contains("note: 1 text was cut at 12 tokens"), "{cut}");
}

#[test]
fn what_a_text_alone_is_not_enough_for_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tiny_encoder(folder);
    synthetic_store(folder, "mosi", "20");
    let from_texts = ["--bert", "tiny-bert", "--text-from", "raw_text", "--max-len", "12"];
    almt(folder, &[&["encode", "mosi.h5", "-o", "own.h5"], &from_texts[..]].concat()).ok();
    let train = ["train", "--store", "own.h5", "--epochs", "1", "--out"];
    almt(folder, &[&train[..], &["all"]].concat()).ok();
    almt(folder, &[&train[..], &["features", "--modalities", "text"]].concat()).ok();
    almt(folder, &["predict", "all", "--text", "a", "--bert", "tiny-bert"])
        .fails_with(&["all/best.safetensors: its model takes audio and vision besides text"])
        .hints_at("`almt-data build` makes a store of clips with all modalities");
    almt(folder, &["predict", "features", "--text", "a"])
        .fails_with(&["features/best.safetensors: its model reads text features that tiny-bert ("])
        .hints_at("`--bert FOLDER` names the encoder that computed the features");
    // Another encoder of the same form.
    let new = folder.join("new");
    std::fs::create_dir(&new).unwrap();
    tiny_encoder(&new);
    set_weights(&new, "encoder.layer.1.output.LayerNorm.weight", 1.5);
    std::fs::rename(new.join("tiny-bert"), folder.join("second")).unwrap();
    let second = ["predict", "features", "--text", "a", "--bert", "second"];
    almt(folder, &second).fails_with(&[
        "--text: text: computed by second (",
        ") here, by tiny-bert (",
        "in training",
    ]);
    let forced = almt(folder, &[&second[..], &["--force"]].concat()).ok();
    assert!(
        forced.stderr().contains("warning: --text: text: computed by second"),
        "{}",
        forced.explain()
    );
    assert_eq!(forced.stdout().lines().count(), 1);
    // The same of a whole store.
    let encode = ["encode", "mosi.h5", "-o", "second.h5", "--bert", "second"];
    almt(folder, &[&encode[..], &from_texts[2..]].concat()).ok();
    on(folder, "eval", "features", "second.h5", &[])
        .fails_with(&["second.h5: text: computed by second (", "in training"]);
    on(folder, "eval", "features", "second.h5", &["--force"]).ok();
    for store in [["--store", "own.h5"], ["--split", "test"], ["-o", "p.csv"]] {
        let call = [&["predict", "features", "--text", "a"], &store[..]].concat();
        assert_eq!(almt(folder, &call).code(), 2, "{store:?}");
    }
}
