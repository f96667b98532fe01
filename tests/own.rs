//! Datasets of one's own: labels of any range, and classes with names, from the table to the report.

use std::collections::BTreeMap;
use std::path::Path;

use almt_data::corpus::column::ColumnKind;
use almt_data::corpus::label::Bins;
use almt_data::corpus::scale::OwnScale;
use almt_data::corpus::{Dataset, SplitName};
use almt_data::csd::SequenceFile;
use almt_data::store::Store;
use ndarray::Array2;
use serde_json::Value;

use crate::build::{npy, put};
use crate::csd::check_equal_to_h5py;
use crate::support::{almt, files};

/// Features of 36 clips of 12 videos, and a table of them; `label` is given a number from -3 to 3.
fn clips(folder: &Path, table: &str, label: impl Fn(i32) -> String) {
    let mut rows = "video_id,clip_id,text,label\n".to_owned();
    for (video, clip) in (0..12).flat_map(|video| (1..4).map(move |clip| (video, clip))) {
        let number = (video * 3 + clip) % 7 - 3;
        rows += &format!("v{video},{clip},film,{}\n", label(number));
        for (modality, width) in [("text", 4), ("audio", 3), ("vision", 2)] {
            let frames = Array2::from_shape_fn((3, width), |(frame, column)| {
                f64::from(number) + ((video as usize + frame * (column + 1)) as f64).sin()
            });
            put(folder, &format!("{modality}/v{video}_{clip}.npy"), npy(&frames));
        }
    }
    put(folder, table, rows);
}

/// The call that builds a store of those clips.
fn build<'a>(table: &'a str, store: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let call =
        ["build", "--labels", table, "--text", "text", "--audio", "audio", "--vision", "vision"];
    [&call[..], &["-o", store], options].concat()
}

const STARS: [&str; 8] = [
    "--dataset",
    "own",
    "--label-range",
    "1,5",
    "--label-neutral",
    "3",
    "--label-bins",
    "stars=1.5,2.5,3.5,4.5",
];

/// A number from -3 to 3 as a rating from 1 to 5.
fn rating(number: i32) -> String {
    format!("{:.1}", 3.0 + f64::from(number) / 1.5)
}

fn json(folder: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&almt(folder, args).ok().stdout()).unwrap()
}

fn labels(store: &Store) -> Vec<f32> {
    store.labels(SplitName::Train).unwrap().unwrap()
}

fn classes(store: &Store) -> Vec<i32> {
    let column = ColumnKind::ClassificationLabels.of(SplitName::Train);
    store.numbers::<i32>(&column).unwrap().unwrap().into_iter().collect()
}

#[test]
fn labels_of_any_range_have_a_store_and_its_description_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder, "ratings.csv", rating);
    for store in ["ratings.h5", "ratings.arrow"] {
        let told = almt(folder, &build("ratings.csv", store, &STARS)).ok().stdout();
        assert!(told.contains("dataset  own dataset (clips layout)"), "{told}");
        let opened = Store::open(&folder.join(store)).unwrap();
        let manifest = opened.manifest();
        let text = "range = [1, 5]\nneutral = 3\n[bins.stars]\nedges = [1.5, 2.5, 3.5, 4.5]\n";
        assert_eq!(manifest.dataset, Dataset::Own);
        assert_eq!(manifest.label_scale, Some(OwnScale::of_toml(text).unwrap()));
        let stars = ColumnKind::Bins(Bins::named("stars").unwrap()).of(SplitName::Train);
        let stars: Vec<i8> = opened.numbers(&stars).unwrap().unwrap().into_iter().collect();
        for (label, class) in labels(&opened).into_iter().zip(stars) {
            assert_eq!(class, (label - 0.5).floor() as i8, "{label}");
        }
        let validated = almt(folder, &["validate", store]).ok().stdout();
        assert!(validated.contains(": valid (own dataset"), "{validated}");
        // What is published of other datasets says nothing of this one.
        for rule in ["AD002", "AD003", "AD030"] {
            assert!(!validated.contains(rule), "{validated}");
        }
        let shown = almt(folder, &["inspect", store]).ok().stdout();
        assert!(shown.contains("in [1, 5], neutral 3"), "{shown}");
        assert!(shown.contains("[4.5, 5]"), "{shown}");
        let counted = almt(folder, &["labels", store]).ok().stdout();
        assert!(counted.contains("acc_stars") && counted.contains("3 and above"), "{counted}");
        almt(folder, &["stats", store]).ok();
    }
    for (form, output) in
        [("csv", "table.csv"), ("mmsa-pickle", "own.pkl"), ("croissant", "c.json")]
    {
        almt(folder, &["export", "ratings.h5", "--to", form, "-o", output]).ok();
    }
    let croissant = std::fs::read_to_string(folder.join("c.json")).unwrap();
    assert!(croissant.contains("Label in [1, 5]"), "{croissant}");
    let croissant: Value = serde_json::from_str(&croissant).unwrap();
    assert!(croissant["citeAs"].is_null() && croissant["recordSet"].is_array(), "{croissant}");
    // Back from a pickle, with the description that its labels need.
    almt(folder, &[&["convert", "own.pkl", "-o", "again.h5"][..], &STARS].concat()).ok();
    let [one, other] =
        ["ratings.h5", "again.h5"].map(|name| Store::open(&folder.join(name)).unwrap());
    assert_eq!(labels(&one), labels(&other));
    assert_eq!(one.manifest().label_scale, other.manifest().label_scale);
}

