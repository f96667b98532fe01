//! Commands in the guides exist, and their Python snippets run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ndarray::Array2;

use crate::build::{npy, openface, put};
use crate::encode::tiny_encoder;
use crate::support::{almt, files, python, synthetic_store};
use crate::timings::{ctm, sequence};

/// The tasks of `cargo xtask`.
const TASKS: &str = include_str!("../xtask/src/main.rs");

/// The README and all guides.
pub fn guides() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = files(&root.join("docs")).into_iter().filter(|name| name.ends_with(".md"));
    let docs = docs.map(|name| root.join("docs").join(name));
    docs.chain(["README.md", "CHANGELOG.md"].map(|name| root.join(name))).collect()
}

/// The words of a command, up to a remark or what is for the shell. What is in double quotes is one word.
fn words(typed: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (idx, part) in typed.split('"').enumerate() {
        if idx % 2 == 1 {
            found.push(part.to_owned());
            continue;
        }
        for word in part.split_whitespace() {
            if ["#", "|", ">", "2>", "&&", ";"].contains(&word) {
                return found;
            }
            found.push(word.to_owned());
        }
    }
    found
}

/// The words of what is typed in the `console` blocks of a guide, one list per command.
fn commands(guide: &str) -> Vec<Vec<String>> {
    let joined = guide.replace("\\\n", " ");
    let mut found = Vec::new();
    let mut is_console = false;
    for line in joined.lines() {
        match line.strip_prefix("```") {
            Some(language) => is_console = language == "console",
            None => {
                let Some(typed) = line.strip_prefix("$ ").filter(|_| is_console) else { continue };
                found.push(words(typed));
            }
        }
    }
    found
}

/// Options that the help of a command names.
fn options(command: &str) -> BTreeSet<String> {
    let help = almt(Path::new("."), &[command, "--help"]).ok().stdout();
    let words = help.split(|c: char| c.is_whitespace() || ",=<>[]|`".contains(c));
    words.filter(|word| word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn every_command_and_option_of_the_guides_is_there() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut n_commands = 0;
    for path in guides() {
        let guide = std::fs::read_to_string(&path).unwrap();
        for words in commands(&guide) {
            let shown = format!("{}: {}", path.display(), words.join(" "));
            match &words[..] {
                [program, command, rest @ ..] if program == "almt-data" => {
                    n_commands += 1;
                    let options = known.entry(command.clone()).or_insert_with(|| options(command));
                    for word in rest.iter().filter(|word| word.starts_with('-')) {
                        let name = word.split('=').next().unwrap();
                        assert!(options.contains(name), "{shown}: there is no {name}");
                    }
                }
                [cargo, xtask, task, ..] if cargo == "cargo" && xtask == "xtask" => {
                    assert!(TASKS.contains(&format!("(\"{task}\", ")), "{shown}");
                }
                _ => {}
            }
        }
    }
    assert!(n_commands > 60, "{n_commands}");
}

#[test]
fn the_python_snippets_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "80");
    almt(folder, &["copy", "mosi.h5", "mosi.arrow"]).ok();
    for form in ["parquet", "npz", "csv", "csd"] {
        almt(folder, &["export", "mosi.h5", "--to", form]).ok();
    }
    let args = ["train", "--store", "mosi.h5", "--epochs", "1", "--out", "run"];
    almt(folder, &args).ok();
    let made = python("cases.py", &[Path::new("make"), Path::new("own_features"), folder]);
    if made.is_none() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (guide, at_least) in [
        ("docs/formats.md", 2),
        ("docs/python.md", 3),
        ("docs/validate.md", 1),
        ("docs/own-data.md", 1),
    ] {
        let Some(n_run) = python("guides.py", &[&root.join(guide), folder]) else { return };
        assert!(n_run.trim().parse::<usize>().unwrap() >= at_least, "{guide}: {n_run}");
    }
    // What the guide on own data made becomes a store.
    almt(folder, &["convert", "own.pkl", "--dataset", "mosi"]).ok();
    let told = almt(folder, &["validate", "own.h5"]).ok().stdout();
    assert!(told.contains("own.h5: valid"), "{told}");
}