const MOODS: &str = "name = \"Moods\"\nclasses = [\"bad\", \"fair\", \"good\"]\nvalues = [1, 2, 3]\n\
                     neutral = 2\n";

/// A number from -3 to 3 as the name of a class.
fn mood(number: i32) -> String {
    ["bad", "fair", "good"][usize::try_from(number.signum() + 1).unwrap()].into()
}

/// What each description is called, the options for it, and the metrics that it has.
fn described(folder: &Path) -> [(&'static str, Vec<&'static str>, Vec<&'static str>); 3] {
    clips(folder, "ratings.csv", rating);
    clips(folder, "shares.csv", |number| format!("{}", f64::from(number + 3) / 6.0));
    clips(folder, "moods.csv", mood);
    put(folder, "moods.toml", MOODS);
    let two_sides = ["Has0_acc_2", "Has0_F1_score", "Non0_acc_2", "Non0_F1_score"];
    let of_moods = [&two_sides[..], &["acc_classes", "MAE", "Corr"]].concat();
    let of_stars = [&two_sides[..], &["acc_stars", "MAE", "Corr"]].concat();
    [
        ("ratings", STARS.into(), of_stars),
        ("shares", vec!["--label-range", "0,1"], vec!["MAE", "Corr"]),
        ("moods", vec!["--label-scale", "moods.toml"], of_moods),
    ]
}

#[test]
fn models_are_trained_judged_and_reported_on_in_the_units_of_the_labels() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut maes = BTreeMap::new();
    for (name, options, metrics) in described(folder) {
        let [table, store] = ["csv", "h5"].map(|ending| format!("{name}.{ending}"));
        almt(folder, &build(&table, &store, &options)).ok();
        let splits = format!("{name}.json");
        let draw = ["split", &store, "--ratio", "0.5,0.25,0.25", "--by", "video", "-o", &splits];
        almt(folder, &draw).ok();
        let drawn = almt(folder, &["validate", &store, "--manifest", &splits]).ok().stdout();
        assert!(drawn.contains(": valid ("), "{drawn}");
        // The smallest of the models.
        let train = |seed: &str, out: &str| {
            let call = ["train", &store, "--manifest", &splits, "--epochs", "2", "--model", "lmf"];
            almt(folder, &[&call[..], &["--seed", seed, "--out", out]].concat()).ok()
        };
        let run = format!("{name}-run");
        let told = train("1", &run).stderr();
        assert!(told.contains("hyper-parameters: the preset for CMU-MOSI, since"), "{told}");
        let range = options.contains(&"0,1").then_some("labels: [0, 1] become [-3, 3]");
        assert!(told.contains(range.unwrap_or("become [-3, 3] for the model")), "{told}");
        let found = json(folder, &["eval", &run, "--json"]);
        let names: Vec<&String> = found["metrics"].as_object().unwrap().keys().collect();
        assert_eq!(names, metrics, "{name}");
        maes.insert(name, found["metrics"]["MAE"].as_f64().unwrap());
        let predicted = almt(folder, &["predict", &run]).ok().stdout();
        let mut rows = csv::Reader::from_reader(predicted.as_bytes());
        let header = rows.headers().unwrap().clone();
        assert_eq!(header.iter().any(|column| column == "acc_stars_label"), name == "ratings");
        // After two epochs, predictions are near the middle of the labels, in their units.
        let [low, high] = match name {
            "shares" => [-0.5, 1.5],
            _ => [0.0, 6.0],
        };
        let values: Vec<f64> = rows.records().map(|row| row.unwrap()[3].parse().unwrap()).collect();
        assert!(!values.is_empty() && values.iter().all(|value| (low..high).contains(value)));
        train("2", &format!("{name}-other"));
        let page = format!("{name}.html");
        almt(folder, &["report", &run, "-o", &page]).ok();
        let page = std::fs::read_to_string(folder.join(page)).unwrap();
        let title = if name == "moods" { "Moods" } else { "own dataset" };
        assert!(page.contains(&format!("LMF on {title}: 1 run")), "{name}");
        let compared = json(folder, &["compare", &run, &format!("{name}-other"), "--json"]);
        assert_eq!(compared["metrics"].as_array().unwrap().len(), metrics.len());
    }
    // The same labels in other units give the same errors in these.
    assert!(maes["ratings"] > 2.0 * maes["shares"], "{maes:?}");
    // Labels of another kind are not those that a model was trained on.
    almt(folder, &["predict", "ratings-run", "--store", "shares.h5", "--split", "train"])
        .fails_with(&[
            "was trained on labels of own dataset, which are not those of the store, own dataset: \
             `range` [1.0,5.0] against [0.0,1.0]; ",
        ]);
    almt(folder, &["compare", "ratings-run", "moods-run"])
        .fails_with(&["was trained on labels of Moods, the other run on own dataset: `range` "]);
    // Where there are none, none differ: a new clip's store need not repeat the description.
    put(folder, "new.csv", "video_id,clip_id,text\nv4,1,film\nv0,3,film\n");
    almt(folder, &build("new.csv", "new.h5", &["--label-range", "0,1"])).ok();
    let predicted = |store: &str, split: &str| {
        let call = ["predict", "ratings-run", "--store", store, "--split", split];
        almt(folder, &call).ok().stdout()
    };
    let new = predicted("new.h5", "test");
    assert_eq!(new.lines().count(), 3, "{new}");
    // What is described otherwise is said; what is not described is the model's.
    let call = ["predict", "ratings-run", "--store", "new.h5", "--split", "test"];
    let told = almt(folder, &call).ok().stderr();
    let note = "predictions are in the labels of the model, not those that the store describes: `range` \
                [1.0,5.0] against [0.0,1.0]\n";
    assert!(told.contains(note), "{told}");
    almt(folder, &build("new.csv", "same.h5", &["--label-range", "1,5"])).ok();
    let call = ["predict", "ratings-run", "--store", "same.h5", "--split", "test"];
    let told = almt(folder, &call).ok().stderr();
    assert!(!told.contains("labels of the model"), "{told}");
    // In the units of the labels that the model was trained on.
    let of = |table: &str, id: &str| {
        let mut rows = csv::Reader::from_reader(table.as_bytes());
        let row = rows.records().map(Result::unwrap).find(|row| &row[0] == id);
        let row = row.unwrap_or_else(|| panic!("no `{id}` in\n{table}"));
        row[3].parse::<f64>().unwrap()
    };
    let all = predicted("ratings.h5", "train");
    for id in ["v4$_$1", "v0$_$3"] {
        assert!((of(&new, id) - of(&all, id)).abs() < 1e-4, "{id}: {new}");
    }
    almt(folder, &["report", "ratings-run", "moods-run", "-o", "both.html"])
        .fails_with(&["was trained on Moods, the runs before it on own dataset"]);
    almt(folder, &["reproduce", "table1", "--store", "shares.h5", "--out", "paper"])
        .fails_with(&["the paper is not about own dataset"]);
}

#[test]
fn what_sequences_cannot_have_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder, "all.csv", mood);
    put(folder, "moods.toml", MOODS.replace("values = [1, 2, 3]\nneutral = 2\n", ""));
    let table = "video_id,clip_id,text,label,mode\nv0,1,film,bad,train\nv0,2,film,,train\n\
                 v0,3,film,good,test\nv1,1,film,fair,test\n";
    put(folder, "some.csv", table);
    almt(folder, &build("some.csv", "some.h5", &["--label-scale", "moods.toml"])).ok();
    let told = almt(folder, &["export", "some.h5", "--to", "csd"]).ok().stderr();
    let notes = [
        "note: classes.csd: segments that have no class, and -1 in its place: 1\n",
        "note: splits are not written, as folds are of whole videos and one is in two\n",
    ];
    assert!(notes.iter().all(|note| told.contains(note)), "{told}");
    let names = files(&folder.join("some.sequences"));
    assert!(!names.iter().any(|name| name == "folds.json"), "{names:?}");
}

#[test]
fn a_model_whose_output_is_bounded_reaches_all_labels() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder, "plain.csv", |number| number.to_string());
    clips(folder, "moved.csv", |number| (number + 10).to_string());
    almt(folder, &build("plain.csv", "mosi.h5", &["--dataset", "mosi"])).ok();
    // The same classes, so that the same segments are drawn.
    let plain = ["--label-range", "-3,3", "--label-bins", "seven=-2.5,-1.5,-0.5,0.5,1.5,2.5"];
    almt(folder, &build("plain.csv", "own.h5", &plain)).ok();
    let moved = ["--label-range", "7,13", "--label-bins", "seven=7.5,8.5,9.5,10.5,11.5,12.5"];
    almt(folder, &build("moved.csv", "moved.h5", &moved)).ok();
    let predictions = |store: &str| -> Vec<f32> {
        let out = store.replace(".h5", "-run");
        let call = ["train", store, "--model", "tfn", "--epochs", "3", "--valid-fraction", "0.3"];
        let sizes = ["text_hidden=8", "text_out=4", "audio_hidden=4", "vision_hidden=4"];
        let sizes = sizes.into_iter().chain(["post_fusion_dim=8"]).flat_map(|size| ["--set", size]);
        let sizes: Vec<&str> = sizes.collect();
        almt(folder, &[&call[..], &sizes, &["--preset", "mosi", "--out", &out]].concat()).ok();
        let rows = almt(folder, &["predict", &out, "--split", "train"]).ok().stdout();
        let mut rows = csv::Reader::from_reader(rows.as_bytes());
        rows.records().map(|row| row.unwrap()[3].parse().unwrap()).collect()
    };
    let [mosi, own, moved] = ["mosi.h5", "own.h5", "moved.h5"].map(predictions);
    // Labels like those of the preset are what the model is trained on, to the last bit.
    assert_eq!(mosi, own);
    for (plain, moved) in own.iter().zip(&moved) {
        assert!((plain + 10.0 - moved).abs() < 1e-4, "{plain} {moved}");
    }
}