/// What docs/own-data.md speaks of: tables of clips, and features of each.
fn own_clips(folder: &Path) {
    let frames = |n_frames: usize, start: usize| -> Vec<(f64, u8, [f64; 2])> {
        let value = |frame: usize| ((start * 7 + frame) as f64 * 0.3).sin();
        (0..n_frames).map(|frame| (0.9, (frame % 6 > 0).into(), [value(frame), 1.0])).collect()
    };
    let features = |folder: &Path, parent: &str, video: usize, clip: usize| {
        let n_frames = 4 + (3 * video + clip) % 9;
        let audio = Array2::from_shape_fn((n_frames, 3), |(frame, column)| {
            ((video + frame * (column + 1)) as f64 * 0.4).cos()
        });
        put(folder, &format!("{parent}/audio/v{video}_{clip}.npy"), npy(&audio));
        let faces = openface(&frames(2 * n_frames, video));
        put(folder, &format!("{parent}/openface/v{video}/{clip:04}.csv"), faces);
        let words = [("the", [0.0, 0.1]), ("movie", [0.1, 0.25]), ("good", [0.25, 0.4])];
        put(folder, &format!("{parent}/words/v{video}_{clip}.ctm"), ctm("x", &words));
    };
    let mut tables = ["label.csv", "reviews.csv", "moods.csv"]
        .map(|name| (name, "video_id,clip_id,text,label\n".to_owned()));
    for (video, clip) in (0..15).flat_map(|video| [(video, 1), (video, 2)]) {
        let number = (video % 7) as f64 - 3.0;
        let mood = ["bad", "fair", "good"][video % 3].to_owned();
        let labels = [number.to_string(), (3.0 + number / 1.5).to_string(), mood];
        for ((_, table), label) in tables.iter_mut().zip(labels) {
            *table += &format!("v{video},{clip},the movie was good,{label}\n");
        }
        features(folder, "features", video, clip);
    }
    tables.into_iter().for_each(|(name, table)| put(folder, name, table));
    put(folder, "times.csv", "video_id,clip_id,label,start,end\nw,1,1,0,1.5\nw,2,-1,1.5,0:03\n");
    let (times, rows) = ([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]], Array2::from_elem((3, 2), 0.5));
    sequence(&folder.join("features/audio.csd"), &[("w", &times, &rows)]);
    put(folder, "new.csv", "video_id,clip_id,text\nv99,1,weak scene\n");
    features(folder, "new", 99, 1);
}

#[test]
fn the_guide_on_own_clips_ends_in_a_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    own_clips(folder);
    tiny_encoder(folder);
    std::fs::rename(folder.join("tiny-bert"), folder.join("bert-base-uncased")).unwrap();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/own-data.md");
    let mut predicted = Vec::new();
    let guide = std::fs::read_to_string(guide).unwrap();
    // A file that the guide shows begins with its name.
    for block in guide.split("```toml\n# ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        put(folder, name, rest.split("```").next().unwrap());
    }
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    let mut n_calls = 0;
    for words in commands(&guide) {
        let mut args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        // A snippet in Python makes that file.
        if args.contains(&"own.pkl") {
            continue;
        }
        match args[0] {
            "train" => args.extend(["--epochs", "1"]),
            // The tiny encoder has few places.
            "encode" => args.extend(["--max-len", "12"]),
            _ => {}
        }
        let shown = almt(folder, &args).ok().stdout();
        *told.entry(args[0].to_owned()).or_default() += &shown;
        n_calls += 1;
        if args[0] == "predict" {
            predicted.push(shown);
        }
    }
    assert!(n_calls >= 24, "{n_calls}");
    let [clip, texts] = &predicted[..] else { panic!("{predicted:?}") };
    assert!(clip.contains("v99$_$1"), "{clip}");
    let texts: Vec<&str> = texts.lines().collect();
    assert!(texts.len() == 2 && texts[1].ends_with("  weak scene"), "{texts:?}");
    for (command, part) in [
        ("build", "dataset  Moods (clips layout)"),
        ("labels", "acc_stars"),
        ("eval", "acc_stars"),
        ("eval", "acc_classes"),
        ("eval", "acc_good"),
    ] {
        assert!(told[command].contains(part), "{part}: {}", told[command]);
    }
}

/// What the guide shows after each command of a `console` block that begins with `almt-data`.
fn outputs(guide: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let mut found: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    let mut is_console = false;
    for line in guide.lines() {
        match (line.strip_prefix("```"), line.strip_prefix("$ ")) {
            (Some(language), _) => is_console = language == "console",
            (None, Some(typed)) if is_console => {
                found.push((words(typed), Vec::new()));
            }
            (None, None) if is_console => {
                if let Some((_, shown)) = found.last_mut() {
                    shown.push(line.to_owned());
                }
            }
            _ => {}
        }
    }
    found.retain(|(words, _)| words[0] == "almt-data");
    found
}

#[test]
fn the_quick_start_prints_what_the_readme_shows() {
    let folder = tempfile::tempdir().unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut n_lines = 0;
    for (words, shown) in outputs(&std::fs::read_to_string(readme).unwrap()) {
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let found = almt(folder.path(), &args).ok().stdout();
        // Results of training may differ in their last digits on another processor.
        if words[1] == "train" {
            continue;
        }
        let mut rest = found.lines();
        for line in shown.iter().filter(|line| *line != "…") {
            assert!(rest.any(|found| found == line), "{words:?}: {line}\n{found}");
            n_lines += 1;
        }
    }
    assert!(n_lines > 8, "{n_lines}");
}