#[test]
fn classes_with_values_are_trained_on_and_those_without_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder, "moods.csv", mood);
    put(folder, "moods.toml", MOODS);
    put(folder, "names.toml", "name = \"Feelings\"\nclasses = [\"good\", \"bad\", \"fair\"]\n");
    almt(folder, &build("moods.csv", "moods.h5", &["--label-scale", "moods.toml"])).ok();
    let store = Store::open(&folder.join("moods.h5")).unwrap();
    let values: Vec<f32> = classes(&store).into_iter().map(|class| class as f32 + 1.0).collect();
    assert_eq!(labels(&store), values);
    let compared = almt(folder, &["validate", "moods.h5", "--labels", "moods.csv"]).ok().stdout();
    assert!(compared.contains("36 labels"), "{compared}");

    let told = almt(folder, &build("moods.csv", "names.h5", &["--label-scale", "names.toml"])).ok();
    assert!(
        told.stderr().contains("next: `almt-data validate names.h5`, `almt-data labels names.h5`")
    );
    let store = Store::open(&folder.join("names.h5")).unwrap();
    assert!(store.labels(SplitName::Train).unwrap().is_none());
    assert_eq!(
        classes(&store).iter().filter(|class| **class == 0).count(),
        values.iter().filter(|it| **it == 3.0).count()
    );
    almt(folder, &["validate", "names.h5"]).ok();
    let compared = almt(folder, &["validate", "names.h5", "--labels", "moods.csv"]).ok().stdout();
    assert!(compared.contains("36 labels"), "{compared}");
    let shown = almt(folder, &["inspect", "names.h5"]).ok().stdout();
    assert!(
        shown.contains("classes without values") && shown.contains("good, bad, fair"),
        "{shown}"
    );
    let counted = json(folder, &["labels", "names.h5", "--json"]);
    assert_eq!(
        (&counted["dataset"], counted["classes"].as_array().unwrap().len()),
        (&"Feelings".into(), 3)
    );
    almt(folder, &["stats", "names.h5"]).ok();
    almt(folder, &["export", "names.h5", "--to", "csv", "-o", "names.csv"]).ok();
    almt(folder, &["split", "names.h5", "--k-fold", "3", "--by", "segment", "-o", "names.json"])
        .ok();
    almt(folder, &["train", "names.h5", "--manifest", "names.json", "--out", "run"])
        .fails_with(&["labels are 3 classes without values, such as `good`"])
        .hints_at("`values = [1, 2, …]`");
    assert!(!folder.join("run").exists());
}

#[test]
fn classes_are_exported_as_a_sequence_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder, "moods.csv", mood);
    put(folder, "moods.toml", MOODS);
    put(folder, "names.toml", "name = \"Feelings\"\nclasses = [\"good\", \"bad\", \"fair\"]\n");
    for (scale, names) in [("moods", ["bad", "fair", "good"]), ("names", ["good", "bad", "fair"])] {
        let (store, toml) = (format!("{scale}.h5"), format!("{scale}.toml"));
        almt(folder, &build("moods.csv", &store, &["--label-scale", &toml])).ok();
        let told = almt(folder, &["export", &store, "--to", "csd"]).ok().stderr();
        assert_eq!(told, "");
        let sequences = folder.join(format!("{scale}.sequences"));
        check_equal_to_h5py(&sequences.join("classes.csd"));
        let file = SequenceFile::open(&sequences.join("classes.csd")).unwrap();
        let json = |name: &str| file.metadata().get(name).unwrap().json.clone().unwrap();
        assert_eq!(json("dimension names"), serde_json::json!(["class"]));
        assert_eq!(json("class names"), serde_json::json!(names));
        let mut found = Vec::new();
        for video in 0..12 {
            let entry = file.entry(&format!("v{video}")).unwrap();
            let values = entry.features.to_float64().unwrap();
            // No clip has the number 0.
            assert_eq!((values.dim(), values[[0, 0]]), ((4, 1), -1.0));
            assert_eq!(entry.intervals[0], [0.0, 0.0]);
            found.extend(values.iter().skip(1).map(|class| *class as i32));
        }
        let store = Store::open(&folder.join(&store)).unwrap();
        assert_eq!(found, classes(&store));
        // Numbers are labels of an alignment, which classes without values are not.
        let labels = sequences.join("labels.csd");
        assert_eq!(labels.exists(), scale == "moods");
        almt(folder, &["validate", sequences.join("classes.csd").to_str().unwrap()]).ok();
    }
    // A store to predict on has neither, and its segments have times.
    clips(folder, "new.csv", |_| String::new());
    almt(folder, &build("new.csv", "new.h5", &["--dataset", "mosi"])).ok();
    let told = almt(folder, &["export", "new.h5", "--to", "csd"]).ok().stderr();
    assert_eq!(told, "note: labels.csd: segments that have no label, and NaN in its place: 36\n");
}

#[test]
fn wrong_descriptions_and_labels_are_told_in_one_line_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder, "ratings.csv", rating);
    clips(folder, "moods.csv", |number| mood(number).replace("fair", "fiar"));
    put(folder, "moods.toml", MOODS);
    put(folder, "netural.toml", "range = [1, 5]\nnetural = 3\n");
    put(folder, "edges.toml", "range = [1, 5]\n[bins.stars]\nedges = [3, 2]\n");
    let before = files(folder);
    let refused = |table: &str, options: &[&str]| almt(folder, &build(table, "own.h5", options));
    refused("ratings.csv", &["--dataset", "own"])
        .fails_with(&["ratings.csv: a dataset of one's own needs a description of its labels"])
        .hints_at("`--label-range LOW,HIGH`");
    refused("ratings.csv", &["--label-scale", "netural.toml"])
        .fails_with(&[
            "netural.toml: is not a label scale: line 2: unknown field `netural`",
            "`neutral`",
        ])
        .hints_at("almt-data schema label-scale");
    refused("ratings.csv", &["--label-scale", "edges.toml"])
        .fails_with(&["bins.stars: edges: expected numbers in ascending order between 1 and 5"]);
    refused("ratings.csv", &["--label-scale", "absent.toml"]).fails_with(&["absent.toml"]);
    refused("moods.csv", &["--label-scale", "moods.toml"]).fails_with(&[
        "moods.csv: line 4",
        "a class, one of bad, fair, good (is `fair` meant?)",
        "`fiar`",
    ]);
    for wrong in [
        &["--label-range", "5"][..],
        &["--label-range", "5,1"],
        &["--label-range", "1,5", "--label-bins", "stars"],
        &["--label-range", "1,5", "--label-scale", "moods.toml"],
        &["--label-range", "1,5", "--dataset", "mosi"],
        &["--label-neutral", "3"],
    ] {
        assert_eq!(refused("ratings.csv", wrong).code(), 2, "{wrong:?}");
    }
    assert_eq!(files(folder), before);
    // Labels outside of the range are a finding.
    let told = refused("ratings.csv", &["--label-range", "2,5"]).ok().stdout();
    assert!(told.contains("AD005: train/regression_labels has"), "{told}");
    let validated = almt(folder, &["validate", "own.h5"]);
    assert_eq!(validated.code(), 1, "{}", validated.explain());
    assert!(validated.stdout().contains("outside [2, 5]"), "{}", validated.explain());
}

#[test]
fn pickles_of_classes_and_sequences_have_labels_of_ones_own_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clips(folder, "moods.csv", mood);
    put(folder, "moods.toml", MOODS);
    put(folder, "names.toml", "classes = [\"bad\", \"fair\", \"good\"]\n");
    almt(folder, &build("moods.csv", "names.h5", &["--label-scale", "names.toml"])).ok();
    almt(folder, &["export", "names.h5", "--to", "mmsa-pickle", "-o", "names.pkl"]).ok();
    let convert = |scale: &str, output: &str| {
        almt(folder, &["convert", "names.pkl", "--label-scale", scale, "-o", output]).ok().stdout()
    };
    convert("names.toml", "again.h5");
    let told = convert("moods.toml", "valued.h5");
    assert!(told.contains("regression_labels: the values of the classes"), "{told}");
    assert!(!told.contains("not trained on"), "{told}");
    let [names, again, valued] =
        ["names.h5", "again.h5", "valued.h5"].map(|name| Store::open(&folder.join(name)).unwrap());
    assert_eq!(classes(&names), classes(&again));
    let values: Vec<f32> = classes(&names).into_iter().map(|class| class as f32 + 1.0).collect();
    assert_eq!(labels(&valued), values);

    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden_csd/A");
    for name in ["words.csd", "audio.csd", "labels.csd"] {
        std::fs::copy(from.join(name), folder.join(name)).unwrap();
    }
    let align = |options: &[&str]| {
        let call = ["align", "--reference", "words.csd", "--labels", "labels.csd"];
        let rest = ["--sequence", "audio=audio.csd", "-o", "aligned.h5"];
        almt(folder, &[&call[..], &rest, options].concat())
    };
    align(&["--label-scale", "names.toml"])
        .fails_with(&["labels.csd: has numbers, and the label scale has classes without values"]);
    align(&["--dataset", "own"])
        .fails_with(&["labels.csd: a dataset of one's own needs a description of its labels"]);
    align(&["--label-range", "-3,3"]).ok();
    let aligned = Store::open(&folder.join("aligned.h5")).unwrap();
    assert_eq!(aligned.manifest().dataset, Dataset::Own);
    assert_eq!(aligned.manifest().scale().range(), Some([-3.0, 3.0]));
}
